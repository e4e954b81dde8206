//! S30: a clock that is turned back, so that what has expired counts again.

use jiff::SignedDuration;
use skillhost::Kind::{ConfigInsecure, Expired};
use skillhost_tests::Operator;

use super::{assert_refused, assert_says, assert_says_after, says_so, told};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn s30_a_later_host_sees_that_the_clock_went_back() {
    let operator = Operator::denying();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    drop(bench);
    operator.clock().turn(-DAY);
    let later = operator.bench();
    let path =
        skillhost_tests::pack::write_signed(later.folder(), "says", &says_so("one"), later.key());
    let error = later.host().load(&path).await.unwrap_err();
    assert_eq!((error.kind(), later.codes()), (ConfigInsecure, 0));
    assert!(
        error.hint().unwrap().contains("Set the clock."),
        "{error:?}"
    );
    assert_eq!(told(&later, "config.insecure", "severity"), ["high"]);
    operator.clock().turn(DAY);
    later.host().load(&path).await.unwrap();
    assert_says(&later, "one").await;
}

/// The list has expired, and no older time brings it back, nor does a file that
/// is put into place anew.
#[tokio::test(flavor = "multi_thread")]
async fn s30_what_has_expired_does_not_come_back() {
    let operator = Operator::denying();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    operator.clock().turn(DAY * 30);
    assert_refused(&bench, Expired, &["verify.failed"]).await;
    operator.clock().turn(-DAY);
    let events = ["config.insecure", "skill.rejected"];
    for _ in 0..2 {
        assert_refused(&bench, ConfigInsecure, &events).await;
    }
    bench.replace("says", &says_so("one"));
    let events = ["artifact.changed", "config.insecure", "skill.rejected"];
    assert_refused(&bench, ConfigInsecure, &events).await;
    operator.clock().turn(DAY);
    operator.deny(2, &[]);
    let accepted = ["artifact.changed", "verify.passed", "skill.loaded"];
    assert_says_after(&bench, "one", &accepted).await;
}

/// A verdict that stood yesterday does not stand when yesterday comes back.
#[tokio::test(flavor = "multi_thread")]
async fn s30_a_clock_that_goes_back_between_two_calls_is_seen() {
    let operator = Operator::denying();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    operator.clock().turn(DAY);
    assert_says(&bench, "one").await;
    operator.clock().turn(-DAY);
    assert_refused(
        &bench,
        ConfigInsecure,
        &["config.insecure", "skill.rejected"],
    )
    .await;
    operator.clock().turn(DAY);
    assert_says(&bench, "one").await;
}

/// What time services mend in one step is no attack.
#[tokio::test(flavor = "multi_thread")]
async fn s30_a_small_step_back_is_no_attack() {
    let operator = Operator::new();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    operator.clock().turn(MINUTE * -4);
    assert_says(&bench, "one").await;
    bench.load("says", &says_so("one")).await.unwrap();
    assert_eq!(told(&bench, "config.insecure", "event").len(), 0);
}
