//! What `serve` does while it serves: it follows the skills folder and the
//! configuration.
//!
//! Both are looked at each second, and at once on SIGHUP, neither waiting for the
//! other: compiling a skill may take long. What has just changed
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
    due: [Due; 2],
}

/// When to look.
struct Due {
    hangups: Signal,
}

impl Follower {
    /// # Errors
    ///
    /// `ConfigInvalid` if no skill is installed; `Internal` without signals.
    pub(super) fn new(host: &Arc<Host>, session: &Session) -> Result<Self> {
        Ok(Self {
            host: Arc::clone(host),
            folder: Folder::open(session.skills_folder())?,
            config: ConfigFile::in_force(&session.config_file, session.config_text.as_deref()),
            due: [Due::new()?, Due::new()?],
        })
    }

    /// Loads every installed skill, and follows until there is a reason to end.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if no skill can be loaded at first, `AuditUnavailable`.
    pub(super) async fn follow(self, loading: FirstLoad) -> Result<()> {
        let Self {
            host,
            mut folder,
            config,
            due: [for_config, for_folder],
        } = self;
        folder.load(&host).await?;
        loading.done();
        tokio::join!(
            follow_config(&host, config, for_config),
            follow_folder(&host, folder, for_folder),
        );
        Ok(())
    }
}

async fn follow_config(host: &Host, mut config: ConfigFile, mut due: Due) {
    loop {
        let asked = due.wait().await;
        config.look(host, asked);
    }
}

async fn follow_folder(host: &Host, mut folder: Folder, mut due: Due) {
    loop {
        let asked = due.wait().await;
        folder.look(host, asked).await;
    }
}

impl Due {
    fn new() -> Result<Self> {
        let hangups = signal(SignalKind::hangup()).map_err(|cause| {
            Error::new(Kind::Internal, "The host cannot receive signals.").with_internal(cause)
        })?;
        Ok(Self { hangups })
    }

    /// Waits for the next look; whether somebody asked for it.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            hangup = self.hangups.recv() => hangup.is_some(),
            () = tokio::time::sleep(LOOK) => false,
        }
    }
}
