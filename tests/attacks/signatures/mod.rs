//! S03 to S11, S14 to S16, S19, S20 and P11: signatures that must not let
//! anything run. A Sigstore of our own mints them; all but one thing about each
//! is genuine.

// What is good, what is tampered with, and what is garbled.
mod accepted;
mod tampered;
mod mutants;
mod shapes;

// Who signed, when, and what they said.
mod identities;
mod times;
mod statements;
mod provenance;

// How many signed, and what is asked for of which skill.
mod thresholds;
mod rules;

use serde_json::{Value, json};
use skillhost::Kind::{
    ComponentInvalid, DigestMismatch, Expired, IdentityMismatch, SignatureInvalid, ThresholdUnmet,
};
use skillhost::verify::{Rule, SLSA_V1, Signer};
use skillhost_test_world::{Draft, Evidence, Format, Key, SIGNED_AT};
use skillhost_tests::Stage;
use skillhost_tests::stage::{DAY, fitting, keyed, keyless, reasons, signers, some_of};

/// A workflow.
const RELEASE: &str = "https://github.com/org/repo/.github/workflows/release.yml@refs/heads/main";
const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// A person.
const ADA: &str = "ada@example.com";
const ACCOUNTS: &str = "https://accounts.example.com";

/// The statement that approves.
const APPROVAL: &str = "https://sigstore.dev/cosign/sign/v1";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Somebody who signs, each in another way.
#[derive(Clone, Debug)]
enum Author {
    Workflow,
    Person,
    Owner(Key),
}

impl Author {
    fn all() -> [Self; 3] {
        [Self::Workflow, Self::Person, Self::Owner(Key::generate())]
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Person => "person",
            Self::Owner(_) => "owner",
        }
    }

    fn signer(&self) -> Signer {
        match self {
            Self::Workflow => keyless(self.name(), RELEASE, GITHUB),
            Self::Person => keyless(self.name(), ADA, ACCOUNTS),
            Self::Owner(key) => keyed(self.name(), &[key]),
        }
    }

    fn signing<'w>(&self, draft: Draft<'w>) -> Draft<'w> {
        match self {
            Self::Workflow => draft.identity(RELEASE, GITHUB),
            Self::Person => draft.identity(ADA, ACCOUNTS),
            Self::Owner(key) => draft.key(key),
        }
    }

    const fn is_keyless(&self) -> bool {
        !matches!(self, Self::Owner(_))
    }
}

/// A way to sign, and what vouches for it.
#[derive(Clone, Debug)]
struct Way<'w> {
    draft: Draft<'w>,
    format: Format,
    stamped: bool,
    evidence: Evidence,
}

impl Way<'_> {
    fn bundle(&self) -> String {
        self.draft.backed_by(self.evidence).json()
    }

    /// Whether it carries what its format asks for and, if it is keyless, what
    /// proves its time. A managed key may do without.
    fn is_enough(&self, author: &Author) -> bool {
        let v01 = self.format == Format::V01;
        match self.evidence {
            Evidence::V1 | Evidence::V1Intoto => true,
            Evidence::V1Promise => v01,
            Evidence::V1Proof => !v01 && (self.stamped || !author.is_keyless()),
            Evidence::V2 => !v01,
            // Format v0.1 wants a promise of whoever brings a timestamp.
            Evidence::None => !(author.is_keyless() || v01 && self.stamped),
        }
    }
}

/// Every way in which an author can try to approve the skill of a stage.
fn ways<'w>(stage: &'w Stage, author: &Author) -> Vec<Way<'w>> {
    let message = author.signing(stage.draft());
    let approval = message.clone().statement(APPROVAL, &json!({}));
    let mut ways = Vec::new();
    for (draft, approves) in [(message, false), (approval, true)] {
        for stamped in [false, true] {
            for format in [Format::V01, Format::V02, Format::V03] {
                for evidence in Evidence::ALL {
                    let draft = draft.clone().format(format);
                    let draft = if stamped { draft.timestamped() } else { draft };
                    if approves || evidence != Evidence::V1Intoto {
                        ways.push(Way {
                            draft,
                            format,
                            stamped,
                            evidence,
                        });
                    }
                }
            }
        }
    }
    ways
}

/// Those that suffice.
fn good_ways<'w>(stage: &'w Stage, author: &Author) -> Vec<Way<'w>> {
    let mut ways = ways(stage, author);
    ways.retain(|way| way.is_enough(author));
    ways
}
