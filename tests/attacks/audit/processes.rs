//! Processes that share a log, and processes that are killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use skillhost::event::audit::{Damage, LOST};
use skillhost_tests::trail::{Trail, end_call, start_call};

/// Kills of a writing process; two write at once.
const ROUNDS: usize = 100;

/// The longest life of a process, in milliseconds.
const LONGEST: u64 = 40;

/// A file so small that it is often full.
const SMALL: u64 = 64 * 1024;

#[test]
fn c05_three_processes_write_one_log_and_rotate_it() {
    if let Some(trail) = Trail::given() {
        let events = trail.begin(|options| options.rotate_size = SMALL);
        for call in 0..500 {
            let id = format!("{}-{call}", std::process::id());
            start_call(&events, &id).unwrap();
            end_call(&events, &id).unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::within(folder.path());
    let test = "audit::processes::c05_three_processes_write_one_log_and_rotate_it";
    let children: Vec<Child> = (0..3).map(|_| trail.child(test)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let report = trail.verify();
    assert!(report.is_intact(), "{:#?}", report.broken);
    assert!(report.files.len() > 10, "{}", report.files.len());
    assert_eq!((report.gaps, report.unsealed, report.unsigned), (0, 0, 0));
    let counts = trail.counts();
    assert_eq!(
        (counts["invocation.started"], counts["invocation.finished"]),
        (1_500, 1_500)
    );
    assert_eq!(counts["audit.rotated"] + 1, report.files.len());
    assert!(!counts.contains_key("audit.opened"), "{counts:?}");
}

/// Whatever was told to be recorded is there after the process is killed, and
/// what was not is to be seen as lost.
#[test]
fn d01_two_hundred_processes_are_killed_while_they_write() {
    if let Some(trail) = Trail::given() {
        return write_until_killed(&trail);
    }
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::within(folder.path());
    let mut random = fastrand::Rng::with_seed(11);
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let children = [writer(&trail), writer(&trail)];
        for (mut child, reader) in children {
            std::thread::sleep(Duration::from_millis(random.u64(..LONGEST)));
            child.kill().unwrap();
            child.wait().unwrap();
            told.extend(reader.join().unwrap());
        }
        if round % 10 > 0 {
            continue;
        }
        let report = trail.verify();
        let torn = report.broken.iter().all(|it| it.damage == Damage::Torn);
        assert!(torn, "{report:#?}");
    }
    drop(trail.begin(|options| options.rotate_size = SMALL));
    let report = trail.verify();
    assert!(report.is_intact(), "{:#?}", report.broken);
    assert_eq!((report.gaps, report.unsealed, report.unsigned), (0, 0, 0));
    every_call_has_one_end(&trail, &told);
}

fn writer(trail: &Trail) -> (Child, std::thread::JoinHandle<Vec<String>>) {
    let mut child =
        trail.child("audit::processes::d01_two_hundred_processes_are_killed_while_they_write");
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (ready, begun) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut told = Vec::new();
        let mut line = String::new();
        // The last line may be torn as well.
        while output.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
            if let Some((_, id)) = line.trim_end().split_once("told ") {
                told.push(id.to_owned());
                // Nobody waits any more after the first.
                let _ = ready.send(());
            }
            line.clear();
        }
        told
    });
    begun.recv_timeout(Duration::from_secs(30)).unwrap();
    (child, reader)
}

fn write_until_killed(trail: &Trail) {
    let events = Arc::new(trail.begin(|options| options.rotate_size = SMALL));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let events = Arc::clone(&events);
            std::thread::spawn(move || {
                for call in 0.. {
                    let id = format!("{}-{writer}-{call}", std::process::id());
                    start_call(&events, &id).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "told {id}").unwrap();
                    drop(out);
                    end_call(&events, &id).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
}

fn every_call_has_one_end(trail: &Trail, told: &[String]) {
    let mut calls: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut lost = 0;
    for record in trail.records() {
        let Some(id) = record["invocation"].as_str() else {
            continue;
        };
        let call = calls.entry(id.to_owned()).or_default();
        match record["event"].as_str().unwrap() {
            "invocation.started" => call.0 += 1,
            _ => call.1 += 1,
        }
        lost += u32::from(record["reason"] == LOST);
    }
    for id in told {
        assert!(calls.contains_key(id), "{id} is not there");
    }
    let wrong: Vec<_> = calls.iter().filter(|(_, call)| **call != (1, 1)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(lost > 0 && !told.is_empty());
}

/// With no descriptor left, the log is rotated all the same, and nothing is
/// lost.
#[test]
fn d10_a_process_without_descriptors_rotates_its_log() {
    let Some(trail) = Trail::given() else {
        let folder = tempfile::tempdir().unwrap();
        let test = "audit::processes::d10_a_process_without_descriptors_rotates_its_log";
        let child = Trail::within(folder.path()).child(test);
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        return;
    };
    let events = trail.begin(|options| options.rotate_size = SMALL);
    let limit = Rlimit {
        current: Some(64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    for call in 0..500 {
        start_call(&events, &call.to_string()).unwrap();
        end_call(&events, &call.to_string()).unwrap();
    }
    drop(hoard);
    drop(events);
    let report = trail.verify();
    assert!(report.is_intact() && report.files.len() > 3, "{report:#?}");
    assert_eq!(trail.counts()["invocation.finished"], 500);
}
