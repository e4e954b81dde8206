//! S20: bundles and roots with anything wrong. None panics, and what is accepted
//! still is what its signer signed.

use std::sync::atomic::{AtomicUsize, Ordering};

use skillhost::artifact::Digest;
use skillhost::verify::{Expected, Identity, Proof, Root, check_bundle};
use skillhost_test_world::mutants;
use skillhost_tests::stage::{SKILL, public};

use super::*;

const MUTANTS: usize = 100_000;
const SEED: u64 = 20;

/// A good bundle, and what it proves.
struct Good {
    text: String,
    expected: Expected,
    proof: Proof,
}

fn expected(author: &Author) -> Expected {
    let exact = |issuer, identity| Expected::Identity(Identity::exact(issuer, identity).unwrap());
    match author {
        Author::Workflow => exact(GITHUB, RELEASE),
        Author::Person => exact(ACCOUNTS, ADA),
        Author::Owner(key) => Expected::Key(public(key)),
    }
}

fn check(text: &str, expected: &Expected, root: &Root) -> skillhost::Result<Proof> {
    check_bundle(text, Digest::of(&SKILL), expected.clone(), root)
}

/// One of every kind.
fn all_good(stage: &Stage, root: &Root) -> Vec<Good> {
    let mut all = Vec::new();
    for author in Author::all() {
        for way in good_ways(stage, &author) {
            let (text, expected) = (way.bundle(), expected(&author));
            let proof = check(&text, &expected, root).unwrap();
            all.push(Good {
                text,
                expected,
                proof,
            });
        }
    }
    all
}

/// A mutant may have lost evidence, never gained any; nobody else signed it.
fn assert_no_more(good: &Good, proof: &Proof, mutant: &str) {
    let Proof {
        signer,
        times,
        logged,
        predicate_type,
    } = proof;
    assert_eq!(*signer, good.proof.signer, "{mutant}");
    assert_eq!(*predicate_type, good.proof.predicate_type, "{mutant}");
    assert!(!logged || good.proof.logged, "{mutant}");
    assert!(
        times.iter().all(|time| good.proof.times.contains(time)),
        "{mutant}"
    );
}

#[test]
fn s20_no_mutant_panics_or_proves_more_than_what_was_signed() {
    let stage = Stage::new(&[Author::Workflow.signer()]);
    let root = Root::parse(&stage.world.trusted_root(), "test").unwrap();
    let all = all_good(&stage, &root);
    let share = MUTANTS / all.len() + 1;
    let (next, accepted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(good) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let other = &all[random_index(&good.text, all.len())];
                    let mutants = mutants(&good.text, SEED).splicing(&other.text);
                    for mutant in mutants.take(share) {
                        if let Ok(proof) = check(&mutant, &good.expected, &root) {
                            assert_no_more(good, &proof, &mutant);
                            accepted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let accepted = accepted.into_inner();
    assert!((1..MUTANTS / 4).contains(&accepted), "{accepted}");
}

/// Some other bundle.
fn random_index(text: &str, below: usize) -> usize {
    text.len() % below
}

#[test]
fn s20_no_mutant_of_a_root_panics() {
    let stage = Stage::new(&[Author::Workflow.signer()]);
    let json = stage.world.trusted_root();
    let bundle = Author::Workflow
        .signing(stage.draft())
        .timestamped()
        .v1()
        .json();
    let expected = expected(&Author::Workflow);
    let [mut usable, mut refused] = [0, 0];
    for mutant in mutants(&json, SEED).take(4000) {
        match Root::parse(&mutant, "mutant") {
            Ok(root) => {
                usable += 1;
                let _ = check(&bundle, &expected, &root);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(usable > 100 && refused > 100, "{usable} and {refused}");
}
