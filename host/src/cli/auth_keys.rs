//! `skillhost keys`: the keys with which callers over HTTP prove who they are.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::terminal::{note, print, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::admission::rules::{Rate, ToolPattern};
use crate::config::parse_age;
use crate::consent;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::invocation::PrincipalName;
use crate::mcp::{BearerKey, KeyFile, KeyId, KeyTerms, holder};
use crate::time::{Clock, SystemClock};

/// Make, list and revoke the keys with which callers over HTTP prove who they are. A running `skillhost serve` goes by it at the next request
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  skillhost keys create ci --tools 'text-stats/*' --expires '90 days' --rate 60/min
  skillhost keys list
  skillhost keys revoke ID";

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a key and print it, this once: the host keeps its digest alone
#[derive(Debug, Args)]
#[command(after_help = CREATE)]
struct Create {
    /// Who calls with it: the NAME of `[principal.NAME]`, whose rules hold besides
    #[arg(value_parser = holder)]
    name: PrincipalName,
    /// Allow these tools and no others: skill/tool, skill/*, or *; may be repeated [default: all that NAME may call]
    #[arg(long, value_name = "PATTERN")]
    tools: Option<Vec<ToolPattern>>,
    /// Let it expire, such as after '90 days' or 12h [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    expires: Option<SignedDuration>,
    /// Allow so many calls with it, such as 60/min [default: as many as NAME may make]
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const CREATE: &str = "\
Examples:
  skillhost keys create alice
  skillhost keys create ci --tools 'text-stats/*' --tools json-query/query --expires '90 days'
  skillhost keys create ci --rate 60/min --json";

/// List the keys: id, who has it, until when, and what it allows
#[derive(Debug, Args)]
struct List {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Revoke a key: nobody is let in with it from the next request on
#[derive(Debug, Args)]
struct Revoke {
    /// The id of the key, as `skillhost keys list` shows it: the part between the first two `_`
    // Parsed only in `execute`, since clap says what it could not parse.
    id: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        match &self.command {
            Command::Create(command) => command.execute(session),
            Command::List(command) => command.execute(session),
            Command::Revoke(command) => command.execute(session),
        }
    }

    pub(super) const fn json(&self) -> bool {
        match &self.command {
            Command::Create(command) => command.json,
            Command::List(command) => command.json,
            Command::Revoke(command) => command.json,
        }
    }
}

impl Create {
    fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let terms = self.terms()?;
        let key = BearerKey::generate()?;
        let file = KeyFile::at(session.bearer_keys());
        // Broken files are found before anything is on record.
        file.read()?;
        let event = Event::KeyCreated {
            key: key.id().to_string(),
            holder: terms.holder.to_string(),
            by: consent::operator(),
        };
        // Without a record there is no right.
        session.events()?.record(&about(&terms), &event)?;
        file.create(&key, &terms)?;
        if self.json {
            let mut shown = shown(key.id(), &terms);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("key".to_owned(), json!(key.danger_text()));
            }
            print_json(&shown)?;
        } else {
            print(&format!("{}\n", key.danger_text()))?;
            note(
                "Keep it secret; it is not shown again. Callers send it as `Authorization: Bearer KEY`.",
            );
        }
        Ok(ExitStatus::Ok)
    }

    fn terms(&self) -> Result<KeyTerms> {
        let now = SystemClock.wall();
        let expires = self.expires.map(|age| now.checked_add(age));
        Ok(KeyTerms {
            holder: self.name.clone(),
            created: now,
            expires: expires.transpose().map_err(|_beyond| {
                Error::new(
                    Kind::InvalidRequest,
                    "The key would expire beyond the year 9999.",
                )
                .with_hint("Name a shorter time, or none.")
            })?,
            tools: self.tools.clone(),
            rate: self.rate,
        })
    }
}

impl List {
    fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let keys = KeyFile::at(session.bearer_keys()).read()?;
        if self.json {
            let rows = keys.iter().map(|(id, key)| shown(id, &key.terms));
            print_json(&rows.collect::<Vec<_>>())?;
            return Ok(ExitStatus::Ok);
        }
        if keys.is_empty() {
            note("There are no keys.");
        }
        let now = SystemClock.wall();
        let rows = keys.iter().map(|(id, key)| row(id, &key.terms, now));
        print_untrusted(&rows.collect::<String>())?;
        Ok(ExitStatus::Ok)
    }
}

impl Revoke {
    fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let id = self.key()?;
        let file = KeyFile::at(session.bearer_keys());
        let Some(terms) = file.revoke(&id)? else {
            let message = format!("There is no key `{id}`.");
            return Err(Error::new(Kind::InvalidRequest, message)
                .with_hint("`skillhost keys list` shows those that there are."));
        };
        // It counts no more already: there is always the lack of a right.
        let event = Event::KeyRevoked {
            key: id.to_string(),
            holder: terms.holder.to_string(),
            by: consent::operator(),
        };
        session.events()?.record(&about(&terms), &event)?;
        if self.json {
            print_json(&json!({"id": id, "holder": terms.holder.as_str(), "done": "revoked"}))?;
        } else {
            note(&format!("The key {id} of {} is revoked.", terms.holder));
        }
        Ok(ExitStatus::Ok)
    }

    /// Which key is meant. What was given is not repeated: it may be the key.
    fn key(&self) -> Result<KeyId> {
        KeyId::named_by(&self.id).map_err(|reason| {
            Error::new(
                Kind::InvalidRequest,
                format!("That is no id of a key: {reason}."),
            )
            .with_hint("`skillhost keys list` shows those that there are.")
        })
    }
}

fn about(terms: &KeyTerms) -> Subject {
    Subject {
        principal: Some(terms.holder.as_str().into()),
        ..Subject::default()
    }
}

fn texts(tools: &[ToolPattern]) -> Vec<String> {
    tools.iter().map(ToString::to_string).collect()
}

fn shown(id: &KeyId, terms: &KeyTerms) -> Value {
    json!({
        "id": id,
        "holder": terms.holder.as_str(),
        "created": terms.created,
        "expires": terms.expires,
        "tools": terms.tools.as_deref().map(texts),
        "rate": terms.rate.map(|rate| rate.to_string()),
    })
}

fn row(id: &KeyId, terms: &KeyTerms, now: Timestamp) -> String {
    let ends = match terms.expires {
        None => "never expires".to_owned(),
        Some(end) if end <= now => format!("EXPIRED {end:.0}"),
        Some(end) => format!("expires {end:.0}"),
    };
    let tools = terms.tools.as_deref().map_or_else(
        || "all tools".to_owned(),
        |tools| format!("tools {}", texts(tools).join(", ")),
    );
    let rate = terms
        .rate
        .map_or_else(String::new, |rate| format!(", {rate}"));
    let holder = &terms.holder;
    format!(
        "{id}  {holder}  made {:.0}, {ends}, {tools}{rate}\n",
        terms.created
    )
}
