//! `skillhost doctor`.

use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::{Value, json};
use wasmtime::PoolingAllocationConfig;

use super::terminal::{print, print_json, size};
use super::{ExitStatus, Session, list};
use crate::build::{self, Finding, Status};
use crate::error::Result;
use crate::event::audit::AuditLog;

/// Say what is there for building and running skills, what is missing, and how to get it. Changes nothing but the audit log's existence
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Doctor {
    /// Exit code 2 if something is missing that is not optional.
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let mut findings = host(session);
        findings.extend(build::diagnose(Path::new("."), &session.places.cache));
        if self.json {
            print_json(&findings.iter().map(as_json).collect::<Vec<_>>())?;
        } else {
            print(&findings.iter().map(as_text).collect::<String>())?;
        }
        let wanting = findings
            .iter()
            .any(|it| !it.optional && it.status != Status::Ok);
        Ok(if wanting {
            ExitStatus::Usage
        } else {
            ExitStatus::Ok
        })
    }
}

/// What running skills needs.
fn host(session: &Session) -> Vec<Finding> {
    let config = &session.config_file;
    let present = if config.exists() {
        ""
    } else {
        " (not there; the defaults hold)"
    };
    vec![
        works("configuration", format!("{}{present}", config.display())),
        audit(session),
        installed(session),
        key(session),
        cache(session),
        pagemap(),
    ]
}

fn audit(session: &Session) -> Finding {
    let path = session.audit_file();
    match AuditLog::check(&path) {
        Ok(_) => works("audit log", path.display().to_string()),
        Err(error) => Finding {
            name: "audit log",
            status: Status::Broken,
            optional: false,
            detail: error.internal().unwrap_or_default().to_owned(),
            remedy: Some("nothing runs without it: make its folder writable, or name another file under [audit]".to_owned()),
        },
    }
}

fn installed(session: &Session) -> Finding {
    let folder = session.skills_folder();
    let count = list::components(&folder).map_or(0, |paths| paths.len());
    works(
        "installed skills",
        format!("{count} in {}", folder.display()),
    )
}

fn key(session: &Session) -> Finding {
    let path = session.places.key().with_extension("key");
    let detail = if path.exists() {
        path.display().to_string()
    } else {
        "made at the first `skillhost run`".to_owned()
    };
    works("your own key", detail)
}

/// Without it every skill is compiled at each start.
fn cache(session: &Session) -> Finding {
    let name = "compiled code";
    let Some(cache) = session.config.compile.cache(&session.places) else {
        return works(name, "not kept: `cache = false` under [compile]".to_owned());
    };
    match cache.usage() {
        Ok(usage) => works(
            name,
            format!(
                "{} entries, {} in {}",
                usage.entries,
                size(usage.bytes),
                cache.folder.display()
            ),
        ),
        Err(error) => Finding {
            name,
            status: Status::Broken,
            optional: true,
            detail: error.to_string(),
            remedy: error.hint().map(str::to_owned),
        },
    }
}

/// Without it a fresh sandbox costs about twice as much.
fn pagemap() -> Finding {
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        return works(
            "pagemap scan",
            "the kernel has it: sandboxes are reset fast".to_owned(),
        );
    }
    Finding {
        name: "pagemap scan",
        status: Status::Missing,
        optional: true,
        detail: "the kernel does not have it: sandboxes are reset more slowly".to_owned(),
        remedy: Some("Linux 6.7 or newer".to_owned()),
    }
}

const fn works(name: &'static str, detail: String) -> Finding {
    Finding {
        name,
        status: Status::Ok,
        optional: false,
        detail,
        remedy: None,
    }
}

fn word(finding: &Finding) -> &'static str {
    match finding.status {
        Status::Ok => "ok",
        Status::Missing => "missing",
        Status::Broken => "broken",
    }
}

fn as_text(finding: &Finding) -> String {
    let colour = match finding.status {
        Status::Ok => AnsiColor::Green,
        _ if finding.optional => AnsiColor::Yellow,
        Status::Missing | Status::Broken => AnsiColor::Red,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let mut text = format!(
        "{style}{:8}{style:#}{:20} {}\n",
        word(finding),
        finding.name,
        finding.detail
    );
    if let Some(remedy) = &finding.remedy {
        text += &format!("{:28} {remedy}\n", "");
    }
    text
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "name": finding.name, "status": word(finding), "optional": finding.optional,
        "detail": finding.detail, "remedy": finding.remedy,
    })
}
