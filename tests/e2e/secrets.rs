//! X01 to X10 on the command itself: what other programs, its own children,
//! its streams and its files show of secrets.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::desk::{Desk, Ran};

/// Of a secret that skills may read.
const SHOWN: &str = "SKH_CANARY_shown/1";

/// Of a secret that only the host reads.
const KEPT: &str = "SKH_CANARY_kept/2";

const VARIABLES: [(&str, &str); 2] = [("SKH_SHOWN", SHOWN), ("SKH_KEPT", KEPT)];

/// Nobody in particular.
const NOBODY: u32 = 65_534;

const CONFIGURATION: &str = r#"
[trust]
preset = "permissive"
[secret.shown]
env = "SKH_SHOWN"
[secret.kept]
env = "SKH_KEPT"
[secret.filed]
file = "filed"
[skill.spill]
reveal = { token = "shown", unset = "filed" }
"#;

/// A desk with secrets, and a skill that writes them wherever it can.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.configure(CONFIGURATION);
    desk.guest("spill");
    desk
}

fn spill(desk: &Desk, tool: &str, more: &[&str]) -> Ran {
    let arguments = [&["run", "spill.wasm", tool][..], more].concat();
    desk.skillhost_seeing(&VARIABLES, "", &arguments)
}

fn installed(desk: &Desk) {
    for file in ["spill.wasm", "spill.wasm.sigstore.json"] {
        let bytes = fs::read(desk.path(file)).unwrap();
        desk.write(&format!("data/skillhost/skills/{file}"), bytes);
    }
}

#[test]
fn x02_what_a_skill_writes_reaches_no_stream_of_the_command() {
    let desk = desk();
    for more in [&[][..], &["--json"], &["--verbose"]] {
        let ran = spill(&desk, "everywhere", more).code(0);
        assert!(!format!("{ran:?}").contains("SKH_CANARY"), "{ran:?}");
        assert!(!ran.stdout.contains("out "), "{ran:?}");
        assert!(
            ran.stderr.contains("skill: stdout: out [redacted]"),
            "{ran:?}"
        );
    }
    assert_eq!(spill(&desk, "everywhere", &[]).stdout, "done\n");
    for (tool, input) in [("crash", "{}"), ("fail", r#"{"after": 0}"#)] {
        let ran = spill(&desk, tool, &["--input", input]).code(1);
        assert!(!format!("{ran:?}").contains("SKH_CANARY"), "{ran:?}");
    }
    assert_eq!(
        spill(&desk, "tell", &[]).code(0).stdout,
        format!("{SHOWN}\n")
    );
}

/// Every line that the assistant gets is a message of the protocol.
#[test]
fn x08_what_a_skill_prints_is_no_line_of_the_protocol() {
    let desk = desk();
    installed(&desk);
    let mut assistant = desk.serve(&VARIABLES, &json!({}));
    let answer = assistant.call("spill_everywhere", &json!({}));
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    let line = r#"{"jsonrpc": "2.0", "id": 99, "result": {}}"#;
    let answer = assistant.call("spill_forge", &json!({"line": line}));
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    let errors = assistant.end();
    assert!(!errors.contains("SKH_CANARY"), "{errors}");
    assert!(
        errors.contains(r#"guest="stdout: out [redacted]"#),
        "{errors}"
    );
}

/// Every line is a message, every variable is gone, and nobody may look.
#[test]
fn x04_a_variable_is_gone_from_the_process_and_from_its_children() {
    let desk = desk();
    installed(&desk);
    let mut assistant = desk.serve(&VARIABLES, &json!({}));
    let process = PathBuf::from(format!("/proc/{}", assistant.process()));
    let read = json!({"names": ["token"]});
    let answer = assistant.call("spill_read", &read);
    let length = SHOWN.len().to_string();
    let result = &answer["result"]["structuredContent"]["result"];
    assert_eq!(*result, json!([length]), "{answer}");
    for file in ["environ", "cmdline"] {
        let text = fs::read(process.join(file)).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("SKH_CANARY_shown"), "{file}: {text}");
        assert!(!text.contains("SKH_KEPT"), "{file}: {text}");
    }
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"]);
    drop(assistant.end());
}

/// The compiler and build scripts are children that an author's code runs in.
#[test]
fn x04_what_builds_a_skill_sees_no_secret() {
    let desk = desk();
    desk.skillhost(&["new", "hello"]).code(0);
    let script = r#"fn main() {
        for name in ["SKH_SHOWN", "SKH_KEPT", "SKILLHOST_SECRETS_FD"] {
            assert!(std::env::var_os(name).is_none(), "{name} is there");
        }
    }"#;
    desk.write("hello/build.rs", script);
    let ran = desk.skillhost_seeing(&VARIABLES, "", &["build", "hello"]);
    ran.code(0);
}

/// As another user than root, who is kept out of his own process by the same
/// means, and whose host must still work.
#[test]
fn x03_a_process_with_secrets_shows_its_memory_to_nobody() {
    let desk = desk();
    installed(&desk);
    let (mut command, owner) = as_nobody(&desk);
    let mut child = command
        .args(["run", "spill.wasm", "read", "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", child.id());
    let environ = Path::new(&process).join("environ");
    // The program begins anew once; what it shows before holds no secret that
    // it has read.
    let hidden = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        fs::metadata(&environ).unwrap().uid() == 0
    });
    assert!(hidden, "{process} belongs to {owner}");
    let input = json!({"names": ["token"]}).to_string();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer["result"],
        json!([SHOWN.len().to_string()]),
        "{answer}"
    );
}

/// The command with secrets, as a user who is not root.
#[expect(clippy::disallowed_methods, reason = "the command is what is tested")]
fn as_nobody(desk: &Desk) -> (Command, u32) {
    let own = rustix::process::geteuid().as_raw();
    let user = if own == 0 { NOBODY } else { own };
    let program = desk.path("skillhost");
    fs::copy(env!("CARGO_BIN_EXE_skillhost-under-test"), &program).unwrap();
    give(&desk.path(""), user);
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(VARIABLES)
        .env("HOME", desk.path(""))
        .env("XDG_CONFIG_HOME", desk.path("config"))
        .env("XDG_DATA_HOME", desk.path("data"))
        .current_dir(desk.path(""));
    if own == 0 {
        command.uid(user).gid(user);
    }
    (command, user)
}

/// Everything below belongs to that user.
fn give(path: &Path, user: u32) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(user), Some(user)).unwrap();
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

#[test]
fn x10_no_file_of_the_host_holds_a_secret() {
    let desk = desk();
    let filed = desk.write("config/skillhost/filed", "SKH_CANARY_filed/3\n");
    fs::set_permissions(&filed, fs::Permissions::from_mode(0o600)).unwrap();
    for (tool, input) in [
        ("read", r#"{"names": ["token", "unset"]}"#),
        ("everywhere", "{}"),
        ("fail", r#"{"after": 0}"#),
        ("crash", "{}"),
        ("tell", "{}"),
        ("ask", "{}"),
    ] {
        let ran = spill(&desk, tool, &["--input", input]);
        assert_ne!(ran.code, 2, "{ran:?}");
    }
    assert!(
        desk.audit()
            .iter()
            .any(|it| it["event"] == "secret.revealed")
    );
    fs::remove_file(filed).unwrap();
    let (mut files, mut looked) = (vec![desk.path("")], 0);
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let canary = b"SKH_CANARY_";
        let found = bytes.windows(canary.len()).any(|window| window == canary);
        assert!(!found, "{}", path.display());
        looked += 1;
    }
    assert!(looked > 4, "{looked}");
}

#[test]
fn x04_secrets_that_others_may_read_or_that_are_too_short_stop_the_start() {
    let desk = desk();
    let filed = desk.write("config/skillhost/filed", "SKH_CANARY_filed/3\n");
    fs::set_permissions(&filed, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = spill(&desk, "everywhere", &[]).code(2);
    assert!(ran.stderr.contains("may be read by others"), "{ran:?}");
    fs::set_permissions(&filed, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&filed, "short\n").unwrap();
    let ran = spill(&desk, "everywhere", &[]).code(2);
    assert!(ran.stderr.contains("`filed` is not taken"), "{ran:?}");
    assert!(!ran.stderr.contains("short\n"), "{ran:?}");
    fs::remove_file(&filed).unwrap();
    let ran = spill(&desk, "everywhere", &[]).code(0);
    assert!(ran.stderr.contains("`filed` has no value"), "{ran:?}");
}
