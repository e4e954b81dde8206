//! S03, S08, S09, S10: every kind of bundle with every single thing wrong that
//! fits it. What each is refused as stands in a table; none may run.

use std::collections::{BTreeMap, BTreeSet};

use skillhost::Kind;
use skillhost_test_world::tamper::{self, overlooked};

use super::*;

const INVALID: &[Kind] = &[SignatureInvalid];

/// What is tampered with, and what that is refused as: about which of several
/// things that no longer fit each other is told depends on the kind of bundle.
const REFUSED: [(&str, &[Kind]); 45] = [
    ("added_proof_hash", INVALID),
    ("altered_checkpoint_size", INVALID),
    ("altered_entry", INVALID),
    ("altered_index", INVALID),
    ("altered_payload", INVALID),
    ("altered_payload_type", INVALID),
    ("altered_proof_hash", INVALID),
    ("altered_proof_size", INVALID),
    ("altered_root", INVALID),
    ("altered_time", INVALID),
    ("bundle_of_another_artifact", &[DigestMismatch]),
    ("certificate_of_another_world", INVALID),
    ("certificate_promised_by_another_world", INVALID),
    ("certificate_without_promise", INVALID),
    ("chain_of_another_world", INVALID),
    ("digest_of_another_artifact", &[DigestMismatch]),
    ("dropped_proof_hash", INVALID),
    (
        "entry_of_another_artifact",
        &[SignatureInvalid, DigestMismatch],
    ),
    (
        "entry_of_another_artifact_added",
        &[SignatureInvalid, DigestMismatch],
    ),
    ("entry_of_another_signer", INVALID),
    ("entry_of_another_world", INVALID),
    ("entry_of_unknown_log", INVALID),
    ("entry_without_evidence", INVALID),
    ("entry_without_evidence_added", INVALID),
    ("forged_certificate_promise", INVALID),
    ("forged_checkpoint", INVALID),
    ("forged_promise", INVALID),
    ("forged_timestamp", INVALID),
    ("hint_of_another_key", &[IdentityMismatch]),
    ("recorded_after_expiry", INVALID),
    ("recorded_after_expiry_with_altered_time", INVALID),
    ("recorded_after_expiry_with_time_without_promise", INVALID),
    ("recorded_in_the_future", INVALID),
    ("signature_of_another_artifact", INVALID),
    ("signature_of_another_key", INVALID),
    ("stamped_in_the_future", INVALID),
    ("time_without_promise", INVALID),
    ("timestamp_of_another_signature", INVALID),
    ("timestamp_of_another_world", INVALID),
    ("two_contents", INVALID),
    ("two_signatures", INVALID),
    ("two_verifiers", INVALID),
    ("without_entries", INVALID),
    ("without_signatures", INVALID),
    ("without_timestamps", INVALID),
];

/// Accepted, because it tells nothing that is not so: both logs are believed,
/// and one of them has the entry.
const HARMLESS: &str = "checkpoint_of_another_log";

#[tokio::test(flavor = "multi_thread")]
async fn s03_s08_s09_s10_no_bundle_with_one_thing_wrong_runs() {
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let kinds: BTreeMap<_, _> = REFUSED.into_iter().collect();
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        for way in good_ways(&stage, &author) {
            let all = tamper::all(&way.draft, way.evidence).into_iter();
            for (name, tamper) in all.chain(overlooked::all(&way.draft, way.evidence)) {
                let bundle = tamper(&way.draft, way.evidence).json();
                if name == HARMLESS {
                    assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
                    continue;
                }
                let failed = stage.refuses_as(&[bundle], kinds[name]).await;
                let kind = failed["kind"].as_str().unwrap().to_owned();
                seen.entry(name).or_default().insert(kind);
            }
        }
    }
    let expected = kinds.into_iter().map(|(name, kinds)| {
        let kinds = kinds.iter().map(ToString::to_string);
        (name, kinds.collect())
    });
    assert_eq!(seen, expected.collect());
}
