//! The newest Sigstore trusted root, fetched and verified through TUF (The
//! Update Framework, specification 1.0).
//!
//! Only `skillhost trust update` does this, when an operator asks for it: no
//! call waits for a network, and no trust changes by itself.
//!
//! `sigstore-tuf` verifies; here are the wire, what is remembered so that a
//! repository cannot go back in time, and what changed. Nothing is written
//! before everything holds, and no name that comes from a repository is ever
//! part of a path.

mod change;
mod memory;
mod place;
mod source;
mod transport;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sigstore_tuf::{TrustedMetadataSet, Updater, UpdaterConfig};
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};

pub use self::change::{Change, Difference, Part};
use self::memory::Memory;
use self::place::{Content, Place};
pub use self::source::Source;
use self::transport::Transport;
use crate::error::{Error, Kind, Result};
use crate::sandbox::network::{Network, SystemNetwork};
use crate::verify::{MAX_ROOT, Root};

/// The one file that is fetched. A constant: see the module's documentation.
const TRUSTED_ROOT: &str = "trusted_root.json";

/// How many root versions one update walks through; Sigstore came to 16 in five
/// years.
const MAX_ROTATIONS: u32 = 256;

/// An update of the trusted root.
///
/// # Defaults
///
/// The machine's own network, and 60 seconds for everything.
#[derive(Debug)]
pub struct Update {
    /// Where the trusted root comes from.
    pub source: Source,
    /// The file that is replaced. What an update has to remember stands beside
    /// it, in `tuf/metadata.json`.
    pub trusted_root: PathBuf,
    /// Names and connections.
    pub network: Arc<dyn Network>,
    /// The longest time that the repository may take in all.
    pub patience: Duration,
}

/// What an update came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// What the trusted root has that the one before had not, and the other way
    /// round. The one before is the file that was replaced, or else the root
    /// that is built in.
    pub changes: Vec<Change>,
    /// Which version of the TUF root metadata signed for this.
    pub root_version: u64,
    /// When the first part of the metadata expires. Nothing stops working then;
    /// it is the day by which the repository says something again.
    pub valid_until: Timestamp,
}

impl Update {
    /// An update of the file `trusted_root` from `source`, with the defaults.
    #[must_use]
    pub fn new(source: Source, trusted_root: impl Into<PathBuf>) -> Self {
        Self {
            source,
            trusted_root: trusted_root.into(),
            network: Arc::new(SystemNetwork::default()),
            patience: Duration::from_secs(60),
        }
    }

    /// Fetches, verifies as of `now`, and replaces the files.
    ///
    /// # Errors
    ///
    /// `TrustRootInvalid` if what the repository serves does not verify or
    /// cannot be used; `InvalidRequest` if it cannot be reached or is no TUF
    /// repository, or if the files cannot be written. The files are then as
    /// they were.
    pub async fn run(&self, now: Timestamp) -> Result<Updated> {
        let place = Place::of(&self.trusted_root);
        let before = place.read()?;
        let memory = Arc::new(Memory::of(&before));
        let fetched = tokio::time::timeout(self.patience, self.fetch(&memory, now))
            .await
            .map_err(|_elapsed| self.source.unusable("it took too long to answer"))?
            .map_err(|cause| self.source.refused(&cause))?;
        let root = usable(&fetched.bytes).map_err(|problem| self.source.untrusted(&problem))?;
        let after = Content {
            trusted_root: Some(fetched.bytes),
            metadata: Some(memory.to_bytes()?),
        };
        let changes = change::between(known(&before).as_ref(), &root);
        place.replace(&before, &after)?;
        Ok(Updated {
            changes,
            root_version: fetched.root_version,
            valid_until: fetched.valid_until,
        })
    }

    /// Everything that TUF verifies.
    async fn fetch(&self, memory: &Arc<Memory>, now: Timestamp) -> sigstore_tuf::Result<Fetched> {
        let mut limits = UpdaterConfig::default();
        limits.target_max_length = MAX_ROOT;
        limits.max_root_rotations = MAX_ROTATIONS;
        let transport = Transport::new(self.source.address(), Arc::clone(&self.network));
        let mut updater = Updater::new(transport, self.source.root())?
            .with_config(limits)
            .with_store(Arc::clone(memory));
        updater.refresh(now).await?;
        let bytes = updater.get_target(TRUSTED_ROOT, now).await?;
        let trusted = updater.trusted();
        Ok(Fetched {
            bytes,
            root_version: trusted.root().version,
            valid_until: valid_until(trusted),
        })
    }
}

/// A trusted root that its repository vouches for.
struct Fetched {
    bytes: Vec<u8>,
    root_version: u64,
    valid_until: Timestamp,
}

fn valid_until(trusted: &TrustedMetadataSet) -> Timestamp {
    let others = [
        trusted.timestamp().map(|it| it.expires),
        trusted.snapshot().map(|it| it.expires),
        trusted.targets_role("targets").map(|it| it.expires),
    ];
    let others = others.into_iter().flatten();
    others.fold(trusted.root().expires, Timestamp::min)
}

/// The trusted root in `bytes`, if the host takes it as it takes the file.
fn usable(bytes: &[u8]) -> Result<TrustedRoot, String> {
    let not_usable = |cause: &dyn fmt::Display| format!("its trusted root cannot be used: {cause}");
    let text = str::from_utf8(bytes).map_err(|cause| not_usable(&cause))?;
    Root::parse(text, TRUSTED_ROOT).map_err(|cause| not_usable(&cause))?;
    TrustedRoot::from_json(text).map_err(|cause| not_usable(&cause))
}

/// What was trusted until now.
fn known(before: &Content) -> Option<TrustedRoot> {
    match &before.trusted_root {
        Some(bytes) => usable(bytes).ok(),
        None => TrustedRoot::from_json(SIGSTORE_PRODUCTION_TRUSTED_ROOT).ok(),
    }
}

impl Source {
    /// Whose fault it is that nothing was fetched.
    fn refused(&self, cause: &sigstore_tuf::Error) -> Error {
        match transport::failure(cause) {
            Some(failure) if failure.is_hostile() => self.untrusted(failure),
            Some(failure) => self.unusable(failure),
            None => self.untrusted(chain(cause)),
        }
    }

    fn unusable(&self, problem: impl fmt::Display) -> Error {
        let message = format!("The trust repository {self} cannot be used: {problem}.");
        Error::new(Kind::InvalidRequest, message).with_hint(
            "Nothing was changed. Check the address and the network; proxies and redirects are not followed.",
        )
    }

    fn untrusted(&self, problem: impl fmt::Display) -> Error {
        let message = format!("The trust repository {self} is not trusted: {problem}.");
        Error::new(Kind::TrustRootInvalid, message).with_hint(
            "Nothing was changed: what was trusted before still is. Tell those who run the repository if it lasts.",
        )
    }
}

/// An error of the TUF library with its causes, which it leaves out.
fn chain(error: &sigstore_tuf::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_root_that_the_host_takes_can_be_used() {
        assert!(usable(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()).is_ok());
        for bytes in [b"".as_slice(), b"[]", b"\xff", br#"{"mediaType": "x"}"#] {
            let problem = usable(bytes).unwrap_err();
            assert!(problem.contains("trusted root"), "{problem}");
        }
    }
}
