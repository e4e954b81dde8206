//! What an author says about a component beyond that it may run: in-toto
//! statements (in-toto Attestation Framework, v1).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sigstore_types::{Sha256Hash, Statement};
use url::Url;

use crate::artifact::Digest;
use crate::verify::{APPROVAL, SLSA_V1};

/// The largest predicate, in bytes, so that the bundle fits what a host reads.
pub const MAX_PREDICATE: u64 = 128 * 1024;

/// The payload type of in-toto statements in a DSSE envelope.
pub(super) const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What cosign calls SLSA's provenance.
const SLSA_NAME: &str = "slsaprovenance1";

/// How much of a predicate's type stands in the bundle's file name.
const MAX_LABEL: usize = 64;

/// What kind of thing is said: a URI that names the predicate's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredicateType(String);

/// Why text is no type of a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PredicateTypeError {
    /// Neither a known short name nor a URI.
    #[error("it is neither `{SLSA_NAME}` nor a URI such as {SLSA_V1}")]
    NotAUri,
    /// An approval is made by signing.
    #[error("that statement approves the component; `skillhost sign` makes an approval")]
    Approval,
}

/// What is said: a JSON object, kept as it was written.
#[derive(Debug, Clone)]
pub struct Predicate(Box<RawValue>);

/// Why text is no predicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// More than [`MAX_PREDICATE`] bytes.
    #[error("it is larger than {MAX_PREDICATE} bytes")]
    TooLarge,
    /// Not JSON, or nested more deeply than those who verify it read.
    #[error("it cannot be read as JSON: {0}")]
    NotJson(String),
    /// JSON, but a list, a text or a number.
    #[error("it is no JSON object")]
    NotAnObject,
}

impl PredicateType {
    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI as part of a file name: `slsa-dev-provenance-v1`.
    #[must_use]
    pub fn label(&self) -> String {
        let plain = |character: char| character.is_ascii_alphanumeric();
        let rest = self.0.strip_prefix("https://").unwrap_or(&self.0);
        let words: Vec<&str> = rest
            .split(|character| !plain(character))
            .filter(|word| !word.is_empty())
            .collect();
        words.join("-").chars().take(MAX_LABEL).collect()
    }
}

impl FromStr for PredicateType {
    type Err = PredicateTypeError;

    fn from_str(text: &str) -> Result<Self, PredicateTypeError> {
        if text == SLSA_NAME {
            return Ok(Self(SLSA_V1.to_owned()));
        }
        let uri = Url::parse(text).map_err(|_cause| PredicateTypeError::NotAUri)?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PredicateTypeError::NotAUri);
        }
        if uri.as_str() == APPROVAL {
            return Err(PredicateTypeError::Approval);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Predicate {
    type Err = PredicateError;

    fn from_str(text: &str) -> Result<Self, PredicateError> {
        let not_json = |cause: serde_json::Error| PredicateError::NotJson(cause.to_string());
        if text.len() as u64 > MAX_PREDICATE {
            return Err(PredicateError::TooLarge);
        }
        // As it is written: a number that was parsed may come out as another.
        let written: Box<RawValue> = serde_json::from_str(text).map_err(not_json)?;
        if !written.get().starts_with('{') {
            return Err(PredicateError::NotAnObject);
        }
        // One level down, which is where it stands in the statement.
        let within = format!("[{}]", written.get());
        serde_json::from_str::<Value>(&within).map_err(not_json)?;
        Ok(Self(written))
    }
}

/// An in-toto v1 statement about the component with that file name and digest.
pub(super) fn statement(
    name: &str,
    digest: Digest,
    kind: &PredicateType,
    predicate: &Predicate,
) -> serde_json::Result<Vec<u8>> {
    let sha256 = Sha256Hash::new(*digest.as_bytes()).to_hex();
    serde_json::to_vec(&About {
        statement: Statement::TYPE_V1,
        subject: [Subject {
            name,
            digest: Sha256 { sha256: &sha256 },
        }],
        predicate_type: kind.as_str(),
        predicate: &predicate.0,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    #[serde(rename = "_type")]
    statement: &'static str,
    subject: [Subject<'a>; 1],
    predicate_type: &'a str,
    predicate: &'a RawValue,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    digest: Sha256<'a>,
}

#[derive(Serialize)]
struct Sha256<'a> {
    sha256: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_uri_or_a_known_name_and_no_approval() {
        for (text, expected) in [
            ("slsaprovenance1", Ok(SLSA_V1)),
            (SLSA_V1, Ok(SLSA_V1)),
            ("urn:example:test", Ok("urn:example:test")),
            ("slsaprovenance", Err(PredicateTypeError::NotAUri)),
            ("", Err(PredicateTypeError::NotAUri)),
            ("example.com/test", Err(PredicateTypeError::NotAUri)),
            ("https://example.com/a b", Err(PredicateTypeError::NotAUri)),
            ("https://example.com/a\n", Err(PredicateTypeError::NotAUri)),
            (APPROVAL, Err(PredicateTypeError::Approval)),
            (
                "HTTPS://Sigstore.DEV/cosign/sign/v1",
                Err(PredicateTypeError::Approval),
            ),
        ] {
            let parsed = text.parse::<PredicateType>();
            assert_eq!(
                parsed.as_ref().map(PredicateType::as_str),
                expected.as_ref().map(|it| *it),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_label_fits_a_file_name() {
        let long = format!("https://example.com/{}", "x".repeat(500));
        for (uri, expected) in [
            (SLSA_V1, "slsa-dev-provenance-v1"),
            ("urn:a:../..//b", "urn-a-b"),
            ("https://cyclonedx.org/bom", "cyclonedx-org-bom"),
            (
                &long,
                "example-com-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            ),
        ] {
            assert_eq!(uri.parse::<PredicateType>().unwrap().label(), expected);
        }
    }

    #[test]
    fn a_predicate_is_an_object_of_a_size_and_depth_that_are_read() {
        let refused = |text: &str| text.parse::<Predicate>().unwrap_err();
        for text in ["[]", "1", "null", "\"{}\""] {
            assert_eq!(refused(text), PredicateError::NotAnObject, "{text}");
        }
        // Left open, ended twice, half a character, no number of a computer.
        for text in [
            "",
            "{",
            "{}{}",
            "{}],[{}",
            r#"{"a":"\ud800"}"#,
            r#"{"a":1e999}"#,
        ] {
            assert!(
                matches!(refused(text), PredicateError::NotJson(_)),
                "{text}"
            );
        }
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(matches!(refused(&nested(127)), PredicateError::NotJson(_)));
        nested(126).parse::<Predicate>().unwrap();
        let large = format!("{{}}{}", " ".repeat(128 * 1024));
        assert_eq!(refused(&large), PredicateError::TooLarge);
    }
}
