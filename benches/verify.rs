//! What verification costs: one bundle of each kind, and the last look before
//! each call beside the two `lstat`s that are part of it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot be set up fails, and it prints its figures"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::Criterion;
use skillhost::artifact::Digest;
use skillhost::compile::Worker;
use skillhost::event::audit::Durability;
use skillhost::sign::PrivateKey;
use skillhost::verify::{Expected, Identity, PublicKey, Root, check_bundle};
use skillhost::{Host, Setup, TrustFiles};
use skillhost_test_world::{IDENTITY, ISSUER, Key, World};
use skillhost_tests::{audit_log, pack};
use tokio::runtime::Runtime;

const BUNDLES: &str = "bundle";
const LOOK: &str = "last look";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let mut criterion = Criterion::default()
        .output_directory(&folder.path().join("criterion"))
        .configure_from_args();
    bundles(&mut criterion);
    last_look(&mut criterion, folder.path());
    criterion.final_summary();
    let output = folder.path().join("criterion");
    let median = |group, name| skillhost_benches::median(&output, group, name);
    for name in ["key", "keyless v1", "keyless v2"] {
        if let Some(time) = median(BUNDLES, name) {
            println!(
                "{name} bundle, parsed and verified: {:.0} us",
                time / 1000.0
            );
        }
    }
    if let (Some(stats), Some(look)) = (median(LOOK, "two lstat"), median(LOOK, "host")) {
        println!(
            "last look before a call {:.2} us, of it two lstat {:.2} us, ratio {:.2}, the rest {:.2} us",
            look / 1000.0,
            stats / 1000.0,
            look / stats,
            (look - stats) / 1000.0
        );
    }
}

/// Parsing included: nothing of a bundle is kept.
fn bundles(criterion: &mut Criterion) {
    let artifact = vec![7; 200 * 1024];
    let digest = Digest::of(&artifact);
    let world = World::new();
    let root = Root::parse(&world.trusted_root(), "bench").unwrap();
    let key = Key::generate();
    let by_key = Expected::Key(PublicKey::from_pem(&key.public_pem()).unwrap());
    let by_identity = Expected::Identity(Identity::exact(ISSUER, IDENTITY).unwrap());
    let keyless = world.bundle(&artifact).identity(IDENTITY, ISSUER);
    let mut group = criterion.benchmark_group(BUNDLES);
    for (name, json, expected) in [
        (
            "key",
            world.bundle(&artifact).key(&key).unlogged().json(),
            by_key,
        ),
        ("keyless v1", keyless.v1().json(), by_identity.clone()),
        ("keyless v2", keyless.v2().json(), by_identity),
    ] {
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| black_box(check_bundle(&json, digest, expected.clone(), &root).unwrap()));
        });
    }
    group.finish();
}

/// Policy, root, deny list and lock file are watched, as `serve` watches them.
fn last_look(criterion: &mut Criterion, folder: &Path) {
    let key = PrivateKey::load_or_create(&folder.join("alice")).unwrap();
    let host = host(folder);
    let path = pack::write_signed(folder, "echo", &pack::rust("echo"), &key);
    let runtime = Runtime::new().unwrap();
    let loaded = runtime.block_on(host.load(&path)).unwrap();
    let bundle = folder.join("echo.wasm.sigstore.json");
    assert!(bundle.exists() && host.upholds(&loaded));
    let mut group = criterion.benchmark_group(LOOK);
    group.bench_function("two lstat", |bencher| {
        bencher.iter(|| {
            let component = fs::symlink_metadata(black_box(&path)).unwrap();
            let bundle = fs::symlink_metadata(black_box(&bundle)).unwrap();
            (component, bundle)
        });
    });
    group.bench_function("host", |bencher| {
        bencher.iter(|| assert!(black_box(host.upholds(black_box(&loaded)))));
    });
    group.finish();
}

fn host(folder: &Path) -> Host {
    let config = folder.join("skillhost.toml");
    let text = "[trust]\npreset = \"permissive\"\nsigners.alice.keys = [\"alice.pub\"]\n";
    fs::write(&config, text).unwrap();
    let audit = audit_log(folder, Durability::Flush);
    let trust = TrustFiles {
        config: Some(config),
        lock: Some(folder.join("skillhost.lock")),
        memory: Some(folder.join("memory.json")),
        ..TrustFiles::default()
    };
    let mut setup = Setup::new(trust, audit);
    setup.compile.worker = Worker::InProcess;
    Host::new(setup).unwrap()
}
