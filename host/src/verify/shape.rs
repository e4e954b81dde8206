//! What must hold of a bundle besides its signatures: places where parsers
//! differ, and evidence that `sigstore-verify` passes over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use sigstore_types::Bundle;
use sigstore_types::bundle::TransparencyLogEntry;

use super::refusal::Refusal;
use super::root::Root;

/// The most log entries, and the most timestamps, of one bundle; real ones have
/// one. Each costs a signature check.
const MAX_EVIDENCE: usize = 8;

/// The members of which the format (protobuf-specs, `oneof`) allows one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Choices {
    message_signature: Option<IgnoredAny>,
    dsse_envelope: Option<IgnoredAny>,
    verification_material: Material,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
}

/// Reads a bundle that means one thing only.
pub(super) fn parse(json: &str, root: &Root) -> Result<Bundle, Refusal> {
    let choices: Choices = serde_json::from_str(json).map_err(|_cause| Refusal::Malformed)?;
    if !choices.are_made() {
        return Err(Refusal::Ambiguous);
    }
    let bundle = Bundle::from_json(json).map_err(|_cause| Refusal::Malformed)?;
    let material = &bundle.verification_material;
    let timestamps = &material.timestamp_verification_data.rfc3161_timestamps;
    if material.tlog_entries.len().max(timestamps.len()) > MAX_EVIDENCE {
        return Err(Refusal::TooMuchEvidence);
    }
    material
        .tlog_entries
        .iter()
        .try_for_each(|entry| check_entry(entry, root))?;
    Ok(bundle)
}

impl Choices {
    fn are_made(&self) -> bool {
        let material = &self.verification_material;
        let contents = [&self.message_signature, &self.dsse_envelope];
        let verifiers = [
            &material.public_key,
            &material.certificate,
            &material.x509_certificate_chain,
        ];
        let made = |choices: &[&Option<IgnoredAny>]| {
            choices.iter().filter(|choice| choice.is_some()).count() == 1
        };
        made(&contents) && made(&verifiers)
    }
}

/// An entry in a log that is believed, with something that shows it.
fn check_entry(entry: &TransparencyLogEntry, root: &Root) -> Result<(), Refusal> {
    let refused = |problem: &str| Err(Refusal::Log(problem.to_owned()));
    if !root.believes_log(&entry.log_id.key_id) {
        return refused("it is in a log that the trusted root does not name");
    }
    let Some(proof) = &entry.inclusion_proof else {
        return match entry.inclusion_promise {
            Some(_) => Ok(()),
            None => refused("it has neither promise nor proof"),
        };
    };
    let checkpoint = proof.checkpoint.checkpoint();
    if checkpoint.is_some_and(|checkpoint| checkpoint.tree_size() != proof.tree_size) {
        return refused("proof and checkpoint are of trees of different sizes");
    }
    Ok(())
}
