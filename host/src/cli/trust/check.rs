//! `skillhost trust check`.

use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::artifact::Artifact;
use crate::cli::list::{components, manifest_of};
use crate::cli::terminal::{labelled, print_json, print_untrusted};
use crate::cli::{ExitStatus, Session};
use crate::error::{Error, Result};
use crate::manifest::text::one_line;
use crate::time::{Clock, SystemClock, system};
use crate::trust::{Snapshot, TrustSource};
use crate::verify::{Trust, Verifier};

/// How long before its end something is told.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Check all of that, and whether each installed skill would run. Exit code 0 if so, 2 for a configuration that cannot be used, 3 if a skill would not run
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Whether one installed component would run.
struct Judged {
    path: PathBuf,
    outcome: Result<String>,
}

impl Check {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let (snapshot, memory) = TrustSource::from(session.trust()?).look()?;
        let verifier = Verifier::new(snapshot.trust.clone(), system());
        let judge = |path: &PathBuf| -> Result<String> {
            let verified = verifier.verify(Artifact::open(path)?)?;
            let manifest = manifest_of(&verified)?;
            snapshot.check_lock(&manifest, verified.verdict())?;
            memory.check_floor(&manifest.name, &manifest.version)?;
            Ok(format!("{} {}", manifest.name, manifest.version))
        };
        let skills: Vec<Judged> = components(&session.skills_folder())?
            .into_iter()
            .map(|path| Judged {
                outcome: judge(&path),
                path,
            })
            .collect();
        let warnings = warnings(&snapshot, SystemClock.wall());
        self.report(&skills, &warnings)?;
        if skills.iter().all(|skill| skill.outcome.is_ok()) {
            Ok(ExitStatus::Ok)
        } else {
            Ok(ExitStatus::Untrusted)
        }
    }

    fn report(&self, skills: &[Judged], warnings: &[String]) -> Result<()> {
        if self.json {
            let skills: Vec<_> = skills.iter().map(Judged::json).collect();
            return print_json(&json!({"skills": skills, "warnings": warnings}));
        }
        for warning in warnings {
            labelled("warning", AnsiColor::Yellow, warning);
        }
        print_untrusted(&skills.iter().map(Judged::text).collect::<String>())
    }
}

impl Judged {
    fn text(&self) -> String {
        match &self.outcome {
            Ok(skill) => format!("{skill}  would run\n"),
            Err(error) => format!(
                "{}  would not run ({}): {}\n",
                self.path.display(),
                error.kind(),
                one_line(error.message(), 1000)
            ),
        }
    }

    fn json(&self) -> serde_json::Value {
        let error = self.outcome.as_ref().err();
        json!({
            "path": self.path,
            "skill": self.outcome.as_ref().ok(),
            "kind": error.map(Error::kind),
            "message": error.map(Error::message),
        })
    }
}

/// What will end soon.
fn warnings(snapshot: &Snapshot, now: Timestamp) -> Vec<String> {
    let soon = |end: Timestamp| end <= now.saturating_add(SOON).unwrap_or(Timestamp::MAX);
    let mut warnings: Vec<String> = snapshot.stale(now).into_iter().collect();
    if let Some(deny) = &snapshot.trust.deny
        && soon(deny.expires)
    {
        warnings.push(format!(
            "The deny list counts until {}; nothing runs past that without a newer one.",
            deny.expires
        ));
    }
    warnings.extend(ending_keys(&snapshot.trust, soon));
    warnings
}

fn ending_keys(trust: &Trust, soon: impl Fn(Timestamp) -> bool) -> Vec<String> {
    let signers = trust.policy.signers().iter();
    let keys = signers.flat_map(|signer| signer.keys.iter().map(move |key| (&signer.name, key)));
    keys.filter_map(|(name, key)| {
        let end = key.not_after.filter(|end| soon(*end))?;
        Some(format!("A key of `{name}` counts until {end} only."))
    })
    .collect()
}
