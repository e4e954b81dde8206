//! How many more attempts than calls a skill may have: a bucket of tokens, of
//! which each further attempt takes one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::policy::Budgeting;

/// A token, in the unit that is counted in.
const TOKEN: u64 = 100_000;

/// For so long tokens of time are kept.
const KEPT_SECONDS: u64 = 10;

/// The fewest tokens that fit, so that a share of calls can add up to some.
const LEAST: u64 = 10;

/// The budget of one skill.
#[derive(Debug)]
pub(crate) struct Budget {
    rules: Budgeting,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u64,
    /// When it was filled for the time that has passed; never before the first
    /// call.
    filled: Option<Instant>,
}

impl Budget {
    /// A full one.
    pub(crate) fn new(rules: Budgeting) -> Self {
        Self {
            bucket: Mutex::new(Bucket {
                tokens: most(rules),
                filled: None,
            }),
            rules,
        }
    }

    /// Whether it was made by these rules.
    pub(crate) fn is_by(&self, rules: Budgeting) -> bool {
        self.rules == rules
    }

    /// Counts a call, which adds its share.
    pub(crate) fn called(&self) {
        self.change(|bucket| {
            bucket.add(
                u64::from(self.rules.percent) * (TOKEN / 100),
                most(self.rules),
            );
        });
    }

    /// Takes a token for one more attempt, if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        self.change(|bucket| {
            let filled = *bucket.filled.get_or_insert(now);
            let share = self.share(now.saturating_duration_since(filled));
            if share > 0 {
                bucket.filled = Some(now);
                bucket.add(share, most(self.rules));
            }
            let left = bucket.tokens.checked_sub(TOKEN);
            bucket.tokens = left.unwrap_or(bucket.tokens);
            left.is_some()
        })
    }

    /// What passing time gives.
    fn share(&self, passed: Duration) -> u64 {
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        u64::from(self.rules.per_second).saturating_mul(micros) / (1_000_000 / TOKEN)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Bucket) -> T) -> T {
        // Nothing in here panics half-way.
        change(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Bucket {
    fn add(&mut self, tokens: u64, most: u64) {
        self.tokens = self.tokens.saturating_add(tokens).min(most);
    }
}

/// What fits into a bucket.
fn most(rules: Budgeting) -> u64 {
    let of_time = u64::from(rules.per_second) * KEPT_SECONDS;
    match (rules.percent, rules.per_second) {
        (0, 0) => 0,
        _ => of_time.max(LEAST) * TOKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &Budget, now: Instant) -> u64 {
        (0..10_000).take_while(|_| budget.take(now)).count() as u64
    }

    #[test]
    fn c09_a_budget_is_a_share_of_the_calls_and_so_many_in_each_second() {
        let budget = Budget::new(Budgeting::default());
        let start = Instant::now();
        assert_eq!(taken(&budget, start), 30);
        assert_eq!(taken(&budget, start + Duration::from_secs(2)), 6);
        (0..95).for_each(|_| budget.called());
        assert_eq!(taken(&budget, start + Duration::from_secs(2)), 9);
        assert_eq!(taken(&budget, start + Duration::from_secs(3600)), 30);
    }

    #[test]
    fn c09_a_budget_of_nothing_gives_nothing() {
        let budget = Budget::new(Budgeting {
            percent: 0,
            per_second: 0,
        });
        (0..1000).for_each(|_| budget.called());
        assert!(!budget.take(Instant::now()));
    }

    #[test]
    fn a_share_alone_adds_up() {
        let budget = Budget::new(Budgeting {
            percent: 50,
            per_second: 0,
        });
        let now = Instant::now();
        assert_eq!(taken(&budget, now), LEAST);
        (0..5).for_each(|_| budget.called());
        assert_eq!(taken(&budget, now + Duration::from_secs(60)), 2);
    }
}
