//! Whether the same call is of use again, in one sentence for whoever made it.

use super::course::{Failure, Why};
use crate::error::{Again, Error, Kind, Retry};

/// The sentence that goes with a failure; none if its hint says it already.
pub(crate) fn told(error: &Error) -> Option<&'static str> {
    let known = error.again().map(Again::sentence);
    known.or_else(|| by_kind(error.kind()))
}

/// What is known beyond the kind after a call was given up that ran so often.
pub(super) fn after(failure: Failure, why: Why, runs: u32, idempotent: bool) -> Option<Again> {
    if why == Why::Budget {
        Some(Again::NotSoon)
    } else if failure.may_have_had_effects() && !idempotent {
        Some(Again::MakeSure)
    } else if runs > 1 {
        Some(Again::NotAtOnce)
    } else {
        None
    }
}

const fn by_kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::GuestFailed
        | Kind::Overloaded
        | Kind::BreakerOpen
        | Kind::RateLimited
        | Kind::Cancelled
        | Kind::UnknownTool => None,
        _ => Some(match kind.retry() {
            Retry::Never => "The same call would fail again.",
            Retry::Once => "Trying once more may help.",
            Retry::ByPolicy => "Trying again later may help.",
        }),
    }
}
