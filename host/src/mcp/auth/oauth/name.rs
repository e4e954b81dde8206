//! What the subject of a token is called here.

use aws_lc_rs::digest::{SHA256, digest};

use crate::invocation::PrincipalName;

/// Before a subject that can be a name as it is.
const PLAIN: &str = "oauth.";

/// Before the digest of one that cannot.
const DIGEST: &str = "oauth-";

/// Bytes of the digest that are kept, so that it fits into a name: two subjects
/// of the same name would take 2¹¹² tries to find.
const KEPT: usize = 28;

/// The longest subject, in bytes (OpenID Connect Core, section 2, has 255).
const MAX_SUBJECT: usize = 1024;

/// The caller of this subject: `oauth.` with the subject, or `oauth-` with its
/// digest. Two subjects never have one name, nor do a subject and whoever has a
/// key or rules under a name of their own. None for an empty or endless one.
pub(super) fn principal(subject: &str) -> Option<PrincipalName> {
    if subject.is_empty() || subject.len() > MAX_SUBJECT {
        return None;
    }
    if let Ok(name) = format!("{PLAIN}{subject}").parse() {
        return Some(name);
    }
    let digest = digest(&SHA256, subject.as_bytes());
    let kept = digest.as_ref().iter().take(KEPT);
    let digits: String = kept.map(|byte| format!("{byte:02x}")).collect();
    format!("{DIGEST}{digits}").parse().ok()
}

/// Whether a name is one of those.
pub(in crate::mcp::auth) fn is_of_a_token(name: &PrincipalName) -> bool {
    let name = name.as_str();
    name.starts_with(PLAIN) || name.starts_with(DIGEST)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn m16_two_subjects_never_have_one_name() {
        let long = "a".repeat(59);
        let subjects = [
            "alice",
            "Alice",
            "ALICE",
            "alice ",
            " alice",
            "alice@example.com",
            "local",
            "stdio",
            "default",
            "oauth.alice",
            "oauth-alice",
            "auth0|1",
            "auth0_1",
            "a\u{430}",
            "а",
            "\u{0}",
            "../x",
            &long,
            &long[1..],
        ];
        let names: BTreeSet<_> = subjects.iter().map(|it| principal(it).unwrap()).collect();
        assert_eq!(names.len(), subjects.len(), "{names:?}");
        assert!(names.iter().all(is_of_a_token));
        assert_eq!(principal("alice").unwrap().as_str(), "oauth.alice");
        // What looks like a digest is a subject like any other.
        let digest = principal("Alice").unwrap();
        let claimed = digest.as_str().strip_prefix(DIGEST).unwrap();
        assert_ne!(principal(claimed).unwrap(), digest);
        assert!(principal("").is_none() && principal(&"a".repeat(1025)).is_none());
    }
}
