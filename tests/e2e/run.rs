//! `skillhost run`.

use serde_json::{Value, json};

use crate::desk::{Desk, argument, fields, skill};

#[test]
fn text_goes_to_standard_output_and_the_rest_to_standard_error() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    let ran = desk
        .skillhost(&["run", &echo, "echo", "--input", r#"{"text": "hello"}"#])
        .code(0);
    assert_eq!(ran.stdout, "hello\n");
    assert_eq!(ran.shape(), "used # fuel, # MiB of memory, # ms\n");
}

#[test]
fn a_source_folder_is_built_signed_and_run() {
    let desk = Desk::new();
    let folder = skill("text-stats");
    let input = r#"{"text": "To be or not to be."}"#;
    let ran = desk
        .skillhost(&["run", argument(&folder), "--input", input])
        .code(0);
    assert_eq!(ran.json()["words"], 6, "{ran:#?}");
    let ran = desk
        .skillhost(&["run", argument(&folder), "--input", input, "--json"])
        .code(0);
    assert_eq!(ran.json()["structured"]["words"], 6);
    assert_eq!(ran.json()["skill"]["signers"], json!(["local"]));
}

#[test]
fn an_answer_as_json_has_exactly_these_fields() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    let input = r#"{"text": "hello"}"#;
    let mut answer = desk
        .skillhost(&["run", &echo, "echo", "--input", input, "--json"])
        .code(0)
        .json();
    assert_ids(&mut answer);
    assert_usage(&answer["usage"].take(), 1);
    assert_eq!(
        answer,
        json!({
            "outcome": "ok", "content": [{"type": "text", "text": "hello"}], "structured": null,
            "usage": null, "invocation": null,
            "skill": {"name": "echo", "version": "0.1.0", "digest": null, "signers": ["local"]},
        })
    );
}

#[test]
fn a_failure_as_json_has_exactly_these_fields() {
    let desk = Desk::new();
    let failing = desk.guest("guest_errors");
    let input = r#"{"way": "not-found"}"#;
    let mut answer = desk
        .skillhost(&["run", &failing, "--input", input, "--json"])
        .code(1)
        .json();
    assert_ids(&mut answer);
    assert_usage(&answer["usage"].take(), 1);
    assert_eq!(
        answer,
        json!({
            "outcome": "error", "kind": "GuestFailed", "message": "There is no such thing.",
            "hint": "What was asked for does not exist; ask for something else.",
            "usage": null, "invocation": null,
            "skill": {"name": "guest-errors", "version": "0.1.0", "digest": null, "signers": ["local"]},
        })
    );
}

#[test]
fn a_failure_before_the_call_has_the_same_fields() {
    let desk = Desk::new();
    let answer = desk
        .skillhost(&["run", "missing.wasm", "--json"])
        .code(2)
        .json();
    assert_usage(&answer["usage"], 0);
    assert_eq!(
        fields(&answer),
        [
            "hint",
            "invocation",
            "kind",
            "message",
            "outcome",
            "skill",
            "usage"
        ]
    );
    assert_eq!(
        (&answer["kind"], &answer["outcome"]),
        (&json!("InvalidRequest"), &json!("error"))
    );
    assert_eq!(
        (&answer["invocation"], &answer["skill"]),
        (&Value::Null, &Value::Null)
    );
}

/// Takes out what differs from run to run.
fn assert_ids(answer: &mut Value) {
    let invocation = answer["invocation"].take();
    assert_eq!(invocation.as_str().unwrap().len(), 32);
    let digest = answer["skill"]["digest"].take();
    assert_eq!(
        digest
            .as_str()
            .unwrap()
            .strip_prefix("sha256:")
            .unwrap()
            .len(),
        64
    );
}

fn assert_usage(usage: &Value, attempts: u64) {
    let always = ["attempts", "fuel", "memory_bytes", "wall_ms"];
    for field in fields(usage) {
        let counted = field == "host_calls" || field == "output_bytes";
        assert!(counted || always.contains(&field), "{usage}");
    }
    assert_eq!(usage["attempts"], attempts);
    assert_eq!(usage["fuel"].as_u64().unwrap() > 0, attempts > 0);
}

#[test]
fn arguments_come_from_standard_input_or_a_file() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    desk.write("input.json", r#"{"text": "from a file"}"#);
    let input = r#"{"text": "from a pipe"}"#;
    for option in ["--input", "--input-file"] {
        let ran = desk
            .skillhost_reading(input, &["run", &echo, "echo", option, "-"])
            .code(0);
        assert_eq!(ran.stdout, "from a pipe\n");
    }
    let ran = desk
        .skillhost(&["run", &echo, "echo", "--input-file", "input.json"])
        .code(0);
    assert_eq!(ran.stdout, "from a file\n");
    let both = [
        "run",
        &echo,
        "echo",
        "--input",
        "{}",
        "--input-file",
        "input.json",
    ];
    desk.skillhost(&both).code(2);
}

#[test]
fn a_skill_with_several_tools_lists_them() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    let ran = desk.skillhost(&["run", &echo]).code(0);
    assert!(
        ran.stdout
            .starts_with("  echo [read-only] [idempotent]\n    Gives back its text.\n"),
        "{ran:#?}"
    );
    assert_eq!(ran.stderr, "Name one of these tools to run it.\n");
    let listed = desk.skillhost(&["run", &echo, "--json"]).code(0).json();
    let tools = listed["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["echo", "count"]);
}

#[test]
fn grants_of_the_command_line_hold() {
    let desk = Desk::new();
    let reader = desk.guest("read_file");
    desk.write("docs/hello.txt", "hello");
    let run = [
        "run",
        &reader,
        "read",
        "--input",
        r#"{"path": "/hello.txt"}"#,
    ];
    let ran = desk.skillhost(&run).code(4);
    assert!(ran.stderr.contains("--allow-dir"), "{ran:#?}");
    let ran = desk
        .skillhost(&[run.as_slice(), &["--allow-dir", "docs"]].concat())
        .code(0);
    assert_eq!(ran.stdout, "hello\n");
    let ran = desk
        .skillhost(&[run.as_slice(), &["--allow-dir", "missing"]].concat())
        .code(2);
    assert!(ran.stderr.contains("missing does not exist"), "{ran:#?}");
    let echo = desk.guest("echo");
    let unused = [
        "run",
        &echo,
        "echo",
        "--input",
        r#"{"text": ""}"#,
        "--allow-dir",
        "docs",
    ];
    let ran = desk.skillhost(&unused).code(0);
    assert!(
        ran.stderr.contains("echo does not ask for the directory"),
        "{ran:#?}"
    );
}

#[test]
fn what_a_skill_writes_goes_to_standard_error_in_marked_lines() {
    let desk = Desk::new();
    let printer = desk.guest("print_forever");
    let ran = desk
        .skillhost(&["run", &printer, "print", "--input", r#"{"lines": 2}"#])
        .code(0);
    assert_eq!(ran.stdout, "still here\n");
    for line in [
        "skill: stdout: out 0",
        "skill: stdout: out 1",
        "skill: stderr: err 0",
    ] {
        assert!(ran.stderr.lines().any(|it| it == line), "{ran:#?}");
    }
    let forger = desk.guest("log_forever");
    let ran = desk.skillhost(&["run", &forger, "forge"]).code(0);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:#?}");
}

#[test]
fn every_run_is_in_the_audit_log() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    desk.skillhost(&["run", &echo, "echo", "--input", r#"{"text": "private"}"#])
        .code(0);
    let events: Vec<Value> = desk
        .audit()
        .iter()
        .map(|record| record["event"].clone())
        .collect();
    assert_eq!(
        events,
        [
            "verify.passed",
            "skill.loaded",
            "invocation.started",
            "invocation.finished"
        ]
    );
    let log = format!("{:?}", desk.audit());
    assert!(!log.contains("private"), "{log}");
}

/// The environment holds a secret, which the desk looks for in every output.
#[test]
fn x01_a_skill_sees_nothing_of_the_environment() {
    let desk = Desk::new();
    let looker = desk.guest("list_env");
    let seen = desk.skillhost(&["run", &looker]).code(0).json();
    assert_eq!(seen["variables"], json!([]));
    assert_eq!(seen["arguments"], json!([]));
}
