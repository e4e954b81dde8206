//! Engine settings, each for speed or for a smaller attack surface; the figures
//! are in `docs/decisions/0002-engine-settings.md`.

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
};

use crate::policy::limits::MAX_MEMORY;

/// Core instances of one call.
pub(crate) const CORE_INSTANCES: u32 = 32;

/// Memories of one call.
pub(crate) const MEMORIES: u32 = 4;

/// Tables of one call.
pub(crate) const TABLES: u32 = 8;

/// Memories of all calls: each takes 4 GiB of the 128 TiB of addresses. Beyond
/// 5,000 calls at once they share these.
const MAX_MEMORIES: u32 = 20_000;

/// The settings of a host: how code is made, and how it is run, so many calls at
/// once.
#[must_use]
pub fn config(calls: u32) -> Config {
    let mut config = code_config();
    config
        .memory_init_cow(true)
        .async_stack_size(1 << 20)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(calls)));
    config
}

/// The settings on which machine code depends. A compiler needs no more: it
/// runs nothing, and reserves no memory for what runs.
pub(super) fn code_config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        .max_wasm_stack(512 << 10)
        .relaxed_simd_deterministic(true);
    refuse_features(&mut config);
    config
}

/// No guest toolchain that we know emits these.
fn refuse_features(config: &mut Config) {
    config
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
}

/// Slots that are kept warm: a fresh instance costs about ten microseconds.
fn pool(calls: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // As many as all calls together can take: one that takes its share leaves
    // the others theirs.
    pool.total_component_instances(calls)
        .total_stacks(calls)
        .total_core_instances(calls.saturating_mul(CORE_INSTANCES))
        .total_memories(calls.saturating_mul(MEMORIES).min(MAX_MEMORIES))
        .total_tables(calls.saturating_mul(TABLES))
        .max_memory_size(usize::try_from(MAX_MEMORY).unwrap_or(usize::MAX))
        .table_elements(20_000)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(16 << 10)
        .max_unused_warm_slots(64);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes);
    }
    pool
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use wasmtime::Engine;

    use super::*;

    #[test]
    fn there_are_addresses_for_ten_thousand_calls() {
        if let Err(cause) = Engine::new(&config(10_000)) {
            panic!("{cause:#}");
        }
    }

    /// Else a host would take nothing that its own compiler makes.
    #[test]
    fn a_compiler_makes_code_for_the_engine_of_a_host() {
        let [host, compiler] = [config(8), code_config()].map(|config| {
            let mut hash = DefaultHasher::new();
            let engine = Engine::new(&config).unwrap();
            engine.precompile_compatibility_hash().hash(&mut hash);
            hash.finish()
        });
        assert_eq!(host, compiler);
    }
}
