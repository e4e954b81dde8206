//! What a key or a token leaves of what its caller may do.

use std::sync::Arc;

use super::principal::NotAllowed;
use super::rate::{Limiter, Since};
use super::rules::{Rate, ToolPattern};
use crate::manifest::SkillName;
use crate::time::Clock;

/// The tools that somebody proved to be allowed to call, and how often: less
/// than, or as much as, the rules of their principal allow.
///
/// # Defaults
///
/// All tools, as often as the principal may.
#[derive(Debug)]
pub struct Scope {
    allow: Option<Vec<ToolPattern>>,
    limiter: Option<Limiter>,
    /// What says so: `the key abcdefgh`.
    origin: Box<str>,
}

impl Scope {
    /// The scope that `origin` gives: these tools, or all, at this rate, or any.
    #[must_use]
    pub fn new(
        origin: &str,
        allow: Option<Vec<ToolPattern>>,
        rate: Option<Rate>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let limiter = rate.map(|rate| {
            let mut limiter = Limiter::new(rate, origin, Since::now_on(Arc::clone(clock)));
            limiter.rule = format!("the rate {rate} of {origin}").into();
            limiter
        });
        Self {
            allow,
            limiter,
            origin: origin.into(),
        }
    }

    /// Whether it leaves no tool out.
    pub(crate) fn allows_all(&self) -> bool {
        let allows = |patterns: &Vec<ToolPattern>| patterns.iter().any(ToolPattern::covers_all);
        self.allow.as_ref().is_none_or(allows)
    }

    /// Its rate, counted over all calls with it.
    pub(super) const fn limiter(&self) -> Option<&Limiter> {
        self.limiter.as_ref()
    }

    pub(super) fn may_call(&self, skill: &SkillName, tool: &str) -> Result<(), NotAllowed> {
        let allows = |patterns: &Vec<ToolPattern>| patterns.iter().any(|it| it.covers(skill, tool));
        if self.allow.as_ref().is_none_or(allows) {
            return Ok(());
        }
        Err(NotAllowed {
            rule: format!("the tools of {}", self.origin),
            hint: format!(
                "Call with a key or a token that allows it: {} does not.",
                self.origin
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m16_a_scope_allows_what_it_names_and_says_who_refuses() {
        let tools = vec!["notes/*".parse().unwrap(), "stats/count".parse().unwrap()];
        let scope = Scope::new("the key a", Some(tools), None, &crate::time::system());
        let may = |skill: &str, tool| scope.may_call(&skill.parse().unwrap(), tool);
        assert!(may("notes", "find").is_ok() && may("stats", "count").is_ok());
        assert_eq!(
            may("stats", "other").unwrap_err().rule,
            "the tools of the key a"
        );
        let nothing = Scope::new("the key b", Some(Vec::new()), None, &crate::time::system());
        assert!(nothing.may_call(&"notes".parse().unwrap(), "find").is_err());
        let all = Scope::new("the key c", None, None, &crate::time::system());
        assert!(all.may_call(&"notes".parse().unwrap(), "find").is_ok());
        assert!(all.allows_all() && !nothing.allows_all() && !scope.allows_all());
        let each = vec!["notes/*".parse().unwrap(), "*".parse().unwrap()];
        let each = Scope::new("the key d", Some(each), None, &crate::time::system());
        assert!(each.allows_all());
    }

    #[test]
    fn a_rate_belongs_to_the_key_and_names_it() {
        let rate = Some("2/h".parse().unwrap());
        let scope = Scope::new("the key a", None, rate, &crate::time::system());
        let limiter = scope.limiter().unwrap();
        assert!(limiter.check().is_ok() && limiter.check().is_ok() && limiter.check().is_err());
        assert_eq!(&*limiter.rule, "the rate 2/h of the key a");
    }
}
