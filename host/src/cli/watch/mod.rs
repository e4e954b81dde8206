//! What `serve` does while it serves: it follows the skills folder and the
//! configuration.
//!
//! Both are looked at each second, and at once on SIGHUP. What has just changed
//! may still be written: it counts when it is the same in two looks. What was
//! refused is told once, and tried again when something changes on which that
//! could depend.

mod config;
mod folder;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::config::ConfigFile;
use self::folder::Folder;
use super::Session;
use crate::error::{Error, Kind, Result};
use crate::host::{FirstLoad, Host};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);

/// Follows what a host serves.
pub(super) struct Follower {
    host: Arc<Host>,
    folder: Folder,
    config: ConfigFile,
    hangups: Signal,
}

impl Follower {
    /// # Errors
    ///
    /// `ConfigInvalid` if no skill is installed; `Internal` without signals.
    pub(super) fn new(host: &Arc<Host>, session: &Session) -> Result<Self> {
        let hangups = signal(SignalKind::hangup()).map_err(|cause| {
            Error::new(Kind::Internal, "The host cannot receive signals.").with_internal(cause)
        })?;
        Ok(Self {
            host: Arc::clone(host),
            folder: Folder::open(session.skills_folder())?,
            config: ConfigFile::in_force(&session.config_file, session.config_text.as_deref()),
            hangups,
        })
    }

    /// Loads every installed skill, and follows until there is a reason to end.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if no skill can be loaded at first, `AuditUnavailable`.
    pub(super) async fn follow(mut self, loading: FirstLoad) -> Result<()> {
        self.folder.load(&self.host).await?;
        loading.done();
        loop {
            let asked = tokio::select! {
                hangup = self.hangups.recv() => hangup.is_some(),
                () = tokio::time::sleep(LOOK) => false,
            };
            self.config.look(&self.host, asked);
            self.folder.look(&self.host, asked).await;
        }
    }
}
