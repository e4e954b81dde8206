//! `skillhost policy`: whether what the configuration requires of skills is so.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::grants::Looked;
use super::list::components;
use super::terminal::{note, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::consent::Consents;
use crate::error::{Error, Result};
use crate::manifest::text::one_line;
use crate::manifest::{Manifest, SkillName};
use crate::policy::requirement::{Facts, Requirement};
use crate::policy::right::Right;
use crate::policy::wish::Wish;
use crate::policy::{OperatorGrant, decide};
use crate::secret::shape;
use crate::time::{Clock, SystemClock, system};
use crate::trust::{Snapshot, TrustFiles, TrustSource};
use crate::verify::Verifier;

/// The longest sentence of a finding, in characters.
const MAX_LINE: usize = 1000;

/// Look after what the configuration requires of every skill, under `[policy]`
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every installed skill and the configuration against `[policy]`. Exit code 0 if all is met, 4 if not
    Check(Check),
}

#[derive(Debug, Args)]
struct Check {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Policy {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let Command::Check(check) = &self.command;
        check.execute(session)
    }

    /// Whether results are wanted as JSON.
    pub(super) const fn json(&self) -> bool {
        let Command::Check(check) = &self.command;
        check.json
    }
}

/// Whether one requirement is met, and what is in its way.
#[derive(Serialize)]
struct Report {
    requirement: String,
    met: bool,
    unmet: Vec<Finding>,
}

/// One thing in the way of a requirement.
#[derive(Serialize)]
struct Finding {
    /// The skill's name, or the file of one that cannot be judged.
    skill: String,
    reason: String,
    remedy: String,
}

/// One installed skill.
struct Installed {
    path: PathBuf,
    found: Result<Looked>,
}

/// Everything that requirements are about.
struct Ground<'a> {
    session: &'a Session,
    snapshot: Snapshot,
    skills: Vec<Installed>,
    consents: Consents,
}

impl Check {
    fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let reports = Ground::of(session)?.reports();
        let met = reports.iter().all(|report| report.met);
        if self.json {
            print_json(&json!({"met": met, "requirements": reports}))?;
        } else {
            if reports.is_empty() {
                note(
                    "Nothing is required: the configuration has no `require` and no `deny-capabilities` under [policy].",
                );
            }
            let text: String = reports.iter().map(Report::text).collect();
            print_untrusted(&text)?;
        }
        Ok(if met {
            ExitStatus::Ok
        } else {
            ExitStatus::Denied
        })
    }
}

impl<'a> Ground<'a> {
    fn of(session: &'a Session) -> Result<Self> {
        let files = match session.config.trust {
            Some(_) => session.trust()?,
            None => TrustFiles {
                lock: Some(session.lock_file()),
                ..session.own_trust()?
            },
        };
        let (snapshot, _) = TrustSource::from(files).look()?;
        let verifier = Verifier::new(snapshot.trust.clone(), system());
        let installed = components(&session.skills_folder())?;
        let skills = installed.into_iter().map(|path| Installed {
            found: Looked::at(path.clone(), &verifier),
            path,
        });
        Ok(Self {
            session,
            skills: skills.collect(),
            snapshot,
            consents: Consents::load(&session.grants_file())?,
        })
    }

    fn reports(&self) -> Vec<Report> {
        let requirements = &self.session.config.requirements;
        let require = requirements.require.iter().map(|it| self.requirement(*it));
        let denied = requirements.denied.iter().map(|it| self.denial(*it));
        require.chain(denied).collect()
    }

    fn requirement(&self, requirement: Requirement) -> Report {
        let found = self
            .skills
            .iter()
            .filter_map(|installed| match &installed.found {
                Ok(looked) => self.unmet(looked, requirement),
                Err(error) => unjudged(installed, error, requirement),
            });
        let mut unmet: Vec<Finding> = found.collect();
        if requirement == Requirement::NoPlaintextSecrets {
            unmet.extend(self.plaintext_of_others());
        }
        Report::of(requirement.to_string(), unmet)
    }

    fn unmet(&self, looked: &Looked, requirement: Requirement) -> Option<Finding> {
        let (manifest, verdict) = (&looked.manifest, &looked.verdict);
        let facts = Facts {
            skill: manifest.name.to_string(),
            file: looked.path.display().to_string(),
            pinned: self.snapshot.is_pinned(manifest, verdict),
            signed: !verdict.is_unsigned(),
            provenance: self.snapshot.asks_for_provenance(&manifest.name),
            plaintext: self.plaintext(&manifest.name),
            wildcards: self.wildcards(looked),
        };
        let unmet = facts.unmet(requirement)?;
        Some(Finding {
            skill: facts.skill,
            reason: unmet.reason,
            remedy: unmet.remedy,
        })
    }

    fn plaintext(&self, skill: &SkillName) -> Vec<String> {
        let policy = self.session.config.policies.get(skill);
        let found = policy.map(|it| shape::found_in_policy(&it.settings, &it.environment));
        found.unwrap_or_default()
    }

    /// What stands in the configuration for skills that are not installed.
    fn plaintext_of_others(&self) -> Vec<Finding> {
        let installed: BTreeSet<&SkillName> = self.looked().map(|it| &it.manifest.name).collect();
        let others = self.session.config.policies.keys();
        let others = others.filter(|name| !installed.contains(name));
        let facts = others.map(|name| Facts {
            skill: name.to_string(),
            plaintext: self.plaintext(name),
            ..Facts::default()
        });
        let unmet = facts.filter_map(|it| {
            it.unmet(Requirement::NoPlaintextSecrets)
                .map(|un| (it.skill, un))
        });
        unmet
            .map(|(skill, unmet)| Finding {
                skill,
                reason: unmet.reason,
                remedy: unmet.remedy,
            })
            .collect()
    }

    fn looked(&self) -> impl Iterator<Item = &Looked> {
        self.skills.iter().filter_map(|it| it.found.as_ref().ok())
    }

    /// All that is granted to a skill.
    fn operator(&self, looked: &Looked) -> OperatorGrant {
        let effect = self.consents.effect(&looked.release, SystemClock.wall());
        let configured = looked.configured(self.session);
        configured.with(effect.capabilities())
    }

    fn wildcards(&self, looked: &Looked) -> Vec<String> {
        let lenient = Manifest {
            capabilities: looked.manifest.capabilities.clone().all_optional(),
            ..looked.manifest.clone()
        };
        let ceiling = looked.ceiling(self.session);
        let limits = &self.session.config.limits;
        let gets = decide(&lenient, &self.operator(looked), limits, &ceiling);
        let rules = gets.map(|grant| grant.http().to_vec()).unwrap_or_default();
        let patterns = rules.iter().filter(|rule| !rule.is_exact());
        patterns.map(ToString::to_string).collect()
    }

    /// What is in the way of denying a capability to every skill: a skill that
    /// needs it, or a grant that has no effect.
    fn denial(&self, right: Right) -> Report {
        let denied = Right::denying(&[right].into());
        let found = self.looked().flat_map(|looked| {
            let name = looked.manifest.name.to_string();
            let wishes = Wish::all(&looked.manifest.capabilities);
            let mut needed = wishes.iter();
            let needs = needed
                .any(|wish| !wish.optional && denied.contains(&wish.right()))
                .then(|| Finding {
                    skill: name.clone(),
                    reason: format!("`{name}` asks for `{right}`, and may not be of use without it."),
                    remedy: format!("Remove it, or write `deny-capabilities` without `\"{right}\"` under [policy] in skillhost.toml."),
                });
            let granted = self.operator(looked).capabilities();
            let granted = granted.into_iter().filter(|it| denied.contains(&it.right()));
            let useless: Vec<Finding> = granted
                .map(|capability| Finding {
                    skill: name.clone(),
                    reason: format!("`{capability}` is granted to `{name}` and has no effect."),
                    remedy: format!("Remove it from `[skill.{name}]` in skillhost.toml, or run `skillhost revoke {name} {}`.", crate::policy::remedy::quoted(&capability.to_string())),
                })
                .collect();
            needs.into_iter().chain(useless)
        });
        let found: Vec<Finding> = found.collect();
        Report::of(format!("deny-capabilities {right}"), found)
    }
}

/// A skill that is not trusted meets nothing that is asked of its signatures.
fn unjudged(installed: &Installed, error: &Error, requirement: Requirement) -> Option<Finding> {
    let about_trust = matches!(
        requirement,
        Requirement::Signed | Requirement::Pinned | Requirement::Provenance
    );
    about_trust.then(|| Finding {
        skill: installed.path.display().to_string(),
        reason: one_line(error.message(), MAX_LINE),
        remedy: error
            .hint()
            .unwrap_or("Remove it, or have it signed.")
            .to_owned(),
    })
}

impl Report {
    fn of(requirement: String, unmet: Vec<Finding>) -> Self {
        Self {
            requirement,
            met: unmet.is_empty(),
            unmet,
        }
    }

    fn text(&self) -> String {
        let state = if self.met { "met" } else { "unmet" };
        let mut text = format!("{}  {state}\n", self.requirement);
        for finding in &self.unmet {
            text += &format!("  ! {}\n", one_line(&finding.reason, MAX_LINE));
            text += &format!("    {}\n", one_line(&finding.remedy, MAX_LINE));
        }
        text
    }
}
