//! Which lines somebody wants: terms such as `event=verify.*`, all of which
//! must hold.

use jiff::{SignedDuration, Timestamp};

use super::Entry;
use crate::config::parse_age;
use crate::error::{Error, Kind, Result};
use crate::event::Severity;
use crate::manifest::text::one_line;

/// The keys that there are, as an error lists them.
const KEYS: &str =
    "event, severity, review, skill, tool, principal, kind, invocation, run, since, until";

/// Terms that must all hold; without any, every line is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// The field is this text, in which `*` stands for any characters.
    Like(&'static str, String),
    /// The field begins so.
    Begins(&'static str, String),
    AtLeast(Severity),
    Is(Severity),
    Review(bool),
    Since(Timestamp),
    Until(Timestamp),
}

impl Filter {
    /// Reads terms, each of them `KEY=VALUE` or `severity>=VALUE`. Lengths of
    /// time count back from `now`.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` that names the keys that there are, or the values.
    pub fn parse<T: AsRef<str>>(terms: &[T], now: Timestamp) -> Result<Self> {
        let terms = terms.iter().map(|term| Term::parse(term.as_ref(), now));
        Ok(Self {
            terms: terms.collect::<Result<_>>()?,
        })
    }

    /// Only what happened since then: RFC 3339, or a length of time before `now`.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if it is neither.
    pub fn since(mut self, moment: &str, now: Timestamp) -> Result<Self> {
        self.terms.push(Term::Since(moment_of(moment, now)?));
        Ok(self)
    }

    /// Whether somebody wants that line.
    #[must_use]
    pub fn wants(&self, line: &Entry) -> bool {
        self.terms.iter().all(|term| term.holds(line))
    }
}

impl Term {
    fn parse(term: &str, now: Timestamp) -> Result<Self> {
        let Some((key, value)) = term.split_once('=') else {
            return Err(wrong(&format!("`{term}` is no term of a filter.")));
        };
        let value = value.to_owned();
        match key {
            "event" => Ok(Self::Like("event", value)),
            "skill" => Ok(Self::Like("skill", value)),
            "tool" => Ok(Self::Like("tool", value)),
            "principal" => Ok(Self::Like("principal", value)),
            "kind" => Ok(Self::Like("kind", value)),
            "invocation" => Ok(Self::Begins("invocation", value)),
            "run" => Ok(Self::Begins("run", value)),
            "severity>" => severity(&value).map(Self::AtLeast),
            "severity" => severity(&value).map(Self::Is),
            "review" => review(&value).map(Self::Review),
            "since" => moment_of(&value, now).map(Self::Since),
            "until" => moment_of(&value, now).map(Self::Until),
            _ => Err(wrong(&format!("A filter has no key `{key}`."))),
        }
    }

    fn holds(&self, line: &Entry) -> bool {
        match self {
            Self::Like(field, pattern) => {
                line.text(field).is_some_and(|text| is_like(text, pattern))
            }
            Self::Begins(field, start) => line
                .text(field)
                .is_some_and(|text| text.starts_with(start.as_str())),
            Self::AtLeast(severity) => line.severity() >= *severity,
            Self::Is(severity) => line.severity() == *severity,
            Self::Review(wanted) => line.needs_review() == *wanted,
            Self::Since(moment) => line.time().is_some_and(|time| time >= *moment),
            Self::Until(moment) => line.time().is_some_and(|time| time <= *moment),
        }
    }
}

fn severity(value: &str) -> Result<Severity> {
    match value {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "high" => Ok(Severity::High),
        _ => Err(wrong(&format!(
            "`{value}` is no severity: `info`, `warning` or `high`."
        ))),
    }
}

fn review(value: &str) -> Result<bool> {
    value.parse().map_err(|_not_a_truth_value| {
        wrong(&format!("`review` is `true` or `false`, not `{value}`."))
    })
}

fn moment_of(value: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(moment) = value.parse() {
        return Ok(moment);
    }
    let back: Option<SignedDuration> = parse_age(value).ok();
    back.and_then(|back| now.checked_sub(back).ok())
        .ok_or_else(|| {
            wrong(&format!(
                "`{value}` is no time: write for example `1h`, `7 days` or `2026-05-01T00:00:00Z`."
            ))
        })
}

/// Whether `text` is `pattern`, in which `*` stands for any characters.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part).and_then(|at| text.get(at + part.len()..)) {
            Some(behind) => text = behind,
            None => return false,
        }
    }
    text.ends_with(end)
}

fn wrong(message: &str) -> Error {
    Error::new(Kind::InvalidRequest, one_line(message, 300)).with_hint(format!(
        "A filter is KEY=VALUE, for example `event=verify.*`, `severity>=high` or `since=1h`. Keys: {KEYS}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn filter(terms: &[&str]) -> Result<Filter> {
        Filter::parse(terms, NOW.parse().unwrap())
    }

    fn line() -> Entry {
        Entry::parse(
            r#"{"time":"2026-11-21T11:30:00Z","severity":"warning","review":false,"event":"capability.denied","invocation":"abcd","skill":"notes","kind":"Denied"}"#,
        )
        .unwrap()
    }

    #[test]
    fn all_terms_must_hold() {
        for (terms, wanted) in [
            (&[] as &[&str], true),
            (&["event=capability.denied"], true),
            (&["event=capability.*"], true),
            (&["event=*.denied", "skill=notes"], true),
            (&["event=*.denied", "skill=other"], false),
            (&["event=capability"], false),
            (&["severity>=warning"], true),
            (&["severity>=high"], false),
            (&["severity=warning"], true),
            (&["severity=info"], false),
            (&["review=true"], false),
            (&["invocation=ab"], true),
            (&["invocation=b"], false),
            (&["kind=Denied"], true),
            (&["tool=*"], false),
            (&["since=1h"], true),
            (&["since=10m"], false),
            (&["since=2026-11-21T11:00:00Z"], true),
            (&["until=2026-11-21T11:00:00Z"], false),
        ] {
            assert_eq!(filter(terms).unwrap().wants(&line()), wanted, "{terms:?}");
        }
    }

    #[test]
    fn what_is_no_term_is_an_error_that_lists_the_keys() {
        for wrong in [
            "colour=red",
            "event",
            "severity=loud",
            "since=yesterday",
            "review=1",
            "",
        ] {
            let error = filter(&[wrong]).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest, "{wrong}");
            assert!(error.hint().unwrap().contains(KEYS), "{wrong}");
        }
    }

    #[test]
    fn asterisks_stand_for_any_characters_and_nothing_else_does() {
        for (text, pattern, like) in [
            ("verify.failed", "verify.*", true),
            ("verify.failed", "*fail*", true),
            ("verify.failed", "v*y*d", true),
            ("aa", "a*a", true),
            ("a", "a*a", false),
            ("verify.failed", "verify?failed", false),
            ("", "*", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} {pattern}");
        }
    }
}
