//! What a skill wants, is granted and gets, as text and as JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::Looked;
use crate::cli::Session;
use crate::consent::{Consents, Effect};
use crate::error::{Error, Result};
use crate::lock::Change;
use crate::manifest::Manifest;
use crate::manifest::text::one_line;
use crate::policy::capability::Capability;
use crate::policy::remedy::command;
use crate::policy::wish::Wish;
use crate::policy::{self, Denied};

/// The longest reason of an author that is shown, in characters.
const MAX_REASON: usize = 400;

/// Everything about the permissions of one skill.
#[derive(Serialize)]
pub(super) struct Table {
    skill: String,
    version: String,
    signers: Vec<String>,
    level: String,
    /// What it wants.
    wants: Vec<Row>,
    /// Grants that it does not ask for.
    unused: Vec<String>,
    /// Grants by command that do not count.
    lapsed: Vec<LapsedRow>,
    /// How it differs from what it was when those were given.
    changes: Vec<String>,
    /// The command that shows and renews them.
    renew: Option<String>,
    /// Why no call would run, if so.
    denied: Option<DeniedRow>,
    /// Why no grant by command counts, if so.
    problem: Option<String>,
}

/// One wish.
#[derive(Serialize)]
pub(super) struct Row {
    wants: String,
    reason: String,
    optional: bool,
    granted: Vec<GrantedRow>,
    gets: Vec<String>,
    /// The command that would grant what is missing.
    missing: Option<String>,
    /// Why it is not to be had, whatever is granted.
    barred: Option<String>,
}

#[derive(Serialize)]
struct GrantedRow {
    capability: String,
    /// `skillhost.toml` or `skillhost grant`.
    from: &'static str,
    by: Option<String>,
    until: Option<Timestamp>,
}

#[derive(Serialize)]
struct LapsedRow {
    capability: String,
    reason: String,
}

#[derive(Serialize)]
struct DeniedRow {
    capability: &'static str,
    message: String,
    grant: String,
}

impl Table {
    pub(super) fn of(
        looked: &Looked,
        consents: &Result<Consents>,
        session: &Session,
        now: Timestamp,
    ) -> Self {
        let effect = consents.as_ref().ok();
        let effect = effect.map(|it| it.effect(&looked.release, now));
        let effect = effect.unwrap_or_default();
        let outdated = consents.as_ref().ok();
        let outdated = outdated.and_then(|it| it.outdated(&looked.release));
        let configured = looked.configured(session);
        let operator = configured.with(effect.capabilities());
        let ceiling = looked.ceiling(session);
        let limits = &session.config.limits;
        let denied = policy::decide(&looked.manifest, &operator, limits, &ceiling).err();
        let lenient = Manifest {
            capabilities: looked.manifest.capabilities.clone().all_optional(),
            ..looked.manifest.clone()
        };
        // Nothing that is optional is denied.
        let gets = policy::decide(&lenient, &operator, limits, &ceiling).ok();
        let capabilities = gets.as_ref().map(policy::Grant::capabilities);
        let gets_all = capabilities.unwrap_or_default();
        let called = looked.called(session);
        let row = |wish: &Wish| Row {
            wants: wish.words(),
            reason: one_line(&wish.reason, MAX_REASON),
            optional: wish.optional,
            granted: granted(wish, &configured.capabilities(), &effect),
            gets: concerned(wish, &gets_all),
            missing: (!wish.is_met(&gets_all) && ceiling.admits(wish.right()))
                .then(|| command(&called, &wish.words())),
            barred: ceiling
                .bar(wish.right())
                .map(|(bar, way)| format!("{bar}; it takes {way}")),
        };
        Self {
            skill: looked.manifest.name.to_string(),
            version: looked.manifest.version.to_string(),
            signers: looked
                .verdict
                .signers()
                .iter()
                .map(ToString::to_string)
                .collect(),
            level: looked.verdict.level().to_string(),
            wants: Wish::all(&looked.manifest.capabilities)
                .iter()
                .map(row)
                .collect(),
            unused: gets.map(|gets| gets.unused().to_vec()).unwrap_or_default(),
            lapsed: lapsed(&effect),
            changes: outdated
                .map(|consent| consent.differences(&looked.release))
                .unwrap_or_default()
                .iter()
                .map(Change::to_string)
                .collect(),
            renew: outdated.map(|_| format!("skillhost grant {called} --renew")),
            denied: denied.map(DeniedRow::of),
            problem: consents.as_ref().err().map(Error::to_string),
        }
    }

    /// What could be granted and is not.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Row> {
        self.wants.iter().filter(|row| row.missing.is_some())
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} {}  signed by {}  level {}\n",
            self.skill,
            self.version,
            self.signers.join(", "),
            self.level
        );
        if self.wants.is_empty() {
            text += "  wants nothing\n";
        }
        let width = self.wants.iter().map(|row| row.wants.len()).max();
        for row in &self.wants {
            text += &row.text(width.unwrap_or_default());
        }
        for unused in &self.unused {
            text += &format!("  no effect: {unused}, which it does not ask for\n");
        }
        text += &self.lapsed_text();
        if let Some(denied) = &self.denied {
            text += &format!("Calls are denied: {}\n", denied.message);
            text += &format!("  Allow it with {}.\n", denied.grant);
        }
        if let Some(problem) = &self.problem {
            text += &format!("No grant of `skillhost grant` counts: {problem}\n");
        }
        text
    }

    fn lapsed_text(&self) -> String {
        let mut text = String::new();
        for lapsed in &self.lapsed {
            text += &format!("  lapsed: {}  {}\n", lapsed.capability, lapsed.reason);
        }
        for change in &self.changes {
            text += &format!("    {change}\n");
        }
        if let Some(renew) = &self.renew {
            text += &format!("  renew what lapsed: {renew}\n");
        }
        text
    }
}

impl Row {
    pub(super) fn text(&self, width: usize) -> String {
        let optional = if self.optional { " (optional)" } else { "" };
        let gets = if self.gets.is_empty() {
            "nothing".to_owned()
        } else {
            self.gets.join(", ")
        };
        let mut text = format!("  {:width$}  gets {gets}{optional}\n", self.wants);
        text += &format!("    why: {}\n", self.reason);
        for granted in &self.granted {
            let by = granted.by.as_ref().map(|by| format!(" by {by}"));
            let until = granted.until.map(|until| format!(" until {until}"));
            text += &format!(
                "    granted: {} ({}{}{})\n",
                granted.capability,
                granted.from,
                by.unwrap_or_default(),
                until.unwrap_or_default()
            );
        }
        if let Some(missing) = &self.missing {
            text += &format!("    grant it: {missing}\n");
        }
        if let Some(barred) = &self.barred {
            text += &format!("    not to be had: {barred}\n");
        }
        text
    }
}

impl DeniedRow {
    fn of(denied: Denied) -> Self {
        Self {
            capability: denied.capability,
            message: denied.message,
            grant: denied.grant,
        }
    }
}

fn granted(wish: &Wish, configured: &[Capability], effect: &Effect) -> Vec<GrantedRow> {
    let by_name = configured.iter().filter(|it| wish.concerns(it));
    let by_name = by_name.map(|capability| GrantedRow {
        capability: capability.to_string(),
        from: "skillhost.toml",
        by: None,
        until: None,
    });
    let by_command = effect
        .given
        .iter()
        .filter(|it| wish.concerns(&it.capability));
    let by_command = by_command.map(|given| GrantedRow {
        capability: given.capability.to_string(),
        from: "skillhost grant",
        by: Some(given.by.clone()),
        until: given.until,
    });
    by_name.chain(by_command).collect()
}

fn concerned(wish: &Wish, gets: &[Capability]) -> Vec<String> {
    let gets = gets.iter().filter(|it| wish.concerns(it));
    gets.map(ToString::to_string).collect()
}

fn lapsed(effect: &Effect) -> Vec<LapsedRow> {
    let lapsed = effect.lapsed.iter();
    lapsed
        .map(|lapsed| LapsedRow {
            capability: lapsed.given.capability.to_string(),
            reason: lapsed.why.to_string(),
        })
        .collect()
}
