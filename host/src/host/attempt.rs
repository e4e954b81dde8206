//! One attempt of a call: take the skill, admit the call, build its store, and,
//! as the last step before the guest, see that what was verified still stands.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Host;
use super::chain::Target;
use super::record::{Attempted, check_output, check_questions, explain_denial, redact};
use super::whole::Whole;
use crate::admission::{Caller, Refusal};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::invocation::Invocation;
use crate::policy::limits::Limits;
use crate::registry::{Granted, Loaded};
use crate::run::{self, Call, Ended};
use crate::sandbox::{self, Observer, Parts, State};
use crate::time::millis;

/// The longest wait for the end of a verdict before it is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Why a guest was not run to an end.
pub(super) enum NotRun {
    Failed(Error),
    /// It is no longer as it was judged.
    Outdated,
}

impl Host {
    /// Tries what the call is at, within what it has left. A panic of the host is
    /// the end of this attempt and of nothing else.
    pub(super) async fn attempt(&self, target: &mut Target, whole: &mut Whole) -> Attempted {
        let id = target.invocation.id;
        // On the heap: it is large, and is moved into each layer around it.
        let trying = crate::panic::during(id, Box::pin(self.try_skill(target, whole)));
        let tried = AssertUnwindSafe(trying).catch_unwind().await;
        match tried {
            Ok(Ok((loaded, ended))) => {
                let attempted = self.attempted(&target.subject, &loaded, ended);
                if let Ok(output) = &attempted.outcome
                    && target.invocation.earlier.is_first()
                {
                    self.keep_answer(target, &loaded, output);
                }
                attempted
            }
            Ok(Err(error)) => Attempted::failed(self.redacted(error)),
            Err(_panic) => {
                let recorded = self.events.record(&target.subject, &Event::HostPanicked {});
                Attempted::failed(recorded.err().unwrap_or_else(run::panicked))
            }
        }
    }

    fn redacted(&self, mut error: Error) -> Error {
        let redactor = self.events.redactor();
        error.edit(|text| *text = redactor.redact(text).0.into_owned());
        error
    }

    async fn try_skill(
        &self,
        target: &mut Target,
        whole: &mut Whole,
    ) -> Result<(Arc<Loaded>, Ended)> {
        let Target {
            invocation,
            subject,
        } = target;
        if whole.has_tried() && invocation.cancelled.is_cancelled() {
            return Err(cancelled());
        }
        self.events.settle().await?;
        let caller = self.caller(invocation, subject, whole)?;
        self.refuse_suspended(invocation)?;
        let mut loaded = whole.snapshot.skills.get(&invocation.skill)?;
        // A file may change once more while the change is read; twice is a
        // sign of something else.
        for _ in 0..3 {
            subject.describe(&loaded);
            let terms = Arc::clone(&whole.snapshot.terms);
            let granted = self.with_once(&loaded, invocation, &terms, subject)?;
            let tried = self.try_call(&caller, invocation, subject, &granted, whole);
            match tried.await {
                Ok(ended) => return Ok((loaded, ended)),
                Err(NotRun::Failed(error)) => return Err(error),
                Err(NotRun::Outdated) => {
                    // A large future that is seldom needed: kept out of every call's own.
                    loaded = Box::pin(self.renewed(invocation, subject, whole)).await?;
                }
            }
        }
        Err(Error::new(
            Kind::ArtifactChanged,
            "The skill's files keep changing while they are read.",
        )
        .with_hint("Replace a skill by renaming a complete file into place."))
    }

    pub(super) fn refuse_suspended(&self, invocation: &Invocation) -> Result<()> {
        let now = self.clock.monotonic();
        self.suspensions.check(&invocation.skill, &self.events, now)
    }

    /// Who calls is judged once, however often it is tried.
    fn caller(
        &self,
        invocation: &Invocation,
        subject: &Subject,
        whole: &mut Whole,
    ) -> Result<Arc<Caller>> {
        if let Some(caller) = &whole.caller {
            return Ok(Arc::clone(caller));
        }
        let caller = whole.snapshot.admission.caller(invocation);
        let caller = Arc::new(caller.map_err(|it| self.refused(it, subject))?);
        whole.caller = Some(Arc::clone(&caller));
        Ok(caller)
    }

    /// Whether a call would be let in now: judged and counted like one that is
    /// made, but not made, and not recorded.
    ///
    /// # Errors
    ///
    /// Those with which a call is refused before its skill runs, but for trust.
    pub async fn would_admit(&self, invocation: &Invocation) -> Result<()> {
        let now = self.current.get();
        let admission = &now.admission;
        let caller = admission.caller(invocation).map_err(Refusal::error)?;
        let loaded = now.skills.get(&invocation.skill)?;
        let admitted = admission.admit(&caller, invocation, &loaded);
        let admitted = admitted.map_err(Refusal::error)?;
        let limits = admitted.granted.limits_of(admitted.tool);
        let deadline = Instant::now() + limits.timeout;
        let seat = admission.seat(&caller, invocation, admitted.tool, limits, deadline);
        let mut seat = seat.await.map_err(Refusal::error)?;
        seat.used(0, 0);
        Ok(())
    }

    fn refused(&self, refusal: Refusal, subject: &Subject) -> Error {
        refusal.recorded(&self.events, subject)
    }

    /// Calls the skill, if it is as it was judged. A call that is not admitted
    /// may be so by what lies on disk now.
    async fn try_call(
        &self,
        caller: &Caller,
        invocation: &Invocation,
        subject: &Subject,
        loaded: &Loaded,
        whole: &mut Whole,
    ) -> Result<Ended, NotRun> {
        let admission = Arc::clone(&whole.snapshot.admission);
        let admitted = admission.admit(caller, invocation, loaded);
        let changes = self.authority.subscribe();
        let mut admitted = match admitted {
            Ok(admitted) => admitted,
            Err(_) if !self.upholds(loaded) => return Err(NotRun::Outdated),
            Err(refusal) => return Err(self.refused(refusal, subject).into()),
        };
        admitted.record(&self.events, subject)?;
        let (tool, granted) = (admitted.tool, admitted.granted);
        let recovery = loaded.recovery.of(tool)?;
        if whole.begin(granted.limits_of(tool)) && recovery.attempts > 1 {
            loaded.recovery.budget.called();
        }
        let pass = self.ask_breaker(subject, loaded, recovery)?;
        let (limits, deadline) = whole.bounds(granted.limits_of(tool), recovery.attempt_timeout);
        let seat = admission.seat(caller, invocation, tool, &limits, deadline);
        let mut seat = seat.await.map_err(|it| self.refused(it, subject))?;
        let observer = Observer::new(Arc::clone(&self.events), Arc::new(subject.clone()));
        let store = self.store(
            invocation,
            loaded,
            granted,
            &limits,
            observer.clone(),
            deadline,
        )?;
        if !self.upholds(loaded) {
            return Err(NotRun::Outdated);
        }
        self.admit_unsigned(subject, loaded)?;
        let _ticking = self.compiler.tick();
        let call = Call {
            invocation,
            limits: &limits,
            deadline,
        };
        let withdrawn = self.withdrawn(loaded, changes);
        whole.runs();
        let mut ended = run::call(&loaded.prepared, store, call, withdrawn).await;
        seat.used(ended.charged, ended.usage.wall_ms);
        ended.repeats = observer.repeats();
        redact(&observer, &mut ended);
        if let Some(unavailable) = observer.lost() {
            return Err(unavailable.into());
        }
        check_output(admitted.schemas, &mut ended);
        check_questions(subject, granted, &mut ended);
        explain_denial(&observer, &mut ended);
        self.tell_breaker(subject, recovery, pass, &ended, !whole.has_tried())?;
        Ok(ended)
    }

    /// The skill as it is to be judged now. What is recorded of a refusal is by
    /// which trust it was refused. If it has to be compiled, that goes on when
    /// the caller has given up or the time is over.
    async fn renewed(
        &self,
        invocation: &Invocation,
        subject: &mut Subject,
        whole: &mut Whole,
    ) -> Result<Arc<Loaded>> {
        let timeout = whole.snapshot.terms.limits.timeout;
        let renewed = tokio::select! {
            biased;
            () = invocation.cancelled.cancelled() => Err(cancelled()),
            renewed = self.renew(&invocation.skill, subject) => renewed,
            () = tokio::time::sleep_until(whole.start() + timeout) => Err(self.not_ready(subject, timeout)),
        };
        if renewed.is_err() {
            subject.trust_generation = Some(self.authority.generation());
        }
        renewed?;
        whole.go_on_with(self.current.get(), &invocation.principal);
        whole.snapshot.skills.get(&invocation.skill)
    }

    fn not_ready(&self, subject: &Subject, timeout: Duration) -> Error {
        let timeout = millis(timeout);
        let kind = Kind::DeadlineExceeded;
        let reason = format!("The skill was replaced, and was not ready within {timeout} ms.");
        let event = Event::LimitExceeded {
            limit: "timeout",
            kind,
            reason: reason.clone(),
        };
        match self.events.record(subject, &event) {
            Err(unavailable) => unavailable,
            Ok(()) => Error::new(kind, reason).with_hint("Try again when it is compiled."),
        }
    }

    /// Whether what was verified still stands: the generation of trust, the
    /// verdict's end, the clock, the files on disk, and what was granted. The
    /// last look before a guest runs; [`invoke`](Self::invoke) takes it by itself.
    #[must_use]
    pub fn upholds(&self, loaded: &Loaded) -> bool {
        self.authority.upholds(loaded.verdict())
            && loaded.is_unchanged()
            && self.consents.upholds(loaded.consent)
    }

    /// Each use of the development override is an event.
    fn admit_unsigned(&self, subject: &Subject, loaded: &Loaded) -> Result<()> {
        if loaded.verdict().is_unsigned() {
            self.events.record(subject, &Event::UnsignedExecution {})?;
        }
        Ok(())
    }

    /// Waits until the skill may no longer run: what is trusted has changed, or
    /// its verdict has ended.
    async fn withdrawn(&self, loaded: &Loaded, mut changes: watch::Receiver<u64>) -> Error {
        let mut until = loaded.verdict().until();
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    std::future::pending().await
                },
                () = self.reached(until) => {}
            }
            match self.judge_again(loaded) {
                Ok(end) => until = end,
                Err(error) => return error,
            }
        }
    }

    /// Until when the skill may run by what is trusted now.
    fn judge_again(&self, loaded: &Loaded) -> Result<Option<Timestamp>> {
        let artifact = loaded.compiled.verified().inner().clone();
        let verified = self.authority.verify(artifact)?;
        self.authority
            .check_lock(&loaded.manifest, verified.verdict())?;
        Ok(verified.verdict().until())
    }

    async fn reached(&self, moment: Option<Timestamp>) {
        let Some(moment) = moment else {
            return std::future::pending().await;
        };
        let left = Duration::try_from(moment.duration_since(self.clock.wall()));
        tokio::time::sleep(left.unwrap_or_default().min(LONGEST_SLEEP)).await;
    }

    fn store(
        &self,
        invocation: &Invocation,
        loaded: &Loaded,
        granted: &Granted,
        limits: &Limits,
        observer: Observer,
        deadline: Instant,
    ) -> Result<wasmtime::Store<State>> {
        sandbox::store(
            self.compiler.engine(),
            Parts {
                invocation,
                grant: &granted.grant,
                limits,
                mounts: &granted.mounts,
                gateway: &self.gateway,
                kept: &granted.kept,
                settings: &loaded.settings,
                environment: &loaded.environment,
                log: invocation.log.as_ref().filter(|_| loaded.log_to_client),
                entrusted: &granted.entrusted,
                observer,
                deadline,
            },
        )
    }
}

pub(super) fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "The call was cancelled.")
}

impl From<Error> for NotRun {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
