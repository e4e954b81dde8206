//! Addresses that a human is sent to.

use crate::error::{Error, Kind, Result};
use crate::policy::origin::{Origin, Scheme};
use crate::policy::{Grant, remedy};

/// The longest address, in bytes.
const MAX_URL: usize = 2000;

/// An address of the web that reads one way only.
pub(super) fn read(text: &str) -> Result<String, String> {
    if text.len() > MAX_URL || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "an address is at most {MAX_URL} characters of ASCII, none of them white space"
        ));
    }
    let origin = Origin::of(text)?;
    if origin.scheme != Scheme::Https {
        return Err("a human is sent to addresses with `https` only".to_owned());
    }
    Ok(text.to_owned())
}

/// An address in a question is a way out of the sandbox, through somebody
/// else's browser: it takes the same grant as a request.
pub(super) fn check(url: &str, skill: &str, grant: &Grant) -> Result<()> {
    let origin = Origin::of(url).map_err(|problem| Error::new(Kind::InvalidOutput, problem))?;
    if grant.http().iter().any(|rule| rule.allows(&origin)) {
        return Ok(());
    }
    let grant = remedy::http(skill, &origin.to_string(), grant.wanted());
    Err(Error::new(
        Kind::Denied,
        format!("The skill wants to send you to {origin}, which it was not granted."),
    )
    .with_hint(format!("Allow it with {grant}.")))
}
