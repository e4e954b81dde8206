use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::lock::What;
use crate::manifest::Manifest;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn manifest(name: &str, http: &[&str]) -> Manifest {
    let document = json!({
        "format": 1, "name": name, "version": "1.0.0",
        "tools": [{"name": "t", "description": "", "input_schema": {"type": "object"}}],
        "capabilities": {"http": {"origins": http, "reason": "r"}, "state": {"reason": "r"}},
    });
    Manifest::parse(Some(document.to_string().as_bytes())).unwrap()
}

fn release(name: &str, http: &[&str], signers: &[&str]) -> Release {
    let signers: Vec<SignerName> = signers.iter().map(|it| SignerName::new(it)).collect();
    Release::of(&manifest(name, http), Digest::of(b"component"), &signers)
}

fn notes() -> Release {
    release("notes", &["https://*.good.test"], &["alice"])
}

fn given(text: &str) -> Given {
    Given {
        capability: text.parse().unwrap(),
        at: NOW,
        until: None,
        by: "ada (uid 1000)".to_owned(),
    }
}

fn consents() -> Consents {
    let mut consents = Consents::default();
    let both = vec![given("state"), given("http=https://a.good.test")];
    consents.give(&notes(), both).unwrap();
    consents
}

/// What counts, and what does not.
fn counts(consents: &Consents, found: &Release, now: Timestamp) -> (usize, Vec<Lapse>) {
    let effect = consents.effect(found, now);
    let lapsed = effect.lapsed.into_iter().map(|lapsed| lapsed.why);
    (effect.given.len(), lapsed.collect())
}

#[test]
fn a_grant_counts_for_the_same_name_signers_and_definition_only() {
    let consents = consents();
    assert_eq!(counts(&consents, &notes(), NOW), (2, vec![]));
    let other = release("other", &["https://*.good.test"], &["alice"]);
    assert_eq!(counts(&consents, &other, NOW), (0, vec![]));
    let alice = || Lapse::Signers([SignerName::new("alice")].into());
    for signers in [&["bob"][..], &["alice", "bob"], &[]] {
        let found = release("notes", &["https://*.good.test"], signers);
        assert_eq!(counts(&consents, &found, NOW), (0, vec![alice(), alice()]));
    }
    let found = release("notes", &["https://*"], &["alice"]);
    let (granted, lapsed) = counts(&consents, &found, NOW);
    assert_eq!(
        (granted, lapsed),
        (0, vec![Lapse::Definition, Lapse::Definition])
    );
    let changes = consents.outdated(&found).unwrap().differences(&found);
    let kinds: Vec<What> = changes.iter().map(Change::what).collect();
    assert_eq!(kinds, [What::CapabilityAdded, What::CapabilityRemoved]);
}

#[test]
fn a_grant_ends_with_its_time() {
    let mut consents = consents();
    let soon = NOW + jiff::SignedDuration::from_secs(1);
    let short = Given {
        until: Some(soon),
        ..given("state")
    };
    consents.give(&notes(), vec![short]).unwrap();
    assert_eq!(counts(&consents, &notes(), NOW), (2, vec![]));
    assert_eq!(consents.effect(&notes(), NOW).until(), Some(soon));
    assert_eq!(
        counts(&consents, &notes(), soon),
        (1, vec![Lapse::Over(soon)])
    );
    assert_eq!(consents.effect(&notes(), soon).until(), None);
}

#[test]
fn what_was_granted_for_other_signers_stays_theirs() {
    let mut consents = consents();
    let own = release("notes", &["https://*.good.test"], &["local"]);
    consents.give(&own, vec![given("state")]).unwrap();
    assert_eq!(counts(&consents, &own, NOW), (1, vec![]));
    assert_eq!(counts(&consents, &notes(), NOW), (2, vec![]));
}

#[test]
fn what_has_lapsed_is_neither_added_to_nor_comes_back_unseen() {
    let mut consents = consents();
    let update = release("notes", &["https://a.good.test", "https://*"], &["alice"]);
    let refused = consents.give(&update, vec![given("state")]).unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidRequest);
    assert!(
        refused
            .hint()
            .unwrap()
            .contains("skillhost grant notes --renew")
    );
    let wanted = manifest("notes", &["https://b.good.test"]).capabilities;
    let (renewed, dropped) = consents.renew(&update, &wanted, "bob", NOW).unwrap();
    assert_eq!(renewed.len(), 1);
    assert_eq!(renewed[0].by, "bob");
    assert_eq!(dropped, ["http=https://a.good.test".parse().unwrap()]);
    assert_eq!(counts(&consents, &update, NOW), (1, vec![]));
    assert_eq!(
        counts(&consents, &notes(), NOW),
        (0, vec![Lapse::Definition])
    );
    assert_eq!(
        consents.renew(&update, &wanted, "bob", NOW).unwrap(),
        (vec![], vec![])
    );
}

#[test]
fn nothing_is_granted_to_what_nobody_signed() {
    let unsigned = release("notes", &[], &[]);
    let refused = Consents::default().give(&unsigned, vec![given("state")]);
    assert_eq!(refused.unwrap_err().kind(), Kind::InvalidRequest);
}

#[test]
fn what_is_revoked_is_gone_for_all_signers() {
    let mut consents = consents();
    let own = release("notes", &["https://*.good.test"], &["local"]);
    consents.give(&own, vec![given("state")]).unwrap();
    let name: SkillName = "notes".parse().unwrap();
    let state = Capability::State;
    assert_eq!(consents.revoke(&name, |it| *it == state), [state]);
    assert_eq!(counts(&consents, &notes(), NOW).0, 1);
    assert_eq!(consents.revoke(&name, |_| true).len(), 1);
    assert_eq!(consents, Consents::default());
    assert!(consents.revoke(&name, |_| true).is_empty());
}

#[test]
fn the_word_for_what_was_seen_changes_with_what_is_bound() {
    let words = [
        seen(&notes()),
        seen(&release("notes", &["https://*"], &["alice"])),
        seen(&release("notes", &["https://*.good.test"], &["bob"])),
    ];
    assert!(words.iter().all(|word| word.len() == 16));
    assert!(words[0] != words[1] && words[0] != words[2]);
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grants.json");
    (folder, file)
}

fn saved() -> (TempDir, PathBuf) {
    let (folder, file) = place();
    Consents::change(&file, |it| {
        *it = consents();
        Ok(())
    })
    .unwrap();
    (folder, file)
}

#[test]
fn what_is_written_is_read_and_is_for_this_user_alone() {
    let (_folder, file) = saved();
    assert_eq!(Consents::load(&file).unwrap(), consents());
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    Consents::change(&file, |it| it.give(&notes(), vec![given("state")])).unwrap();
    assert_eq!(
        Consents::load(&file)
            .unwrap()
            .effect(&notes(), NOW)
            .given
            .len(),
        2
    );
    let refused: Result<()> = Consents::change(&file, |it| {
        it.skills.clear();
        Err(Error::new(Kind::Denied, "no"))
    });
    assert_eq!(refused.unwrap_err().kind(), Kind::Denied);
    assert_ne!(fs::read(&file).unwrap(), b"");
    assert_eq!(fs::read(&file).unwrap().len(), before.len());
}

#[test]
fn a_file_that_is_not_there_grants_nothing() {
    let (_folder, file) = place();
    assert_eq!(Consents::load(&file).unwrap(), Consents::default());
}

#[test]
fn a_file_that_others_may_write_or_that_is_a_link_is_refused() {
    let (folder, file) = saved();
    let linked = folder.path().join("linked.json");
    symlink(&file, &linked).unwrap();
    let kind = |path: &PathBuf| Consents::load(path).unwrap_err().kind();
    assert_eq!(kind(&linked), Kind::ConfigInsecure);
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(kind(&file), Kind::ConfigInsecure, "{mode:o}");
    }
}

#[test]
fn a_file_that_was_changed_by_hand_is_refused() {
    let (_folder, file) = saved();
    let text = fs::read_to_string(&file).unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    let changes: [fn(&mut Value); 9] = [
        |it| it["version"] = json!(2),
        |it| it["more"] = json!(1),
        |it| it["skills"][0]["signers"] = json!([]),
        |it| it["skills"][0]["skill"] = json!("../x"),
        |it| it["skills"][0]["declared"]["capabilities"]["http"]["origins"] = json!(["*"]),
        |it| it["skills"][0]["definition"] = json!("sha256:00"),
        |it| it["skills"][0]["given"][0]["capability"] = json!("http=http://169.254.169.254"),
        |it| it["skills"][0]["given"][0]["forever"] = json!(true),
        |it| {
            let again = it["skills"][0].clone();
            it["skills"].as_array_mut().unwrap().push(again);
        },
    ];
    for change in changes {
        let mut document = good.clone();
        change(&mut document);
        fs::write(&file, document.to_string()).unwrap();
        let refused = Consents::load(&file).unwrap_err();
        assert_eq!(refused.kind(), Kind::ConfigInvalid, "{document}");
        assert!(refused.message().contains("grants.json"), "{refused}");
    }
}

#[test]
fn two_who_write_do_so_one_after_the_other() {
    let (_folder, file) = place();
    std::thread::scope(|scope| {
        for port in 1..=8 {
            let file = &file;
            scope.spawn(move || {
                let capability = format!("tcp=db.test:{port}");
                loop {
                    let given = vec![given(&capability)];
                    let written = Consents::change(file, |it| it.give(&notes(), given));
                    if written.is_ok() {
                        break;
                    }
                }
            });
        }
    });
    let consents = Consents::load(&file).unwrap();
    assert_eq!(consents.effect(&notes(), NOW).given.len(), 8);
}

#[test]
fn whoever_runs_a_command_has_a_number() {
    let uid = rustix::process::getuid().as_raw();
    assert!(operator().contains(&format!("uid {uid}")), "{}", operator());
}
