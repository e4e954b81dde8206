//! What a skill is entrusted with: credentials that the host adds to requests,
//! and secrets that it may read.
//!
//! A credential is bound to one origin: scheme, host and port. It is added when
//! a request has been judged, to the value that is dialled, so there is no
//! second reading of the address; and redirects are not followed. A skill names
//! the credential (`skillhost:skill/http`), and a request to another origin is
//! refused. Over `wasi:http`, which has no place for a name, it is added to
//! every request to its origin that has not that header already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Uri};
use url::form_urlencoded;
use wasmtime::Result as EngineResult;

use super::bindings::skillhost::skill::secrets::{Error as WitError, Host};
use super::{Observer, State};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::manifest::{Manifest, SecretName, SecretUse};
use crate::policy::Grant;
use crate::policy::origin::Origin;
use crate::policy::remedy;
use crate::policy::secret::{CredentialGrant, Place};
use crate::secret::{Secret, Secrets};

/// Secrets of one skill, with their values. One that the operator set no value
/// for has none.
#[derive(Debug, Default)]
pub(crate) struct Entrusted {
    /// Which the skill wants to read.
    wanted: BTreeSet<SecretName>,
    credentials: BTreeMap<SecretName, Credential>,
    revealed: BTreeMap<SecretName, Option<Arc<Secret>>>,
}

#[derive(Debug)]
struct Credential {
    grant: CredentialGrant,
    value: Option<Arc<Secret>>,
}

/// Why a credential is not added to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAdded {
    /// The skill was given none of that name.
    NotGranted,
    /// It is for another origin.
    OtherOrigin,
    /// The operator set no value.
    NotSet,
    /// The skill has filled its place itself.
    Taken,
    /// `TRACE` has the server repeat the request to the skill.
    Repeated,
}

impl NotAdded {
    /// In a few words, for the skill.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::NotGranted => "no credential of that name was granted to this skill",
            Self::OtherOrigin => "the credential is for another origin",
            Self::NotSet => "the operator has not set the credential",
            Self::Taken => "the request has what the credential would add already",
            Self::Repeated => "a credential is not added to a TRACE request",
        }
    }
}

impl Entrusted {
    /// What `grant` names, with values.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a value that cannot stand where it is to stand.
    pub(crate) fn new(manifest: &Manifest, grant: &Grant, secrets: &Secrets) -> Result<Self> {
        let wishes = manifest.capabilities.secrets.iter();
        let wanted = wishes.filter(|(_, wish)| wish.usage == SecretUse::Reveal);
        let credential = |(name, grant): (&SecretName, &CredentialGrant)| {
            let value = secrets.get(&grant.secret).cloned();
            let credential = Credential {
                grant: grant.clone(),
                value,
            };
            credential.check()?;
            Ok((name.clone(), credential))
        };
        let reveal = grant.reveal().iter();
        Ok(Self {
            wanted: wanted.map(|(name, _)| name.clone()).collect(),
            credentials: grant
                .credentials()
                .iter()
                .map(credential)
                .collect::<Result<_>>()?,
            revealed: reveal
                .map(|(name, secret)| (name.clone(), secrets.get(secret).cloned()))
                .collect(),
        })
    }

    /// Adds the credential that the skill names to a request to `origin`, or
    /// nothing.
    pub(super) fn add_named<B>(
        &self,
        name: &str,
        origin: &Origin,
        request: &mut Request<B>,
        observer: &Observer,
    ) -> Result<(), NotAdded> {
        let found = name.parse().ok();
        let found = found.and_then(|name: SecretName| self.credentials.get(&name));
        let added = found
            .ok_or(NotAdded::NotGranted)
            .and_then(|credential| credential.add(origin, request));
        added.inspect_err(|why| refuse(*why, name, origin, observer))
    }

    /// Adds every credential that is bound to `origin` and whose place the
    /// skill has not filled itself.
    pub(super) fn add_bound<B>(&self, origin: &Origin, request: &mut Request<B>) {
        for credential in self.credentials.values() {
            // What is not added is missed by the server, which says so.
            let _ = credential.add(origin, request);
        }
    }

    fn reveal(&self, name: &str) -> Result<&Arc<Secret>, WitError> {
        let name: SecretName = name.parse().map_err(|_no_name| WitError::Undeclared)?;
        if !self.wanted.contains(&name) {
            return Err(WitError::Undeclared);
        }
        let granted = self.revealed.get(&name).ok_or(WitError::NotGranted)?;
        granted.as_ref().ok_or(WitError::NotSet)
    }
}

/// An attempt to send a credential elsewhere, or one that was not given, is an
/// event.
fn refuse(why: NotAdded, name: &str, origin: &Origin, observer: &Observer) {
    let grant = match why {
        NotAdded::NotGranted => {
            let (skill, wanted) = (observer.skill(), observer.wanted());
            remedy::credential(skill, name, &origin.to_string(), wanted)
        }
        NotAdded::OtherOrigin => {
            "nothing: a credential goes to the origin that it is bound to, and to no other"
                .to_owned()
        }
        NotAdded::NotSet => "a value where `[secret]` in skillhost.toml says".to_owned(),
        NotAdded::Taken | NotAdded::Repeated => return,
    };
    observer.secret(&format!("{name} for {origin}"), &grant);
}

impl Credential {
    fn check(&self) -> Result<()> {
        match (&self.grant.place, &self.value) {
            (Place::Header { prefix, .. }, Some(value)) if header(prefix, value).is_none() => {
                Err(Error::new(
                    Kind::ConfigInvalid,
                    format!(
                        "The value of the secret `{}` holds a character that no header has.",
                        self.grant.secret
                    ),
                )
                .with_hint("Look for a line break, or use another secret."))
            }
            _ => Ok(()),
        }
    }

    fn add<B>(&self, origin: &Origin, request: &mut Request<B>) -> Result<(), NotAdded> {
        if *origin != self.grant.origin {
            return Err(NotAdded::OtherOrigin);
        }
        if request.method() == Method::TRACE {
            return Err(NotAdded::Repeated);
        }
        let value = self.value.as_ref().ok_or(NotAdded::NotSet)?;
        match &self.grant.place {
            Place::Header { name, .. } if request.headers().contains_key(name) => {
                Err(NotAdded::Taken)
            }
            Place::Header { name, prefix } => {
                let value = header(prefix, value).ok_or(NotAdded::NotSet)?;
                request.headers_mut().insert(name, value);
                Ok(())
            }
            Place::Query { key } => {
                let uri = with_query(request.uri(), key, value).ok_or(NotAdded::Taken)?;
                *request.uri_mut() = uri;
                Ok(())
            }
        }
    }
}

fn header(prefix: &str, value: &Secret) -> Option<HeaderValue> {
    let text = zeroize::Zeroizing::new(format!("{prefix}{}", value.expose()));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The address with one more parameter; none if it has that one already.
fn with_query(uri: &Uri, key: &str, value: &Secret) -> Option<Uri> {
    let query = uri.query().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(found, _)| found == key) {
        return None;
    }
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    let added = pairs.append_pair(key, value.expose()).finish();
    let path = uri.path();
    let joined = match uri.query() {
        Some(query) => format!("{path}?{query}&{added}"),
        None => format!("{path}?{added}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(joined).ok()?);
    Uri::from_parts(parts).ok()
}

impl Host for State {
    fn reveal(&mut self, name: String) -> EngineResult<Result<String, WitError>> {
        let observer = &self.observer;
        Ok(match self.entrusted.reveal(&name) {
            Ok(secret) => {
                observer.revealed(&name);
                // A skill that got it could send it away before its call ends.
                match observer.lost() {
                    Some(_unrecorded) => Err(WitError::NotGranted),
                    None => Ok(secret.expose().to_owned()),
                }
            }
            Err(why) => {
                observer.secret(&name, &missing(why, observer, &name));
                Err(why)
            }
        })
    }
}

fn missing(why: WitError, observer: &Observer, name: &str) -> String {
    match why {
        WitError::Undeclared => {
            "`use = \"reveal\"` under `[capabilities.secrets]` in the author's skill.toml"
                .to_owned()
        }
        WitError::NotGranted => remedy::reveal(observer.skill(), name, observer.wanted()),
        WitError::NotSet => "a value where `[secret]` in skillhost.toml says".to_owned(),
    }
}

impl Observer {
    /// Records, once for each name, that the skill read a secret.
    fn revealed(&self, name: &str) {
        if self.is_first(name) {
            self.record(&Event::SecretRevealed {
                secret: name.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "SKH_CANARY_/ &x";

    fn credential(origin: &str, place: Place) -> Credential {
        Credential {
            grant: CredentialGrant {
                secret: "token".parse().unwrap(),
                origin: Origin::of(origin).unwrap(),
                place,
            },
            value: Some(Arc::new(Secret::new(VALUE.to_owned()).unwrap())),
        }
    }

    fn in_header() -> Place {
        Place::Header {
            name: http::header::AUTHORIZATION,
            prefix: "Bearer ".to_owned(),
        }
    }

    fn request(address: &str) -> (Origin, Request<()>) {
        let request = Request::builder().uri(address).body(()).unwrap();
        (Origin::of(address).unwrap(), request)
    }

    /// Whether and where the value stands in a request to that address.
    fn added(credential: &Credential, address: &str) -> Result<String, NotAdded> {
        let (origin, mut request) = request(address);
        credential.add(&origin, &mut request)?;
        let header = request.headers().get("authorization");
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        Ok(header.unwrap_or_else(|| request.uri().to_string()))
    }

    #[test]
    fn n18_a_credential_goes_to_its_very_origin_and_nowhere_else() {
        let credential = credential("https://api.test", in_header());
        let sent = Ok(format!("Bearer {VALUE}"));
        for address in [
            "https://api.test/a",
            "https://api.test:443/",
            "https://API.test/",
        ] {
            assert_eq!(added(&credential, address), sent, "{address}");
        }
        for address in [
            "http://api.test/",
            "https://api.test:8443/",
            "https://api.test.evil.test/",
            "https://evil-api.test/",
            "https://x.api.test/",
            "https://api.tes/",
            "https://127.0.0.1/",
        ] {
            let refused = Err(NotAdded::OtherOrigin);
            assert_eq!(added(&credential, address), refused, "{address}");
        }
    }

    #[test]
    fn n18_a_credential_in_the_query_is_encoded_and_added_once() {
        let place = Place::Query {
            key: "key".to_owned(),
        };
        let credential = credential("https://api.test", place);
        for (address, expected) in [
            ("https://api.test", Ok("/?key=SKH_CANARY_%2F+%26x")),
            (
                "https://api.test/p?a=b",
                Ok("/p?a=b&key=SKH_CANARY_%2F+%26x"),
            ),
            ("https://api.test/p?key=mine", Err(NotAdded::Taken)),
            ("https://api.test/p?a&%6bey=mine", Err(NotAdded::Taken)),
        ] {
            let expected = expected.map(|rest| format!("https://api.test{rest}"));
            assert_eq!(added(&credential, address), expected, "{address}");
        }
    }

    #[test]
    fn n18_what_the_skill_set_itself_is_not_replaced_nor_added_to_what_is_repeated() {
        let credential = credential("https://api.test", in_header());
        let (origin, mut request) = request("https://api.test/");
        *request.method_mut() = Method::TRACE;
        let repeated = credential.add(&origin, &mut request);
        assert_eq!(repeated, Err(NotAdded::Repeated));
        *request.method_mut() = Method::GET;
        let own = HeaderValue::from_static("own");
        request.headers_mut().insert("Authorization", own);
        assert_eq!(credential.add(&origin, &mut request), Err(NotAdded::Taken));
        assert_eq!(request.headers()["authorization"], "own");
    }

    #[test]
    fn a_value_that_no_header_can_hold_is_refused_when_the_skill_is_loaded() {
        let mut credential = credential("https://api.test", in_header());
        assert!(credential.check().is_ok());
        let broken = Secret::new("SKH\r\nCANARY".to_owned()).unwrap();
        credential.value = Some(Arc::new(broken));
        let error = credential.check().unwrap_err();
        assert_eq!(error.kind(), Kind::ConfigInvalid);
        assert!(!error.message().contains("CANARY"), "{error}");
    }
}
