//! O1 to O9: each rule that is checked after every call notices what it is for.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost::event::Usage;
use skillhost::{Answer, Error, Kind};
use skillhost_tests::oracles::{
    GRACE, Held, PATIENCE, SECRET, o1_one_answer, o2_in_time, o2_little_work, o3_within_memory,
    o4_nothing_left, o5_canary_sings, o6_unheard, o6_untouched, o7_no_secret, o8_intact,
    o8_without_gap, o9_no_panic,
};
use skillhost_tests::trail::{Trail, start_call};
use skillhost_tests::tree::snapshot;
use skillhost_tests::{Bench, Scale, alone};

const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

fn answer(outcome: Result<(), Kind>) -> Answer {
    Answer {
        invocation: "0".repeat(32),
        outcome: outcome
            .map(|()| skillhost::answer::Output::default())
            .map_err(|kind| Error::new(kind, "It failed.")),
        usage: Usage::default(),
        skill: None,
        diagnostics: skillhost::answer::Diagnostics::default(),
        attempts: Vec::new(),
        stale: None,
        wants: skillhost::answer::Wants::default(),
    }
}

fn event(name: &str) -> Value {
    json!({"event": name})
}

#[test]
fn o1_an_answer_without_its_record_is_noticed() {
    let (start, end) = (event("invocation.started"), event("invocation.finished"));
    let trapped = json!({"event": "invocation.finished", "kind": "Trapped"});
    let middle = event("guest.trapped");
    let good = |events: &[&Value], outcome| {
        let events: Vec<Value> = events.iter().copied().cloned().collect();
        o1_one_answer(&answer(outcome), &events).is_ok()
    };
    assert!(good(&[&start, &end], Ok(())));
    assert!(good(&[&start, &middle, &trapped], Err(Kind::Trapped)));
    for events in [
        &[&start][..],
        &[&end],
        &[&start, &end, &end],
        &[&start, &start, &end],
        &[&middle, &start, &end],
        &[&start, &end, &middle],
        &[&start, &trapped],
    ] {
        assert!(!good(events, Ok(())), "{events:?}");
    }
    assert!(!good(&[&start, &trapped], Err(Kind::MemoryLimit)));
    assert!(!good(&[&start, &end], Err(Kind::Trapped)));
}

#[test]
fn o2_a_late_answer_is_noticed() {
    assert_eq!(o2_in_time(SECOND + GRACE, SECOND), Ok(()));
    assert!(o2_in_time(SECOND + GRACE * 2, SECOND).is_err());
    assert_eq!(o2_little_work(SECOND, SECOND), Ok(()));
    assert!(o2_little_work(SECOND * 2, SECOND).is_err());
}

#[test]
fn o3_growth_is_noticed() {
    assert_eq!(o3_within_memory(10, 15, 5), Ok(()));
    assert_eq!(o3_within_memory(10, 5, 0), Ok(()));
    assert!(o3_within_memory(10, 16, 5).is_err());
}

#[test]
fn o4_what_is_left_is_noticed() {
    let held = |descriptors, threads, tasks| Held {
        descriptors,
        threads,
        tasks,
    };
    assert_eq!(o4_nothing_left(held(3, 2, 1), held(3, 1, 0)), Ok(()));
    for after in [held(4, 2, 1), held(3, 3, 1), held(3, 2, 2)] {
        assert!(o4_nothing_left(held(3, 2, 1), after).is_err(), "{after:?}");
    }
}

#[test]
fn o5_a_canary_that_is_silent_wrong_or_late_is_noticed() {
    let error = Error::new(Kind::Overloaded, "It is full.");
    assert_eq!(o5_canary_sings(Ok("a"), "a", PATIENCE), Ok(()));
    assert!(o5_canary_sings(Ok("b"), "a", PATIENCE).is_err());
    assert!(o5_canary_sings(Err(&error), "a", PATIENCE).is_err());
    assert!(o5_canary_sings(Ok("a"), "a", PATIENCE * 2).is_err());
}

#[test]
fn o6_each_change_of_a_tree_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("file"), "one").unwrap();
    let seen = || snapshot(folder.path(), std::path::Path::new(""));
    let changes: [fn(&std::path::Path); 5] = [
        |inner| fs::write(inner.join("file"), "two").unwrap(),
        |inner| fs::write(inner.join("more"), "").unwrap(),
        |inner| fs::rename(inner.join("more"), inner.join("moved")).unwrap(),
        |inner| fs::remove_file(inner.join("file")).unwrap(),
        |inner| {
            fs::set_permissions(inner, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap()
        },
    ];
    for change in changes {
        let before = seen();
        assert_eq!(o6_untouched(&before, &before), Ok(()));
        change(&inner);
        assert!(o6_untouched(&before, &seen()).is_err());
    }
}

#[expect(clippy::disallowed_methods, reason = "connects to its own listener")]
fn connect(listener: std::net::SocketAddr) {
    drop(std::net::TcpStream::connect(listener).unwrap());
}

#[test]
fn o6_a_connection_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(o6_unheard(&listener), Ok(()));
    connect(listener.local_addr().unwrap());
    assert!(o6_unheard(&listener).is_err());
}

#[test]
fn o7_a_secret_is_noticed() {
    assert_eq!(o7_no_secret("nothing to see"), Ok(()));
    assert!(o7_no_secret(&format!("token={SECRET}.")).is_err());
}

#[test]
fn o8_a_record_that_is_missing_is_noticed() {
    assert_eq!(o8_without_gap(&[0, 1, 2]), Ok(()));
    for gap in [&[1][..], &[0, 2], &[0, 1, 1]] {
        assert!(o8_without_gap(gap).is_err(), "{gap:?}");
    }
}

#[test]
fn o8_a_line_that_is_missing_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::within(folder.path());
    let events = trail.begin(|_| {});
    start_call(&events, "one").unwrap();
    drop(events);
    assert_eq!(o8_intact(&trail.verify()), Ok(()));
    let text = fs::read_to_string(trail.log()).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(trail.log(), rest).unwrap();
    assert!(o8_intact(&trail.verify()).unwrap_err().contains("line 1 "));
}

#[test]
fn o9_a_panic_of_the_host_is_noticed() {
    assert_eq!(o9_no_panic(&[event("guest.trapped")]), Ok(()));
    assert!(o9_no_panic(&[event("guest.trapped"), event("host.panicked")]).is_err());
}

/// The bench asks: these two end in its last look.
#[tokio::test]
#[should_panic(expected = "somebody connected")]
async fn o6_a_bench_notices_who_connects() {
    let bench = Bench::new();
    connect(bench.strange_address());
}

#[tokio::test]
#[should_panic(expected = "is not as it was")]
async fn o6_a_bench_notices_who_writes() {
    let bench = Bench::new();
    fs::write(bench.strange_folder().join("new"), "").unwrap();
}

/// And so is a call that shows the canary's argument.
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "it shows")]
async fn o7_a_bench_notices_what_is_shown() {
    let bench = Bench::new();
    let _ = bench.call("echo", "echo", json!({"text": SECRET})).await;
}

/// A task that outlives a call by far.
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "tasks")]
async fn o4_a_bench_notices_a_task_that_stays() {
    let bench = Bench::new();
    bench.ensure_loaded("progress_and_remaining").await;
    let mut call =
        skillhost_tests::bench::invocation("progress_and_remaining", "work", json!({"steps": [1]}));
    let runtime = tokio::runtime::Handle::current();
    call.progress = Some(std::sync::Arc::new(move |_| {
        runtime.spawn(std::future::pending::<()>());
    }));
    bench.attack(call).await;
}

#[test]
fn o3_memory_of_a_process_is_measured() {
    alone("oracles::o3_memory_of_a_process_is_measured", || async {
        let scale = Scale::begin();
        drop(std::hint::black_box(vec![1_u8; 40 << 20]));
        scale.end(48 * MIB, SECOND).await;
        let scale = Scale::begin();
        drop(std::hint::black_box(vec![1_u8; 40 << 20]));
        let noticed = tokio::spawn(scale.end(32 * MIB, SECOND)).await;
        assert!(noticed.unwrap_err().is_panic());
    });
}

#[test]
fn o2_work_of_a_process_is_measured() {
    alone("oracles::o2_work_of_a_process_is_measured", || async {
        let scale = Scale::begin();
        let mut turns = 0_u64;
        while Scale::cpu() < SECOND / 2 {
            turns = std::hint::black_box(turns + 1);
        }
        let noticed = tokio::spawn(scale.end(MIB * 8, SECOND / 10)).await;
        assert!(noticed.unwrap_err().is_panic());
    });
}

#[test]
fn o4_threads_and_descriptors_of_a_process_are_counted() {
    alone(
        "oracles::o4_threads_and_descriptors_of_a_process_are_counted",
        || async {
            let scale = Scale::begin();
            let file = fs::File::open("/proc/self/status").unwrap();
            let noticed = tokio::spawn(scale.end(MIB * 8, SECOND)).await;
            assert!(noticed.unwrap_err().is_panic());
            drop(file);
            let scale = Scale::begin();
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let thread = std::thread::spawn(move || stopped.recv());
            let noticed = tokio::spawn(scale.end(MIB * 8, SECOND)).await;
            assert!(noticed.unwrap_err().is_panic());
            drop(stop);
            thread.join().unwrap().unwrap_err();
        },
    );
}
