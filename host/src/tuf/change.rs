//! What one trusted root has that another has not.

use std::fmt;

use jiff::Timestamp;
use sigstore_verify::trust_root::trusted_root::CertChain;
use sigstore_verify::trust_root::{TimeRange, TimestampAuthority, TrustedRoot};

/// One difference between two trusted roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which way.
    pub difference: Difference,
    /// Of what.
    pub part: Part,
    /// Its address, as the trusted root states it.
    pub name: String,
    /// When it begins to be trusted, if that is stated.
    pub from: Option<Timestamp>,
    /// After when it is no longer trusted, if that is stated.
    pub until: Option<Timestamp>,
}

/// Which way two trusted roots differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It was not there before.
    Added,
    /// It is there no longer.
    Removed,
    /// It has an end that it had not.
    Ended,
    /// Something else about it differs.
    Changed,
}

/// What a trusted root is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Issues certificates to signers (Fulcio).
    CertificateAuthority,
    /// Records signatures (Rekor).
    TransparencyLog,
    /// Records certificates (RFC 6962).
    CertificateLog,
    /// Says when something was signed (RFC 3161).
    TimestampAuthority,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Ended => "ended",
            Self::Changed => "changed",
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CertificateAuthority => "certificate authority",
            Self::TransparencyLog => "transparency log",
            Self::CertificateLog => "certificate log",
            Self::TimestampAuthority => "timestamp authority",
        })
    }
}

/// What `after` has that `before` had not, and then what it has no longer.
pub(super) fn between(before: Option<&TrustedRoot>, after: &TrustedRoot) -> Vec<Change> {
    let old = before.map(entries).unwrap_or_default();
    let new = entries(after);
    let gained = new.iter().filter(|entry| !old.contains(entry));
    let gained = gained.map(|entry| {
        let earlier = old.iter().find(|other| other.is_same(entry));
        entry.change(entry.since(earlier))
    });
    let lost = old
        .iter()
        .filter(|entry| !new.iter().any(|other| other.is_same(entry)));
    let lost = lost.map(|entry| entry.change(Difference::Removed));
    gained.chain(lost).collect()
}

#[derive(PartialEq)]
struct Entry {
    part: Part,
    /// The key or the certificates, which make it what it is.
    identity: Vec<u8>,
    name: String,
    window: Option<TimeRange>,
}

impl Entry {
    fn is_same(&self, other: &Self) -> bool {
        (self.part, &self.identity) == (other.part, &other.identity)
    }

    fn until(&self) -> Option<Timestamp> {
        self.window.and_then(|window| window.end)
    }

    fn since(&self, earlier: Option<&Self>) -> Difference {
        match earlier {
            None => Difference::Added,
            Some(earlier) if self.until().is_some() && self.until() != earlier.until() => {
                Difference::Ended
            }
            Some(_) => Difference::Changed,
        }
    }

    fn change(&self, difference: Difference) -> Change {
        Change {
            difference,
            part: self.part,
            name: self.name.clone(),
            from: self.window.map(|window| window.start),
            until: self.until(),
        }
    }
}

fn entries(root: &TrustedRoot) -> Vec<Entry> {
    let authorities = root.certificate_authorities.iter().map(|it| Entry {
        part: Part::CertificateAuthority,
        identity: certificates(&it.cert_chain),
        name: it.uri.clone(),
        window: it.valid_for,
    });
    let logs = root.tlogs.iter().map(|it| Entry {
        part: Part::TransparencyLog,
        identity: it.public_key.raw_bytes.as_bytes().to_vec(),
        name: it.base_url.clone(),
        window: it.public_key.valid_for,
    });
    let certificate_logs = root.ctlogs.iter().map(|it| Entry {
        part: Part::CertificateLog,
        identity: it.public_key.raw_bytes.as_bytes().to_vec(),
        name: it.base_url.clone(),
        window: it.public_key.valid_for,
    });
    let timestamps = root.timestamp_authorities.iter().map(|it| Entry {
        part: Part::TimestampAuthority,
        identity: certificates(&it.cert_chain),
        name: timestamp_authority(it),
        window: it.valid_for,
    });
    let all = authorities.chain(logs).chain(certificate_logs);
    all.chain(timestamps).collect()
}

fn certificates(chain: &CertChain) -> Vec<u8> {
    let certificates = chain.certificates.iter();
    certificates
        .flat_map(|it| it.raw_bytes.as_bytes().iter().copied())
        .collect()
}

/// Its address is optional.
fn timestamp_authority(it: &TimestampAuthority) -> String {
    let subject = &it.subject;
    let names = [&it.uri, &subject.common_name, &subject.organization];
    names
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;

    use super::*;

    fn public_good() -> Value {
        serde_json::from_str(SIGSTORE_PRODUCTION_TRUSTED_ROOT).unwrap()
    }

    fn root(json: Value) -> TrustedRoot {
        serde_json::from_value(json).unwrap()
    }

    fn told(before: Value, after: Value) -> Vec<(Difference, Part)> {
        let changes = between(Some(&root(before)), &root(after));
        changes.iter().map(|it| (it.difference, it.part)).collect()
    }

    #[test]
    fn equal_roots_do_not_differ() {
        assert_eq!(told(public_good(), public_good()), []);
    }

    #[test]
    fn without_a_root_before_everything_is_added() {
        let changes = between(None, &root(public_good()));
        assert!(changes.iter().all(|it| it.difference == Difference::Added));
        for part in [
            Part::CertificateAuthority,
            Part::TransparencyLog,
            Part::CertificateLog,
            Part::TimestampAuthority,
        ] {
            assert!(changes.iter().any(|it| it.part == part), "{part}");
        }
        assert!(changes.iter().all(|it| it.name.starts_with("https://")));
    }

    #[test]
    fn each_way_to_differ_is_told() {
        for list in [
            "certificateAuthorities",
            "tlogs",
            "ctlogs",
            "timestampAuthorities",
        ] {
            let mut fewer = public_good();
            fewer[list].as_array_mut().unwrap().remove(0);
            let [(added, part)] = told(fewer.clone(), public_good())[..] else {
                panic!("{list}");
            };
            assert_eq!(added, Difference::Added);
            assert_eq!(told(public_good(), fewer), [(Difference::Removed, part)]);
        }
    }

    #[test]
    fn an_end_and_another_address_are_told() {
        let window = |root: &mut Value, until: Option<&str>| {
            let mut window = json!({"start": "2021-01-12T11:53:27Z"});
            if let Some(until) = until {
                window["end"] = until.into();
            }
            root["tlogs"][0]["publicKey"]["validFor"] = window;
        };
        let mut open = public_good();
        window(&mut open, None);
        let mut closed = public_good();
        window(&mut closed, Some("2026-05-01T00:00:00Z"));
        let log = Part::TransparencyLog;
        assert_eq!(
            told(open.clone(), closed.clone()),
            [(Difference::Ended, log)]
        );
        assert_eq!(told(closed, open.clone()), [(Difference::Changed, log)]);
        let mut moved = open.clone();
        moved["tlogs"][0]["baseUrl"] = "https://elsewhere.test".into();
        assert_eq!(told(open, moved), [(Difference::Changed, log)]);
    }

    /// The same address with another key is another log.
    #[test]
    fn another_key_is_told_as_one_that_came_and_one_that_went() {
        let mut other = public_good();
        other["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into();
        let log = Part::TransparencyLog;
        assert_eq!(
            told(public_good(), other),
            [(Difference::Added, log), (Difference::Removed, log)]
        );
    }
}
