//! Tokens of OAuth 2.1: this host as a resource server.
//!
//! A token is a JWT (RFC 7519) that the one issuer signed for this host's
//! audience. Which key it is checked with is looked up among the issuer's keys,
//! by the key's id; what the token itself brings along or points to (`jwk`,
//! `jku`, `x5c`, `x5u`) is never read.

mod issuer;
mod jwks;
mod name;
mod resource;
mod settings;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use self::issuer::IssuerKeys;
use self::jwks::Found;
pub(super) use self::name::is_of_a_token;
use self::name::principal;
use self::resource::Resource;
pub use self::settings::{KeySource, OauthSettings};
use self::token::{Claims, Token};
use super::reason::Reason;
use crate::admission::Scope;
use crate::admission::rules::ToolPattern;
use crate::error::Result;
use crate::host::Surroundings;
use crate::invocation::Principal;
use crate::mcp::caller::Caller;
use crate::time::Clock;

/// Takes the tokens of one issuer.
#[derive(Debug)]
pub(super) struct Oauth {
    settings: OauthSettings,
    keys: Arc<IssuerKeys>,
    resource: Resource,
    clock: Arc<dyn Clock>,
}

impl Oauth {
    /// # Errors
    ///
    /// `ConfigInvalid` and `ConfigInsecure` for a file of keys that cannot be used.
    pub(super) fn open(settings: OauthSettings, around: &Surroundings) -> Result<Self> {
        Ok(Self {
            keys: IssuerKeys::open(&settings.keys, around)?,
            resource: Resource::of(&settings),
            clock: Arc::clone(&around.clock),
            settings,
        })
    }

    /// Whose token it is, and what it allows.
    pub(super) async fn holder(&self, text: &str) -> Result<Caller, Reason> {
        let token = Token::parse(text).ok_or(Reason::NoToken)?;
        token.check_header(&self.settings.algorithms)?;
        let keys = match self.keys.fitting(&token).await {
            Found::Keys(keys) => keys,
            Found::None => return Err(Reason::UnknownKey),
            Found::NotToBeHad => return Err(Reason::NoKeys),
        };
        if !keys.iter().any(|key| token.is_signed_by(key)) {
            return Err(Reason::Signature);
        }
        let claims = token.claims()?;
        claims.check(&self.settings, self.clock.wall())?;
        let subject = claims.text(&self.settings.principal_claim);
        let name = principal(subject.ok_or(Reason::Subject)?).ok_or(Reason::Subject)?;
        Ok(Caller {
            principal: Principal::Named(name),
            scope: self.scope(&claims)?.map(Arc::new),
        })
    }

    /// What the token's scopes allow together; none if scopes say nothing of
    /// tools. A token that allows no tool at all is of no use here.
    fn scope(&self, claims: &Claims) -> Result<Option<Scope>, Reason> {
        let has: BTreeSet<&str> = claims.scopes().collect();
        let required = self.settings.required_scope.as_deref();
        if required.is_some_and(|it| !has.contains(it)) {
            return Err(Reason::Scope);
        }
        if self.settings.scopes.is_empty() {
            return Ok(None);
        }
        let mut known = self.settings.scopes.iter();
        if !known.any(|(scope, _)| has.contains(scope.as_str())) {
            return Err(Reason::Scope);
        }
        let allowed = self.settings.scopes.iter();
        let allowed = allowed.filter(|(scope, _)| has.contains(scope.as_str()));
        let allowed: Vec<ToolPattern> = allowed.flat_map(|(_, tools)| tools.clone()).collect();
        let origin = "the token's scopes, by `[auth.oauth.scopes]`";
        Ok(Some(Scope::new(origin, Some(allowed), None, &self.clock)))
    }

    /// What would let somebody in (RFC 9728, section 5.1; RFC 6750, section 3).
    pub(super) fn challenge(&self, reason: Reason) -> Option<HeaderValue> {
        self.resource.challenge(reason)
    }

    /// The metadata of this resource (RFC 9728), if `path` is where it stands.
    pub(super) fn page(&self, path: &str) -> Option<Bytes> {
        self.resource.page(path)
    }
}

#[cfg(test)]
pub(super) mod tests;
