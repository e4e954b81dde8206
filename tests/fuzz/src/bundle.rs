use std::fs;
use std::sync::{Arc, LazyLock, Mutex};

use skillhost::artifact::Artifact;
use skillhost::sign::PrivateKey;
use skillhost::time::system;
use skillhost::verify::{Root, Signer, Trust, TrustPolicy, Verifier};
use skillhost_tests::pack;
use tempfile::TempDir;

/// As a bundle beside a component that nobody has signed: whatever it says, the
/// component is not trusted. As the trusted root: it is read, or refused.
pub fn bundle(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        // Either is right; a panic is not.
        let _ = Root::parse(text, "fuzzed");
    }
    let stage = STAGE.lock().unwrap();
    let component = stage.folder.path().join("honest.wasm");
    fs::write(stage.folder.path().join("honest.wasm.sigstore.json"), data).unwrap();
    let verified = Artifact::open(&component)
        .and_then(|artifact| stage.verifier.verify(artifact).map_err(Into::into));
    let error = verified.unwrap_err();
    assert!(error.kind().is_trust(), "{error:?}");
}

struct Stage {
    folder: TempDir,
    verifier: Verifier,
}

static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("honest.wasm"), pack::text("honest")).unwrap();
    let key = PrivateKey::generate().unwrap();
    let policy = TrustPolicy::one(Signer::with_keys("author", [key.public().clone()]));
    let trust = Trust::new(policy.unwrap()).unwrap();
    Mutex::new(Stage {
        verifier: Verifier::new(Arc::new(trust), system()),
        folder,
    })
});
