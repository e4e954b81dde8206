//! What a manifest wants, one wish at a time, as an operator grants it.

use super::capability::Capability;
use super::directory::Access;
use super::endpoint::{EndpointWish, ListenAddress};
use super::origin::OriginRule;
use super::remedy::filled;
use super::right::Right;
use crate::manifest::{Capabilities, SecretName};

/// One thing that a skill wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    form: Form,
    /// Why, in the author's words.
    pub(crate) reason: String,
    /// Whether the skill is of use without it.
    pub(crate) optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Directory(Access),
    Http(OriginRule),
    Tcp(EndpointWish),
    Udp(EndpointWish),
    Listen(ListenAddress),
    Credential(SecretName, OriginRule),
    Reveal(SecretName),
    State,
}

impl Wish {
    /// Everything that these hold, in the order of a manifest.
    pub(crate) fn all(wanted: &Capabilities) -> Vec<Self> {
        let mut wishes = Vec::new();
        let mut add = |form, reason: &str, optional| {
            wishes.push(Self {
                form,
                reason: reason.to_owned(),
                optional,
            });
        };
        if let Some(it) = &wanted.filesystem {
            add(Form::Directory(it.access), &it.reason, it.optional);
        }
        if let Some(it) = &wanted.http {
            for origin in &it.origins {
                add(Form::Http(origin.clone()), &it.reason, it.optional);
            }
        }
        if let Some(it) = &wanted.sockets {
            let tcp = it.tcp.iter().cloned().map(Form::Tcp);
            let udp = it.udp.iter().cloned().map(Form::Udp);
            let listen = it.listen.iter().copied().map(Form::Listen);
            for form in tcp.chain(udp).chain(listen) {
                add(form, &it.reason, it.optional);
            }
        }
        for (name, it) in &wanted.secrets {
            let form = match &it.origin {
                Some(origin) => Form::Credential(name.clone(), origin.clone()),
                None => Form::Reveal(name.clone()),
            };
            add(form, &it.reason, it.optional);
        }
        if let Some(it) = &wanted.state {
            add(Form::State, &it.reason, it.optional);
        }
        wishes
    }

    /// Which kind of capability it is.
    pub(crate) const fn right(&self) -> Right {
        match &self.form {
            Form::Directory(access) => Right::of_access(*access),
            Form::Http(rule) => rule.right(),
            Form::Tcp(_) | Form::Udp(_) | Form::Listen(_) => Right::Sockets,
            Form::Credential(..) => Right::Credentials,
            Form::Reveal(_) => Right::Reveal,
            Form::State => Right::State,
        }
    }

    /// The words behind `skillhost grant SKILL` that grant it; what the operator
    /// chooses stands there in capitals.
    pub(crate) fn words(&self) -> String {
        match &self.form {
            Form::Directory(Access::ReadOnly) => "directory=DIR".to_owned(),
            Form::Directory(Access::ReadWrite) => "directory=DIR:rw".to_owned(),
            Form::Http(rule) => format!("http={rule}"),
            Form::Tcp(wish) => format!("tcp={}", filled(&wish.to_string())),
            Form::Udp(wish) => format!("udp={}", filled(&wish.to_string())),
            Form::Listen(address) => format!("listen={address}"),
            Form::Credential(name, rule) if rule.is_exact() => {
                format!("credential={name}:SECRET@{rule}")
            }
            Form::Credential(name, rule) => {
                let origin = rule.to_string().replace('*', "HOST");
                format!("credential={name}:SECRET@{origin}")
            }
            Form::Reveal(name) => format!("reveal={name}:SECRET"),
            Form::State => "state".to_owned(),
        }
    }

    /// Whether a grant gives some of it.
    pub(crate) fn concerns(&self, granted: &Capability) -> bool {
        match (&self.form, granted) {
            (Form::Directory(_), Capability::Directory(_)) | (Form::State, Capability::State) => {
                true
            }
            (Form::Http(wish), Capability::Http(rule)) => wish.intersection(rule).is_some(),
            (Form::Tcp(wish), Capability::Tcp(endpoint))
            | (Form::Udp(wish), Capability::Udp(endpoint)) => wish.covers(endpoint),
            (Form::Listen(wish), Capability::Listen(address)) => wish == address,
            (Form::Credential(name, rule), Capability::Credential(granted, grant)) => {
                name == granted && rule.allows(&grant.origin)
            }
            (Form::Reveal(name), Capability::Reveal(granted, _)) => name == granted,
            _ => false,
        }
    }

    /// Whether what a skill gets is all of it, as far as an operator can know.
    pub(crate) fn is_met(&self, gets: &[Capability]) -> bool {
        let mut concerned = gets.iter().filter(|it| self.concerns(it));
        concerned.any(|granted| match (&self.form, granted) {
            (Form::Directory(access), Capability::Directory(grant)) => *access <= grant.access,
            (Form::Http(wish), Capability::Http(rule)) => {
                rule.intersection(wish).as_ref() == Some(wish)
            }
            _ => true,
        })
    }
}
