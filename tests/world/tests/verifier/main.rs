//! What a world mints is what a verifier of Sigstore bundles takes it for: good
//! bundles are accepted with every check on, tampered ones are not.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up fails"
)]

mod accepted;
mod refused;
mod mutated;

use serde_json::json;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle as Parsed, DerPublicKey};
use sigstore_verify::{
    Error, PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier,
};
use skillhost_test_world::{Draft, Evidence, Format, Key, World};

const ARTIFACT: &[u8] = b"the artifact";
const URI: &str = "https://ci.test/build.yml@refs/heads/main";
const EMAIL: &str = "author@skillhost.test";
const ISSUER: &str = "https://issuer.test";
const SIGNED_AT: i64 = 1_760_000_000;

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Who is to have signed.
#[derive(Clone, Debug)]
enum Signer {
    Keyless(&'static str),
    Managed(Key),
}

impl Signer {
    fn all() -> [Self; 3] {
        [
            Self::Keyless(URI),
            Self::Keyless(EMAIL),
            Self::Managed(Key::generate()),
        ]
    }

    const fn is_keyless(&self) -> bool {
        matches!(self, Self::Keyless(_))
    }

    fn draft<'w>(&self, world: &'w World) -> Draft<'w> {
        let draft = world.bundle(ARTIFACT).at(SIGNED_AT);
        match self {
            Self::Keyless(identity) => draft.identity(identity, ISSUER),
            Self::Managed(key) => draft.key(key),
        }
    }

    /// What the verifier says about a bundle of this signer, with all checks.
    fn verify(&self, world: &World, json: &str) -> Result<VerificationResult, Error> {
        let root = TrustedRoot::from_json(&world.trusted_root())?;
        let verifier = Verifier::new(&root)?;
        let bundle = Parsed::from_json(json)?;
        match self {
            Self::Keyless(identity) => {
                let policy = VerificationPolicy::new(*identity, ISSUER);
                verifier.verify(ARTIFACT, &bundle, &policy)
            }
            Self::Managed(key) => {
                let policy = PublicKeyVerificationPolicy::new(der(key));
                verifier.verify(ARTIFACT, &bundle, &policy)
            }
        }
    }
}

fn der(key: &Key) -> DerPublicKey {
    DerPublicKey::from_pem(&key.public_pem()).expect("a key is readable")
}

const FORMATS: [Format; 3] = [Format::V01, Format::V02, Format::V03];

/// Every way to sign: over the artifact or a statement, with and without
/// timestamp, in each format.
fn drafts<'w>(world: &'w World, signer: &Signer) -> Vec<Draft<'w>> {
    let draft = signer.draft(world);
    let statement = draft.clone().statement(PROVENANCE, &json!({"runs": 1}));
    let plain = [draft, statement];
    let stamped = plain.clone().map(Draft::timestamped);
    let contents = plain.into_iter().chain(stamped);
    contents
        .flat_map(|draft| FORMATS.map(|format| draft.clone().format(format)))
        .collect()
}

/// Whether a draft can be recorded like that at all.
fn fits(draft: &Draft<'_>, evidence: Evidence) -> bool {
    evidence != Evidence::V1Intoto || draft.unlogged().value().get("dsseEnvelope").is_some()
}
