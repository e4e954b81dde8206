//! The file of keys, as `skillhost keys` writes it: digests, and what each key
//! allows.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{BearerKey, KeyDigest, KeyId};
use super::oauth::is_of_a_token;
use crate::admission::rules::{Rate, ToolPattern};
use crate::config::{Unreadable, read_private};
use crate::error::{Error, Kind, Result};
use crate::file;
use crate::invocation::PrincipalName;

/// The largest file of keys, in bytes: some ten thousand keys.
const MAX_FILE: u64 = 4 << 20;

/// The most keys that there can be at a time.
const MAX_KEYS: usize = 10_000;

/// The form of the file.
const FORMAT: u32 = 1;

/// What a key is for.
#[derive(Debug, Clone)]
pub(crate) struct KeyTerms {
    /// Who calls with it.
    pub(crate) holder: PrincipalName,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// From when on it is not taken; none: never.
    pub(crate) expires: Option<Timestamp>,
    /// What it allows; none: what its holder may.
    pub(crate) tools: Option<Vec<ToolPattern>>,
    /// How often; none: as often as its holder may.
    pub(crate) rate: Option<Rate>,
}

/// A key of which its holder alone has the text.
#[derive(Debug, Clone)]
pub(crate) struct KnownKey {
    pub(crate) terms: KeyTerms,
    pub(super) digest: KeyDigest,
    /// As it stands in the file, to see whether it changed.
    pub(super) written: Written,
}

pub(crate) type KnownKeys = BTreeMap<KeyId, KnownKey>;

/// The file, for whoever changes it.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    keys: BTreeMap<KeyId, Written>,
}

/// One key in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    holder: String,
    sha256: String,
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
}

impl KeyFile {
    /// The file at `path`, which need not be there.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All keys; none if there is no file.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it is broken, `ConfigInsecure` if others may read or
    /// write it.
    pub(crate) fn read(&self) -> Result<KnownKeys> {
        let text = match read_private(&self.path, MAX_FILE) {
            Ok(text) => text,
            Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(KnownKeys::new());
            }
            Err(unreadable) => return Err(unreadable.into_error("file of keys", &self.path)),
        };
        let document: Document =
            serde_json::from_str(&text).map_err(|cause| self.broken(&cause.to_string()))?;
        if document.format != FORMAT {
            return Err(self.broken(&format!("its format is {}, not {FORMAT}", document.format)));
        }
        let keys = document.keys.into_iter();
        let read = |(id, written): (KeyId, Written)| {
            let known = written.read();
            let known = known.map_err(|problem| self.broken(&format!("the key {id}: {problem}")));
            Ok((id, known?))
        };
        keys.map(read).collect()
    }

    /// Makes a key. It counts for hosts that run from their next request on.
    ///
    /// # Errors
    ///
    /// Those of reading; `ConfigInvalid` if the file cannot be written;
    /// `InvalidRequest` if there are 10,000 keys already.
    pub(crate) fn create(&self, key: &BearerKey, terms: &KeyTerms) -> Result<()> {
        let written = Written::of(key, terms);
        self.change(|keys| {
            if keys.len() >= MAX_KEYS {
                let message = format!("There are {MAX_KEYS} keys already.");
                return Err(Error::new(Kind::InvalidRequest, message)
                    .with_hint("Revoke those that nobody uses: `skillhost keys revoke ID`."));
            }
            if keys.contains_key(key.id()) {
                // One in a thousand million: whoever asks again gets another.
                let message = "The id of the key is taken already.";
                return Err(Error::new(Kind::Internal, message).with_hint("Try again."));
            }
            keys.insert(key.id().clone(), written);
            Ok(())
        })
    }

    /// Revokes a key, and says what it was for; none if there is no such key.
    ///
    /// # Errors
    ///
    /// Those of reading; `ConfigInvalid` if the file cannot be written.
    pub(crate) fn revoke(&self, id: &KeyId) -> Result<Option<KeyTerms>> {
        let revoked = self.change(|keys| Ok(keys.remove(id)))?;
        Ok(revoked
            .and_then(|written| written.read().ok())
            .map(|it| it.terms))
    }

    /// Changes the file while nobody else does. It is whole on disk when this
    /// returns.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<KeyId, Written>) -> Result<T>,
    ) -> Result<T> {
        let lock = self.path.with_added_extension("lock");
        let lock = file::lock(&lock).map_err(|cause| self.unwritable(&cause))?;
        let before = self.read()?.into_iter();
        let mut keys = before.map(|(id, known)| (id, known.written)).collect();
        let result = change(&mut keys)?;
        let document = Document {
            format: FORMAT,
            keys,
        };
        let mut text = serde_json::to_vec_pretty(&document)
            .map_err(|cause| self.broken(&cause.to_string()))?;
        text.push(b'\n');
        file::replace_private(&self.path, &text).map_err(|cause| self.unwritable(&cause))?;
        drop::<fs::File>(lock);
        Ok(result)
    }

    fn broken(&self, cause: &str) -> Error {
        let path = self.path.display();
        Error::new(
            Kind::ConfigInvalid,
            format!("The file of keys {path} is broken: {cause}."),
        )
        .with_hint("Put a copy back, or remove it and make the keys anew.")
    }

    fn unwritable(&self, cause: &io::Error) -> Error {
        let path = self.path.display();
        Error::new(
            Kind::ConfigInvalid,
            format!("The file of keys {path} cannot be written: {cause}."),
        )
    }
}

impl Written {
    fn of(key: &BearerKey, terms: &KeyTerms) -> Self {
        let tools = terms.tools.as_ref();
        Self {
            holder: terms.holder.to_string(),
            sha256: key.digest().to_hex(),
            created: terms.created,
            expires: terms.expires,
            tools: tools.map(|tools| tools.iter().map(ToString::to_string).collect()),
            rate: terms.rate.map(|rate| rate.to_string()),
        }
    }

    fn read(self) -> Result<KnownKey, String> {
        let patterns = |texts: &Vec<String>| texts.iter().map(|text| text.parse()).collect();
        Ok(KnownKey {
            digest: KeyDigest::from_hex(&self.sha256).ok_or("`sha256` is no digest")?,
            terms: KeyTerms {
                holder: holder(&self.holder)?,
                created: self.created,
                expires: self.expires,
                tools: self.tools.as_ref().map(patterns).transpose()?,
                rate: self.rate.as_deref().map(str::parse).transpose()?,
            },
            written: self,
        })
    }
}

/// The name of somebody who gets keys: any but those that stand for the subject
/// of a token, or a key would be its holder's way into another's rules.
pub(crate) fn holder(name: &str) -> Result<PrincipalName, String> {
    let holder: PrincipalName = name.parse()?;
    if is_of_a_token(&holder) {
        return Err(format!(
            "`{name}` is the name of a caller with a token: choose one that does not begin like that"
        ));
    }
    Ok(holder)
}
