//! Which secrets a skill gets, and what is done with them. Names only: values
//! are no matter of policy.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::HeaderName;
use url::Host;

use super::origin::{Origin, Scheme};
use super::remedy::no_secret;
use super::{Denied, OperatorGrant};
use crate::manifest::{Manifest, SecretName, SecretUse, SecretWish};

/// A secret that the host adds to requests to one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialGrant {
    /// Which of the operator's secrets.
    pub secret: SecretName,
    /// To whose requests it is added, and to no others.
    pub origin: Origin,
    /// Where it stands in a request.
    pub place: Place,
}

/// Where a credential stands in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a header, behind a prefix such as `Bearer `.
    Header {
        /// Its name.
        name: HeaderName,
        /// What stands before the value.
        prefix: String,
    },
    /// In the query of the address, as the value of this key.
    Query {
        /// The key.
        key: String,
    },
}

/// Headers that shape a message or choose who answers it.
const NOT_FOR_CREDENTIALS: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Place {
    /// `Authorization: Bearer VALUE` (RFC 6750, section 2.1), which most services
    /// want.
    #[must_use]
    pub fn bearer() -> Self {
        Self::Header {
            name: http::header::AUTHORIZATION,
            prefix: "Bearer ".to_owned(),
        }
    }

    /// A header, with or without a prefix, or the key of a query.
    ///
    /// # Errors
    ///
    /// In a sentence, if it is neither or both, or cannot be.
    pub fn of(
        header: Option<String>,
        prefix: Option<String>,
        query: Option<String>,
    ) -> Result<Self, String> {
        match (header, prefix, query) {
            (Some(name), prefix, None) => Ok(Self::Header {
                name: header_name(&name)?,
                prefix: header_prefix(prefix.unwrap_or_default())?,
            }),
            (None, None, Some(key)) if !key.is_empty() => Ok(Self::Query { key }),
            _ => Err("a credential stands in a `header`, with or without a `prefix`, or in a `query`; name one of them".to_owned()),
        }
    }
}

/// The name of a header that the host adds; one that shapes the message is none.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_cause| format!("{text:?} is no name of a header"))?;
    if NOT_FOR_CREDENTIALS.contains(&name.as_str()) {
        return Err(format!("the header `{name}` is no place for a credential"));
    }
    Ok(name)
}

/// What stands in a header before a secret.
pub(crate) fn header_prefix(text: String) -> Result<String, String> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(text);
    }
    Err("the `prefix` holds a character that no header has".to_owned())
}

/// The one origin that a credential is for.
///
/// # Errors
///
/// In a sentence: it is a pattern, is not written as it is understood, or would
/// be sent the credential in the clear.
pub fn credential_origin(text: &str) -> Result<Origin, String> {
    if text.contains('*') {
        return Err("a credential is for one origin; write it without `*`".to_owned());
    }
    let origin = Origin::of(text)?;
    if origin.to_string() != text.trim_end_matches('/') {
        return Err(format!(
            "write the origin as `{origin}`: scheme, host and port, and nothing behind"
        ));
    }
    if !may_carry_credentials(&origin) {
        return Err(format!(
            "{origin} would be sent the credential in the clear; use https, or an address of this machine"
        ));
    }
    Ok(origin)
}

/// Whether a credential may be sent to that origin: over TLS, or to this
/// machine.
#[must_use]
pub fn may_carry_credentials(origin: &Origin) -> bool {
    let local = match &origin.host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => IpAddr::V4(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).is_loopback(),
    };
    origin.scheme == Scheme::Https || local
}

/// What a skill gets of what it wants: credentials by its own names for them,
/// and its names of secrets that it may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SecretGrants {
    pub(super) credentials: BTreeMap<SecretName, CredentialGrant>,
    pub(super) reveal: BTreeMap<SecretName, SecretName>,
}

/// What both the manifest wants and the operator allows.
pub(super) fn secrets(
    manifest: &Manifest,
    operator: &OperatorGrant,
    unused: &mut Vec<String>,
) -> Result<SecretGrants, Denied> {
    let mut granted = SecretGrants::default();
    for (name, wish) in &manifest.capabilities.secrets {
        if !granted.add(name, wish, operator) && !wish.optional {
            return Err(no_secret(manifest, name, wish));
        }
    }
    for (name, credential) in &operator.credentials {
        if !granted.credentials.contains_key(name) {
            unused.push(format!("credential `{name}` for {}", credential.origin));
        }
    }
    for name in operator.reveal.keys() {
        if !granted.reveal.contains_key(name) {
            unused.push(format!("secret `{name}`"));
        }
    }
    Ok(granted)
}

impl SecretGrants {
    /// Whether the wish is granted.
    fn add(&mut self, name: &SecretName, wish: &SecretWish, operator: &OperatorGrant) -> bool {
        match wish.usage {
            SecretUse::Inject => {
                let wanted = |grant: &&CredentialGrant| {
                    let origin = wish.origin.as_ref();
                    origin.is_some_and(|rule| rule.allows(&grant.origin))
                };
                let granted = operator.credentials.get(name).filter(wanted);
                let granted = granted.map(|grant| (name.clone(), grant.clone()));
                let before = self.credentials.len();
                self.credentials.extend(granted);
                self.credentials.len() > before
            }
            SecretUse::Reveal => {
                let granted = operator.reveal.get(name);
                let granted = granted.map(|secret| (name.clone(), secret.clone()));
                let before = self.reveal.len();
                self.reveal.extend(granted);
                self.reveal.len() > before
            }
        }
    }
}
