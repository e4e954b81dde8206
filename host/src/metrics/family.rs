//! Numbers of one name, parted by labels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// The most series of one family. Further ones are counted together, under
/// [`OTHER`].
const MAX_SERIES: usize = 2_000;

/// What stands in the labels of those that have no series of their own.
const OTHER: &str = "other";

/// Parts the labels of a key; no label holds it.
const UNIT_SEPARATOR: char = '\u{1f}';

/// Upper bounds of what durations are counted in, in milliseconds.
pub(crate) const BUCKETS: [u64; 12] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000, 60_000,
];

/// Labels with their values.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A number for each set of labels.
pub(crate) type Values = Vec<(Labels, u64)>;

/// Numbers of one name, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) series: Series,
}

#[derive(Debug, Clone)]
pub(crate) enum Series {
    /// Only ever more.
    Counter(Values),
    /// As it is now.
    Gauge(Values),
    /// Seconds.
    Durations(Vec<(Labels, Buckets)>),
}

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// For each of [`BUCKETS`], how many were at most that, and more than the
    /// one before.
    pub(crate) counts: [u64; BUCKETS.len()],
    /// All of them, those beyond the last bound too.
    pub(crate) count: u64,
    /// Milliseconds, added up.
    pub(crate) sum: u64,
}

impl Family {
    pub(crate) const fn counter(name: &'static str, help: &'static str, values: Values) -> Self {
        let series = Series::Counter(values);
        Self { name, help, series }
    }

    pub(crate) const fn gauge(name: &'static str, help: &'static str, values: Values) -> Self {
        let series = Series::Gauge(values);
        Self { name, help, series }
    }
}

/// One `T` for each set of labels. Whoever counts takes the lock for reading,
/// and for writing the first time that labels are met.
struct Table<T> {
    labels: Box<[&'static str]>,
    series: RwLock<HashMap<String, T>>,
}

impl<T: Default> Table<T> {
    fn by(labels: &[&'static str]) -> Self {
        Self {
            labels: labels.into(),
            series: RwLock::default(),
        }
    }

    fn with(&self, values: &[&str], count: impl Fn(&T)) {
        let key = key(values);
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = series.get(&key) {
            return count(counter);
        }
        drop(series);
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let key = if series.len() < MAX_SERIES || series.contains_key(&key) {
            key
        } else {
            self::key(&vec![OTHER; values.len()])
        };
        count(series.entry(key).or_default());
    }

    /// In the order of their labels.
    fn all<V>(&self, value: impl Fn(&T) -> V) -> Vec<(Labels, V)> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = series
            .iter()
            .map(|(key, it)| (key.clone(), value(it)))
            .collect();
        drop(series);
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.into_iter()
            .map(|(key, value)| (self.labelled(&key), value))
            .collect()
    }

    fn labelled(&self, key: &str) -> Labels {
        let values = key.split(UNIT_SEPARATOR).map(ToOwned::to_owned);
        self.labels.iter().copied().zip(values).collect()
    }
}

fn key(values: &[&str]) -> String {
    let mut key = String::with_capacity(values.iter().map(|value| value.len() + 1).sum());
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            key.push(UNIT_SEPARATOR);
        }
        for part in value.split(UNIT_SEPARATOR) {
            key.push_str(part);
        }
    }
    key
}

/// A number for each set of labels.
pub(super) struct Counters(Table<AtomicU64>);

impl Counters {
    pub(super) fn by<const N: usize>(labels: [&'static str; N]) -> Self {
        Self(Table::by(&labels))
    }

    pub(super) fn add<const N: usize>(&self, values: [&str; N], amount: u64) {
        let add = |it: &AtomicU64| {
            it.fetch_add(amount, Ordering::Relaxed);
        };
        self.0.with(&values, add);
    }

    pub(super) fn set<const N: usize>(&self, values: [&str; N], to: u64) {
        self.0.with(&values, |it| it.store(to, Ordering::Relaxed));
    }

    pub(super) fn values(&self) -> Values {
        self.0.all(|it| it.load(Ordering::Relaxed))
    }
}

/// Durations for each set of labels.
pub(super) struct Histograms(Table<Histogram>);

#[derive(Default)]
struct Histogram {
    counts: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum: AtomicU64,
}

impl Histograms {
    pub(super) fn by<const N: usize>(labels: [&'static str; N]) -> Self {
        Self(Table::by(&labels))
    }

    pub(super) fn observe<const N: usize>(&self, values: [&str; N], millis: u64) {
        self.0.with(&values, |it| it.observe(millis));
    }

    pub(super) fn family(&self, name: &'static str, help: &'static str) -> Family {
        let series = Series::Durations(self.0.all(Histogram::read));
        Family { name, help, series }
    }
}

impl Histogram {
    fn observe(&self, millis: u64) {
        let bounds = BUCKETS.iter().zip(&self.counts);
        if let Some((_, bucket)) = bounds.into_iter().find(|(bound, _)| millis <= **bound) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(millis, Ordering::Relaxed);
    }

    fn read(&self) -> Buckets {
        Buckets {
            counts: std::array::from_fn(|index| {
                let bucket = self.counts.get(index);
                bucket.map_or(0, |bucket| bucket.load(Ordering::Relaxed))
            }),
            count: self.count.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beyond_the_most_are_counted_together() {
        let counters = Counters::by(["skill", "tool"]);
        for number in 0..MAX_SERIES + 5 {
            counters.add([&number.to_string(), "t"], 1);
        }
        counters.add(["7", "t"], 1);
        let values = counters.values();
        assert_eq!(values.len(), MAX_SERIES + 1);
        let of = |name: &str| {
            values
                .iter()
                .find(|(labels, _)| labels[0].1 == name)
                .unwrap()
                .1
        };
        assert_eq!((of("other"), of("7")), (5, 2));
    }

    #[test]
    fn durations_fall_into_the_first_bucket_that_holds_them() {
        let histograms = Histograms::by(["skill"]);
        for millis in [0, 1, 2, 60_000, 60_001] {
            histograms.observe(["a"], millis);
        }
        let Series::Durations(all) = histograms.family("a", "b").series else {
            panic!("no durations");
        };
        let buckets = &all[0].1;
        assert_eq!((buckets.count, buckets.sum), (5, 120_004));
        assert_eq!(
            (buckets.counts[0], buckets.counts[1], buckets.counts[11]),
            (2, 1, 1)
        );
    }
}
