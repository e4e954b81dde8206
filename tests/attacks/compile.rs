//! R12, R13 and R36: components that cost much to compile, and compilers that
//! hang, die or lie.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use skillhost::Kind::{Cancelled, CompileLimit, ConfigInvalid, DeadlineExceeded, Internal};
use skillhost::compile::{CompileLimits, Worker};
use skillhost::{Error, Kind};
use skillhost_tests::bench::{compiler, invocation};
use skillhost_tests::{Bench, guests, pack};

/// A host with those limits, and the canary in its cache: it would not do to
/// compile that within them.
async fn limited(change: impl FnOnce(&mut CompileLimits)) -> Bench {
    Bench::new().assert_serving().await;
    Bench::with(|setup| change(&mut setup.compile.limits))
}

/// A host without a cache, whose compiler is what the script says. `$COMPILER`
/// is the real one, and `$HERE` a folder of its own.
fn with_compiler(folder: &Path, script: &str) -> Bench {
    let program = stand_in(folder, script);
    Bench::with(|setup| {
        setup.compile.worker = Worker::Program(program);
        setup.compile.cache = None;
    })
}

/// Copied by another process: while this one had it open for writing, nobody
/// could run it.
#[expect(clippy::disallowed_methods, reason = "a test may run programs")]
fn stand_in(folder: &Path, script: &str) -> PathBuf {
    let (text, program) = (folder.join("script"), folder.join("compiler"));
    let (compiler, here) = (compiler(), folder.display());
    let script = script
        .replace("$COMPILER", &compiler.display().to_string())
        .replace("$HERE", &here.to_string());
    fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o700)).unwrap();
    let copied = Command::new("cp").args([&text, &program]).status().unwrap();
    assert!(copied.success());
    program
}

fn bomb(modules: &str) -> Vec<u8> {
    let component = guests::assemble(&format!("(component {modules})"));
    pack::with_manifest(&component, pack::plain_source("bomb"))
}

/// Loads something that takes too much, and returns which limit that was.
async fn defused(bench: &Bench, component: &[u8]) -> String {
    let error = bench.load("bomb", component).await.unwrap_err();
    assert_eq!(error.kind(), CompileLimit, "{error:?}");
    let all = bench.records().all();
    let [.., exceeded, rejected] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(exceeded["event"], "limit.exceeded");
    assert_eq!(exceeded["kind"], "CompileLimit");
    assert_eq!(exceeded["reason"], error.message());
    assert_eq!(rejected["event"], "skill.rejected");
    assert_eq!(rejected["kind"], "CompileLimit");
    bench.assert_serving().await;
    exceeded["limit"].as_str().unwrap().to_owned()
}

fn functions(count: usize) -> String {
    "(func)".repeat(count)
}

/// Each local is a value of each loop, so that a few kilobytes become hundreds
/// of thousands of values.
fn loops_with_locals(loops: usize, locals: usize) -> String {
    let mut body = String::from("(func (param i32)");
    write!(body, "(local{})", " i64".repeat(locals)).unwrap();
    body += &"(loop ".repeat(loops);
    for local in 1..=locals {
        write!(
            body,
            "(local.set {local} (i64.add (local.get {local}) (i64.const {local})))"
        )
        .unwrap();
    }
    body += &"(br_if 0 (local.get 0)))".repeat(loops);
    body + ")"
}

fn jump_tables(tables: usize, targets: usize) -> String {
    let table = format!("(block (br_table {} (local.get 0)))", "0 ".repeat(targets));
    format!("(func (param i32) {})", table.repeat(tables))
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_functions_are_counted_before_anything_is_compiled() {
    let bench = limited(|limits| limits.functions = 2_000).await;
    let half = format!("(core module {})", functions(1_001));
    let flat = bomb(&half.repeat(2));
    let nested = bomb(&format!(
        "(component {half}) (component (component {half}))"
    ));
    for component in [flat, nested] {
        bench.assert_serving().await;
        let before = bench.codes();
        assert_eq!(defused(&bench, &component).await, "compile-functions");
        assert_eq!(bench.codes(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_component_over_its_size_is_not_compiled() {
    let bench = Bench::with(|setup| setup.compile.limits.component = 300_000);
    bench.assert_serving().await;
    let before = bench.codes();
    let data = format!(
        "(core module (memory 9) (data (i32.const 0) \"{}\"))",
        "a".repeat(300_000)
    );
    assert_eq!(defused(&bench, &bomb(&data)).await, "compile-component");
    assert_eq!(bench.codes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_compiler_that_takes_too_long_is_killed() {
    for module in [loops_with_locals(300, 1_000), jump_tables(500, 2_000)] {
        let bench = limited(|limits| limits.time = Duration::from_millis(500)).await;
        let component = bomb(&format!("(core module {module})"));
        assert_eq!(defused(&bench, &component).await, "compile-time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_compiler_that_takes_too_much_memory_ends() {
    let bench = limited(|limits| limits.memory = 48 << 20).await;
    let component = bomb(&format!("(core module {})", functions(40_000)));
    assert_eq!(defused(&bench, &component).await, "compile-memory");
}

/// Else each call of a skill that was replaced by a bomb would set it off.
#[tokio::test(flavor = "multi_thread")]
async fn r12_what_cannot_be_compiled_is_not_tried_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = stand_in(folder.path(), "exec sleep 1000");
    let bench = Bench::with(|setup| {
        setup.compile.worker = Worker::Program(hangs);
        setup.compile.limits.time = Duration::from_millis(200);
        setup.compile.cache = None;
    });
    for _ in 0..10 {
        let error = load(&bench).await.unwrap_err();
        assert_eq!(error.kind(), CompileLimit);
    }
    assert_eq!(bench.host().compilations(), 1);
    assert_eq!(bench.records().named("limit.exceeded").len(), 10);
}

async fn load(bench: &Bench) -> Result<(), Error> {
    bench.load("honest", &pack::text("honest")).await.map(drop)
}

async fn failed(bench: &Bench) -> Kind {
    let error = load(bench).await.unwrap_err();
    let last = bench.records().newest();
    assert_eq!(
        (&last["event"], &last["kind"]),
        (&json!("skill.rejected"), &json!(error.kind()))
    );
    error.kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_nothing_is_left_of_a_compiler_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = stand_in(folder.path(), "echo $$ > $HERE/pid; exec sleep 1000");
    let bench = Bench::with(|setup| {
        setup.compile.worker = Worker::Program(hangs);
        setup.compile.limits.time = Duration::from_secs(2);
        setup.compile.cache = None;
    });
    assert_eq!(failed(&bench).await, CompileLimit);
    assert_eq!(
        bench.records().last("limit.exceeded")["limit"],
        "compile-time"
    );
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(test_kill_process(pid).is_err(), "{pid:?} is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_that_dies_fails_one_load_and_not_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"[ -e $HERE/died ] && exec $COMPILER "$@"; : > $HERE/died; kill -9 $$"#;
    let bench = with_compiler(folder.path(), script);
    assert_eq!(failed(&bench).await, Internal);
    load(&bench).await.unwrap();
    let called = bench.invoke(invocation("honest", "run", json!({}))).await;
    assert!(called.answer.outcome.is_ok());
    assert_eq!(bench.host().compilations(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_that_gives_no_machine_code_is_not_believed() {
    for script in [
        "exit 0",
        "echo rubbish",
        "echo; exit 77",
        "kill -SEGV $$",
        // Nobody passes what is no code for this engine.
        "cat /proc/self/exe",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let bench = with_compiler(folder.path(), script);
        assert_eq!(failed(&bench).await, Internal, "{script}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_compiler_nothing_is_compiled() {
    // This program does not begin as a compiler when it is asked to.
    for worker in [
        Worker::ThisProgram,
        Worker::Program("/nowhere/skillhost".into()),
    ] {
        let bench = Bench::with(|setup| {
            setup.compile.worker = worker;
            setup.compile.cache = None;
        });
        assert_eq!(failed(&bench).await, ConfigInvalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_is_given_the_component_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        cat /proc/$$/environ > $HERE/environment
        for each in /proc/$$/fd/*; do readlink $each; done > $HERE/files
        pwd > $HERE/folder
        exec $COMPILER "$@""#;
    let bench = with_compiler(folder.path(), script);
    load(&bench).await.unwrap();
    let seen = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(seen("environment"), "");
    assert_eq!(seen("folder"), "/\n");
    let script = folder.path().join("compiler").display().to_string();
    let own = folder.path().join("files").display().to_string();
    for file in seen("files").lines() {
        let given = file.starts_with("/memfd:skillhost");
        // Whoever started these tests may have left us a pipe or a device, and
        // nothing of the host's is either.
        let inherited = file.starts_with("pipe:") || file.starts_with("/dev/");
        assert!(
            given || inherited || file == script || file == own,
            "{file}"
        );
    }
}

/// Written under 200 names: each is a load of its own, and all wait for the
/// same code.
#[tokio::test(flavor = "multi_thread")]
async fn r36_a_herd_of_first_loads_compiles_once() {
    let bench = Arc::new(Bench::with(|setup| setup.compile.cache = None));
    let component = pack::rust("echo");
    let loads: Vec<_> = (0..200)
        .map(|number| {
            let (bench, component) = (Arc::clone(&bench), component.clone());
            let name = format!("copy-{number}");
            tokio::spawn(async move { bench.load(&name, &component).await.map(drop) })
        })
        .collect();
    let mut loaded = 0;
    for load in loads {
        match load.await.unwrap() {
            Ok(()) => loaded += 1,
            // Two files cannot both be the skill.
            Err(error) => assert_eq!(error.kind(), ConfigInvalid, "{error}"),
        }
    }
    assert_eq!((loaded, bench.host().compilations()), (1, 1));
    bench.assert_serving().await;
}

/// A compiler that says when it has begun, and goes on when it may.
const WAITS: &str = ": > $HERE/begun; while [ ! -e $HERE/go ]; do sleep 0.05; done";

async fn until_there(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_whoever_gives_up_does_not_fail_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(r#"{WAITS}; exec $COMPILER "$@""#);
    let bench = Arc::new(with_compiler(folder.path(), &script));
    let leader = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { load(&bench).await }
    });
    until_there(&folder.path().join("begun")).await;
    // The file is there by now, and is not written again.
    let waiting = || {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.host().load(&bench.path("honest")).await.map(drop) })
    };
    let others = [waiting(), waiting()];
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    fs::write(folder.path().join("go"), "").unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(bench.host().compilations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_a_compiler_that_fails_fails_for_all_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Arc::new(with_compiler(
        folder.path(),
        &format!("{WAITS}; kill -9 $$"),
    ));
    let component = pack::text("honest");
    let loads: Vec<_> = ["one", "two", "three"]
        .map(|name| {
            let (bench, component) = (Arc::clone(&bench), component.clone());
            tokio::spawn(async move { bench.load(name, &component).await.map(drop) })
        })
        .into();
    until_there(&folder.path().join("begun")).await;
    // Those that come now find it under way.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::write(folder.path().join("go"), "").unwrap();
    for load in loads {
        assert_eq!(load.await.unwrap().unwrap_err().kind(), Internal);
    }
    assert_eq!(bench.host().compilations(), 1);
}

/// A bomb that is going off holds up neither calls nor other loads.
#[tokio::test(flavor = "multi_thread")]
async fn r12_other_skills_are_loaded_and_called_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(r#"[ -e $HERE/begun ] && exec $COMPILER "$@"; {WAITS}; exit 1"#);
    let bench = Arc::new(with_compiler(folder.path(), &script));
    let slow = Arc::clone(&bench);
    let slow = tokio::spawn(async move { load(&slow).await });
    until_there(&folder.path().join("begun")).await;
    bench.assert_serving().await;
    assert!(!slow.is_finished());
    fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(slow.await.unwrap().unwrap_err().kind(), Internal);
}

/// Its deadline counts from the call on, whatever happened to the skill since.
#[tokio::test(flavor = "multi_thread")]
async fn r12_a_call_waits_for_a_compiler_no_longer_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"[ -e $HERE/slow ] && exec sleep 1000; exec $COMPILER "$@""#;
    let compiler = stand_in(folder.path(), script);
    let bench = Bench::with(|setup| {
        setup.compile.worker = Worker::Program(compiler);
        setup.compile.cache = None;
        setup.limits.timeout = Duration::from_secs(5);
    });
    load(&bench).await.unwrap();
    bench.ensure_loaded("echo").await;
    fs::write(folder.path().join("slow"), "").unwrap();
    let other = pack::with_manifest(&guests::text("says"), pack::plain_source("honest"));
    bench.replace("honest", &other);
    let call = invocation("honest", "run", json!({}));
    call.cancelled.cancel();
    bench.invoke(call).await.expect(Cancelled, &[]);
    let call = bench.invoke(invocation("honest", "run", json!({}))).await;
    let seen = ["artifact.changed", "verify.passed", "limit.exceeded"];
    call.expect(DeadlineExceeded, &seen);
    assert_eq!(call.event("limit.exceeded")["limit"], "timeout");
    bench.assert_serving().await;
}
