//! `skillhost revoke`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::record_each;
use crate::cli::terminal::{note, print_json};
use crate::cli::{ExitStatus, Session};
use crate::consent::{self, Consents};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::manifest::SkillName;
use crate::policy::capability::Capability;

/// Take back what was granted with `skillhost grant`. A running `skillhost serve` goes by it at the next call
#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    /// The name of a skill, which need not be installed any more, or a component file
    skill: PathBuf,
    /// What to take back, as `skillhost permissions` shows it
    #[arg(value_name = "CAPABILITY", required_unless_present = "all")]
    capabilities: Vec<String>,
    /// Everything that was granted to it by command, lapsed grants too
    #[arg(long, conflicts_with = "capabilities")]
    all: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl Revoke {
    pub(in crate::cli) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let skill = self.name(session)?;
        let folder = std::path::absolute(".").unwrap_or_default();
        let revoked = Consents::change(&session.grants_file(), |consents| {
            for text in &self.capabilities {
                check_granted(consents, &skill, text, &folder, session)?;
            }
            let is_meant = |capability: &Capability| {
                let mut named = self.capabilities.iter();
                self.all || named.any(|text| names(text, capability, &folder))
            };
            Ok(consents.revoke(&skill, is_meant))
        })?;
        // It counts already: without a record there is no right, but there is
        // always the lack of one.
        let by = consent::operator();
        let subject = Subject {
            skill: Some(skill.as_str().into()),
            ..Subject::default()
        };
        let events = revoked.iter().map(|capability| Event::GrantRevoked {
            capability: capability.to_string(),
            by: by.clone(),
        });
        record_each(&session.events()?, &subject, events)?;
        self.report(&skill, &revoked)
    }

    fn name(&self, session: &Session) -> Result<SkillName> {
        let text = self.skill.to_string_lossy();
        match text.parse() {
            Ok(name) => Ok(name),
            Err(_no_name) => Ok(session.look_at(&self.skill, false)?.manifest.name),
        }
    }

    fn report(&self, skill: &SkillName, revoked: &[Capability]) -> Result<ExitStatus> {
        if self.json {
            print_json(&json!({"skill": skill, "revoked": revoked}))?;
            return Ok(ExitStatus::Ok);
        }
        for capability in revoked {
            note(&format!("Revoked from {skill}: {capability}."));
        }
        if revoked.is_empty() {
            note(&format!("Nothing was granted to {skill} by command."));
        }
        Ok(ExitStatus::Ok)
    }
}

/// Whether a text names a capability: as it is shown, as it was granted, or, of a
/// secret, by the skill's name for it.
fn names(text: &str, capability: &Capability, folder: &Path) -> bool {
    let read = text.parse::<Capability>().ok();
    let same = read.is_some_and(|read| read.below(folder) == *capability);
    let by_name = match capability {
        Capability::Credential(name, grant) => {
            text == format!("credential={name}")
                || text == format!("credential={name}:{}", grant.secret)
        }
        Capability::Reveal(name, _) => text == format!("reveal={name}"),
        _ => false,
    };
    same || by_name || text == capability.to_string()
}

/// Refuses what was not granted by command, and says where it was.
fn check_granted(
    consents: &Consents,
    skill: &SkillName,
    text: &str,
    folder: &Path,
    session: &Session,
) -> Result<()> {
    let mut given = consents.of(skill).flat_map(consent::Consent::given);
    if given.any(|given| names(text, &given.capability, folder)) {
        return Ok(());
    }
    let policy = session.config.policies.get(skill);
    let configured = policy.map(|policy| policy.grant.capabilities());
    let mut configured = configured.into_iter().flatten();
    let problem = format!("`{text}` was not granted to `{skill}` with `skillhost grant`.");
    let error = Error::new(Kind::InvalidRequest, problem);
    Err(
        if configured.any(|capability| names(text, &capability, folder)) {
            error.with_hint(format!(
                "It stands under `[skill.{skill}]` in {}: remove it there.",
                session.config_file.display()
            ))
        } else {
            error.with_hint(format!(
                "See what was granted with `skillhost permissions {skill}`."
            ))
        },
    )
}
