//! X06: what an earlier tenant of a pool leaves in memory and in tables, under
//! each setting that the pool can have here.

use wasmtime::{
    Config, Enabled, Engine, Instance, InstanceAllocationStrategy, Module, PoolingAllocationConfig,
    Store, TypedFunc,
};

/// Two MiB of memory and two hundred slots of a table, which one tenant fills
/// and the next one looks through for anything that is not empty.
const TENANT: &str = r#"(module
    (memory 32)
    (table $t 200 funcref)
    (func $mark)
    (elem declare func $mark)
    (func (export "leave") (result i64)
        (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 0x200000))
        (table.fill $t (i32.const 0) (ref.func $mark) (i32.const 200))
        (i64.const 0))
    (func (export "find") (result i64) (local $at i32) (local $found i64)
        (loop $bytes
            (local.set $found (i64.add (local.get $found)
                (i64.extend_i32_u (i64.ne (i64.const 0) (i64.load (local.get $at))))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $bytes (i32.lt_u (local.get $at) (i32.const 0x200000))))
        (local.set $at (i32.const 0))
        (loop $slots
            (local.set $found (i64.add (local.get $found)
                (i64.extend_i32_u (i32.eqz (ref.is_null (table.get $t (local.get $at)))))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $slots (i32.lt_u (local.get $at) (i32.const 200))))
        (local.get $found)))"#;

/// How often one tenant follows another.
const SCANS: u32 = 90;

/// A pool with few slots, so that each is used again at once.
fn pool(resident: usize, batch: usize, pagemap: Enabled) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(2)
        .total_tables(2)
        .total_core_instances(2)
        .max_memory_size(64 << 20)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(resident)
        .decommit_batch_size(batch)
        .pagemap_scan(pagemap);
    pool
}

/// The host's settings with another pool.
fn settings(pool: Option<PoolingAllocationConfig>, copy_on_write: bool) -> Config {
    let mut config = skillhost::compile::config(2);
    config.memory_init_cow(copy_on_write);
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn call(engine: &Engine, module: &Module, function: &str) -> i64 {
    let mut store = Store::new(engine, ());
    store.set_fuel(u64::MAX).unwrap();
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let function: TypedFunc<(), i64> = instance.get_typed_func(&mut store, function).unwrap();
    function.call(&mut store, ()).unwrap()
}

#[test]
fn x06_nothing_of_an_earlier_tenant_is_left_under_any_setting_of_the_pool() {
    let scans = if PoolingAllocationConfig::is_pagemap_scan_available() {
        vec![Enabled::No, Enabled::Yes]
    } else {
        vec![Enabled::No]
    };
    let mut all = vec![settings(None, true), settings(None, false)];
    for pagemap in scans {
        for (resident, batch) in [(0, 1), (0, 16), (64 << 10, 1), (4 << 20, 16)] {
            for copy_on_write in [true, false] {
                all.push(settings(
                    Some(pool(resident, batch, pagemap)),
                    copy_on_write,
                ));
            }
        }
    }
    for (number, config) in all.iter().enumerate() {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wat::parse_str(TENANT).unwrap()).unwrap();
        for scan in 0..SCANS {
            assert_eq!(call(&engine, &module, "leave"), 0);
            let found = call(&engine, &module, "find");
            assert_eq!(found, 0, "setting {number}, scan {scan}");
        }
    }
}
