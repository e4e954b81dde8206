//! `[recovery]`, `[skill.NAME.recovery]` and `[skill.NAME.tool.TOOL.recovery]`:
//! how often tools are tried, and what is used instead.

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::Kind;
use crate::manifest::ToolName;
use crate::policy::limits::{self, parse_timeout};
use crate::recovery::{
    Backoff, Breaking, Budgeting, Fallback, MAX_ATTEMPTS, MAX_FALLBACKS, RETRYABLE, RecoveryChange,
    SkillRecovery,
};

/// The most failures in a row that a breaker counts.
const MAX_FAILURES: u8 = 100;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct RecoveryTable {
    #[serde(deserialize_with = "attempts")]
    attempts: Option<NonZeroU8>,
    #[serde(deserialize_with = "limits::time")]
    attempt_timeout: Option<Duration>,
    backoff: Option<BackoffTable>,
    #[serde(deserialize_with = "kinds")]
    retry_on: Option<Vec<Kind>>,
    idempotent: Option<bool>,
    #[serde(deserialize_with = "fallbacks")]
    fallback: Option<Vec<Fallback>>,
    #[serde(deserialize_with = "breaker")]
    breaker: Option<Breaking>,
    budget: Option<BudgetTable>,
}

impl RecoveryTable {
    fn read(self) -> RecoveryChange {
        RecoveryChange {
            attempts: self.attempts,
            attempt_timeout: self.attempt_timeout,
            backoff: self.backoff.map(BackoffTable::read),
            retry_on: self.retry_on,
            idempotent: self.idempotent,
            fallback: self.fallback,
            breaker: self.breaker,
            budget: self.budget.map(BudgetTable::read),
        }
    }

    /// For all skills. What takes the place of a tool, and whether a tool may be
    /// called twice, is said of some tools, not of all.
    pub(super) fn read_for_all(self) -> Result<RecoveryChange, String> {
        let named = [
            ("fallback", self.fallback.is_some()),
            ("idempotent", self.idempotent.is_some()),
        ];
        match named.into_iter().find(|(_, is_named)| *is_named) {
            Some((key, _)) => Err(format!(
                "[recovery]: `{key}` belongs under `[skill.NAME.recovery]` or `[skill.NAME.tool.TOOL.recovery]`"
            )),
            None => Ok(self.read()),
        }
    }
}

/// For one skill.
pub(super) fn read(
    skill: RecoveryTable,
    tools: BTreeMap<ToolName, RecoveryTable>,
) -> Result<SkillRecovery, String> {
    let with_budget = tools.iter().find(|(_, table)| table.budget.is_some());
    if let Some((tool, _)) = with_budget {
        return Err(format!(
            "`tool.{tool}.recovery`: a `budget` is for all tools of a skill and belongs under its `recovery`"
        ));
    }
    Ok(SkillRecovery {
        all: skill.read(),
        tools: tools
            .into_iter()
            .map(|(name, table)| (name, table.read()))
            .collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BackoffTable {
    #[serde(deserialize_with = "time")]
    first: Duration,
    #[serde(deserialize_with = "factor")]
    factor: f32,
    #[serde(deserialize_with = "time")]
    max: Duration,
    jitter: bool,
}

impl Default for BackoffTable {
    fn default() -> Self {
        let Backoff {
            first,
            factor,
            max,
            jitter,
        } = Backoff::default();
        Self {
            first,
            factor,
            max,
            jitter,
        }
    }
}

impl BackoffTable {
    fn read(self) -> Backoff {
        Backoff {
            first: self.first,
            factor: self.factor,
            max: self.max.max(self.first),
            jitter: self.jitter,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct BudgetTable {
    percent: u32,
    per_second: u32,
}

impl Default for BudgetTable {
    fn default() -> Self {
        let Budgeting {
            percent,
            per_second,
        } = Budgeting::default();
        Self {
            percent,
            per_second,
        }
    }
}

impl BudgetTable {
    const fn read(self) -> Budgeting {
        Budgeting {
            percent: self.percent,
            per_second: self.per_second,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BreakerTable {
    failures: u8,
    #[serde(deserialize_with = "time")]
    window: Duration,
    #[serde(deserialize_with = "time")]
    open: Duration,
}

impl Default for BreakerTable {
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self {
            failures: 5,
            window: half_a_minute,
            open: half_a_minute,
        }
    }
}

/// `false`, or a table.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a breaker is `false`, or a table with `failures`, `window` and `open`, such as `{ failures = 5, window = \"30s\", open = \"30s\" }`"
)]
enum BreakerChoice {
    Switch(bool),
    Table(BreakerTable),
}

fn breaker<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Breaking>, D::Error> {
    let table = match BreakerChoice::deserialize(deserializer)? {
        BreakerChoice::Switch(false) => return Ok(Some(Breaking::Off)),
        BreakerChoice::Switch(true) => BreakerTable::default(),
        BreakerChoice::Table(table) => table,
    };
    let failures = NonZeroU8::new(table.failures).filter(|it| it.get() <= MAX_FAILURES);
    let failures = failures.ok_or_else(|| {
        D::Error::custom(format_args!(
            "`failures` is from 1 to {MAX_FAILURES}; `breaker = false` switches it off"
        ))
    })?;
    Ok(Some(Breaking::After {
        failures,
        window: table.window,
        open: table.open,
    }))
}

fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU8>, D::Error> {
    let number = u64::deserialize(deserializer)?;
    let attempts = u8::try_from(number).ok().and_then(NonZeroU8::new);
    match attempts.filter(|it| it.get() <= MAX_ATTEMPTS) {
        Some(attempts) => Ok(Some(attempts)),
        None => Err(D::Error::custom(format_args!(
            "`attempts` is how often a tool is tried, the first time included: from 1 to {MAX_ATTEMPTS}"
        ))),
    }
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Kind>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let kind = |name: &String| RETRYABLE.into_iter().find(|kind| kind.to_string() == *name);
    if let Some(wrong) = names.iter().find(|name| kind(name).is_none()) {
        let kinds = RETRYABLE.map(|kind| kind.to_string());
        return Err(D::Error::custom(format_args!(
            "nothing is tried again after `{wrong}`; kinds after which a tool may be are: {}",
            kinds.join(", ")
        )));
    }
    Ok(Some(names.iter().filter_map(kind).collect()))
}

fn fallbacks<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Fallback>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() > MAX_FALLBACKS {
        return Err(D::Error::custom(format_args!(
            "a tool has at most {MAX_FALLBACKS} fallbacks"
        )));
    }
    let fallbacks = texts.iter().map(|text| text.parse());
    let fallbacks: Result<Vec<Fallback>, String> = fallbacks.collect();
    fallbacks.map(Some).map_err(D::Error::custom)
}

fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let factor = f32::deserialize(deserializer)?;
    if (1.0..=10.0).contains(&factor) {
        Ok(factor)
    } else {
        Err(D::Error::custom("`factor` is from 1 to 10"))
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_timeout(&text).map_err(D::Error::custom)
}
