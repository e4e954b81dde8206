//! S31 and P08: what is denied stops at once, whether it runs or not.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use skillhost::Kind::{Cancelled, IdentityMismatch, Revoked};
use skillhost::artifact::Digest;
use skillhost::verify::{Denial, Denied};
use skillhost_test_world::{Bundle, IDENTITY, ISSUER, Key, SIGNED_AT, World, pointer};
use skillhost_tests::operator::{AUTHOR, DENY_LIST, DENYING, ROOT};
use skillhost_tests::{Bench, Operator, pack};

use super::{
    Running, assert_refused, assert_says, assert_says_after, bundle_of, digest_of, expect_refused,
    first, now, run, says_so, told, write_signed_by,
};

/// Refused at the next call: the files are as they were, trust is not.
const REFUSED: [&str; 2] = ["skill.revoked", "verify.failed"];

fn digest(component: &[u8]) -> Denied {
    Denied::Digest(Digest::of(component))
}

fn key(operator: &Operator, name: &str) -> Denied {
    Denied::Key(operator.key(name).public().hint())
}

fn identity(identity: &str) -> Denied {
    Denied::Identity {
        issuer: ISSUER.to_owned(),
        identity: identity.to_owned(),
    }
}

/// One guest computes and the other waits in the host; a third has nothing to
/// do with it.
#[tokio::test(flavor = "multi_thread")]
async fn s31_what_runs_is_stopped_when_it_is_denied() {
    let operator = Operator::denying();
    let bench = Arc::new(operator.bench());
    let computing = Running::start(&bench, "loop_forever", "spin").await;
    let waiting = Running::start(&bench, "sleep_forever", "sleep").await;
    let denied = ["loop_forever", "sleep_forever"].map(|it| Denied::Digest(digest_of(it)));

    let since = now();
    operator.deny(2, &denied[..1]);
    let called = computing.stopped_after(since).await;
    called.expect(Revoked, &["skill.revoked"]);
    assert!(called.error().message().contains("it was stolen"));
    assert!(called.usage().fuel > 0, "{:?}", called.usage());
    assert!(waiting.is_running());

    let since = now();
    operator.deny(3, &denied);
    let called = waiting.stopped_after(since).await;
    called.expect(Revoked, &["skill.revoked"]);

    for (guest, tool) in [("loop_forever", "spin"), ("sleep_forever", "sleep")] {
        let called = bench.call(guest, tool, json!({})).await;
        expect_refused(&called, Revoked, &REFUSED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s31_what_is_not_denied_goes_on() {
    let operator = Operator::denying();
    let bench = Arc::new(operator.bench());
    let other = Running::start(&bench, "sleep_forever", "sleep").await;
    let denied = Running::start(&bench, "loop_forever", "spin").await;
    let since = now();
    operator.deny(2, &[Denied::Digest(digest_of("loop_forever"))]);
    denied.stopped_after(since).await;
    tokio::time::sleep(super::PROMPT).await;
    assert!(other.is_running());
    assert_eq!(other.cancel().await.kind(), Cancelled);
    assert_eq!(told(&bench, "trust.changed", "trust_generation"), [2]);
    assert_eq!(bench.records().named("skill.revoked").len(), 1);
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s31_a_signer_who_leaves_the_policy_stops_what_runs() {
    let operator = Operator::new();
    let bob = operator.key("bob");
    operator.trust(&[AUTHOR, "signers.bob.keys = [\"bob.pub\"]\nthreshold = 1\n"].concat());
    let bench = Arc::new(operator.bench());
    let path = pack::write_signed(
        bench.folder(),
        "sleep-forever",
        &pack::rust("sleep_forever"),
        &bob,
    );
    bench.host().load(&path).await.unwrap();
    let running = Running::start(&bench, "sleep_forever", "sleep").await;
    let since = now();
    operator.trust(AUTHOR);
    let called = running.stopped_after(since).await;
    called.expect(IdentityMismatch, &["skill.revoked"]);
    let called = bench.call("sleep_forever", "sleep", json!({})).await;
    expect_refused(&called, IdentityMismatch, &["verify.failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_a_component_that_is_denied_is_not_loaded_and_not_compiled() {
    let operator = Operator::denying();
    operator.deny(2, &[digest(&says_so("one"))]);
    let bench = operator.bench();
    assert_eq!(bench.refused("says", &says_so("one")).await.kind(), Revoked);
    assert_eq!(told(&bench, "skill.revoked", "skill"), ["says"]);
    bench.load("says", &says_so("other")).await.unwrap();
    assert_says(&bench, "other").await;
}

/// When it is denied it is refused, although its file was loaded; when a newer
/// list no longer names it, it runs, and is not compiled anew.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_denial_can_be_lifted_by_a_newer_list() {
    let operator = Operator::denying();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    assert_says(&bench, "one").await;
    operator.deny(2, &[digest(&says_so("one"))]);
    for _ in 0..2 {
        let called = assert_refused(&bench, Revoked, &REFUSED).await;
        assert_eq!(first(&called, "verify.failed")["trust_generation"], 2);
    }
    let before = bench.codes();
    operator.deny(3, &[]);
    assert_says_after(&bench, "one", &["verify.passed"]).await;
    assert_eq!(bench.codes(), before);
}

/// A second signer is enough when the first one's key is denied, if the policy
/// is content with either.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_denied_key_takes_away_its_own_signature_only() {
    let operator = Operator::denying();
    let [author, bob] = ["author", "bob"].map(|name| operator.key(name));
    let signers = [AUTHOR, DENYING, "signers.bob.keys = [\"bob.pub\"]\n"].concat();
    let bench = operator.bench();
    let path = write_signed_by(&bench, &says_so("one"), &[("a", &author), ("b", &bob)]);
    bench.host().load(&path).await.unwrap();
    operator.trust(&[&signers, "threshold = 1\n"].concat());
    operator.deny(2, &[key(&operator, "author")]);
    let called = bench.invoke(run()).await;
    assert_eq!(called.signers(), ["bob"]);
    operator.trust(&[&signers, "threshold = 2\n"].concat());
    let called = assert_refused(&bench, Revoked, &REFUSED).await;
    assert_eq!(first(&called, "verify.failed")["signatures_valid"], 1);
}

/// A host that believes a Sigstore of its own, where `somebody` signs, and a
/// managed key.
struct Keyless {
    operator: Operator,
    bench: Bench,
    world: World,
    managed: Key,
}

impl Keyless {
    fn new() -> Self {
        let (operator, world, managed) = (Operator::denying(), World::new(), Key::generate());
        operator.put(ROOT, world.trusted_root());
        operator.put("ci.pub", managed.public_pem());
        let somebody = format!(
            "signers.somebody.identities = [{{ issuer = \"{ISSUER}\", identity = \"{IDENTITY}\" }}]\n"
        );
        let ci = "signers.ci.keys = [\"ci.pub\"]\nthreshold = 1\n";
        operator.trust(&[AUTHOR, DENYING, &somebody, ci].concat());
        Self {
            bench: operator.bench(),
            operator,
            world,
            managed,
        }
    }

    /// Loads the skill that answers `one` with that bundle.
    async fn load(&self, bundle: &Bundle) {
        let path = write_signed_by(&self.bench, &says_so("one"), &[]);
        self.write(bundle);
        self.bench.host().load(&path).await.unwrap();
    }

    fn write(&self, bundle: &Bundle) {
        std::fs::write(bundle_of(&self.bench.path("says")), bundle.json()).unwrap();
    }

    /// Denies somebody's signatures from that moment on.
    fn deny_after(&self, version: u64, deny: &Denied, seconds: i64) {
        let denial = Denial {
            deny: deny.clone(),
            signed_after: Some(Timestamp::from_second(seconds).unwrap()),
            reason: None,
        };
        let list = self.operator.list(version, [denial]);
        self.operator.put(DENY_LIST, self.operator.signed(&list));
    }
}

/// A key is denied by what it is, not by what a bundle calls it.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_denied_key_has_no_other_name() {
    let keyless = Keyless::new();
    let (component, hint) = (says_so("one"), keyless.managed.hint());
    let bundle = keyless.world.bundle(&component).key(&keyless.managed);
    keyless.load(&bundle.unlogged()).await;
    assert_says(&keyless.bench, "one").await;
    keyless.operator.deny(2, &[Denied::Key(hint)]);
    assert_refused(&keyless.bench, Revoked, &REFUSED).await;
    // Older clients write the id in hexadecimal digits, or none.
    let id = Digest::of(&keyless.managed.public_der()).to_string();
    for other in ["", id.strip_prefix("sha256:").unwrap()] {
        keyless.write(&bundle.unlogged().with(pointer::HINT, other));
        let events = ["artifact.changed", "skill.revoked", "verify.failed"];
        assert_refused(&keyless.bench, Revoked, &events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s31_an_identity_is_denied_exactly() {
    let keyless = Keyless::new();
    let bench = &keyless.bench;
    keyless
        .load(&keyless.world.bundle(&says_so("one")).v1())
        .await;
    assert_says(bench, "one").await;
    let elsewhere = Denied::Identity {
        issuer: "https://elsewhere.test".to_owned(),
        identity: IDENTITY.to_owned(),
    };
    let others = [identity("author@skillhost.tes"), identity("*"), elsewhere];
    keyless.operator.deny(2, &others);
    assert_says_after(bench, "one", &["verify.passed"]).await;
    keyless.operator.deny(3, &[identity(IDENTITY)]);
    assert_refused(bench, Revoked, &REFUSED).await;
}

/// What was signed before a key was stolen still runs, if somebody else vouches
/// for when that was.
#[tokio::test(flavor = "multi_thread")]
async fn s31_signatures_are_denied_from_a_moment_on() {
    let keyless = Keyless::new();
    let (bench, world, managed) = (&keyless.bench, &keyless.world, &keyless.managed);
    let component = says_so("one");
    let by_key = world.bundle(&component).key(managed);
    let mut version = 1;
    for (bundle, deny, proves_time) in [
        (world.bundle(&component).v2(), identity(IDENTITY), true),
        (by_key.v1(), Denied::Key(managed.hint()), true),
        (by_key.unlogged(), Denied::Key(managed.hint()), false),
    ] {
        keyless.load(&bundle).await;
        keyless.deny_after(version + 1, &deny, SIGNED_AT + 1);
        if proves_time {
            assert_says_after(bench, "one", &["verify.passed"]).await;
        } else {
            assert_refused(bench, Revoked, &REFUSED).await;
        }
        keyless.deny_after(version + 2, &deny, SIGNED_AT - 1);
        assert_refused(bench, Revoked, &REFUSED).await;
        version += 3;
        keyless.operator.deny(version, &[]);
    }
}

/// No call that begins after the list was written goes by an older one, and
/// nothing is loaded by an older one.
#[tokio::test(flavor = "multi_thread")]
async fn s31_no_call_that_begins_later_slips_through() {
    let operator = Operator::denying();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    for version in 1..=100 {
        operator.deny(2 * version, &[digest(&says_so("one"))]);
        if version % 2 == 0 {
            assert_refused(&bench, Revoked, &REFUSED).await;
        } else {
            let error = bench.host().load(&bench.path("says")).await.unwrap_err();
            assert_eq!(error.kind(), Revoked);
        }
        operator.deny(2 * version + 1, &[]);
        assert_says_after(&bench, "one", &["verify.passed"]).await;
    }
}
