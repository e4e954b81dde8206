use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::event::Events;
use crate::event::samples::{Kept, all, subject};
use crate::time::Clock;

/// A clock that is set.
#[derive(Debug)]
struct Set {
    start: Instant,
    ms: AtomicU64,
}

impl Clock for Set {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Instant {
        self.start + Duration::from_millis(self.ms.load(Ordering::SeqCst))
    }
}

/// Events that a monitor watches, and what was recorded.
struct Watching {
    events: Events,
    kept: Kept,
    clock: Arc<Set>,
    suspensions: Arc<Suspensions>,
}

impl Watching {
    fn by(rules: &Rules) -> Self {
        let start = crate::time::system().monotonic();
        let clock = Arc::new(Set {
            start,
            ms: AtomicU64::new(0),
        });
        let kept = Kept::default();
        let suspensions = Suspensions::open(None).unwrap();
        let monitor = Monitor::new(rules, Arc::clone(&suspensions));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let events = Events::new(Box::new(kept.clone()), Vec::new(), shared).unwrap();
        Self {
            events: events.watched_by(monitor),
            kept,
            clock,
            suspensions,
        }
    }

    /// Records the event so often, `step` milliseconds apart.
    fn record(&self, subject: &Subject, event: &Event, times: u64, step: u64) {
        for _ in 0..times {
            self.events.record(subject, event).unwrap();
            self.clock.ms.fetch_add(step, Ordering::SeqCst);
        }
    }

    fn count(&self, name: &str) -> usize {
        self.kept.names().iter().filter(|it| *it == name).count()
    }

    fn is_suspended(&self, skill: &str) -> bool {
        let skill = skill.parse().unwrap();
        let now = self.clock.monotonic();
        self.suspensions.check(&skill, &self.events, now).is_err()
    }
}

fn rule(event: &str, per: Per, count: u32, action: Action) -> Rule {
    let name = "mine".parse().unwrap();
    Rule::new(name, event, per, count, Duration::from_secs(60), action).unwrap()
}

fn denied() -> Event {
    Event::CapabilityDenied {
        capability: "state",
        target: "x".to_owned(),
        rule: None,
        grant: "g".to_owned(),
    }
}

fn of(skill: &str) -> Subject {
    Subject {
        skill: Some(skill.into()),
        ..subject()
    }
}

#[test]
fn so_many_events_within_the_time_are_one_alert() {
    let rules = Rules::of(vec![rule(
        "capability.denied",
        Per::Skill,
        3,
        Action::Alert,
    )]);
    let watching = Watching::by(&rules);
    watching.record(&subject(), &denied(), 2, 1000);
    assert_eq!(watching.count("alert"), 0);
    watching.record(&subject(), &denied(), 20, 1000);
    assert_eq!(
        watching.count("alert"),
        1,
        "within the window it is said once"
    );
    watching.record(&subject(), &denied(), 60, 1000);
    assert_eq!(watching.count("alert"), 2);
    let all = watching.kept.all();
    let alert = all.iter().find(|it| it["event"] == "alert").unwrap();
    assert_eq!(
        (&alert["rule"], &alert["skill"], &alert["count"]),
        (&"mine".into(), &"notes".into(), &3.into())
    );
    assert_eq!(alert.get("invocation"), None);
    assert!(!watching.is_suspended("notes"));
}

#[test]
fn events_that_are_far_apart_are_no_alert() {
    let rules = Rules::of(vec![rule(
        "capability.denied",
        Per::Skill,
        3,
        Action::Alert,
    )]);
    let watching = Watching::by(&rules);
    watching.record(&subject(), &denied(), 50, 30_001);
    assert_eq!(watching.count("alert"), 0);
}

#[test]
fn a_rule_suspends_the_skill_that_ran_and_no_other() {
    let rules = Rules::of(vec![rule(
        "capability.denied",
        Per::Skill,
        3,
        Action::Suspend,
    )]);
    let watching = Watching::by(&rules);
    watching.record(&of("honest"), &denied(), 2, 1);
    watching.record(&of("hostile"), &denied(), 40, 1);
    assert!(watching.is_suspended("hostile") && !watching.is_suspended("honest"));
    assert_eq!(watching.count("skill.suspended"), 1);
    let all = watching.kept.all();
    let suspended = all
        .iter()
        .find(|it| it["event"] == "skill.suspended")
        .unwrap();
    assert_eq!(
        (&suspended["skill"], &suspended["digest"]),
        (&"hostile".into(), &"sha256:00".into())
    );
    assert_eq!(suspended.get("invocation"), None);
}

#[test]
fn a_file_that_claims_a_name_suspends_nobody() {
    let rules = Rules::of(vec![rule(
        "capability.denied",
        Per::Skill,
        1,
        Action::Suspend,
    )]);
    let watching = Watching::by(&rules);
    let claimed = Subject {
        skill: Some("honest".into()),
        ..Subject::default()
    };
    watching.record(&claimed, &denied(), 5, 1);
    let unverified = Subject {
        digest: None,
        ..of("honest")
    };
    watching.record(&unverified, &denied(), 5, 100_000);
    assert!(!watching.is_suspended("honest"));
    assert_eq!(watching.count("skill.suspended"), 0);
    assert!(watching.count("alert") > 1);
}

#[test]
fn what_the_monitor_causes_it_does_not_watch() {
    for own in ["alert", "skill.suspended", "skill.resumed", "no.such"] {
        let name = "mine".parse().unwrap();
        let rule = Rule::new(
            name,
            own,
            Per::Host,
            1,
            Duration::from_secs(1),
            Action::Alert,
        );
        assert!(rule.is_err(), "{own}");
    }
    let rules = rules_for_all();
    let watching = Watching::by(&rules);
    let before = all().len();
    for event in all() {
        watching.events.record(&subject(), &event).unwrap();
    }
    let own = ["alert", "skill.suspended", "skill.resumed"].len();
    assert_eq!(watching.kept.names().len(), before + before - own);
}

/// A rule for each event that can be watched, which speaks up at once.
fn rules_for_all() -> Rules {
    let names: Vec<&str> = all().iter().map(Event::name).collect();
    let rules = names.into_iter().enumerate().filter_map(|(number, event)| {
        let name = format!("rule-{number}").parse().unwrap();
        Rule::new(
            name,
            event,
            Per::Host,
            1,
            Duration::from_secs(60),
            Action::Alert,
        )
        .ok()
    });
    Rules::of(rules.collect())
}

#[test]
fn a_rule_that_others_could_turn_against_a_skill_is_none() {
    let name = || "mine".parse().unwrap();
    let minute = Duration::from_secs(60);
    for (event, per) in [
        ("verify.failed", Per::Skill),
        ("request.rejected", Per::Skill),
        ("input.flagged", Per::Skill),
        ("capability.denied", Per::Host),
        ("capability.denied", Per::Principal),
        ("capability.denied", Per::Tool),
    ] {
        let rule = Rule::new(name(), event, per, 5, minute, Action::Suspend);
        assert!(rule.unwrap_err().contains("cannot suspend"), "{event}");
    }
    for (count, within) in [
        (0, minute),
        (MAX_COUNT + 1, minute),
        (1, Duration::ZERO),
        (1, minute * 60 * 25),
    ] {
        let rule = Rule::new(
            name(),
            "guest.trapped",
            Per::Skill,
            count,
            within,
            Action::Alert,
        );
        assert!(rule.is_err(), "{count} {within:?}");
    }
}

#[test]
fn the_shipped_rules_alert_and_suspend_nobody() {
    let rules = Rules::default();
    assert_eq!(rules.iter().count(), 11);
    assert!(rules.iter().all(|rule| rule.action == Action::Alert));
    let watching = Watching::by(&rules);
    watching.record(&subject(), &denied(), 20, 10);
    assert_eq!(watching.count("alert"), 1);
    assert!(!watching.is_suspended("notes"));
}
