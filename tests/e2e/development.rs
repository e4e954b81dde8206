//! S28: the development override, and everything that is none.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use skillhost::artifact::Digest;
use skillhost::sign::{PrivateKey, approval_path};
use skillhost_tests::Says;

use crate::desk::{Desk, Ran, argument};

/// What the skill answers.
const ANSWER: &str = "the code has run";

const ALLOW: (&str, &str) = ("SKILLHOST_ALLOW_UNSIGNED", "true");
const DEVELOPMENT: (&str, &str) = ("SKILLHOST_ENV", "development");

/// Both variables, which is the override.
const OVERRIDE: [(&str, &str); 2] = [ALLOW, DEVELOPMENT];

fn skill() -> Vec<u8> {
    Says::new(ANSWER).component()
}

/// A desk with an installed skill that nobody signed.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.configure("[trust]\npreset = \"permissive\"\n");
    desk.install("says", &skill());
    desk
}

fn run(desk: &Desk, variables: &[(&str, &str)]) -> Ran {
    desk.skillhost_seeing(variables, "", &["run", "says", "--json"])
}

/// It did not run, for want of a signature.
#[track_caller]
fn assert_refused(ran: Ran, kind: &str) {
    let ran = ran.code(3);
    assert_eq!(ran.json()["kind"], kind, "{ran:#?}");
    assert!(!ran.stdout.contains(ANSWER), "{ran:#?}");
}

/// Records of one event, without those of earlier runs.
fn records(desk: &Desk, event: &str) -> Vec<Value> {
    let audit = desk.audit();
    let run = audit.last().unwrap()["run"].clone();
    let of_run = audit.into_iter().filter(|it| it["run"] == run);
    of_run.filter(|it| it["event"] == event).collect()
}

#[track_caller]
fn assert_reviewed(record: &Value) {
    assert_eq!(
        (&record["severity"], &record["review"]),
        (&json!("high"), &json!(true)),
        "{record}"
    );
}

#[test]
fn s28_nothing_set_is_production() {
    let desk = desk();
    assert_refused(run(&desk, &[]), "SignatureMissing");
    assert_eq!(records(&desk, "VERIFICATION_BYPASS").len(), 0);
    assert_eq!(records(&desk, "UNSIGNED_EXECUTION").len(), 0);
    let failed = &records(&desk, "verify.failed")[0];
    assert_eq!(failed["environment"], "production");
    for none in ["", "false"] {
        let variables = [(ALLOW.0, none), DEVELOPMENT];
        assert_refused(run(&desk, &variables), "SignatureMissing");
        assert_eq!(records(&desk, "VERIFICATION_BYPASS").len(), 0);
    }
    assert_refused(run(&desk, &[DEVELOPMENT]), "SignatureMissing");
}

/// It is an attempt, and on record, wherever it is not exactly development.
#[test]
fn s28_an_attempt_outside_development_is_recorded() {
    let desk = desk();
    let mut environments = vec![vec![ALLOW]];
    for other in [
        "production",
        "staging",
        "dev",
        "Development",
        "development ",
        "",
    ] {
        environments.push(vec![ALLOW, (DEVELOPMENT.0, other)]);
    }
    for variables in environments {
        let ran = run(&desk, &variables);
        assert!(
            ran.stderr
                .contains("SKILLHOST_ALLOW_UNSIGNED has no effect here"),
            "{ran:#?}"
        );
        assert_refused(ran, "SignatureMissing");
        let bypass = records(&desk, "VERIFICATION_BYPASS");
        assert_eq!(bypass.len(), 1, "{variables:?}");
        assert_reviewed(&bypass[0]);
        assert_eq!(records(&desk, "UNSIGNED_EXECUTION").len(), 0);
        let failed = &records(&desk, "verify.failed")[0];
        assert_eq!(failed["environment"], "production");
    }
}

/// The attempt is recorded by a server as well, before it serves anything.
#[test]
fn s28_a_server_records_an_attempt() {
    let desk = desk();
    let ran = desk.skillhost_seeing(&[ALLOW], "", &["serve"]).code(2);
    assert!(ran.stderr.contains("says.wasm is left out"), "{ran:#?}");
    assert_eq!(desk.audit()[0]["event"], "VERIFICATION_BYPASS");
}

#[test]
fn s28_the_override_is_seen_by_whoever_looks() {
    let desk = desk();
    let ran = run(&desk, &OVERRIDE).code(0);
    assert!(ran.stderr.contains("DEVELOPMENT OVERRIDE"), "{ran:#?}");
    let answer = ran.json();
    assert_eq!(answer["content"][0]["text"], ANSWER);
    assert_eq!(answer["skill"]["signers"], json!([]));
    let passed = &records(&desk, "verify.passed")[0];
    for (field, expected) in [
        ("allowed", json!(true)),
        ("environment", json!("development")),
        ("signatures_valid", json!(0)),
        ("signatures_total", json!(0)),
    ] {
        assert_eq!(passed[field], expected, "{field}");
    }
    // When it is loaded, and when it is called.
    let unsigned = records(&desk, "UNSIGNED_EXECUTION");
    assert_eq!(unsigned.len(), 2);
    for record in &unsigned {
        assert_reviewed(record);
        assert_eq!(record["skill"], "says");
    }
    assert_eq!(unsigned[1]["tool"], "run");
    assert!(unsigned[1]["invocation"].is_string());
}

#[test]
fn s28_each_use_of_the_override_is_recorded() {
    let desk = desk();
    let mut assistant = desk.serve(&OVERRIDE, &json!({}));
    for _ in 0..3 {
        let answer = assistant.call("says_run", &json!({}));
        assert_eq!(answer["result"]["content"][0]["text"], ANSWER, "{answer}");
    }
    assert!(assistant.end().contains("DEVELOPMENT OVERRIDE"));
    let unsigned = records(&desk, "UNSIGNED_EXECUTION");
    let calls: BTreeSet<&str> = unsigned
        .iter()
        .filter_map(|it| it["invocation"].as_str())
        .collect();
    assert_eq!((unsigned.len(), calls.len()), (4, 3));
}

/// What is signed is judged as ever, and no use of the override.
#[test]
fn s28_what_is_signed_needs_no_override() {
    let desk = desk();
    let file = desk.path("data/skillhost/skills/says.wasm");
    desk.key().sign_file(&file, None).unwrap();
    let ran = run(&desk, &OVERRIDE).code(0);
    assert_eq!(ran.json()["skill"]["signers"], json!(["local"]));
    assert_eq!(records(&desk, "UNSIGNED_EXECUTION").len(), 0);
    let passed = &records(&desk, "verify.passed")[0];
    assert_eq!(passed["environment"], "development");
}

/// The override is for what nobody signed yet, not for what is wrong.
#[test]
fn s28_a_signature_that_does_not_hold_is_refused_under_the_override() {
    let desk = desk();
    let file = desk.path("data/skillhost/skills/says.wasm");
    let bundle = approval_path(&file, None);
    let stranger = PrivateKey::generate().unwrap();
    let digest = Digest::of(&skill());
    for (bad, kind) in [
        (stranger.sign(digest).unwrap(), "IdentityMismatch"),
        (
            desk.key().sign(Digest::of(b"other")).unwrap(),
            "DigestMismatch",
        ),
        ("{}".to_owned(), "SignatureInvalid"),
    ] {
        fs::write(&bundle, bad).unwrap();
        assert_refused(run(&desk, &OVERRIDE), kind);
        assert_eq!(records(&desk, "UNSIGNED_EXECUTION").len(), 0);
    }
}

#[test]
fn s28_what_is_denied_or_not_approved_is_refused_under_the_override() {
    let desk = desk();
    let file = desk.path("data/skillhost/skills/says.wasm");
    desk.skillhost(&["keygen", "--out", "security"]).code(0);
    desk.configure(
        "[trust]\npreset = \"permissive\"\ndeny-list = { file = \"../../deny.json\", keys = [\"../../security.pub\"] }\n",
    );
    let deny = ["deny", "--key", "security.key", "--file", "deny.json"];
    desk.skillhost(&deny).code(0);
    run(&desk, &OVERRIDE).code(0);
    desk.skillhost(&[&deny[..], &[argument(&file)]].concat())
        .code(0);
    assert_refused(run(&desk, &OVERRIDE), "Revoked");

    let desk = self::desk();
    desk.write("config/skillhost/skillhost.lock", "version = 1\n");
    let ran = desk.skillhost_seeing(&OVERRIDE, "", &["serve"]).code(2);
    assert_eq!(ran.stdout, "");
    assert_eq!(records(&desk, "verify.failed")[0]["kind"], "NotApproved");
}

/// Nor does it approve anything, nor let a check pass.
#[test]
fn s28_the_override_runs_and_does_not_vouch() {
    let desk = desk();
    let file = desk.path("data/skillhost/skills/says.wasm");
    for arguments in [
        ["verify", argument(&file), "--json"],
        ["lock", "--approve", "--json"],
    ] {
        assert_refused(
            desk.skillhost_seeing(&OVERRIDE, "", &arguments),
            "SignatureMissing",
        );
    }
    let listed = desk
        .skillhost_seeing(&OVERRIDE, "", &["list", "--json"])
        .code(0);
    assert_eq!(listed.json()[0]["kind"], "SignatureMissing");
}

/// What somebody would try; all of it in development.
#[test]
fn s28_no_other_variable_has_an_effect() {
    let desk = desk();
    for (variable, value) in [
        ("SKILLHOST_ALLOW_UNSIGNED", "1"),
        ("SKILLHOST_ALLOW_UNSIGNED", "yes"),
        ("SKILLHOST_ALLOW_UNSIGNED", "on"),
        ("SKILLHOST_ALLOW_UNSIGNED", "TRUE"),
        ("SKILLHOST_ALLOW_UNSIGNED", "True"),
        ("SKILLHOST_ALLOW_UNSIGNED", " true"),
        ("SKILLHOST_ALLOW_UNSIGNED", "true\n"),
        ("skillhost_allow_unsigned", "true"),
        ("ALLOW_UNSIGNED", "true"),
        ("SKILLHOST_DANGER_ALLOW_UNSIGNED", "true"),
        ("SKILLHOST_SKIP_VERIFY", "true"),
        ("SKILLHOST_SKIP_VERIFICATION", "1"),
        ("SKILLHOST_NO_VERIFY", "1"),
        ("SKILLHOST_VERIFY", "false"),
        ("SKILLHOST_VERIFY", "0"),
        ("SKILLHOST_INSECURE", "1"),
        ("SKILLHOST_UNSAFE", "1"),
        ("SKILLHOST_TRUST", "all"),
        ("SKILLHOST_TRUST_ALL", "true"),
        ("SKILLHOST_THRESHOLD", "0"),
        ("SKILLHOST_DEBUG", "1"),
        ("SKILLHOST_MODE", "permissive"),
        ("SIGSTORE_NO_VERIFY", "1"),
        ("COSIGN_EXPERIMENTAL", "1"),
        ("NODE_ENV", "development"),
    ] {
        assert_refused(
            run(&desk, &[DEVELOPMENT, (variable, value)]),
            "SignatureMissing",
        );
    }
}

#[test]
fn s28_there_is_no_such_option_and_no_such_key() {
    let desk = desk();
    for option in [
        "--insecure",
        "--unsafe",
        "--no-verify",
        "--skip-verify",
        "--skip-verification",
        "--allow-unsigned",
        "--danger-allow-unsigned",
        "--trust-all",
        "--trust",
        "--force",
        "--dev",
        "--development",
        "--yes",
        "-k",
        "-f",
    ] {
        for command in [["run", "says", option], ["serve", option, option]] {
            let ran = desk.skillhost_seeing(&OVERRIDE, "", &command).code(2);
            assert!(ran.stderr.contains("unexpected argument"), "{ran:#?}");
        }
    }
    for key in [
        "allow-unsigned = true\n",
        "danger-allow-unsigned = true\n",
        "insecure = true\n",
        "verify = false\n",
        "environment = \"development\"\n",
        "threshold = 0\n",
        "[danger]\nallow-unsigned = true\n",
    ] {
        desk.configure(&format!("[trust]\npreset = \"permissive\"\n{key}"));
        let ran = run(&desk, &[]).code(2);
        assert_eq!(ran.json()["kind"], "ConfigInvalid", "{ran:#?}");
    }
}

/// What a client says has no say in what is trusted.
#[test]
fn s28_a_request_changes_nothing() {
    let desk = desk();
    let file = desk.path("data/skillhost/skills/says.wasm");
    let wish = json!({
        "allowUnsigned": true, "allow_unsigned": true, "skipVerification": true, "verify": false,
        "SKILLHOST_ALLOW_UNSIGNED": "true", "SKILLHOST_ENV": "development",
        "dev.skillhost/allow-unsigned": true, "env": {"SKILLHOST_ALLOW_UNSIGNED": "true"},
    });
    desk.key().sign_file(&file, None).unwrap();
    let hello = json!({"capabilities": {"experimental": {"skillhost": wish}}, "_meta": wish});
    let mut assistant = desk.serve(&[DEVELOPMENT], &hello);
    fs::remove_file(approval_path(&file, None)).unwrap();
    let call = json!({"name": "says_run", "arguments": wish, "_meta": wish});
    let mut and_more = call.clone();
    and_more
        .as_object_mut()
        .unwrap()
        .extend(wish.as_object().cloned().unwrap());
    for params in [call, and_more, json!({"name": "says_run", "arguments": {}})] {
        let answer = assistant.request("tools/call", &params);
        let kind = &answer["result"]["_meta"]["dev.skillhost/kind"];
        assert_eq!(kind, "SignatureMissing", "{answer}");
        assert!(!answer.to_string().contains(ANSWER), "{answer}");
    }
    drop(assistant.end());
    assert_eq!(records(&desk, "UNSIGNED_EXECUTION").len(), 0);
}
