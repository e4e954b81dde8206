//! How much fuel and time may be used from midnight to midnight (UTC).
//!
//! A call reserves its limits before it starts, and is refused when what was used
//! and what is reserved reach the budget. So all calls together go beyond it by
//! less than the limits of one call, however many begin at once. A call that ends
//! gives back what it did not use. One that is dropped before it tells what it used
//! is counted with its whole limits: hanging up is no way to pay less.
//!
//! The day changes only forwards. A clock that goes back gives nothing back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ledger::Ledger;
use super::rules::DailyBudget;
use crate::policy::limits::Limits;
use crate::time::{Clock, millis};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// After that time those are told to come back who wait for others to end.
const SOON: Duration = Duration::from_secs(1);

/// Fuel and time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) fuel: u64,
    pub(super) ms: u64,
}

impl Spent {
    pub(super) const fn of(limits: &Limits) -> Self {
        Self {
            fuel: limits.fuel,
            ms: millis_of(limits.timeout),
        }
    }

    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.saturating_add(other.fuel),
            ms: self.ms.saturating_add(other.ms),
        }
    }

    pub(super) const fn minus(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.saturating_sub(other.fuel),
            ms: self.ms.saturating_sub(other.ms),
        }
    }
}

const fn millis_of(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1000)
        .saturating_add(time.subsec_millis() as u64)
}

/// The budget of one principal or one skill.
#[derive(Debug)]
pub(super) struct Budget {
    most: DailyBudget,
    table: Box<str>,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    /// Shared with the budget that took its place when the configuration changed.
    day: Arc<Mutex<Day>>,
}

/// What was used today.
#[derive(Debug, Clone, Copy)]
struct Day {
    /// Since 1970.
    number: i64,
    spent: Spent,
    /// The part of it that the file does not know.
    unsaved: Spent,
    reserved: Spent,
}

/// Why a budget lets no call begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exhausted {
    /// The line of the configuration.
    pub(super) rule: String,
    pub(super) retry_after: Duration,
}

/// A part of a budget that a call may use.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    amount: Spent,
    used: Option<Spent>,
}

impl Budget {
    /// `spent` is what the file says of today.
    pub(super) fn new(
        most: DailyBudget,
        table: &str,
        spent: Spent,
        clock: Arc<dyn Clock>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            most,
            table: table.into(),
            day: Arc::new(Mutex::new(Day {
                number: day_of(clock.wall()).max(ledger.day()),
                spent,
                unsaved: Spent::default(),
                reserved: Spent::default(),
            })),
            clock,
            ledger,
        }
    }

    /// Counts on where another left off.
    pub(super) fn after(mut self, known: Option<&Self>) -> Self {
        if let Some(known) = known {
            self.day = Arc::clone(&known.day);
        }
        self
    }

    /// Sets a call's limits aside.
    pub(super) fn reserve(self: &Arc<Self>, limits: &Limits) -> Result<Reservation, Exhausted> {
        let amount = Spent::of(limits);
        let mut day = self.today();
        self.check(&day)?;
        day.reserved = day.reserved.plus(amount);
        Ok(Reservation {
            budget: Arc::clone(self),
            amount,
            used: None,
        })
    }

    /// Whether a call may begin now.
    pub(super) fn has_left(&self) -> Result<(), Exhausted> {
        self.check(&self.today())
    }

    fn check(&self, day: &Day) -> Result<(), Exhausted> {
        let all = day.spent.plus(day.reserved);
        let over = |most: Option<u64>, of: fn(&Spent) -> u64| {
            most.filter(|most| of(&all) >= *most)
                .map(|most| of(&day.spent) >= most)
        };
        let fuel = over(self.most.fuel, |it| it.fuel).map(|spent| (spent, self.fuel_rule()));
        let time =
            over(self.most.time.map(millis), |it| it.ms).map(|spent| (spent, self.time_rule()));
        let Some((spent, rule)) = fuel.or(time) else {
            return Ok(());
        };
        let retry_after = if spent {
            self.until_midnight(day)
        } else {
            SOON
        };
        Err(Exhausted { rule, retry_after })
    }

    fn fuel_rule(&self) -> String {
        let fuel = self.most.fuel.unwrap_or_default();
        format!("`budget.fuel-per-day = {fuel}` under `{}`", self.table)
    }

    fn time_rule(&self) -> String {
        let seconds = self.most.time.unwrap_or_default().as_secs();
        format!(
            "`budget.time-per-day = \"{seconds}s\"` under `{}`",
            self.table
        )
    }

    fn until_midnight(&self, day: &Day) -> Duration {
        let midnight = (day.number + 1).saturating_mul(DAY);
        let left =
            SignedDuration::from_secs(midnight.saturating_sub(self.clock.wall().as_second()));
        Duration::try_from(left).unwrap_or(SOON).max(SOON)
    }

    /// Whether nothing was used today, and nothing is reserved.
    pub(super) fn is_untouched(&self) -> bool {
        let day = self.today();
        day.spent.is_none() && day.reserved.is_none()
    }

    /// What the file does not know yet, which from now on it does.
    pub(super) fn take_unsaved(&self, today: i64) -> Spent {
        let mut day = self.day();
        day.turn_to(today);
        std::mem::take(&mut day.unsaved)
    }

    /// What all hosts used together, which the file has now.
    pub(super) fn saved(&self, total: Spent, today: i64) {
        let mut day = self.day();
        if day.number == today {
            day.spent = total.plus(day.unsaved);
        }
    }

    /// The file was not written after all.
    pub(super) fn not_saved(&self, unsaved: Spent, today: i64) {
        let mut day = self.day();
        if day.number == today {
            day.unsaved = day.unsaved.plus(unsaved);
        }
    }

    fn settle(&self, reserved: Spent, used: Spent) {
        let mut day = self.today();
        day.reserved = day.reserved.minus(reserved);
        day.spent = day.spent.plus(used);
        day.unsaved = day.unsaved.plus(used);
        drop(day);
        self.ledger.note();
    }

    fn today(&self) -> MutexGuard<'_, Day> {
        let today = day_of(self.clock.wall());
        let mut day = self.day();
        day.turn_to(today);
        day
    }

    fn day(&self) -> MutexGuard<'_, Day> {
        self.day.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Day {
    fn turn_to(&mut self, today: i64) {
        if today > self.number {
            self.number = today;
            self.spent = Spent::default();
            self.unsaved = Spent::default();
        }
    }
}

impl Reservation {
    /// What the call used; now it is known.
    pub(super) const fn used(&mut self, used: Spent) {
        self.used = Some(used);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let used = self.used.unwrap_or(self.amount);
        self.budget.settle(self.amount, used);
    }
}

/// The day of a time, since 1970.
pub(super) fn day_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::error::Kind;
    use crate::time::SystemClock;

    const HOUR: i64 = 3600;

    /// A clock that is set.
    #[derive(Debug)]
    struct Set(Mutex<i64>);

    impl Set {
        fn at(second: i64) -> Arc<Self> {
            Arc::new(Self(Mutex::new(second)))
        }

        fn turn(&self, seconds: i64) {
            *self.0.lock().unwrap() += seconds;
        }
    }

    impl Clock for Set {
        fn wall(&self) -> Timestamp {
            Timestamp::from_second(*self.0.lock().unwrap()).unwrap()
        }

        fn monotonic(&self) -> Instant {
            SystemClock.monotonic()
        }
    }

    fn limits(fuel: u64) -> Limits {
        Limits {
            fuel,
            timeout: Duration::from_secs(10),
            ..Limits::default()
        }
    }

    fn fuel(most: u64) -> DailyBudget {
        DailyBudget {
            fuel: Some(most),
            time: None,
        }
    }

    /// A budget as a host opens it.
    fn open(most: DailyBudget, clock: &Arc<Set>, file: Option<&Path>) -> Arc<Budget> {
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let ledger = Ledger::open(file.map(Path::to_owned), Arc::clone(&clock)).unwrap();
        super::super::principal::budget_of(
            most,
            "principal ci",
            "[principal.ci]",
            &clock,
            &ledger,
            None,
        )
        .unwrap()
    }

    fn spend(budget: &Arc<Budget>, fuel: u64) {
        let mut reserved = budget.reserve(&limits(fuel)).unwrap();
        reserved.used(Spent { fuel, ms: 1 });
    }

    fn close(budget: &Arc<Budget>) {
        // Outside of a runtime nobody writes later.
        budget.ledger.close();
    }

    #[test]
    fn together_calls_go_beyond_a_budget_by_less_than_one() {
        let clock = Set::at(12 * HOUR);
        let budget = open(fuel(100), &clock, None);
        let reserved: Vec<_> = (0..10)
            .map_while(|_| budget.reserve(&limits(30)).ok())
            .collect();
        assert_eq!(reserved.len(), 4);
        let exhausted = budget.has_left().unwrap_err();
        assert_eq!(exhausted.retry_after, SOON);
        for mut reservation in reserved {
            reservation.used(Spent { fuel: 10, ms: 1 });
        }
        assert_eq!(budget.has_left(), Ok(()));
        spend(&budget, 60);
        let exhausted = budget.reserve(&limits(1)).unwrap_err();
        assert_eq!(
            exhausted.rule,
            "`budget.fuel-per-day = 100` under `[principal.ci]`"
        );
        assert_eq!(exhausted.retry_after, Duration::from_secs(12 * 3600));
    }

    #[test]
    fn callers_on_many_threads_do_not_overspend() {
        let clock = Set::at(0);
        let budget = open(fuel(1000), &clock, None);
        let running = std::sync::atomic::AtomicU64::new(0);
        let most = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    use std::sync::atomic::Ordering::SeqCst;
                    while let Ok(mut reserved) = budget.reserve(&limits(7)) {
                        let now = running.fetch_add(7, SeqCst) + 7;
                        most.fetch_max(now, SeqCst);
                        std::thread::yield_now();
                        reserved.used(Spent { fuel: 7, ms: 0 });
                        drop(reserved);
                    }
                });
            }
        });
        let spent = budget.day().spent.fuel;
        assert!((1000 - 8 * 7..1007).contains(&spent), "{spent}");
        assert!(most.into_inner() <= 1006);
        assert_eq!(budget.day().reserved, Spent::default());
    }

    #[test]
    fn a_call_that_does_not_tell_counts_with_its_limits() {
        let budget = open(fuel(1000), &Set::at(0), None);
        drop(budget.reserve(&limits(300)).unwrap());
        assert_eq!(
            budget.day().spent,
            Spent {
                fuel: 300,
                ms: 10_000
            }
        );
    }

    #[test]
    fn a_day_ends_at_midnight_and_never_begins_again() {
        let clock = Set::at(23 * HOUR);
        let budget = open(fuel(100), &clock, None);
        spend(&budget, 100);
        assert!(budget.has_left().is_err());
        clock.turn(HOUR - 1);
        assert!(budget.has_left().is_err());
        clock.turn(1);
        assert_eq!(budget.has_left(), Ok(()));
        spend(&budget, 100);
        clock.turn(-HOUR);
        assert!(budget.has_left().is_err());
        clock.turn(-24 * HOUR);
        assert!(budget.has_left().is_err());
        clock.turn(25 * HOUR);
        assert!(budget.has_left().is_err());
        clock.turn(24 * HOUR);
        assert_eq!(budget.has_left(), Ok(()));
    }

    #[test]
    fn time_is_counted_as_well() {
        let most = DailyBudget {
            fuel: None,
            time: Some(Duration::from_secs(60)),
        };
        let budget = open(most, &Set::at(0), None);
        let mut reserved = budget.reserve(&limits(1)).unwrap();
        reserved.used(Spent {
            fuel: 1,
            ms: 60_000,
        });
        drop(reserved);
        let exhausted = budget.has_left().unwrap_err();
        assert_eq!(
            exhausted.rule,
            "`budget.time-per-day = \"60s\"` under `[principal.ci]`"
        );
    }

    #[test]
    fn a_restart_gives_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budgets.json");
        let clock = Set::at(10 * 24 * HOUR + HOUR);
        let first = open(fuel(100), &clock, Some(&file));
        spend(&first, 70);
        close(&first);
        let second = open(fuel(100), &clock, Some(&file));
        assert_eq!(second.day().spent.fuel, 70);
        spend(&second, 20);
        close(&second);
        // A host that goes on learns what the other used.
        spend(&first, 5);
        close(&first);
        assert_eq!(first.day().spent.fuel, 95);
        clock.turn(-48 * HOUR);
        let third = open(fuel(100), &clock, Some(&file));
        assert_eq!(third.day().spent.fuel, 95);
        clock.turn(72 * HOUR);
        let fourth = open(fuel(100), &clock, Some(&file));
        assert_eq!(fourth.day().spent.fuel, 0);
        spend(&fourth, 1);
        close(&fourth);
        assert_eq!(open(fuel(9), &clock, Some(&file)).day().spent.fuel, 1);
    }

    #[test]
    fn a_file_that_is_none_stops_the_start_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budgets.json");
        let clock = Set::at(HOUR);
        let budget = open(fuel(100), &clock, Some(&file));
        spend(&budget, 70);
        std::fs::write(&file, "{").unwrap();
        close(&budget);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let refused = Ledger::open(Some(file.clone()), clock).unwrap_err();
        assert_eq!(refused.kind(), Kind::ConfigInvalid);
        std::fs::remove_file(&file).unwrap();
        close(&budget);
        assert!(std::fs::read_to_string(&file).unwrap().contains("70"));
    }
}
