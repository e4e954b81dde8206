//! Exit codes, and that a failure says what to do.

use std::fs;

use skillhost_tests::pack;

use crate::desk::Desk;

/// Standard output stays empty, and standard error ends with the message and
/// the hint.
#[track_caller]
fn assert_failure(desk: &Desk, arguments: &[&str], code: i32, message: &str, hint: &str) {
    let ran = desk.skillhost(arguments).code(code);
    assert_eq!(ran.stdout, "", "{ran:#?}");
    assert!(
        ran.stderr.contains(&format!("error: {message}\n")),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains(&format!("hint: {hint}")), "{ran:#?}");
}

#[test]
fn one_is_a_tool_that_failed() {
    let desk = Desk::new();
    let failing = desk.guest("guest_errors");
    let run = ["run", &failing, "--input", r#"{"way": "failed"}"#];
    assert_failure(
        &desk,
        &run,
        1,
        "It cannot be done.",
        "The same call would fail again.",
    );
    let panicking = desk.guest("panic");
    let message = "The skill crashed: the guest panics on purpose.";
    assert_failure(
        &desk,
        &["run", &panicking],
        1,
        message,
        "This is a defect of the skill",
    );
}

#[test]
fn two_is_a_wrong_command_or_file() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    let message = "echo has no tool `shout`.";
    assert_failure(
        &desk,
        &["run", &echo, "shout"],
        2,
        message,
        "Its tools are: echo, count.",
    );
    let run = ["run", "missing", "echo"];
    assert_failure(
        &desk,
        &run,
        2,
        "There is no skill missing.",
        "Name a skill's folder",
    );
    for arguments in [
        ["run", &echo, "echo", "--input", "{"].as_slice(),
        &["run", &echo, "echo", "--input", "{}"],
        &["run", &echo, "echo", "--fuel", "0"],
        &["run", &echo, "echo", "--memory", "5GiB"],
        &["run", &echo, "echo", "--timeout", "1 parsec"],
        &["run", &echo, "echo", "--allow-http", "good.test"],
        &["run", &echo, "echo", "--no-such-option"],
        &["run"],
        &["no-such-command"],
        &["--config", "missing.toml", "list"],
        &[],
    ] {
        let ran = desk.skillhost(arguments).code(2);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
    desk.write("text.wasm", "(component)");
    assert!(
        desk.skillhost(&["run", "text.wasm"])
            .code(2)
            .stderr
            .contains("no WebAssembly")
    );
}

#[test]
fn two_is_a_wrong_configuration() {
    let desk = Desk::new();
    desk.configure("\n[limits]\nfuel = 0\n");
    let ran = desk.skillhost(&["list"]).code(2);
    assert!(
        ran.stderr.contains("skillhost.toml") && ran.stderr.contains("line 3"),
        "{ran:#?}"
    );
}

#[test]
fn three_is_a_skill_that_is_not_trusted() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    let run = ["run", &echo, "echo", "--input", r#"{"text": "a"}"#];
    let mut bytes = pack::rust("echo");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(desk.path(&echo), bytes).unwrap();
    assert_eq!(desk.skillhost(&run).code(3).stdout, "");
    fs::remove_file(desk.path("echo.wasm.sigstore.json")).unwrap();
    let message = "The component is not signed: there is no signature bundle beside it.";
    assert_failure(
        &desk,
        &run,
        3,
        message,
        "Have it signed by `local` (`skillhost sign FILE --key KEY`)",
    );
}

#[test]
fn four_is_a_missing_grant() {
    let desk = Desk::new();
    let wanting = desk.guest("wants_filesystem");
    let message = "wants-filesystem wants to read and write files and was granted no directory: To keep notes.";
    assert_failure(
        &desk,
        &["run", &wanting],
        4,
        message,
        "Allow it with `--allow-dir DIR:rw`",
    );
    let fetching = desk.guest("http_get");
    let input = r#"{"url": "http://public.test/"}"#;
    let ran = desk
        .skillhost(&["run", &fetching, "send", "--input", input])
        .code(4);
    assert!(
        ran.stderr.contains("--allow-http http://public.test"),
        "{ran:#?}"
    );
}

#[test]
fn five_is_a_limit() {
    let desk = Desk::new();
    let spinning = desk.guest("loop_forever");
    let message = "The skill used all of its 1000000 units of fuel.";
    let hint = "Ask for less at a time, or allow it more (`--fuel`";
    assert_failure(
        &desk,
        &["run", &spinning, "--fuel", "1_000_000"],
        5,
        message,
        hint,
    );
    let message = "The skill did not finish within 200 ms.";
    let hint = "Ask for less at a time, or allow it more time (`--timeout`";
    assert_failure(
        &desk,
        &["run", &spinning, "--timeout", "200ms"],
        5,
        message,
        hint,
    );
    let eating = desk.guest("eat_memory");
    let message = "The skill needed more than its 16777216 bytes of memory.";
    let hint = "Ask for less at a time, or allow it more (`--memory`";
    assert_failure(
        &desk,
        &["run", &eating, "--memory", "16MiB"],
        5,
        message,
        hint,
    );
}

/// The device takes nothing, as a full disk does.
#[test]
fn six_is_a_host_that_cannot_keep_its_record() {
    let desk = Desk::new();
    desk.configure("[audit]\nfile = \"/dev/full\"\n");
    let echo = desk.guest("echo");
    let run = ["run", &echo, "echo", "--input", r#"{"text": "a"}"#];
    let message = "The audit log cannot be written, so nothing is run.";
    assert_failure(&desk, &run, 6, message, "Make room for it");
}
