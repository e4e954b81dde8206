//! What looks like a secret, for operators who want none in plain text. A guess
//! by form: it finds what services issue and what people write, and proves
//! nothing about what it does not find.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Beginnings of what services issue, with the fewest characters that follow.
const ISSUED: [(&str, usize, &str); 18] = [
    ("AKIA", 16, "an access key of AWS"),
    ("ASIA", 16, "an access key of AWS"),
    ("ghp_", 20, "a token of GitHub"),
    ("gho_", 20, "a token of GitHub"),
    ("ghu_", 20, "a token of GitHub"),
    ("ghs_", 20, "a token of GitHub"),
    ("ghr_", 20, "a token of GitHub"),
    ("github_pat_", 20, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("sk-", 20, "a key of a model service"),
    ("sk_live_", 16, "a key of Stripe"),
    ("rk_live_", 16, "a key of Stripe"),
    ("xoxb-", 10, "a token of Slack"),
    ("xoxp-", 10, "a token of Slack"),
    ("xapp-", 10, "a token of Slack"),
    ("AIza", 35, "a key of Google"),
    ("npm_", 36, "a token of npm"),
    ("hf_", 30, "a token of Hugging Face"),
];

/// Names of what is a secret whatever its form.
const PASSWORDS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

/// Names of what is a secret if it looks made by chance.
const NAMES: [&str; 9] = [
    "token",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "credential",
    "authorization",
    "bearer",
];

/// The fewest characters of what is taken for made by chance.
const MIN_LENGTH: usize = 12;

/// Bits of entropy in each character of what is taken for made by chance: words
/// repeat letters more often.
const MIN_ENTROPY: f64 = 3.0;

/// What a value looks like that stands under a name, if it looks like a secret.
pub(crate) fn looks_like(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim();
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if is_web_token(value) {
        return Some("a JSON web token");
    }
    if let Some(issued) = value.split(|it: char| !is_plain(it)).find_map(issued) {
        return Some(issued);
    }
    if holds_password(value) {
        return Some("an address with a password");
    }
    let name: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|it| it.to_ascii_lowercase())
        .collect();
    if !value.is_empty() && PASSWORDS.iter().any(|it| name.contains(it)) {
        return Some("a password");
    }
    let is_named = NAMES.iter().any(|it| name.contains(it));
    (is_named && is_by_chance(value)).then_some("a secret, by its name and form")
}

/// What looks like a secret in the settings and the variables of a skill.
pub(crate) fn found_in_policy(
    settings: &Map<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Vec<String> {
    let settings = settings
        .iter()
        .flat_map(|(key, value)| found_in(&format!("settings.{key}"), value));
    let variables = environment.iter().filter_map(|(name, value)| {
        let found = looks_like(name, value);
        found.map(|what| format!("`environment.{name}` looks like {what}"))
    });
    settings.chain(variables).collect()
}

/// Each text in a value that looks like a secret: where it stands, and like
/// what. Never the text.
pub(crate) fn found_in(place: &str, value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            let name = place.rsplit('.').next().unwrap_or(place);
            let found = looks_like(name, text);
            found
                .map(|what| format!("`{place}` looks like {what}"))
                .into_iter()
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .flat_map(|item| found_in(place, item))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| found_in(&format!("{place}.{key}"), value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

const fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

fn issued(word: &str) -> Option<&'static str> {
    let long_enough = |(begin, least, _): &&(&str, usize, &str)| {
        word.strip_prefix(begin)
            .is_some_and(|rest| rest.len() >= *least)
    };
    ISSUED.iter().find(long_enough).map(|(_, _, what)| *what)
}

/// Three parts in Base64url, the first of which begins with `{"` (RFC 7519).
fn is_web_token(value: &str) -> bool {
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    let parts: Vec<&str> = value.split('.').collect();
    let plain = |part: &&str| !part.is_empty() && part.chars().all(is_plain);
    value.starts_with("eyJ") && parts.len() == 3 && parts.iter().all(plain)
}

/// `scheme://user:password@host`.
fn holds_password(value: &str) -> bool {
    let rest = value.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.and_then(|user| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty())
}

fn is_by_chance(value: &str) -> bool {
    value.len() >= MIN_LENGTH
        && !value.contains(char::is_whitespace)
        && entropy(value) >= MIN_ENTROPY
}

/// Bits in each byte, by how often each occurs (Shannon).
fn entropy(value: &str) -> f64 {
    let mut counts = BTreeMap::<u8, u32>::new();
    for byte in value.bytes() {
        let count = counts.entry(byte).or_default();
        *count = count.saturating_add(1);
    }
    let all: f64 = counts.values().map(|count| f64::from(*count)).sum();
    let share = |count: &u32| f64::from(*count) / all;
    counts
        .values()
        .map(|it| -share(it) * share(it).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_services_issue_is_known_by_its_form() {
        for value in [
            concat!("AKIA", "IOSFODNN7EXAMPLE"),
            concat!("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            concat!("sk-", "proj-abcdefghijklmnopqrstuvwxyz"),
            concat!("Bearer ", "ghs_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            concat!("-----BEGIN ", "EC PRIVATE KEY-----\nabc"),
            concat!("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
            "postgres://ada:lovelace@db.test/notes",
        ] {
            assert!(looks_like("note", value).is_some(), "{value}");
        }
    }

    #[test]
    fn what_is_called_a_secret_is_one_if_it_looks_so() {
        for (name, value, expected) in [
            ("password", "hunter2", true),
            ("db-password", "x", true),
            ("DB_PASSWD", "x", true),
            ("password", "", false),
            ("api-key", "q8Zr2LmVt9Xw4Bn7", true),
            ("API_TOKEN", "q8Zr2LmVt9Xw4Bn7", true),
            ("token", "optional", false),
            ("token-limit", "4096", false),
            ("secret-question", "what is your name?", false),
            ("language", "q8Zr2LmVt9Xw4Bn7", false),
            ("origin", "https://api.good.test/a:b@c", false),
            ("risk", "sk-short", false),
        ] {
            assert_eq!(
                looks_like(name, value).is_some(),
                expected,
                "{name} {value}"
            );
        }
    }

    #[test]
    fn what_is_found_is_told_without_its_value() {
        let settings = json!({"lang": "en", "deep": {"list": [{"password": "hunter2"}]}, "n": 1});
        let found = found_in("settings", &settings);
        assert_eq!(
            found,
            ["`settings.deep.list.password` looks like a password"]
        );
    }
}
