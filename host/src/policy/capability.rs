//! One capability, as an operator writes it behind `skillhost grant SKILL`:
//!
//! ```text
//! directory=HOST[:GUEST][:ro|:rw]    http=ORIGIN       state
//! tcp=HOST:PORT    udp=HOST:PORT     listen=ADDRESS:PORT
//! credential=NAME:SECRET[@ORIGIN][,header=NAME[,prefix=TEXT]|,query=KEY]
//! reveal=NAME:SECRET
//! ```
//!
//! The words are those of `skillhost.toml` and of the options of `skillhost
//! run`, so that a denial tells each of them at once.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::directory::DirectoryGrant;
use super::endpoint::{Endpoint, EndpointWish, ListenAddress};
use super::origin::{Origin, OriginRule};
use super::right::Right;
use super::secret::{CredentialGrant, Place, credential_origin};
use super::{OperatorGrant, SocketGrant};
use crate::manifest::{Capabilities, SecretName, SecretUse};

/// The words with which a capability begins.
const FORMS: &str = "`directory=DIR[:GUEST][:ro|:rw]`, `http=ORIGIN`, `tcp=HOST:PORT`, `udp=HOST:PORT`, `listen=ADDRESS:PORT`, `state`, `credential=NAME:SECRET` or `reveal=NAME:SECRET`";

/// Something that one skill can be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Capability {
    /// A directory of the host.
    Directory(DirectoryGrant),
    /// An origin for HTTP requests.
    Http(OriginRule),
    /// Where TCP connections may go to.
    Tcp(Endpoint),
    /// Where UDP datagrams may go to and come from.
    Udp(Endpoint),
    /// Where TCP connections may be accepted.
    Listen(ListenAddress),
    /// Keeping something from call to call.
    State,
    /// A secret that the host adds to requests, by the skill's name for it.
    Credential(SecretName, CredentialGrant),
    /// A secret that the skill reads: its name for it, and the operator's.
    Reveal(SecretName, SecretName),
}

impl Capability {
    /// Reads a capability for a skill that wants these; a credential without an
    /// origin is for the one that the skill names.
    ///
    /// # Errors
    ///
    /// In a sentence: what is wrong, and the forms that there are.
    pub fn for_skill(text: &str, wanted: &Capabilities) -> Result<Self, String> {
        match text.strip_prefix("credential=") {
            Some(rest) if !has_origin(rest) => {
                let (head, options) = cut(rest);
                let name = head.split(':').next().unwrap_or_default();
                let origin = own_origin(name, wanted).ok_or_else(|| {
                    format!("`{text}` does not say for which origin; write `credential=NAME:SECRET@https://HOST`")
                })?;
                format!("credential={head}@{origin}{options}").parse()
            }
            _ => text.parse(),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn right(&self) -> Right {
        match self {
            Self::Directory(grant) => Right::of_access(grant.access),
            Self::Http(rule) => rule.right(),
            Self::Tcp(_) | Self::Udp(_) | Self::Listen(_) => Right::Sockets,
            Self::State => Right::State,
            Self::Credential(..) => Right::Credentials,
            Self::Reveal(..) => Right::Reveal,
        }
    }

    /// The operator's secret that it gives away.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Credential(_, grant) => Some(&grant.secret),
            Self::Reveal(_, secret) => Some(secret),
            _ => None,
        }
    }

    /// The same with a directory below `folder`, if it is not absolute.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::Directory(grant) => Self::Directory(DirectoryGrant {
                host: folder.join(&grant.host).components().collect(),
                ..grant
            }),
            other => other,
        }
    }

    /// Refuses what a skill does not ask for: its manifest is the ceiling of
    /// what it is granted.
    ///
    /// # Errors
    ///
    /// What its manifest wants instead.
    pub fn check_wanted(&self, wanted: &Capabilities) -> Result<(), String> {
        let (is_wanted, wishes) = match self {
            Self::Directory(grant) => {
                let wish = wanted.filesystem.as_ref();
                let access = wish.map(|wish| wish.access);
                (
                    access.is_some_and(|access| grant.access <= access),
                    access.map(|access| format!("{access} access to directories")),
                )
            }
            Self::Http(rule) => {
                let origins = wanted.http.iter().flat_map(|wish| &wish.origins);
                let holds = |wish: &OriginRule| wish.intersection(rule).as_ref() == Some(rule);
                (origins.clone().any(holds), listed("http", origins))
            }
            Self::Tcp(endpoint) => sockets(wanted, "tcp", |it| &it.tcp, endpoint),
            Self::Udp(endpoint) => sockets(wanted, "udp", |it| &it.udp, endpoint),
            Self::Listen(address) => {
                let wishes = wanted.sockets.iter().flat_map(|wish| &wish.listen);
                (
                    wishes.clone().any(|wish| wish == address),
                    listed("listen", wishes),
                )
            }
            Self::State => (wanted.state.is_some(), None),
            Self::Credential(name, grant) => credential(wanted, name, &grant.origin),
            Self::Reveal(name, _) => {
                let wish = wanted.secrets.get(name);
                let is_wanted = wish.is_some_and(|it| it.usage == SecretUse::Reveal);
                (is_wanted, secrets(wanted, SecretUse::Reveal))
            }
        };
        if is_wanted {
            return Ok(());
        }
        let wishes = wishes.unwrap_or_else(|| "nothing of that kind".to_owned());
        Err(format!(
            "its manifest does not ask for `{self}`; it wants {wishes}"
        ))
    }
}

fn listed<T: fmt::Display>(what: &str, wishes: impl Iterator<Item = T>) -> Option<String> {
    let wishes: Vec<String> = wishes.map(|wish| format!("`{what}={wish}`")).collect();
    (!wishes.is_empty()).then(|| wishes.join(", "))
}

fn sockets(
    wanted: &Capabilities,
    what: &str,
    of: impl Fn(&crate::manifest::Sockets) -> &Vec<EndpointWish>,
    endpoint: &Endpoint,
) -> (bool, Option<String>) {
    let wishes: Vec<&EndpointWish> = wanted.sockets.iter().flat_map(of).collect();
    (
        wishes.iter().any(|wish| wish.covers(endpoint)),
        listed(what, wishes.iter()),
    )
}

fn credential(wanted: &Capabilities, name: &SecretName, origin: &Origin) -> (bool, Option<String>) {
    let wish = wanted.secrets.get(name);
    let wish = wish.filter(|wish| wish.usage == SecretUse::Inject);
    let rule = wish.and_then(|wish| wish.origin.as_ref());
    (
        rule.is_some_and(|rule| rule.allows(origin)),
        secrets(wanted, SecretUse::Inject),
    )
}

fn secrets(wanted: &Capabilities, usage: SecretUse) -> Option<String> {
    let wishes = wanted.secrets.iter().filter(|(_, it)| it.usage == usage);
    let wishes = wishes.map(|(name, wish)| match &wish.origin {
        Some(origin) => format!("{name}:SECRET@{origin}"),
        None => format!("{name}:SECRET"),
    });
    let what = match usage {
        SecretUse::Inject => "credential",
        SecretUse::Reveal => "reveal",
    };
    listed(what, wishes)
}

/// The origin that a skill names for a credential, if it is one and no pattern.
fn own_origin(name: &str, wanted: &Capabilities) -> Option<String> {
    let name: SecretName = name.parse().ok()?;
    let rule = wanted.secrets.get(&name)?.origin.as_ref()?;
    let origin = Origin::of(&rule.to_string()).ok()?;
    Some(origin.to_string())
}

fn has_origin(rest: &str) -> bool {
    cut(rest).0.contains('@')
}

/// Before the first comma, and the rest with it.
fn cut(text: &str) -> (&str, &str) {
    text.split_at(text.find(',').unwrap_or(text.len()))
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no capability; write {FORMS}");
        if text == "state" {
            return Ok(Self::State);
        }
        let (kind, rest) = text.split_once('=').ok_or_else(wrong)?;
        Ok(match kind {
            "directory" => Self::Directory(rest.parse()?),
            "http" => Self::Http(rest.parse()?),
            "tcp" => Self::Tcp(rest.parse()?),
            "udp" => Self::Udp(rest.parse()?),
            "listen" => Self::Listen(rest.parse()?),
            "credential" => {
                let (name, grant) = bound(rest).ok_or_else(wrong)??;
                Self::Credential(name, grant)
            }
            "reveal" => {
                let (name, secret) = rest.split_once(':').ok_or_else(wrong)?;
                Self::Reveal(name.parse()?, secret.parse()?)
            }
            _ => return Err(wrong()),
        })
    }
}

/// A credential with its origin; none if it has not that form.
fn bound(text: &str) -> Option<Result<(SecretName, CredentialGrant), String>> {
    let (head, options) = cut(text);
    let (names, origin) = head.split_once('@')?;
    let (name, secret) = names.split_once(':')?;
    Some(read_bound(name, secret, origin, options))
}

fn read_bound(
    name: &str,
    secret: &str,
    origin: &str,
    options: &str,
) -> Result<(SecretName, CredentialGrant), String> {
    let grant = CredentialGrant {
        secret: secret.parse()?,
        origin: credential_origin(origin)?,
        place: place(options)?,
    };
    Ok((name.parse()?, grant))
}

/// What stands behind the origin. Prefix and key come last, because a comma may
/// stand in them.
fn place(options: &str) -> Result<Place, String> {
    let Some(options) = options.strip_prefix(',') else {
        return Ok(Place::bearer());
    };
    if let Some(key) = options.strip_prefix("query=") {
        return Place::of(None, None, Some(key.to_owned()));
    }
    let header = options.strip_prefix("header=").ok_or_else(|| {
        format!(
            "`{options}` is neither `header=NAME`, with or without `,prefix=TEXT`, nor `query=KEY`"
        )
    })?;
    match header.split_once(",prefix=") {
        Some((name, prefix)) => Place::of(Some(name.to_owned()), Some(prefix.to_owned()), None),
        None => Place::of(Some(header.to_owned()), None, None),
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(grant) => write!(f, "directory={grant}"),
            Self::Http(rule) => write!(f, "http={rule}"),
            Self::Tcp(endpoint) => write!(f, "tcp={endpoint}"),
            Self::Udp(endpoint) => write!(f, "udp={endpoint}"),
            Self::Listen(address) => write!(f, "listen={address}"),
            Self::State => f.write_str("state"),
            Self::Reveal(name, secret) => write!(f, "reveal={name}:{secret}"),
            Self::Credential(name, grant) => {
                write!(f, "credential={name}:{}@{}", grant.secret, grant.origin)?;
                match &grant.place {
                    place if *place == Place::bearer() => Ok(()),
                    Place::Header { name, prefix } if prefix.is_empty() => {
                        write!(f, ",header={name}")
                    }
                    Place::Header { name, prefix } => {
                        write!(f, ",header={name},prefix={prefix}")
                    }
                    Place::Query { key } => write!(f, ",query={key}"),
                }
            }
        }
    }
}

impl TryFrom<String> for Capability {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.to_string()
    }
}

impl OperatorGrant {
    /// These grants and those as well. A name that the skill has a secret for
    /// already keeps it.
    #[must_use]
    pub fn with<'a>(&self, more: impl IntoIterator<Item = &'a Capability>) -> Self {
        let mut grant = self.clone();
        for capability in more {
            grant.add(capability);
        }
        grant
    }

    fn add(&mut self, capability: &Capability) {
        match capability.clone() {
            Capability::Directory(it) => push(&mut self.directories, it),
            Capability::Http(it) => push(&mut self.http, it),
            Capability::Tcp(it) => push(&mut self.sockets.tcp, it),
            Capability::Udp(it) => push(&mut self.sockets.udp, it),
            Capability::Listen(it) => push(&mut self.sockets.listen, it),
            Capability::State => self.state = true,
            Capability::Credential(name, it) => {
                self.credentials.entry(name).or_insert(it);
            }
            Capability::Reveal(name, it) => {
                self.reveal.entry(name).or_insert(it);
            }
        }
    }

    /// Each capability that is granted.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        let SocketGrant { tcp, udp, listen } = &self.sockets;
        let directories = self.directories.iter().cloned();
        let credentials = self.credentials.iter();
        let reveal = self.reveal.iter();
        directories
            .map(Capability::Directory)
            .chain(self.http.iter().cloned().map(Capability::Http))
            .chain(tcp.iter().cloned().map(Capability::Tcp))
            .chain(udp.iter().cloned().map(Capability::Udp))
            .chain(listen.iter().copied().map(Capability::Listen))
            .chain(credentials.map(|(name, it)| Capability::Credential(name.clone(), it.clone())))
            .chain(reveal.map(|(name, it)| Capability::Reveal(name.clone(), it.clone())))
            .chain(self.state.then_some(Capability::State))
            .collect()
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests;
