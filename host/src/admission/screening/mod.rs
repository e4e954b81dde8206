//! Arguments that look like an attack. The sandbox is what holds; screening is the
//! second line, and the one that tells an operator that somebody tries.
//!
//! A rule is a regular expression, or one of three that are shipped. It
//! looks at texts that are declared as what it is about (`Declared`), at arguments
//! by name, or at all. Rules are compiled once, run in linear time, and one call
//! matches so much text and no more.

mod address;
mod declared;
mod shipped;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

pub(super) use self::declared::Declared;
pub use self::shipped::Shipped;
use crate::manifest::text::one_line;

/// The sizes that are told apart, in bytes: a rule counts as the smallest into
/// which its automaton fits.
const SIZES: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10];

/// The most rules of an operator.
const MAX_RULES: usize = 64;

/// Work of one call: bytes of text, times KiB of the automaton that they are
/// matched with. It takes about a second, and mostly less.
const MAX_WORK: u64 = 2_000_000;

/// KiB that a shipped rule counts as.
const SHIPPED_SIZE: u64 = 4;

/// The longest name of a field that is told, in characters.
const MAX_FIELD: usize = 120;

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that is run, or a part of it.
    Command,
    /// Where a file lies.
    Path,
    /// Where a request goes.
    Url,
}

/// What is done about an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is recorded, and the call goes on.
    Flag,
    /// The call is refused.
    Refuse,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Refuse => "refuse",
        }
    }
}

/// What arguments are searched for. The default is the shipped rules, which flag.
#[derive(Debug, Clone, Default)]
pub struct ScreeningRules {
    /// The operator's.
    pub rules: Vec<ScreeningRule>,
    /// Shipped rules that do something else than flag; none: nothing.
    pub shipped: BTreeMap<Shipped, Option<Action>>,
}

/// Where a rule looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At what is declared as that.
    Kind(Kind),
    /// At arguments of these names, and what is in them.
    Fields(BTreeSet<String>),
    /// At every text.
    Any,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct ScreeningRule {
    name: Box<str>,
    matcher: Matcher,
    /// KiB of its automaton.
    size: u64,
    place: Place,
    action: Action,
}

#[derive(Debug, Clone)]
enum Matcher {
    Pattern(Regex),
    Shipped(Shipped),
}

impl ScreeningRule {
    /// A rule of the operator's.
    ///
    /// # Errors
    ///
    /// In words, for a pattern that is none, or whose automaton is too large.
    pub fn new(name: &str, pattern: &str, place: Place, action: Action) -> Result<Self, String> {
        let compile = |size: usize| RegexBuilder::new(pattern).size_limit(size).build();
        let fitting = SIZES
            .into_iter()
            .find_map(|size| Some((compile(size).ok()?, size)));
        let (pattern, size) = fitting.ok_or_else(|| {
            let cause = compile(SIZES.into_iter().max().unwrap_or_default()).err();
            let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
            format!("the pattern cannot be used: {}", one_line(&cause, 300))
        })?;
        Ok(Self {
            name: name.into(),
            matcher: Matcher::Pattern(pattern),
            size: (size as u64) >> 10,
            place,
            action,
        })
    }

    fn shipped(rule: Shipped, action: Action) -> Self {
        Self {
            name: rule.name().into(),
            matcher: Matcher::Shipped(rule),
            size: SHIPPED_SIZE,
            place: Place::Kind(rule.kind()),
            action,
        }
    }

    fn is_about(&self, kinds: Kinds, path: &[&str]) -> bool {
        match &self.place {
            Place::Any => true,
            Place::Kind(kind) => kinds.holds(*kind),
            Place::Fields(fields) => path.iter().any(|key| fields.contains(*key)),
        }
    }

    fn matches(&self, text: &str, roots: &[&str]) -> bool {
        match &self.matcher {
            Matcher::Pattern(pattern) => pattern.is_match(text),
            Matcher::Shipped(rule) => rule.matches(text, roots),
        }
    }
}

impl ScreeningRules {
    /// Whether there are more rules than are run.
    ///
    /// # Errors
    ///
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        if self.rules.len() > MAX_RULES {
            return Err(format!(
                "there are more than {MAX_RULES} rules of screening"
            ));
        }
        Ok(())
    }
}

/// Several kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Kinds(u8);

impl Kinds {
    const fn of(kind: Kind) -> Self {
        Self(1 << kind as u8)
    }

    const fn holds(self, kind: Kind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    pub(super) rule: Box<str>,
    /// Names of arguments, with a dot between; never a value.
    pub(super) field: String,
    /// `flag`, `refuse`, or `skip` for a text too long to be searched.
    pub(super) action: &'static str,
    pub(super) refuses: bool,
}

/// What was found in the arguments of one call so far.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeSet<Finding>>);

impl Seen {
    /// Whether it is found for the first time. A call that is tried again has the
    /// same arguments.
    pub(super) fn is_first(&self, finding: &Finding) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(finding.clone())
    }
}

/// Searches arguments.
#[derive(Debug)]
pub(super) struct Screening {
    rules: Vec<ScreeningRule>,
    /// Whether a rule is about more than what is declared.
    looks_everywhere: bool,
}

impl Screening {
    pub(super) fn new(rules: &ScreeningRules) -> Self {
        let shipped = Shipped::ALL.into_iter().filter_map(|rule| {
            let action = rules.shipped.get(&rule).copied();
            Some(ScreeningRule::shipped(
                rule,
                action.unwrap_or(Some(Action::Flag))?,
            ))
        });
        let rules: Vec<_> = rules.rules.iter().cloned().chain(shipped).collect();
        let everywhere = |rule: &ScreeningRule| !matches!(rule.place, Place::Kind(_));
        Self {
            looks_everywhere: rules.iter().any(everywhere),
            rules,
        }
    }

    /// Whether there is anything to look for in the arguments of a tool.
    pub(super) fn looks_at(&self, declared: &Declared) -> bool {
        self.looks_everywhere || (!declared.is_empty() && !self.rules.is_empty())
    }

    /// What the rules find, at most once for each. `roots` are the directories that
    /// a tool sees, below which absolute paths may lie.
    pub(super) fn screen(
        &self,
        declared: &Declared,
        arguments: &Value,
        roots: &[&str],
    ) -> Vec<Finding> {
        let mut search = Search {
            rules: &self.rules,
            declared,
            roots,
            path: Vec::new(),
            work: MAX_WORK,
            found: Vec::new(),
        };
        search.look_at(arguments, Kinds::default());
        search.found
    }
}

/// A walk through the arguments of one call.
struct Search<'a> {
    rules: &'a [ScreeningRule],
    declared: &'a Declared,
    roots: &'a [&'a str],
    path: Vec<&'a str>,
    work: u64,
    found: Vec<Finding>,
}

impl<'a> Search<'a> {
    /// What is in something that is declared is what that is.
    fn look_at(&mut self, value: &'a Value, kinds: Kinds) {
        match value {
            Value::String(text) => self.text(text, kinds),
            Value::Array(items) => {
                for item in items {
                    self.look_at(item, kinds);
                }
            }
            Value::Object(object) => {
                for (key, value) in object {
                    self.path.push(key);
                    if !self.path_is_root() {
                        self.text(key, kinds);
                    }
                    self.look_at(value, kinds.and(self.declared.kinds(key)));
                    self.path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The names of arguments are the author's, and the schema's to check.
    fn path_is_root(&self) -> bool {
        self.path.len() <= 1
    }

    fn text(&mut self, text: &str, kinds: Kinds) {
        for rule in self.rules {
            let is_found = self.found.iter().any(|found| found.rule == rule.name);
            if is_found || !rule.is_about(kinds, &self.path) {
                continue;
            }
            let work = (text.len() as u64).saturating_mul(rule.size);
            match self.work.checked_sub(work) {
                None => self.find(rule, "skip"),
                Some(left) => {
                    self.work = left;
                    if rule.matches(text, self.roots) {
                        self.find(rule, rule.action.word());
                    }
                }
            }
        }
    }

    fn find(&mut self, rule: &ScreeningRule, action: &'static str) {
        self.found.push(Finding {
            rule: rule.name.clone(),
            field: one_line(&self.path.join("."), MAX_FIELD),
            action,
            refuses: rule.action == Action::Refuse,
        });
    }
}

#[cfg(test)]
mod tests;
