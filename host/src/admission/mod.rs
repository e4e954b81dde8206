//! Whether a call may enter: may this caller call this tool now, do the arguments
//! fit it, and is there room.
//!
//! A call passes through three gates, each of which refuses with the line of the
//! configuration that decided:
//!
//! 1. `Admission::caller`, once for each call: who calls, and how often.
//! 2. `Admission::admit`, before each attempt: may the caller call this tool, is
//!    the tool blocked, does the skill have what it needs, do the arguments fit the
//!    schema, and do they look like an attack. A tool that is called instead of
//!    another is judged like any other.
//! 3. `Admission::seat`, before each attempt: rates of skill and tool, budgets,
//!    and room, for which it waits. What is taken is given back when the `Seated`
//!    is dropped.

mod budget;
pub(crate) mod capacity;
mod cost;
mod gate;
mod interpreter;
mod ledger;
mod pattern;
mod principal;
mod rate;
mod refusal;
pub mod rules;
mod schemas;
mod scope;
pub mod screening;
mod settings;
mod skill;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use self::budget::{Budget, Reservation, Spent};
use self::capacity::Capacity;
pub(crate) use self::gate::Load;
use self::gate::{Claim, Gate, Seat};
use self::ledger::Ledger;
pub(crate) use self::principal::Caller;
use self::principal::Principals;
use self::rate::{Limiter, Since};
pub(crate) use self::refusal::Refusal;
use self::rules::AdmissionRules;
pub(crate) use self::schemas::{Schemas, tool};
pub use self::scope::Scope;
use self::screening::{Finding, Screening, Seen};
pub(crate) use self::settings::settings;
use self::skill::SkillAccount;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Subject};
use crate::host::{SkillPolicy, blocking};
use crate::invocation::{Invocation, Principal};
use crate::manifest::{SkillName, ToolName};
use crate::policy::limits::Limits;
use crate::registry::{Granted, Loaded};
use crate::time::Clock;

/// Arguments of more bytes are checked where they keep no other call waiting:
/// below, a check takes less than a millisecond.
const LARGE: usize = 64 * 1024;

/// Admits calls.
#[derive(Debug)]
pub(crate) struct Admission {
    principals: Principals,
    skills: BTreeMap<SkillName, SkillAccount>,
    screening: Screening,
    gate: Arc<Gate>,
    ledger: Arc<Ledger>,
    since: Since,
}

/// A call of a tool that exists, is allowed, and fits.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) tool: &'a ToolName,
    pub(crate) schemas: &'a Schemas,
    pub(crate) granted: &'a Granted,
    flags: Vec<Event>,
}

/// Room for one attempt, and a part of the budgets, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seated<'a> {
    reserved: [Option<Reservation>; 2],
    _seat: Seat<'a>,
}

impl Admission {
    /// # Errors
    ///
    /// `ConfigInvalid` for a capacity that runs nothing, or a file of budgets that
    /// cannot be read.
    pub(crate) fn new(
        capacity: Capacity,
        rules: &AdmissionRules,
        skills: &BTreeMap<SkillName, SkillPolicy>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let gate = Arc::new(Gate::new(capacity)?);
        let ledger = Ledger::open(rules.ledger.clone(), Arc::clone(clock))?;
        let since = Since::now_on(Arc::clone(clock));
        Ok(Self::by(rules, skills, (gate, ledger, since), None))
    }

    /// By other rules from now on. Who waits and what was counted stays; room and
    /// the file of budgets are the same.
    pub(crate) fn after(
        &self,
        rules: &AdmissionRules,
        skills: &BTreeMap<SkillName, SkillPolicy>,
    ) -> Self {
        let kept = (
            Arc::clone(&self.gate),
            Arc::clone(&self.ledger),
            self.since.clone(),
        );
        Self::by(rules, skills, kept, Some(self))
    }

    fn by(
        rules: &AdmissionRules,
        skills: &BTreeMap<SkillName, SkillPolicy>,
        (gate, ledger, since): (Arc<Gate>, Arc<Ledger>, Since),
        known: Option<&Self>,
    ) -> Self {
        let account = |(name, policy): (&SkillName, &SkillPolicy)| {
            let known = known.and_then(|known| known.skills.get(name));
            let account = SkillAccount::open(name, &policy.admission, &since, &ledger, known);
            (name.clone(), account)
        };
        let (capacity, known) = (*gate.capacity(), known.map(|it| &it.principals));
        Self {
            principals: Principals::new(rules, capacity, &since, &ledger, known),
            skills: skills.iter().map(account).collect(),
            screening: Screening::new(&rules.screening),
            gate,
            ledger,
            since,
        }
    }

    /// Whether a call with these limits can ever be let in.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it needs more than all calls may have together.
    pub(crate) fn check_fits(&self, limits: &Limits) -> Result<()> {
        self.gate.capacity().check_fits(limits)
    }

    /// Tells how busy the host is.
    pub(crate) fn load(&self) -> impl Fn() -> Load + Send + Sync + 'static {
        let gate = Arc::clone(&self.gate);
        move || gate.load()
    }

    /// The same caller, who is not counted again.
    pub(crate) fn again(&self, principal: &Principal) -> Caller {
        Caller {
            account: self.principals.account(principal),
            seen: Seen::default(),
        }
    }

    /// Whether a caller finds that tool in a list.
    pub(crate) fn offers(
        &self,
        principal: &Principal,
        scope: Option<&Scope>,
        loaded: &Loaded,
        tool: &ToolName,
    ) -> bool {
        let account = self.principals.account(principal);
        let blocked = loaded.schemas.get(tool).is_some_and(|it| it.is_blocked);
        let in_scope = |scope: &Scope| scope.may_call(&loaded.manifest.name, tool.as_str()).is_ok();
        !blocked
            && scope.is_none_or(in_scope)
            && account
                .may_call(&loaded.manifest.name, tool.as_str())
                .is_ok()
    }

    /// Who calls; counted against the rates of the caller and of its key, once for
    /// each call. That the caller may call such a tool is seen before anything is
    /// told of the skill, that there is none included.
    ///
    /// # Errors
    ///
    /// `RateLimited`; `Forbidden` for a tool that this caller may not call.
    pub(crate) fn caller(&self, invocation: &Invocation) -> Result<Caller, Refusal> {
        let account = self.principals.account(&invocation.principal);
        let scope = invocation.scope.as_deref();
        let limiters = [scope.and_then(Scope::limiter), account.limiter.as_ref()];
        for limiter in limiters.into_iter().flatten() {
            limiter
                .check()
                .map_err(|wait| Refusal::too_often("You make", &limiter.rule, wait))?;
        }
        let caller = Caller {
            account,
            seen: Seen::default(),
        };
        check_allowed(&caller, invocation)?;
        Ok(caller)
    }

    /// Checks what can be told without waiting, before each attempt.
    ///
    /// # Errors
    ///
    /// `Forbidden` for a tool that this caller may not call, or that is called like
    /// an interpreter; `UnknownTool`; `Denied` for a skill that cannot work with what
    /// it was granted; `InputTooLarge` and `InvalidInput` for arguments.
    pub(crate) fn admit<'a>(
        &self,
        caller: &Caller,
        invocation: &Invocation,
        loaded: &'a Loaded,
    ) -> Result<Admitted<'a>, Refusal> {
        let skill = &loaded.manifest.name;
        check_allowed(caller, invocation)?;
        let tool = tool(&loaded.manifest, &invocation.tool)?;
        let schemas = loaded
            .schemas
            .get(&tool.name)
            .ok_or_else(|| Error::new(Kind::Internal, "The tool's schema was not compiled."))?;
        if schemas.is_blocked {
            return Err(Refusal::interpreter(skill, &tool.name));
        }
        let granted = Result::as_ref(&loaded.granted).map_err(Refusal::denied)?;
        let mut admitted = Admitted {
            tool: &tool.name,
            schemas,
            granted,
            flags: Vec::new(),
        };
        let mut check = || self.check_input(caller, invocation, &mut admitted);
        let checked = if invocation.input.text().len() > LARGE {
            blocking(check)
        } else {
            check()
        };
        checked?;
        Ok(admitted)
    }

    fn check_input(
        &self,
        caller: &Caller,
        invocation: &Invocation,
        admitted: &mut Admitted<'_>,
    ) -> Result<(), Refusal> {
        let (schemas, granted) = (admitted.schemas, admitted.granted);
        let limit = granted.limits_of(admitted.tool).input;
        schemas.admit(&invocation.input, limit)?;
        if !self.screening.looks_at(&schemas.declared) {
            return Ok(());
        }
        let directories = granted.grant.directories().iter();
        let roots: Vec<&str> = directories.map(|it| it.guest.as_str()).collect();
        let input = invocation.input.value();
        let found = self.screening.screen(&schemas.declared, input, &roots);
        let refused = found.iter().find(|finding| finding.refuses).cloned();
        let first = found.into_iter().filter(|it| caller.seen.is_first(it));
        admitted.flags = first.map(flagged).collect();
        match refused {
            Some(finding) => Err(Refusal::screened(
                &finding,
                std::mem::take(&mut admitted.flags),
            )),
            None => Ok(()),
        }
    }

    /// Waits for room, until the deadline at the latest.
    ///
    /// # Errors
    ///
    /// `RateLimited` by a rate of skill or tool, a budget that is used up, or a
    /// caller, skill or tool that has as many calls as it may; `Overloaded`;
    /// `Cancelled`.
    pub(crate) async fn seat(
        &self,
        caller: &Caller,
        invocation: &Invocation,
        tool: &ToolName,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Seated<'_>, Refusal> {
        let skill = self.skills.get(&invocation.skill);
        let account = skill.and_then(|skill| skill.tools.get(tool));
        let limiters = [
            skill.and_then(|skill| skill.limiter.as_ref()),
            account.and_then(|tool| tool.limiter.as_ref()),
        ];
        check_rates(&limiters)?;
        let budgets = [
            caller.account.budget.as_ref(),
            skill.and_then(|skill| skill.budget.as_ref()),
        ];
        for budget in budgets.into_iter().flatten() {
            budget.has_left().map_err(|it| Refusal::used_up(&it))?;
        }
        let others = [
            skill.and_then(|skill| skill.share.clone()),
            account.and_then(|tool| tool.share.clone()),
        ];
        let claim = Claim::new(limits, Arc::clone(&caller.account.share), others);
        let seat = self.gate.enter(claim, deadline, &invocation.cancelled);
        let seat = seat.await.map_err(Refusal::turned_away)?;
        Ok(Seated {
            _seat: seat,
            reserved: reserve(budgets, limits)?,
        })
    }
}

/// What the caller's key or token does not allow, no rule gives back.
fn check_allowed(caller: &Caller, invocation: &Invocation) -> Result<(), Refusal> {
    let (skill, tool) = (&invocation.skill, invocation.tool.as_str());
    let scope = invocation.scope.as_deref();
    scope
        .map_or(Ok(()), |scope| scope.may_call(skill, tool))
        .and_then(|()| caller.account.may_call(skill, tool))
        .map_err(|not| Refusal::not_allowed(skill, tool, not))
}

fn check_rates(limiters: &[Option<&Limiter>]) -> Result<(), Refusal> {
    for limiter in limiters.iter().copied().flatten() {
        limiter
            .check()
            .map_err(|wait| Refusal::too_often("All callers together make", &limiter.rule, wait))?;
    }
    Ok(())
}

fn reserve(
    budgets: [Option<&Arc<Budget>>; 2],
    limits: &Limits,
) -> Result<[Option<Reservation>; 2], Refusal> {
    let [first, second] = budgets.map(|budget| budget.map(|it| it.reserve(limits)).transpose());
    // Both are made before one of them is refused: what was reserved and is not
    // used is given back whole.
    match (first, second) {
        (Ok(first), Ok(second)) => Ok([first, second]),
        (Ok(kept), Err(exhausted)) | (Err(exhausted), Ok(kept)) => {
            if let Some(mut kept) = kept {
                kept.used(Spent::default());
            }
            Err(Refusal::used_up(&exhausted))
        }
        (Err(exhausted), Err(_)) => Err(Refusal::used_up(&exhausted)),
    }
}

fn flagged(finding: Finding) -> Event {
    Event::InputFlagged {
        rule: finding.rule.into(),
        field: finding.field,
        action: finding.action,
    }
}

impl Admitted<'_> {
    /// Records what the arguments look like.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable`.
    pub(crate) fn record(&mut self, events: &Events, subject: &Subject) -> Result<()> {
        let flags = std::mem::take(&mut self.flags);
        flags
            .iter()
            .try_for_each(|flag| events.record(subject, flag))
    }
}

impl Seated<'_> {
    /// What the attempt used. If nobody says so, it counts with all of its limits.
    pub(crate) fn used(&mut self, fuel: u64, ms: u64) {
        for reservation in self.reserved.iter_mut().flatten() {
            reservation.used(Spent { fuel, ms });
        }
    }
}

/// While the budgets are still there.
impl Drop for Admission {
    fn drop(&mut self) {
        self.ledger.close();
    }
}
