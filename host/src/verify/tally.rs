//! Counting signers. One person under two names must not count twice: whoever
//! has one key has one signature, whatever certificates say.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::Rule;
use super::signer::SignerName;

/// That somebody signed with a key.
#[derive(Debug, Clone)]
pub(super) struct Signed<'a> {
    /// The bundle's.
    pub(super) name: &'a str,
    pub(super) by: SignerName,
    /// SHA-256 of the public key.
    pub(super) key: [u8; 32],
}

type Owners = BTreeMap<[u8; 32], SignerName>;

/// The signers that can each be told apart by a key of their own: as many of
/// those whom the rule names as possible, in whichever order the bundles lie.
pub(super) fn told_apart(signed: &[Signed<'_>], rule: &Rule) -> BTreeSet<SignerName> {
    let mut owners = Owners::new();
    // Whoever has a key keeps one, so those who must sign come first.
    for by in rule.all_of.iter().chain(&rule.any_of) {
        give_key(by, signed, &mut owners, &mut BTreeSet::new());
    }
    owners.into_values().collect()
}

/// Gives the signer a key, if need be one of somebody who has signed with
/// another one as well (an augmenting path of a bipartite matching).
fn give_key(
    by: &SignerName,
    signed: &[Signed<'_>],
    owners: &mut Owners,
    asked: &mut BTreeSet<[u8; 32]>,
) -> bool {
    for one in signed.iter().filter(|one| one.by == *by) {
        if !asked.insert(one.key) {
            continue;
        }
        let owner = owners.get(&one.key).cloned();
        if owner.is_none_or(|owner| give_key(&owner, signed, owners, asked)) {
            owners.insert(one.key, by.clone());
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;

    fn signed(by: &str, key: u8) -> Signed<'static> {
        Signed {
            name: "",
            by: SignerName::new(by),
            key: [key; 32],
        }
    }

    fn counted(signatures: &[(&str, u8)], all_of: &[&str]) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|name| SignerName::new(name)).collect();
        let rule = Rule {
            all_of: names(all_of),
            ..Rule::any_of(names(&["a", "b", "c"]) as BTreeSet<_>, NonZeroU8::MIN)
        };
        let signed: Vec<_> = signatures
            .iter()
            .map(|(by, key)| signed(by, *key))
            .collect();
        let counted = told_apart(&signed, &rule);
        counted.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn s14_one_key_is_one_signer() {
        assert_eq!(counted(&[("a", 1), ("b", 1), ("c", 1)], &[]), ["a"]);
        assert_eq!(counted(&[("a", 1), ("a", 2), ("a", 3)], &[]), ["a"]);
        assert_eq!(counted(&[("a", 1), ("b", 1), ("d", 2)], &[]), ["a"]);
        assert_eq!(counted(&[("a", 1), ("z", 1)], &["z"]), ["z"]);
    }

    #[test]
    fn s14_the_order_of_bundles_decides_nothing() {
        let [a1, a2, b1, b2, c2] = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 2)];
        for signatures in [[a1, a2, b1], [a2, a1, b1], [b1, a1, a2], [a2, b1, a1]] {
            assert_eq!(counted(&signatures, &[]), ["a", "b"]);
        }
        let a3 = ("a", 3);
        for signatures in [
            [a1, b1, b2, c2, a3],
            [c2, b2, b1, a1, a3],
            [a3, c2, b1, b2, a1],
        ] {
            assert_eq!(counted(&signatures, &[]), ["a", "b", "c"]);
        }
    }
}
