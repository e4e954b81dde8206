//! `permissions`, `grant`, `revoke` and `policy check`: an operator answers what
//! a skill asks for, and sees what came of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use skillhost::manifest::Source;
use skillhost_tests::{guests, pack};

use crate::desk::{Desk, Ran, argument, fields};

/// A desk with the skill `notes`, which needs to keep state and may ask one
/// origin and read files, installed and signed with the author's own key.
fn desk() -> Desk {
    let desk = Desk::new();
    install(&desk, "Finds notes.", &wishes());
    desk
}

fn wishes() -> Value {
    json!({
        "state": {"reason": "To remember what was found."},
        "http": {"origins": ["https://api.good.test"], "reason": "To ask.", "optional": true},
        "filesystem": {"access": "read-only", "reason": "To find.", "optional": true},
        "secrets": {"db": {"use": "reveal", "reason": "To open it.", "optional": true}},
    })
}

fn install(desk: &Desk, description: &str, capabilities: &Value) {
    let source = Source {
        description: Some(description.to_owned()),
        capabilities: serde_json::from_value(capabilities.clone()).unwrap(),
        ..pack::plain_source("notes")
    };
    let component = pack::with_manifest(&guests::text("honest"), source);
    fs::create_dir_all(desk.path("data/skillhost/skills")).unwrap();
    desk.component("data/skillhost/skills/notes", &component);
}

fn grants(desk: &Desk) -> PathBuf {
    desk.path("config/skillhost/grants.json")
}

fn run(desk: &Desk, code: i32) -> Ran {
    desk.skillhost(&["run", "notes"]).code(code)
}

fn grant(desk: &Desk, words: &[&str], code: i32) -> Ran {
    desk.skillhost(&[&["grant", "notes"], words].concat())
        .code(code)
}

/// The command that a text names between backticks.
fn command(text: &str) -> Vec<String> {
    let mut quoted = text.split('`');
    let command = quoted.find(|it| it.starts_with("skillhost ")).unwrap();
    command.split(' ').skip(1).map(str::to_owned).collect()
}

fn follow(desk: &Desk, command: &[String]) -> Ran {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    desk.skillhost(&words)
}

fn events(desk: &Desk, name: &str) -> Vec<Value> {
    let mut events = desk.audit();
    events.retain(|event| event["event"] == name);
    events
}

#[test]
fn the_command_of_a_denial_grants_it_and_a_revocation_takes_it_back() {
    let desk = desk();
    let ran = run(&desk, 4);
    let told = command(&ran.stderr);
    assert_eq!(told, ["grant", "notes", "state"]);
    let granted = follow(&desk, &told).code(0);
    assert_eq!(granted.stderr, "Granted to notes: state.\n");
    run(&desk, 0);
    let mode = fs::metadata(grants(&desk)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    desk.skillhost(&["revoke", "notes", "state"]).code(0);
    assert_eq!(command(&run(&desk, 4).stderr), told);
    let uid = rustix::process::getuid().as_raw();
    for name in ["grant.given", "grant.revoked"] {
        let events = events(&desk, name);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["capability"], "state");
        assert_eq!(events[0]["skill"], "notes");
        let by = events[0]["by"].as_str().unwrap();
        assert!(by.contains(&format!("uid {uid}")), "{by}");
    }
}

#[test]
fn permissions_tell_what_is_wanted_granted_got_and_missing() {
    let desk = desk();
    desk.configure("[skill.notes]\nhttp = [\"https://api.good.test\", \"https://evil.test\"]\n");
    grant(&desk, &["state"], 0);
    let shown = desk
        .skillhost(&["permissions", "notes", "--json"])
        .code(0)
        .json();
    assert_eq!(
        fields(&shown),
        [
            "changes", "denied", "lapsed", "level", "problem", "renew", "signers", "skill",
            "unused", "version", "wants"
        ]
    );
    assert_eq!(shown["denied"], Value::Null);
    assert_eq!(shown["unused"], json!(["HTTP origin https://evil.test"]));
    let row = |words: &str| {
        let rows = shown["wants"].as_array().unwrap();
        rows.iter()
            .find(|row| row["wants"] == words)
            .unwrap()
            .clone()
    };
    let http = row("http=https://api.good.test");
    assert_eq!(http["gets"], json!(["http=https://api.good.test"]));
    assert_eq!(http["granted"][0]["from"], "skillhost.toml");
    assert_eq!(http["reason"], "To ask.");
    assert_eq!(row("state")["granted"][0]["from"], "skillhost grant");
    assert_eq!(row("state")["missing"], Value::Null);
    let files = row("directory=DIR");
    assert_eq!(files["gets"], json!([]));
    assert_eq!(files["missing"], "skillhost grant notes directory=DIR");
    assert_eq!(
        row("reveal=db:SECRET")["missing"],
        "skillhost grant notes reveal=db:SECRET"
    );
    let text = desk.skillhost(&["permissions", "notes"]).code(0).stdout;
    for line in [
        "notes 1.0.0  signed by local  level permissive\n",
        "    why: To remember what was found.\n",
        "    grant it: skillhost grant notes directory=DIR\n",
        "  no effect: HTTP origin https://evil.test, which it does not ask for\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let listed = grant(&desk, &[], 0).stdout;
    assert!(
        listed.contains("skillhost grant notes reveal=db:SECRET"),
        "{listed}"
    );
    assert!(!listed.contains("http="), "{listed}");
}

#[test]
fn i14_no_more_is_granted_than_a_skill_asks_for() {
    let desk = desk();
    fs::create_dir(desk.path("docs")).unwrap();
    for (words, code, expected) in [
        (
            "http=https://evil.test",
            4,
            "its manifest does not ask for `http=https://evil.test`; it wants `http=https://api.good.test`",
        ),
        ("http=*", 4, "it wants `http=https://api.good.test`"),
        (
            "directory=docs:rw",
            4,
            "it wants read-only access to directories",
        ),
        ("tcp=db.test:1", 4, "it wants nothing of that kind"),
        ("everything", 2, "is no capability; write "),
        ("reveal=db:token", 2, "There is no secret `token`"),
        ("directory=missing", 2, "missing"),
        ("directory=/", 2, "hint"),
        ("directory=config", 2, "hint"),
    ] {
        let ran = grant(&desk, &[words], code);
        assert!(ran.stderr.contains(expected), "{words}: {ran:#?}");
        assert!(!grants(&desk).exists(), "{words}");
    }
    // All or nothing.
    grant(&desk, &["state", "tcp=db.test:1"], 4);
    assert!(!grants(&desk).exists());
    assert!(events(&desk, "grant.given").is_empty());
    grant(&desk, &["directory=docs", "state", "--for", "8h"], 0);
    let shown = desk.skillhost(&["permissions", "notes", "--json"]).json();
    let row = &shown["wants"][0];
    let docs = format!("directory={}:/:ro", desk.path("docs").display());
    assert_eq!(row["gets"], json!([docs]));
    assert!(row["granted"][0]["until"].is_string(), "{row}");
    desk.skillhost(&["revoke", "notes", "directory=docs"])
        .code(0);
}

#[test]
fn what_lapsed_is_shown_and_renewed_by_whoever_has_seen_it() {
    let desk = desk();
    grant(&desk, &["state", "http=https://api.good.test"], 0);
    run(&desk, 0);
    let mut wishes = wishes();
    wishes["http"]["origins"] = json!(["https://other.test"]);
    install(&desk, "Finds notes, and sends them.", &wishes);
    run(&desk, 4);
    assert_eq!(events(&desk, "grant.lapsed").len(), 2);
    let shown = desk.skillhost(&["permissions", "notes", "--json"]).json();
    assert_eq!(shown["lapsed"].as_array().unwrap().len(), 2);
    assert_eq!(shown["renew"], "skillhost grant notes --renew");
    assert_eq!(shown["changes"].as_array().unwrap().len(), 3);
    let refused = grant(&desk, &["state"], 2);
    assert!(refused.stderr.contains("skillhost grant notes --renew"));
    let compared = grant(&desk, &["--renew"], 0);
    assert!(
        compared
            .stdout
            .contains("  ! It now wants http https://other.test.\n"),
        "{compared:#?}"
    );
    run(&desk, 4);
    grant(&desk, &["--renew", "0123456789abcdef"], 2);
    let next = compared.stderr.split(": ").last().unwrap().trim();
    let next: Vec<&str> = next.split(' ').skip(1).collect();
    let renewed = desk.skillhost(&next).code(0);
    assert!(
        renewed.stderr.contains("Granted to notes: state.\n"),
        "{renewed:#?}"
    );
    assert!(
        renewed
            .stderr
            .contains("Dropped: http=https://api.good.test"),
        "{renewed:#?}"
    );
    run(&desk, 0);
    let again = desk.skillhost(&next).code(0);
    assert_eq!(again.stderr, "");
}

#[test]
fn a_grant_lapses_when_somebody_else_signs() {
    let desk = desk();
    grant(&desk, &["state"], 0);
    fs::copy(
        desk.path("data/skillhost/keys/local.pub"),
        desk.path("config/skillhost/ada.pub"),
    )
    .unwrap();
    desk.configure("[trust]\npreset = \"permissive\"\nsigners.ada.keys = [\"ada.pub\"]\n");
    let shown = desk.skillhost(&["permissions", "notes", "--json"]).json();
    assert_eq!(shown["signers"], json!(["ada"]));
    assert_eq!(
        shown["lapsed"][0]["reason"],
        "It was granted when local signed the skill, and others do now."
    );
    // `run` trusts the own key, by that name, as it did before.
    run(&desk, 0);
    let shown = desk
        .skillhost(&["permissions", "notes", "--run", "--json"])
        .json();
    assert_eq!(shown["lapsed"], json!([]));
    let mut assistant = desk.serve(&[], &Value::Object(Map::new()));
    let denied = assistant.call("notes_run", &json!({}));
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    grant(&desk, &["state"], 0);
    let answered = assistant.call("notes_run", &json!({}));
    assert_ne!(answered["result"]["isError"], true, "{answered}");
}

#[test]
fn serve_goes_by_a_revocation_at_the_next_call() {
    let desk = desk();
    desk.configure("[trust]\npreset = \"permissive\"\n");
    grant(&desk, &["state"], 0);
    let mut assistant = desk.serve(&[], &Value::Object(Map::new()));
    for _ in 0..3 {
        let answered = assistant.call("notes_run", &json!({}));
        assert_ne!(answered["result"]["isError"], true, "{answered}");
        desk.skillhost(&["revoke", "notes", "--all"]).code(0);
        let denied = assistant.call("notes_run", &json!({})).to_string();
        assert!(denied.contains("skillhost grant notes state"), "{denied}");
        grant(&desk, &["state"], 0);
    }
}

#[test]
fn a_grants_file_that_others_could_have_written_counts_for_nothing() {
    let desk = desk();
    grant(&desk, &["state"], 0);
    run(&desk, 0);
    fs::set_permissions(grants(&desk), Permissions::from_mode(0o666)).unwrap();
    let ran = run(&desk, 4);
    assert!(
        ran.stderr.contains("may be written or replaced by others"),
        "{ran:#?}"
    );
    assert_eq!(events(&desk, "config.insecure").len(), 1);
    for words in [["grant", "notes", "state"], ["revoke", "notes", "state"]] {
        let ran = desk.skillhost(&words).code(2);
        assert!(ran.stderr.contains("chmod go-w"), "{ran:#?}");
    }
    let shown = desk
        .skillhost(&["permissions", "notes", "--json"])
        .code(0)
        .json();
    assert!(shown["problem"].as_str().unwrap().contains("grants.json"));
    fs::set_permissions(grants(&desk), Permissions::from_mode(0o600)).unwrap();
    run(&desk, 0);
    fs::rename(grants(&desk), desk.path("grants.json")).unwrap();
    symlink(desk.path("grants.json"), grants(&desk)).unwrap();
    run(&desk, 4);
    let ran = grant(&desk, &["state"], 2);
    assert!(ran.stderr.contains("is a link"), "{ran:#?}");
    fs::remove_file(grants(&desk)).unwrap();
    fs::write(grants(&desk), "{}").unwrap();
    run(&desk, 4);
    grant(&desk, &["state"], 2);
}

#[test]
fn what_was_not_granted_by_command_is_not_revoked() {
    let desk = desk();
    desk.configure("[skill.notes]\nstate = true\n");
    run(&desk, 0);
    let ran = desk.skillhost(&["revoke", "notes", "state"]).code(2);
    assert!(
        ran.stderr.contains("It stands under `[skill.notes]` in "),
        "{ran:#?}"
    );
    let ran = desk.skillhost(&["revoke", "notes", "tcp=a.test:1"]).code(2);
    assert!(
        ran.stderr.contains("skillhost permissions notes"),
        "{ran:#?}"
    );
    let ran = desk.skillhost(&["revoke", "gone", "--all"]).code(0);
    assert_eq!(ran.stderr, "Nothing was granted to gone by command.\n");
    desk.skillhost(&["revoke", "notes"]).code(2);
    desk.skillhost(&["grant", "nobody", "state"]).code(2);
}

#[test]
fn a_ceiling_is_told_instead_of_a_grant_that_would_not_help() {
    let desk = desk();
    desk.configure("[trust-level.permissive]\ncapabilities = [\"http\"]\n");
    let ran = grant(&desk, &["state"], 4);
    assert!(
        ran.stderr
            .contains("the ceiling of the trust level `permissive` leaves `state` out"),
        "{ran:#?}"
    );
    let ran = run(&desk, 4);
    assert!(
        ran.stderr.contains("under `[trust-level.permissive]`"),
        "{ran:#?}"
    );
    let shown = desk.skillhost(&["permissions", "notes", "--json"]).json();
    assert_eq!(shown["denied"]["capability"], "state");
    let rows = shown["wants"].as_array().unwrap();
    let state = rows.iter().find(|row| row["wants"] == "state").unwrap();
    assert!(state["barred"].is_string() && state["missing"].is_null());
}

/// What `policy check` says of one requirement, with that code.
fn checked(desk: &Desk, code: i32) -> Vec<Value> {
    let ran = desk.skillhost(&["policy", "check", "--json"]).code(code);
    let shown = ran.json();
    assert_eq!(shown["met"], json!(code == 0));
    shown["requirements"].as_array().unwrap().clone()
}

/// A requirement under `[policy]`, and whether `policy check` finds it met.
fn require(desk: &Desk, requirement: &str, more: &str, met: bool) -> Vec<Value> {
    desk.configure(&format!(
        "{more}\n[policy]\nrequire = [\"{requirement}\"]\n"
    ));
    let found = checked(desk, if met { 0 } else { 4 });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["requirement"], requirement);
    let unmet = found[0]["unmet"].as_array().unwrap();
    assert!(
        unmet
            .iter()
            .all(|it| !it["remedy"].as_str().unwrap().is_empty())
    );
    unmet.clone()
}

#[test]
fn policy_check_tells_what_is_pinned_and_what_is_signed() {
    let desk = desk();
    let trust = "[trust]\npreset = \"permissive\"\n";
    let unmet = require(&desk, "pinned", trust, false);
    let told = command(unmet[0]["remedy"].as_str().unwrap());
    assert_eq!(told, ["lock"]);
    let notes = desk.path("data/skillhost/skills/notes.wasm");
    let pin = format!("`skillhost lock --approve {}`", notes.display());
    assert!(
        unmet[0]["remedy"].as_str().unwrap().contains(&pin),
        "{unmet:?}"
    );
    desk.skillhost(&["lock", "--approve", argument(&notes)])
        .code(0);
    require(&desk, "pinned", trust, true);
    require(&desk, "signed", trust, true);
    desk.install("other", &pack::text("honest"));
    let unmet = require(&desk, "signed", trust, false);
    assert!(unmet[0]["skill"].as_str().unwrap().ends_with("other.wasm"));
    fs::remove_file(desk.path("data/skillhost/skills/other.wasm")).unwrap();
    let unmet = require(&desk, "provenance", trust, false);
    assert!(
        unmet[0]["remedy"]
            .as_str()
            .unwrap()
            .contains("provenance = {")
    );
    let text = desk.skillhost(&["policy", "check"]).code(4).stdout;
    assert!(
        text.starts_with(
            "provenance  unmet\n  ! `notes` is trusted by a rule that asks for no provenance.\n"
        ),
        "{text}"
    );
}

#[test]
fn policy_check_finds_secrets_in_plain_text_and_never_repeats_them() {
    let desk = desk();
    let value = "q8Zr2LmVt9Xw4Bn7";
    for (table, expected) in [
        ("settings.lang = \"en\"", None),
        (
            "environment.API_TOKEN = \"q8Zr2LmVt9Xw4Bn7\"",
            Some("environment.API_TOKEN"),
        ),
        (
            "settings.deep.password = \"q8Zr2LmVt9Xw4Bn7\"",
            Some("settings.deep.password"),
        ),
    ] {
        for skill in ["notes", "not-installed"] {
            let table = format!("[skill.{skill}]\n{table}\n");
            let unmet = require(&desk, "no-plaintext-secrets", &table, expected.is_none());
            assert_eq!(unmet.len(), usize::from(expected.is_some()));
            for finding in unmet {
                assert_eq!(finding["skill"], skill);
                let text = finding.to_string();
                assert!(
                    text.contains(expected.unwrap()) && !text.contains(value),
                    "{text}"
                );
            }
        }
    }
    desk.configure(
        "[policy]\nrequire = [\"no-plaintext-secrets\"]\n[skill.notes]\nstate = true\nenvironment.API_TOKEN = \"q8Zr2LmVt9Xw4Bn7\"\n",
    );
    let ran = run(&desk, 4);
    assert!(
        ran.stderr
            .contains("The operator requires `no-plaintext-secrets`"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains(value), "{ran:#?}");
    let unmet = events(&desk, "policy.unmet");
    assert_eq!(unmet.len(), 1);
    assert!(!unmet[0].to_string().contains(value));
}

#[test]
fn policy_check_finds_wildcards_and_what_is_denied() {
    let desk = Desk::new();
    let wishes = json!({"http": {"origins": ["https://*.good.test"], "reason": "To ask."}});
    install(&desk, "Asks.", &wishes);
    let table = |origin: &str| format!("[skill.notes]\nhttp = [\"{origin}\"]\n");
    require(
        &desk,
        "no-wildcard-egress",
        &table("https://a.good.test"),
        true,
    );
    let unmet = require(
        &desk,
        "no-wildcard-egress",
        &table("https://*.good.test"),
        false,
    );
    assert!(
        unmet[0]["reason"]
            .as_str()
            .unwrap()
            .contains("https://*.good.test")
    );
    let ran = grant(&desk, &["http=https://*.good.test"], 4);
    assert!(ran.stderr.contains("no-wildcard-egress"), "{ran:#?}");
    run(&desk, 4);
    desk.configure(&format!(
        "[policy]\ndeny-capabilities = [\"http\"]\n{}",
        table("https://a.good.test")
    ));
    let found = checked(&desk, 4);
    assert_eq!(found[0]["requirement"], "deny-capabilities http");
    assert_eq!(found[0]["unmet"].as_array().unwrap().len(), 2);
    let ran = run(&desk, 4);
    assert!(
        ran.stderr
            .contains("`deny-capabilities` denies `http` to every skill"),
        "{ran:#?}"
    );
    desk.configure("");
    let ran = desk.skillhost(&["policy", "check"]).code(0);
    assert!(ran.stderr.starts_with("Nothing is required: "), "{ran:#?}");
}
