//! `skillhost.toml` while the host serves by it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::Table;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::host::{Host, Terms};
use crate::manifest::text::one_line;

/// Tables that are followed. Every other is read when the host starts.
const FOLLOWED: [&str; 9] = [
    "limits",
    "monitor",
    "policy",
    "principal",
    "recovery",
    "screening",
    "skill",
    "trust",
    "trust-level",
];

/// The longest reason that is recorded, in characters.
const MAX_REASON: usize = 2000;

/// Of which single tables are named.
const NAMED: [&str; 3] = ["principal", "skill", "trust-level"];

/// The configuration, as it was when it was last looked at.
pub(super) struct ConfigFile {
    path: PathBuf,
    /// Whether what is in force came from a file.
    was_there: bool,
    /// As it was last read; none if it was not read since the host started.
    seen: Option<Option<Identity>>,
    /// Something else, once.
    waiting: Option<Option<Identity>>,
    /// What is in force, as far as it is followed; the rest as the operator was
    /// last told.
    in_force: Table,
    /// Why what was read is not in force.
    rejected: Option<String>,
}

/// Which file it is, and when it last changed.
type Identity = (u64, u64, i64, i64, u64);

/// What a look came to.
struct Change {
    applied: Vec<String>,
    /// For the next start.
    later: Vec<String>,
}

impl ConfigFile {
    /// The file by which the host was just started, as it was read then. It may
    /// have changed since, so it is read again with the first looks.
    pub(super) fn in_force(path: &Path, text: Option<&str>) -> Self {
        Self {
            path: path.to_owned(),
            was_there: text.is_some(),
            seen: None,
            waiting: None,
            in_force: text.unwrap_or_default().parse().unwrap_or_default(),
            rejected: None,
        }
    }

    /// Takes over what changed, whole or not at all; what cannot be taken over is
    /// told once. Whoever `asked` for it knows that everything is written.
    pub(super) fn look(&mut self, host: &Host, asked: bool) {
        let now = identity(&self.path);
        let is_new = self.seen != Some(now) || (asked && self.rejected.is_some());
        if !is_new {
            self.waiting = None;
            return;
        }
        if !asked && self.waiting.replace(now) != Some(now) {
            return;
        }
        self.waiting = None;
        let text = Config::text(&self.path);
        if identity(&self.path) != now {
            // It is being written: the next looks read it.
            return;
        }
        self.seen = Some(now);
        let recorded = match text.and_then(|text| self.take_over(host, text)) {
            Ok(change) => self.tell(host, &change),
            Err(error) => {
                if error.kind() == Kind::AuditUnavailable {
                    // Nothing is wrong with the file: it is read again.
                    self.seen = None;
                }
                self.reject(host, error.kind(), error.message())
            }
        };
        if let Err(error) = recorded {
            tracing::warn!(
                internal = error.internal(),
                "a change of the configuration was not recorded"
            );
        }
    }

    fn take_over(&mut self, host: &Host, text: Option<String>) -> Result<Change> {
        let is_there = text.is_some();
        if self.was_there && !is_there {
            return Err(self.lost("it is gone"));
        }
        let text = text.unwrap_or_default();
        let config = Config::parse(&text, &self.path)?;
        let next: Table = text.parse().unwrap_or_default();
        if self.in_force.contains_key("trust") && !next.contains_key("trust") {
            return Err(self.lost("it has no [trust] any more"));
        }
        let (applied, later) = differences(&self.in_force, &next)
            .into_iter()
            .partition(|key| FOLLOWED.contains(&table_of(key)));
        let change = Change { applied, later };
        if change.applied.iter().any(|key| key != "trust") {
            crate::host::blocking(|| host.reload(terms(config)))?;
        }
        (self.in_force, self.was_there) = (next, is_there);
        Ok(change)
    }

    /// Rules are not lifted by a file that was moved or cut off.
    fn lost(&self, how: &str) -> Error {
        Error::new(
            Kind::ConfigInvalid,
            format!(
                "The configuration {} is not followed: {how}. Put it back; to do without it, start the host anew.",
                self.path.display()
            ),
        )
    }

    fn tell(&mut self, host: &Host, change: &Change) -> Result<()> {
        let mended = self.rejected.take().is_some();
        if mended || !change.applied.is_empty() {
            let changed = change.applied.clone();
            host.record(&Event::ConfigReloaded { changed })?;
        }
        if change.later.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = change.later.iter().map(|key| format!("[{key}]")).collect();
        host.record(&Event::ConfigRejected {
            kind: Kind::ConfigInvalid,
            reason: format!(
                "{} in {} cannot change while the host runs: start it anew.",
                keys.join(", "),
                self.path.display()
            ),
        })
    }

    fn reject(&mut self, host: &Host, kind: Kind, reason: &str) -> Result<()> {
        let reason = one_line(reason, MAX_REASON);
        if self.rejected.replace(reason.clone()).as_ref() == Some(&reason) {
            return Ok(());
        }
        host.record(&Event::ConfigRejected { kind, reason })
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.len(),
    ))
}

/// The tables that are not the same, as the file has them.
fn differences(before: &Table, now: &Table) -> Vec<String> {
    let mut changed: Vec<String> = keys(before, now)
        .filter(|key| before.get(*key) != now.get(*key))
        .flat_map(|key| within(key, before, now))
        .collect();
    changed.sort_unstable();
    changed.dedup();
    changed
}

fn within(key: &str, before: &Table, now: &Table) -> Vec<String> {
    let inner = |table: &Table| table.get(key).and_then(|it| it.as_table()).cloned();
    if !NAMED.contains(&key) {
        return vec![key.to_owned()];
    }
    let [before, now] = [before, now].map(|table| inner(table).unwrap_or_default());
    keys(&before, &now)
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|name| format!("{key}.{name}"))
        .collect()
}

fn keys<'a>(before: &'a Table, now: &'a Table) -> impl Iterator<Item = &'a str> {
    before.keys().chain(now.keys()).map(String::as_str)
}

fn table_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(table, _)| table)
}

fn terms(config: Config) -> Terms {
    Terms {
        limits: config.limits,
        ceilings: config.ceilings,
        requirements: config.requirements,
        admission: config.admission,
        recovery: config.recovery,
        skills: config.policies,
        others: crate::host::SkillPolicy::default(),
        monitor: config.monitor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_by_its_table() {
        let before: Table = "[limits]\nfuel = 1\n[skill.a]\nstate = true\n[skill.b]\nhttp = []"
            .parse()
            .unwrap();
        let now: Table = "[limits]\nfuel = 1\n[skill.a]\nstate = false\n[audit]\nfile = 'x'"
            .parse()
            .unwrap();
        assert_eq!(differences(&before, &now), ["audit", "skill.a", "skill.b"]);
        assert!(differences(&now, &now).is_empty());
    }

    #[test]
    fn what_was_read_at_the_start_is_in_force_and_looked_at_again() {
        let path = Path::new("/nowhere/skillhost.toml");
        let file = ConfigFile::in_force(path, Some("[limits]\nfuel = 1\n"));
        assert!(file.was_there && file.seen.is_none());
        assert!(file.in_force.contains_key("limits"));
        assert!(!ConfigFile::in_force(path, None).was_there);
    }
}
