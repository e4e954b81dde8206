//! `deny`: what is denied is never lost, and no older list comes back.

use std::fs;

use serde_json::{Value, json};

use crate::desk::Desk;

const LIST: &str = "config/skillhost/deny.json";

/// A desk whose configuration names a deny list that is not there yet.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.skillhost(&["keygen", "--out", "security"]).code(0);
    fs::create_dir_all(desk.path("config/skillhost")).unwrap();
    fs::copy(
        desk.path("security.pub"),
        desk.path("config/skillhost/security.pub"),
    )
    .unwrap();
    desk.configure(
        "[trust]\npreset = \"permissive\"\n[trust.deny-list]\nfile = \"deny.json\"\nkeys = [\"security.pub\"]\n",
    );
    desk
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn deny(desk: &Desk, more: &[&str]) -> Value {
    let arguments = [&["deny", "--json", "--key", "security.key"], more].concat();
    desk.skillhost(&arguments).code(0).json()
}

/// Refused with that kind, and the list on disk is as it was.
fn refused(desk: &Desk, more: &[&str], code: i32, kind: &str) {
    let before = fs::read(desk.path(LIST)).ok();
    let arguments = [&["deny", "--json", "--key", "security.key"], more].concat();
    let ran = desk.skillhost(&arguments).code(code).json();
    assert_eq!(ran["kind"], kind, "{ran}");
    assert_eq!(fs::read(desk.path(LIST)).ok(), before);
}

#[test]
fn each_list_is_the_next_version_and_keeps_what_was_denied() {
    let desk = desk();
    let (one, two) = (digest('1'), digest('2'));
    assert_eq!(deny(&desk, &[])["list"]["version"], 1);
    deny(&desk, &[&one, "--reason", "leaks"]);
    let third = deny(&desk, &[&two]);
    assert_eq!(third["list"]["version"], 3);
    let denied = json!([
        {"deny": {"digest": one}, "reason": "leaks"},
        {"deny": {"digest": two}},
    ]);
    assert_eq!(third["list"]["entries"], denied);
    let lifted = deny(&desk, &["--lift", &one]);
    assert_eq!(
        lifted["list"]["entries"],
        json!([{"deny": {"digest": two}}])
    );
    refused(&desk, &["--lift", &one], 2, "InvalidRequest");
}

#[test]
fn s13_an_older_list_or_none_is_not_added_to() {
    let desk = desk();
    deny(&desk, &[]);
    let older = fs::read(desk.path(LIST)).unwrap();
    deny(&desk, &[&digest('1')]);
    fs::write(desk.path(LIST), older).unwrap();
    refused(&desk, &[&digest('2')], 3, "RolledBack");
    fs::remove_file(desk.path(LIST)).unwrap();
    refused(&desk, &[&digest('2')], 3, "RolledBack");
    let anew = deny(&desk, &["--anew"]);
    assert_eq!(anew["list"]["version"], 3);
}

#[test]
fn a_list_that_is_not_lost_is_not_begun_anew() {
    let desk = desk();
    deny(&desk, &[&digest('1')]);
    refused(&desk, &["--anew"], 2, "InvalidRequest");
    // Nor by a machine that has not seen it before.
    fs::remove_file(desk.path("data/skillhost/trust/memory.json")).unwrap();
    refused(&desk, &["--anew"], 2, "InvalidRequest");
}

#[test]
fn a_key_that_no_host_would_accept_signs_nothing() {
    let desk = desk();
    deny(&desk, &[]);
    let before = fs::read(desk.path(LIST)).unwrap();
    desk.skillhost(&["keygen", "--out", "other"]).code(0);
    let file = desk.path("config/skillhost/../skillhost/deny.json");
    let named = [
        "deny",
        "--key",
        "other.key",
        "--file",
        file.to_str().unwrap(),
    ];
    desk.skillhost(&named).code(2);
    assert_eq!(fs::read(desk.path(LIST)).unwrap(), before);
}
