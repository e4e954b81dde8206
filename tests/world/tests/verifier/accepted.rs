//! Good bundles.

use sigstore_verify::bundle::Error as BundleError;
use sigstore_verify::crypto::VerificationKey;
use sigstore_verify::types::{SignatureBytes, SignatureContent};
use sigstore_verify::{SubjectAltName, TimestampError};
use skillhost_test_world::{Bundle, Claim};

use super::*;

/// What a verifier with all checks on says about a bundle that is as it should
/// be, but may carry too little evidence for its format.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Accepted,
    WithoutPromise,
    WithoutProof,
    WithoutTime,
}

fn expected(signer: &Signer, bundle: &Bundle, evidence: Evidence) -> Expected {
    let is_v01 = bundle.json().contains("version=0.1");
    let has_timestamp = bundle.json().contains("rfc3161Timestamps");
    match evidence {
        Evidence::V1Proof | Evidence::V2 | Evidence::None if is_v01 => Expected::WithoutPromise,
        Evidence::V1Promise if !is_v01 => Expected::WithoutProof,
        Evidence::None => Expected::WithoutProof,
        Evidence::V1Proof if signer.is_keyless() && !has_timestamp => Expected::WithoutTime,
        _ => Expected::Accepted,
    }
}

fn said(verdict: &Result<VerificationResult, Error>) -> Expected {
    match verdict {
        Ok(_) => Expected::Accepted,
        Err(Error::Bundle(BundleError::MissingInclusionPromise(_))) => Expected::WithoutPromise,
        Err(Error::Bundle(BundleError::MissingInclusionProof(_))) => Expected::WithoutProof,
        Err(Error::Timestamp(TimestampError::NoVerifiedTimestamp(_))) => Expected::WithoutTime,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_kind_of_bundle_is_accepted_if_its_format_allows() {
    let world = World::new();
    let mut accepted = 0;
    for signer in Signer::all() {
        for draft in drafts(&world, &signer) {
            for evidence in Evidence::ALL {
                if fits(&draft, evidence) {
                    let bundle = draft.backed_by(evidence);
                    let verdict = signer.verify(&world, &bundle.json());
                    let expected = expected(&signer, &bundle, evidence);
                    assert_eq!(said(&verdict), expected, "{evidence:?} {bundle}");
                    accepted += usize::from(expected == Expected::Accepted);
                }
            }
        }
    }
    assert_eq!(accepted, 106);
}

#[test]
fn a_keyless_bundle_shows_who_signed_and_when() {
    let world = World::new();
    for (identity, name) in [
        (URI, SubjectAltName::Uri(URI.to_owned())),
        (EMAIL, SubjectAltName::Email(EMAIL.to_owned())),
    ] {
        let signer = Signer::Keyless(identity);
        for evidence in [Evidence::V1, Evidence::V2] {
            let bundle = signer.draft(&world).backed_by(evidence);
            let result = signer.verify(&world, &bundle.json()).unwrap();
            assert!(result.certificate_verified() && result.sct_verified());
            assert!(result.tlog_verified() && result.identity_policy_checked());
            assert_eq!(result.identity(), Some(&name));
            assert_eq!(result.issuer(), Some(ISSUER));
            let times: Vec<i64> = seconds(&result);
            assert_eq!(times, [SIGNED_AT]);
        }
    }
}

#[test]
fn the_time_of_recording_can_differ_from_that_of_signing() {
    let world = World::new();
    let signer = Signer::Keyless(URI);
    let draft = signer
        .draft(&world)
        .recorded_at(SIGNED_AT + 60)
        .timestamped();
    let result = signer.verify(&world, &draft.v1().json()).unwrap();
    assert_eq!(seconds(&result), [SIGNED_AT + 60, SIGNED_AT + 60]);
}

fn seconds(result: &VerificationResult) -> Vec<i64> {
    let times = result.verified_timestamps().iter();
    times.map(|time| time.as_second()).collect()
}

#[test]
fn certificates_say_what_they_are_told_about_the_build() {
    let world = World::new();
    let signer = Signer::Keyless(URI);
    let draft = signer
        .draft(&world)
        .claim(Claim::SourceRepositoryUri, "https://git.test/skill")
        .claim(Claim::SourceRepositoryRef, "refs/heads/main")
        .claim(Claim::BuildConfigUri, "https://git.test/skill/build.yml");
    let result = signer.verify(&world, &draft.v2().json()).unwrap();
    let claims = &result.certificate().unwrap().ci_claims;
    let repository = claims.source_repository_uri.as_deref();
    assert_eq!(repository, Some("https://git.test/skill"));
    assert_eq!(
        claims.source_repository_ref.as_deref(),
        Some("refs/heads/main")
    );
    let config = claims.build_config_uri.as_deref();
    assert_eq!(config, Some("https://git.test/skill/build.yml"));
}

#[test]
fn two_certificates_can_share_a_key() {
    let world = World::new();
    let key = Key::generate();
    let [one, other] = [URI, EMAIL].map(|identity| {
        let signer = Signer::Keyless(identity);
        let bundle = signer.draft(&world).leaf_key(&key).v1();
        let result = signer.verify(&world, &bundle.json()).unwrap();
        result.certificate().unwrap().clone()
    });
    assert_eq!(one.public_key, der(&key));
    assert_eq!(one.public_key, other.public_key);
    assert_ne!(one.identity, other.identity);
}

/// Of several names the verifier sees the first.
#[test]
fn certificates_can_have_several_names() {
    let world = World::new();
    let json = Signer::Keyless(URI).draft(&world).alias(EMAIL).v1().json();
    assert!(Signer::Keyless(URI).verify(&world, &json).is_ok());
    let error = Signer::Keyless(EMAIL).verify(&world, &json).unwrap_err();
    assert!(matches!(error, Error::IdentityMismatch { .. }), "{error}");
}

/// The verifier looks at the subjects of a statement and not at its version.
#[test]
fn any_payload_can_be_signed() {
    let world = World::new();
    let signer = Signer::Keyless(URI);
    let statement = r#"{
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{"name": "a", "digest": {"sha256": "{sha256}"}}],
        "predicateType": "https://slsa.dev/provenance/v0.2"
    }"#;
    let verify = |kind: &str, payload: &str| {
        let bundle = signer.draft(&world).payload(kind, payload).v2();
        signer.verify(&world, &bundle.json())
    };
    verify("application/vnd.in-toto+json", statement).unwrap();
    let of_others = statement.replace("{sha256}", &"0".repeat(64));
    let error = verify("application/vnd.in-toto+json", &of_others).unwrap_err();
    assert!(matches!(error, Error::ArtifactMismatch(_)), "{error}");
    let error = verify("text/plain", "{sha256}").unwrap_err();
    assert!(matches!(error, Error::UnsupportedBundle(_)), "{error}");
}

#[test]
fn a_bundle_of_a_managed_key_needs_no_evidence_to_hold_a_good_signature() {
    let key = Key::generate();
    let bundle = World::new().bundle(ARTIFACT).key(&key).unlogged();
    let parsed = Parsed::from_json(&bundle.json()).unwrap();
    let SignatureContent::MessageSignature(message) = parsed.content else {
        panic!("{bundle}");
    };
    let checked = VerificationKey::from_spki(&der(&key)).unwrap();
    checked.verify(ARTIFACT, &message.signature).unwrap();
}

#[test]
fn private_keys_are_readable() {
    let key = Key::generate();
    let pair = pem::parse(key.private_pem()).unwrap();
    assert_eq!(pair.tag(), "PRIVATE KEY");
    let pair = sigstore_verify::crypto::KeyPair::from_pkcs8_der(pair.contents()).unwrap();
    assert_eq!(pair.public_key_der().unwrap(), der(&key));
    let signature = SignatureBytes::new(key.sign(ARTIFACT));
    let checked = VerificationKey::from_spki(&der(&key)).unwrap();
    checked.verify(ARTIFACT, &signature).unwrap();
}

#[test]
fn no_world_accepts_the_bundles_of_another() {
    let [world, other] = [World::new(), World::new()];
    for signer in [Signer::Keyless(URI), Signer::Managed(Key::generate())] {
        for evidence in [Evidence::V1, Evidence::V2] {
            let bundle = signer.draft(&other).backed_by(evidence);
            assert!(signer.verify(&other, &bundle.json()).is_ok());
            let error = signer.verify(&world, &bundle.json()).unwrap_err();
            assert!(
                matches!(error, Error::TransparencyLog(_) | Error::Timestamp(_)),
                "{error}"
            );
        }
    }
}
