//! What an operator granted with `skillhost grant`: bound to the skill's name,
//! to everybody who signed it, and to what it declares.
//!
//! A line of `skillhost.toml` grants by name, because its operator wrote it
//! there to stay. A grant that is given by command is an answer to what a skill
//! asked for when somebody looked at it. When other people sign the skill, or it
//! declares something else, nobody has looked at that: the grant lapses. It
//! counts again when the operator renews it, having seen the difference.
//!
//! The file that holds them fails closed: what cannot be read, or could have
//! been written by others, grants nothing.

pub mod ask;
mod book;
mod format;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

pub(crate) use self::book::{Book, Stamp};
pub use self::store::MAX_FILE;
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};
use crate::lock::{Change, Definition, Release};
use crate::manifest::{Capabilities, SkillName};
use crate::policy::capability::Capability;
use crate::verify::SignerName;

/// One capability that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What.
    pub capability: Capability,
    /// When.
    pub at: Timestamp,
    /// Until when, if not for as long as nothing changes.
    pub until: Option<Timestamp>,
    /// By whom, for people who read the file.
    pub by: String,
}

/// What was granted to one skill as somebody signed it and as it declared
/// itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    signers: BTreeSet<SignerName>,
    definition: Definition,
    given: Vec<Given>,
}

impl Consent {
    /// Who signed the skill when this was granted.
    #[must_use]
    pub const fn signers(&self) -> &BTreeSet<SignerName> {
        &self.signers
    }

    /// What was granted.
    #[must_use]
    pub fn given(&self) -> &[Given] {
        &self.given
    }

    /// How the skill differs from what it was when this was granted.
    #[must_use]
    pub fn differences(&self, found: &Release) -> Vec<Change> {
        found.differs_from(&self.signers, &self.definition)
    }

    fn is_for(&self, release: &Release) -> bool {
        self.signers == *release.signers() && self.definition == *release.definition()
    }
}

/// Everything that was granted by command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consents {
    skills: BTreeMap<SkillName, Vec<Consent>>,
}

/// Why a grant does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lapse {
    /// Other people sign the skill.
    Signers(BTreeSet<SignerName>),
    /// The skill declares something else.
    Definition,
    /// Its time is over.
    Over(Timestamp),
}

impl fmt::Display for Lapse {
    /// One sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signers(before) => {
                let before: Vec<&str> = before.iter().map(SignerName::as_str).collect();
                write!(
                    f,
                    "It was granted when {} signed the skill, and others do now.",
                    before.join(", ")
                )
            }
            Self::Definition => {
                f.write_str("The skill declares something else than when it was granted.")
            }
            Self::Over(until) => write!(f, "It was granted until {until}."),
        }
    }
}

/// A grant that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// What was granted.
    pub given: Given,
    /// Why it does not count.
    pub why: Lapse,
}

/// What counts of the grants of one skill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// What counts.
    pub given: Vec<Given>,
    /// What does not, and why.
    pub lapsed: Vec<Lapsed>,
}

impl Effect {
    /// The capabilities that count.
    pub fn capabilities(&self) -> impl Iterator<Item = &Capability> {
        self.given.iter().map(|given| &given.capability)
    }

    /// When the first of them ends.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.given.iter().filter_map(|given| given.until).min()
    }
}

impl Consents {
    /// What counts for that skill as it is found, at that time. A skill that
    /// nobody signed has nothing.
    #[must_use]
    pub fn effect(&self, found: &Release, now: Timestamp) -> Effect {
        let mut effect = Effect::default();
        for consent in self.about(found) {
            let why = consent.lapse(found);
            for given in &consent.given {
                let over = given.until.filter(|until| *until <= now).map(Lapse::Over);
                match why.clone().or(over) {
                    None => effect.given.push(given.clone()),
                    Some(why) => effect.lapsed.push(Lapsed {
                        given: given.clone(),
                        why,
                    }),
                }
            }
        }
        effect
    }

    /// The grants of the skill that were for others than those that are found,
    /// if it has none for these.
    #[must_use]
    pub fn outdated(&self, found: &Release) -> Option<&Consent> {
        self.about(found)
            .into_iter()
            .find(|consent| consent.lapse(found).is_some())
    }

    /// Those of the same signers, or those of others if there are none. What was
    /// granted for `skillhost run` is no news for `skillhost serve`.
    fn about(&self, found: &Release) -> Vec<&Consent> {
        let all = self.skills.get(found.name()).into_iter().flatten();
        let same = |consent: &&Consent| consent.signers == *found.signers();
        let own: Vec<&Consent> = all.clone().filter(same).collect();
        if own.is_empty() { all.collect() } else { own }
    }

    /// Grants these to the skill as it is found. What was granted before is
    /// replaced.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if nobody signed it, and if other grants have lapsed:
    /// they must neither come back unseen nor be forgotten.
    pub fn give(&mut self, found: &Release, given: Vec<Given>) -> Result<()> {
        if found.signers().is_empty() {
            return Err(Error::new(
                Kind::InvalidRequest,
                format!(
                    "Nobody signed `{}`, so nothing can be granted to it.",
                    found.name()
                ),
            ));
        }
        let all = self.skills.entry(found.name().clone()).or_default();
        let own = all.iter_mut().find(|it| it.signers == *found.signers());
        let consent = match own {
            Some(own) if own.is_for(found) => own,
            Some(_) => return Err(outdated(found.name())),
            None => {
                all.push(Consent {
                    signers: found.signers().clone(),
                    definition: found.definition().clone(),
                    given: Vec::new(),
                });
                let Some(added) = all.last_mut() else {
                    return Ok(());
                };
                added
            }
        };
        for new in given {
            consent.given.retain(|it| it.capability != new.capability);
            consent.given.push(new);
        }
        Ok(())
    }

    /// Binds what has lapsed because the skill changed to the skill as it is
    /// found, as far as the skill still asks for it. Returns what is given anew
    /// and what is dropped.
    pub fn renew(
        &mut self,
        found: &Release,
        wanted: &Capabilities,
        by: &str,
        now: Timestamp,
    ) -> Result<(Vec<Given>, Vec<Capability>)> {
        let Some(old) = self.outdated(found).cloned() else {
            return Ok((Vec::new(), Vec::new()));
        };
        let counts = |given: &Given| {
            given.until.is_none_or(|until| now < until)
                && given.capability.check_wanted(wanted).is_ok()
        };
        let (kept, dropped): (Vec<Given>, Vec<Given>) = old.given.iter().cloned().partition(counts);
        let renewed: Vec<Given> = kept
            .into_iter()
            .map(|given| Given {
                at: now,
                by: by.to_owned(),
                ..given
            })
            .collect();
        if let Some(all) = self.skills.get_mut(found.name()) {
            all.retain(|consent| *consent != old);
        }
        self.give(found, renewed.clone())?;
        let dropped = dropped.into_iter().map(|given| given.capability);
        Ok((renewed, dropped.collect()))
    }

    /// Takes grants of a skill back, whoever signed it and whatever it declared;
    /// returns them, each once.
    pub fn revoke(
        &mut self,
        skill: &SkillName,
        is_meant: impl Fn(&Capability) -> bool,
    ) -> Vec<Capability> {
        let mut revoked = Vec::new();
        let Some(all) = self.skills.get_mut(skill) else {
            return revoked;
        };
        for consent in all.iter_mut() {
            consent.given.retain(|given| {
                let meant = is_meant(&given.capability);
                if meant && !revoked.contains(&given.capability) {
                    revoked.push(given.capability.clone());
                }
                !meant
            });
        }
        all.retain(|consent| !consent.given.is_empty());
        if all.is_empty() {
            self.skills.remove(skill);
        }
        revoked
    }

    /// What was granted to that skill, whether it counts or not.
    pub fn of(&self, skill: &SkillName) -> impl Iterator<Item = &Consent> {
        self.skills.get(skill).into_iter().flatten()
    }
}

impl Consent {
    /// Why it is not for the skill as it is found.
    fn lapse(&self, found: &Release) -> Option<Lapse> {
        if self.signers != *found.signers() {
            return Some(Lapse::Signers(self.signers.clone()));
        }
        (!self.is_for(found)).then_some(Lapse::Definition)
    }
}

/// What an operator has seen of a skill when a grant is renewed: other bytes of
/// it make another word.
#[must_use]
pub fn seen(found: &Release) -> String {
    let signers: Vec<&str> = found.signers().iter().map(SignerName::as_str).collect();
    let text = format!("{}\n{}", found.definition().digest(), signers.join("\n"));
    let digest = Digest::of(text.as_bytes()).to_string();
    let hex = digest.rsplit(':').next().unwrap_or_default();
    hex.chars().take(16).collect()
}

fn outdated(skill: &SkillName) -> Error {
    Error::new(
        Kind::InvalidRequest,
        format!("What was granted to `{skill}` has lapsed: the skill declares something else now."),
    )
    .with_hint(format!(
        "See what changed with `skillhost grant {skill} --renew`, or drop the old grants with `skillhost revoke {skill} --all`."
    ))
}

/// Who runs this command: the name that goes with the user id, and the id.
#[must_use]
pub fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    match name {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests;
