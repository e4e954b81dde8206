use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;

use super::*;
use crate::event::samples::Kept;
use crate::time::{Clock, system};

/// A host's view of a list in a folder of its own.
struct Desk {
    _folder: tempfile::TempDir,
    list: List,
    events: Events,
    kept: Kept,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        let clock = system();
        Self {
            list: List::at(folder.path().join("later/suspended.json")),
            _folder: folder,
            events: Events::new(Box::new(kept.clone()), Vec::new(), Arc::clone(&clock)).unwrap(),
            kept,
            clock,
        }
    }

    fn host(&self) -> Arc<Suspensions> {
        Suspensions::open(Some(self.list.path())).unwrap()
    }

    fn check(&self, host: &Suspensions) -> Result<()> {
        host.check(&notes(), &self.events, self.clock.monotonic())
    }

    fn resume(&self) -> bool {
        self.list
            .resume(&notes(), Timestamp::MAX, "uid 1000")
            .unwrap()
    }
}

fn notes() -> SkillName {
    "notes".parse().unwrap()
}

fn suspension() -> Suspension {
    Suspension {
        at: Timestamp::UNIX_EPOCH,
        by: "the rule `mine`".to_owned(),
        reason: "20 denials.".to_owned(),
    }
}

#[test]
fn a_running_host_notices_who_is_suspended_and_who_no_longer_is() {
    let desk = Desk::new();
    let host = desk.host();
    desk.check(&host).unwrap();
    assert!(desk.list.suspend(&notes(), suspension()).unwrap());
    assert!(!desk.list.suspend(&notes(), suspension()).unwrap());
    let error = desk.check(&host).unwrap_err();
    assert_eq!(error.kind(), Kind::Suspended);
    assert!(error.message().contains("20 denials."), "{error}");
    assert!(error.hint().unwrap().contains("skillhost resume notes"));
    let other = "other".parse().unwrap();
    host.check(&other, &desk.events, desk.clock.monotonic())
        .unwrap();
    assert!(desk.resume() && !desk.resume());
    desk.check(&host).unwrap();
    assert_eq!(
        desk.kept.names(),
        [""; 0],
        "who changed the list has recorded it"
    );
}

#[test]
fn what_a_host_suspends_holds_at_once_and_outlives_it() {
    let desk = Desk::new();
    let host = desk.host();
    assert!(host.suspend(notes(), suspension()));
    assert!(!host.suspend(notes(), suspension()));
    assert_eq!(desk.check(&host).unwrap_err().kind(), Kind::Suspended);
    drop(host);
    let suspended = desk.list.suspended().unwrap();
    assert_eq!(suspended, [(notes(), suspension())]);
    let next = desk.host();
    assert_eq!(desk.check(&next).unwrap_err().kind(), Kind::Suspended);
    desk.resume();
    desk.check(&next).unwrap();
}

#[test]
fn a_skill_that_vanishes_from_the_list_runs_and_that_is_recorded() {
    let desk = Desk::new();
    let host = desk.host();
    desk.list.suspend(&notes(), suspension()).unwrap();
    assert_eq!(desk.check(&host).unwrap_err().kind(), Kind::Suspended);
    fs::remove_file(desk.list.path()).unwrap();
    desk.check(&host).unwrap();
    assert_eq!(desk.kept.names(), ["skill.resumed"]);
}

#[test]
fn a_list_that_is_broken_or_exposed_changes_nothing_and_starts_no_host() {
    let desk = Desk::new();
    let host = desk.host();
    desk.list.suspend(&notes(), suspension()).unwrap();
    assert_eq!(desk.check(&host).unwrap_err().kind(), Kind::Suspended);
    let good = fs::read(desk.list.path()).unwrap();
    for (broken, kind) in [
        ("{", Kind::ConfigInvalid),
        (r#"{"format": 2, "skills": {}}"#, Kind::ConfigInvalid),
        (r#"{"format": 1, "skills": {"A": {}}}"#, Kind::ConfigInvalid),
    ] {
        fs::write(desk.list.path(), broken).unwrap();
        assert_eq!(desk.check(&host).unwrap_err().kind(), Kind::Suspended);
        let refused = Suspensions::open(Some(desk.list.path())).unwrap_err();
        assert_eq!(refused.kind(), kind, "{broken}");
    }
    assert_eq!(desk.kept.names(), ["config.insecure"], "it is said once");
    fs::write(desk.list.path(), good).unwrap();
    let exposed = fs::Permissions::from_mode(0o666);
    fs::set_permissions(desk.list.path(), exposed).unwrap();
    let refused = Suspensions::open(Some(desk.list.path())).unwrap_err();
    assert_eq!(refused.kind(), Kind::ConfigInsecure);
}

#[test]
fn without_a_file_a_suspension_ends_with_the_host() {
    let desk = Desk::new();
    let host = Suspensions::open(None).unwrap();
    assert!(host.suspend(notes(), suspension()));
    assert_eq!(desk.check(&host).unwrap_err().kind(), Kind::Suspended);
    assert!(!desk.list.path().exists());
}

#[test]
fn hosts_that_suspend_at_once_lose_nothing() {
    let desk = Desk::new();
    let hosts: Vec<_> = (0..8).map(|_| desk.host()).collect();
    for (number, host) in hosts.iter().enumerate() {
        let skill = format!("skill-{number}").parse().unwrap();
        assert!(host.suspend(skill, suspension()));
    }
    drop(hosts);
    assert_eq!(desk.list.suspended().unwrap().len(), 8);
}
