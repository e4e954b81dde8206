//! A warm `Host::invoke` beside a bare engine that makes a fresh instance of
//! the same component for each call, with the same settings.
//!
//! The host does what the engine does, and besides: parse and check the
//! arguments, set every limit, see that the files are still those that were
//! verified, and write two lines to the audit log. Each of these stages is
//! measured on its own as well; what they leave of the whole is the rest.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot be set up fails, and it prints its ratio"
)]

mod bare;
mod record;

use std::hint::black_box;
use std::path::Path;

use bare::Bare;
use criterion::Criterion;
use skillhost::compile::Worker;
use skillhost::event::Events;
use skillhost::event::audit::Durability;
use skillhost::invocation::{Input, Invocation};
use skillhost::sign::PrivateKey;
use skillhost::time::system;
use skillhost::verify::{Signer, TrustPolicy};
use skillhost::{Host, Setup};
use skillhost_tests::{audit_log, pack};
use tokio::runtime::Runtime;

const GROUP: &str = "echo";
/// What a call goes through in the host besides the engine.
const STAGES: [&str; 4] = ["parse", "admission", "verdict", "record"];
const ARGUMENTS: &str = r#"{"text":"hello"}"#;

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
    if let (Some(bare), Some(host)) = (median("bare"), median("host")) {
        let stages = STAGES.map(|stage| median(stage).unwrap());
        for (stage, took) in STAGES.into_iter().zip(stages) {
            tell(stage, took, host);
        }
        tell("rest", host - bare - stages.iter().sum::<f64>(), host);
        tell("bare", bare, host);
        println!(
            "warm Host::invoke {:.1} us, bare fresh instance {:.1} us, ratio {:.2}",
            host / 1000.0,
            bare / 1000.0,
            host / bare
        );
    }
}

fn tell(stage: &str, took: f64, whole: f64) {
    println!(
        "stage {stage:>9}: {:5.2} us, {:3.0} % of a call",
        took / 1000.0,
        100.0 * took / whole
    );
}

fn compare(criterion: &mut Criterion, runtime: &Runtime, folder: &Path) {
    let component = pack::rust("echo");
    let bare = Bare::new(&component);
    let host = host(folder);
    let key = PrivateKey::load_or_create(&folder.join("key")).unwrap();
    let path = pack::write_signed(folder, "echo", &component, &key);
    let loaded = runtime.block_on(host.load(&path)).unwrap();
    let skill = loaded.manifest().name.clone();
    let call = || {
        let input = Input::parse(ARGUMENTS).unwrap();
        Invocation::local(skill.clone(), "echo", input).unwrap()
    };
    let admitted = call();
    let log = audit_log(&folder.join("record"), Durability::Flush);
    let events = Events::new(log, vec![], system()).unwrap();
    let mut group = criterion.benchmark_group(GROUP);
    group.bench_function("bare", |bencher| {
        bencher
            .to_async(runtime)
            .iter(|| async { black_box(bare.call("echo", ARGUMENTS).await) });
    });
    group.bench_function("host", |bencher| {
        bencher.to_async(runtime).iter(|| async {
            let answer = host.invoke(call()).await;
            black_box(answer.outcome.unwrap())
        });
    });
    group.bench_function("parse", |bencher| bencher.iter(|| black_box(call())));
    group.bench_function("admission", |bencher| {
        bencher
            .to_async(runtime)
            .iter(|| async { black_box(host.would_admit(&admitted).await).unwrap() });
    });
    group.bench_function("verdict", |bencher| {
        bencher.iter(|| assert!(host.upholds(black_box(&loaded))));
    });
    group.bench_function("record", |bencher| {
        bencher.iter(|| record::record(&events));
    });
    group.finish();
}

fn host(folder: &Path) -> Host {
    let key = PrivateKey::load_or_create(&folder.join("key")).unwrap();
    let signer = Signer::with_keys("bench", [key.public().clone()]);
    let audit = audit_log(folder, Durability::Flush);
    let mut setup = Setup::new(TrustPolicy::one(signer).unwrap(), audit);
    setup.compile.worker = Worker::InProcess;
    Host::new(setup).unwrap()
}
