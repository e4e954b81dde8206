//! Values that nobody may see: tokens, passwords, keys of other people's
//! services.
//!
//! A [`Secret`] cannot be printed, compared, serialised or copied, and is wiped
//! when it is dropped. What may be done with one is done in two places:
//! `sandbox` puts it into a request or shows it to a skill
//! that was granted to see it, and the redactor takes it out of every text
//! that leaves the host otherwise.

mod redact;
pub(crate) mod shape;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub(crate) use self::redact::Redactor;
pub(crate) use self::url::without_url_secrets;
use crate::manifest::SecretName;

/// The shortest value, in bytes: a shorter one would be taken out of texts that
/// hold it by chance, and guessed.
pub const MIN_SECRET: usize = 8;

/// The longest value, in bytes.
pub const MAX_SECRET: usize = 64 * 1024;

/// A value that is wiped when it is dropped.
///
/// It has no `Display`, `PartialEq`, `Serialize` or `Clone`, and its `Debug`
/// shows nothing of it: `tests/cases/compile-fail` holds that. Nothing compares
/// secrets, so nothing tells by its time how much of one was guessed.
pub struct Secret(Zeroizing<String>);

/// Why a value is not taken as a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// It is shorter than [`MIN_SECRET`].
    #[error(
        "it has fewer than {MIN_SECRET} bytes, which stand in other texts by chance and are guessed quickly"
    )]
    TooShort,
    /// It is longer than [`MAX_SECRET`].
    #[error("it has more than {MAX_SECRET} bytes")]
    TooLong,
    /// It holds a NUL character.
    #[error("it holds a NUL character")]
    Nul,
}

impl Secret {
    /// Takes a value.
    ///
    /// # Errors
    ///
    /// [`NoSecret`] says what is wrong with it, and nothing of it.
    pub fn new(value: String) -> Result<Self, NoSecret> {
        let value = Zeroizing::new(value);
        match value.len() {
            short if short < MIN_SECRET => Err(NoSecret::TooShort),
            long if long > MAX_SECRET => Err(NoSecret::TooLong),
            _ if value.contains('\0') => Err(NoSecret::Nul),
            _ => Ok(Self(value)),
        }
    }

    /// The value. Whoever asks hands it to somebody who was granted it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The secrets of a host, by the operator's names, and what takes them out of
/// texts.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<SecretName, Arc<Secret>>,
    redactor: Redactor,
}

impl Secrets {
    /// These secrets.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (SecretName, Secret)>) -> Self {
        let values: BTreeMap<_, _> = values
            .into_iter()
            .map(|(name, value)| (name, Arc::new(value)))
            .collect();
        let redactor = Redactor::new(values.values().map(AsRef::as_ref));
        Self { values, redactor }
    }

    pub(crate) fn get(&self, name: &SecretName) -> Option<&Arc<Secret>> {
        self.values.get(name)
    }

    pub(crate) const fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

impl fmt::Debug for Secrets {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "SKH_CANARY_unit";

    #[test]
    fn x03_no_form_of_a_secret_for_people_shows_its_value() {
        let secret = Secret::new(VALUE.to_owned()).unwrap();
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
        let secrets = Secrets::new([("token".parse().unwrap(), secret)]);
        let shown = format!("{secrets:?} {secrets:#?}");
        assert!(shown.contains("token") && !shown.contains(VALUE), "{shown}");
        assert!(!format!("{:?}", secrets.redactor()).contains(VALUE));
    }

    #[test]
    fn short_and_endless_values_are_refused_without_showing_them() {
        for (value, expected) in [
            ("1234567".to_owned(), NoSecret::TooShort),
            ("x".repeat(MAX_SECRET + 1), NoSecret::TooLong),
            ("12345678\0".to_owned(), NoSecret::Nul),
        ] {
            let refused = Secret::new(value).unwrap_err();
            assert_eq!(refused, expected);
            assert!(!refused.to_string().contains("1234567"), "{refused}");
        }
        assert!(Secret::new("12345678".to_owned()).is_ok());
    }
}
