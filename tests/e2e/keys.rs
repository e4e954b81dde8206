//! `keygen`, `sign`, `verify`, `inspect`, `list`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use skillhost_tests::pack;

use crate::desk::{Desk, fields};

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
    desk.configure("[trust]\nthreshold = 1\nsigners.alice.keys = [\"../../alice.pub\"]\n");
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
