//! `[trust]`: who may say that a skill runs.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{Unreadable, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::verify::{
    Identity, PolicyError, Preset, Provenance, PublicKey, Rule, SLSA_V1, Signer, SignerName,
    SkillPattern, TrustPolicy, TrustedKey,
};

/// The largest key file, in bytes; a P-256 public key has 178.
const MAX_KEY: u64 = 16 * 1024;

/// What `[trust]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustSettings {
    /// What is asked for at the least, if it is said.
    pub preset: Option<Preset>,
    /// Whose signatures are needed; none if no signer is named.
    pub policy: Option<TrustPolicy>,
    /// The trusted root; none: the one that `skillhost trust update` wrote, or
    /// else the embedded public-good root.
    pub root: Option<PathBuf>,
    /// The deny list.
    pub deny: Option<DenySettings>,
    /// Files that were read for this: public keys.
    pub files: Vec<PathBuf>,
}

/// `[trust.deny-list]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenySettings {
    /// Where it lies.
    pub file: PathBuf,
    /// Whose signature on it counts.
    pub keys: Vec<PublicKey>,
    /// After which age it is reported as old.
    pub warn_after: Option<SignedDuration>,
    /// After which age nothing runs, if that is before it expires.
    pub max_age: Option<SignedDuration>,
}

/// The text of a configuration with what error messages need.
pub(super) struct Page<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

impl Page<'_> {
    /// `ConfigInvalid`, with file and problem.
    pub(super) fn invalid(&self, problem: impl std::fmt::Display) -> Error {
        Error::new(
            Kind::ConfigInvalid,
            format!(
                "The configuration {} is not valid: {problem}",
                self.path.display()
            ),
        )
    }

    pub(super) fn invalid_at(&self, offset: usize, problem: impl std::fmt::Display) -> Error {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.invalid(format_args!("line {line}: {problem}."))
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TrustTable {
    preset: Option<PresetWord>,
    threshold: Option<Spanned<Count>>,
    root: Option<PathBuf>,
    #[serde(default)]
    signers: BTreeMap<String, Spanned<SignerTable>>,
    #[serde(default)]
    rules: Vec<Spanned<RuleTable>>,
    #[serde(default, deserialize_with = "age")]
    max_age: Option<SignedDuration>,
    transparency_log: Option<bool>,
    pinned: Option<bool>,
    provenance: Option<Spanned<ProvenanceTable>>,
    deny_list: Option<Spanned<DenyTable>>,
}

/// So many signers.
#[derive(Clone, Copy)]
struct Count(u8);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer).ok();
        let count = number.and_then(|number| u8::try_from(number).ok());
        count.map(Self).ok_or_else(|| {
            serde::de::Error::custom("this is no number of signers; write one from 1 to 255")
        })
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PresetWord {
    Permissive,
    Enterprise,
    Paranoid,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerTable {
    #[serde(default)]
    keys: Vec<Spanned<KeyEntry>>,
    #[serde(default)]
    identities: Vec<Spanned<IdentityTable>>,
}

/// A field that is not known must not be passed over: a misspelt `not-after`
/// would make a key valid for ever.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a key is a file name, or a table of `file`, `not-before` and `not-after` (such as \"2026-01-01T00:00:00Z\")"
)]
enum KeyEntry {
    File(PathBuf),
    #[serde(rename_all = "kebab-case")]
    Valid {
        file: PathBuf,
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct IdentityTable {
    issuer: String,
    identity: Option<String>,
    identity_pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuleTable {
    skills: String,
    #[serde(default)]
    all_of: BTreeSet<String>,
    any_of: Option<BTreeSet<String>>,
    minimum: Option<Count>,
    #[serde(default, deserialize_with = "age")]
    max_age: Option<SignedDuration>,
    transparency_log: Option<bool>,
    pinned: Option<bool>,
    provenance: Option<ProvenanceTable>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProvenanceTable {
    predicate_type: Option<String>,
    #[serde(default)]
    signers: Vec<String>,
    builder: Option<String>,
    repository: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DenyTable {
    file: PathBuf,
    keys: Vec<PathBuf>,
    #[serde(default, deserialize_with = "age")]
    warn_after: Option<SignedDuration>,
    #[serde(default, deserialize_with = "age")]
    max_age: Option<SignedDuration>,
}

/// What is asked for of skills beyond the number of signers.
#[derive(Clone, Default)]
struct Demands {
    max_age: Option<SignedDuration>,
    transparency_log: bool,
    pinned: bool,
    provenance: Option<Provenance>,
}

impl TrustTable {
    /// `start` is where the table begins in the text.
    pub(super) fn read(self, page: &Page<'_>, start: usize) -> Result<TrustSettings> {
        let mut files = Vec::new();
        let mut signers = Vec::new();
        for (name, table) in &self.signers {
            signers.push(table.get_ref().read(name, page, &mut files)?);
        }
        let deny = self.deny_list.as_ref();
        let deny = deny.map(|table| table.get_ref().read(page, table.span().start, &mut files));
        let preset = self.preset.map(Preset::from);
        let settings = TrustSettings {
            preset,
            root: self.root.as_ref().map(|root| page.folder().join(root)),
            deny: deny.transpose()?,
            policy: None,
            files,
        };
        if signers.is_empty() && self.asks_only_for(Preset::Permissive) {
            return Ok(settings);
        }
        let policy = self.policy(page, signers, start)?;
        Ok(TrustSettings {
            policy: Some(policy),
            ..settings
        })
    }

    /// `preset = "permissive"` alone trusts the author's own key. Whoever asks for
    /// more has to say of whom.
    fn asks_only_for(&self, preset: Preset) -> bool {
        self.preset.map(Preset::from) == Some(preset)
            && self.rules.is_empty()
            && self.threshold.is_none()
            && self.max_age.is_none()
            && self.transparency_log.is_none()
            && self.pinned.is_none()
            && self.provenance.is_none()
    }

    fn policy(&self, page: &Page<'_>, signers: Vec<Signer>, start: usize) -> Result<TrustPolicy> {
        let invalid =
            |cause: PolicyError| page.invalid_at(self.place(&cause).unwrap_or(start), cause);
        let threshold = self.threshold(page)?;
        if signers.is_empty() {
            return Err(invalid(PolicyError::NoSigners));
        }
        let preset = self.preset.map_or_else(Preset::default, Preset::from);
        let rules = self.rules(page, &signers, threshold, &invalid)?;
        TrustPolicy::with_rules(preset, signers, rules).map_err(invalid)
    }

    /// Where that stands which an error is about.
    fn place(&self, cause: &PolicyError) -> Option<usize> {
        match cause {
            PolicyError::NoKeys(name)
            | PolicyError::NeverValid(name)
            | PolicyError::SharedKey(_, name) => {
                self.signers.get(name.as_str()).map(|it| it.span().start)
            }
            PolicyError::Shadowed(pattern, _) => {
                let is_meant =
                    |rule: &&Spanned<RuleTable>| rule.get_ref().skills == pattern.to_string();
                self.rules.iter().rfind(is_meant).map(|it| it.span().start)
            }
            PolicyError::UnknownSigner(_) => self.provenance.as_ref().map(|it| it.span().start),
            PolicyError::Threshold { .. } | PolicyError::TooFew { .. } => {
                self.threshold.as_ref().map(|it| it.span().start)
            }
            _ => None,
        }
    }

    /// The rules as they stand, and behind them the one for all other skills.
    fn rules(
        &self,
        page: &Page<'_>,
        signers: &[Signer],
        threshold: Option<(NonZeroU8, usize)>,
        invalid: &impl Fn(PolicyError) -> Error,
    ) -> Result<Vec<Rule>> {
        let preset = self.preset.map_or_else(Preset::default, Preset::from);
        let known: BTreeSet<SignerName> = signers.iter().map(|it| it.name.clone()).collect();
        let general = self.demands(&known).map_err(invalid)?;
        let mut rules = Vec::new();
        for table in &self.rules {
            let rule = table.get_ref().read(&general, preset, &known);
            let checked = rule.and_then(|rule| rule.check(preset, &known).map(|()| rule));
            rules.push(checked.map_err(|cause| page.invalid_at(table.span().start, cause))?);
        }
        let covered = rules.iter().any(|rule| rule.skills == SkillPattern::all());
        match threshold {
            Some((_, start)) if covered => Err(page.invalid_at(
                start,
                "`threshold` has no effect beside a rule for all skills; remove one of them",
            )),
            _ if covered => Ok(rules),
            threshold => {
                let threshold = threshold.map_or_else(|| preset.minimum(), |(count, _)| count);
                rules.push(general.of_all(known, threshold));
                Ok(rules)
            }
        }
    }

    /// And where it stands.
    fn threshold(&self, page: &Page<'_>) -> Result<Option<(NonZeroU8, usize)>> {
        let Some(threshold) = &self.threshold else {
            return Ok(None);
        };
        let start = threshold.span().start;
        let count = NonZeroU8::new(threshold.get_ref().0).ok_or_else(|| {
            page.invalid_at(
                start,
                "`threshold = 0` would let run what nobody signed; write how many must sign",
            )
        })?;
        Ok(Some((count, start)))
    }

    fn demands(&self, known: &BTreeSet<SignerName>) -> Result<Demands, PolicyError> {
        let provenance = self.provenance.clone().map(Spanned::into_inner);
        Ok(Demands {
            max_age: self.max_age,
            transparency_log: self.transparency_log.unwrap_or_default(),
            pinned: self.pinned.unwrap_or_default(),
            provenance: provenance.map(|table| table.read(known)).transpose()?,
        })
    }
}

impl Demands {
    /// The rule for all skills that no other rule is for.
    fn of_all(self, signers: BTreeSet<SignerName>, threshold: NonZeroU8) -> Rule {
        Rule {
            max_age: self.max_age,
            transparency_log: self.transparency_log,
            pinned: self.pinned,
            provenance: self.provenance,
            ..Rule::any_of(signers, threshold)
        }
    }
}

impl From<PresetWord> for Preset {
    fn from(word: PresetWord) -> Self {
        match word {
            PresetWord::Permissive => Self::Permissive,
            PresetWord::Enterprise => Self::Enterprise,
            PresetWord::Paranoid => Self::Paranoid,
        }
    }
}

impl SignerTable {
    fn read(&self, name: &str, page: &Page<'_>, files: &mut Vec<PathBuf>) -> Result<Signer> {
        let mut keys = Vec::new();
        for entry in &self.keys {
            let (file, not_before, not_after) = match entry.get_ref() {
                KeyEntry::File(file) => (file, None, None),
                KeyEntry::Valid {
                    file,
                    not_before,
                    not_after,
                } => (file, *not_before, *not_after),
            };
            keys.push(TrustedKey {
                key: read_key(file, page, entry.span().start, files)?,
                not_before,
                not_after,
            });
        }
        let mut identities = Vec::new();
        for table in &self.identities {
            let start = table.span().start;
            let named =
                |problem| page.invalid_at(start, format_args!("signer `{name}`: {problem}"));
            identities.push(table.get_ref().read().map_err(named)?);
        }
        Ok(Signer {
            name: SignerName::new(name),
            keys,
            identities,
        })
    }
}

impl IdentityTable {
    fn read(&self) -> Result<Identity, String> {
        let identity = match (&self.identity, &self.identity_pattern) {
            (Some(exact), None) => Identity::exact(&self.issuer, exact),
            (None, Some(pattern)) => Identity::pattern(&self.issuer, pattern),
            _ => {
                return Err(
                    "an identity has `issuer` and either `identity` or `identity-pattern`"
                        .to_owned(),
                );
            }
        };
        identity.map_err(|cause| cause.to_string())
    }
}

impl RuleTable {
    fn read(
        &self,
        general: &Demands,
        preset: Preset,
        known: &BTreeSet<SignerName>,
    ) -> Result<Rule, PolicyError> {
        let names =
            |names: &BTreeSet<String>| names.iter().map(|name| SignerName::new(name)).collect();
        let all_of: BTreeSet<SignerName> = names(&self.all_of);
        let any_of: BTreeSet<SignerName> = match &self.any_of {
            Some(some) => names(some),
            None if all_of.is_empty() => known.clone(),
            None => BTreeSet::new(),
        };
        let wanting = usize::from(preset.minimum().get()).saturating_sub(all_of.len());
        let least = wanting.max(usize::from(!any_of.is_empty()));
        let provenance = self.provenance.clone().map(|table| table.read(known));
        Ok(Rule {
            skills: SkillPattern::parse(&self.skills)?,
            minimum: self
                .minimum
                .map_or_else(|| u8::try_from(least).unwrap_or(u8::MAX), |count| count.0),
            all_of,
            any_of,
            max_age: self.max_age.or(general.max_age),
            transparency_log: self.transparency_log.unwrap_or(general.transparency_log),
            pinned: self.pinned.unwrap_or(general.pinned),
            provenance: provenance
                .transpose()?
                .or_else(|| general.provenance.clone()),
        })
    }
}

impl ProvenanceTable {
    fn read(self, known: &BTreeSet<SignerName>) -> Result<Provenance, PolicyError> {
        let signers: Vec<SignerName> = self.signers.iter().map(|it| SignerName::new(it)).collect();
        if let Some(unknown) = signers.iter().find(|name| !known.contains(*name)) {
            return Err(PolicyError::UnknownSigner(unknown.clone()));
        }
        Ok(Provenance {
            predicate_type: self.predicate_type.unwrap_or_else(|| SLSA_V1.to_owned()),
            signers,
            builder: self.builder,
            repository: self.repository,
            reference: self.reference,
        })
    }
}

impl DenyTable {
    fn read(
        &self,
        page: &Page<'_>,
        offset: usize,
        files: &mut Vec<PathBuf>,
    ) -> Result<DenySettings> {
        if self.keys.is_empty() {
            return Err(page.invalid_at(
                offset,
                "the deny list has no `keys`; name those whose signature on it counts",
            ));
        }
        let mut keys = Vec::new();
        for key in &self.keys {
            keys.push(read_key(key, page, offset, files)?);
        }
        let file = page.folder().join(&self.file);
        Ok(DenySettings {
            // Its version is remembered by its place.
            file: std::path::absolute(&file).unwrap_or(file),
            keys,
            warn_after: self.warn_after,
            max_age: self.max_age,
        })
    }
}

fn read_key(
    file: &Path,
    page: &Page<'_>,
    offset: usize,
    files: &mut Vec<PathBuf>,
) -> Result<PublicKey> {
    let path = page.folder().join(file);
    let text = read_trusted(&path, MAX_KEY).map_err(|unreadable| match unreadable {
        Unreadable::File(cause) => page.invalid_at(
            offset,
            format_args!("the key {} cannot be read: {cause}", path.display()),
        ),
        Unreadable::Exposed | Unreadable::Linked | Unreadable::Shown => {
            unreadable.into_error("key", &path)
        }
    })?;
    let key = PublicKey::from_pem(&text)
        .map_err(|cause| page.invalid_at(offset, format_args!("{}: {cause}", path.display())))?;
    files.push(path);
    Ok(key)
}

fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SignedDuration>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer).map_err(|_cause| {
        Error::custom("a length of time is text, for example `\"90 days\"` or `\"12h\"`")
    })?;
    parse_age(&text).map(Some).map_err(Error::custom)
}

/// Reads a length of time such as `90 days` or `12h`; a day has 24 hours.
pub(crate) fn parse_age(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().ok();
    let days = SpanRelativeTo::days_are_24_hours();
    let length = span.and_then(|span| span.to_duration(days).ok());
    length.filter(|length| length.is_positive()).ok_or_else(|| {
        format!("`{text}` is no length of time; write for example `90 days` or `12h`")
    })
}
