//! Checkpoints: how far the log goes, signed with the host's key.

use super::chain::{Hash, hex};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::sign::PrivateKey;
use crate::verify::PublicKey;

/// What is signed: DSSE's pre-authentication encoding of this type and of the
/// text that [`statement`] gives.
const PAYLOAD_TYPE: &str = "application/vnd.skillhost.audit-checkpoint.v1";

/// The most lines from one checkpoint to the next.
pub(super) const MAX_UNSIGNED_LINES: u64 = 1_000;

/// The longest time for which a line stays unsigned while others are written,
/// in milliseconds.
pub(super) const MAX_UNSIGNED_MS: i64 = 60_000;

/// Lines and hash of the last, one under the other.
fn statement(lines: u64, head: &str) -> String {
    format!("{lines}\n{head}\n")
}

/// A checkpoint over so many lines, the last of which has that hash.
pub(super) fn sign(key: &PrivateKey, lines: u64, head: &Hash) -> Result<Event> {
    let head = hex(head);
    let signature = key
        .sign_payload(PAYLOAD_TYPE, statement(lines, &head).as_bytes())
        .map_err(|cause| {
            Error::new(Kind::Internal, "The audit log cannot be signed.").with_internal(cause)
        })?;
    Ok(Event::AuditCheckpoint {
        lines,
        head,
        key: key.public().hint(),
        signature,
    })
}

/// Whether that key signed it.
pub(super) fn is_signed(key: &PublicKey, lines: u64, head: &str, signature: &str) -> bool {
    key.has_signed(PAYLOAD_TYPE, statement(lines, head).as_bytes(), signature)
}
