//! Mutants.

use std::collections::BTreeSet;
use std::fmt::Debug;

use sigstore_verify::types::SignatureContent;
use skillhost_test_world::{Bundle, mutants};

use super::*;

/// Bundles of all kinds, with the signers that they are good for.
fn good(world: &World) -> Vec<(Signer, Bundle)> {
    let mut good = Vec::new();
    for signer in Signer::all() {
        let message = signer.draft(world);
        let statement = message.clone().statement(PROVENANCE, &json!({}));
        for draft in [message, statement] {
            for evidence in [Evidence::V1, Evidence::V2] {
                good.push((signer.clone(), draft.backed_by(evidence)));
            }
        }
    }
    good
}

/// What a verdict rests on, beside times: who signed what.
fn substance(json: &str, result: &VerificationResult) -> impl PartialEq + Debug + use<> {
    let identity = result.identity().cloned();
    let issuer = result.issuer().map(str::to_owned);
    let content = match Parsed::from_json(json).unwrap().content {
        SignatureContent::MessageSignature(message) => (None, message.signature),
        SignatureContent::DsseEnvelope(envelope) => (Some(envelope.pae()), envelope.signature.sig),
        other => panic!("{other:?}"),
    };
    (identity, issuer, content)
}

/// Some mutants are accepted: much in a bundle is not authenticated.
#[test]
fn mutants_are_refused_or_say_what_the_bundle_said() {
    let world = World::new();
    let bundles = good(&world);
    let donors = bundles.iter().cycle().skip(1);
    let (mut accepted, mut refused) = (0, 0);
    for ((signer, bundle), (_, donor)) in bundles.iter().zip(donors) {
        let text = bundle.json();
        let original = substance(&text, &signer.verify(&world, &text).unwrap());
        for mutant in mutants(&text, 1).splicing(&donor.json()).take(500) {
            let Ok(result) = signer.verify(&world, &mutant) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            assert_eq!(substance(&mutant, &result), original, "{mutant}");
            let times = result.verified_timestamps();
            assert!(times.iter().all(|time| time.as_second() == SIGNED_AT));
        }
    }
    assert!(
        accepted > 0 && refused > 2 * accepted,
        "{accepted} {refused}"
    );
}

#[test]
fn mutants_come_in_the_same_order_for_the_same_seed() {
    let text = World::new().bundle(ARTIFACT).v2().json();
    let some = |seed| mutants(&text, seed).take(200).collect::<Vec<_>>();
    assert_eq!(some(1), some(1));
    assert_ne!(some(1), some(2));
}

#[test]
fn mutants_differ_from_the_bundle_and_often_from_each_other() {
    let text = World::new().bundle(ARTIFACT).v1().json();
    let some: BTreeSet<String> = mutants(&text, 3).take(1000).collect();
    assert!(!some.contains(&text));
    assert!(some.len() > 600, "{}", some.len());
}

/// Texts that are no JSON, too deep for any parser, or very long.
#[test]
fn mutants_try_the_limits_of_a_parser() {
    let text = World::new().bundle(ARTIFACT).v1().json();
    let some: Vec<String> = mutants(&text, 4).take(1000).collect();
    let parsed = |mutant: &String| serde_json::from_str::<serde_json::Value>(mutant);
    let errors: Vec<String> = some
        .iter()
        .filter_map(|mutant| parsed(mutant).err())
        .map(|error| error.to_string())
        .collect();
    assert!(errors.iter().any(|error| error.contains("recursion limit")));
    assert!(
        errors
            .iter()
            .any(|error| !error.contains("recursion limit"))
    );
    assert!(some.iter().any(|mutant| mutant.len() > 1_000_000));
}
