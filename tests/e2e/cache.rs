//! Compiled code that is kept from one start to the next.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

use skillhost_tests::{guests, pack};

use crate::desk::{Desk, SECRET};

const CALL: [&str; 6] = [
    "run",
    "echo.wasm",
    "echo",
    "--input",
    r#"{"text":"a"}"#,
    "--json",
];

/// How many components the cache holds, by what the command says.
fn kept(desk: &Desk) -> u64 {
    let shown = desk.skillhost(&["cache", "show", "--json"]).code(0).json();
    shown["entries"].as_u64().unwrap()
}

#[test]
fn what_was_compiled_is_kept_shown_and_cleared() {
    let desk = Desk::new();
    assert_eq!(kept(&desk), 0);
    desk.guest("echo");
    desk.skillhost(&CALL).code(0);
    desk.skillhost(&CALL).code(0);
    assert_eq!(kept(&desk), 1);
    let shown = desk.skillhost(&["cache", "show"]).code(0).stdout;
    assert!(shown.starts_with("1 component kept, "), "{shown}");
    let removed = desk.skillhost(&["cache", "clear"]).code(0).stdout;
    assert!(removed.starts_with("1 component removed, "), "{removed}");
    assert_eq!(kept(&desk), 0);
    desk.skillhost(&CALL).code(0);
    assert_eq!(kept(&desk), 1);
}

#[test]
fn a_cache_that_is_not_wanted_is_not_made() {
    let desk = Desk::new();
    desk.configure("[compile]\ncache = false\n");
    desk.guest("echo");
    desk.skillhost(&CALL).code(0);
    assert!(!desk.path("cache/skillhost/compiled").exists());
    let shown = desk.skillhost(&["cache", "show"]).code(0).stdout;
    assert!(shown.contains("no compiled code is kept"), "{shown}");
}

#[test]
fn s25_a_cache_that_others_may_write_is_told_and_not_used() {
    let desk = Desk::new();
    desk.guest("echo");
    desk.skillhost(&CALL).code(0);
    let folder = desk.path("cache/skillhost/compiled");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let ran = desk.skillhost(&CALL).code(0);
    assert!(ran.stderr.contains("may be written by others"), "{ran:?}");
    let doctor = desk.skillhost(&["doctor", "--json"]).json();
    let finding = doctor.as_array().unwrap().iter();
    let finding = finding
        .filter(|it| it["name"] == "compiled code")
        .collect::<Vec<_>>();
    assert_eq!(finding[0]["status"], "broken", "{doctor}");
    let cleared = desk.skillhost(&["cache", "clear", "--json"]).code(2).json();
    assert_eq!(cleared["kind"], "ConfigInsecure");
}

#[test]
fn r12_limits_of_compiling_are_the_configurations() {
    let desk = Desk::new();
    desk.guest("echo");
    for (limit, named) in [
        ("functions = 10", "10 functions"),
        ("component = \"1KiB\"", "1024 bytes"),
        ("time = \"1ms\"", "1ms"),
    ] {
        desk.configure(&format!("[compile]\n{limit}\n"));
        let failed = desk.skillhost(&CALL).code(5).json();
        assert_eq!(failed["kind"], "CompileLimit", "{limit}: {failed}");
        assert!(
            failed["message"].as_str().unwrap().contains(named),
            "{failed}"
        );
    }
    assert_eq!(kept(&desk), 0);
}

#[test]
fn compiling_is_no_command_of_a_users() {
    let desk = Desk::new();
    let help = desk.skillhost(&["--help"]).code(0).stdout;
    assert!(!help.contains("compile-component"), "{help}");
    // Whoever asks is not the host that started it.
    for arguments in [
        ["compile-component", "", "", "", ""],
        ["compile-component", "1", "10", "1000000000", "1000000000"],
    ] {
        let ran = desk.skillhost(&arguments).code(1);
        assert_eq!((ran.stdout, ran.stderr), (String::new(), String::new()));
    }
}

#[test]
fn x10_the_environment_is_not_kept_with_compiled_code() {
    let desk = Desk::new();
    desk.guest("echo");
    desk.skillhost(&CALL).code(0);
    for entry in fs::read_dir(desk.path("cache/skillhost/compiled")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let found = bytes
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes());
        assert!(!found);
    }
}

/// Nested loops with many locals: seconds of work for a compiler.
fn slow() -> Vec<u8> {
    let add = |local| format!("(local.set {local} (i64.add (local.get {local}) (i64.const 1)))");
    let body: String = (1..=1_000).map(add).collect();
    let text = format!(
        "(component (core module (func (param i32) (local {}) {} {body} {})))",
        "i64 ".repeat(1_000),
        "(loop ".repeat(300),
        "(br_if 0 (local.get 0)))".repeat(300)
    );
    pack::with_manifest(&guests::assemble(&text), pack::plain_source("slow"))
}

/// What `/proc/PID/stat` says behind the name: state and parent; none if the
/// process is gone or only waits for somebody to ask how it ended.
fn parent(pid: &str) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

/// The process in which a host compiles.
fn compiler_of(host: u32) -> String {
    let compiles = |pid: &str| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
        line.is_ok_and(|line| line.contains("compile-component"))
    };
    loop {
        for entry in fs::read_dir("/proc").unwrap() {
            let pid = entry.unwrap().file_name().into_string().unwrap();
            if parent(&pid) == Some(host) && compiles(&pid) {
                return pid;
            }
        }
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn r12_a_compiler_does_not_outlive_its_host() {
    let desk = Desk::new();
    let file = desk.component("slow", &slow());
    let mut host = desk.start(&["run", &file]);
    let compiler = compiler_of(host.id());
    host.kill().unwrap();
    host.wait().unwrap();
    while parent(&compiler).is_some() {
        sleep(Duration::from_millis(5));
    }
}
