//! `[consent]`: who is asked for what was not granted.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::trust::Page;
use crate::consent::ask::{AskRules, Offer};
use crate::error::Result;
use crate::policy::limits;

/// The shortest time to wait for an answer; the longest is that of any time in a
/// configuration.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct ConsentTable {
    ask: Option<Offer>,
    ask_over_http: Option<Spanned<Offer>>,
    #[serde(deserialize_with = "limits::time")]
    wait: Option<Duration>,
}

impl ConsentTable {
    pub(super) fn read(table: Option<Spanned<Self>>, page: &Page<'_>) -> Result<AskRules> {
        let default = AskRules::default();
        let Some(table) = table else {
            return Ok(default);
        };
        let at = table.span().start;
        let Self {
            ask,
            ask_over_http,
            wait,
        } = table.into_inner();
        // A grant for good is for all callers: one of them must not give it.
        if let Some(http) = ask_over_http
            .as_ref()
            .filter(|it| *it.get_ref() == Offer::Always)
        {
            return Err(page.invalid_at(
                http.span().start,
                "who calls over HTTP could grant for every other caller; `ask-over-http` is \"never\" or \"once\"",
            ));
        }
        let wait = wait.unwrap_or(default.wait);
        if wait < SHORTEST {
            return Err(page.invalid_at(
                at,
                "nobody answers within the `wait` under [consent]; it is at least 1s",
            ));
        }
        Ok(AskRules {
            local: ask.unwrap_or(default.local),
            http: ask_over_http.map_or(default.http, Spanned::into_inner),
            wait,
        })
    }
}
