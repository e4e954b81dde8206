//! R08 to R11 and X06: memory and tables.

use serde_json::json;
use skillhost::Kind::{ComponentInvalid, MemoryLimit, Trapped};
use skillhost_tests::bench::invocation;
use skillhost_tests::guests::Core;
use skillhost_tests::{Bench, Scale, alone, grant, guests, pack};

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

/// A hundred of anything that has a memory or a table: in one instance, or in
/// components within components.
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_hundred_memories_are_refused() {
    let bench = Bench::new();
    let hundred = |part: &str| part.repeat(100);
    let tables = format!(
        "(core module $many (memory 1) {})",
        hundred("(table 1 funcref)")
    );
    let inner =
        "(component $many (core module $one (memory 1)) (core instance (instantiate $one)))";
    for parts in [
        "(core module $many (memory 1))".to_owned()
            + &hundred("(core instance (instantiate $many))"),
        tables + "(core instance (instantiate $many))",
        "(core module $many (table 1 funcref))".to_owned()
            + &hundred("(core instance (instantiate $many))"),
        inner.to_owned() + &hundred("(instance (instantiate $many))"),
        doubling(inner, 12),
    ] {
        let component = guests::text_with("honest", &parts);
        let skill = pack::with_manifest(&component, pack::plain_source("many"));
        let error = bench.load("many", &skill).await.unwrap_err();
        assert_eq!(error.kind(), ComponentInvalid, "{parts:.200}");
    }
    bench.assert_serving().await;
}

/// Components of which each holds two of the one before.
fn doubling(first: &str, steps: u32) -> String {
    let component = (0..steps).fold(first.to_owned(), |inner, _| {
        format!("(component $many {inner} (instance (instantiate $many)) (instance (instantiate $many)))")
    });
    component + "(instance (instantiate $many))"
}

/// What is granted is granted: it is resident, and no more than that.
#[test]
fn r08_no_more_is_resident_than_was_granted() {
    alone(
        "memory::r08_no_more_is_resident_than_was_granted",
        || async {
            let bench = Bench::with(|setup| setup.limits.memory = 64 * MIB);
            bench.call("eat_memory", "eat", json!({})).await;
            let scale = Scale::begin();
            for _ in 0..3 {
                let called = bench.call("eat_memory", "eat", json!({})).await;
                called.expect(MemoryLimit, &["limit.exceeded"]);
            }
            scale
                .end(64 * MIB + 16 * MIB, std::time::Duration::from_secs(10))
                .await;
        },
    );
}

/// Data at both ends of a memory makes nothing in between resident; data that
/// does not fit, or that is larger than the memory may be, is refused.
#[test]
fn r11_data_takes_no_more_than_itself() {
    alone("memory::r11_data_takes_no_more_than_itself", || async {
        let bench = Bench::new();
        bench.assert_serving().await;
        let at = |place: u64| format!("(data (i32.const {place}) \"x\")");
        let apart = at(0) + &at(200 * MIB);
        let component = Core {
            pages: 3998,
            parts: &apart,
            ..Core::default()
        }
        .component();
        let scale = Scale::begin();
        let called = bench.call_component(&component).await;
        assert_eq!(called.usage().memory_bytes, 4000 * (64 << 10));
        scale
            .end(32 * MIB, std::time::Duration::from_secs(10))
            .await;

        let outside = Core {
            parts: &at(200 * MIB),
            ..Core::default()
        }
        .component();
        bench
            .call_component(&outside)
            .await
            .expect(Trapped, &["guest.trapped"]);

        let many: String = (0..20_000_u64).map(|n| at(n * 4096)).collect();
        let component = Core {
            pages: 3998,
            parts: &many,
            ..Core::default()
        }
        .component();
        let called = bench.call_component(&component).await;
        assert_eq!(called.usage().memory_bytes, 4000 * (64 << 10));
    });
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
