//! Who calls: for each caller its rules, and what it does right now.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::budget::Budget;
use super::capacity::Capacity;
use super::gate::{Bounds, Share};
use super::ledger::Ledger;
use super::rate::{Limiter, Since};
use super::rules::{AdmissionRules, DailyBudget, PrincipalRules, Rate, ToolPattern};
use super::screening::Seen;
use crate::invocation::{Principal, PrincipalName};
use crate::manifest::SkillName;
use crate::time::Clock;

/// The most callers without rules of their own that are told apart. Those beyond
/// share one set of limits, so that no number of names costs memory or gets around
/// a rule.
pub(super) const MAX_OTHERS: usize = 10_000;

/// How long nobody is looked for who can be forgotten, when few were found.
const PAUSE: Duration = Duration::from_secs(1);

/// The table that speaks of all callers.
const EVERYONE: &str = "[principal.default]";

/// One caller.
#[derive(Debug)]
pub(super) struct Account {
    allow: Option<(Vec<ToolPattern>, Box<str>)>,
    deny: Vec<(ToolPattern, Box<str>)>,
    pub(super) limiter: Option<Limiter>,
    pub(super) share: Arc<Share>,
    pub(super) budget: Option<Arc<Budget>>,
}

/// Who makes one call, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(super) account: Arc<Account>,
    /// What was found in its arguments, so that it is told once.
    pub(super) seen: Seen,
}

/// Why a caller may not call a tool, and what would let it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAllowed {
    pub(super) rule: String,
    pub(super) hint: String,
}

/// All callers of a host.
#[derive(Debug)]
pub(super) struct Principals {
    local: Arc<Account>,
    stdio: Arc<Account>,
    loopback: Arc<Account>,
    named: BTreeMap<PrincipalName, Arc<Account>>,
    others: RwLock<Others>,
    /// Those for whom there was no room among the others.
    crowd: Arc<Account>,
    opening: Opening,
}

/// Callers without rules of their own.
#[derive(Debug, Default)]
struct Others {
    accounts: HashMap<PrincipalName, Arc<Account>>,
    /// Until then nobody is looked for who can be forgotten: nobody was found.
    nobody_until: Duration,
}

/// What an account is opened with.
#[derive(Debug)]
struct Opening {
    everyone: PrincipalRules,
    capacity: Capacity,
    since: Since,
    ledger: Arc<Ledger>,
}

impl Principals {
    pub(super) fn new(
        rules: &AdmissionRules,
        capacity: Capacity,
        since: &Since,
        ledger: &Arc<Ledger>,
        known: Option<&Self>,
    ) -> Self {
        let opening = Opening {
            everyone: rules.everyone.clone(),
            capacity,
            since: since.clone(),
            ledger: Arc::clone(ledger),
        };
        let own = |principal: &Principal| {
            let rules = rules.principals.get(principal);
            let known = known.and_then(|it| it.known(principal));
            Arc::new(opening.account(principal.as_str(), principal, rules, known.as_deref()))
        };
        let named = rules.principals.keys().filter_map(|principal| {
            let Principal::Named(name) = principal else {
                return None;
            };
            Some((name.clone(), own(principal)))
        });
        let named: BTreeMap<_, _> = named.collect();
        Self {
            local: own(&Principal::Local),
            stdio: own(&Principal::Stdio),
            loopback: own(&Principal::Loopback),
            others: RwLock::new(Others::after(known, &named, &opening)),
            crowd: Arc::new(opening.stranger("default", known.map(|it| &*it.crowd))),
            named,
            opening,
        }
    }

    /// The account of a caller, if there is one.
    fn known(&self, principal: &Principal) -> Option<Arc<Account>> {
        let Principal::Named(name) = principal else {
            return Some(self.account(principal));
        };
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.named.get(name).or_else(|| others.accounts.get(name));
        known.cloned()
    }

    pub(super) fn account(&self, principal: &Principal) -> Arc<Account> {
        match principal {
            Principal::Local => Arc::clone(&self.local),
            Principal::Stdio => Arc::clone(&self.stdio),
            Principal::Loopback => Arc::clone(&self.loopback),
            Principal::Named(name) => match self.named.get(name) {
                Some(account) => Arc::clone(account),
                None => self.stranger(name),
            },
        }
    }

    fn stranger(&self, name: &PrincipalName) -> Arc<Account> {
        let known = self.others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known.accounts.get(name) {
            return Arc::clone(account);
        }
        let is_full = known.is_full(self.opening.since.now());
        drop(known);
        if is_full {
            return Arc::clone(&self.crowd);
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        if !others.accounts.contains_key(name) && !others.has_room(self.opening.since.now()) {
            return Arc::clone(&self.crowd);
        }
        let account = others.accounts.entry(name.clone());
        Arc::clone(account.or_insert_with(|| Arc::new(self.opening.stranger(name.as_str(), None))))
    }

    /// How many callers are told apart that have no rules of their own.
    #[cfg(test)]
    pub(super) fn others(&self) -> usize {
        self.others.read().unwrap().accounts.len()
    }
}

impl Others {
    /// Those who are known and have no rules of their own now.
    fn after(
        known: Option<&Principals>,
        named: &BTreeMap<PrincipalName, Arc<Account>>,
        opening: &Opening,
    ) -> Self {
        let Some(known) = known else {
            return Self::default();
        };
        let others = known.others.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.named.iter().chain(&others.accounts);
        let accounts = all
            .filter(|(name, _)| !named.contains_key(*name))
            .take(MAX_OTHERS)
            .map(|(name, account)| {
                let account = opening.stranger(name.as_str(), Some(account));
                (name.clone(), Arc::new(account))
            });
        Self {
            accounts: accounts.collect(),
            nobody_until: others.nobody_until,
        }
    }

    /// Whether there is no room, and none can be made yet.
    fn is_full(&self, now: Duration) -> bool {
        self.accounts.len() >= MAX_OTHERS && now < self.nobody_until
    }

    /// Makes room if there is none: forgets those of whom nothing is worth
    /// remembering, half of all at the most. All are looked at for that, so when
    /// none is found, they are not looked at again for a while.
    fn has_room(&mut self, now: Duration) -> bool {
        if self.accounts.len() < MAX_OTHERS {
            return true;
        }
        if self.is_full(now) {
            return false;
        }
        let mut left = MAX_OTHERS / 2;
        self.accounts.retain(|_, account| {
            let forgotten = left > 0 && Arc::strong_count(account) == 1 && account.is_idle();
            left -= usize::from(forgotten);
            !forgotten
        });
        if left > MAX_OTHERS / 4 {
            self.nobody_until = now + PAUSE;
        }
        self.accounts.len() < MAX_OTHERS
    }
}

impl Opening {
    fn stranger(&self, name: &str, known: Option<&Account>) -> Account {
        let rules = PrincipalRules::default();
        self.open(name, &rules, (EVERYONE, false), known)
    }

    fn account(
        &self,
        name: &str,
        principal: &Principal,
        rules: Option<&PrincipalRules>,
        known: Option<&Account>,
    ) -> Account {
        let alone = !matches!(principal, Principal::Named(_));
        let none = PrincipalRules::default();
        self.open(name, rules.unwrap_or(&none), (&table(name), alone), known)
    }

    /// What a caller's own table does not say, that of all callers does. What
    /// either denies is denied. Whoever was known before is counted on.
    fn open(
        &self,
        name: &str,
        own: &PrincipalRules,
        (table, alone): (&str, bool),
        known: Option<&Account>,
    ) -> Account {
        let all = &self.everyone;
        let denied = |rules: &PrincipalRules, table: &str| -> Vec<(ToolPattern, Box<str>)> {
            let patterns = rules.deny.iter();
            patterns.map(|it| (it.clone(), table.into())).collect()
        };
        let rate = either(own.traffic.rate, all.traffic.rate, table);
        let own_budget = Some(own.traffic.budget).filter(|budget| !budget.is_none());
        let (daily, daily_table) =
            own_budget.map_or((all.traffic.budget, EVERYONE), |own| (own, table));
        Account {
            allow: either(own.allow.clone(), all.allow.clone(), table)
                .map(|(allow, table)| (allow, table.into())),
            deny: [denied(own, table), denied(all, EVERYONE)].concat(),
            limiter: rate.map(|(rate, table): (Rate, _)| {
                Limiter::new(rate, table, self.since.clone())
                    .after(known.and_then(|it| it.limiter.as_ref()))
            }),
            share: Arc::new(
                Share::new(self.bounds(own, table, alone)).after(known.map(|it| &*it.share)),
            ),
            budget: budget_of(
                daily,
                &format!("principal {name}"),
                daily_table,
                self.since.clock(),
                &self.ledger,
                known.and_then(|it| it.budget.as_deref()),
            ),
        }
    }

    /// Whoever has a host for itself may have all of it; one of many leaves a
    /// quarter to the others, and three quarters of the queue.
    fn bounds(&self, own: &PrincipalRules, table: &str, alone: bool) -> Bounds {
        let (all, capacity) = (&self.everyone, &self.capacity);
        let most = |whole: u64| if alone { whole } else { (whole / 4 * 3).max(1) };
        let calls = either(own.traffic.concurrency, all.traffic.concurrency, table);
        let (calls, calls_table) = calls.map_or_else(
            || {
                (
                    u32::try_from(most(capacity.calls.into())).unwrap_or(capacity.calls),
                    EVERYONE,
                )
            },
            |(calls, table)| (calls.get(), table),
        );
        let queue = either(own.queue, all.queue, table);
        let usual = if alone {
            capacity.queue
        } else {
            capacity.queue.div_ceil(4)
        };
        let (queue, queue_table) = queue.unwrap_or((usual, EVERYONE));
        Bounds {
            calls,
            pages: most(capacity.pages()),
            queue,
            calls_rule: format!("`concurrency = {calls}` under `{calls_table}`").into(),
            queue_rule: format!("`queue = {queue}` under `{queue_table}`").into(),
        }
    }
}

/// The first, or else the second, with the table in which it stands.
fn either<T>(own: Option<T>, all: Option<T>, table: &str) -> Option<(T, &str)> {
    own.map(|own| (own, table))
        .or_else(|| all.map(|all| (all, EVERYONE)))
}

/// A daily budget, if there is to be one.
pub(super) fn budget_of(
    most: DailyBudget,
    name: &str,
    table: &str,
    clock: &Arc<dyn Clock>,
    ledger: &Arc<Ledger>,
    known: Option<&Budget>,
) -> Option<Arc<Budget>> {
    if most.is_none() {
        return None;
    }
    let (clock, kept) = (Arc::clone(clock), Arc::clone(ledger));
    let budget = Budget::new(most, table, ledger.spent(name), clock, kept).after(known);
    let budget = Arc::new(budget);
    ledger.keep(name.to_owned(), &budget);
    Some(budget)
}

impl Account {
    /// Whether the caller may call a tool. What is denied is denied, whatever is
    /// allowed.
    pub(super) fn may_call(&self, skill: &SkillName, tool: &str) -> Result<(), NotAllowed> {
        if let Some((pattern, table)) = self.deny.iter().find(|(it, _)| it.covers(skill, tool)) {
            return Err(NotAllowed {
                rule: format!("`tools.deny = [\"{pattern}\"]` under `{table}`"),
                hint: format!(
                    "Take \"{pattern}\" out of `tools.deny` under `{table}` in skillhost.toml."
                ),
            });
        }
        let Some((allow, table)) = &self.allow else {
            return Ok(());
        };
        if allow.iter().any(|pattern| pattern.covers(skill, tool)) {
            return Ok(());
        }
        Err(NotAllowed {
            rule: format!("`tools.allow` under `{table}`"),
            hint: format!(
                "Add \"{skill}/{tool}\" to `tools.allow` under `{table}` in skillhost.toml."
            ),
        })
    }

    /// Whether a caller who comes anew would be judged the same.
    fn is_idle(&self) -> bool {
        self.share.is_idle()
            && self.limiter.as_ref().is_none_or(Limiter::is_rested)
            && self.budget.as_ref().is_none_or(|it| it.is_untouched())
    }
}

/// The table of a caller, as TOML has it.
fn table(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.bytes().all(bare) {
        format!("[principal.{name}]")
    } else {
        format!("[principal.\"{name}\"]")
    }
}

/// When to come back, in words.
pub(super) fn in_words(after: Duration) -> String {
    match after.as_secs() {
        0 => format!("{} ms", after.as_millis().max(1)),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::time::system;

    fn principals(rules: &AdmissionRules) -> Principals {
        let capacity = Capacity {
            calls: 100,
            queue: 1000,
            ..Capacity::default()
        };
        let ledger = Ledger::open(None, system()).unwrap();
        Principals::new(rules, capacity, &Since::now_on(system()), &ledger, None)
    }

    fn named(name: &str) -> Principal {
        Principal::Named(name.parse().unwrap())
    }

    fn patterns(texts: &[&str]) -> Vec<ToolPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rules(allow: Option<&[&str]>, deny: &[&str]) -> PrincipalRules {
        PrincipalRules {
            allow: allow.map(patterns),
            deny: patterns(deny),
            ..PrincipalRules::default()
        }
    }

    #[test]
    fn denied_is_denied_and_an_empty_list_allows_nothing() {
        let principals = principals(&AdmissionRules {
            everyone: rules(None, &["files/delete"]),
            principals: BTreeMap::from([
                (
                    named("a@b"),
                    rules(Some(&["files/*", "stats/count"]), &["files/write"]),
                ),
                (Principal::Stdio, rules(Some(&[]), &[])),
            ]),
            ..AdmissionRules::default()
        });
        let may = |who: &Principal, skill: &str, tool: &str| {
            principals
                .account(who)
                .may_call(&skill.parse().unwrap(), tool)
        };
        let (a, b) = (named("a@b"), named("b"));
        for (who, skill, tool, rule) in [
            (&a, "files", "read", None),
            (&a, "stats", "count", None),
            (&b, "stats", "other", None),
            (&Principal::Local, "stats", "other", None),
            (
                &a,
                "stats",
                "other",
                Some("`tools.allow` under `[principal.\"a@b\"]`"),
            ),
            (
                &a,
                "files",
                "write",
                Some("`tools.deny = [\"files/write\"]` under `[principal.\"a@b\"]`"),
            ),
            (
                &a,
                "files",
                "delete",
                Some("`tools.deny = [\"files/delete\"]` under `[principal.default]`"),
            ),
            (
                &b,
                "files",
                "delete",
                Some("`tools.deny = [\"files/delete\"]` under `[principal.default]`"),
            ),
            (
                &Principal::Stdio,
                "files",
                "read",
                Some("`tools.allow` under `[principal.stdio]`"),
            ),
        ] {
            let refused = may(who, skill, tool).err();
            assert_eq!(
                refused.as_ref().map(|it| it.rule.as_str()),
                rule,
                "{who} {skill}/{tool}"
            );
        }
        let hint = may(&a, "stats", "other").unwrap_err().hint;
        assert!(
            hint.contains("Add \"stats/other\" to `tools.allow`"),
            "{hint}"
        );
    }

    #[test]
    fn what_is_not_said_of_a_caller_is_what_is_said_of_all() {
        let mut everyone = PrincipalRules::default();
        everyone.traffic.rate = Some("5/s".parse().unwrap());
        everyone.queue = Some(7);
        let mut own = PrincipalRules::default();
        own.traffic.concurrency = NonZeroU32::new(3);
        let principals = principals(&AdmissionRules {
            everyone,
            principals: BTreeMap::from([(named("ci"), own)]),
            ..AdmissionRules::default()
        });
        let account = principals.account(&named("ci"));
        let limiter = account.limiter.as_ref().unwrap();
        assert_eq!(
            &*limiter.rule,
            "`rate = \"5/s\"` under `[principal.default]`"
        );
        let text = format!("{:?}", account.share);
        assert!(
            text.contains("`concurrency = 3` under `[principal.ci]`"),
            "{text}"
        );
        assert!(
            text.contains("`queue = 7` under `[principal.default]`"),
            "{text}"
        );
        let text = format!("{:?}", principals.account(&named("x")).share);
        assert!(
            text.contains("calls: 75") && text.contains("queue: 7"),
            "{text}"
        );
        let text = format!("{:?}", principals.account(&Principal::Local).share);
        assert!(text.contains("calls: 100,"), "{text}");
    }

    #[test]
    fn a_hundred_thousand_names_cost_no_more_than_some() {
        let mut rules = AdmissionRules::default();
        rules.everyone.traffic.rate = Some("1/day".parse().unwrap());
        let principals = principals(&rules);
        let (mut passed, mut refused) = (0, 0);
        for number in 0..100_000 {
            let account = principals.account(&named(&format!("n{number}")));
            match account.limiter.as_ref().unwrap().check() {
                Ok(()) => passed += 1,
                Err(_) => refused += 1,
            }
        }
        assert_eq!(principals.others(), MAX_OTHERS);
        // All names beyond those share one account.
        assert_eq!(
            (passed, refused),
            (MAX_OTHERS + 1, 100_000 - MAX_OTHERS - 1)
        );
    }

    #[test]
    fn names_that_left_nothing_behind_are_forgotten() {
        let principals = principals(&AdmissionRules::default());
        let kept = principals.account(&named("kept"));
        for number in 0..100_000 {
            let account = principals.account(&named(&format!("n{number}")));
            assert!(!Arc::ptr_eq(&account, &principals.crowd));
        }
        assert!(principals.others() <= MAX_OTHERS);
        assert!(Arc::ptr_eq(&kept, &principals.account(&named("kept"))));
    }
}
