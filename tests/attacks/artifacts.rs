//! S01 to S04, S19, S20 and S22: files that must not run. S21 is in `trust`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use skillhost::Kind::{
    ArtifactChanged, CompileLimit, ComponentInvalid, DigestMismatch, IdentityMismatch,
    InvalidRequest, SignatureInvalid, SignatureMissing,
};
use skillhost::sign::PrivateKey;
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, guests, pack};

fn honest() -> Vec<u8> {
    pack::text("honest")
}

fn signed(bench: &Bench) -> PathBuf {
    pack::write_signed(bench.folder(), "honest", &honest(), bench.key())
}

fn bundle(path: &Path) -> PathBuf {
    path.with_file_name(format!(
        "{}.sigstore.json",
        path.file_name().unwrap().display()
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn s01_without_a_bundle_nothing_runs() {
    let bench = Bench::new();
    let path = signed(&bench);
    fs::remove_file(bundle(&path)).unwrap();
    let error = bench.refused_file(&path).await;
    assert_eq!(error.kind(), SignatureMissing);
    assert!(
        error.hint().unwrap().contains("skillhost sign"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s02_a_bundle_that_is_removed_later_is_missed() {
    let bench = Bench::new();
    let path = bench
        .load("honest", &honest())
        .await
        .unwrap()
        .path()
        .to_owned();
    bench
        .invoke(invocation("honest", "run", json!({})))
        .await
        .answer
        .outcome
        .unwrap();
    fs::remove_file(bundle(&path)).unwrap();
    let before = bench.codes();
    let called = bench.invoke(invocation("honest", "run", json!({}))).await;
    called.expect(SignatureMissing, &["artifact.changed", "verify.failed"]);
    assert_eq!(bench.codes(), before);
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s03_the_bundle_of_another_component_does_not_count() {
    let bench = Bench::new();
    let path = signed(&bench);
    let other = pack::write_signed(
        bench.folder(),
        "other",
        &pack::text("post_trap"),
        bench.key(),
    );
    fs::copy(bundle(&other), bundle(&path)).unwrap();
    assert_eq!(bench.refused_file(&path).await.kind(), DigestMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_a_stranger_may_sign_and_is_not_trusted() {
    let bench = Bench::new();
    let stranger = PrivateKey::generate().unwrap();
    let path = pack::write_signed(bench.folder(), "honest", &honest(), &stranger);
    assert_eq!(bench.refused_file(&path).await.kind(), IdentityMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_in_the_component_is_seen() {
    let bench = Bench::new();
    let path = signed(&bench);
    let original = fs::read(&path).unwrap();
    for position in (8..original.len()).step_by(original.len() / 40) {
        let mut bytes = original.clone();
        bytes[position] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(
            bench.refused_file(&path).await.kind(),
            DigestMismatch,
            "{position}"
        );
    }
    let mut longer = original;
    longer.extend_from_slice(&[0, 1, 0]);
    fs::write(&path, longer).unwrap();
    assert_eq!(bench.refused_file(&path).await.kind(), DigestMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_a_flipped_bit_anywhere_in_the_bundle_never_helps() {
    let bench = Bench::new();
    let path = signed(&bench);
    let original = fs::read(bundle(&path)).unwrap();
    for position in 0..original.len() {
        let mut bytes = original.clone();
        bytes[position] ^= 1;
        fs::write(bundle(&path), bytes).unwrap();
        // A bit of a name that nothing reads, or of the padding, changes nothing.
        if let Err(error) = bench.host().load(&path).await {
            assert!(error.kind().is_trust(), "{position}: {error:?}");
        }
    }
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_a_bundle_that_is_none_is_invalid() {
    let bench = Bench::new();
    let path = signed(&bench);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in ["", "{}", "null", "not json", "{\"mediaType\":1}", &deep] {
        fs::write(bundle(&path), text).unwrap();
        assert_eq!(
            bench.refused_file(&path).await.kind(),
            SignatureInvalid,
            "{text:.20}"
        );
    }
    fs::write(bundle(&path), [0xff, 0xfe]).unwrap();
    assert_eq!(bench.refused_file(&path).await.kind(), SignatureInvalid);
}

/// A gigabyte that takes no room on disk.
#[tokio::test(flavor = "multi_thread")]
async fn s19_files_over_their_size_are_not_read() {
    let bench = Bench::new();
    let path = signed(&bench);
    File::options()
        .write(true)
        .open(bundle(&path))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    assert_eq!(bench.refused_file(&path).await.kind(), SignatureInvalid);
    bench.key().sign_file(&path, None).unwrap();
    for number in 0..16 {
        bench
            .key()
            .sign_file(&path, Some(&format!("copy-{number}")))
            .unwrap();
    }
    assert_eq!(bench.refused_file(&path).await.kind(), SignatureInvalid);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    assert_eq!(bench.refused_file(&path).await.kind(), CompileLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn s27_what_is_no_component_is_told_apart() {
    let bench = Bench::new();
    let module = guests::assemble("(module (memory 1))");
    for (bytes, part) in [
        (b"".as_slice(), "no WebAssembly"),
        (b"(component)", "no WebAssembly"),
        (b"\x7fELF\x02\x01\x01\0native", "precompiled native code"),
        (&module, "core WebAssembly module"),
        (b"\0asm\x0d\0\x02\0", "broken component"),
    ] {
        let error = bench.refused("honest", bytes).await;
        assert_eq!(error.kind(), ComponentInvalid, "{error}");
        assert!(error.message().contains(part), "{error}");
    }
}

/// Waiting for a pipe's writer would be waiting for ever.
#[tokio::test(flavor = "multi_thread")]
async fn s22_only_a_regular_file_is_read() {
    let bench = Bench::new();
    let path = signed(&bench);
    let at = |name: &str| bench.folder().join(name);
    fs::create_dir(at("folder.wasm")).unwrap();
    std::os::unix::fs::symlink(&path, at("link.wasm")).unwrap();
    mknodat(
        CWD,
        at("pipe.wasm"),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    for name in [
        "folder.wasm",
        "link.wasm",
        "pipe.wasm",
        "missing.wasm",
        "missing/folder.wasm",
        "..",
    ] {
        assert_eq!(
            bench.refused_file(&at(name)).await.kind(),
            InvalidRequest,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s22_a_bundle_that_is_a_link_is_not_read() {
    let bench = Bench::new();
    let path = signed(&bench);
    let elsewhere = bench.folder().join("elsewhere.json");
    fs::rename(bundle(&path), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bundle(&path)).unwrap();
    bench.refused_file(&path).await;
}

/// The file is gone, which is no fault of the caller's, and where it lay is
/// nothing to tell the caller.
#[tokio::test(flavor = "multi_thread")]
async fn s22_x07_a_skill_whose_file_is_gone_does_not_run() {
    let bench = Bench::new();
    let path = bench
        .load("honest", &honest())
        .await
        .unwrap()
        .path()
        .to_owned();
    fs::remove_file(&path).unwrap();
    let called = bench.invoke(invocation("honest", "run", json!({}))).await;
    called.expect(ArtifactChanged, &["artifact.changed", "verify.failed"]);
    bench.assert_serving().await;
}
