//! What an operator says of tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use url::Url;

use crate::admission::rules::ToolPattern;
use crate::event::sink::Target;

/// The longest leeway: clocks that differ by more are wrong.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// Whose tokens are taken, and what they allow.
///
/// # Defaults
///
/// Signed with RS256, ES256 or EdDSA; clocks may differ by 60 seconds; callers are
/// told apart by `sub`; no scope is required, and a token allows what its
/// caller's rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthSettings {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) resource: Url,
    pub(super) keys: KeySource,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) leeway: Duration,
    pub(super) principal_claim: String,
    pub(super) required_scope: Option<String>,
    pub(super) scopes: BTreeMap<String, Vec<ToolPattern>>,
}

/// Where the issuer's keys are (a JWK set, RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In a file that the operator keeps.
    File(PathBuf),
    /// At an address of the issuer.
    Url(Target),
}

impl KeySource {
    /// Reads a path, relative to `folder`, or an address.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as part of a sentence.
    pub fn parse(text: &str, allow_private: bool, folder: &Path) -> Result<Self, String> {
        if text.is_empty() {
            return Err("`jwks` is a file, or an address with https".to_owned());
        }
        if !text.contains("://") {
            return Ok(Self::File(folder.join(text)));
        }
        if !Url::parse(text).is_ok_and(|url| is_safe(&url)) {
            return Err("`jwks` is a file, or an address with https".to_owned());
        }
        let target = Target::parse(text, allow_private);
        target
            .map(Self::Url)
            .map_err(|problem| format!("`jwks`: {problem}"))
    }
}

impl OauthSettings {
    /// Tokens of `issuer` for `audience`, signed with keys from `keys`.
    /// `resource` is the address at which clients reach this host; none: the
    /// audience is one.
    ///
    /// # Errors
    ///
    /// What is wrong, as part of a sentence.
    pub fn new(
        issuer: String,
        audience: String,
        resource: Option<&str>,
        keys: KeySource,
    ) -> Result<Self, String> {
        if web_address(&issuer).is_none() {
            return Err(
                "`issuer` is the issuer's address, as it stands in tokens, with https".to_owned(),
            );
        }
        if audience.is_empty() {
            return Err(
                "`audience` says which tokens are for this host; it cannot be empty".to_owned(),
            );
        }
        let address = resource.unwrap_or(&audience);
        let resource = web_address(address).ok_or(
            "`resource` is the address at which clients reach this host, such as `https://skills.example.com/mcp`; it is the `audience` unless that is no address",
        )?;
        Ok(Self {
            issuer,
            audience,
            resource,
            keys,
            algorithms: vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            leeway: Duration::from_secs(60),
            principal_claim: "sub".to_owned(),
            required_scope: None,
            scopes: BTreeMap::new(),
        })
    }

    /// Takes these algorithms and no others.
    ///
    /// # Errors
    ///
    /// For none, and for those that are not signatures of a public key: with `none`
    /// everybody signs, and with HS256 everybody who knows a public key.
    pub fn set_algorithms(&mut self, names: &[String]) -> Result<(), String> {
        let wrong = |name: &str| {
            format!(
                "`{name}` is no algorithm for tokens; there are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"
            )
        };
        let parse = |name: &String| {
            let algorithm: Option<Algorithm> = name.parse().ok();
            algorithm
                .filter(|it| it.family() != AlgorithmFamily::Hmac)
                .ok_or_else(|| wrong(name))
        };
        self.algorithms = names.iter().map(parse).collect::<Result<_, _>>()?;
        if self.algorithms.is_empty() {
            return Err("name one of the `algorithms` at the least".to_owned());
        }
        Ok(())
    }

    /// Takes tokens so long before their time and after it.
    ///
    /// # Errors
    ///
    /// For more than five minutes.
    pub fn set_leeway(&mut self, leeway: Duration) -> Result<(), String> {
        if leeway > MAX_LEEWAY {
            return Err("`leeway` is at most `5m`".to_owned());
        }
        self.leeway = leeway;
        Ok(())
    }

    /// Tells callers apart by another claim.
    ///
    /// # Errors
    ///
    /// For one without a name.
    pub fn set_principal_claim(&mut self, claim: String) -> Result<(), String> {
        if claim.is_empty() {
            return Err("`principal-claim` is the name of a claim, such as `sub`".to_owned());
        }
        self.principal_claim = claim;
        Ok(())
    }

    /// Refuses tokens without this scope.
    ///
    /// # Errors
    ///
    /// For what cannot be a scope.
    pub fn set_required_scope(&mut self, scope: String) -> Result<(), String> {
        self.required_scope = Some(checked(scope)?);
        Ok(())
    }

    /// Lets tokens with this scope call these tools. Once there is one, a token
    /// calls nothing that its scopes do not name.
    ///
    /// # Errors
    ///
    /// For what cannot be a scope.
    pub fn add_scope(&mut self, scope: String, tools: Vec<ToolPattern>) -> Result<(), String> {
        self.scopes.insert(checked(scope)?, tools);
        Ok(())
    }
}

/// RFC 6749, section 3.3: it stands between quotes in a header.
fn checked(scope: String) -> Result<String, String> {
    let plain = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if scope.is_empty() || !scope.bytes().all(plain) {
        return Err(format!(
            "`{}` cannot be a scope: it has printable characters of ASCII, without spaces, `\"` and `\\`",
            scope.escape_default()
        ));
    }
    Ok(scope)
}

/// An address with https, or of this machine.
fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (is_safe(&url) && plain && text.is_ascii() && !text.contains(['"', '\\'])).then_some(url)
}

/// Whether nobody on the way can change what stands there.
fn is_safe(url: &Url) -> bool {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}
