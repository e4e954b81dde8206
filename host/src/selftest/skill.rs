//! How a guest becomes a skill on disk, and what its answers mean.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::row::{Offer, Rights};
use crate::answer::{Content, Output};
use crate::error::{Error, Kind, Result};
use crate::manifest::text::one_line;
use crate::manifest::{SkillName, section};
use crate::sign::{PrivateKey, SignError, approval_path};

/// The tool that each guest has.
pub(super) const TOOL: &str = "run";

/// What a skill is told that may do what it tries.
pub(super) const ALLOWED: &str = "that it may";

/// What an answer without text is in words.
pub(super) const SILENCE: &str = "nothing";

/// The codes of `wasi:filesystem/types.error-code`, in its order.
const FILE_ERRORS: [&str; 37] = [
    "access",
    "would-block",
    "already",
    "bad-descriptor",
    "busy",
    "deadlock",
    "quota",
    "exist",
    "file-too-large",
    "illegal-byte-sequence",
    "in-progress",
    "interrupted",
    "invalid",
    "io",
    "is-directory",
    "loop",
    "too-many-links",
    "message-size",
    "name-too-long",
    "no-device",
    "no-entry",
    "no-lock",
    "insufficient-memory",
    "insufficient-space",
    "not-directory",
    "not-empty",
    "not-recoverable",
    "unsupported",
    "no-tty",
    "no-such-device",
    "overflow",
    "not-permitted",
    "pipe",
    "read-only",
    "invalid-seek",
    "text-file-busy",
    "cross-device",
];

/// Those of `skillhost:skill/http.error`.
const HTTP_ERRORS: [&str; 5] = [
    "denied",
    "invalid-request",
    "timeout",
    "too-large",
    "connection",
];

/// Those of `skillhost:skill/secrets.error`.
const SECRET_ERRORS: [&str; 3] = ["undeclared", "not-set", "not-granted"];

/// Those of `skillhost:skill/state.error`.
const STATE_ERRORS: [&str; 4] = ["not-granted", "quota-exceeded", "conflict", "unavailable"];

/// The keys that the bench signs with.
#[derive(Debug)]
pub(super) struct Keys {
    /// The one that the host trusts.
    pub(super) own: PrivateKey,
    stranger: PrivateKey,
}

impl Keys {
    /// New ones, for this run.
    pub(super) fn generate() -> Result<Self> {
        Ok(Self {
            own: PrivateKey::generate().map_err(signing)?,
            stranger: PrivateKey::generate().map_err(signing)?,
        })
    }

    /// Lays a skill and its bundle down in a folder, the way an offer says.
    pub(super) fn lay(
        &self,
        folder: &Path,
        name: &SkillName,
        guest: &[u8],
        rights: Rights,
        offer: Offer,
    ) -> Result<PathBuf> {
        let path = folder.join(format!("{name}.wasm"));
        let mut skill = match offer {
            Offer::Bare => guest.to_vec(),
            _ => section::append(guest, manifest(name, rights).to_string().as_bytes()),
        };
        write(&path, &skill)?;
        let signer = if offer == Offer::ByStranger {
            &self.stranger
        } else {
            &self.own
        };
        let bundle = signer.sign_file(&path, None).map_err(signing)?;
        match offer {
            Offer::Signed | Offer::Bare | Offer::ByStranger => {}
            Offer::Unsigned => {
                fs::remove_file(bundle).map_err(|cause| unwritable(&path, &cause))?
            }
            Offer::Flipped => {
                if let Some(byte) = skill.get_mut(guest.len() / 2) {
                    *byte ^= 1;
                }
                write(&path, &skill)?;
            }
            Offer::WithOthersBundle => {
                let other = folder.join("other.wasm");
                write(&other, guest)?;
                let others = self.own.sign_file(&other, None).map_err(signing)?;
                fs::rename(others, approval_path(&path, None))
                    .map_err(|cause| unwritable(&path, &cause))?;
            }
        }
        Ok(path)
    }
}

/// What a guest says about itself, which text cannot embed.
fn manifest(name: &SkillName, rights: Rights) -> Value {
    let reason = "To try what it was not granted.";
    let capabilities = match rights {
        Rights::Nothing => json!({}),
        Rights::Read | Rights::Write | Rights::Proc => {
            json!({"filesystem": {"access": "read-write", "reason": reason}})
        }
        Rights::AnyOrigin | Rights::OneOrigin => {
            json!({"http": {"origins": ["*"], "reason": reason}})
        }
    };
    let tool = json!({"name": TOOL, "description": "Attacks.", "input_schema": {"type": "object"}});
    json!({
        "format": crate::manifest::FORMAT, "name": name, "version": "1.0.0",
        "description": "", "tools": [tool], "capabilities": capabilities,
    })
}

/// The text of an answer, in words, if it is one letter and two digits for each
/// call into the host; see `interfaces/memory.wat`.
pub(super) fn words(output: &Output) -> String {
    let text = match output.content.first() {
        Some(Content::Text(text)) if !text.is_empty() => text.as_str(),
        _ => return SILENCE.to_owned(),
    };
    let starts = (0..text.len()).step_by(3);
    let told: Option<Vec<String>> = starts.map(|at| word(text.get(at..at + 3)?)).collect();
    let Some(mut told) = told else {
        return one_line(text, 80);
    };
    told.dedup();
    told.join(", ")
}

fn word(told: &str) -> Option<String> {
    let (interface, code) = told.split_at_checked(1)?;
    let number = code.parse::<usize>().ok();
    let names: &[&str] = match interface {
        "f" => &FILE_ERRORS,
        "h" => &HTTP_ERRORS,
        "s" => &SECRET_ERRORS,
        "k" => &STATE_ERRORS,
        "v" => return Some(format!("{} variables", number?)),
        "a" => return Some(format!("{} arguments", number?)),
        _ => return None,
    };
    match code {
        "!!" => Some(ALLOWED.to_owned()),
        _ => Some((*names.get(number?)?).to_owned()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|cause| unwritable(path, &cause))
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Kind::Internal,
        format!(
            "The temporary file {} cannot be written: {cause}.",
            path.display()
        ),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn signing(cause: SignError) -> Error {
    Error::new(
        Kind::Internal,
        format!("A skill cannot be signed for this run: {cause}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_was_told_is_read_in_words() {
        let said = |text: &str| {
            words(&Output {
                content: vec![Content::Text(text.to_owned())],
                structured: None,
            })
        };
        assert_eq!(said("f31f31f33"), "not-permitted, read-only");
        assert_eq!(said("f!!"), "that it may");
        assert_eq!(said("v00a12"), "0 variables, 12 arguments");
        assert_eq!(
            (said("h00"), said("s02"), said("k00")),
            (
                "denied".to_owned(),
                "not-granted".to_owned(),
                "not-granted".to_owned()
            )
        );
        assert_eq!(
            (said(""), said("clean")),
            ("nothing".to_owned(), "clean".to_owned())
        );
    }
}
