use serde_json::json;

use super::*;
use crate::invocation::{Input, PrincipalName};
use crate::time::system;

const SOON: Duration = Duration::from_secs(60);

fn seals() -> Seals {
    Seals::new(system()).unwrap()
}

fn call() -> Invocation {
    let input = Input::parse(r#"{"a": 1}"#).unwrap();
    Invocation::local("notes".parse().unwrap(), "find", input).unwrap()
}

fn pending() -> Pending {
    Pending {
        digest: "sha256:00".to_owned(),
        asks: Asks::default(),
        earlier: Earlier {
            round: 2,
            answers: BTreeMap::from([("a".to_owned(), json!({"action": "accept"}))]),
            state: Some(b"what nobody reads".to_vec()),
            once: vec![Capability::State],
        },
    }
}

fn named(name: &str) -> Principal {
    Principal::Named(name.parse::<PrincipalName>().unwrap())
}

#[test]
fn what_is_sealed_comes_back_once() {
    let seals = seals();
    let sealed = seals.seal(&call(), pending(), SOON).unwrap();
    assert_eq!(seals.open(&call(), &sealed).unwrap(), pending());
    let again = seals.open(&call(), &sealed).unwrap_err();
    assert_eq!(again.kind(), Kind::InvalidRequest);
    assert_eq!(again.message(), "This state was used before.");
}

#[test]
fn nobody_reads_or_changes_what_is_sealed() {
    let seals = seals();
    let sealed = seals.seal(&call(), pending(), SOON).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("nobody"));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = URL_SAFE_NO_PAD.encode(changed);
        assert!(seals.open(&call(), &changed).is_err(), "byte {at}");
    }
    for wrong in ["", "!", "AAAA", &sealed[1..]] {
        assert!(seals.open(&call(), wrong).is_err(), "{wrong}");
    }
    assert!(seals.open(&call(), &sealed).is_ok());
}

#[test]
fn m18_it_is_for_the_same_caller_tool_and_arguments_and_for_this_host() {
    let own = seals();
    let sealed = own.seal(&call(), pending(), SOON).unwrap();
    let changes: [fn(&mut Invocation); 4] = [
        |it| it.principal = named("eve"),
        |it| it.skill = "other".parse().unwrap(),
        |it| it.tool = "delete".to_owned(),
        |it| it.input = Input::parse(r#"{"a": 2}"#).unwrap(),
    ];
    for change in changes {
        let mut other = call();
        change(&mut other);
        let refused = own.open(&other, &sealed).unwrap_err();
        assert!(
            refused
                .message()
                .starts_with("This state was not given to you")
        );
    }
    assert!(seals().open(&call(), &sealed).is_err(), "another host");
    assert!(own.open(&call(), &sealed).is_ok());
}

#[test]
fn it_holds_for_its_time() {
    let seals = seals();
    let sealed = seals.seal(&call(), pending(), Duration::ZERO).unwrap();
    let refused = seals.open(&call(), &sealed).unwrap_err();
    assert_eq!(refused.message(), "The time to answer is over.");
}

#[test]
fn what_was_used_is_remembered_up_to_a_number_for_each_caller() {
    let seals = seals();
    let open = |call: &Invocation| {
        let sealed = seals.seal(call, pending(), SOON).unwrap();
        seals.open(call, &sealed)
    };
    for _ in 0..MAX_USED {
        open(&call()).unwrap();
    }
    let refused = open(&call()).unwrap_err();
    assert!(refused.message().starts_with("Too many"), "{refused}");
    let other = Invocation {
        principal: named("bob"),
        ..call()
    };
    open(&other).unwrap();
}

#[test]
fn what_is_over_is_forgotten_of_each_caller() {
    let mut used = Used::default();
    for name in ["ann", "bob"] {
        let until = BTreeMap::from([("a".to_owned(), 500), ("b".to_owned(), 5000)]);
        used.by.insert(named(name), until);
    }
    used.by
        .insert(named("eve"), BTreeMap::from([("a".to_owned(), 500)]));
    used.forget(100);
    assert_eq!(used.by.len(), 3);
    used.forget(1000);
    assert_eq!(used.by.len(), 3, "not yet again");
    used.forget(100 + SWEEP);
    let left: Vec<usize> = used.by.values().map(BTreeMap::len).collect();
    assert_eq!(left, [1, 1]);
    used.forget(6000);
    assert!(used.by.is_empty());
}
