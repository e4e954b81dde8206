//! The grants file of a host that runs: read when it changes, before the next
//! call.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Consents, Effect, Given};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Subject};
use crate::host::blocking;
use crate::invocation::Principal;
use crate::lock::Release;
use crate::policy::capability::Capability;
use crate::time::Clock;
use crate::trust::Watch;

/// How often the file itself is looked at, for file systems that send no
/// notices.
const LOOK: Duration = Duration::from_secs(1);

/// What was granted by command, as the file says it now.
#[derive(Debug)]
pub(crate) struct Book {
    file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    events: Arc<Events>,
    /// The current page's, to be compared without a lock.
    generation: AtomicU64,
    page: Mutex<Page>,
}

/// The file as it was last read.
#[derive(Debug)]
struct Page {
    watch: Option<Watch>,
    looked: Instant,
    /// Of what was read, or why it was not.
    read: Result<Option<String>, String>,
    consents: Arc<Consents>,
}

/// Which state of the file a skill's grant was made from, and until when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    generation: u64,
    until: Option<Timestamp>,
}

impl Book {
    /// Reads the file, and begins to watch it. A file that is not there grants
    /// nothing, and neither does one that cannot be read: that is recorded.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable`, and `Internal` if nothing can be watched.
    pub(crate) fn open(
        file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        events: Arc<Events>,
    ) -> Result<Self> {
        let watch = file.as_deref().map(watching).transpose()?;
        let page = Page {
            watch,
            looked: clock.monotonic(),
            read: Ok(None),
            consents: Arc::default(),
        };
        let book = Self {
            file,
            clock,
            events,
            generation: AtomicU64::new(0),
            page: Mutex::new(page),
        };
        book.refresh(&mut book.page())?;
        Ok(book)
    }

    /// What counts for a skill as it is found, and the stamp of that.
    pub(crate) fn effect(&self, found: &Release) -> (Effect, Stamp) {
        let generation = self.generation();
        let consents = Arc::clone(&self.page().consents);
        let effect = consents.effect(found, self.clock.wall());
        let until = effect.until();
        (effect, Stamp { generation, until })
    }

    /// Whether what was granted then is what is granted now.
    pub(crate) fn upholds(&self, stamp: Stamp) -> bool {
        self.generation() == stamp.generation
            && stamp.until.is_none_or(|until| self.clock.wall() < until)
    }

    /// Whether something can be granted to the skill as it is found: what lapsed
    /// must be looked at first.
    pub(crate) fn takes(&self, found: &Release) -> bool {
        self.file.is_some() && self.page().consents.outdated(found).is_none()
    }

    /// Grants a capability as `skillhost grant` does, in the words of who allowed
    /// it.
    ///
    /// # Errors
    ///
    /// Those of [`Consents::change`] and [`Consents::give`], and
    /// `AuditUnavailable`: what is not recorded is not granted.
    pub(crate) fn give(
        &self,
        found: &Release,
        capability: &Capability,
        who: &Principal,
        subject: &Subject,
    ) -> Result<()> {
        let Some(file) = &self.file else {
            return Err(Error::new(Kind::Denied, "This host keeps no grants."));
        };
        let by = format!("{}, asked as {who}", super::operator());
        let given = Given {
            capability: capability.clone(),
            at: self.clock.wall(),
            until: None,
            by: by.clone(),
        };
        let event = Event::GrantGiven {
            capability: capability.to_string(),
            by,
        };
        blocking(|| {
            Consents::change(file, |consents| {
                consents.give(found, vec![given])?;
                self.events.record(subject, &event)
            })
        })?;
        self.refresh(&mut self.page())
    }

    /// Counts the changes of the file, those before this call included.
    pub(crate) fn generation(&self) -> u64 {
        if self.file.is_some() {
            let mut page = self.page();
            if page.is_changed(self.clock.monotonic())
                && let Err(error) = self.refresh(&mut page)
            {
                tracing::warn!(
                    internal = error.internal(),
                    "a change of the grants file was not recorded"
                );
            }
        }
        self.generation.load(Ordering::Acquire)
    }

    /// Reads the file anew. What cannot be read grants nothing.
    fn refresh(&self, page: &mut Page) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        page.look(self.clock.monotonic());
        let found = super::store::read(file);
        let parsed = found.and_then(|text| Ok((consents(text.as_deref(), file)?, text)));
        let read = match &parsed {
            Ok((_, text)) => Ok(text.clone()),
            Err(error) => Err(error.message().to_owned()),
        };
        if read == page.read {
            return Ok(());
        }
        page.read = read;
        self.generation.fetch_add(1, Ordering::AcqRel);
        match parsed {
            Ok((consents, _)) => page.consents = Arc::new(consents),
            Err(error) => {
                page.consents = Arc::default();
                return self.events.record(&Subject::default(), &refused(&error));
            }
        }
        Ok(())
    }

    fn page(&self) -> std::sync::MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    /// Whether the file may have changed since it was last looked at.
    fn is_changed(&mut self, now: Instant) -> bool {
        let Some(watch) = &self.watch else {
            return false;
        };
        if watch.is_noticed() {
            return true;
        }
        let due = now.saturating_duration_since(self.looked) >= LOOK;
        if due {
            self.looked = now;
        }
        due && watch.looks_changed()
    }

    fn look(&mut self, now: Instant) {
        self.looked = now;
        if let Some(watch) = &mut self.watch {
            watch.look();
        }
    }
}

fn consents(text: Option<&str>, file: &Path) -> Result<Consents> {
    text.map_or_else(
        || Ok(Consents::default()),
        |text| Consents::parse(text, file),
    )
}

fn refused(error: &Error) -> Event {
    let reason = format!(
        "{} No grant of `skillhost grant` counts until that is mended.",
        error.message()
    );
    match error.kind() {
        Kind::ConfigInsecure => Event::ConfigInsecure { reason },
        _ => Event::GrantLapsed {
            capability: "all".to_owned(),
            reason,
        },
    }
}

fn watching(file: &Path) -> Result<Watch> {
    let absolute = std::path::absolute(file).unwrap_or_else(|_cause| file.to_owned());
    Watch::new(&BTreeSet::from([absolute])).map_err(|cause| {
        Error::new(Kind::Internal, "The grants file cannot be watched.").with_internal(cause)
    })
}
