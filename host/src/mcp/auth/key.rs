//! Bearer keys: what a caller sends to prove who it is, and what is kept of that.
//!
//! A key is `skh_ID_SECRET`: a beginning that scanners for secrets find, eight
//! characters by which it is looked up, and 256 random bits. What is kept is the
//! SHA-256 digest of all of it: nothing can be guessed of so many bits, so that
//! a slow digest would only cost honest callers time.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// How every key begins.
const PREFIX: &str = "skh_";

/// Bytes of the secret part.
const SECRET: usize = 32;

/// Characters of an id.
const ID: usize = 8;

/// The characters of an id, 32 of them (RFC 4648, section 6, in lower case).
const ALPHABET: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz234567";

/// A key, as its caller sends it.
///
/// It has no `Display`, `PartialEq`, `Serialize` or `Clone`, and its `Debug` shows
/// nothing but its id: `tests/cases/compile-fail` holds that.
pub struct BearerKey {
    id: KeyId,
    text: Zeroizing<String>,
}

/// Which key it is; no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// The SHA-256 digest of a key, which can be compared in constant time only.
#[derive(Clone)]
pub(crate) struct KeyDigest([u8; 32]);

impl BearerKey {
    /// A key that nobody has.
    ///
    /// # Errors
    ///
    /// `Internal` if the system gives no random numbers.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; SECRET + ID]);
        getrandom::fill(&mut *bytes).map_err(|cause| {
            Error::new(Kind::Internal, "The system gives no random numbers.").with_internal(cause)
        })?;
        let (secret, id) = bytes.split_at(SECRET);
        let letter = |byte: &u8| {
            ALPHABET
                .get(usize::from(byte % 32))
                .map(|it| char::from(*it))
        };
        let id = KeyId(id.iter().filter_map(letter).collect());
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret));
        Ok(Self {
            text: Zeroizing::new(format!("{PREFIX}{id}_{}", *secret)),
            id,
        })
    }

    /// Which key it is.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn digest(&self) -> KeyDigest {
        KeyDigest::of(&self.text)
    }

    /// The key itself, for the one place that shows it: to whom made it, once.
    #[must_use]
    pub fn danger_text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for BearerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BearerKey").field(&self.id).finish()
    }
}

/// Whether a token says of itself that it is a key.
pub(crate) fn is_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// The id of what may be a key; none if it cannot be one.
pub(super) fn id_of(token: &str) -> Option<KeyId> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
    (decoded.len() == SECRET).then_some(())?;
    id.parse().ok()
}

impl KeyId {
    /// From an id, or from a key, of which nothing but the id is looked at.
    ///
    /// # Errors
    ///
    /// What an id is, without what was given: it may be a secret.
    pub(crate) fn named_by(text: &str) -> Result<Self, String> {
        let id = text.strip_prefix(PREFIX).map_or(text, |rest| {
            rest.split_once('_').map_or(rest, |(id, _secret)| id)
        });
        id.parse()
    }
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == ID && text.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Ok(Self(text.to_owned()));
        }
        Err("the id of a key has 8 characters of `a-z` and `2-7`".to_owned())
    }
}

impl TryFrom<String> for KeyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyDigest {
    /// That of a text.
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }

    /// What is compared when there is nothing to compare with, so that an id that
    /// nobody has takes as long.
    pub(super) const fn of_nothing() -> Self {
        Self([0; 32])
    }

    /// Whether it is of the same key, in a time that does not depend on where
    /// they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// As 64 hexadecimal digits.
    pub(super) fn to_hex(&self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// From 64 hexadecimal digits.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_and_known_by_its_digest() {
        let key = BearerKey::generate().unwrap();
        let text = key.danger_text();
        assert!(
            is_key(text) && text.len() == 4 + 8 + 1 + 43,
            "{}",
            text.len()
        );
        assert_eq!(id_of(text).unwrap(), *key.id());
        assert!(KeyDigest::of(text).is(&key.digest()));
        let kept = KeyDigest::from_hex(&key.digest().to_hex()).unwrap();
        assert!(kept.is(&key.digest()));
        let other = BearerKey::generate().unwrap();
        assert!(!other.digest().is(&key.digest()) && other.id() != key.id());
    }

    #[test]
    fn m02_what_is_nearly_a_key_is_none() {
        let key = BearerKey::generate().unwrap();
        let text = key.danger_text();
        let (head, last) = text.split_at(text.len() - 1);
        for near in [
            "",
            "skh_",
            "skh__",
            "null",
            head,
            &format!("{text}A"),
            &format!("{text}="),
            &format!(" {text}"),
            &text.replacen("skh_", "SKH_", 1),
            &text.replacen("skh_", "skh", 1),
            &format!("{head}!{last}"),
        ] {
            assert!(id_of(near).is_none(), "{near}");
        }
    }

    #[test]
    fn an_id_is_taken_out_of_a_key_and_a_broken_key_is_not_told() {
        let key = BearerKey::generate().unwrap();
        let (id, text) = (key.id(), key.danger_text());
        let cut = format!("skh_{id}");
        for named in [id.0.as_str(), text, cut.as_str()] {
            assert_eq!(KeyId::named_by(named).as_ref(), Ok(id));
        }
        let broken = text.replacen("skh_", "skh_1", 1);
        let told = KeyId::named_by(&broken).unwrap_err();
        assert!(!told.contains(&id.0), "{told}");
        for wrong in ["", "skh_", "../../x"] {
            assert!(KeyId::named_by(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn m04_no_form_of_a_key_for_people_shows_it() {
        let key = BearerKey::generate().unwrap();
        let shown = format!("{key:?} {key:#?} {:?}", key.digest());
        let secret = key.danger_text().splitn(3, '_').last().unwrap();
        assert!(!shown.contains(secret) && !shown.contains(&key.digest().to_hex()));
    }
}
