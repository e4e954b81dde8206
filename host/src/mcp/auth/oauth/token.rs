//! One token: its parts, and what must hold of each.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::jwks::IssuerKey;
use super::settings::OauthSettings;
use crate::mcp::auth::reason::Reason;

/// A JWT in its compact form (RFC 7515, section 7.1). Nothing of it is trusted.
#[derive(Debug)]
pub(super) struct Token<'a> {
    header: Header,
    algorithm: Option<Algorithm>,
    /// Header and payload, as they were signed.
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// What is read of a header. `jwk`, `jku`, `x5c` and `x5u` are passed over: a
/// token does not bring the key that it is checked with.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

/// What a token says, once its signature holds.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        // A name that stands there twice is an error.
        let header: Header = serde_json::from_slice(&header).ok()?;
        Some(Self {
            algorithm: header.alg.parse().ok(),
            header,
            signed,
            payload,
            signature,
        })
    }

    /// Judges what can be told without a key.
    pub(super) fn check_header(&self, allowed: &[Algorithm]) -> Result<(), Reason> {
        if !self.algorithm.is_some_and(|it| allowed.contains(&it)) {
            return Err(Reason::Algorithm);
        }
        // No extension is known here, and one that must be understood changes what
        // the rest means.
        if self.header.crit.is_some() {
            return Err(Reason::Critical);
        }
        let typ = self.header.typ.as_deref().map(str::to_ascii_lowercase);
        match typ.as_deref() {
            None | Some("jwt" | "at+jwt" | "application/at+jwt" | "application/jwt") => Ok(()),
            Some(_) => Err(Reason::Type),
        }
    }

    /// Whether it claims to be signed with that key.
    pub(super) fn names(&self, key: &IssuerKey) -> bool {
        let is_named = self.header.kid.is_none() || self.header.kid == key.id;
        is_named && self.algorithm.is_some_and(|it| key.signs_with(it))
    }

    /// Whether it says which key it is signed with.
    pub(super) const fn names_one(&self) -> bool {
        self.header.kid.is_some()
    }

    pub(super) fn is_signed_by(&self, key: &IssuerKey) -> bool {
        let Some(algorithm) = self.algorithm.filter(|it| key.signs_with(*it)) else {
            return false;
        };
        let message = self.signed.as_bytes();
        let verified =
            jsonwebtoken::crypto::verify(self.signature, message, &key.verifying, algorithm);
        verified.unwrap_or(false)
    }

    pub(super) fn claims(&self) -> Result<Claims, Reason> {
        let payload = URL_SAFE_NO_PAD.decode(self.payload);
        let payload = payload.map_err(|_shows_it| Reason::Claims)?;
        let claims = serde_json::from_slice(&payload);
        claims.map(Claims).map_err(|_shows_it| Reason::Claims)
    }
}

impl Claims {
    /// Issuer, audience and time.
    pub(super) fn check(&self, settings: &OauthSettings, now: Timestamp) -> Result<(), Reason> {
        if self.text("iss") != Some(&settings.issuer) {
            return Err(Reason::Issuer);
        }
        if !self.is_for(&settings.audience) {
            return Err(Reason::Audience);
        }
        let now = now.as_second();
        let leeway = i64::try_from(settings.leeway.as_secs()).unwrap_or_default();
        let ends = self.time("exp")?.ok_or(Reason::Claims)?;
        if ends.saturating_add(leeway) <= now {
            return Err(Reason::ExpiredToken);
        }
        let begins = self.time("nbf")?;
        if begins.is_some_and(|begins| begins.saturating_sub(leeway) > now) {
            return Err(Reason::EarlyToken);
        }
        Ok(())
    }

    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    /// Scopes as RFC 9068 has them (`scope`, with spaces between), or else as some
    /// issuers do (`scp`, a list or likewise).
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        let listed = self.0.get("scope").or_else(|| self.0.get("scp"));
        let texts: Vec<&str> = match listed {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(each)) => each.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        texts.into_iter().flat_map(str::split_ascii_whitespace)
    }

    /// One audience, or several (RFC 7519, section 4.1.3).
    fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(each)) => each.iter().any(|it| it.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// Seconds since 1970, of which parts do not count.
    fn time(&self, claim: &str) -> Result<Option<i64>, Reason> {
        let Some(value) = self.0.get(claim) else {
            return Ok(None);
        };
        let whole = value.as_i64().or_else(|| {
            let seconds = value.as_f64()?;
            let text = format!("{:.0}", seconds.floor());
            text.parse().ok()
        });
        whole.map(Some).ok_or(Reason::Claims)
    }
}
