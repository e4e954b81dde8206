//! `skillhost grant`.

use std::path::PathBuf;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::table::Table;
use super::{Looked, record_each};
use crate::cli::terminal::{note, print_json, print_untrusted};
use crate::cli::{ExitStatus, Session};
use crate::config::parse_age;
use crate::consent::{self, Consents, Given};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::lock::Change;
use crate::policy::capability::Capability;
use crate::policy::requirement::Requirement;
use crate::policy::right::Right;
use crate::sandbox::{Descriptors, Mounts};
use crate::time::{Clock, SystemClock};

/// Grant a skill something that its manifest asks for. The grant is for the skill as it is signed and as it declares itself now: it lapses when either changes. Without a capability, list what can be granted
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Grant {
    /// The name of an installed skill, or a component file
    skill: PathBuf,
    /// What to grant
    #[arg(value_name = "CAPABILITY")]
    capabilities: Vec<String>,
    /// For how long, such as `8h` or `90 days` [default: until the skill changes]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_age, requires = "capabilities")]
    length: Option<SignedDuration>,
    /// Show how the skill changed since its grants lapsed, and the word with which to repeat this; with that word, renew those that it still asks for
    #[arg(long, value_name = "WORD", num_args = 0..=1, conflicts_with_all = ["capabilities", "length"])]
    renew: Option<Option<String>>,
    /// For `skillhost run`, which trusts your own key
    #[arg(long)]
    run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

const EXAMPLES: &str = "\
Capabilities:
  directory=DIR[:GUEST][:ro|:rw]   http=ORIGIN   tcp=HOST:PORT   udp=HOST:PORT
  listen=ADDRESS:PORT   state   reveal=NAME:SECRET
  credential=NAME:SECRET[@ORIGIN][,header=NAME[,prefix=TEXT]|,query=KEY]

NAME is the skill's name for a secret, SECRET the one of `[secret.SECRET]`.

Examples:
  skillhost grant notes                               what can be granted
  skillhost grant notes directory=docs:/docs state
  skillhost grant notes http=https://api.example.com --for 8h
  skillhost grant notes --renew                       what changed since its grants lapsed";

impl Grant {
    pub(in crate::cli) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let looked = session.look_at(&self.skill, self.run)?;
        match &self.renew {
            Some(None) => self.compare(&looked, session)?,
            Some(Some(seen)) => self.renew(&looked, seen, session)?,
            None if self.capabilities.is_empty() => self.list(&looked, session)?,
            None => self.give(&looked, session)?,
        }
        Ok(ExitStatus::Ok)
    }

    fn list(&self, looked: &Looked, session: &Session) -> Result<()> {
        let consents = Ok(Consents::load(&session.grants_file())?);
        let table = Table::of(looked, &consents, session, SystemClock.wall());
        let missing: Vec<_> = table.missing().collect();
        if self.json {
            return print_json(&json!({"skill": looked.manifest.name, "missing": missing}));
        }
        if missing.is_empty() {
            note("There is nothing more to grant.");
        }
        let rows = missing.into_iter().map(|row| row.text(0));
        print_untrusted(&rows.collect::<String>())
    }

    fn give(&self, looked: &Looked, session: &Session) -> Result<()> {
        let now = SystemClock.wall();
        let until = self.length.map(|length| now.saturating_add(length));
        let until = until.transpose().unwrap_or(Some(Timestamp::MAX));
        let by = consent::operator();
        let asked = self.asked(looked, session)?;
        let given: Vec<Given> = asked
            .into_iter()
            .map(|capability| Given {
                capability,
                at: now,
                until,
                by: by.clone(),
            })
            .collect();
        // Opened before anything is written, and written to before the file is:
        // nothing runs by a grant of which there is no record.
        let events = session.events()?;
        Consents::change(&session.grants_file(), |consents| {
            let effect = consents.effect(&looked.release, now);
            let granted: Vec<&Capability> = effect.capabilities().collect();
            check_directories(looked, &granted, &given, session)?;
            consents.give(&looked.release, given.clone())?;
            record_each(&events, &looked.subject(), given.iter().map(told))
        })?;
        self.report(looked, &given, &[], session)
    }

    /// What is asked for on the command line, each of which the skill must ask
    /// for as well.
    fn asked(&self, looked: &Looked, session: &Session) -> Result<Vec<Capability>> {
        let folder = std::path::absolute(".").map_err(|cause| {
            Error::new(Kind::InvalidRequest, "There is no working directory.").with_internal(cause)
        })?;
        let wanted = &looked.manifest.capabilities;
        let read = |text: &String| {
            let capability = Capability::for_skill(text, wanted);
            let capability = capability
                .map_err(|problem| Error::new(Kind::InvalidRequest, format!("{problem}.")))?;
            let capability = capability.below(&folder);
            check(&capability, looked, session)?;
            Ok(capability)
        };
        self.capabilities.iter().map(read).collect()
    }

    fn compare(&self, looked: &Looked, session: &Session) -> Result<()> {
        let consents = Consents::load(&session.grants_file())?;
        let outdated = consents.outdated(&looked.release);
        let changes = outdated.map(|it| it.differences(&looked.release));
        let name = &looked.manifest.name;
        let seen = consent::seen(&looked.release);
        let next = format!("{} {seen}", self.renewing(looked, session));
        if self.json {
            let lines = changes.iter().flatten().map(Change::to_string);
            return print_json(&json!({
                "skill": name,
                "changes": lines.collect::<Vec<_>>(),
                "renew": changes.is_some().then_some(next),
            }));
        }
        let Some(changes) = changes else {
            note(&format!(
                "No grant of {name} has lapsed because it changed."
            ));
            return Ok(());
        };
        for change in &changes {
            let mark = if change.widens() { '!' } else { ' ' };
            print_untrusted(&format!("  {mark} {change}\n"))?;
        }
        note(&format!("If that is right: {next}"));
        Ok(())
    }

    fn renew(&self, looked: &Looked, seen: &str, session: &Session) -> Result<()> {
        let name = &looked.manifest.name;
        if seen != consent::seen(&looked.release) {
            let problem = format!("`{name}` is not what `{seen}` was shown for.");
            return Err(Error::new(Kind::InvalidRequest, problem).with_hint(format!(
                "See what it is now with `{}`.",
                self.renewing(looked, session)
            )));
        }
        let (now, by) = (SystemClock.wall(), consent::operator());
        let events = session.events()?;
        let wanted = &looked.manifest.capabilities;
        let (renewed, dropped) = Consents::change(&session.grants_file(), |consents| {
            let (renewed, dropped) = consents.renew(&looked.release, wanted, &by, now)?;
            let events_of = renewed
                .iter()
                .map(told)
                .chain(dropped.iter().map(|it| taken(it, &by)));
            record_each(&events, &looked.subject(), events_of)?;
            Ok((renewed, dropped))
        })?;
        self.report(looked, &renewed, &dropped, session)
    }

    /// The command that shows what lapsed.
    fn renewing(&self, looked: &Looked, session: &Session) -> String {
        let run = if self.run { " --run" } else { "" };
        format!("skillhost grant {}{run} --renew", looked.called(session))
    }

    fn report(
        &self,
        looked: &Looked,
        given: &[Given],
        dropped: &[Capability],
        session: &Session,
    ) -> Result<()> {
        let name = &looked.manifest.name;
        let file = session.grants_file();
        if self.json {
            let granted: Vec<_> = given
                .iter()
                .map(|given| json!({"capability": given.capability, "until": given.until, "by": given.by}))
                .collect();
            return print_json(&json!({
                "skill": name, "granted": granted, "dropped": dropped, "file": file,
            }));
        }
        for given in given {
            let until = given.until.map(|until| format!(" until {until}"));
            let until = until.unwrap_or_default();
            note(&format!("Granted to {name}: {}{until}.", given.capability));
        }
        for capability in dropped {
            note(&format!(
                "Dropped: {capability}, which {name} no longer asks for or had for a time that is over."
            ));
        }
        Ok(())
    }
}

fn told(given: &Given) -> Event {
    Event::GrantGiven {
        capability: given.capability.to_string(),
        by: given.by.clone(),
    }
}

fn taken(capability: &Capability, by: &str) -> Event {
    Event::GrantRevoked {
        capability: capability.to_string(),
        by: by.to_owned(),
    }
}

/// Refuses what would have no effect, or would have the skill refused.
fn check(capability: &Capability, looked: &Looked, session: &Session) -> Result<()> {
    let name = &looked.manifest.name;
    let denied = |problem: String| Error::new(Kind::Denied, problem);
    if let Err(problem) = capability.check_wanted(&looked.manifest.capabilities) {
        return Err(denied(format!(
            "`{name}` is granted no more than it asks for: {problem}."
        ))
        .with_hint(format!(
            "See what can be granted with `skillhost grant {}`.",
            looked.called(session)
        )));
    }
    if let Some((bar, way)) = looked.ceiling(session).bar(capability.right()) {
        return Err(denied(format!("The grant would have no effect: {bar}."))
            .with_hint(format!("It takes {way}.")));
    }
    let required = &session.config.requirements.require;
    if capability.right() == Right::HttpWildcard
        && required.contains(&Requirement::NoWildcardEgress)
    {
        return Err(denied(format!(
            "The configuration requires `{}` of every skill, and `{capability}` names no single host.",
            Requirement::NoWildcardEgress
        ))
        .with_hint("Name each origin on its own."));
    }
    check_secret(capability, looked, session)
}

fn check_secret(capability: &Capability, looked: &Looked, session: &Session) -> Result<()> {
    let invalid = |problem: String| Error::new(Kind::InvalidRequest, problem);
    let known = |secret| session.config.secrets.contains_key(secret);
    if let Some(secret) = capability.secret().filter(|secret| !known(secret)) {
        return Err(invalid(format!("There is no secret `{secret}`.")).with_hint(format!(
            "Write `[secret.{secret}]` with `file = \"PATH\"` or `env = \"VARIABLE\"` into skillhost.toml."
        )));
    }
    let configured = looked.configured(session);
    let taken = match capability {
        Capability::Credential(name, _) => configured.credentials.contains_key(name),
        Capability::Reveal(name, _) => configured.reveal.contains_key(name),
        _ => false,
    };
    if taken {
        return Err(invalid(format!(
            "skillhost.toml gives `{}` another secret under that name, and that one counts.",
            looked.manifest.name
        )));
    }
    Ok(())
}

/// Opens all directories as a host would: one that cannot be granted would have
/// the skill refused when it is loaded.
fn check_directories(
    looked: &Looked,
    granted: &[&Capability],
    given: &[Given],
    session: &Session,
) -> Result<()> {
    let is_asked = given
        .iter()
        .any(|given| matches!(given.capability, Capability::Directory(_)));
    if !is_asked {
        return Ok(());
    }
    let all = looked.configured(session);
    let all = all.with(granted.iter().copied());
    let all = all.with(given.iter().map(|given| &given.capability));
    let descriptors = Descriptors::of_process(&session.config.limits);
    let mut private = session.private_places();
    // The grants file may not be there before its first grant; its lock is.
    private.push(session.grants_file().with_added_extension("lock"));
    Mounts::open(&all.directories, &descriptors, &private).map(drop)
}
