//! What a skill gets at the most, whatever is granted: by the level of trust
//! that its signatures reach, and by what the operator denies to all skills.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::Access;
use super::limits::LimitsChange;
use super::right::Right;
use super::{Denied, Grant, reason};
use crate::manifest::{Capabilities, Manifest, SecretUse};
use crate::verify::TrustLevel;

/// What the skills of one level of trust get at the most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelCeiling {
    /// Limits.
    pub limits: LimitsChange,
    /// Capabilities; none: [`LevelCeiling::capabilities_of`] the level.
    pub capabilities: Option<BTreeSet<Right>>,
}

impl LevelCeiling {
    /// What a level gets at the most of which nothing is said.
    ///
    /// # Defaults
    ///
    /// `unsigned`, which is for development: reading files, HTTP to origins that
    /// are named, and state. Nothing that changes files of the host, reaches
    /// inside a network over raw connections, or holds a secret. The others:
    /// everything.
    #[must_use]
    pub fn capabilities_of(level: TrustLevel) -> BTreeSet<Right> {
        match level {
            TrustLevel::Unsigned => [Right::FilesystemRead, Right::Http, Right::State].into(),
            TrustLevel::Permissive | TrustLevel::Enterprise | TrustLevel::Paranoid => {
                Right::ALL.into()
            }
        }
    }
}

/// Why a capability is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bar {
    /// Skills that are trusted no further do not get it.
    Level(TrustLevel),
    /// No skill of this host gets it.
    Policy,
}

/// What one skill gets at the most. The default leaves everything to grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ceiling {
    limits: LimitsChange,
    barred: BTreeMap<Right, Bar>,
}

impl Ceiling {
    /// For a skill of that level, where `stated` is what the operator says about
    /// the level, and `denied` is what no skill gets.
    #[must_use]
    pub fn of(level: TrustLevel, stated: Option<&LevelCeiling>, denied: &BTreeSet<Right>) -> Self {
        let stated = stated.cloned().unwrap_or_default();
        let capabilities = stated.capabilities;
        let allowed = capabilities.unwrap_or_else(|| LevelCeiling::capabilities_of(level));
        let beyond = Right::beyond(&allowed).into_iter();
        let denied = Right::denying(denied).into_iter();
        Self {
            limits: stated.limits,
            barred: beyond
                .map(|right| (right, Bar::Level(level)))
                .chain(denied.map(|right| (right, Bar::Policy)))
                .collect(),
        }
    }

    /// Whether a skill may have it if it is granted.
    #[must_use]
    pub fn admits(&self, right: Right) -> bool {
        !self.barred.contains_key(&right)
    }

    /// Why a skill may not have it, and what would change that.
    #[must_use]
    pub fn bar(&self, right: Right) -> Option<(String, String)> {
        Some(match self.barred.get(&right)? {
            Bar::Level(level) => (
                format!(
                    "the ceiling of the trust level `{level}` leaves `{right}` out, whatever is granted"
                ),
                match level {
                    TrustLevel::Unsigned => format!(
                        "a signature, or `\"{right}\"` among `capabilities` under `[trust-level.{level}]` in skillhost.toml"
                    ),
                    _ => format!(
                        "more signers, or `\"{right}\"` among `capabilities` under `[trust-level.{level}]` in skillhost.toml"
                    ),
                },
            ),
            Bar::Policy => (
                format!("`deny-capabilities` denies `{right}` to every skill"),
                format!(
                    "`deny-capabilities` without `\"{right}\"` under `[policy]` in skillhost.toml"
                ),
            ),
        })
    }

    /// Refuses a skill that cannot do without what it cannot have: no grant
    /// would help, so none is asked for.
    pub(super) fn check(&self, manifest: &Manifest) -> Result<(), Denied> {
        let needed = needs(&manifest.capabilities);
        for (right, why) in needed {
            self.refuse(manifest, right, why)?;
        }
        Ok(())
    }

    /// The grant without what is above the ceiling.
    pub(super) fn narrow(&self, mut grant: Grant, manifest: &Manifest) -> Result<Grant, Denied> {
        if !self.admits(Right::FilesystemRead) {
            grant.directories.clear();
        } else if !self.admits(Right::FilesystemWrite) {
            for directory in &mut grant.directories {
                directory.access = Access::ReadOnly;
            }
        }
        let before = grant.http.len();
        grant.http.retain(|rule| self.admits(rule.right()));
        if let Some(wish) = &manifest.capabilities.http
            && grant.http.is_empty()
            && before > 0
            && !wish.optional
        {
            self.refuse(manifest, Right::HttpWildcard, &wish.reason)?;
        }
        if !self.admits(Right::Sockets)
            && let Some(sockets) = &mut grant.sockets
        {
            *sockets = super::SocketGrant::default();
        }
        if !self.admits(Right::Credentials) {
            grant.secrets.credentials.clear();
        }
        if !self.admits(Right::Reveal) {
            grant.secrets.reveal.clear();
        }
        grant.state &= self.admits(Right::State);
        Ok(grant.narrowed(&self.limits))
    }

    fn refuse(&self, manifest: &Manifest, right: Right, why: &str) -> Result<(), Denied> {
        match self.bar(right) {
            None => Ok(()),
            Some((bar, grant)) => Err(Denied {
                capability: right.capability(),
                message: format!(
                    "{} wants `{right}`, and {bar}: {}.",
                    manifest.name,
                    reason(why)
                ),
                grant,
            }),
        }
    }
}

/// The least of each capability without which the skill is of no use, and why.
fn needs(wanted: &Capabilities) -> Vec<(Right, &str)> {
    let Capabilities {
        filesystem,
        http,
        sockets,
        secrets,
        state,
    } = wanted;
    let mut needs: Vec<(Right, &str, bool)> = Vec::new();
    needs.extend(
        filesystem
            .iter()
            .map(|it| (Right::FilesystemRead, it.reason.as_str(), it.optional)),
    );
    needs.extend(
        http.iter()
            .map(|it| (Right::Http, it.reason.as_str(), it.optional)),
    );
    needs.extend(
        sockets
            .iter()
            .map(|it| (Right::Sockets, it.reason.as_str(), it.optional)),
    );
    needs.extend(secrets.values().map(|it| {
        let right = match it.usage {
            SecretUse::Inject => Right::Credentials,
            SecretUse::Reveal => Right::Reveal,
        };
        (right, it.reason.as_str(), it.optional)
    }));
    needs.extend(
        state
            .iter()
            .map(|it| (Right::State, it.reason.as_str(), it.optional)),
    );
    let needed = needs.into_iter().filter(|(_, _, optional)| !optional);
    needed.map(|(right, why, _)| (right, why)).collect()
}
