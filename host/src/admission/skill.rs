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
    /// Whatever was counted before is counted on.
    pub(super) fn open(
        name: &SkillName,
        rules: &SkillRules,
        since: &Since,
        ledger: &Arc<Ledger>,
        known: Option<&Self>,
    ) -> Self {
        let table = format!("[skill.{name}]");
        let traffic = &rules.traffic;
        let tool = |(tool, rules): (&ToolName, &ToolRules)| {
            let table = format!("[skill.{name}.tool.{tool}]");
            let known = known.and_then(|known| known.tools.get(tool));
            let account = ToolAccount {
                limiter: rules.rate.map(|rate| {
                    let limiter = Limiter::new(rate, &table, since.clone());
                    limiter.after(known.and_then(|it| it.limiter.as_ref()))
                }),
                share: rules
                    .concurrency
                    .map(|most| share(most, &table, known.and_then(|it| it.share.as_deref()))),
            };
            (tool.clone(), account)
        };
        Self {
            limiter: traffic.rate.map(|rate| {
                let limiter = Limiter::new(rate, &table, since.clone());
                limiter.after(known.and_then(|it| it.limiter.as_ref()))
            }),
            share: traffic
                .concurrency
                .map(|most| share(most, &table, known.and_then(|it| it.share.as_deref()))),
            budget: budget_of(
                traffic.budget,
                &format!("skill {name}"),
                &table,
                since.clock(),
                ledger,
                known.and_then(|it| it.budget.as_deref()),
            ),
            tools: rules.tools.iter().map(tool).collect(),
        }
    }
}

/// Calls are counted, and nothing else.
fn share(most: NonZeroU32, table: &str, known: Option<&Share>) -> Arc<Share> {
    let share = Share::new(Bounds {
        calls: most.get(),
        pages: u64::MAX,
        queue: u32::MAX,
        calls_rule: format!("`concurrency = {most}` under `{table}`").into(),
        queue_rule: Box::default(),
    });
    Arc::new(share.after(known))
}
