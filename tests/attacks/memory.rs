//! R08 to R11 and X06: memory and tables.

use serde_json::json;
use skillhost::Kind::{ComponentInvalid, MemoryLimit};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, grant, guests, pack};

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn eat_memory() {
    let bench = Bench::with(|setup| setup.limits.memory = 64 * MIB);
    let called = bench.call("eat_memory", "eat", json!({})).await;
    called.expect(MemoryLimit, &["limit.exceeded"]);
    assert!(
        called.usage().memory_bytes <= 64 * MIB,
        "{:?}",
        called.usage()
    );
    assert!(
        called.usage().memory_bytes > 32 * MIB,
        "{:?}",
        called.usage()
    );
    assert!(called.hint().contains("`--memory`"), "{}", called.hint());
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn big_memory() {
    let called = Bench::new().call_text("big_memory").await;
    called.expect(MemoryLimit, &["limit.exceeded"]);
    assert_eq!(called.usage().memory_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn big_table() {
    let bench = Bench::new();
    let error = bench
        .load("big-table", &pack::text("big_table"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ComponentInvalid, "{error:?}");
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn table_grow() {
    let bench = Bench::with(|setup| grant(setup, "table_grow").limits.memory = Some(200_000));
    let called = bench.call_text("table_grow").await;
    called.expect(MemoryLimit, &["limit.exceeded"]);
}

/// Each memory alone is within the limit.
#[tokio::test(flavor = "multi_thread")]
async fn r09_all_memories_of_a_call_share_one_limit() {
    let more = "(core module $big (memory 1600))".to_owned()
        + &"(core instance (instantiate $big))".repeat(3);
    let component = guests::text_with("honest", &more);
    let skill = pack::with_manifest(&component, pack::plain_source("memories"));
    let bench = Bench::new();
    bench.load("memories", &skill).await.unwrap();
    let called = bench.invoke(invocation("memories", "run", json!({}))).await;
    called.expect(MemoryLimit, &["limit.exceeded"]);
    assert_eq!(called.usage().memory_bytes, 2 * 100 * MIB);
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn scan_memory() {
    let bench = Bench::new();
    for _ in 0..4 {
        let left = bench
            .call("scan_memory", "leave", json!({"mark": 0xa5}))
            .await;
        assert_eq!(left.structured(), 512);
        let found = bench.call("scan_memory", "find", json!({})).await;
        assert_eq!(found.structured(), 0);
    }
}
