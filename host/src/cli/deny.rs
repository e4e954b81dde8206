//! `skillhost deny`: says what must no longer run.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::keys::KeyOptions;
use super::options::signing;
use super::terminal::{note, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::artifact::Digest;
use crate::config::{Unreadable, parse_age, read_bounded, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::manifest::text::one_line;
use crate::time::{Clock, SystemClock};
use crate::trust::Memory;
use crate::verify::{Denial, Denied, DenyList, MAX_DENY_LIST, PublicKey};

/// Put components, keys or identities on the deny list, and sign it. Running hosts take the change up at once, and stop what is denied; no version of the list is ever taken back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Deny {
    /// Components to deny: files, or digests as sha256:HEX
    #[arg(value_name = "FILE|sha256:HEX")]
    components: Vec<String>,
    #[command(flatten)]
    key: KeyOptions,
    /// Deny what is signed with this public key: a file, or a key's id
    #[arg(long = "signer-key", value_name = "KEY.pub|ID")]
    keys: Vec<String>,
    /// Deny what this identity signed
    #[arg(long, value_name = "IDENTITY", requires = "issuer")]
    identity: Option<String>,
    /// The OIDC issuer of the identity
    #[arg(long, value_name = "URL", requires = "identity")]
    issuer: Option<String>,
    /// Deny of keys and identities only what they signed after this time (RFC 3339), or cannot prove to have signed before
    #[arg(long, value_name = "TIME")]
    signed_after: Option<Timestamp>,
    /// Why, for whoever is refused
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Take these off the list instead
    #[arg(long, conflicts_with_all = ["signed_after", "reason"])]
    lift: bool,
    /// Begin an empty list above the version that was in force; for when the last one is lost
    #[arg(long, conflicts_with = "lift")]
    anew: bool,
    /// How long the list counts; nothing runs past that without a newer one
    #[arg(long, value_name = "TIME", default_value = "90 days", value_parser = parse_age)]
    expires_in: SignedDuration,
    /// The deny list [default: the one that the configuration names]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
The configuration says where the list lies and whose signature on it counts:

  [trust.deny-list]
  file = \"deny.json\"
  keys = [\"security.pub\"]

Examples:
  skillhost deny --key security.key                     a first list, or the same one for longer
  skillhost deny --key security.key hello.wasm --reason 'leaks what it reads'
  skillhost deny --key security.key --signer-key alice.pub --signed-after 2026-05-01T00:00:00Z
  skillhost deny --key security.key --lift hello.wasm";

impl Deny {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let file = self.file(session)?;
        let key = self.key.load()?;
        let trusted = accepted_keys(session, &file, key.public())?;
        let _alone = lock(&file)?;
        let known = self.known(&file, &trusted, session)?;
        let list = self.next(known)?;
        let text = list.sign(&key).map_err(signing)?;
        crate::file::replace(&file, text.as_bytes()).map_err(|cause| {
            let problem = format!(
                "The deny list {} cannot be written: {cause}.",
                file.display()
            );
            Error::new(Kind::InvalidRequest, problem)
        })?;
        let signed = (list.version, Digest::of(text.as_bytes()));
        Memory::open(&session.places.memory())?.accept_deny_list(&file, signed)?;
        if self.json {
            print_json(&json!({"file": file, "list": list}))?;
        } else {
            print_untrusted(&describe(&list))?;
            note(&format!("Wrote {}.", file.display()));
        }
        Ok(ExitStatus::Ok)
    }

    fn file(&self, session: &Session) -> Result<PathBuf> {
        let configured = session
            .config
            .trust
            .as_ref()
            .and_then(|trust| trust.deny.as_ref());
        let named = self.file.as_deref().map(resolved);
        let configured = configured.map(|deny| deny.file.clone());
        let same = |file: &PathBuf| named.as_ref().is_none_or(|named| *named == resolved(file));
        let file = configured.filter(same).or(named.clone());
        file.ok_or_else(|| {
            Error::new(
                Kind::InvalidRequest,
                "It is not said where the deny list lies.",
            )
            .with_hint("Name it with --file, or as `file` under [trust.deny-list].")
        })
    }

    /// The list that is there, which must be the newest that a host has seen; or
    /// an empty one in the place of one that is lost.
    fn known(
        &self,
        file: &Path,
        keys: &[PublicKey],
        session: &Session,
    ) -> Result<Option<DenyList>> {
        let memory = Memory::open(&session.places.memory())?;
        if self.anew {
            return begin_anew(file, keys, &memory);
        }
        let Some((list, text)) = open(file, keys)? else {
            memory.check_deny_list(file, None)?;
            return Ok(None);
        };
        memory.check_deny_list(file, Some((list.version, Digest::of(text.as_bytes()))))?;
        Ok(Some(list))
    }

    /// The list of the next version.
    fn next(&self, known: Option<DenyList>) -> Result<DenyList> {
        let issued = whole_seconds(SystemClock.wall());
        let (version, mut entries) = known.map_or((0, Vec::new()), |it| (it.version, it.entries));
        for deny in self.named()? {
            let before = entries.len();
            entries.retain(|entry: &Denial| entry.deny != deny);
            if self.lift && entries.len() == before {
                let problem = format!("The deny list does not name {}.", what(&deny));
                return Err(Error::new(Kind::InvalidRequest, problem));
            }
            if !self.lift {
                entries.push(self.denial(deny));
            }
        }
        Ok(DenyList {
            version: version.saturating_add(1),
            issued,
            expires: issued
                .saturating_add(self.expires_in)
                .unwrap_or(Timestamp::MAX),
            entries,
        })
    }

    fn denial(&self, deny: Denied) -> Denial {
        let about_bytes = matches!(deny, Denied::Digest(_));
        Denial {
            deny,
            signed_after: self.signed_after.filter(|_| !about_bytes),
            reason: self.reason.clone(),
        }
    }

    fn named(&self) -> Result<Vec<Denied>> {
        let mut named = Vec::new();
        for component in &self.components {
            named.push(Denied::Digest(digest(component)?));
        }
        for key in &self.keys {
            named.push(Denied::Key(key_id(key)?));
        }
        if let (Some(identity), Some(issuer)) = (&self.identity, &self.issuer) {
            named.push(Denied::Identity {
                issuer: issuer.clone(),
                identity: identity.clone(),
            });
        }
        Ok(named)
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Whose signature counts on the list that is there, and on the new one.
fn accepted_keys(session: &Session, file: &Path, own: &PublicKey) -> Result<Vec<PublicKey>> {
    let configured = session
        .config
        .trust
        .as_ref()
        .and_then(|trust| trust.deny.as_ref());
    match configured.filter(|deny| deny.file == file) {
        Some(deny) if deny.keys.contains(own) => Ok(deny.keys.clone()),
        Some(_) => Err(Error::new(
            Kind::InvalidRequest,
            "No host would accept this list: the configuration does not name the key that signs it.",
        )
        .with_hint("Sign with one of `keys` under [trust.deny-list], or add the public half of this one there.")),
        None => Ok(vec![own.clone()]),
    }
}

/// An empty list in the place of one that is lost. One that is not lost would
/// lose what it denies.
fn begin_anew(file: &Path, keys: &[PublicKey], memory: &Memory) -> Result<Option<DenyList>> {
    if let Ok(Some((list, text))) = open(file, keys) {
        let seen = (list.version, Digest::of(text.as_bytes()));
        if memory.check_deny_list(file, Some(seen)).is_ok() {
            let problem = format!("The deny list {} is not lost.", file.display());
            return Err(Error::new(Kind::InvalidRequest, problem)
                .with_hint("Add to it without --anew, or take entries off it with --lift."));
        }
    }
    let lost = memory.deny_list_version(file)?;
    Ok(lost.map(|version| DenyList {
        version,
        issued: Timestamp::UNIX_EPOCH,
        expires: Timestamp::UNIX_EPOCH,
        entries: Vec::new(),
    }))
}

/// Nobody else changes the list meanwhile.
fn lock(file: &Path) -> Result<std::fs::File> {
    let lock = file.with_added_extension("lock");
    crate::file::lock(&lock).map_err(|cause| {
        let problem = format!(
            "The deny list {} cannot be locked: {cause}.",
            file.display()
        );
        Error::new(Kind::InvalidRequest, problem).with_hint("Try again.")
    })
}

/// The one way in which a list's place is written, by which its version is
/// remembered.
fn resolved(file: &Path) -> PathBuf {
    let absolute = std::path::absolute(file).unwrap_or_else(|_cause| file.to_owned());
    let folder = absolute
        .parent()
        .and_then(|folder| folder.canonicalize().ok());
    match (folder, absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

fn open(file: &Path, keys: &[PublicKey]) -> Result<Option<(DenyList, String)>> {
    let text = match read_trusted(file, MAX_DENY_LIST) {
        Ok(text) => text,
        Err(Unreadable::File(cause)) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(unreadable) => return Err(unreadable.into_error("deny list", file)),
    };
    let list = DenyList::open(&text, keys).map_err(|cause| {
        Error::new(
            Kind::TrustRootInvalid,
            format!("The deny list {} is not accepted: {cause}.", file.display()),
        )
        .with_hint("Put a good one back before you add to it; if it is lost, begin another one above it with --anew.")
    })?;
    Ok(Some((list, text)))
}

fn digest(component: &str) -> Result<Digest> {
    if component.starts_with("sha256:") {
        return Digest::from_str(component)
            .map_err(|cause| Error::new(Kind::InvalidRequest, format!("{component}: {cause}.")));
    }
    let file = std::fs::File::open(component);
    file.and_then(Digest::of_reader).map_err(|cause| {
        let problem = format!("The component {component} cannot be read: {cause}.");
        Error::new(Kind::InvalidRequest, problem)
    })
}

/// The id of a public key: written out, or of the file.
fn key_id(key: &str) -> Result<String> {
    let invalid = |problem: String| Error::new(Kind::InvalidRequest, format!("{key}: {problem}."));
    let path = Path::new(key);
    let id = STANDARD.decode(key).ok().filter(|id| id.len() == 32);
    if !path.exists() && id.is_some() {
        return Ok(key.to_owned());
    }
    let pem = read_bounded(path, 16 * 1024).map_err(|cause| invalid(cause.to_string()))?;
    let key = PublicKey::from_pem(&pem.unwrap_or_default());
    key.map(|key| key.hint())
        .map_err(|cause| invalid(cause.to_string()))
}

fn what(deny: &Denied) -> String {
    match deny {
        Denied::Digest(digest) => digest.to_string(),
        Denied::Key(id) => format!("the key {}", one_line(id, 100)),
        Denied::Identity { issuer, identity } => {
            format!("{} of {}", one_line(identity, 200), one_line(issuer, 200))
        }
    }
}

/// A deny list in words, a line for each entry.
pub(super) fn describe(list: &DenyList) -> String {
    let mut text = format!(
        "version {} of {}, until {}\n",
        list.version, list.issued, list.expires
    );
    for entry in &list.entries {
        text += &format!("  {}", what(&entry.deny));
        if let Some(moment) = entry.signed_after {
            text += &format!(", signed after {moment}");
        }
        if let Some(reason) = &entry.reason {
            text += &format!(": {}", one_line(reason, 200));
        }
        text.push('\n');
    }
    if list.entries.is_empty() {
        text += "  nothing is denied\n";
    }
    text
}
