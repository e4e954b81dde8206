//! `[skill.NAME]`: what one skill may use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::admission::{BudgetTable, Positive, SkillKeys, ToolKeys};
use super::recovery::{self, RecoveryTable};
use super::secret::{self, CredentialTable, SecretSource};
use super::trust::Page;
use crate::admission::screening::Kind;
use crate::error::Result;
use crate::host::SkillPolicy;
use crate::manifest::{SecretName, SkillName, ToolName};
use crate::mcp::{ListedName, TaskUse};
use crate::policy::directory::DirectoryGrant;
use crate::policy::endpoint::{Endpoint, ListenAddress};
use crate::policy::limits::LimitsChange;
use crate::policy::origin::OriginRule;
use crate::policy::{OperatorGrant, SocketGrant};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolTable {
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default)]
    recovery: Option<RecoveryTable>,
    rate: Option<Spanned<String>>,
    burst: Option<Spanned<Positive>>,
    concurrency: Option<Positive>,
    #[serde(default)]
    fields: BTreeMap<String, Kind>,
    name: Option<ListedName>,
    task: Option<TaskUse>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SkillTable {
    #[serde(default)]
    directories: Vec<String>,
    #[serde(default)]
    http: Vec<OriginRule>,
    #[serde(default)]
    tcp: Vec<Endpoint>,
    #[serde(default)]
    udp: Vec<Endpoint>,
    #[serde(default)]
    listen: Vec<ListenAddress>,
    #[serde(default)]
    state: bool,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default)]
    recovery: RecoveryTable,
    #[serde(default)]
    tool: BTreeMap<ToolName, ToolTable>,
    #[serde(default)]
    credentials: BTreeMap<SecretName, Spanned<CredentialTable>>,
    #[serde(default)]
    reveal: BTreeMap<SecretName, Spanned<SecretName>>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    rate: Option<Spanned<String>>,
    burst: Option<Spanned<Positive>>,
    concurrency: Option<Positive>,
    #[serde(default)]
    budget: BudgetTable,
    #[serde(default)]
    interpreters: BTreeSet<ToolName>,
    #[serde(default, rename = "log-to-client")]
    log_to_client: bool,
}

impl SkillTable {
    pub(super) fn read(
        self,
        name: &SkillName,
        page: &Page<'_>,
        secrets: &BTreeMap<SecretName, SecretSource>,
    ) -> Result<SkillPolicy> {
        let invalid = |problem: String| page.invalid(format_args!("[skill.{name}]: {problem}"));
        let (mut limits, mut tools, mut names) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut tasks = BTreeMap::new();
        let mut calls = SkillKeys {
            rate: self.rate,
            burst: self.burst,
            concurrency: self.concurrency,
            budget: self.budget,
            interpreters: self.interpreters,
            tools: BTreeMap::new(),
        };
        for (name, table) in self.tool {
            let keys = ToolKeys {
                rate: table.rate,
                burst: table.burst,
                concurrency: table.concurrency,
                fields: table.fields,
            };
            calls.tools.insert(name.clone(), keys);
            limits.insert(name.clone(), table.limits);
            tasks.extend(table.task.map(|used| (name.clone(), used)));
            names.extend(table.name.map(|listed| (name.clone(), listed)));
            tools.extend(table.recovery.map(|recovery| (name, recovery)));
        }
        let directories = self
            .directories
            .iter()
            .map(|text| directory(text, page.folder()));
        Ok(SkillPolicy {
            grant: OperatorGrant {
                directories: directories.collect::<Result<_, _>>().map_err(invalid)?,
                http: self.http,
                sockets: SocketGrant {
                    tcp: self.tcp,
                    udp: self.udp,
                    listen: self.listen,
                },
                credentials: each(self.credentials, page, |_, table| {
                    let credential = table.read()?;
                    secret::known(&credential.secret, secrets)?;
                    Ok(credential)
                })?,
                reveal: each(self.reveal, page, |_, secret| {
                    secret::known(&secret, secrets)?;
                    Ok(secret)
                })?,
                state: self.state,
                limits: self.limits,
                tools: limits,
            },
            settings: self.settings,
            recovery: recovery::read(self.recovery, tools).map_err(invalid)?,
            environment: each(self.environment, page, variable)?,
            log_to_client: self.log_to_client,
            admission: calls.read(page)?,
            names,
            tasks,
        })
    }
}

fn directory(text: &str, folder: &Path) -> Result<DirectoryGrant, String> {
    let grant: DirectoryGrant = text.parse()?;
    Ok(DirectoryGrant {
        host: folder.join(&grant.host),
        ..grant
    })
}

/// Each entry of a table, or the line of the first that is wrong.
fn each<K: Ord, T, U>(
    table: BTreeMap<K, Spanned<T>>,
    page: &Page<'_>,
    read: impl Fn(&K, T) -> Result<U, String>,
) -> Result<BTreeMap<K, U>> {
    let entry = |(key, value): (K, Spanned<T>)| {
        let at = value.span().start;
        let value = read(&key, value.into_inner());
        Ok((key, value.map_err(|problem| page.invalid_at(at, problem))?))
    };
    table.into_iter().map(entry).collect()
}

/// A variable that a skill sees, as POSIX allows one.
fn variable(name: &String, value: String) -> Result<String, String> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(format!("{name:?} cannot be a variable of an environment"));
    }
    Ok(value)
}
