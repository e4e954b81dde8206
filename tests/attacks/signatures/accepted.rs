//! Good signatures of every kind, without which a refusal would say nothing.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_good_bundle_runs_and_no_other() {
    let mut accepted = 0;
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        for way in ways(&stage, &author) {
            let bundle = way.bundle();
            if way.is_enough(&author) {
                assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
                accepted += 1;
            } else {
                stage.refuses(&[bundle], SignatureInvalid).await;
            }
        }
    }
    assert_eq!(accepted, 116);
}

/// Nothing that another world minted counts here, however good it is.
#[tokio::test(flavor = "multi_thread")]
async fn s10_logs_and_authorities_of_another_world_vouch_for_nothing() {
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        let elsewhere = Stage::new(&[author.signer()]);
        for way in good_ways(&elsewhere, &author) {
            let bundle = way.bundle();
            assert_eq!(
                elsewhere.runs(std::slice::from_ref(&bundle)).await,
                [author.name()]
            );
            if way.evidence == Evidence::None && !way.stamped {
                assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
            } else {
                stage.refuses(&[bundle], SignatureInvalid).await;
            }
        }
    }
}
