//! `skillhost selftest`: it passes here, and it fails where a limit is broken.

use serde_json::Value;
use skillhost::Setup;
use skillhost::policy::directory::Access;
use skillhost::selftest::{Outcome, Report, Selftest};
use skillhost_tests::bench::compilation;

use crate::desk::Desk;

/// What each row has, in this order.
const FIELDS: [&str; 7] = [
    "id", "attack", "must", "outcome", "happened", "reason", "ms",
];

#[test]
fn every_row_holds_and_the_home_is_not_touched() {
    let desk = Desk::new();
    desk.configure("this is no configuration");
    let before = desk.files();
    let ran = desk.skillhost(&["selftest", "--json"]).code(0);
    assert_eq!(ran.stderr, "", "{ran:#?}");
    let report = ran.json();
    let rows = report["rows"].as_array().unwrap();
    let skipped: Vec<&Value> = rows
        .iter()
        .filter(|row| row["outcome"] == "skipped")
        .collect();
    assert!(
        skipped.iter().all(|row| row["reason"].is_string()),
        "{skipped:#?}"
    );
    assert_eq!(report["outcome"], "held", "{report:#}");
    assert_eq!(report["failed"], 0);
    assert_eq!(report["skipped"], skipped.len());
    assert_eq!(report["held"], rows.len() - skipped.len());
    assert!(report["ms"].is_u64());
    for row in rows {
        let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(fields, FIELDS, "{row}");
    }
    for family in ["R", "F", "N", "X", "S", "M"] {
        let of = |row: &&Value| row["id"].as_str().unwrap().starts_with(family);
        assert!(rows.iter().any(|row| of(&row)), "{family}");
    }
    assert_eq!(desk.files(), before);
}

#[test]
fn rows_are_shown_as_a_table() {
    let desk = Desk::new();
    let ran = desk.skillhost(&["selftest", "--only", "s01,F03"]).code(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("held    F03  follows links that lead out "),
        "{ran:#?}"
    );
    assert!(lines[0].contains("ms  told not-permitted"), "{ran:#?}");
    assert!(
        lines[1].starts_with("held    S01  is signed by nobody "),
        "{ran:#?}"
    );
    assert!(
        lines[3].starts_with("2 held, 0 failed, 0 skipped, in "),
        "{ran:#?}"
    );
    let ran = desk
        .skillhost(&["selftest", "--only", "S01", "--verbose"])
        .code(0);
    let must = "             must: not loaded, nothing compiled: SignatureMissing\n";
    assert!(ran.stdout.contains(must), "{ran:#?}");
}

#[test]
fn a_row_that_does_not_exist_is_a_wrong_command() {
    let ran = Desk::new()
        .skillhost(&["selftest", "--only", "R99"])
        .code(2);
    assert!(
        ran.stderr.contains("error: There is no row R99.\n"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr.contains("hint: Rows are: R01, R02, "),
        "{ran:#?}"
    );
}

#[test]
fn it_needs_no_home_and_says_what_it_needs() {
    let desk = Desk::new();
    let mut nowhere = vec![
        ("HOME", "/nowhere"),
        ("XDG_CONFIG_HOME", "/nowhere"),
        ("XDG_DATA_HOME", "/nowhere"),
    ];
    desk.skillhost_seeing(&nowhere, "", &["selftest", "--only", "S01"])
        .code(0);
    nowhere.push(("TMPDIR", "/nowhere"));
    let ran = desk
        .skillhost_seeing(&nowhere, "", &["selftest", "--only", "S01"])
        .code(6);
    assert!(
        ran.stderr.contains("error: There is no temporary folder"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("TMPDIR"), "{ran:#?}");
}

/// The rows with these ids, against a host that is weaker. A test cannot compile
/// in a process of its own program, so it says as well who does.
async fn weakened(ids: &[&str], change: fn(&mut Setup)) -> Report {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows = Selftest::all().only(&ids).unwrap();
    rows.danger_changed(change).run(|_| {}).await.unwrap()
}

#[track_caller]
fn assert_failed(report: &Report, attack: &str, happened: &str) {
    let row = report.rows.iter().find(|row| row.attack == attack).unwrap();
    assert_eq!(row.outcome, Outcome::Failed, "{row:#?}");
    assert!(row.happened.starts_with(happened), "{row:#?}");
    assert!(row.reason.is_some(), "{row:#?}");
    assert_eq!(report.outcome, Outcome::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_limits_are_broken_does_not_pass() {
    let report = weakened(&["R14", "R17"], |setup| {
        setup.compile = compilation();
        for policy in setup.skills.values_mut() {
            policy.grant.limits.output = Some(64 << 20);
            policy.grant.limits.log = Some(64 << 20);
            policy.grant.limits.log_lines = Some(1 << 20);
        }
    })
    .await;
    assert_failed(&report, "answers with more than it may", "told ");
    assert_failed(&report, "floods the log", "went on to its end");
    assert_eq!((report.held, report.failed), (1, 2));
}

/// A call that comes to its end only because the deadline is far away.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_calls_too_late_does_not_pass() {
    let report = weakened(&["R20"], |setup| {
        setup.compile = compilation();
        for policy in setup.skills.values_mut() {
            policy.grant.limits.timeout = Some(std::time::Duration::from_secs(1));
        }
    })
    .await;
    assert_failed(&report, "sleeps in the host", "DeadlineExceeded: ");
    assert!(
        report.rows[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("with a deadline of 100ms")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_grants_too_much_does_not_pass() {
    let report = weakened(&["F07"], |setup| {
        setup.compile = compilation();
        for policy in setup.skills.values_mut() {
            for directory in &mut policy.grant.directories {
                directory.access = Access::ReadWrite;
            }
        }
    })
    .await;
    assert_failed(&report, "writes where it may read", "told that it may");
    assert_failed(&report, "removes and renames where it may read", "told ");
}
