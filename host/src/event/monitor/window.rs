//! Times of events by name, in a window that slides and a memory that is
//! bounded.

use std::collections::{BTreeMap, VecDeque};

/// The most names of one rule that are counted at once.
pub(super) const MAX_KEYS: usize = 256;

/// The newest times of each name.
#[derive(Debug)]
pub(super) struct Windows {
    count: usize,
    within_ms: u64,
    keys: BTreeMap<Box<str>, Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// At most as many as the rule waits for, the newest last.
    times: VecDeque<u64>,
    /// Until when nothing more is said of this name.
    quiet_until: u64,
}

impl Windows {
    /// Waits for `count` events within `within_ms` milliseconds.
    pub(super) fn new(count: u32, within_ms: u64) -> Self {
        Self {
            count: usize::try_from(count).unwrap_or(usize::MAX),
            within_ms,
            keys: BTreeMap::new(),
        }
    }

    /// Counts an event of that name at that time; whether it is the one that the
    /// rule waits for. For as long as the window is wide, nothing more is said
    /// of a name then.
    pub(super) fn mark(&mut self, key: &str, now: u64) -> bool {
        if !self.keys.contains_key(key) {
            self.make_room(now);
        }
        let (count, within) = (self.count, self.within_ms);
        let window = self.keys.entry(key.into()).or_default();
        if now < window.quiet_until {
            return false;
        }
        window.forget(now, within);
        window.times.push_back(now);
        if window.times.len() < count {
            return false;
        }
        window.times.clear();
        window.quiet_until = now.saturating_add(within);
        true
    }

    /// Forgets the name of which least is known, so that a flood of invented
    /// names pushes out its own.
    fn make_room(&mut self, now: u64) {
        if self.keys.len() < MAX_KEYS {
            return;
        }
        let (count, within) = (self.count, self.within_ms);
        for window in self.keys.values_mut() {
            window.forget(now, within);
        }
        let weight = |window: &Window| {
            let told = now < window.quiet_until;
            let marks = if told { count } else { window.times.len() };
            (marks, window.times.back().copied())
        };
        let least = self.keys.iter().min_by_key(|(_, window)| weight(window));
        if let Some(key) = least.map(|(key, _)| key.clone()) {
            self.keys.remove(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Window {
    fn forget(&mut self, now: u64, within: u64) {
        let over = |time: &u64| now.saturating_sub(*time) >= within;
        while self.times.front().is_some_and(over) {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut windows = Windows::new(3, 1000);
        assert_eq!(
            [0, 400, 999].map(|now| windows.mark("a", now)),
            [false, false, true]
        );
        let mut windows = Windows::new(3, 1000);
        assert_eq!(
            [0, 400, 1000, 1399].map(|now| windows.mark("a", now)),
            [false, false, false, true]
        );
    }

    #[test]
    fn it_is_said_once_for_as_long_as_the_window_is_wide() {
        let mut windows = Windows::new(2, 1000);
        let said: Vec<u64> = (0..40)
            .map(|step| step * 100)
            .filter(|now| windows.mark("a", *now))
            .collect();
        assert_eq!(said, [100, 1200, 2300, 3400]);
    }

    #[test]
    fn names_are_counted_apart() {
        let mut windows = Windows::new(2, 1000);
        assert!(!windows.mark("a", 0) && !windows.mark("b", 0));
        assert!(windows.mark("a", 1) && windows.mark("b", 1));
    }

    #[test]
    fn a_flood_of_names_takes_no_more_room_and_hides_nobody() {
        let mut windows = Windows::new(3, 10_000);
        windows.mark("hostile", 0);
        windows.mark("hostile", 1);
        for number in 0..10_000 {
            windows.mark(&format!("invented-{number}"), 2);
        }
        assert_eq!(windows.len(), MAX_KEYS);
        assert!(windows.mark("hostile", 3), "it was pushed out");
        for number in 0..10_000 {
            windows.mark(&format!("other-{number}"), 4);
        }
        let again: Vec<bool> = (0..3).map(|_| windows.mark("hostile", 5)).collect();
        assert_eq!(again, [false; 3], "it was forgotten that it had been said");
    }
}
