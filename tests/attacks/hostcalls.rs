//! R15, R18, R19, R24 and R33: what a guest takes from the host, and gives it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{
    FuelExhausted, GuestFailed, HostcallLimit, Internal, ResourceLimit, Trapped,
};
use skillhost_tests::guests::text_with;
use skillhost_tests::{Bench, Called, FakeNetwork, Scale, alone, grant};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A host that grants a guest a folder with one file, to be written.
fn with_folder(guest: &str) -> (TempDir, Bench) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "0123456789").unwrap();
    let directory = format!("{}:/:rw", folder.path().display()).parse().unwrap();
    let bench = Bench::with(|setup| {
        setup.network = Arc::new(FakeNetwork::default());
        let grant = grant(setup, guest);
        grant.directories.push(directory);
        grant.http.push("http://public.test".parse().unwrap());
    });
    (folder, bench)
}

/// Every import that takes a text or bytes.
const IMPORTS: [&str; 30] = [
    "skill.log",
    "skill.log-key",
    "skill.log-value",
    "skill.progress",
    "skill.setting",
    "skill.state",
    "skill.state-keys",
    "skill.secret",
    "skill.stdout",
    "http.method",
    "http.url",
    "http.header-name",
    "http.header-value",
    "http.body",
    "http.credential",
    "request.field-name",
    "request.field-value",
    "request.method",
    "request.path",
    "request.scheme",
    "request.authority",
    "file.open",
    "file.stat",
    "file.make-directory",
    "file.remove",
    "file.read-link",
    "file.rename-from",
    "file.rename-to",
    "file.link-to",
    "file.symlink",
];

/// A hundred megabytes are refused before the host has a copy; a million bytes
/// are read, and an error at most.
#[test]
pub(crate) fn big_argument() {
    alone("hostcalls::big_argument", || async {
        let (_folder, bench) = with_folder("big_argument");
        let warm = json!({"import": "skill.log", "bytes": 1});
        bench.call("big_argument", "pass", warm).await;
        for import in IMPORTS {
            let pass = |bytes: u64| json!({"import": import, "bytes": bytes});
            let scale = Scale::begin();
            let called = bench.call("big_argument", "pass", pass(80_000_000)).await;
            called.expect(HostcallLimit, &["limit.exceeded"]);
            let guest = called.usage().memory_bytes;
            scale.end(guest + 16 * MIB, Duration::from_secs(20)).await;

            let scale = Scale::begin();
            let called = bench.call("big_argument", "pass", pass(1_000_000)).await;
            let kind = called
                .answer
                .outcome
                .as_ref()
                .err()
                .map(skillhost::Error::kind);
            let field = import == "request.field-value";
            assert_eq!(kind, field.then_some(HostcallLimit), "{import}");
            let recorded: usize = called.events.iter().map(|it| it.to_string().len()).sum();
            assert!(recorded < 8 << 10, "{import}: {recorded}");
            scale.end(24 * MIB, Duration::from_secs(10)).await;
        }
    });
}

/// What is at the edge of its type, and what is dropped out of order, is an
/// error of the guest.
#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn odd_values() {
    let (_folder, bench) = with_folder("odd_values");
    let files = bench.call("odd_values", "files", json!({})).await;
    assert_eq!(files.structured().as_array().unwrap().len(), 9);
    let moments = bench.call("odd_values", "moments", json!({})).await;
    let mut come: Vec<u32> = serde_json::from_value(moments.structured()).unwrap();
    come.sort_unstable();
    assert_eq!(come, [1, 3, 4]);
    let streams = bench.call("odd_values", "streams", json!({})).await;
    assert_eq!(streams.structured()[3], "Ok(())");
    for nanos in [0, 1, u64::MAX] {
        let called = bench
            .call("odd_values", "timeouts", json!({"nanos": nanos}))
            .await;
        assert!(called.text().contains("Ok"), "{}", called.text());
    }
    for (tool, input) in [
        ("nothing", json!({})),
        ("zeros", json!({"count": 1_u64 << 40})),
        ("zeros", json!({"count": u64::MAX})),
        ("parent-first", json!({})),
    ] {
        let called = bench.call("odd_values", tool, input).await;
        called.expect(Trapped, &["guest.trapped"]);
    }
    let orphans = bench.call("odd_values", "orphans", json!({})).await;
    assert!(
        orphans.answer.outcome.is_ok(),
        "{:?}",
        orphans.answer.outcome
    );
}

/// As many header fields as made a host panic, and more.
#[tokio::test(flavor = "multi_thread")]
async fn r33_header_fields_without_number_are_an_error() {
    let bench = Bench::with(|setup| {
        setup.limits.http_headers = u64::MAX;
        setup.limits.hostcall = 64 * MIB;
        grant(setup, "odd_values")
            .http
            .push("http://public.test".parse().unwrap());
    });
    for count in [24_577, 32_768, 40_000, 100_000] {
        for tool in ["fields", "headers"] {
            let called = bench
                .call("odd_values", tool, json!({"count": count}))
                .await;
            match &called.answer.outcome {
                Ok(_) => assert!(called.text().contains("Err"), "{}", called.text()),
                Err(error) => assert_ne!(error.kind(), Internal, "{tool}: {error:?}"),
            }
        }
    }
}

/// Requests that are made and never sent: the host keeps what they are made of.
#[test]
pub(crate) fn hoard_requests() {
    alone("hostcalls::hoard_requests", || async {
        let bench = Bench::new();
        let warm = json!({"count": 1, "bytes": 1});
        bench.call("hoard_requests", "hoard", warm).await;
        for bytes in [1_000, 60_000, 1_000_000] {
            let scale = Scale::begin();
            let called = bench
                .call(
                    "hoard_requests",
                    "hoard",
                    json!({"count": 200, "bytes": bytes}),
                )
                .await;
            let guest = called.usage().memory_bytes;
            scale.end(guest + 24 * MIB, Duration::from_secs(10)).await;
        }
    });
}

/// The log as a component sees it, and a module that calls it at its start.
fn logging(encoding: &str, data: &str, arguments: &str) -> Vec<u8> {
    let parts = format!(
        r#"(import "skillhost:skill/log@1.0.0" (instance $log
            (type $levels (enum "trace" "debug" "info" "warn" "error"))
            (export "level" (type $level (eq $levels)))
            (export "log" (func (param "level" $level) (param "message" string)
                (param "fields" (list (tuple string string)))))))
        (core module $memory (memory (export "memory") 32) {data})
        (core instance $memory (instantiate $memory))
        (core func $log (canon lower (func $log "log") string-encoding={encoding}
            (memory (core memory $memory "memory"))))
        (core module $caller
            (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
            (func $call (call $log {arguments})) (start $call))
        (core instance (instantiate $caller (with "host" (instance (export "log" (func $log))))))"#
    );
    text_with("honest", &parts)
}

async fn log(bench: &Bench, encoding: &str, data: &str, arguments: [i64; 5]) -> Called {
    let arguments = arguments.map(|it| format!("(i32.const {it})")).join(" ");
    bench
        .call_component(&logging(encoding, data, &arguments))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_texts_and_lists_that_are_none_end_the_call() {
    let bench = Bench::new();
    let hi = r#"(data (i32.const 1024) "h\00i\00")"#;
    let good = log(&bench, "utf16", hi, [2, 1024, 2, 0, 0]).await;
    assert_eq!(good.answer.diagnostics.lines, ["info: hi"]);
    let tagged = log(&bench, "latin1+utf16", hi, [2, 1024, 0x8000_0002, 0, 0]).await;
    assert_eq!(tagged.answer.diagnostics.lines, ["info: hi"]);

    let surrogate = r#"(data (i32.const 1024) "\00\d8")"#;
    let broken = r#"(data (i32.const 1024) "\ff\fe")"#;
    for (encoding, data, arguments) in [
        ("utf16", hi, [2, 1025, 2, 0, 0]),
        ("utf16", hi, [2, 0x1f_fffe, 2, 0, 0]),
        ("utf16", hi, [2, 1024, 0x7fff_ffff, 0, 0]),
        ("utf16", hi, [2, 1024, 0xffff_ffff, 0, 0]),
        ("utf16", surrogate, [2, 1024, 1, 0, 0]),
        ("latin1+utf16", hi, [2, 1025, 0x8000_0002, 0, 0]),
        ("latin1+utf16", hi, [2, 1024, 0xffff_ffff, 0, 0]),
        ("latin1+utf16", surrogate, [2, 1024, 0x8000_0001, 0, 0]),
        ("utf8", broken, [2, 1024, 2, 0, 0]),
        ("utf8", hi, [2, 1024, 0xffff_ffff, 0, 0]),
        ("utf8", hi, [2, 0xffff_ffff, 1, 0, 0]),
        ("utf8", hi, [5, 1024, 1, 0, 0]),
        ("utf8", hi, [0xffff_ffff, 1024, 1, 0, 0]),
        ("utf8", hi, [2, 1024, 1, 1, 1]),
        ("utf8", hi, [2, 1024, 1, 0x1f_fff8, 1]),
        ("utf8", hi, [2, 1024, 1, 1024, 0x1000_0001]),
        ("utf8", hi, [2, 1024, 1, 1024, 0xffff_ffff]),
    ] {
        let called = log(&bench, encoding, data, arguments).await;
        called.expect(Trapped, &["guest.trapped"]);
    }
}

/// A list of texts, each of which is all of memory.
#[tokio::test(flavor = "multi_thread")]
async fn r15_a_text_that_is_named_often_is_counted_each_time() {
    let field = r"\00\00\00\00\00\00\10\00".repeat(2);
    let data = format!(r#"(data (i32.const 1024) "{}")"#, field.repeat(1000));
    let called = log(&Bench::new(), "utf8", &data, [2, 0, 0, 1024, 1000]).await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn many_handles() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let directory = folder.path().to_str().unwrap().parse().unwrap();
    let bench = Bench::with(|setup| grant(setup, "many_handles").directories.push(directory));

    let called = bench
        .call("many_handles", "timers", json!({"count": 100}))
        .await;
    assert_eq!(called.structured(), 100);
    let called = bench
        .call("many_handles", "timers", json!({"count": 5_000}))
        .await;
    called.expect(ResourceLimit, &["limit.exceeded"]);

    let called = bench
        .call(
            "many_handles",
            "files",
            json!({"path": "/file", "count": 60}),
        )
        .await;
    assert_eq!(called.structured(), 60);
    let called = bench
        .call(
            "many_handles",
            "files",
            json!({"path": "/file", "count": 5_000}),
        )
        .await;
    called.expect(GuestFailed, &["limit.exceeded"]);
    assert!(open_files() < 200, "{} files are still open", open_files());
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn random_much() {
    let bench = Bench::new();
    for tool in ["random", "insecure-random"] {
        let called = bench
            .call("random_much", tool, json!({"bytes": 64 << 10}))
            .await;
        assert_eq!(called.structured(), 64 << 10);
        for bytes in [(64 << 10) + 1, 1_u64 << 40] {
            let called = bench
                .call("random_much", tool, json!({"bytes": bytes}))
                .await;
            called.expect(HostcallLimit, &["limit.exceeded"]);
        }
    }
    let many = |count: u64| json!({"count": count});
    let called = bench.call("random_much", "numbers", many(1_000_000)).await;
    assert!(called.usage().fuel > 1_000_000_000, "{:?}", called.usage());
    assert_eq!(called.usage().spent.random_bytes, 8_000_000);
    let called = bench.call("random_much", "numbers", many(3_000_000)).await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "random-total");
}

/// A call into the host costs fuel, and is counted, whatever it asks for.
#[tokio::test(flavor = "multi_thread")]
async fn r18_calls_into_the_host_are_paid_for() {
    let numbers = json!({"count": 1_000_000});
    let bench = Bench::with(|setup| grant(setup, "random_much").limits.fuel = Some(10_000_000));
    let called = bench.call("random_much", "numbers", numbers.clone()).await;
    called.expect(FuelExhausted, &["limit.exceeded"]);
    assert!(
        called.usage().spent.random_bytes < 80_000,
        "{:?}",
        called.usage()
    );

    let bench = Bench::with(|setup| grant(setup, "random_much").limits.host_calls = Some(5_000));
    let called = bench.call("random_much", "numbers", numbers).await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "host-calls");
    assert_eq!(called.usage().spent.host_calls, 5_000);
}
