//! What a skill may use: manifest ∩ operator's grant → [`Grant`], or
//! [`Denied`] with the grant that would help.
//!
//! Pure: no I/O, no clock. [`decide`] judges in this order, and the first
//! refusal ends it:
//!
//! 1. What the ceiling leaves out is not granted, so a skill that cannot do
//!    without it is refused before anybody is asked for a grant.
//! 2. Each capability that the manifest wants and does not call optional must
//!    be granted at least in part: a skill that cannot work is not started.
//! 3. What is granted is what both the manifest wants and the operator allows;
//!    what only one of them names is left out, and so is what is above the
//!    ceiling.
//! 4. Limits are the operator's (the tool's before the skill's before the
//!    host's), narrowed to what the author holds to be enough and to the
//!    ceiling.

pub mod address;
pub mod capability;
pub mod ceiling;
pub mod directory;
pub mod endpoint;
pub mod limits;
pub mod origin;
pub(crate) mod remedy;
pub mod requirement;
pub mod right;
pub mod secret;
pub(crate) mod wish;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::capability::Capability;
use self::ceiling::Ceiling;
use self::directory::DirectoryGrant;
use self::endpoint::{Endpoint, EndpointWish, ListenAddress};
use self::limits::{Limits, LimitsChange};
use self::origin::OriginRule;
use self::secret::{CredentialGrant, SecretGrants};
use crate::manifest::{Capabilities, Manifest, SecretName, Sockets, State, ToolName};

/// What the operator allows one skill. The default allows nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OperatorGrant {
    /// Directories of the host.
    pub directories: Vec<DirectoryGrant>,
    /// Origins that HTTP requests may go to.
    pub http: Vec<OriginRule>,
    /// Raw connections.
    pub sockets: SocketGrant,
    /// Secrets that the host adds to requests, by the skill's names for them.
    pub credentials: BTreeMap<SecretName, CredentialGrant>,
    /// Secrets that the skill may read: its names for them, and the operator's.
    pub reveal: BTreeMap<SecretName, SecretName>,
    /// Whether it may keep something from call to call.
    pub state: bool,
    /// Limits that differ from the host's.
    pub limits: LimitsChange,
    /// Limits of single tools that differ from the skill's.
    pub tools: BTreeMap<ToolName, LimitsChange>,
}

/// Raw connections, each kind on its own. Empty lists allow nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketGrant {
    /// Where TCP connections may go to.
    pub tcp: Vec<Endpoint>,
    /// Where UDP datagrams may go to and come from.
    pub udp: Vec<Endpoint>,
    /// Where TCP connections may be accepted.
    pub listen: Vec<ListenAddress>,
}

impl SocketGrant {
    /// Whether it allows nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty() && self.listen.is_empty()
    }
}

/// What a call of a skill may use. Only [`decide`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    directories: Vec<DirectoryGrant>,
    http: Vec<OriginRule>,
    methods: Vec<String>,
    sockets: Option<SocketGrant>,
    secrets: SecretGrants,
    state: bool,
    limits: Limits,
    tools: BTreeMap<ToolName, Limits>,
    unused: Vec<String>,
    wanted: Arc<Capabilities>,
}

impl Grant {
    /// What the skill asks for, which is more than it gets.
    pub(crate) const fn wanted(&self) -> &Arc<Capabilities> {
        &self.wanted
    }

    /// Directories, with no more access than both sides allow.
    #[must_use]
    pub fn directories(&self) -> &[DirectoryGrant] {
        &self.directories
    }

    /// Origins that HTTP requests may go to.
    #[must_use]
    pub fn http(&self) -> &[OriginRule] {
        &self.http
    }

    /// Methods that HTTP requests may have.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// Raw connections; none if the skill does not ask for any.
    #[must_use]
    pub const fn sockets(&self) -> Option<&SocketGrant> {
        self.sockets.as_ref()
    }

    /// Secrets that the host adds to requests, by the skill's names for them.
    #[must_use]
    pub const fn credentials(&self) -> &BTreeMap<SecretName, CredentialGrant> {
        &self.secrets.credentials
    }

    /// Secrets that the skill may read: its names for them, and the operator's.
    #[must_use]
    pub const fn reveal(&self) -> &BTreeMap<SecretName, SecretName> {
        &self.secrets.reveal
    }

    /// Whether it may keep something from call to call; how much, say the limits.
    #[must_use]
    pub const fn state(&self) -> bool {
        self.state
    }

    /// Limits of one call.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Limits of one call of that tool.
    #[must_use]
    pub fn limits_of(&self, tool: &ToolName) -> &Limits {
        self.tools.get(tool).unwrap_or(&self.limits)
    }

    /// The limits of all tools, each once.
    pub(crate) fn each_limits(&self) -> impl Iterator<Item = &Limits> {
        std::iter::once(&self.limits).chain(self.tools.values())
    }

    /// The same rights, and of each limit the smaller one.
    #[must_use]
    pub fn narrowed(mut self, ceiling: &LimitsChange) -> Self {
        self.limits = self.limits.narrowed(ceiling);
        for limits in self.tools.values_mut() {
            *limits = limits.narrowed(ceiling);
        }
        self
    }

    /// Each capability that the skill gets.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        let granted = OperatorGrant {
            directories: self.directories.clone(),
            http: self.http.clone(),
            sockets: self.sockets.clone().unwrap_or_default(),
            credentials: self.secrets.credentials.clone(),
            reveal: self.secrets.reveal.clone(),
            state: self.state,
            ..OperatorGrant::default()
        };
        granted.capabilities()
    }

    /// Grants of the operator that the skill does not ask for, in words.
    #[must_use]
    pub fn unused(&self) -> &[String] {
        &self.unused
    }
}

/// A capability that a skill cannot do without and does not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// `filesystem`, `http`, `sockets`, `secrets` or `state`.
    pub capability: &'static str,
    /// What is wanted and why, in one sentence.
    pub message: String,
    /// The grant that would allow it.
    pub grant: String,
}

/// What `manifest` gets of what the operator allows, under a ceiling.
///
/// # Errors
///
/// The first capability that the skill cannot do without and does not get.
pub fn decide(
    manifest: &Manifest,
    operator: &OperatorGrant,
    host: &Limits,
    ceiling: &Ceiling,
) -> Result<Grant, Denied> {
    ceiling.check(manifest)?;
    ceiling.narrow(intersection(manifest, operator, host)?, manifest)
}

/// What both the manifest wants and the operator allows.
fn intersection(
    manifest: &Manifest,
    operator: &OperatorGrant,
    host: &Limits,
) -> Result<Grant, Denied> {
    let mut unused = Vec::new();
    let directories = directories(manifest, operator, &mut unused)?;
    let (http, methods) = http(manifest, operator, &mut unused)?;
    let secrets = secret::secrets(manifest, operator, &mut unused)?;
    let state = state(manifest, operator, &mut unused)?;
    let limits = host.changed(&operator.limits);
    let tool = |(name, change): (&ToolName, &LimitsChange)| {
        (
            name.clone(),
            limits.changed(change).narrowed(&manifest.limits),
        )
    };
    unused.extend(no_such_tools(manifest, operator));
    Ok(Grant {
        directories,
        http,
        methods,
        sockets: sockets(manifest, operator, &mut unused)?,
        secrets,
        state,
        limits: limits.narrowed(&manifest.limits),
        tools: operator.tools.iter().map(tool).collect(),
        unused,
        wanted: Arc::new(manifest.capabilities.clone()),
    })
}

/// A limit of a tool that there is not would hold for nothing.
fn no_such_tools(manifest: &Manifest, operator: &OperatorGrant) -> impl Iterator<Item = String> {
    let named = operator.tools.keys();
    let missing = named.filter(|name| manifest.tool(name.as_str()).is_none());
    missing.map(|name| format!("limits of the tool `{name}`, which there is not"))
}

fn directories(
    manifest: &Manifest,
    operator: &OperatorGrant,
    unused: &mut Vec<String>,
) -> Result<Vec<DirectoryGrant>, Denied> {
    let Some(wanted) = &manifest.capabilities.filesystem else {
        unused.extend(
            operator
                .directories
                .iter()
                .map(|it| format!("directory {it}")),
        );
        return Ok(Vec::new());
    };
    if operator.directories.is_empty() && !wanted.optional {
        return Err(remedy::no_directory(manifest, wanted));
    }
    let narrowed = |grant: &DirectoryGrant| DirectoryGrant {
        access: grant.access.min(wanted.access),
        ..grant.clone()
    };
    Ok(operator.directories.iter().map(narrowed).collect())
}

fn http(
    manifest: &Manifest,
    operator: &OperatorGrant,
    unused: &mut Vec<String>,
) -> Result<(Vec<OriginRule>, Vec<String>), Denied> {
    let nothing = Vec::new();
    let wanted = manifest.capabilities.http.as_ref();
    let origins = wanted.map_or(&nothing, |wanted| &wanted.origins);
    let mut granted = Vec::new();
    for rule in &operator.http {
        let before = granted.len();
        granted.extend(origins.iter().filter_map(|wish| wish.intersection(rule)));
        if granted.len() == before {
            unused.push(format!("HTTP origin {rule}"));
        }
    }
    let Some(wanted) = wanted else {
        return Ok((granted, Vec::new()));
    };
    if granted.is_empty() && !wanted.optional {
        return Err(remedy::no_origin(manifest, wanted));
    }
    Ok((granted, wanted.methods.clone()))
}

fn sockets(
    manifest: &Manifest,
    operator: &OperatorGrant,
    unused: &mut Vec<String>,
) -> Result<Option<SocketGrant>, Denied> {
    let nothing = Sockets::default();
    let wanted = manifest.capabilities.sockets.as_ref();
    let wish = wanted.unwrap_or(&nothing);
    let SocketGrant { tcp, udp, listen } = &operator.sockets;
    let covered = |wishes: &[EndpointWish], endpoint: &Endpoint| {
        wishes.iter().any(|wish| wish.covers(endpoint))
    };
    let granted = SocketGrant {
        tcp: both(
            "TCP connection to",
            tcp,
            |it| covered(&wish.tcp, it),
            unused,
        ),
        udp: both("UDP to", udp, |it| covered(&wish.udp, it), unused),
        listen: both(
            "listening on",
            listen,
            |it| wish.listen.contains(it),
            unused,
        ),
    };
    match wanted {
        Some(wanted) if granted.is_empty() && !wanted.optional => {
            Err(remedy::no_endpoint(manifest, wanted))
        }
        wanted => Ok(wanted.map(|_| granted)),
    }
}

/// Those of the operator's that are wanted; the others are unused.
fn both<T: Clone + ToString>(
    what: &str,
    allowed: &[T],
    is_wanted: impl Fn(&T) -> bool,
    unused: &mut Vec<String>,
) -> Vec<T> {
    let (wanted, not): (Vec<&T>, Vec<&T>) = allowed.iter().partition(|it| is_wanted(it));
    unused.extend(
        not.into_iter()
            .map(|it| format!("{what} {}", it.to_string())),
    );
    wanted.into_iter().cloned().collect()
}

fn state(
    manifest: &Manifest,
    operator: &OperatorGrant,
    unused: &mut Vec<String>,
) -> Result<bool, Denied> {
    match (&manifest.capabilities.state, operator.state) {
        (Some(_), granted @ true) => Ok(granted),
        (Some(State { optional, .. }), false) if *optional => Ok(false),
        (Some(wanted), false) => Err(remedy::no_state(manifest, wanted)),
        (None, granted) => {
            unused.extend(granted.then(|| "state".to_owned()));
            Ok(false)
        }
    }
}

/// The author's reason as the end of a sentence.
fn reason(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
