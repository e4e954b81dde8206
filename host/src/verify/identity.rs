//! Identities of keyless signers: who an OIDC issuer says that somebody is.
//!
//! A pattern is a glob over the whole identity, not a regular expression: in
//! an expression an unescaped dot, a missing `^` or a `|` lets a look-alike in.
//! Here everything but `*` stands for itself, and where the identity lives
//! (scheme and host, or the domain of an address) holds no `*` at all.

use std::fmt;

/// An issuer, and the identities of it that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    issuer: Box<str>,
    subject: Subject,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Exact(Box<str>),
    Pattern(Pattern),
}

/// Why an identity is refused in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Anybody's identity at any issuer would do.
    #[error("the {0} is empty, which would accept anyone; write it out")]
    Empty(&'static str),
    /// Fulcio's issuers are URLs.
    #[error(
        "the issuer `{0}` is no https URL, such as https://token.actions.githubusercontent.com"
    )]
    Issuer(String),
    /// Neither a URI nor an address.
    #[error("the identity `{0}` is neither a URI (https://…) nor an e-mail address")]
    Shape(String),
    /// A character that is not in any identity.
    #[error(
        "the identity `{0}` holds a character that no identity has; only visible ASCII is allowed"
    )]
    Characters(String),
    /// A `*` where an exact identity was to be.
    #[error("`{0}` holds a `*`; write it as `identity-pattern` if that is what you mean")]
    Star(String),
    /// A pattern without `*`.
    #[error("the pattern `{0}` holds no `*`; write it as `identity`")]
    NoStar(String),
    /// A `*` in scheme, host or domain.
    #[error(
        "the pattern `{0}` is not anchored: no `*` may stand in the scheme, the host or the domain, as in https://github.com/ORG/*/.github/workflows/release.yml@refs/tags/* or *@example.com"
    )]
    Unanchored(String),
    /// A `**` beside other characters.
    #[error("in the pattern `{0}`, `**` must stand alone between `/`, `@` and the end")]
    Stars(String),
}

impl Identity {
    /// One identity, compared byte for byte.
    pub fn exact(issuer: &str, identity: &str) -> Result<Self, IdentityError> {
        let subject = shaped(identity)?;
        if subject.contains('*') {
            return Err(IdentityError::Star(subject.to_owned()));
        }
        Ok(Self {
            issuer: checked_issuer(issuer)?,
            subject: Subject::Exact(subject.into()),
        })
    }

    /// All identities that fit a pattern: `*` stands for letters, digits and
    /// `. _ + -`, at least one; `**` for those and `/`.
    pub fn pattern(issuer: &str, pattern: &str) -> Result<Self, IdentityError> {
        Ok(Self {
            issuer: checked_issuer(issuer)?,
            subject: Subject::Pattern(Pattern::parse(pattern)?),
        })
    }

    /// Whether a certificate's claims are meant.
    #[must_use]
    pub fn matches(&self, issuer: &str, identity: &str) -> bool {
        *self.issuer == *issuer
            && match &self.subject {
                Subject::Exact(exact) => **exact == *identity,
                Subject::Pattern(pattern) => pattern.matches(identity),
            }
    }

    /// Whether it means exactly one identity.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self.subject, Subject::Exact(_))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match &self.subject {
            Subject::Exact(exact) => exact,
            Subject::Pattern(pattern) => &pattern.text,
        };
        write!(f, "{subject} of {}", self.issuer)
    }
}

fn checked_issuer(issuer: &str) -> Result<Box<str>, IdentityError> {
    if issuer.is_empty() {
        return Err(IdentityError::Empty("issuer"));
    }
    let rest = issuer.strip_prefix("https://").unwrap_or_default();
    let visible = issuer.bytes().all(|byte| byte.is_ascii_graphic());
    if rest.is_empty() || rest.starts_with('/') || issuer.contains('*') || !visible {
        return Err(IdentityError::Issuer(issuer.to_owned()));
    }
    Ok(issuer.into())
}

/// A URI or an address, of characters that identities are made of.
fn shaped(identity: &str) -> Result<&str, IdentityError> {
    if identity.is_empty() {
        return Err(IdentityError::Empty("identity"));
    }
    if !identity.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(IdentityError::Characters(identity.to_owned()));
    }
    if home(identity).is_none() {
        return Err(IdentityError::Shape(identity.to_owned()));
    }
    Ok(identity)
}

/// Where the identity lives: scheme and host with the slash behind it, or the
/// `@` and the domain.
fn home(identity: &str) -> Option<&str> {
    if let Some((scheme, rest)) = identity.split_once("://") {
        let host = rest.find('/')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'*';
        let long_enough = !scheme.is_empty() && scheme.bytes().all(plain) && host > 0;
        return identity
            .get(..scheme.len() + 3 + host + 1)
            .filter(|_| long_enough);
    }
    let at = identity.rfind('@')?;
    identity
        .get(at..)
        .filter(|domain| at > 0 && domain.len() > 1)
}

/// A glob over a whole identity.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// `*`
    Segment,
    /// `**`
    Path,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, IdentityError> {
        let text = shaped(text)?;
        if !text.contains('*') {
            return Err(IdentityError::NoStar(text.to_owned()));
        }
        if home(text).is_none_or(|home| home.contains('*')) {
            return Err(IdentityError::Unanchored(text.to_owned()));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('*') {
            let (literal, star) = rest.split_at(at);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            rest = star.trim_start_matches('*');
            parts.push(match star.len() - rest.len() {
                1 => Part::Segment,
                2 if stands_alone(literal, rest) => Part::Path,
                _ => return Err(IdentityError::Stars(text.to_owned())),
            });
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Ok(Self {
            text: text.into(),
            parts,
        })
    }

    fn matches(&self, identity: &str) -> bool {
        matches(&self.parts, identity.as_bytes())
    }
}

fn stands_alone(before: &str, behind: &str) -> bool {
    before.ends_with(['/', '@']) && (behind.is_empty() || behind.starts_with(['/', '@']))
}

/// Follows all ways through the pattern at once, so that no identity makes it
/// slow: `open` holds the places in `text` up to which the parts so far fit.
fn matches(parts: &[Part], text: &[u8]) -> bool {
    let mut open = vec![0];
    for part in parts {
        open = match part {
            Part::Literal(literal) => behind_literal(&open, text, literal.as_bytes()),
            Part::Segment => behind_run(&open, text, is_plain),
            Part::Path => behind_run(&open, text, |byte| is_plain(byte) || byte == b'/'),
        };
        if open.is_empty() {
            return false;
        }
    }
    open.contains(&text.len())
}

fn behind_literal(open: &[usize], text: &[u8], literal: &[u8]) -> Vec<usize> {
    let fits = |from: &&usize| {
        text.get(**from..)
            .is_some_and(|rest| rest.starts_with(literal))
    };
    let ends = open.iter().filter(fits);
    ends.map(|from| from + literal.len()).collect()
}

/// Every place behind at least one byte of a run; each place once, in order.
fn behind_run(open: &[usize], text: &[u8], belongs: impl Fn(u8) -> bool) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut running = false;
    for (at, byte) in text.iter().enumerate() {
        running = (running || open.binary_search(&at).is_ok()) && belongs(*byte);
        if running {
            ends.push(at + 1);
        }
    }
    ends
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://token.actions.githubusercontent.com";
    const RELEASE: &str =
        "https://github.com/org/repo/.github/workflows/release.yml@refs/heads/main";

    #[test]
    fn s06_only_the_very_identity_fits() {
        let identity = Identity::exact(ISSUER, RELEASE).unwrap();
        assert!(identity.matches(ISSUER, RELEASE));
        for other in look_alikes() {
            assert!(!identity.matches(ISSUER, &other), "{other}");
        }
        assert!(!identity.matches("https://issuer.test", RELEASE));
        assert!(!identity.matches(&format!("{ISSUER}/"), RELEASE));
    }

    /// Thirty identities that a careless comparison takes for the one above.
    fn look_alikes() -> Vec<String> {
        let changed = [
            ("org/repo", "org/repo-evil"),
            ("org/repo", "org/Repo"),
            ("org/repo", "org//repo"),
            ("org/repo", "org/./repo"),
            ("org/repo", "org/x/../repo"),
            ("org/repo", "org%2Frepo"),
            ("org/repo", "evil/org/repo"),
            ("org/repo", "org/rep\u{43e}"),
            ("org/repo", "org\u{2215}repo"),
            ("org/repo", "org\\repo"),
            ("org/repo", "org/repo\u{200b}"),
            ("org/repo", "ORG/repo"),
            ("https://", "http://"),
            ("https://", "HTTPS://"),
            ("https://", " https://"),
            ("https://", "https:///"),
            ("https://", "https://user@"),
            ("github.com", "github.com.evil.test"),
            ("github.com", "evilgithub.com"),
            ("github.com", "githubxcom"),
            ("github.com", "github.com:443"),
            ("github.com", "github.com."),
            ("github.com", "gith\u{fb}b.com"),
            ("release.yml", "release.yml.evil"),
            ("release.yml", "release.yaml"),
            ("@refs/heads/main", "@refs/heads/main2"),
            ("@refs/heads/main", "@refs/heads/main/"),
            ("@refs/heads/main", "@refs/tags/main"),
            ("@refs/heads/main", "@refs/heads/main\0"),
            ("@refs/heads/main", "@refs/heads/main\n"),
            ("@refs/heads/main", ""),
        ];
        changed
            .iter()
            .map(|(from, to)| RELEASE.replacen(from, to, 1))
            .collect()
    }

    #[test]
    fn a_pattern_covers_the_whole_identity() {
        let tags = "https://github.com/org/*/.github/workflows/release.yml@refs/tags/*";
        let identity = Identity::pattern(ISSUER, tags).unwrap();
        let fitting = "https://github.com/org/tool/.github/workflows/release.yml@refs/tags/v1.2.0";
        assert!(identity.matches(ISSUER, fitting));
        for other in [
            fitting.replace("org/tool", "org/a/b"),
            fitting.replace("org/tool", "org/"),
            fitting.replace("tool", "to%2Fol"),
            fitting.replace("v1.2.0", "v1/2"),
            fitting.replace("v1.2.0", ""),
            format!("{fitting}@x"),
            format!("https://evil.test/{fitting}"),
            fitting.replace("github.com", "githubxcom"),
        ] {
            assert!(!identity.matches(ISSUER, &other), "{other}");
        }
        let any_ref = Identity::pattern(ISSUER, "https://github.com/o/r/w.yml@**").unwrap();
        assert!(any_ref.matches(ISSUER, "https://github.com/o/r/w.yml@refs/heads/a/b"));
        assert!(!any_ref.matches(ISSUER, "https://github.com/o/r/w.yml@refs@x"));
        let staff = Identity::pattern(ISSUER, "*@example.com").unwrap();
        assert!(staff.matches(ISSUER, "ada.lovelace+x@example.com"));
        assert!(!staff.matches(ISSUER, "ada@evil.test@example.com"));
        assert!(!staff.matches(ISSUER, "ada@example.com.evil.test"));
    }

    #[test]
    fn s07_identities_that_accept_anyone_cannot_be_written() {
        use IdentityError as E;
        let text = ToOwned::to_owned;
        for (pattern, expected) in [
            ("", E::Empty("identity")),
            ("*", E::Shape(text("*"))),
            ("**", E::Shape(text("**"))),
            (".*", E::Shape(text(".*"))),
            ("org/repo*", E::Shape(text("org/repo*"))),
            ("*@*", E::Unanchored(text("*@*"))),
            ("ada@*.test", E::Unanchored(text("ada@*.test"))),
            ("https://*/x", E::Unanchored(text("https://*/x"))),
            ("*://a.test/x", E::Unanchored(text("*://a.test/x"))),
            ("https://github.com*", E::Shape(text("https://github.com*"))),
            (
                "https://a.test/org**",
                E::Stars(text("https://a.test/org**")),
            ),
            ("https://a.test/***", E::Stars(text("https://a.test/***"))),
            ("https://a.test/x", E::NoStar(text("https://a.test/x"))),
            (
                "https://a.test/ *",
                E::Characters(text("https://a.test/ *")),
            ),
        ] {
            assert_eq!(Identity::pattern(ISSUER, pattern).unwrap_err(), expected);
        }
        let star = "https://a.test/*";
        assert_eq!(
            Identity::exact(ISSUER, star).unwrap_err(),
            E::Star(text(star))
        );
        assert_eq!(
            Identity::exact("", RELEASE).unwrap_err(),
            E::Empty("issuer")
        );
        for issuer in ["*", "https://", "http://a.test", "https://*.test", "a.test"] {
            let error = Identity::exact(issuer, RELEASE).unwrap_err();
            assert_eq!(error, E::Issuer(text(issuer)));
        }
    }

    #[test]
    fn a_long_identity_is_matched_in_little_time() {
        let stars = "*-".repeat(30);
        let identity = Identity::pattern(ISSUER, &format!("https://a.test/{stars}x")).unwrap();
        let long = format!("https://a.test/{}", "-".repeat(4000));
        assert!(!identity.matches(ISSUER, &long));
    }
}
