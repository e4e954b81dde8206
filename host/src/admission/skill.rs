//! What all callers together do with one skill and its tools.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::budget::Budget;
use super::gate::{Bounds, Share};
use super::ledger::Ledger;
use super::principal::budget_of;
use super::rate::{Limiter, Since};
use super::rules::{SkillRules, ToolRules};
use crate::manifest::{SkillName, ToolName};
use crate::time::Clock;

/// One skill that the configuration speaks of.
#[derive(Debug)]
pub(super) struct SkillAccount {
    pub(super) limiter: Option<Limiter>,
    pub(super) share: Option<Arc<Share>>,
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) tools: BTreeMap<ToolName, ToolAccount>,
}

/// One of its tools.
#[derive(Debug)]
pub(super) struct ToolAccount {
    pub(super) limiter: Option<Limiter>,
    pub(super) share: Option<Arc<Share>>,
}

impl SkillAccount {
    pub(super) fn open(
        name: &SkillName,
        rules: &SkillRules,
        clock: &Arc<dyn Clock>,
        since: &Since,
        ledger: &Arc<Ledger>,
    ) -> Self {
        let table = format!("[skill.{name}]");
        let traffic = &rules.traffic;
        let tool = |(tool, rules): (&ToolName, &ToolRules)| {
            let table = format!("[skill.{name}.tool.{tool}]");
            let account = ToolAccount {
                limiter: rules
                    .rate
                    .map(|rate| Limiter::new(rate, &table, since.clone())),
                share: rules.concurrency.map(|most| share(most, &table)),
            };
            (tool.clone(), account)
        };
        Self {
            limiter: traffic
                .rate
                .map(|rate| Limiter::new(rate, &table, since.clone())),
            share: traffic.concurrency.map(|most| share(most, &table)),
            budget: budget_of(
                traffic.budget,
                &format!("skill {name}"),
                &table,
                clock,
                ledger,
            ),
            tools: rules.tools.iter().map(tool).collect(),
        }
    }
}

/// Calls are counted, and nothing else.
fn share(most: NonZeroU32, table: &str) -> Arc<Share> {
    Arc::new(Share::new(Bounds {
        calls: most.get(),
        pages: u64::MAX,
        queue: u32::MAX,
        calls_rule: format!("`concurrency = {most}` under `{table}`").into(),
        queue_rule: Box::default(),
    }))
}
