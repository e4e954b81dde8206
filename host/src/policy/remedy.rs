//! What would allow what is denied: for one run, as a command, and as a line of
//! `skillhost.toml`. All three are made here, so that they cannot say different
//! things.
//!
//! The command grants no more than the manifest asks for, so it is told only
//! where it would be taken. What a guest reached for stands in these texts:
//! everything in a command is either a name of the host's own form or quoted.

use super::capability::Capability;
use super::directory::Access;
use super::origin::OriginRule;
use super::{Denied, reason};
use crate::manifest::{
    Capabilities, Filesystem, Http, Manifest, SecretName, SecretWish, SkillName, Sockets, State,
};

/// What stands behind a line for a skill whose manifest does not ask for it.
const NOT_ASKED: &str = "; its manifest has to ask for that as well";

/// The command that grants a capability.
#[must_use]
pub(crate) fn command(skill: &str, capability: &str) -> String {
    format!("skillhost grant {skill} {}", quoted(capability))
}

/// One word of a command line, as a shell reads it.
#[must_use]
pub(crate) fn quoted(word: &str) -> String {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'=' | b':' | b'/' | b'.' | b'-' | b'_' | b'@' | b',')
    };
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// How to allow `skill` something: an option of `skillhost run`, the words of
/// `skillhost grant`, and a line of the configuration.
fn ways(skill: &str, option: &str, words: Option<&str>, line: &str) -> String {
    let option = match option {
        "" => String::new(),
        option => format!("`{option}`, "),
    };
    let table = format!("`{line}` under `[skill.{skill}]` in skillhost.toml");
    match words {
        // A skill's name has no form that a shell reads otherwise.
        Some(words) if skill.parse::<SkillName>().is_ok() => {
            format!("{option}`{}`, or {table}", command(skill, words))
        }
        _ if option.is_empty() => table,
        _ => format!("{option}or {table}"),
    }
}

/// The words of `skillhost grant`, if they would be taken.
fn taken(words: &str, wanted: &Capabilities) -> bool {
    let capability = Capability::for_skill(words, wanted);
    capability.is_ok_and(|capability| capability.check_wanted(wanted).is_ok())
}

fn listed(skill: &str, kind: &str, value: &str, example: bool, wanted: &Capabilities) -> String {
    let words = format!("{kind}={value}");
    let is_taken = example || taken(&words, wanted);
    let line = format!("{kind} = [\"{value}\"]");
    let option = format!("--allow-{kind} {value}");
    let ways = ways(skill, &option, is_taken.then_some(&words), &line);
    let note = if is_taken { "" } else { NOT_ASKED };
    format!("{ways}{note}")
}

/// How to allow `skill` one more origin.
pub(crate) fn http(skill: &str, origin: &str, wanted: &Capabilities) -> String {
    listed(skill, "http", origin, false, wanted)
}

/// How to allow `skill` one more raw connection of a kind: `tcp`, `udp` or
/// `listen`.
pub(crate) fn socket(skill: &str, kind: &str, endpoint: &str, wanted: &Capabilities) -> String {
    listed(skill, kind, endpoint, false, wanted)
}

/// How to allow `skill` to see a directory at `guest`. `DIR` is the operator's
/// to fill in: no path of the host is told, because the caller sees this too.
pub(crate) fn directory(skill: &str, guest: &str, access: Access, wanted: &Capabilities) -> String {
    let suffix = match access {
        Access::ReadOnly => "",
        Access::ReadWrite => ":rw",
    };
    let short = match guest.trim_end_matches('/') {
        "" => format!("DIR{suffix}"),
        name => format!("DIR:{name}{suffix}"),
    };
    let words = format!("directory={short}");
    let is_taken = taken(&words, wanted);
    let ways = ways(
        skill,
        &format!("--allow-dir {short}"),
        is_taken.then_some(&words),
        &format!("directories = [\"DIR:{guest}{suffix}\"]"),
    );
    let note = if is_taken { "" } else { NOT_ASKED };
    format!("{ways}{note}")
}

/// How to allow `skill` to keep something.
pub(crate) fn state(skill: &str, wanted: &Capabilities) -> String {
    let is_wanted = wanted.state.is_some();
    let ways = ways(
        skill,
        "--allow-state",
        is_wanted.then_some("state"),
        "state = true",
    );
    let note = if is_wanted { "" } else { NOT_ASKED };
    format!("{ways}{note}")
}

/// How to give `skill` a credential.
pub(crate) fn credential(skill: &str, name: &str, origin: &str, wanted: &Capabilities) -> String {
    // Of a pattern the operator chooses the host.
    let is_pattern = origin.contains('*');
    let origin = origin.replace('*', "HOST");
    let words = format!("credential={name}:SECRET@{origin}");
    let is_wanted = |name: &SecretName| wanted.secrets.contains_key(name);
    // `SECRET` is no name of a secret; any name does to try.
    let is_taken = taken(&words.replacen("SECRET", "secret", 1), wanted)
        || is_pattern && name.parse().as_ref().is_ok_and(is_wanted);
    let line = format!(
        "credentials.{name} = {{ secret = \"SECRET\", origin = \"{origin}\", header = \"Authorization\", prefix = \"Bearer \" }}"
    );
    let ways = ways(skill, "", is_taken.then_some(&words), &line);
    format!("{ways}; the secret stands as `[secret.SECRET]` there")
}

/// How to let `skill` read a secret.
pub(crate) fn reveal(skill: &str, name: &str, wanted: &Capabilities) -> String {
    let words = format!("reveal={name}:SECRET");
    let is_taken = taken(&words.replacen("SECRET", "secret", 1), wanted);
    let line = format!("reveal.{name} = \"SECRET\"");
    let ways = ways(skill, "", is_taken.then_some(&words), &line);
    format!("{ways}; the secret stands as `[secret.SECRET]` there")
}

pub(super) fn no_directory(manifest: &Manifest, wanted: &Filesystem) -> Denied {
    let access = match wanted.access {
        Access::ReadOnly => "read",
        Access::ReadWrite => "read and write",
    };
    let (skill, capabilities) = (manifest.name.as_str(), &manifest.capabilities);
    Denied {
        capability: "filesystem",
        message: format!(
            "{skill} wants to {access} files and was granted no directory: {}.",
            reason(&wanted.reason)
        ),
        grant: directory(skill, "/", wanted.access, capabilities),
    }
}

pub(super) fn no_origin(manifest: &Manifest, wanted: &Http) -> Denied {
    let skill = manifest.name.as_str();
    Denied {
        capability: "http",
        message: format!(
            "{skill} wants to send HTTP requests and was granted no origin: {}.",
            reason(&wanted.reason)
        ),
        grant: origin_wanted(skill, wanted, &manifest.capabilities),
    }
}

/// The first origin that is named, or one to be filled in.
pub(crate) fn origin_wanted(skill: &str, wanted: &Http, all: &Capabilities) -> String {
    match wanted.origins.iter().find(|it| OriginRule::is_exact(it)) {
        Some(exact) => http(skill, &exact.to_string(), all),
        None => listed(skill, "http", "https://HOST", true, all),
    }
}

pub(super) fn no_endpoint(manifest: &Manifest, wanted: &Sockets) -> Denied {
    let skill = manifest.name.as_str();
    Denied {
        capability: "sockets",
        message: format!(
            "{skill} wants raw connections and was granted none: {}.",
            reason(&wanted.reason)
        ),
        grant: endpoint_wanted(skill, wanted, &manifest.capabilities),
    }
}

/// The first endpoint that is wanted, with what is to be filled in.
pub(crate) fn endpoint_wanted(skill: &str, wanted: &Sockets, all: &Capabilities) -> String {
    let tcp = wanted.tcp.iter().map(|it| ("tcp", it.to_string()));
    let udp = wanted.udp.iter().map(|it| ("udp", it.to_string()));
    let listen = wanted.listen.iter().map(|it| ("listen", it.to_string()));
    let first = tcp.chain(udp).chain(listen).next();
    let (kind, endpoint) = first.unwrap_or(("tcp", "*:PORT".to_owned()));
    listed(skill, kind, &filled(&endpoint), true, all)
}

/// An endpoint with words for what an operator chooses.
pub(crate) fn filled(endpoint: &str) -> String {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "*"));
    let host = if host == "*" { "HOST" } else { host };
    let port = if port == "*" { "PORT" } else { port };
    format!("{host}:{port}")
}

pub(super) fn no_state(manifest: &Manifest, wanted: &State) -> Denied {
    let skill = manifest.name.as_str();
    Denied {
        capability: "state",
        message: format!(
            "{skill} wants to keep something from call to call and was not granted to: {}.",
            reason(&wanted.reason)
        ),
        grant: state(skill, &manifest.capabilities),
    }
}

pub(super) fn no_secret(manifest: &Manifest, name: &SecretName, wish: &SecretWish) -> Denied {
    let skill = manifest.name.as_str();
    let reason = reason(&wish.reason);
    let message = match &wish.origin {
        Some(origin) => format!(
            "{skill} wants the credential `{name}` for requests to {origin} and was given none: {reason}."
        ),
        None => {
            format!("{skill} wants to read the secret `{name}` and was not shown it: {reason}.")
        }
    };
    Denied {
        capability: "secrets",
        message,
        grant: secret_wanted(skill, name, wish, &manifest.capabilities),
    }
}

/// How to give `skill` a secret that it wants.
pub(crate) fn secret_wanted(
    skill: &str,
    name: &SecretName,
    wish: &SecretWish,
    all: &Capabilities,
) -> String {
    match &wish.origin {
        Some(origin) => credential(skill, name.as_str(), &origin.to_string(), all),
        None => reveal(skill, name.as_str(), all),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Capabilities {
        let wanted = json!({
            "filesystem": {"access": "read-only", "reason": "r"},
            "http": {"origins": ["https://*.good.test"], "reason": "r"},
            "secrets": {"github": {"origin": "https://api.good.test", "reason": "r"}},
            "state": {"reason": "r"},
        });
        serde_json::from_value(wanted).unwrap()
    }

    #[test]
    fn each_way_to_allow_something_is_told_where_it_works() {
        assert_eq!(
            http("s", "https://a.good.test", &wanted()),
            "`--allow-http https://a.good.test`, `skillhost grant s http=https://a.good.test`, or `http = [\"https://a.good.test\"]` under `[skill.s]` in skillhost.toml"
        );
        assert_eq!(
            http("s", "https://evil.test", &wanted()),
            "`--allow-http https://evil.test`, or `http = [\"https://evil.test\"]` under `[skill.s]` in skillhost.toml; its manifest has to ask for that as well"
        );
        assert_eq!(
            state("s", &wanted()),
            "`--allow-state`, `skillhost grant s state`, or `state = true` under `[skill.s]` in skillhost.toml"
        );
        assert_eq!(
            directory("s", "/docs", Access::ReadOnly, &wanted()),
            "`--allow-dir DIR:/docs`, `skillhost grant s directory=DIR:/docs`, or `directories = [\"DIR:/docs\"]` under `[skill.s]` in skillhost.toml"
        );
        assert!(directory("s", "/", Access::ReadWrite, &wanted()).ends_with(NOT_ASKED));
        let given = credential("s", "github", "https://api.good.test", &wanted());
        assert!(
            given.starts_with(
                "`skillhost grant s credential=github:SECRET@https://api.good.test`, or `credentials.github = {"
            ),
            "{given}"
        );
    }

    #[test]
    fn a_command_holds_nothing_that_a_shell_would_run() {
        assert_eq!(
            quoted("http=https://a.test:8080"),
            "http=https://a.test:8080"
        );
        assert_eq!(quoted("http=http://[::1]:80"), "'http=http://[::1]:80'");
        assert_eq!(quoted("a'b; rm"), "'a'\\''b; rm'");
        // What a guest makes up is no name, and so never a part of a command.
        for name in ["github; reboot", "$(reboot)", "`reboot`"] {
            let given = credential("s", name, "https://api.good.test", &wanted());
            assert!(!given.contains("skillhost grant"), "{given}");
        }
        assert!(!state("s; reboot", &wanted()).contains("skillhost grant"));
    }
}
