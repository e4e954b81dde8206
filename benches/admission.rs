//! What admission costs beside a bare check of the arguments against the same
//! schema: the caller's rules, the tool, size and cost of the arguments, screening,
//! and room that is taken and given back.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot be set up fails, and it prints its ratio"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::Criterion;
use serde_json::{Value, json};
use skillhost::compile::Worker;
use skillhost::event::audit::Durability;
use skillhost::invocation::{Input, Invocation};
use skillhost::manifest::section;
use skillhost::sign::PrivateKey;
use skillhost::verify::{Signer, TrustPolicy};
use skillhost::{Host, Setup};
use skillhost_tests::{audit_log, guests, pack};
use tokio::runtime::Runtime;

const GROUP: &str = "admission";

/// Arguments as a model makes them.
const ARGUMENTS: &str = r#"{"pattern": "fn main", "path": "src/host", "glob": "*.rs", "link": "https://example.com/a", "context": 2}"#;

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "minLength": 1, "maxLength": 1000},
            "path": {"type": "string", "maxLength": 4096, "x-skillhost-kind": "path"},
            "glob": {"type": "string", "maxLength": 1000},
            "link": {"type": "string", "format": "uri"},
            "context": {"type": "integer", "minimum": 0, "maximum": 20},
        },
        "required": ["pattern"],
        "additionalProperties": false,
    })
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut criterion = Criterion::default()
        .output_directory(&folder.path().join("criterion"))
        .configure_from_args();
    compare(&mut criterion, &runtime, folder.path());
    criterion.final_summary();
    let median = |name| skillhost_benches::median(&folder.path().join("criterion"), GROUP, name);
    if let (Some(schema), Some(all)) = (median("schema"), median("all")) {
        println!(
            "admission with schema check {:.2} us, bare schema check {:.2} us, ratio {:.2}",
            all / 1000.0,
            schema / 1000.0,
            all / schema
        );
    }
}

fn compare(criterion: &mut Criterion, runtime: &Runtime, folder: &Path) {
    let validator = jsonschema::options().build(&schema()).unwrap();
    let input = Input::parse(ARGUMENTS).unwrap();
    let (host, call) = runtime.block_on(host(folder, input.clone()));
    let mut group = criterion.benchmark_group(GROUP);
    group.bench_function("schema", |bencher| {
        bencher.iter(|| assert!(black_box(&validator).is_valid(input.value())));
    });
    group.bench_function("all", |bencher| {
        bencher
            .to_async(runtime)
            .iter(|| async { black_box(host.would_admit(&call).await).unwrap() });
    });
    group.finish();
}

/// A host with a skill of that schema, and a call of it.
async fn host(folder: &Path, input: Input) -> (Host, Invocation) {
    let key = PrivateKey::load_or_create(&folder.join("key")).unwrap();
    let signer = Signer::with_keys("bench", [key.public().clone()]);
    let audit = audit_log(folder, Durability::Flush);
    let mut setup = Setup::new(TrustPolicy::one(signer).unwrap(), audit);
    setup.compile.worker = Worker::InProcess;
    let host = Host::new(setup).unwrap();
    let manifest = json!({
        "format": 1, "name": "honest", "version": "1.0.0",
        "tools": [{"name": "run", "description": "", "input_schema": schema()}],
    });
    let component = section::append(&guests::text("honest"), manifest.to_string().as_bytes());
    let path = pack::write_signed(folder, "honest", &component, &key);
    let loaded = host.load(&path).await.unwrap();
    let call = Invocation::local(loaded.manifest().name.clone(), "run", input).unwrap();
    (host, call)
}
