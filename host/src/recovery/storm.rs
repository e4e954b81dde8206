//! C09: what very many callers do together while a dependency is dead, and when
//! it comes back. Time is a number here, so an hour takes no time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// Callers of one tool that says `unavailable` to everybody.
struct Storm {
    start: Instant,
    rules: Arc<Recovery>,
    budget: Budget,
    breakers: Breakers,
    /// When which call is tried next, in microseconds.
    queue: BinaryHeap<Reverse<(u128, usize)>>,
    courses: Vec<(Instant, Course)>,
    runs: u64,
    retries: Vec<u128>,
}

impl Storm {
    fn new(breaker: Breaking) -> Self {
        let rules = Recovery {
            attempts: 5,
            attempt_timeout: None,
            backoff: Backoff::default(),
            retry_on: vec![Kind::GuestFailed],
            idempotent: false,
            fallback: Vec::new(),
            breaker,
        };
        Self {
            start: Instant::now(),
            rules: Arc::new(rules),
            budget: Budget::new(Budgeting::default()),
            breakers: Breakers::default(),
            queue: BinaryHeap::new(),
            courses: Vec::new(),
            runs: 0,
            retries: Vec::new(),
        }
    }

    fn call(&mut self, after: Duration) {
        let number = self.courses.len();
        let seed = u64::try_from(number).unwrap();
        let course = Course::new(Arc::clone(&self.rules), seed);
        self.courses.push((self.start + after, course));
        self.queue.push(Reverse((after.as_micros(), number)));
    }

    /// Lets everybody try until nobody wants to any more; how long that took.
    fn rage(&mut self) -> Duration {
        let mut last = Duration::ZERO;
        let mut begun = vec![false; self.courses.len()];
        while let Some(Reverse((at, number))) = self.queue.pop() {
            last = Duration::from_micros(u64::try_from(at).unwrap());
            let is_first = !std::mem::replace(&mut begun[number], true);
            if is_first {
                self.budget.called();
            } else {
                self.retries.push(at);
            }
            if let Some(pause) = self.attempt(number, self.start + last) {
                self.queue.push(Reverse((at + pause.as_micros(), number)));
            }
        }
        last
    }

    fn attempt(&mut self, number: usize, now: Instant) -> Option<Duration> {
        let circuit = || Circuit {
            digest: "d".into(),
            tool: "t".into(),
            principal: "p".into(),
        };
        let entered = self.breakers.enter(self.rules.breaker, circuit, now);
        let failure = match entered {
            Err(shut) => Failure {
                kind: Kind::BreakerOpen,
                unavailable: false,
                ran: false,
                retry_after: Some(shut.retry_after),
            },
            Ok((pass, _)) => {
                self.runs += 1;
                pass.settle(self.rules.breaker, circuit, Health::Ill, now);
                Failure {
                    kind: Kind::GuestFailed,
                    unavailable: true,
                    ran: true,
                    retry_after: None,
                }
            }
        };
        let (start, course) = &mut self.courses[number];
        let left = Left {
            time: DEADLINE.saturating_sub(now - *start),
            fuel: 1,
        };
        match course.after(failure, left, || self.budget.take(now)) {
            Decision::Retry(pause) => Some(pause),
            _ => None,
        }
    }

    fn extra(&self) -> u64 {
        u64::try_from(self.retries.len()).unwrap()
    }
}

#[test]
fn c09_a_thousand_callers_make_no_more_attempts_than_the_budget_has() {
    let mut storm = Storm::new(Breaking::Off);
    (0..1000).for_each(|_| storm.call(Duration::ZERO));
    let took = storm.rage();
    let budget = 30 + 1000 / 10 + 3 * (took.as_secs() + 1);
    assert!(storm.extra() >= 100, "{}", storm.extra());
    assert!(storm.extra() <= budget, "{} of {budget}", storm.extra());
    assert_eq!(storm.runs, 1000 + storm.extra());
}

#[test]
fn c09_callers_without_end_make_a_share_of_further_attempts() {
    let mut storm = Storm::new(Breaking::Off);
    for number in 0..6000_u32 {
        storm.call(Duration::from_millis(10) * number);
    }
    let took = storm.rage();
    let budget = 30 + 6000 / 10 + 3 * (took.as_secs() + 1);
    assert!(storm.extra() <= budget, "{} of {budget}", storm.extra());
    assert!(storm.extra() > budget / 2, "{} of {budget}", storm.extra());
}

#[test]
fn c09_those_who_failed_together_do_not_come_back_together() {
    let mut storm = Storm::new(Breaking::Off);
    (0..1000).for_each(|_| storm.call(Duration::ZERO));
    storm.rage();
    let first: Vec<u128> = storm.retries.iter().take(100).copied().collect();
    let mut distinct = first.clone();
    distinct.dedup();
    assert!(distinct.len() > 90, "{first:?}");
    assert!(first[99] - first[0] > 20_000, "{first:?}");
}

/// R30: what fails for long is hardly run any more.
#[test]
fn c09_r30_a_breaker_lets_one_call_try_and_no_other() {
    let breaker = Breaking::After {
        failures: NonZeroU8::new(5).unwrap(),
        window: DEADLINE,
        open: DEADLINE,
    };
    let mut storm = Storm::new(breaker);
    for second in 0..300_u64 {
        (0..100).for_each(|_| storm.call(Duration::from_secs(second)));
    }
    storm.rage();
    // Five that open it, and one each half minute.
    assert!((5 + 9..=5 + 10).contains(&storm.runs), "{}", storm.runs);
}
