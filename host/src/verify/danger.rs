//! The development override: the one way in which something runs that nobody
//! signed. The Cargo feature `hardened` compiles this file out.

use jiff::Timestamp;

use super::{Environment, Rejected, Verdict, Verifier};
use crate::artifact::Artifact;
use crate::config::Override;
use crate::error::Kind;

/// Leave to run what is unsigned. Only [`Override`] gives it, which only reads
/// it from the environment: no flag, no request and no prompt can.
#[derive(Debug, Clone)]
pub(crate) struct Unsigned(());

impl Unsigned {
    /// The leave, if the environment gives it.
    pub(crate) fn of(request: Override) -> Option<Self> {
        request.is_granted().then_some(Self(()))
    }
}

impl Verifier {
    /// This verifier, with leave to let pass what is unsigned.
    pub(crate) fn danger_allow_unsigned(self, unsigned: Option<Unsigned>) -> Self {
        Self { unsigned, ..self }
    }
}

/// A missing signature passes; one that does not hold never does, and nor does
/// what the deny list names.
pub(super) fn let_pass(
    unsigned: Option<&Unsigned>,
    verdict: Result<Verdict, Box<Rejected>>,
    artifact: &Artifact,
    until: Option<Timestamp>,
) -> Result<Verdict, Box<Rejected>> {
    match (unsigned, verdict) {
        (None, verdict) => verdict,
        (Some(_), Ok(mut verdict)) => {
            verdict.decision.environment = Environment::Development;
            Ok(verdict)
        }
        (Some(Unsigned(())), Err(mut rejected)) => {
            rejected.decision.environment = Environment::Development;
            if rejected.kind() != Kind::SignatureMissing {
                return Err(rejected);
            }
            rejected.decision.allowed = true;
            Ok(Verdict {
                digest: artifact.digest(),
                signers: Vec::new(),
                decision: rejected.decision,
                until,
                unsigned: true,
            })
        }
    }
}
