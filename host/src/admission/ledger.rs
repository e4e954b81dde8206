//! What was used of daily budgets, in one file, so that a restart gives nothing
//! back.
//!
//! The file is JSON: `{"format": 1, "day": 20778, "spent": {"principal ci":
//! {"fuel": 1, "ms": 2}}}`, where the day counts from 1970. It is written whole
//! under another name and renamed, some seconds after something was used and when
//! the host ends. What a crash loses is what was used in those seconds. Hosts that
//! share a data folder add to the same file under a lock, and each learns from it
//! what the others used.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::{Budget, Spent, day_of};
use crate::config::{Unreadable, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::file;
use crate::time::Clock;

/// How long what was used may be known to this process alone.
const SOON: Duration = Duration::from_secs(5);

/// The largest file, in bytes: as many entries as there can be.
const MAX_SIZE: u64 = 8 << 20;

const FORMAT: u32 = 1;

/// What is known of all budgets.
#[derive(Debug)]
pub(super) struct Ledger {
    path: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    /// What the file says, and who counts on.
    book: Mutex<Book>,
    /// Whether somebody will write soon.
    due: AtomicBool,
}

#[derive(Debug, Default)]
struct Book {
    page: Page,
    budgets: BTreeMap<String, Weak<Budget>>,
}

/// The file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    format: u32,
    day: i64,
    spent: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fuel: u64,
    ms: u64,
}

impl Ledger {
    /// # Errors
    ///
    /// `ConfigInvalid` for a file that cannot be read, `ConfigInsecure` if others
    /// may write it.
    pub(super) fn open(path: Option<PathBuf>, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let page = match &path {
            Some(path) => read(path)?,
            None => Page::default(),
        };
        Ok(Arc::new(Self {
            path,
            clock,
            book: Mutex::new(Book {
                page,
                budgets: BTreeMap::new(),
            }),
            due: AtomicBool::new(false),
        }))
    }

    /// The day of the file.
    pub(super) fn day(&self) -> i64 {
        self.book().page.day
    }

    /// What was used of a budget today, as far as the file knows.
    pub(super) fn spent(&self, name: &str) -> Spent {
        let today = day_of(self.clock.wall());
        let page = &self.book().page;
        let entry = page.spent.get(name).filter(|_| page.day >= today);
        entry.map_or_else(Spent::default, |entry| entry.spent())
    }

    /// From now on that budget is written under that name.
    pub(super) fn keep(&self, name: String, budget: &Arc<Budget>) {
        self.book().budgets.insert(name, Arc::downgrade(budget));
    }

    /// Something was used: it is written soon.
    pub(super) fn note(self: &Arc<Self>) {
        if self.path.is_none() || self.due.swap(true, Relaxed) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let ledger = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(SOON).await;
            let written = tokio::task::spawn_blocking(move || {
                if let Some(ledger) = ledger.upgrade() {
                    ledger.due.store(false, Relaxed);
                    ledger.write();
                }
            });
            // It is aborted only when the host ends, which writes as well.
            let _ = written.await;
        });
    }

    /// Writes what is not written yet, while the budgets are still there.
    pub(super) fn close(&self) {
        if self.due.load(Relaxed) {
            self.write();
        }
    }

    /// A file that cannot be written costs what a crash would.
    fn write(&self) {
        if let Some(path) = &self.path
            && let Err(cause) = self.write_to(path)
        {
            tracing::warn!(%cause, path = %path.display(), "budgets cannot be written");
        }
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let _one_at_a_time = file::lock(&path.with_extension("lock"))?;
        let mut page = read(path).map_err(|error| io::Error::other(error.to_string()))?;
        let today = day_of(self.clock.wall()).max(page.day);
        if today > page.day {
            page.day = today;
            page.spent.clear();
        }
        let mut book = self.book();
        book.budgets.retain(|_, budget| budget.strong_count() > 0);
        let budgets: Vec<(String, Arc<Budget>)> = book.living().collect();
        drop(book);
        let mut taken = Vec::new();
        for (name, budget) in &budgets {
            let unsaved = budget.take_unsaved(today);
            if !unsaved.is_none() {
                page.add(name, unsaved);
            }
            taken.push((budget, unsaved));
        }
        if taken.iter().all(|(_, unsaved)| unsaved.is_none()) {
            self.learn(page, &budgets);
            return Ok(());
        }
        let replaced = file::replace(path, page.text().as_bytes());
        if replaced.is_err() {
            for (budget, unsaved) in taken {
                budget.not_saved(unsaved, today);
            }
            return replaced;
        }
        self.learn(page, &budgets);
        Ok(())
    }

    fn learn(&self, page: Page, budgets: &[(String, Arc<Budget>)]) {
        for (name, budget) in budgets {
            let total = page.spent.get(name);
            budget.saved(total.map_or_else(Spent::default, |it| it.spent()), page.day);
        }
        self.book().page = page;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn living(&self) -> impl Iterator<Item = (String, Arc<Budget>)> {
        let budgets = self.budgets.iter();
        budgets.filter_map(|(name, budget)| Some((name.clone(), budget.upgrade()?)))
    }
}

impl Page {
    fn add(&mut self, name: &str, used: Spent) {
        let before = self
            .spent
            .get(name)
            .map_or_else(Spent::default, |it| it.spent());
        let Spent { fuel, ms } = before.plus(used);
        self.spent.insert(name.to_owned(), Entry { fuel, ms });
    }

    fn text(&self) -> String {
        serde_json::json!({ "format": FORMAT, "day": self.day, "spent": self.spent }).to_string()
    }
}

impl Entry {
    const fn spent(&self) -> Spent {
        Spent {
            fuel: self.fuel,
            ms: self.ms,
        }
    }
}

/// An absent file says that nothing was used.
fn read(path: &Path) -> Result<Page> {
    let text = match read_trusted(path, MAX_SIZE) {
        Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(Page::default());
        }
        read => read.map_err(|cause| cause.into_error("file of budgets", path))?,
    };
    let page: Option<Page> = serde_json::from_str(&text).ok();
    page.filter(|page| page.format == FORMAT).ok_or_else(|| {
        Error::new(
            Kind::ConfigInvalid,
            format!("The file of budgets {} cannot be read.", path.display()),
        )
        .with_hint("Restore it, or remove it: then nothing counts as used today.")
    })
}
