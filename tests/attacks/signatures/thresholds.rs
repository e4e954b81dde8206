//! S14, S16: so many signers are asked for, and fewer people signed.

use std::collections::BTreeSet;

use fastrand::Rng;
use skillhost::verify::SignerName;
use skillhost_test_world::tamper;

use super::*;

const BOB: &str = "bob@example.com";

/// Two of two.
fn both(one: Signer, other: Signer) -> Stage {
    let names = [one.name.to_string(), other.name.to_string()];
    let names = [names[0].as_str(), names[1].as_str()];
    Stage::with_rules(&[one, other], vec![some_of(&names, 2)])
}

fn ada() -> Signer {
    keyless("ada", ADA, ACCOUNTS)
}

fn bob() -> Signer {
    keyless("bob", BOB, ACCOUNTS)
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_one_bundle_twice_is_one_signer() {
    for author in Author::all() {
        let stage = both(author.signer(), keyless("other", BOB, ACCOUNTS));
        let bundle = author.signing(stage.draft()).v1().json();
        let failed = stage
            .refuses(&[bundle.clone(), bundle], ThresholdUnmet)
            .await;
        assert_eq!(signers(&failed), [author.name()]);
        let said = format!(
            "1 of the 2 required signers signed this component ({})",
            author.name()
        );
        assert!(
            failed["reason"].as_str().unwrap().starts_with(&said),
            "{failed}"
        );
    }
}

/// A key that stays and one that is made anew for each certificate.
#[tokio::test(flavor = "multi_thread")]
async fn s14_two_certificates_of_one_identity_are_one_signer() {
    let stage = both(ada(), bob());
    let draft = stage.draft().identity(ADA, ACCOUNTS);
    let later = draft.clone().at(SIGNED_AT + DAY);
    let bundles = [draft.v1(), draft.v2(), later.v1()].map(|it| it.json());
    let failed = stage.refuses(&bundles, ThresholdUnmet).await;
    assert_eq!(signers(&failed), ["ada"]);
    let bobs = stage.draft().identity(BOB, ACCOUNTS).v1().json();
    let bundles = [bundles.as_slice(), &[bobs]].concat();
    assert_eq!(stage.runs(&bundles).await, ["ada", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_one_key_under_two_identities_is_one_signer() {
    let stage = both(ada(), bob());
    let key = Key::generate();
    let signed = |identity| {
        stage
            .draft()
            .identity(identity, ACCOUNTS)
            .leaf_key(&key)
            .v1()
            .json()
    };
    let failed = stage
        .refuses(&[signed(ADA), signed(BOB)], ThresholdUnmet)
        .await;
    assert_eq!(signers(&failed), ["ada"]);
    let said = "its key has signed for another signer already";
    assert!(reasons(&failed)[0].ends_with(said), "{failed}");
}

/// A managed key that is in a certificate as well.
#[tokio::test(flavor = "multi_thread")]
async fn s14_one_key_with_and_without_certificate_is_one_signer() {
    let key = Key::generate();
    let stage = both(ada(), keyed("owner", &[&key]));
    let certified = stage
        .draft()
        .identity(ADA, ACCOUNTS)
        .leaf_key(&key)
        .v1()
        .json();
    let managed = stage.draft().key(&key);
    for managed in [managed.unlogged(), managed.v1(), managed.v2()] {
        for bundles in [
            [certified.clone(), managed.json()],
            [managed.json(), certified.clone()],
        ] {
            stage.refuses(&bundles, ThresholdUnmet).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_two_keys_or_identities_of_one_signer_are_one_signer() {
    let keys = [Key::generate(), Key::generate()];
    let mut ada = keyed("ada", &[&keys[0], &keys[1]]);
    ada.identities = [keyless("", ADA, ACCOUNTS), keyless("", RELEASE, GITHUB)]
        .into_iter()
        .flat_map(|signer| signer.identities)
        .collect();
    let stage = both(ada, bob());
    let bundles = [
        stage.draft().key(&keys[0]).unlogged(),
        stage.draft().key(&keys[1]).v1(),
        stage.draft().identity(ADA, ACCOUNTS).v1(),
        stage.draft().identity(RELEASE, GITHUB).v2(),
    ];
    let failed = stage
        .refuses(&bundles.map(|it| it.json()), ThresholdUnmet)
        .await;
    assert_eq!(signers(&failed), ["ada"]);
    assert_eq!(failed["signatures_valid"], 1);
}

/// Who is named exactly is that signer, and does not count for a pattern of
/// another's that fits as well.
#[tokio::test(flavor = "multi_thread")]
async fn s14_an_identity_that_fits_a_pattern_too_is_one_signer() {
    let all = || fitting("all", "*@example.com", ACCOUNTS);
    for (one, other) in [(ada(), all()), (all(), ada())] {
        let stage = both(one, other);
        let adas = || stage.draft().identity(ADA, ACCOUNTS).v1().json();
        let bobs = || stage.draft().identity(BOB, ACCOUNTS).v1().json();
        let failed = stage.refuses(&[adas(), adas()], ThresholdUnmet).await;
        assert_eq!(signers(&failed), ["ada"]);
        let failed = stage.refuses(&[bobs(), bobs()], ThresholdUnmet).await;
        assert_eq!(signers(&failed), ["all"]);
        assert_eq!(stage.runs(&[adas(), bobs()]).await, ["ada", "all"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_who_must_sign_cannot_be_replaced() {
    let key = Key::generate();
    let people = [ada(), bob(), keyed("owner", &[&key])];
    let rule = Rule {
        all_of: [SignerName::new("owner")].into(),
        ..some_of(&["ada", "bob"], 1)
    };
    let stage = Stage::with_rules(&people, vec![rule]);
    let adas = stage.draft().identity(ADA, ACCOUNTS).v1().json();
    let bobs = stage.draft().identity(BOB, ACCOUNTS).v1().json();
    let owners = stage.draft().key(&key).unlogged().json();
    let failed = stage.refuses(&[adas.clone(), bobs], ThresholdUnmet).await;
    assert_eq!(failed["policy"], "*: owner and 1 of ada, bob");
    stage
        .refuses(&[owners.clone(), owners.clone()], ThresholdUnmet)
        .await;
    assert_eq!(stage.runs(&[adas, owners]).await, ["ada", "owner"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_an_invalid_signature_neither_helps_nor_hurts() {
    let key = Key::generate();
    let people = [ada(), bob(), keyed("owner", &[&key])];
    let stage = Stage::with_rules(&people, vec![some_of(&["ada", "bob", "owner"], 2)]);
    let draft = stage.draft().identity(BOB, ACCOUNTS);
    let good = stage.draft().identity(ADA, ACCOUNTS).v1().json();
    let third = stage.draft().key(&key).unlogged().json();
    for (name, tamper) in tamper::all(&draft, Evidence::V1) {
        let bad = tamper(&draft, Evidence::V1).json();
        let failed = stage
            .refuses(&[bad.clone(), good.clone()], ThresholdUnmet)
            .await;
        assert_eq!(signers(&failed), ["ada"], "{name}");
        assert_eq!(reasons(&failed).len(), 1, "{name}");
        let all = [bad, good.clone(), third.clone()];
        assert_eq!(stage.runs(&all).await, ["ada", "owner"], "{name}");
    }
}

/// Who signed with which key.
#[derive(Clone, Debug)]
struct Signature {
    by: usize,
    key: usize,
    bundle: String,
}

/// The most signers that can be told apart: each with a key that no other of
/// them uses.
fn distinct(signatures: &[&Signature], used: &BTreeSet<usize>, from: usize) -> usize {
    let Some(next) = signatures
        .iter()
        .map(|it| it.by)
        .filter(|by| *by >= from)
        .min()
    else {
        return 0;
    };
    let without = distinct(signatures, used, next + 1);
    let own = signatures
        .iter()
        .filter(|it| it.by == next && !used.contains(&it.key));
    let with = own.map(|it| {
        let used = used.iter().copied().chain([it.key]).collect();
        1 + distinct(signatures, &used, next + 1)
    });
    with.chain([without]).max().unwrap_or_default()
}

const NAMES: [&str; 3] = ["ada", "bob", "owner"];

/// Signatures of three people with three keys among them; the last two keys are
/// the managed ones of the last person.
fn pool(stage: &Stage, keys: &[Key; 3]) -> Vec<Signature> {
    let mut pool = Vec::new();
    for (key, pair) in keys.iter().enumerate() {
        for (by, identity) in [ADA, BOB].into_iter().enumerate() {
            let draft = stage.draft().identity(identity, ACCOUNTS).leaf_key(pair);
            pool.push(Signature {
                by,
                key,
                bundle: draft.v1().json(),
            });
        }
        if key > 0 {
            let bundle = stage.draft().key(pair).unlogged().json();
            pool.push(Signature { by: 2, key, bundle });
        }
    }
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_s15_exactly_enough_people_with_keys_of_their_own_suffice() {
    const SEED: u64 = 14;
    let keys = [Key::generate(), Key::generate(), Key::generate()];
    let people = [ada(), bob(), keyed("owner", &[&keys[1], &keys[2]])];
    let mut random = Rng::with_seed(SEED);
    let mut outcomes = [0, 0];
    for threshold in 1..=3 {
        let rule = some_of(&NAMES, threshold);
        let stage = Stage::with_rules(&people, vec![rule]);
        let pool = pool(&stage, &keys);
        for _ in 0..150 {
            let count = random.usize(1..=5);
            let chosen: Vec<&Signature> = (0..count).filter_map(|_| random.choice(&pool)).collect();
            let bundles: Vec<String> = chosen.iter().map(|it| it.bundle.clone()).collect();
            let path = stage.lay(&bundles);
            let enough = distinct(&chosen, &BTreeSet::new(), 0) >= usize::from(threshold);
            let who: Vec<_> = chosen.iter().map(|it| (NAMES[it.by], it.key)).collect();
            let loaded = stage.bench.host().load(&path).await;
            let kind = loaded.err().map(|error| error.kind());
            let expected = if enough { None } else { Some(ThresholdUnmet) };
            assert_eq!(kind, expected, "{threshold} of {who:?}");
            outcomes[usize::from(enough)] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 50), "{outcomes:?}");
}
