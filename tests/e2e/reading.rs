//! `audit`: the log as people and other programs read it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::{Value, json};
use skillhost_tests::Says;

use crate::desk::{Desk, Ran, fields};

const LOG: &str = "data/skillhost/audit.jsonl";

/// A desk at which three calls were made: one that answered, one that crashed,
/// and one of a tool that there is not.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.configure("[trust]\npreset = \"permissive\"\n");
    desk.component("says", &Says::new("hello").component());
    desk.guest("panic");
    desk.skillhost(&["run", "says.wasm"]).code(0);
    desk.skillhost(&["run", "panic.wasm"]).code(1);
    desk.skillhost(&["run", "says.wasm", "nothing"]).code(2);
    desk
}

fn audit(desk: &Desk, arguments: &[&str]) -> Ran {
    desk.skillhost(&[&["audit"], arguments].concat())
}

fn lines(ran: &Ran) -> Vec<Value> {
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Every line of the log, checkpoints too.
fn written(desk: &Desk) -> Vec<Value> {
    let text = fs::read_to_string(desk.path(LOG)).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The id of the call of that skill.
fn call_of(desk: &Desk, skill: &str) -> String {
    let records = desk.audit();
    let started = |it: &&Value| it["event"] == "invocation.started" && it["skill"] == skill;
    let record = records.iter().find(started).unwrap();
    record["invocation"].as_str().unwrap().to_owned()
}

#[test]
fn tail_shows_the_newest_and_what_a_filter_leaves() {
    let desk = desk();
    let all = written(&desk);
    let ran = audit(&desk, &["tail", "--json", "-n", "3"]).code(0);
    assert_eq!(lines(&ran), all[all.len() - 3..]);
    let ran = audit(
        &desk,
        &[
            "tail",
            "--filter",
            "event=guest.*",
            "--filter",
            "skill=panic",
        ],
    )
    .code(0);
    let id = call_of(&desk, "panic");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    for part in [
        "warning panic/panic: crashed: The skill crashed",
        &format!("[{}]", &id[..8]),
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert!(
        !ran.stdout.contains('\u{1b}'),
        "colours where nobody asked for them"
    );
    let none = audit(
        &desk,
        &[
            "tail",
            "--filter",
            "severity>=high",
            "--filter",
            "event=guest.*",
        ],
    )
    .code(0);
    assert_eq!(none.stdout, "");
    let old = audit(&desk, &["tail", "--filter", "until=2001-01-01T00:00:00Z"]).code(0);
    assert_eq!(old.stdout, "");
}

#[test]
fn a_wrong_filter_names_the_right_ones() {
    let desk = Desk::new();
    for wrong in ["colour=red", "since=yesterday", "severity=loud"] {
        let ran = audit(&desk, &["tail", "--filter", wrong, "--json"])
            .code(2)
            .json();
        assert_eq!(ran["kind"], "InvalidRequest", "{wrong}");
        assert!(
            ran["hint"]
                .as_str()
                .unwrap()
                .contains("event, severity, review, skill"),
            "{ran}"
        );
    }
    let ran = audit(&desk, &["stats", "--json"]).code(2).json();
    assert!(
        ran["message"]
            .as_str()
            .unwrap()
            .starts_with("There is no audit log"),
        "{ran}"
    );
}

#[test]
fn tail_follows_what_is_written_and_ends_when_nobody_reads() {
    let desk = desk();
    let mut child = desk.spawn(&[
        "audit",
        "tail",
        "--follow",
        "-n",
        "0",
        "--json",
        "--filter",
        "event=invocation.finished",
    ]);
    let mut seen = BufReader::new(child.stdout.take().unwrap()).lines();
    // It shows no earlier line, so that the first call after it has begun to
    // look is what it must show; it begins within a few tries.
    let (told, first) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = told.send(seen.next().unwrap().unwrap());
    });
    let mut line = None;
    for _ in 0..50 {
        desk.skillhost(&["run", "says.wasm"]).code(0);
        line = first.recv_timeout(Duration::from_millis(500)).ok();
        if line.is_some() {
            break;
        }
    }
    let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!(
        (&line["event"], &line["skill"]),
        (&json!("invocation.finished"), &json!("says"))
    );
    // The reader is gone with its thread.
    for _ in 0..50 {
        desk.skillhost(&["run", "says.wasm"]).code(0);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    panic!("it goes on for nobody");
}

#[test]
fn show_tells_one_call_by_the_beginning_of_its_id() {
    let desk = desk();
    let id = call_of(&desk, "panic");
    let story = audit(&desk, &["show", &id[..8]]).code(0).stdout;
    for part in [
        id.as_str(),
        "panic of panic 0.1.0",
        "called by          local",
        "signed by local",
        "guest.trapped",
        "finished",
        "error (Trapped)",
        "fuel ",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let json = audit(&desk, &["show", &id, "--json"]).code(0).json();
    assert_eq!(
        (&json["invocation"], &json["kind"], &json["missing"]),
        (&json!(id), &json!("Trapped"), &json!([]))
    );
    assert!(json["records"].as_array().unwrap().len() > 2);
    let nobody = audit(&desk, &["show", "xyz", "--json"]).code(2).json();
    assert_eq!(nobody["kind"], "InvalidRequest");
    let everybody = audit(&desk, &["show", "", "--json"]).code(2).json();
    assert_eq!(everybody["kind"], "InvalidRequest");
}

#[test]
fn show_says_when_the_beginning_or_the_end_is_not_on_record() {
    let desk = Desk::new();
    let record = |event: &str, id: &str| json!({"time": "2026-11-21T10:00:00Z", "severity": "info", "event": event, "invocation": id, "skill": "notes", "outcome": "ok", "wall_ms": 1});
    let log = [
        record("invocation.finished", "aa01"),
        record("invocation.started", "aa02"),
        record("invocation.started", "bb03"),
    ];
    let text: String = log.iter().map(|line| format!("{line}\n")).collect();
    desk.write(LOG, format!("{text}{{\"event\":\"torn"));
    let story = |id: &str| audit(&desk, &["show", id]).code(0);
    let first = story("aa01");
    assert!(
        first.stdout.contains("Its start is not on record"),
        "{first:?}"
    );
    assert!(story("bb").stdout.contains("Its end is not on record"));
    let several = audit(&desk, &["show", "aa", "--json"]).code(2).json();
    assert!(
        several["message"].as_str().unwrap().contains("aa01, aa02"),
        "{several}"
    );
}

#[test]
fn export_gives_each_line_in_each_format() {
    let desk = desk();
    let all = written(&desk);
    let raw = audit(&desk, &["export", "--format", "jsonl"]).code(0);
    assert_eq!(raw.stdout, fs::read_to_string(desk.path(LOG)).unwrap());
    let ocsf = lines(&audit(&desk, &["export", "--format", "ocsf"]).code(0));
    assert_eq!(ocsf.len(), all.len());
    let finished = ocsf
        .iter()
        .find(|it| it["metadata"]["event_code"] == "invocation.finished")
        .unwrap();
    assert_eq!(
        (
            &finished["class_uid"],
            &finished["status"],
            &finished["api"]["operation"]
        ),
        (&json!(6003), &json!("Success"), &json!("run"))
    );
    let cef = audit(
        &desk,
        &[
            "export",
            "--format",
            "cef",
            "--since",
            "1h",
            "--filter",
            "kind=Trapped",
        ],
    )
    .code(0);
    assert_eq!(cef.stdout.lines().count(), 1);
    assert!(
        cef.stdout.starts_with("CEF:0|skillhost|skillhost|"),
        "{cef:?}"
    );
    let none = audit(
        &desk,
        &[
            "export",
            "--format",
            "cef",
            "--since",
            "2999-01-01T00:00:00Z",
        ],
    )
    .code(0);
    assert_eq!(none.stdout, "");
    audit(&desk, &["export"]).code(2);
}

#[test]
fn stats_count_calls_by_tool_and_failures_by_kind() {
    let desk = desk();
    let stats = audit(&desk, &["stats", "--json"]).code(0).json();
    assert_eq!(
        (&stats["started"], &stats["finished"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        (
            &stats["tools"]["says/run"]["ok"],
            &stats["tools"]["panic/panic"]["failed"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (
            &stats["failures"]["Trapped"],
            &stats["failures"]["UnknownTool"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        fields(&stats["all"]),
        [
            "calls", "failed", "fuel", "ok", "p50_ms", "p95_ms", "p99_ms"
        ]
    );
    let table = audit(&desk, &["stats", "--since", "1h"]).code(0).stdout;
    for part in [
        "3 calls began, 3 ended",
        "says/run",
        "busiest skills",
        "failures",
        "Trapped",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let ran = audit(&desk, &["stats", "--filter", "skill=other"]).code(0);
    assert_eq!(ran.stdout, "");
}

#[test]
fn verify_says_that_a_log_is_intact_or_where_it_is_not() {
    let desk = desk();
    let intact = audit(&desk, &["verify"]).code(0);
    assert!(intact.stdout.starts_with("intact: 1 files, "), "{intact:?}");
    let log = fs::read_to_string(desk.path(LOG)).unwrap();
    fs::write(
        desk.path(LOG),
        log.replacen("\"skill\":\"panic\"", "\"skill\":\"other\"", 1),
    )
    .unwrap();
    let edited = log
        .lines()
        .position(|line| line.contains("\"skill\":\"panic\""))
        .unwrap()
        + 1;
    let broken = audit(&desk, &["verify"]).code(3);
    assert!(
        broken
            .stdout
            .contains(&format!("broken: audit.jsonl, line {edited}")),
        "{broken:?}"
    );
    let report = audit(&desk, &["verify", "--json"]).code(3).json();
    assert_eq!(
        (&report["intact"], &report["report"]["broken"][0]["line"]),
        (&json!(false), &json!(edited))
    );
}

#[test]
fn a_log_of_another_machine_is_read_and_verified_with_its_public_key() {
    let (desk, elsewhere) = (desk(), Desk::new());
    let copy = elsewhere.write("copy/audit.jsonl", fs::read(desk.path(LOG)).unwrap());
    let head = fs::read(desk.path("data/skillhost/audit.jsonl.head")).unwrap();
    elsewhere.write("copy/audit.jsonl.head", head);
    let file = copy.to_str().unwrap();
    let key = desk.path("data/skillhost/keys/host.pub");
    let ran = audit(
        &elsewhere,
        &["verify", "--file", file, "--key", key.to_str().unwrap()],
    )
    .code(0);
    assert!(ran.stdout.starts_with("intact"), "{ran:?}");
    let wrong = audit(&elsewhere, &["verify", "--file", file, "--key", file]).code(2);
    assert!(wrong.stderr.contains("public key"), "{wrong:?}");
    let tail = audit(&elsewhere, &["tail", "--file", file, "--json", "-n", "1"]).code(0);
    assert_eq!(lines(&tail).len(), 1);
}
