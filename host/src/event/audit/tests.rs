//! The writer against what happens to files, seen with the verifier's eyes.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::event::Events;
use crate::time::Clock;

/// A clock that a test sets, in milliseconds since 1970.
#[derive(Debug)]
struct Hands(AtomicI64, Instant);

impl Clock for Hands {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Instant {
        self.1
    }
}

struct Bench {
    folder: TempDir,
    key: PathBuf,
    clock: Arc<Hands>,
    change: fn(&mut AuditOptions),
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: fn(&mut AuditOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = crate::time::system();
        Self {
            key: folder.path().join("host"),
            clock: Arc::new(Hands(
                AtomicI64::new(now.wall().as_millisecond()),
                now.monotonic(),
            )),
            folder,
            change,
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::load_or_create(&self.key).unwrap()
    }

    fn begin(&self) -> Events {
        let mut options = AuditOptions::new(self.key(), Durability::Flush);
        (self.change)(&mut options);
        let log = AuditLog::open(&self.log(), options).unwrap();
        let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&self.clock);
        Events::new(Box::new(log), vec![], clock).unwrap()
    }

    fn verify(&self) -> Report {
        verify(&self.log(), &Keys::of(&self.key())).unwrap()
    }

    fn intact(&self) -> Report {
        let report = self.verify();
        assert!(report.is_intact(), "{:#?}", report.broken);
        report
    }

    fn events(&self) -> Vec<String> {
        let lines = Lines::open(&self.log()).unwrap();
        let text = |line: Line| line.value().unwrap()["event"].as_str().unwrap().to_owned();
        lines.map(|line| text(line.unwrap())).collect()
    }

    fn values(&self) -> Vec<Value> {
        let lines = Lines::open(&self.log()).unwrap();
        lines.map(|line| line.unwrap().value().unwrap()).collect()
    }

    fn append(&self, text: &str) {
        let mut file = File::options().append(true).open(self.log()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn say(events: &Events) {
    events
        .record(&Subject::default(), &Event::ArtifactChanged {})
        .unwrap();
}

fn started(events: &Events, id: &str) {
    let subject = Subject {
        invocation: Some(id.into()),
        skill: Some("echo".into()),
        ..Subject::default()
    };
    let event = Event::InvocationStarted {
        input_sha256: String::new(),
        input_bytes: 0,
    };
    events.record(&subject, &event).unwrap();
}

fn finished(events: &Events, id: &str) -> Result<()> {
    let subject = Subject {
        invocation: Some(id.into()),
        ..Subject::default()
    };
    let event = Event::InvocationFinished {
        outcome: "ok",
        kind: None,
        reason: None,
        usage: super::super::Usage::default(),
    };
    events.record(&subject, &event)
}

/// As if the process were killed: nothing is written, and locks are given back.
fn kill(events: Events) {
    let mut events = std::mem::ManuallyDrop::new(events);
    // Its files are closed; only the clean end does not happen.
    drop(std::mem::replace(&mut events.audit, Box::new(Nothing)));
}

#[derive(Debug)]
struct Nothing;

impl Sink for Nothing {
    fn write(&self, _record: &Record<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_clean_end_signs_everything_and_leaves_no_mark() {
    let bench = Bench::new();
    let events = bench.begin();
    for _ in 0..3 {
        say(&events);
    }
    let report = bench.intact();
    assert_eq!(
        (report.lines, report.unsigned, report.checkpoints),
        (3, 3, 0)
    );
    assert_eq!(fs::read_dir(runs_folder(&bench.log())).unwrap().count(), 1);
    drop(events);
    let report = bench.intact();
    assert_eq!(
        (report.lines, report.unsigned, report.checkpoints),
        (4, 0, 1)
    );
    assert_eq!(
        (report.head, report.unsealed, report.gaps),
        (HeadCheck::Good, 0, 0)
    );
    assert_eq!(fs::read_dir(runs_folder(&bench.log())).unwrap().count(), 0);
    assert_eq!(bench.values()[0]["previous"], "0".repeat(64));
    let elsewhere = verify(&bench.log(), &Keys::public(bench.key().public().clone())).unwrap();
    assert_eq!(
        (elsewhere.checkpoints, elsewhere.head),
        (1, HeadCheck::Unchecked)
    );
    let stranger = PrivateKey::generate().unwrap();
    let report = verify(&bench.log(), &Keys::of(&stranger)).unwrap();
    let damages: Vec<_> = report.broken.iter().map(|it| it.damage).collect();
    assert_eq!(damages, [Damage::ForgedCheckpoint, Damage::ForgedHead]);
}

#[test]
fn a_checkpoint_is_made_after_so_many_lines_and_so_much_time() {
    let bench = Bench::new();
    let events = bench.begin();
    for _ in 0..2_001 {
        say(&events);
    }
    assert_eq!(bench.intact().checkpoints, 2);
    bench.clock.0.fetch_add(60_000, Ordering::SeqCst);
    say(&events);
    assert_eq!(bench.intact().checkpoints, 3);
    drop(events);
}

#[test]
fn a_full_file_is_followed_by_another_and_an_old_one() {
    let bench = Bench::with(|options| options.rotate_size = 4_096);
    let events = bench.begin();
    for _ in 0..40 {
        say(&events);
    }
    let report = bench.intact();
    assert!(report.files.len() > 2, "{report:?}");
    assert_eq!(report.removed, 0);
    let second = fs::read_to_string(bench.file("audit-000002.jsonl")).unwrap();
    let first: Value = serde_json::from_str(second.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "audit.rotated");
    assert_eq!(first["previous_file"], "audit-000001.jsonl");
    assert_eq!(first["previous_head"], first["previous"]);
    let last = second.lines().last().unwrap();
    assert!(last.contains("audit.checkpoint"), "{last}");
    drop(events);
    let old = Bench::with(|options| options.rotate_age = Duration::from_secs(60));
    let events = old.begin();
    say(&events);
    old.clock.0.fetch_add(60_000, Ordering::SeqCst);
    say(&events);
    assert_eq!(old.intact().files.len(), 2);
}

#[test]
fn what_is_not_kept_is_removed_and_recorded() {
    let bench = Bench::with(|options| {
        options.rotate_size = 4_096;
        options.keep = Some(2);
    });
    let events = bench.begin();
    for _ in 0..80 {
        say(&events);
    }
    let report = bench.intact();
    assert_eq!(report.files.len(), 3, "{report:?}");
    assert!(report.removed > 0);
    // One file more than the host removed.
    fs::remove_file(report.files[0].file.as_ref()).unwrap();
    let report = bench.verify();
    assert_eq!(
        report.first().unwrap().damage,
        Damage::Missing,
        "{report:?}"
    );
    drop(events);
}

#[test]
fn d01_a_torn_tail_is_set_aside_and_the_chain_goes_on() {
    let bench = Bench::new();
    let events = bench.begin();
    say(&events);
    kill(events);
    bench.append("{\"previous\":\"12");
    assert_eq!(bench.verify().first().unwrap().damage, Damage::Torn);
    let events = bench.begin();
    say(&events);
    drop(events);
    assert_eq!(
        bench.events(),
        [
            "artifact.changed",
            "audit.torn",
            "artifact.changed",
            "audit.checkpoint"
        ]
    );
    let torn = &bench.values()[1];
    assert_eq!(
        (torn["bytes"].as_u64(), &torn["kept"]),
        (Some(15), &"audit.jsonl.torn-1".into())
    );
    assert_eq!(
        fs::read_to_string(bench.file("audit.jsonl.torn-1")).unwrap(),
        "{\"previous\":\"12"
    );
    bench.intact();
}

#[test]
fn d01_a_line_that_the_head_does_not_know_of_is_taken_over() {
    let bench = Bench::new();
    let events = bench.begin();
    say(&events);
    kill(events);
    let head = fs::read(bench.file("audit.jsonl.head")).unwrap();
    let events = bench.begin();
    say(&events);
    kill(events);
    fs::write(bench.file("audit.jsonl.head"), head).unwrap();
    assert_eq!(bench.intact().unsealed, 1);
    drop(bench.begin());
    assert_eq!(bench.intact().unsealed, 0);
}

#[test]
fn d03_a_log_that_is_deleted_cut_or_replaced_while_the_host_runs_is_noticed() {
    let damages: [fn(&Bench); 4] = [
        |bench| fs::remove_file(bench.log()).unwrap(),
        |bench| {
            let file = File::options().write(true).open(bench.log()).unwrap();
            file.set_len(0).unwrap();
        },
        |bench| {
            let text = fs::read_to_string(bench.log()).unwrap();
            let cut = text.lines().next().unwrap().len() + 1;
            let file = File::options().write(true).open(bench.log()).unwrap();
            file.set_len(cut as u64).unwrap();
        },
        |bench| {
            fs::write(bench.file("other"), "no record\n").unwrap();
            fs::rename(bench.file("other"), bench.log()).unwrap();
        },
    ];
    // The lock is given back after each of a few lines, and kept among many.
    let cases = damages.into_iter().flat_map(|it| [(2, it), (100, it)]);
    for (number, (lines, damage)) in cases.enumerate() {
        let bench = Bench::new();
        let events = bench.begin();
        for _ in 0..lines {
            say(&events);
        }
        damage(&bench);
        say(&events);
        drop(events);
        let text = fs::read_to_string(bench.log()).unwrap();
        let opened = text.lines().find(|line| line.contains("audit.opened"));
        let opened: Value = serde_json::from_str(opened.unwrap()).unwrap();
        assert_eq!(opened["expected_lines"], lines, "{number}: {opened}");
        let report = bench.verify();
        let damages: Vec<_> = report.broken.iter().map(|it| it.damage).collect();
        assert!(
            damages.contains(&Damage::Truncated),
            "{number}: {report:#?}"
        );
        assert_eq!(report.unsigned, 0, "{number}: {report:#?}");
    }
}

/// The same between two runs, when only the head remembers.
#[test]
fn d03_lines_that_were_cut_off_are_missed_at_the_next_start() {
    let bench = Bench::new();
    let events = bench.begin();
    say(&events);
    drop(events);
    let text = fs::read_to_string(bench.log()).unwrap();
    let first = text.lines().next().unwrap();
    fs::write(bench.log(), format!("{first}\n")).unwrap();
    assert_eq!(bench.verify().first().unwrap().damage, Damage::Truncated);
    let events = bench.begin();
    say(&events);
    assert_eq!(bench.events()[1], "audit.opened");
    assert_eq!(bench.verify().first().unwrap().damage, Damage::Truncated);
    drop(events);
}

#[test]
fn a_copied_log_goes_on_without_a_word() {
    let bench = Bench::new();
    drop(bench.begin());
    let events = bench.begin();
    say(&events);
    drop(events);
    fs::copy(bench.log(), bench.file("copy")).unwrap();
    fs::rename(bench.file("copy"), bench.log()).unwrap();
    let events = bench.begin();
    say(&events);
    drop(events);
    assert!(!bench.events().contains(&"audit.opened".to_owned()));
    bench.intact();
}

#[test]
fn d08_calls_of_a_killed_run_are_closed_at_the_next_start() {
    let bench = Bench::with(|options| options.rotate_size = 1_500);
    let other = bench.begin();
    say(&other);
    let events = bench.begin();
    for id in ["one", "two", "three", "four"] {
        started(&events, id);
    }
    finished(&events, "two").unwrap();
    kill(events);
    let living = bench.begin();
    say(&living);
    let lost: Vec<_> = bench
        .values()
        .into_iter()
        .filter(|it| it["reason"] == LOST)
        .collect();
    let mut ids: Vec<_> = lost
        .iter()
        .map(|it| it["invocation"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["four", "one", "three"]);
    assert_eq!(
        (&lost[0]["kind"], &lost[0]["skill"]),
        (&"Internal".into(), &"echo".into())
    );
    say(&other);
    kill(other);
    drop(living);
    drop(bench.begin());
    let closed = bench
        .events()
        .iter()
        .filter(|it| *it == "invocation.finished")
        .count();
    assert_eq!(closed, 4);
    bench.intact();
}

#[test]
fn d07_a_rotation_that_was_interrupted_is_finished() {
    for stage in 0..3 {
        let bench = Bench::with(|options| options.rotate_size = 4_096);
        let events = bench.begin();
        say(&events);
        kill(events);
        let next = bench.file("audit.jsonl.next");
        let old = bench.file("audit-000001.jsonl");
        fs::write(&next, "").unwrap();
        if stage > 0 {
            fs::hard_link(bench.log(), &old).unwrap();
        }
        if stage > 1 {
            fs::rename(&next, bench.log()).unwrap();
        }
        let events = bench.begin();
        for _ in 0..20 {
            say(&events);
        }
        drop(events);
        let report = bench.intact();
        assert!(report.files.len() > 1, "{stage}: {report:?}");
        assert!(
            !bench.events().contains(&"audit.opened".to_owned()),
            "{stage}"
        );
    }
}

#[test]
fn c05_two_runs_write_to_one_log_in_turns() {
    let bench = Bench::with(|options| options.rotate_size = 4_096);
    let (one, two) = (bench.begin(), bench.begin());
    for _ in 0..30 {
        say(&one);
        say(&two);
        say(&two);
    }
    drop(one);
    drop(two);
    let report = bench.intact();
    assert_eq!((report.gaps, report.unsealed, report.unsigned), (0, 0, 0));
    assert!(report.files.len() > 5);
}

/// One keeps the lock for moments at a time; the other comes in between.
#[test]
fn c05_a_run_that_is_busy_does_not_keep_another_out() {
    let bench = Bench::with(|options| options.rotate_size = 64 * 1024);
    let (busy, other) = (bench.begin(), bench.begin());
    let is_over = AtomicBool::new(false);
    let lines = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let mut lines = 0;
            while !is_over.load(Ordering::Acquire) {
                say(&busy);
                lines += 1;
            }
            lines
        });
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(10));
            say(&other);
        }
        is_over.store(true, Ordering::Release);
        working.join().unwrap()
    });
    drop((busy, other));
    let report = bench.intact();
    assert_eq!((report.gaps, report.unsealed, report.unsigned), (0, 0, 0));
    let said = bench.events();
    let said = said.iter().filter(|it| *it == "artifact.changed").count();
    assert_eq!(said, lines + 20);
}

#[test]
fn d05_a_clock_that_jumps_leaves_the_chain_and_the_numbers() {
    let year = 365 * 24 * 3_600_000;
    let bench = Bench::new();
    let events = bench.begin();
    for jump in [0, year, -2 * year, year] {
        bench.clock.0.fetch_add(jump, Ordering::SeqCst);
        say(&events);
    }
    drop(events);
    let report = bench.intact();
    assert_eq!(report.gaps, 0);
    for record in bench.values() {
        assert!(
            record["time"].is_string() && record["monotonic_ms"] == 0,
            "{record}"
        );
    }
}

#[test]
fn d02_ends_are_kept_while_nothing_can_be_written() {
    let bench = Bench::new();
    let events = bench.begin();
    fs::remove_file(bench.log()).unwrap();
    std::os::unix::fs::symlink("/dev/full", bench.log()).unwrap();
    let refused = events.record(&Subject::default(), &Event::ArtifactChanged {});
    assert_eq!(refused.unwrap_err().kind(), Kind::AuditUnavailable);
    finished(&events, "one").unwrap();
    finished(&events, "two").unwrap();
    fs::remove_file(bench.log()).unwrap();
    say(&events);
    drop(events);
    assert_eq!(
        bench.events(),
        [
            "invocation.finished",
            "invocation.finished",
            "audit.recovered",
            "artifact.changed",
            "audit.checkpoint"
        ]
    );
    let recovered = &bench.values()[2];
    assert_eq!(
        (&recovered["kept"], &recovered["refused"]),
        (&2.into(), &2.into())
    );
    assert_eq!(bench.intact().gaps, 0);
}

#[test]
fn d02_no_more_ends_are_kept_than_there_is_room_for() {
    let bench = Bench::new();
    let events = bench.begin();
    fs::remove_file(bench.log()).unwrap();
    std::os::unix::fs::symlink("/dev/full", bench.log()).unwrap();
    for _ in 0..MAX_KEPT {
        finished(&events, "one").unwrap();
    }
    assert!(finished(&events, "one").is_err());
    kill(events);
}

#[test]
fn whoever_waits_is_told_when_it_is_on_disk() {
    let bench = Bench::with(|options| options.durability = Durability::Fsync);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let events = Arc::new(bench.begin());
    runtime.block_on(async {
        events.settle().await.unwrap();
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let events = Arc::clone(&events);
                tokio::spawn(async move {
                    say(&events);
                    events.settle().await
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
    });
    drop(events);
    assert_eq!(bench.intact().lines, 17);
}
