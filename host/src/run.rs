//! Calling into a guest, and telling how that ended.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};
use wasmtime_wasi_http::FieldMapError;

use crate::answer::{Output, Wants, guest_error, size_of, texts_of};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Spent, Usage};
use crate::invocation::Invocation;
use crate::manifest::text::one_line;
use crate::policy::limits::Limits;
use crate::question::Questions;
use crate::sandbox::bindings::skillhost::skill::types as guest;
use crate::sandbox::bindings::skillhost::skill::types::Outcome;
use crate::sandbox::meter::{Budget, Exceeded, Meter};
use crate::sandbox::random::TooManyAtOnce;
use crate::sandbox::{Diagnostics, Prepared, State};
use crate::time::millis;

/// Units of fuel for a nanosecond that a guest had before it was stopped: no core
/// does so many instructions. The engine may lose what a guest burned before a
/// trap, and time is never lost.
const FUEL_PER_NANOSECOND: u64 = 20;

/// How one attempt ended.
pub(crate) struct Ended {
    pub(crate) outcome: Result<Output, Fault>,
    /// What would let it go on, if the outcome is a fault.
    pub(crate) wants: Wants,
    pub(crate) usage: Usage,
    /// Units of fuel that it counts for, those included that the engine may have
    /// lost.
    pub(crate) charged: u64,
    pub(crate) diagnostics: Diagnostics,
    /// Budgets of which the guest wanted more than it had.
    pub(crate) exceeded: Vec<Exceeded>,
    /// What was refused to it more than once.
    pub(crate) repeats: Option<Event>,
    /// Whether secrets were taken out of what it said.
    pub(crate) redactions: Option<Event>,
}

/// Why one attempt failed, and what the engine said.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: Error,
    pub(crate) cause: Cause,
}

/// Which event a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The guest said so.
    Guest,
    /// The guest said that it did nothing yet, and may later.
    Unavailable,
    /// A limit of the grant, by its name.
    Limit(&'static str),
    /// A trap of the engine.
    Trap,
    /// The caller gave up.
    Cancelled,
    /// It may no longer run.
    Withdrawn,
    /// The host panicked.
    Panic,
}

/// What is called, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) invocation: &'a Invocation,
    pub(crate) limits: &'a Limits,
    pub(crate) deadline: tokio::time::Instant,
}

type Called = wasmtime::Result<Result<Outcome, guest::Error>>;

/// Why the engine was left before it returned.
enum Interrupted {
    Deadline,
    Cancelled,
    Withdrawn(Error),
    Panicked,
}

/// Instantiates the component in the store and calls the tool, until it
/// returns, the deadline passes, the caller gives up or the skill may no longer
/// run (`withdrawn`), whichever comes first.
///
/// Dropping the work stops it: a guest that computes yields at each tick, and
/// one that waits in the host is waiting in a future.
pub(crate) async fn call(
    prepared: &Prepared,
    mut store: Store<State>,
    call: Call<'_>,
    withdrawn: impl Future<Output = Error>,
) -> Ended {
    let Call {
        invocation,
        limits,
        deadline,
    } = call;
    let start = tokio::time::Instant::now();
    let called = {
        let work = enter(prepared, &mut store, invocation);
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::select! {
            biased;
            () = invocation.cancelled.cancelled() => Err(Interrupted::Cancelled),
            error = withdrawn => Err(Interrupted::Withdrawn(error)),
            called = tokio::time::timeout_at(deadline, work) => match called {
                Ok(Ok(called)) => Ok(called),
                Ok(Err(_panic)) => Err(Interrupted::Panicked),
                Err(_elapsed) => Err(Interrupted::Deadline),
            },
        }
    };
    let took = start.elapsed();
    let diagnostics = store.data_mut().diagnostics();
    let mut usage = Usage {
        fuel: limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0)),
        memory_bytes: store.data().memory_peak(),
        wall_ms: millis(took),
        attempts: 1,
        spent: spent(store.data().meter(), &diagnostics),
    };
    let charged = match called {
        Ok(Ok(_)) => usage.fuel,
        _ => usage.fuel.max(fuel_for(took).min(limits.fuel)),
    };
    let diagnostics = diagnostics.redacted(store.data().observer());
    let mut wants = Wants::default();
    let outcome = match called {
        Ok(Ok(Ok(Outcome::Complete(output)))) => finished(output, limits, &mut usage.spent),
        Ok(Ok(Ok(Outcome::InputRequired(request)))) => Err(asked(request, &mut wants.questions)),
        Ok(Ok(Err(mut error))) => {
            texts_of(&mut error, |text| store.data().observer().redact_in(text));
            Err(Fault {
                cause: match error {
                    guest::Error::Unavailable(_) => Cause::Unavailable,
                    _ => Cause::Guest,
                },
                error: guest_error(error),
            })
        }
        Ok(Err(cause)) => Err(trapped(
            &cause,
            store.data(),
            invocation,
            limits,
            &diagnostics,
        )),
        Err(interrupted) => Err(interruption(interrupted, limits)),
    };
    Ended {
        outcome,
        wants,
        usage,
        charged,
        diagnostics,
        exceeded: store.data().meter().exceeded(),
        repeats: None,
        redactions: None,
    }
}

fn fuel_for(time: Duration) -> u64 {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    nanoseconds.saturating_mul(FUEL_PER_NANOSECOND)
}

/// What was used, what the guest wrote included.
fn spent(meter: &Meter, diagnostics: &Diagnostics) -> Spent {
    Spent {
        stdout_bytes: diagnostics.stdout.size(),
        stderr_bytes: diagnostics.stderr.size(),
        log_bytes: diagnostics.log.size(),
        log_lines: diagnostics.log.lines.len() as u64,
        ..meter.spent()
    }
}

async fn enter(prepared: &Prepared, store: &mut Store<State>, invocation: &Invocation) -> Called {
    let skill = prepared.instantiate_async(&mut *store).await?;
    skill
        .skillhost_skill_tools()
        .call_call(store, &invocation.tool, invocation.input.as_string())
        .await
}

fn finished(output: guest::Output, limits: &Limits, spent: &mut Spent) -> Result<Output, Fault> {
    spent.output_bytes = size_of(&output);
    Output::from_guest(output, limits.output).map_err(|error| Fault {
        cause: if error.kind().is_limit() {
            Cause::Limit("output")
        } else {
            Cause::Guest
        },
        error,
    })
}

/// What is told where nobody can be asked; where somebody can, the questions
/// count.
fn asked(request: guest::InputRequest, questions: &mut Option<Questions>) -> Fault {
    let error = match Questions::from_guest(request) {
        Ok(read) => questions.insert(read).unanswered(),
        Err(error) => error,
    };
    Fault {
        error,
        cause: Cause::Guest,
    }
}

fn interruption(interrupted: Interrupted, limits: &Limits) -> Fault {
    match interrupted {
        Interrupted::Deadline => deadline_exceeded(limits),
        Interrupted::Cancelled => cancelled(),
        Interrupted::Withdrawn(error) => Fault {
            error,
            cause: Cause::Withdrawn,
        },
        Interrupted::Panicked => Fault {
            error: panicked(),
            cause: Cause::Panic,
        },
    }
}

/// The host panicked while it served a call.
pub(crate) fn panicked() -> Error {
    Error::new(Kind::Internal, "The host failed while it served this call.")
        .with_hint("The call's record in the audit log has its id; please report it.")
}

fn cancelled() -> Fault {
    Fault {
        error: Error::new(Kind::Cancelled, "The call was cancelled."),
        cause: Cause::Cancelled,
    }
}

fn deadline_exceeded(limits: &Limits) -> Fault {
    let timeout = millis(limits.timeout);
    limit(
        "timeout",
        Kind::DeadlineExceeded,
        format!("The skill did not finish within {timeout} ms."),
        "Ask for less at a time, or allow it more time (`--timeout`, `timeout` under `[limits]`).",
    )
}

fn limit(name: &'static str, kind: Kind, message: String, hint: &str) -> Fault {
    Fault {
        error: Error::new(kind, message).with_hint(hint),
        cause: Cause::Limit(name),
    }
}

/// What an error of the engine means.
fn trapped(
    cause: &wasmtime::Error,
    state: &State,
    invocation: &Invocation,
    limits: &Limits,
    diagnostics: &Diagnostics,
) -> Fault {
    let fault = match cause.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => limit(
            "fuel",
            Kind::FuelExhausted,
            format!("The skill used all of its {} units of fuel.", limits.fuel),
            "Ask for less at a time, or allow it more (`--fuel`, `fuel` under `[limits]`).",
        ),
        Some(Trap::Interrupt) if invocation.cancelled.is_cancelled() => cancelled(),
        Some(Trap::Interrupt) => deadline_exceeded(limits),
        Some(Trap::StackOverflow) => limit(
            "stack",
            Kind::StackExhausted,
            "The skill used all of its stack, as endless recursion does.".to_owned(),
            "This is a defect of the skill, or its input is nested too deeply.",
        ),
        _ if state.memory_refused() => limit(
            "memory",
            Kind::MemoryLimit,
            format!(
                "The skill needed more than its {} bytes of memory.",
                limits.memory
            ),
            "Ask for less at a time, or allow it more (`--memory`, `memory` under `[limits]`).",
        ),
        Some(trap) => crashed(trap, diagnostics),
        None => refused_by_host(cause, limits),
    };
    Fault {
        error: fault.error.with_internal(format_args!("{cause:#}")),
        ..fault
    }
}

/// A trap of the guest's own making: a panic, most often.
fn crashed(trap: &Trap, diagnostics: &Diagnostics) -> Fault {
    let stderr = diagnostics.stderr.text();
    let message = match panic_message(&stderr) {
        Some(panic) => format!(
            "The skill crashed: {}.",
            one_line(panic.trim_end_matches('.'), 300)
        ),
        None => format!("The skill crashed: {trap}."),
    };
    Fault {
        error: Error::new(Kind::Trapped, message)
            .with_hint("This is a defect of the skill; tell its author."),
        cause: Cause::Trap,
    }
}

/// What a Rust guest says when it panics: the line behind `panicked at`.
fn panic_message(stderr: &str) -> Option<&str> {
    let mut lines = stderr
        .lines()
        .skip_while(|line| !line.contains("panicked at "));
    let place = lines.next()?;
    lines.next().filter(|line| !line.is_empty()).or(Some(place))
}

/// An error that a host function ended the guest with. wasmtime keeps the types
/// of some to itself; the tests of each limit notice when its words change.
fn refused_by_host(cause: &wasmtime::Error, limits: &Limits) -> Fault {
    if matches!(
        cause.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) {
        return limit(
            "resources",
            Kind::ResourceLimit,
            format!(
                "The skill held more than {} open files, streams or requests at once.",
                limits.resources
            ),
            "This is a defect of the skill: it should close what it no longer needs.",
        );
    }
    if cause.downcast_ref::<wasmtime_wasi::I32Exit>().is_some() {
        return Fault {
            error: Error::new(
                Kind::Trapped,
                "The skill ended itself instead of answering.",
            )
            .with_hint("This is a defect of the skill; tell its author."),
            cause: Cause::Trap,
        };
    }
    if let Some(exceeded) = cause.downcast_ref::<Exceeded>() {
        return over_budget(*exceeded);
    }
    if let Some(TooManyAtOnce(most)) = cause.downcast_ref() {
        return limit(
            "random",
            Kind::HostcallLimit,
            format!("The skill asked for more than {most} random bytes at once."),
            "This is a defect of the skill: it should ask for less at a time.",
        );
    }
    if cause.downcast_ref::<FieldMapError>().is_some() {
        return limit(
            "http-headers",
            Kind::HostcallLimit,
            format!(
                "The skill made more than {} bytes of HTTP header fields.",
                limits.http_headers
            ),
            "This is a defect of the skill: it should send fewer or shorter fields.",
        );
    }
    let text = format!("{cause:#}");
    if text.contains("store handle limit exceeded") {
        return limit(
            "resources",
            Kind::ResourceLimit,
            "The skill held more handles at once than it may.".to_owned(),
            "This is a defect of the skill: it should close what it no longer needs.",
        );
    }
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return limit(
            "hostcall",
            Kind::HostcallLimit,
            "The skill passed more bytes to the host at once than it may.".to_owned(),
            "Ask for less at a time, or allow it more (`hostcall`, `output` under `[limits]`).",
        );
    }
    Fault {
        error: Error::new(Kind::Trapped, "The skill could not be run to its end.")
            .with_hint("This is a defect of the skill, or of the host; the audit log has more."),
        cause: Cause::Trap,
    }
}

/// A budget that ends the call when it is used up.
fn over_budget(exceeded: Exceeded) -> Fault {
    let Exceeded {
        budget,
        limit: most,
    } = exceeded;
    let kind = match budget {
        Budget::HostCalls | Budget::Random => Kind::HostcallLimit,
        _ => Kind::ResourceLimit,
    };
    let name = budget.name();
    Fault {
        error: Error::new(
            kind,
            format!("The skill used all of its {most} {}.", budget.what()),
        )
        .with_hint(format!(
            "Ask for less at a time, or allow it more (`{name}` under `[limits]`)."
        )),
        cause: Cause::Limit(name),
    }
}
