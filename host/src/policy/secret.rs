//! Which secrets a skill gets, and what is done with them. Names only: values
//! are no matter of policy.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::HeaderName;
use url::Host;

use super::origin::{Origin, Scheme};
use super::{Denied, OperatorGrant, reason};
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

fn no_secret(manifest: &Manifest, name: &SecretName, wish: &SecretWish) -> Denied {
    let skill = manifest.name.as_str();
    let reason = reason(&wish.reason);
    let (message, grant) = match &wish.origin {
        Some(origin) => (
            format!(
                "{skill} wants the credential `{name}` for requests to {origin} and was given none: {reason}."
            ),
            credential_grant(skill, name.as_str(), &origin.to_string()),
        ),
        None => (
            format!("{skill} wants to read the secret `{name}` and was not shown it: {reason}."),
            reveal_grant(skill, name.as_str()),
        ),
    };
    Denied {
        capability: "secrets",
        message,
        grant,
    }
}

/// How to give `skill` a credential.
pub(crate) fn credential_grant(skill: &str, name: &str, origin: &str) -> String {
    format!(
        "`credentials.{name} = {{ secret = \"SECRET\", origin = \"{origin}\", header = \"Authorization\", prefix = \"Bearer \" }}` under `[skill.{skill}]`, and `[secret.SECRET]`, in skillhost.toml"
    )
}

/// How to let `skill` read a secret.
pub(crate) fn reveal_grant(skill: &str, name: &str) -> String {
    format!(
        "`reveal.{name} = \"SECRET\"` under `[skill.{skill}]`, and `[secret.SECRET]`, in skillhost.toml"
    )
}
