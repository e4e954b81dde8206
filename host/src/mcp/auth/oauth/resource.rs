//! What clients are told of where to get tokens (RFC 9728).

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use super::settings::OauthSettings;
use crate::mcp::auth::reason::{Reason, Weight};

/// Where the metadata of a resource stands, before the resource's own path.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// This host, as a client knows it.
#[derive(Debug)]
pub(super) struct Resource {
    /// Where the metadata stands, as clients reach it.
    metadata: String,
    /// Paths under which it is served.
    paths: [String; 3],
    page: Bytes,
    scopes: String,
}

impl Resource {
    pub(super) fn of(settings: &OauthSettings) -> Self {
        let own = settings.resource.path().trim_end_matches('/');
        let origin = settings.resource.origin().ascii_serialization();
        let mut scopes: Vec<&str> = settings.required_scope.as_deref().into_iter().collect();
        for scope in settings.scopes.keys() {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        let mut page = json!({
            "resource": settings.resource.as_str(),
            "authorization_servers": [settings.issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": "skillhost",
        });
        if let Some(page) = page.as_object_mut().filter(|_| !scopes.is_empty()) {
            page.insert("scopes_supported".to_owned(), json!(scopes));
        }
        Self {
            metadata: format!("{origin}{WELL_KNOWN}{own}"),
            paths: [
                WELL_KNOWN.to_owned(),
                format!("{WELL_KNOWN}/mcp"),
                format!("{WELL_KNOWN}{own}"),
            ],
            page: page.to_string().into(),
            scopes: scopes.join(" "),
        }
    }

    pub(super) fn page(&self, path: &str) -> Option<Bytes> {
        let is_it = self.paths.iter().any(|it| it == path);
        is_it.then(|| self.page.clone())
    }

    pub(super) fn challenge(&self, reason: Reason) -> Option<HeaderValue> {
        let mut text = format!("Bearer resource_metadata=\"{}\"", self.metadata);
        if let Some(error) = error(reason) {
            text = format!("{text}, error=\"{error}\"");
        }
        if !self.scopes.is_empty() {
            text = format!("{text}, scope=\"{}\"", self.scopes);
        }
        text.parse().ok()
    }
}

/// RFC 6750, section 3.1: none for whoever sent nothing.
pub(in crate::mcp::auth) const fn error(reason: Reason) -> Option<&'static str> {
    match reason.weight() {
        Weight::Asked | Weight::Unknown => None,
        Weight::Tried => Some("invalid_token"),
        Weight::Lacks => Some("insufficient_scope"),
    }
}
