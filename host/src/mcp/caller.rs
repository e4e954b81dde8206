//! Whose requests these are.

use crate::invocation::Principal;

/// Somebody who may make requests, for as long as one of them takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
}

impl Caller {
    /// A caller that nothing is known of but who it is.
    #[must_use]
    pub const fn new(principal: Principal) -> Self {
        Self { principal }
    }
}
