//! How the capabilities of two definitions differ, in words.

use std::collections::BTreeMap;

use super::change::{Change, What, plain, reworded};
use crate::manifest::{
    Capabilities, Filesystem, Http, SecretName, SecretUse, SecretWish, Sockets, State,
};
use crate::policy::endpoint::EndpointWish;
use crate::policy::origin::OriginRule;

pub(super) fn capabilities(old: &Capabilities, new: &Capabilities, changes: &mut Vec<Change>) {
    filesystem(old.filesystem.as_ref(), new.filesystem.as_ref(), changes);
    http(old.http.as_ref(), new.http.as_ref(), changes);
    sockets(old.sockets.as_ref(), new.sockets.as_ref(), changes);
    secrets(&old.secrets, &new.secrets, changes);
    state(old.state.as_ref(), new.state.as_ref(), changes);
}

type SecretWishes = BTreeMap<SecretName, SecretWish>;

fn secrets(old: &SecretWishes, new: &SecretWishes, changes: &mut Vec<Change>) {
    for (name, wish) in new {
        match old.get(name) {
            Some(before) => secret(name, before, wish, changes),
            None => changes.push(wanted(
                &secret_use(name, wish),
                Some((&wish.reason, wish.optional)),
            )),
        }
    }
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    changes.extend(gone.map(|(name, wish)| given_up(&secret_use(name, wish))));
}

fn secret(name: &SecretName, old: &SecretWish, new: &SecretWish, changes: &mut Vec<Change>) {
    if (old.usage, &old.origin) != (new.usage, &new.origin) {
        changes.push(wanted(&secret_use(name, new), None));
        changes.push(given_up(&secret_use(name, old)));
    }
    let before = (old.reason.as_str(), old.optional);
    let subject = format!("the secret {name}");
    reason(&subject, before, (&new.reason, new.optional), changes);
}

/// What a secret is wanted for.
pub(crate) fn secret_use(name: &SecretName, wish: &SecretWish) -> String {
    match (wish.usage, &wish.origin) {
        (SecretUse::Inject, Some(origin)) => {
            format!("secret {name}, added to requests to {origin}")
        }
        (SecretUse::Inject, None) => format!("secret {name}, added to requests"),
        (SecretUse::Reveal, _) => format!("secret {name}, shown to the skill itself"),
    }
}

fn filesystem(old: Option<&Filesystem>, new: Option<&Filesystem>, changes: &mut Vec<Change>) {
    match (old, new) {
        (None, Some(new)) => {
            let wish = format!("filesystem {}", new.access);
            changes.push(wanted(&wish, Some((&new.reason, new.optional))));
        }
        (Some(old), None) => changes.push(given_up(&format!("filesystem {}", old.access))),
        (Some(old), Some(new)) => {
            if old.access < new.access {
                changes.push(wanted(&format!("filesystem {}", new.access), None));
            } else if old.access > new.access {
                changes.push(given_up(&format!("filesystem {}", old.access)));
            }
            let before = (old.reason.as_str(), old.optional);
            reason("filesystem", before, (&new.reason, new.optional), changes);
        }
        (None, None) => {}
    }
}

fn state(old: Option<&State>, new: Option<&State>, changes: &mut Vec<Change>) {
    match (old, new) {
        (None, Some(new)) => changes.push(wanted("state", Some((&new.reason, new.optional)))),
        (Some(_), None) => changes.push(given_up("state")),
        (Some(old), Some(new)) => {
            let before = (old.reason.as_str(), old.optional);
            reason("state", before, (&new.reason, new.optional), changes);
        }
        (None, None) => {}
    }
}

fn http(old: Option<&Http>, new: Option<&Http>, changes: &mut Vec<Change>) {
    match (old, new) {
        (None, Some(new)) => {
            let wish = format!("http {} to {}", new.methods.join(", "), origins(new));
            changes.push(wanted(&wish, Some((&new.reason, new.optional))));
        }
        (Some(_), None) => changes.push(given_up("http")),
        (Some(old), Some(new)) => {
            for origin in new
                .origins
                .iter()
                .filter(|origin| !old.origins.contains(origin))
            {
                changes.push(origin_added(origin, &old.origins));
            }
            for origin in old
                .origins
                .iter()
                .filter(|origin| !new.origins.contains(origin))
            {
                changes.push(given_up(&format!("http {origin}")));
            }
            for method in new
                .methods
                .iter()
                .filter(|method| !old.methods.contains(method))
            {
                changes.push(wanted(&format!("http method {method}"), None));
            }
            for method in old
                .methods
                .iter()
                .filter(|method| !new.methods.contains(method))
            {
                changes.push(given_up(&format!("http method {method}")));
            }
            let before = (old.reason.as_str(), old.optional);
            reason("http", before, (&new.reason, new.optional), changes);
        }
        (None, None) => {}
    }
}

fn origins(http: &Http) -> String {
    let origins: Vec<String> = http.origins.iter().map(ToString::to_string).collect();
    if origins.is_empty() {
        "no origin".to_owned()
    } else {
        origins.join(", ")
    }
}

/// One that a wider wish held already is named, and widens nothing.
fn origin_added(origin: &OriginRule, old: &[OriginRule]) -> Change {
    let was_wanted = old
        .iter()
        .any(|wide| wide.intersection(origin).as_ref() == Some(origin));
    if was_wanted {
        let sentence = format!("It now names {origin}, which a wider wish held already.");
        Change::harmless(What::CapabilityAdded, sentence)
    } else {
        wanted(&format!("http {origin}"), None)
    }
}

fn sockets(old: Option<&Sockets>, new: Option<&Sockets>, changes: &mut Vec<Change>) {
    match (old, new) {
        (None, Some(new)) => {
            changes.push(wanted("sockets", Some((&new.reason, new.optional))));
            endpoints(&Sockets::default(), new, changes);
        }
        (Some(_), None) => changes.push(given_up("sockets")),
        (Some(old), Some(new)) => {
            endpoints(old, new, changes);
            let before = (old.reason.as_str(), old.optional);
            reason("sockets", before, (&new.reason, new.optional), changes);
        }
        (None, None) => {}
    }
}

fn endpoints(old: &Sockets, new: &Sockets, changes: &mut Vec<Change>) {
    for (kind, old, new) in [("tcp", &old.tcp, &new.tcp), ("udp", &old.udp, &new.udp)] {
        let added = new.iter().filter(|wish| !old.contains(wish));
        changes.extend(added.map(|wish| endpoint_added(kind, wish, old)));
        let gone = old.iter().filter(|wish| !new.contains(wish));
        changes.extend(gone.map(|wish| given_up(&format!("{kind} {wish}"))));
    }
    for address in new.listen.iter().filter(|it| !old.listen.contains(it)) {
        changes.push(wanted(&format!("to listen on {address}"), None));
    }
    for address in old.listen.iter().filter(|it| !new.listen.contains(it)) {
        changes.push(given_up(&format!("to listen on {address}")));
    }
}

/// One that a wider wish held already is named, and widens nothing.
fn endpoint_added(kind: &str, wish: &EndpointWish, old: &[EndpointWish]) -> Change {
    if old.iter().any(|wide| wide.includes(wish)) {
        let sentence = format!("It now names {kind} {wish}, which a wider wish held already.");
        Change::harmless(What::CapabilityAdded, sentence)
    } else {
        wanted(&format!("{kind} {wish}"), None)
    }
}

fn wanted(wish: &str, terms: Option<(&str, bool)>) -> Change {
    let terms = match terms {
        Some((reason, true)) => format!(" (optional): {}", super::change::quoted(reason)),
        Some((reason, false)) => format!(": {}", super::change::quoted(reason)),
        None => String::new(),
    };
    let sentence = format!("It now wants {}{terms}.", plain(wish));
    Change::widening(What::CapabilityAdded, sentence)
}

fn given_up(wish: &str) -> Change {
    let sentence = format!("It no longer wants {}.", plain(wish));
    Change::harmless(What::CapabilityRemoved, sentence)
}

/// Reasons are for operators: no model reads them, and nothing is granted by
/// them.
fn reason(
    capability: &str,
    (old, was_optional): (&str, bool),
    (new, is_optional): (&str, bool),
    changes: &mut Vec<Change>,
) {
    if old != new {
        let subject = format!("The reason for which it wants {capability}");
        let sentence = reworded(&subject, old, new);
        changes.push(Change::harmless(What::CapabilityReason, sentence));
    }
    if was_optional != is_optional {
        let state = if is_optional {
            "can do without"
        } else {
            "cannot do without"
        };
        let sentence = format!("It now {state} {capability}.");
        changes.push(Change::harmless(What::CapabilityOptional, sentence));
    }
}
