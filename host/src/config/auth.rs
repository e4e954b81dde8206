//! `[auth]`: how callers over HTTP prove who they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::trust::Page;
use crate::error::Result;
use crate::mcp::{KeySource, OauthSettings};
use crate::policy::limits;

/// How callers over HTTP prove who they are.
///
/// # Defaults
///
/// By the keys that `skillhost keys` made, if there are any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthConfig {
    /// Whether there is a table `[auth]`: callers then have to prove who they are,
    /// although there may be no key yet.
    pub is_declared: bool,
    /// Where the keys lie; none: [`Places::bearer_keys`](super::Places::bearer_keys).
    pub keys: Option<PathBuf>,
    /// Whose tokens are taken besides.
    pub oauth: Option<OauthSettings>,
}

impl AuthConfig {
    /// Whether callers have to prove who they are. `keys` is the file of keys.
    #[must_use]
    pub fn is_configured(&self, keys: &Path) -> bool {
        self.is_declared || keys.exists()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthTable {
    keys: Option<PathBuf>,
    oauth: Option<Spanned<OauthTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OauthTable {
    issuer: String,
    audience: String,
    resource: Option<String>,
    jwks: String,
    #[serde(default)]
    allow_private: bool,
    algorithms: Option<Vec<String>>,
    #[serde(default, deserialize_with = "limits::time")]
    leeway: Option<Duration>,
    principal_claim: Option<String>,
    required_scope: Option<String>,
    #[serde(default)]
    scopes: BTreeMap<String, Vec<String>>,
}

pub(super) fn read(table: Option<AuthTable>, page: &Page<'_>) -> Result<AuthConfig> {
    let Some(table) = table else {
        return Ok(AuthConfig::default());
    };
    let oauth = table.oauth.map(|table| {
        let at = table.span().start;
        let read = table.into_inner().read(page.folder());
        read.map_err(|problem| page.invalid_at(at, format_args!("`[auth.oauth]`: {problem}")))
    });
    Ok(AuthConfig {
        is_declared: true,
        keys: table.keys.map(|keys| page.folder().join(keys)),
        oauth: oauth.transpose()?,
    })
}

impl OauthTable {
    fn read(self, folder: &Path) -> Result<OauthSettings, String> {
        let keys = KeySource::parse(&self.jwks, self.allow_private, folder)?;
        let mut settings =
            OauthSettings::new(self.issuer, self.audience, self.resource.as_deref(), keys)?;
        if let Some(algorithms) = self.algorithms {
            settings.set_algorithms(&algorithms)?;
        }
        if let Some(leeway) = self.leeway {
            settings.set_leeway(leeway)?;
        }
        if let Some(claim) = self.principal_claim {
            settings.set_principal_claim(claim)?;
        }
        for (scope, tools) in self.scopes {
            let tools = tools.iter().map(|tool| tool.parse());
            settings.add_scope(scope, tools.collect::<Result<_, String>>()?)?;
        }
        if let Some(scope) = self.required_scope {
            settings.set_required_scope(scope)?;
        }
        Ok(settings)
    }
}
