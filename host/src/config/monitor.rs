//! `[monitor]`: which events, in which number, somebody should look at.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::trust::{Page, parse_age};
use crate::error::Result;
use crate::event::monitor::{Action, MAX_RULES, Per, Rule, RuleName, Rules};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MonitorTable {
    /// Whether the rules that we ship count.
    defaults: bool,
    rule: BTreeMap<RuleName, Spanned<RuleTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    event: String,
    per: Per,
    count: u32,
    within: String,
    #[serde(default)]
    action: Action,
}

impl Default for MonitorTable {
    fn default() -> Self {
        Self {
            defaults: true,
            rule: BTreeMap::new(),
        }
    }
}

impl MonitorTable {
    pub(super) fn read(self, page: &Page<'_>) -> Result<Rules> {
        let shipped = if self.defaults {
            Rules::default()
        } else {
            Rules::none()
        };
        let end = self.rule.values().map(|rule| rule.span().start).max();
        let named = self.rule.into_iter().map(|(name, table)| {
            let start = table.span().start;
            let rule = table.into_inner().read(name);
            rule.map_err(|problem| page.invalid_at(start, problem))
        });
        let rules = shipped.with(named.collect::<Result<_>>()?);
        if rules.iter().count() > MAX_RULES {
            let problem =
                format!("there are more than {MAX_RULES} rules, those that we ship included");
            return Err(page.invalid_at(end.unwrap_or_default(), problem));
        }
        Ok(rules)
    }
}

impl RuleTable {
    fn read(self, name: RuleName) -> Result<Rule, String> {
        let within = parse_age(&self.within)?;
        let within = Duration::try_from(within).unwrap_or_default();
        Rule::new(name, &self.event, self.per, self.count, within, self.action)
    }
}
