//! Hostile skills against a host of this very program, so that an operator sees
//! the sandbox hold on the machine that it is to hold on.
//!
//! Each row of the corpus is a skill in WebAssembly text (`host/selftest`), which
//! the build script assembles. It is signed with a key that is made for this run,
//! verified like all others, and called through [`Host::invoke`](crate::Host::invoke),
//! all in a temporary folder. What must hold of every call is in `called`, and
//! what must hold after every row in `bench`.

mod bench;
mod called;
mod corpus;
mod ground;
mod records;
mod row;
mod skill;

use serde::Serialize;

use self::bench::Bench;
use self::row::{NotHeld, Row};
use crate::error::{Error, Kind, Result};
use crate::host::Setup;
use crate::time::millis;

/// Rows that will be tried.
#[derive(Debug)]
pub struct Selftest {
    rows: Vec<Row>,
    change: fn(&mut Setup),
}

/// What came of all rows.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Failed if a row failed; held otherwise.
    pub outcome: Outcome,
    /// Rows in which what must happen happened.
    pub held: usize,
    /// Rows in which it did not.
    pub failed: usize,
    /// Rows that cannot be tried on this machine. They hold nothing.
    pub skipped: usize,
    /// Milliseconds that all of it took.
    pub ms: u64,
    /// One for each row, in the order in which they were tried.
    pub rows: Vec<RowReport>,
}

/// What came of one row.
#[derive(Debug, Serialize)]
pub struct RowReport {
    /// Which attack; several rows may try one.
    pub id: &'static str,
    /// What a skill tries, or what is offered as a skill.
    pub attack: &'static str,
    /// What must happen.
    pub must: String,
    /// Whether it did.
    pub outcome: Outcome,
    /// What happened; nothing if it was not tried.
    pub happened: String,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// Milliseconds that it took, loading and the canary's call included.
    pub ms: u64,
}

/// How a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What must happen happened.
    Held,
    /// It did not: the sandbox has a hole here, or this machine is too slow.
    Failed,
    /// It cannot be tried on this machine.
    Skipped,
}

impl Selftest {
    /// Every row of the corpus.
    #[must_use]
    pub fn all() -> Self {
        Self {
            rows: corpus::rows(),
            change: |_| {},
        }
    }

    /// Only the rows with these ids (`R05`), or of these families (`R`).
    ///
    /// # Errors
    ///
    /// `InvalidRequest` for a name that no row has.
    pub fn only(mut self, names: &[String]) -> Result<Self> {
        if let Some(unknown) = names
            .iter()
            .find(|name| !self.rows.iter().any(|row| row.is(name)))
        {
            let mut ids: Vec<&str> = self.rows.iter().map(|row| row.id).collect();
            ids.dedup();
            return Err(
                Error::new(Kind::InvalidRequest, format!("There is no row {unknown}."))
                    .with_hint(format!("Rows are: {}.", ids.join(", "))),
            );
        }
        self.rows
            .retain(|row| names.iter().any(|name| row.is(name)));
        Ok(self)
    }

    /// The same rows against a host that is weaker. A test sees with it that
    /// rows can fail; the command has no way to it.
    #[doc(hidden)]
    #[must_use]
    pub fn danger_changed(self, change: fn(&mut Setup)) -> Self {
        Self { change, ..self }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.rows.len()
    }

    /// Tries each row in turn. `tried` hears of each as soon as it ended.
    ///
    /// # Errors
    ///
    /// `Internal` if there is no temporary folder or the host does not start.
    pub async fn run(self, mut tried: impl FnMut(&RowReport)) -> Result<Report> {
        let start = tokio::time::Instant::now();
        let bench = Bench::new(&self.rows, self.change).await?;
        let mut rows = Vec::with_capacity(self.rows.len());
        for (number, row) in self.rows.iter().enumerate() {
            let start = tokio::time::Instant::now();
            let ended = bench.try_row(number, row).await;
            let report = RowReport::new(row, ended, millis(start.elapsed()));
            tried(&report);
            rows.push(report);
        }
        Ok(Report::new(rows, millis(start.elapsed())))
    }
}

impl Report {
    fn new(rows: Vec<RowReport>, ms: u64) -> Self {
        let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
        let failed = count(Outcome::Failed);
        Self {
            outcome: if failed > 0 {
                Outcome::Failed
            } else {
                Outcome::Held
            },
            held: count(Outcome::Held),
            failed,
            skipped: count(Outcome::Skipped),
            ms,
            rows,
        }
    }
}

impl RowReport {
    fn new(row: &Row, ended: Result<String, NotHeld>, ms: u64) -> Self {
        let (outcome, happened, reason) = match ended {
            Ok(happened) => (Outcome::Held, happened, None),
            Err(NotHeld::Failed { happened, why }) => (Outcome::Failed, happened, Some(why)),
            Err(NotHeld::Skipped(why)) => (Outcome::Skipped, String::new(), Some(why)),
        };
        Self {
            id: row.id,
            attack: row.attack,
            must: row.must.to_string(),
            outcome,
            happened,
            reason,
            ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_id_and_by_family() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Selftest::all().only(&names)
        };
        assert_eq!(of(&["R02"]).unwrap().count(), 2);
        let files = of(&["f"]).unwrap();
        assert!(files.rows.iter().all(|row| row.id.starts_with('F')));
        assert_eq!(of(&["R99"]).unwrap_err().kind(), Kind::InvalidRequest);
        assert_eq!(of(&[""]).unwrap_err().kind(), Kind::InvalidRequest);
    }
}
