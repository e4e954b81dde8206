//! S17: a trusted root that is replaced while skills are served.

use sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
use skillhost::Kind::{ConfigInsecure, ConfigInvalid, SignatureInvalid, TrustRootInvalid};
use skillhost_test_world::{IDENTITY, ISSUER, World};
use skillhost_tests::operator::{AUTHOR, ROOT};
use skillhost_tests::{Bench, Operator};

use super::{
    assert_refused, assert_says, assert_says_after, bundle_of, says_so, told, write_signed_by,
};

/// A host that believes the world, in which somebody signed the skill.
async fn serving(world: &World) -> (Operator, Bench) {
    let operator = Operator::new();
    operator.put(ROOT, world.trusted_root());
    let somebody = format!(
        "signers.somebody.identities = [{{ issuer = \"{ISSUER}\", identity = \"{IDENTITY}\" }}]\nthreshold = 1\n"
    );
    operator.trust(&[AUTHOR, &somebody].concat());
    let bench = operator.bench();
    let path = write_signed_by(&bench, &says_so("one"), &[]);
    let bundle = world.bundle(&says_so("one")).v1();
    std::fs::write(bundle_of(&path), bundle.json()).unwrap();
    bench.host().load(&path).await.unwrap();
    assert_says(&bench, "one").await;
    (operator, bench)
}

#[tokio::test(flavor = "multi_thread")]
async fn s17_rubbish_leaves_the_root_that_was_there() {
    let world = World::new();
    let (operator, bench) = serving(&world).await;
    let cut = &world.trusted_root()[..1000];
    for (number, (rubbish, kind)) in [
        ("", TrustRootInvalid),
        ("{}", TrustRootInvalid),
        ("null", TrustRootInvalid),
        (cut, TrustRootInvalid),
        (
            "{\"mediaType\": \"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}",
            TrustRootInvalid,
        ),
        (&" ".repeat(3 << 20), ConfigInvalid),
    ]
    .into_iter()
    .enumerate()
    {
        operator.put(ROOT, rubbish);
        assert_says(&bench, "one").await;
        let rejected = told(&bench, "trust.rejected", "kind");
        assert_eq!(rejected[number..], [kind.to_string()], "{rubbish:.100}");
        assert_eq!(operator.refusal(), Some(kind), "{rubbish:.100}");
        operator.put(ROOT, world.trusted_root());
        assert_says(&bench, "one").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s17_a_root_that_others_may_write_is_not_believed() {
    let world = World::new();
    let (operator, bench) = serving(&world).await;
    operator.expose(ROOT, true);
    assert_says(&bench, "one").await;
    assert_eq!(told(&bench, "trust.rejected", "kind"), ["ConfigInsecure"]);
    assert_eq!(operator.refusal(), Some(ConfigInsecure));
}

/// A root that can be used takes effect at the next call: what only the old
/// one vouched for is refused, and runs again under the old one.
#[tokio::test(flavor = "multi_thread")]
async fn s17_another_root_counts_at_the_next_call() {
    let world = World::new();
    let (operator, bench) = serving(&world).await;
    for other in [
        World::new().trusted_root(),
        SIGSTORE_PRODUCTION_TRUSTED_ROOT.to_owned(),
    ] {
        operator.put(ROOT, other);
        assert_refused(&bench, SignatureInvalid, &["verify.failed"]).await;
        operator.put(ROOT, world.trusted_root());
        assert_says_after(&bench, "one", &["verify.passed"]).await;
    }
    // Without a file, it is Sigstore's public one.
    operator.remove(ROOT);
    assert_refused(&bench, SignatureInvalid, &["verify.failed"]).await;
}
