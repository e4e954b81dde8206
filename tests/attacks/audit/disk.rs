//! Disks without room, and disks that lose their power.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use skillhost::Kind::AuditUnavailable;
use skillhost_tests::bench::invocation;
use skillhost_tests::trail::{Trail, end_call, skip, start_call};
use skillhost_tests::{Bench, Records};

/// The log of a host that calls skills.
fn bench_on(trail: &Trail) -> (Bench, Records) {
    let records = Records::default();
    let others = records.clone();
    let bench = Bench::with(|setup| {
        setup.audit = trail.open(|_| {});
        setup.sinks.push(Box::new(others));
    });
    (bench, records)
}

#[tokio::test(flavor = "multi_thread")]
async fn d02_a_full_device_refuses_calls_and_takes_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::within(folder.path());
    let (bench, records) = bench_on(&trail);
    fs::remove_file(trail.log()).unwrap();
    symlink("/dev/full", trail.log()).unwrap();
    let call = || invocation("echo", "echo", json!({"text": "a"}));
    for _ in 0..2 {
        let answer = bench.host().invoke(call()).await;
        assert_eq!(answer.outcome.unwrap_err().kind(), AuditUnavailable);
    }
    assert_eq!(records.named("audit.degraded").len(), 1);
    fs::remove_file(trail.log()).unwrap();
    bench.ensure_loaded("echo").await;
    let answer = bench.host().invoke(call()).await;
    assert!(answer.outcome.is_ok());
    assert_eq!(records.last("audit.recovered")["kept"], 0);
    drop(bench);
    let report = trail.verify();
    assert!(report.is_intact() && report.gaps == 0, "{report:#?}");
}

/// The disk fills up while a call runs: the call ends, and so does its record.
#[tokio::test(flavor = "multi_thread")]
async fn d02_a_call_that_runs_while_the_disk_fills_up_is_recorded_later() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::within(folder.path());
    let (bench, records) = bench_on(&trail);
    bench.ensure_loaded("progress_and_remaining").await;
    let mut call = invocation("progress_and_remaining", "work", json!({"steps": [1]}));
    let id = call.id.to_string();
    let (log, aside) = (trail.log(), folder.path().join("aside"));
    call.progress = Some(Arc::new(move |_| {
        fs::rename(&log, &aside).unwrap();
        symlink("/dev/full", &log).unwrap();
    }));
    let answer = bench.host().invoke(call).await;
    assert!(answer.outcome.is_ok(), "{:?}", answer.outcome);
    assert_eq!(records.named("audit.degraded").len(), 1);
    fs::rename(folder.path().join("aside"), trail.log()).unwrap();
    bench.ensure_loaded("echo").await;
    drop(bench);
    let ends = trail.records();
    let end = ends
        .iter()
        .find(|it| it["event"] == "invocation.finished" && it["invocation"] == *id);
    assert_eq!(end.unwrap()["outcome"], "ok");
    assert_eq!(trail.counts()["audit.recovered"], 1);
}

/// A disk of its own that is really full. Room is set aside there for the ends
/// of calls.
#[test]
fn d02_a_tiny_disk_that_is_full_keeps_the_ends_of_calls() {
    if let Some(trail) = Trail::given() {
        return fill_and_empty(&trail);
    }
    let name = "audit::disk::d02_a_tiny_disk_that_is_full_keeps_the_ends_of_calls";
    let folder = tempfile::tempdir().unwrap();
    let mount = [
        "-Urm",
        "sh",
        "-c",
        "mount -t tmpfs -o size=4m none \"$0\" && exec \"$@\"",
    ];
    if !runs(unshare(&mount, folder.path()).arg("true")) {
        return skip(name, "no file system can be mounted in a namespace here");
    }
    let inner = Trail::within(folder.path()).command(name);
    let mut command = unshare(&mount, folder.path());
    command.arg(inner.get_program()).args(inner.get_args());
    command.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[expect(clippy::disallowed_methods, reason = "mounts a disk for a test")]
fn unshare(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(arguments).arg(folder);
    command
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn fill_and_empty(trail: &Trail) {
    let events = trail.begin(|_| {});
    let open: Vec<String> = (0..100).map(|call| format!("open-{call}")).collect();
    for id in &open {
        start_call(&events, id).unwrap();
    }
    let filler = trail.log().with_file_name("filler");
    let full = fs::write(&filler, vec![0; 8 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let refused = (0..).find(|call| start_call(&events, &format!("refused-{call}")).is_err());
    assert!(refused.unwrap() < 100);
    for id in &open {
        end_call(&events, id).unwrap();
    }
    // There was room set aside: the ends are on the disk already.
    let ends = |trail: &Trail| trail.counts().get("invocation.finished").copied();
    assert_eq!(ends(trail), Some(100));
    assert!(start_call(&events, "late").is_err());
    fs::remove_file(&filler).unwrap();
    start_call(&events, "again").unwrap();
    end_call(&events, "again").unwrap();
    drop(events);
    let report = trail.verify();
    assert!(report.is_intact(), "{:#?}", report.broken);
    assert_eq!((report.gaps, ends(trail)), (0, Some(101)));
    let recovered = trail.records();
    let recovered = recovered.iter().find(|it| it["event"] == "audit.recovered");
    assert_eq!(recovered.unwrap()["refused"], 3);
}

/// The old file is on disk before its name is, and the name before the rotation
/// is over. Seen from outside, as the kernel was asked.
#[test]
fn d07_a_rotation_brings_to_disk_what_it_renames() {
    if let Some(trail) = Trail::given() {
        let events = trail.begin(|options| options.rotate_size = 1);
        for call in ["one", "two"] {
            start_call(&events, call).unwrap();
            end_call(&events, call).unwrap();
        }
        return;
    }
    let name = "audit::disk::d07_a_rotation_brings_to_disk_what_it_renames";
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("strace");
    let tracer = [
        "-f",
        "-y",
        "-e",
        "trace=fsync,link,linkat,rename,renameat,renameat2",
        "-o",
    ];
    if !runs(strace(&tracer, &log).arg("true")) {
        return skip(name, "there is no strace, or it may not trace");
    }
    let inner = Trail::within(folder.path()).command(name);
    let mut command = strace(&tracer, &log);
    command.arg(inner.get_program()).args(inner.get_args());
    command.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    assert!(command.output().unwrap().status.success());
    let text = fs::read_to_string(&log).unwrap();
    let path = folder.path().to_str().unwrap();
    let at = |needles: &[&str]| {
        let mut lines = text.lines();
        let found = lines.position(|line| needles.iter().all(|needle| line.contains(needle)));
        found.unwrap_or_else(|| panic!("{needles:?}: {text}"))
    };
    let written = at(&["fsync(", &format!("{path}/audit.jsonl>")]);
    let ready = at(&["fsync(", &format!("{path}/audit.jsonl.next>")]);
    let linked = at(&["link", "audit-000001.jsonl"]);
    let renamed = at(&["rename", "audit.jsonl.next"]);
    let mut after = text.lines().skip(renamed);
    assert!(
        written < linked && ready < renamed && linked < renamed,
        "{text}"
    );
    assert!(
        after.any(|line| line.contains("fsync(") && line.contains(&format!("{path}>"))),
        "{text}"
    );
}

#[expect(clippy::disallowed_methods, reason = "watches a test from outside")]
fn strace(arguments: &[&str], log: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(arguments).arg(log);
    command
}
