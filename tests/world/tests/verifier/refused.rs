//! Tampered bundles.

use std::collections::BTreeMap;

use skillhost_test_world::tamper;

use super::*;

/// Each tampering that fits, of each bundle that is accepted without.
#[test]
fn tampered_bundles_are_refused() {
    let world = World::new();
    let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for signer in Signer::all() {
        for draft in drafts(&world, &signer) {
            for evidence in Evidence::ALL {
                if fits(&draft, evidence)
                    && signer
                        .verify(&world, &draft.backed_by(evidence).json())
                        .is_ok()
                {
                    for (name, tamper) in tamper::all(&draft, evidence) {
                        let bundle = tamper(&draft, evidence);
                        match signer.verify(&world, &bundle.json()) {
                            Ok(_) => println!("ACCEPTED {name} {evidence:?} {signer:?}"),
                            Err(e) => seen
                                .entry(name)
                                .or_default()
                                .push(format!("{e}").chars().take(90).collect()),
                        }
                    }
                }
            }
        }
    }
    for (name, mut errors) in seen {
        errors.sort();
        errors.dedup();
        println!("{name}: {errors:#?}");
    }
}
