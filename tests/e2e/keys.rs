//! `keygen`, `sign`, `attest`, `verify`, `inspect`, `list`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use skillhost_tests::pack;

use crate::desk::{Desk, Ran, fields};

/// A key that cosign made, encrypted with [`PASSWORD`].
const COSIGN: &str = include_str!("../../host/src/sign/testdata/cosign.key");
const COSIGN_PUBLIC: &str = include_str!("../../host/src/sign/testdata/cosign.pub");
const PASSWORD: &str = "correct horse";

/// Writes a private key as `path`, which only its owner may read.
fn write_key(desk: &Desk, path: &str, text: &str) {
    let path = desk.write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs the command that has to fail with that exit code and kind.
#[track_caller]
fn refused(desk: &Desk, arguments: &[&str], code: i32, kind: &str) -> Value {
    let failed = desk
        .skillhost(&[arguments, &["--json"]].concat())
        .code(code)
        .json();
    assert_eq!(failed["kind"], kind, "{failed}");
    failed
}

#[test]
fn a_component_is_signed_and_verified() {
    let desk = Desk::new();
    let ran = desk.skillhost(&["keygen", "--out", "alice"]).code(0);
    assert_eq!(ran.stdout, "alice.key\nalice.pub\n");
    let mode = fs::metadata(desk.path("alice.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    desk.skillhost(&["keygen", "--out", "alice"]).code(2);

    desk.write("honest.wasm", pack::text("honest"));
    desk.configure(
        "[trust]\npreset = \"permissive\"\nsigners.alice.keys = [\"../../alice.pub\"]\n",
    );
    desk.skillhost(&["verify", "honest.wasm"]).code(3);
    let ran = desk
        .skillhost(&["sign", "honest.wasm", "--key", "alice.key"])
        .code(0);
    assert_eq!(ran.stdout, "honest.wasm.sigstore.json\n");
    let ran = desk.skillhost(&["verify", "honest.wasm"]).code(0);
    assert!(
        ran.stdout.starts_with("sha256:") && ran.stdout.ends_with(" signed by alice\n"),
        "{ran:#?}"
    );
    let verified = desk
        .skillhost(&["verify", "honest.wasm", "--json"])
        .code(0)
        .json();
    assert_eq!(
        (&verified["outcome"], &verified["signers"]),
        (&json!("ok"), &json!(["alice"]))
    );

    let mut bytes = pack::text("honest");
    bytes.extend_from_slice(&[0, 1, 0]);
    fs::write(desk.path("honest.wasm"), bytes).unwrap();
    let failed = desk
        .skillhost(&["verify", "honest.wasm", "--json"])
        .code(3)
        .json();
    assert_eq!(failed["kind"], "DigestMismatch");
}

#[test]
fn two_signers_are_needed_where_the_operator_says_so() {
    let desk = Desk::new();
    for name in ["alice", "bob"] {
        desk.skillhost(&["keygen", "--out", name]).code(0);
    }
    desk.configure(
        "[trust]\nthreshold = 2\nsigners.alice.keys = [\"../../alice.pub\"]\nsigners.bob.keys = [\"../../bob.pub\"]\n",
    );
    desk.write("honest.wasm", pack::text("honest"));
    let sign = |key: &str, signer: &str| {
        desk.skillhost(&["sign", "honest.wasm", "--key", key, "--signer", signer])
            .code(0);
    };
    sign("alice.key", "alice");
    sign("alice.key", "alice-again");
    let failed = desk
        .skillhost(&["verify", "honest.wasm", "--json"])
        .code(3)
        .json();
    assert_eq!(failed["kind"], "ThresholdUnmet");
    sign("bob.key", "bob");
    let verified = desk
        .skillhost(&["verify", "honest.wasm", "--json"])
        .code(0)
        .json();
    assert_eq!(verified["signers"], json!(["alice", "bob"]));
}

#[test]
fn a_key_that_others_may_read_signs_nothing() {
    let desk = Desk::new();
    desk.skillhost(&["keygen", "--out", "alice"]).code(0);
    desk.write("honest.wasm", pack::text("honest"));
    let key = desk.path("alice.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = desk
        .skillhost(&["sign", "honest.wasm", "--key", "alice.key"])
        .code(2);
    assert!(ran.stderr.contains("chmod 600"), "{ran:#?}");
    for (path, text) in [("text.key", "no key"), ("empty.key", "")] {
        fs::set_permissions(desk.write(path, text), fs::Permissions::from_mode(0o600)).unwrap();
        desk.skillhost(&["sign", "honest.wasm", "--key", path])
            .code(2);
    }
    desk.skillhost(&[
        "sign",
        "honest.wasm",
        "--key",
        "alice.key",
        "--signer",
        "../x",
    ])
    .code(2);
}

#[test]
fn an_encrypted_key_of_cosign_signs() {
    let desk = Desk::new();
    write_key(&desk, "cosign.key", COSIGN);
    desk.write("cosign.pub", COSIGN_PUBLIC);
    desk.write("password", format!("{PASSWORD}\n"));
    desk.configure(
        "[trust]\npreset = \"permissive\"\nsigners.cosign.keys = [\"../../cosign.pub\"]\n",
    );
    desk.write("honest.wasm", pack::text("honest"));
    let sign = ["sign", "honest.wasm", "--key", "cosign.key"];
    let with = |options: &[&'static str]| [&sign, options].concat();

    let unread = |ran: Ran| assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:#?}");
    unread(
        desk.skillhost(&with(&["--password-file", "password"]))
            .code(0),
    );
    desk.skillhost(&["verify", "honest.wasm"]).code(0);
    fs::remove_file(desk.path("honest.wasm.sigstore.json")).unwrap();
    unread(
        desk.skillhost_reading(PASSWORD, &with(&["--password-fd", "0"]))
            .code(0),
    );
    desk.skillhost(&["verify", "honest.wasm"]).code(0);
}

#[test]
fn an_encrypted_key_without_its_password_signs_nothing() {
    let desk = Desk::new();
    write_key(&desk, "cosign.key", COSIGN);
    desk.skillhost(&["keygen", "--out", "plain"]).code(0);
    desk.write("honest.wasm", pack::text("honest"));
    desk.write("password", PASSWORD);
    desk.write("wrong", "incorrect horse");
    desk.write("long", "x".repeat(2000));
    for (key, options, expected) in [
        (
            "cosign.key",
            vec![],
            "--password-file FILE or --password-fd N",
        ),
        (
            "cosign.key",
            vec!["--password-file", "wrong"],
            "the password does not open",
        ),
        (
            "cosign.key",
            vec!["--password-file", "none"],
            "cannot be read",
        ),
        ("cosign.key", vec!["--password-file", "long"], "no password"),
        ("cosign.key", vec!["--password-fd", "99"], "cannot be read"),
        (
            "plain.key",
            vec!["--password-file", "password"],
            "is not encrypted",
        ),
        ("plain.pub", vec![], "is a public key"),
    ] {
        let arguments = [&["sign", "honest.wasm", "--key", key], options.as_slice()].concat();
        let failed = refused(&desk, &arguments, 2, "InvalidRequest");
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert!(!message.contains(PASSWORD), "{message}");
    }
    // The command line itself is wrong, so nothing is printed as JSON.
    for options in [
        &["--password-fd", "0", "--password-file", "password"][..],
        &["--password-fd", "-1"],
        &["--password", PASSWORD],
    ] {
        let arguments = [&["sign", "honest.wasm", "--key", "cosign.key"], options].concat();
        desk.skillhost(&arguments).code(2);
    }
    let key = desk.path("cosign.key");
    fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap();
    let arguments = [
        "sign",
        "honest.wasm",
        "--key",
        "cosign.key",
        "--password-file",
        "password",
    ];
    refused(&desk, &arguments, 2, "ConfigInsecure");
    assert!(!desk.path("honest.wasm.sigstore.json").exists());
    let arguments = ["build", "--password-file", "password"];
    refused(&desk, &arguments, 2, "InvalidRequest");
}

#[test]
fn an_attestation_says_something_and_approves_nothing() {
    let desk = Desk::new();
    desk.skillhost(&["keygen", "--out", "alice"]).code(0);
    desk.configure(
        "[trust]\npreset = \"permissive\"\nsigners.alice.keys = [\"../../alice.pub\"]\n",
    );
    desk.write("honest.wasm", pack::text("honest"));
    desk.write(
        "how.json",
        r#"{"runDetails": {"builder": {"id": "https://example.com/builder"}}}"#,
    );
    let attest = [
        "attest",
        "honest.wasm",
        "--key",
        "alice.key",
        "--type",
        "slsaprovenance1",
        "--predicate",
        "how.json",
    ];
    let ran = desk.skillhost(&attest).code(0);
    let written = "honest.wasm.attestation.slsa-dev-provenance-v1.sigstore.json";
    assert_eq!(ran.stdout, format!("{written}\n"));
    let text = fs::read_to_string(desk.path(written)).unwrap();
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        bundle["dsseEnvelope"]["payloadType"],
        "application/vnd.in-toto+json"
    );
    desk.skillhost(&["verify", "honest.wasm"]).code(3);

    desk.skillhost(&[
        "sign",
        "honest.wasm",
        "--key",
        "alice.key",
        "--signer",
        "alice",
    ])
    .code(0);
    desk.skillhost(&["verify", "honest.wasm"]).code(0);
    let made = desk
        .skillhost(&[&attest[..], &["--signer", "alice", "--json"]].concat())
        .code(0)
        .json();
    assert_eq!(fields(&made), ["bundle", "digest", "key_id", "type"]);
    assert_eq!(
        (&made["bundle"], &made["type"]),
        (
            &json!("honest.wasm.alice.slsa-dev-provenance-v1.sigstore.json"),
            &json!("https://slsa.dev/provenance/v1")
        )
    );
    desk.skillhost(&["verify", "honest.wasm"]).code(0);

    // Where it is asked for, it is provenance.
    for (builder, code) in [
        ("https://example.com/builder", 0),
        ("https://example.com", 3),
    ] {
        desk.configure(&format!(
            "[trust]\npreset = \"permissive\"\nsigners.alice.keys = [\"../../alice.pub\"]\nprovenance.builder = \"{builder}\"\n"
        ));
        desk.skillhost(&["verify", "honest.wasm"]).code(code);
    }
}

#[test]
fn what_is_no_attestation_is_not_written() {
    let desk = Desk::new();
    desk.skillhost(&["keygen", "--out", "alice"]).code(0);
    desk.write("honest.wasm", pack::text("honest"));
    desk.write("text.wasm", "no component");
    desk.write("object.json", "{}");
    desk.write("list.json", "[]");
    desk.write("broken.json", "{");
    desk.write(
        "large.json",
        format!("{{\"a\": \"{}\"}}", "x".repeat(128 * 1024)),
    );
    let attest = |file: &'static str, kind: &'static str, predicate: &'static str| {
        [
            "attest",
            file,
            "--key",
            "alice.key",
            "--type",
            kind,
            "--predicate",
            predicate,
        ]
    };
    let uri = "https://example.com/test";
    for predicate in ["list.json", "broken.json", "large.json", "none.json"] {
        let arguments = attest("honest.wasm", uri, predicate);
        refused(&desk, &arguments, 2, "InvalidRequest");
    }
    let arguments = attest("text.wasm", uri, "object.json");
    refused(&desk, &arguments, 2, "ComponentInvalid");
    let arguments = attest("none.wasm", uri, "object.json");
    refused(&desk, &arguments, 2, "InvalidRequest");
    let ran = desk
        .skillhost(&attest(
            "honest.wasm",
            "https://sigstore.dev/cosign/sign/v1",
            "object.json",
        ))
        .code(2);
    assert!(ran.stderr.contains("skillhost sign"), "{ran:#?}");
    desk.skillhost(&attest("honest.wasm", "provenance", "object.json"))
        .code(2);
    assert_eq!(
        fs::read_dir(desk.path(""))
            .unwrap()
            .flatten()
            .filter(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .ends_with(".sigstore.json")
            })
            .count(),
        0
    );
}

#[test]
fn no_bundle_is_added_that_would_be_one_too_many() {
    let desk = Desk::new();
    desk.skillhost(&["keygen", "--out", "alice"]).code(0);
    desk.write("honest.wasm", pack::text("honest"));
    desk.write("object.json", "{}");
    for number in 0..16 {
        desk.write(&format!("honest.wasm.s{number}.sigstore.json"), "{}");
    }
    let sign = ["sign", "honest.wasm", "--key", "alice.key", "--signer"];
    refused(&desk, &[&sign[..], &["s16"]].concat(), 2, "InvalidRequest");
    desk.skillhost(&[&sign[..], &["s15"]].concat()).code(0);
    let attest = [
        "attest",
        "honest.wasm",
        "--key",
        "alice.key",
        "--type",
        "urn:x",
        "--predicate",
        "object.json",
    ];
    refused(&desk, &attest, 2, "InvalidRequest");
}

#[test]
fn a_component_is_inspected_and_not_run() {
    let desk = Desk::new();
    let wanting = desk.guest("wants_filesystem");
    let ran = desk.skillhost(&["inspect", &wanting]).code(0);
    for part in [
        "wants-filesystem 0.1.0\n",
        "signers  local\n",
        "  run\n",
        "filesystem, read-write: To keep notes.",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:#?}");
    }
    let found = desk
        .skillhost(&["inspect", &wanting, "--json"])
        .code(0)
        .json();
    assert_eq!(
        fields(&found),
        [
            "bytes", "digest", "imports", "manifest", "refused", "signers"
        ]
    );
    assert_eq!(
        found["manifest"]["capabilities"]["filesystem"]["access"],
        "read-write"
    );

    fs::remove_file(desk.path("wants-filesystem.wasm.sigstore.json")).unwrap();
    let found = desk
        .skillhost(&["inspect", &wanting, "--json"])
        .code(0)
        .json();
    assert_eq!(
        (&found["signers"], &found["refused"]["kind"]),
        (&json!([]), &json!("SignatureMissing"))
    );
}

#[test]
fn installed_skills_are_listed_with_those_that_will_not_run() {
    let desk = Desk::new();
    let ran = desk.skillhost(&["list"]).code(0);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("No skills are installed in "),
        "{ran:#?}"
    );
    desk.configure("[skills]\ndirectory = \"../..\"\n");
    desk.guest("echo");
    desk.write("unsigned.wasm", pack::text("honest"));
    desk.write("text.txt", "");
    let ran = desk.skillhost(&["list"]).code(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:#?}");
    assert_eq!(lines[0], "echo 0.1.0  tools: echo, count  signed by: local");
    assert!(
        lines[1].contains("unsigned.wasm  will not run: The component is not signed"),
        "{ran:#?}"
    );
    let listed = desk.skillhost(&["list", "--json"]).code(0).json();
    let kinds: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, [&Value::Null, &json!("SignatureMissing")]);
}
