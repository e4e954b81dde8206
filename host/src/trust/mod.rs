//! What a host trusts by at this moment, and noticing when that changes.
//!
//! Everything that says what may run (policy, keys, trusted root, deny list,
//! lock file) is read into one `Snapshot` with a generation. A change on disk
//! makes another snapshot of the next generation before the next call is
//! judged; what is broken or goes back is reported, and the snapshot that there
//! is stays in force.

mod files;
mod memory;
pub(crate) mod watch;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::sync::watch as channel;

use self::files::Remember;
pub(crate) use self::files::Snapshot;
pub use self::files::{TrustFiles, TrustSource};
pub(crate) use self::memory::Memory;
pub(crate) use self::watch::Watch;
use crate::artifact::Artifact;
use crate::config::Override;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Subject};
use crate::manifest::{Manifest, SkillName};
use crate::time::Clock;
use crate::verify::{Rejected, Verdict, Verified, Verifier};

/// How often files are looked at for which the kernel sends no notices, and
/// read again that could not be read.
const LOOK: Duration = Duration::from_secs(1);

const POLL: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Judges by the newest trust there is.
#[derive(Debug)]
pub(crate) struct Authority {
    source: TrustSource,
    memory: Memory,
    clock: Arc<dyn Clock>,
    events: Arc<Events>,
    request: Override,
    current: RwLock<Arc<Current>>,
    /// The current one's, to be compared without a lock.
    generation: AtomicU64,
    changed: channel::Sender<u64>,
    following: Option<Mutex<Following>>,
}

/// What is known of the files.
#[derive(Debug)]
struct Following {
    watch: Watch,
    /// When the files themselves were last looked at.
    looked: Instant,
    /// Why what lies on disk is not in force; it is tried again.
    unread: Option<String>,
}

/// One snapshot and its verifier.
#[derive(Debug)]
struct Current {
    snapshot: Snapshot,
    verifier: Verifier,
    /// Its deny list was reported as old.
    told: AtomicBool,
}

impl Authority {
    /// Reads what is trusted, and begins to watch it.
    ///
    /// # Errors
    ///
    /// Those of reading; see [`TrustSource`].
    pub(crate) fn open(
        source: TrustSource,
        clock: Arc<dyn Clock>,
        events: Arc<Events>,
        request: Override,
    ) -> Result<Arc<Self>> {
        let memory = source.memory()?;
        let snapshot = source.read(&memory, 1, Remember::All)?;
        let following = watching(&snapshot, &clock)?;
        let current = Current::new(snapshot, &clock, request);
        let authority = Arc::new(Self {
            current: RwLock::new(Arc::new(current)),
            generation: AtomicU64::new(1),
            changed: channel::Sender::new(1),
            following: following.map(Mutex::new),
            source,
            memory,
            clock,
            events,
            request,
        });
        authority.report_override()?;
        authority.report_age()?;
        follow(&authority)?;
        Ok(authority)
    }

    /// The generation of what is trusted now: files that changed before this
    /// call are read before it returns.
    pub(crate) fn generation(&self) -> u64 {
        if let Some(following) = &self.following {
            let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
            if following.watch.is_noticed() || self.is_due_again(&following) {
                self.refresh(&mut following);
            }
        }
        self.generation.load(Ordering::Acquire)
    }

    /// What could not be read is tried again each second.
    fn is_due_again(&self, following: &Following) -> bool {
        following.unread.is_some() && self.since(following.looked) >= LOOK
    }

    fn since(&self, moment: Instant) -> Duration {
        self.clock.monotonic().saturating_duration_since(moment)
    }

    /// Whether a verdict still stands.
    pub(crate) fn upholds(&self, verdict: &Verdict) -> bool {
        let now = self.clock.wall();
        verdict.stands(self.generation(), now) && self.memory.is_later(now)
    }

    /// Verifies by what is trusted now, files that changed before included.
    pub(crate) fn verify(&self, artifact: Artifact) -> Result<Verified<Artifact>, Box<Rejected>> {
        self.generation();
        self.current().verifier.verify(artifact)
    }

    /// Refuses a clock that went back.
    pub(crate) fn check_clock(&self) -> Result<()> {
        self.memory.check_clock(self.clock.wall())
    }

    /// Refuses what is older than what was accepted, or not as approved.
    pub(crate) fn approve(&self, manifest: &Manifest, verdict: &Verdict) -> Result<()> {
        self.check_lock(manifest, verdict)?;
        self.memory.check_floor(&manifest.name, &manifest.version)
    }

    /// Refuses what is not as approved. What runs already may be older than
    /// what was accepted meanwhile.
    pub(crate) fn check_lock(&self, manifest: &Manifest, verdict: &Verdict) -> Result<()> {
        self.current().snapshot.check_lock(manifest, verdict)
    }

    /// Whether the lock file has it as it is.
    pub(crate) fn is_pinned(&self, manifest: &Manifest, verdict: &Verdict) -> bool {
        self.current().snapshot.is_pinned(manifest, verdict)
    }

    /// Whether the rule that a skill is judged by asks how it was built.
    pub(crate) fn asks_for_provenance(&self, skill: &SkillName) -> bool {
        self.current().snapshot.asks_for_provenance(skill)
    }

    /// Remembers that this was accepted.
    pub(crate) fn accepted(&self, manifest: &Manifest) -> Result<()> {
        self.memory.raise_floor(&manifest.name, &manifest.version)
    }

    /// Tells when the generation changes.
    pub(crate) fn subscribe(&self) -> channel::Receiver<u64> {
        self.changed.subscribe()
    }

    fn current(&self) -> Arc<Current> {
        // Replaced whole: a panic cannot leave half of one.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads everything anew. The lock is held meanwhile, so that a call that
    /// comes now waits for what is read.
    fn refresh(&self, following: &mut Following) {
        let next = self.generation.load(Ordering::Acquire).saturating_add(1);
        following.looked = self.clock.monotonic();
        following.watch.look();
        let recorded = match self.source.read(&self.memory, next, Remember::All) {
            Ok(snapshot) => {
                following.unread = None;
                if let Err(cause) = following.watch.follow(&snapshot.watched) {
                    tracing::warn!(%cause, "changes of trust may be seen late");
                }
                self.take(snapshot, next)
            }
            Err(error) => {
                // Denied first, told then.
                let denied = self.refresh_deny_list(next);
                let told = self.reject(&error, following);
                denied.and(told)
            }
        };
        if let Err(error) = recorded {
            tracing::warn!(
                internal = error.internal(),
                "a change of trust was not recorded"
            );
        }
    }

    fn take(&self, snapshot: Snapshot, generation: u64) -> Result<()> {
        if snapshot.fingerprint == self.current().snapshot.fingerprint {
            return Ok(());
        }
        self.replace(snapshot, generation)
    }

    /// Told once for each reason, however often it is tried.
    fn reject(&self, error: &Error, following: &mut Following) -> Result<()> {
        let reason = error.message().to_owned();
        if following.unread.replace(reason.clone()).as_ref() == Some(&reason) {
            return Ok(());
        }
        if self.source.is_told_elsewhere() {
            return Ok(());
        }
        let kind = error.kind();
        let event = Event::TrustRejected { kind, reason };
        self.events.record(&Subject::default(), &event)
    }

    /// What is newly denied is denied although something else is broken.
    fn refresh_deny_list(&self, generation: u64) -> Result<()> {
        let current = self.current();
        match current
            .snapshot
            .with_newer_deny_list(&self.memory, generation)
        {
            Ok(Some(snapshot)) => self.replace(snapshot, generation),
            // Why it is not accepted has been told.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn replace(&self, snapshot: Snapshot, generation: u64) -> Result<()> {
        let changed = snapshot.differences(&self.current().snapshot);
        let current = Arc::new(Current::new(snapshot, &self.clock, self.request));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        self.generation.store(generation, Ordering::Release);
        self.changed.send_replace(generation);
        let subject = Subject {
            trust_generation: Some(generation),
            ..Subject::default()
        };
        self.events
            .record(&subject, &Event::TrustChanged { changed })?;
        self.report_age()
    }

    /// Once for each snapshot.
    fn report_age(&self) -> Result<()> {
        let current = self.current();
        match current.snapshot.stale(self.clock.wall()) {
            Some(reason) if !current.told.swap(true, Ordering::Relaxed) => {
                let event = Event::TrustStale { reason };
                self.events.record(&Subject::default(), &event)
            }
            _ => Ok(()),
        }
    }

    /// An attempt to run what is unsigned, where that is not allowed.
    fn report_override(&self) -> Result<()> {
        if self.request.is_refused() {
            self.events
                .record(&Subject::default(), &Event::VerificationBypass {})?;
        }
        Ok(())
    }
}

impl Current {
    fn new(snapshot: Snapshot, clock: &Arc<dyn Clock>, request: Override) -> Self {
        let verifier = Verifier::new(Arc::clone(&snapshot.trust), Arc::clone(clock));
        #[cfg(not(feature = "hardened"))]
        let verifier = verifier.danger_allow_unsigned(crate::verify::danger::Unsigned::of(request));
        #[cfg(feature = "hardened")]
        let _ = request;
        Self {
            snapshot,
            verifier,
            told: AtomicBool::new(false),
        }
    }
}

fn watching(snapshot: &Snapshot, clock: &Arc<dyn Clock>) -> Result<Option<Following>> {
    if snapshot.watched.is_empty() {
        return Ok(None);
    }
    let watch = Watch::new(&snapshot.watched).map_err(|cause| {
        Error::new(
            Kind::Internal,
            "The files that say what may run cannot be watched.",
        )
        .with_internal(cause)
    })?;
    Ok(Some(Following {
        watch,
        looked: clock.monotonic(),
        unread: None,
    }))
}

/// Follows the files from a thread of its own, so that a change stops what is
/// running although no new call comes. It ends with the authority.
fn follow(authority: &Arc<Authority>) -> Result<()> {
    let Some(following) = &authority.following else {
        return Ok(());
    };
    let weak = Arc::downgrade(authority);
    let notices = {
        let following = following.lock().unwrap_or_else(PoisonError::into_inner);
        following.watch.notices().map_err(no_thread)?
    };
    std::thread::Builder::new()
        .name("skillhost-trust".to_owned())
        .spawn(move || while wait_and_refresh(&weak, &notices) {})
        .map(drop)
        .map_err(no_thread)
}

/// Waits for a notice, or a second; whether the authority is still there.
fn wait_and_refresh(authority: &Weak<Authority>, notices: &impl std::os::fd::AsFd) -> bool {
    let mut polled = [PollFd::new(notices, PollFlags::IN)];
    // Woken too early, it looks too early.
    let _ = rustix::event::poll(&mut polled, Some(&POLL));
    let Some(authority) = authority.upgrade() else {
        return false;
    };
    if let Some(following) = &authority.following {
        let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
        let noticed = following.watch.is_noticed();
        // Notices of other files must not keep it from looking.
        let due = authority.since(following.looked) >= LOOK;
        if noticed || (due && (following.unread.is_some() || following.watch.looks_changed())) {
            authority.refresh(&mut following);
        } else if due {
            following.looked = authority.clock.monotonic();
        }
    }
    if let Err(error) = authority.report_age() {
        tracing::warn!(
            internal = error.internal(),
            "an old deny list was not recorded"
        );
    }
    // A clock that went back is refused with the next call.
    let _ = authority.check_clock();
    true
}

fn no_thread(cause: std::io::Error) -> Error {
    Error::new(
        Kind::Internal,
        "The host cannot follow the files that say what may run.",
    )
    .with_internal(cause)
}
