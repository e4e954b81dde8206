//! Whose requests these are.

use std::sync::Arc;

use rmcp::model::ErrorData;

use super::result::no_such_tool;
use crate::admission::Scope;
use crate::answer::Answer;
use crate::error::Kind;
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
}

/// Answers a call of a tool that the caller does not see, by a rule or because
/// there is none, in the same words: nobody finds out what others may call.
///
/// # Errors
///
/// `-32602`, as for any name that is no tool's.
pub(super) fn shown(name: &str, answer: &Answer) -> Result<(), ErrorData> {
    match &answer.outcome {
        Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::UnknownTool) => {
            Err(no_such_tool(name))
        }
        _ => Ok(()),
    }
}
