//! `[principal.NAME]`, `[screening]` and what `[skill.NAME]` says of calls: who may
//! do what, and how much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::trust::Page;
use crate::admission::rules::{
    AdmissionRules, DailyBudget, PrincipalRules, Rate, SkillRules, ToolPattern, ToolRules, Traffic,
};
use crate::admission::screening::{Action, Kind, Place, ScreeningRule, ScreeningRules, Shipped};
use crate::error::Result;
use crate::invocation::Principal;
use crate::manifest::ToolName;

/// The longest time that a budget of a day can name.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest name of a rule, in characters.
const MAX_RULE_NAME: usize = 64;

/// How many calls, as it stands in a file.
#[derive(Default, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
struct ToolsTable {
    allow: Option<Vec<Spanned<String>>>,
    deny: Vec<Spanned<String>>,
}

/// `[principal.NAME]`.
#[derive(Default, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub(super) struct PrincipalTable {
    tools: ToolsTable,
    rate: Option<Spanned<String>>,
    burst: Option<Spanned<Positive>>,
    concurrency: Option<Positive>,
    queue: Option<u32>,
    budget: BudgetTable,
}

/// The keys of `[skill.NAME]` that are about calls.
#[derive(Default)]
pub(super) struct SkillKeys {
    pub(super) rate: Option<Spanned<String>>,
    pub(super) burst: Option<Spanned<Positive>>,
    pub(super) concurrency: Option<Positive>,
    pub(super) budget: BudgetTable,
    pub(super) interpreters: BTreeSet<ToolName>,
    pub(super) tools: BTreeMap<ToolName, ToolKeys>,
}

/// The keys of `[skill.NAME.tool.NAME]` that are about calls.
#[derive(Default)]
pub(super) struct ToolKeys {
    pub(super) rate: Option<Spanned<String>>,
    pub(super) burst: Option<Spanned<Positive>>,
    pub(super) concurrency: Option<Positive>,
    pub(super) fields: BTreeMap<String, Kind>,
}

#[derive(Default, Deserialize)]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    default,
    rename_all = "kebab-case"
)]
pub(super) struct BudgetTable {
    fuel_per_day: Option<Positive64>,
    #[serde(deserialize_with = "time_per_day")]
    time_per_day: Option<Duration>,
}

only_as_table!(ToolsTable, PrincipalTable, BudgetTable);

/// `[screening]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ScreeningTable {
    rule: BTreeMap<String, Spanned<RuleTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    pattern: Option<String>,
    #[serde(rename = "where")]
    place: Option<PlaceWord>,
    fields: Option<BTreeSet<String>>,
    action: Option<ActionWord>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PlaceWord {
    Command,
    Path,
    Url,
    Any,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionWord {
    Flag,
    Refuse,
    Off,
}

/// A whole number from 1.
#[derive(Clone, Copy)]
pub(super) struct Positive(NonZeroU32);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer).ok();
        let number = number.and_then(|it| NonZeroU32::new(u32::try_from(it).ok()?));
        let wrong = "this is a whole number from 1 to 4294967295";
        number
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(wrong))
    }
}

#[derive(Clone, Copy)]
struct Positive64(u64);

impl<'de> Deserialize<'de> for Positive64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer).ok();
        let number = number.and_then(|it| u64::try_from(it).ok().filter(|it| *it > 0));
        let wrong = "this is a positive whole number";
        number
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(wrong))
    }
}

fn time_per_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    let parsed = parsed.and_then(|it| Duration::try_from(it).ok());
    let fitting = parsed.filter(|it| it.as_millis() > 0 && *it <= DAY.saturating_mul(1000));
    fitting.map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is no time; write for example `90s`, `30m` or `1h`"
        ))
    })
}

/// All rules of admission that are about callers and arguments.
pub(super) fn read(
    principals: BTreeMap<String, Spanned<PrincipalTable>>,
    screening: ScreeningTable,
    page: &Page<'_>,
) -> Result<AdmissionRules> {
    let mut rules = AdmissionRules {
        screening: screening.read(page)?,
        ..AdmissionRules::default()
    };
    for (name, table) in principals {
        let at = table.span().start;
        let table = table.into_inner().read(page)?;
        match name.as_str() {
            "default" => rules.everyone = table,
            name => {
                let named = principal(name).map_err(|problem| page.invalid_at(at, problem))?;
                rules.principals.insert(named, table);
            }
        }
    }
    Ok(rules)
}

fn principal(name: &str) -> Result<Principal, String> {
    match name {
        "local" => Ok(Principal::Local),
        "stdio" => Ok(Principal::Stdio),
        "loopback" => Ok(Principal::Loopback),
        name => name.parse().map(Principal::Named),
    }
}

impl PrincipalTable {
    fn read(self, page: &Page<'_>) -> Result<PrincipalRules> {
        let patterns = |texts: Vec<Spanned<String>>| -> Result<Vec<ToolPattern>> {
            texts.into_iter().map(|text| parsed(text, page)).collect()
        };
        Ok(PrincipalRules {
            allow: self.tools.allow.map(patterns).transpose()?,
            deny: patterns(self.tools.deny)?,
            traffic: Traffic {
                rate: rate(self.rate, self.burst, page)?,
                concurrency: self.concurrency.map(|it| it.0),
                budget: self.budget.read(),
            },
            queue: self.queue,
        })
    }
}

impl SkillKeys {
    pub(super) fn read(self, page: &Page<'_>) -> Result<SkillRules> {
        let tool = |(name, keys): (ToolName, ToolKeys)| {
            let rules = ToolRules {
                rate: rate(keys.rate, keys.burst, page)?,
                concurrency: keys.concurrency.map(|it| it.0),
                fields: keys.fields,
            };
            Ok((name, rules))
        };
        Ok(SkillRules {
            traffic: Traffic {
                rate: rate(self.rate, self.burst, page)?,
                concurrency: self.concurrency.map(|it| it.0),
                budget: self.budget.read(),
            },
            interpreters: self.interpreters,
            tools: self.tools.into_iter().map(tool).collect::<Result<_>>()?,
        })
    }
}

impl BudgetTable {
    fn read(&self) -> DailyBudget {
        DailyBudget {
            fuel: self.fuel_per_day.map(|it| it.0),
            time: self.time_per_day,
        }
    }
}

/// A burst without a rate would hold for nothing.
fn rate(
    rate: Option<Spanned<String>>,
    burst: Option<Spanned<Positive>>,
    page: &Page<'_>,
) -> Result<Option<Rate>> {
    let Some(rate) = rate else {
        return match burst {
            Some(burst) => Err(page.invalid_at(
                burst.span().start,
                "`burst` needs a `rate` beside it, such as \"60/min\"",
            )),
            None => Ok(None),
        };
    };
    let rate: Rate = parsed(rate, page)?;
    Ok(Some(Rate {
        burst: burst.map(|burst| burst.into_inner().0),
        ..rate
    }))
}

fn parsed<T: std::str::FromStr<Err = String>>(text: Spanned<String>, page: &Page<'_>) -> Result<T> {
    let at = text.span().start;
    let parsed = text.into_inner().parse();
    parsed.map_err(|problem| page.invalid_at(at, problem))
}

impl ScreeningTable {
    fn read(self, page: &Page<'_>) -> Result<ScreeningRules> {
        let mut rules = ScreeningRules::default();
        for (name, table) in self.rule {
            let at = table.span().start;
            let wrong = |problem: String| page.invalid_at(at, problem);
            let table = table.into_inner();
            match Shipped::ALL.into_iter().find(|it| it.name() == name) {
                Some(shipped) => {
                    let action = table.of_shipped().map_err(wrong)?;
                    rules.shipped.insert(shipped, action);
                }
                None => rules.rules.push(table.read(&name).map_err(wrong)?),
            }
        }
        rules
            .check()
            .map_err(|problem| page.invalid(format_args!("[screening]: {problem}.")))?;
        Ok(rules)
    }
}

impl RuleTable {
    /// Of a rule that comes with the host, only what it does can be changed.
    fn of_shipped(&self) -> Result<Option<Action>, String> {
        let changed = self.pattern.is_some() || self.place.is_some() || self.fields.is_some();
        match self.action {
            Some(action) if !changed => Ok(action.read()),
            _ => Err(
                "this rule comes with the host, and takes `action` alone: \"flag\", \"refuse\" or \"off\""
                    .to_owned(),
            ),
        }
    }

    fn read(self, name: &str) -> Result<ScreeningRule, String> {
        check_name(name)?;
        let pattern = self
            .pattern
            .ok_or("a rule needs a `pattern`, a regular expression")?;
        let place = match (self.place, self.fields) {
            (Some(_), Some(_)) => Err("a rule has `where` or `fields`, not both"),
            (None, Some(fields)) if fields.is_empty() => {
                Err("`fields` is empty, and the rule would look at nothing")
            }
            (None, Some(fields)) => Ok(Place::Fields(fields)),
            (place, None) => Ok(place.map_or(Place::Any, PlaceWord::read)),
        }?;
        let action = self.action.unwrap_or(ActionWord::Refuse).read();
        let action = action.ok_or("a rule that is `off` is left out")?;
        ScreeningRule::new(name, &pattern, place, action)
    }
}

impl PlaceWord {
    const fn read(self) -> Place {
        match self {
            Self::Command => Place::Kind(Kind::Command),
            Self::Path => Place::Kind(Kind::Path),
            Self::Url => Place::Kind(Kind::Url),
            Self::Any => Place::Any,
        }
    }
}

impl ActionWord {
    const fn read(self) -> Option<Action> {
        match self {
            Self::Flag => Some(Action::Flag),
            Self::Refuse => Some(Action::Refuse),
            Self::Off => None,
        }
    }
}

/// Names stand in events.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=MAX_RULE_NAME).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name of a rule: use 1 to {MAX_RULE_NAME} of `a-z`, `0-9` and `-`"
    ))
}
