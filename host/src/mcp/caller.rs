//! Whose requests these are.

use std::sync::Arc;

use crate::admission::Scope;
use crate::invocation::Principal;

/// Somebody who may make requests, for as long as one of them takes.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// What their key or token leaves of what they may do; none: all of it.
    pub scope: Option<Arc<Scope>>,
}

impl Caller {
    /// A caller that nothing is known of but who it is.
    #[must_use]
    pub const fn new(principal: Principal) -> Self {
        Self {
            principal,
            scope: None,
        }
    }

    /// A caller who may do no more than that.
    #[must_use]
    pub const fn within(principal: Principal, scope: Arc<Scope>) -> Self {
        Self {
            principal,
            scope: Some(scope),
        }
    }

    /// Whether their key or token leaves no tool out.
    pub(crate) fn has_all_tools(&self) -> bool {
        self.scope.as_ref().is_none_or(|it| it.allows_all())
    }
}
