//! `skillhost trust show`.

use std::fmt::Write;

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cli::terminal::{print_json, print_untrusted};
use crate::cli::{ExitStatus, Session, deny};
use crate::error::Result;
use crate::lock::Lock;
use crate::trust::TrustSource;
use crate::verify::{Preset, Rule, Signer, SignerName, Trust, TrustedKey};

/// Show signers, rules, trusted root, deny list and lock file as `serve` takes them
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Show {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let trust = TrustSource::from(session.trust()?).trust_now()?;
        let lock = Lock::load(&session.lock_file())?;
        if self.json {
            print_json(&as_json(&trust, lock.as_ref(), session))?;
        } else {
            print_untrusted(&as_text(&trust, lock.as_ref(), session))?;
        }
        Ok(ExitStatus::Ok)
    }
}

fn as_text(trust: &Trust, lock: Option<&Lock>, session: &Session) -> String {
    let policy = &trust.policy;
    let mut text = format!(
        "preset   {}: {}\n",
        policy.preset(),
        meaning(policy.preset())
    );
    text += "\nSigners\n";
    for signer in policy.signers() {
        text += &format!("  {}\n", signer.name);
        for line in signer_lines(signer) {
            text += &format!("    {line}\n");
        }
    }
    text += "\nRules, of which the first that fits decides\n";
    for rule in policy.rules() {
        text += &format!("  {}: {}\n", rule.skills, demands(rule).join(", "));
    }
    text += &format!("\nTrusted root\n  {}\n", trust.root);
    text += "\nDeny list\n";
    text += &match &trust.deny {
        Some(list) => indented(&deny::describe(list)),
        None => "  none\n".to_owned(),
    };
    text += "\nLock file\n";
    let file = session.lock_file();
    match lock {
        Some(lock) => {
            let count = lock.releases().count();
            text += &format!("  {} ({count} skills approved)\n", file.display());
        }
        None => text += "  none: no skill is pinned\n",
    }
    let memory = session.places.memory();
    text += &format!(
        "\nWhat must not come back is kept in {}\n",
        memory.display()
    );
    text
}

fn indented(text: &str) -> String {
    let lines = text.lines();
    lines.map(|line| format!("  {line}\n")).collect()
}

const fn meaning(preset: Preset) -> &'static str {
    match preset {
        Preset::Permissive => "one signer will do",
        Preset::Enterprise => "two distinct signers",
        Preset::Paranoid => {
            "two distinct signers, transparency log, provenance, and an entry in the lock file"
        }
    }
}

fn signer_lines(signer: &Signer) -> Vec<String> {
    let keys = signer.keys.iter().map(key_line);
    let identities = signer.identities.iter().map(ToString::to_string);
    keys.chain(identities).collect()
}

fn key_line(key: &TrustedKey) -> String {
    let mut line = format!("key {}", key.key.hint());
    if let Some(start) = key.not_before {
        let _ = write!(line, ", from {start}");
    }
    if let Some(end) = key.not_after {
        let _ = write!(line, ", until {end}");
    }
    line
}

fn demands(rule: &Rule) -> Vec<String> {
    let mut demands = vec![rule.describe()];
    if let Some(age) = rule.max_age {
        demands.push(format!("signed within {}", days(age)));
    }
    if rule.transparency_log {
        demands.push("in a transparency log".to_owned());
    }
    if rule.pinned {
        demands.push("pinned in the lock file".to_owned());
    }
    if let Some(provenance) = &rule.provenance {
        demands.push(format!("provenance ({})", provenance.predicate_type));
    }
    demands
}

fn days(age: SignedDuration) -> String {
    let hours = age.as_hours();
    if hours % 24 == 0 {
        format!("{} days", hours / 24)
    } else {
        format!("{age:#}")
    }
}

fn as_json(trust: &Trust, lock: Option<&Lock>, session: &Session) -> Value {
    let policy = &trust.policy;
    json!({
        "preset": policy.preset().as_str(),
        "signers": policy.signers().iter().map(signer_json).collect::<Vec<_>>(),
        "rules": policy.rules().iter().map(rule_json).collect::<Vec<_>>(),
        "trusted_root": trust.root.to_string(),
        "deny_list": trust.deny,
        "lock": lock.map(|lock| json!({"file": session.lock_file(), "approved": lock.releases().count()})),
        "memory": session.places.memory(),
    })
}

fn signer_json(signer: &Signer) -> Value {
    let keys = signer.keys.iter().map(|key| {
        json!({"id": key.key.hint(), "not_before": key.not_before, "not_after": key.not_after})
    });
    let identities = signer.identities.iter().map(ToString::to_string);
    json!({
        "name": signer.name.as_str(),
        "keys": keys.collect::<Vec<_>>(),
        "identities": identities.collect::<Vec<_>>(),
    })
}

fn rule_json(rule: &Rule) -> Value {
    let names = |names: &std::collections::BTreeSet<SignerName>| {
        Value::from_iter(names.iter().map(|name| name.as_str()))
    };
    json!({
        "skills": rule.skills.to_string(),
        "all_of": names(&rule.all_of),
        "any_of": names(&rule.any_of),
        "minimum": rule.minimum,
        "max_age_seconds": rule.max_age.map(|age| age.as_secs()),
        "transparency_log": rule.transparency_log,
        "pinned": rule.pinned,
        "provenance": rule.provenance.as_ref().map(|it| &it.predicate_type),
    })
}
