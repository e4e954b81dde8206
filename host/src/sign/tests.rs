//! Keys of every kind, and what is signed with them.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, Ed25519KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use super::cosign::tests::seal;
use super::*;

/// A key that cosign made, with the password [`PASSWORD`].
const COSIGN: &str = include_str!("testdata/cosign.key");
const COSIGN_PUBLIC: &str = include_str!("testdata/cosign.pub");
const PASSWORD: &str = "correct horse";

/// A key that cosign made with an empty password.
const COSIGN_EMPTY: &str = include_str!("testdata/cosign-empty.key");
const COSIGN_EMPTY_PUBLIC: &str = include_str!("testdata/cosign-empty.pub");

/// A folder with key and password files in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file that only its owner may read.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn password(&self, text: &str) -> Password {
        Password::from_file(&self.write("password", text)).unwrap()
    }

    fn load(&self, key: &str, password: &str) -> Result<PrivateKey, SignError> {
        PrivateKey::load_with(&self.write("key", key), Some(&self.password(password)))
    }

    /// What is found in a key file that is none.
    #[track_caller]
    fn found(&self, key: impl AsRef<[u8]>) -> Found {
        match PrivateKey::load(&self.write("key", key)) {
            Err(SignError::NotAKey { found, .. }) => found,
            other => panic!("{other:?}"),
        }
    }
}

fn pem(label: &str, contents: &[u8]) -> String {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, contents).unwrap()
}

fn public(pem: &str) -> PublicKey {
    PublicKey::from_pem(pem).unwrap()
}

/// PKCS#8 of a P-384 key.
fn p384() -> Vec<u8> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new())
        .unwrap()
        .as_ref()
        .to_vec()
}

/// PKCS#8 with an empty key for the algorithm with that identifier.
fn empty_pkcs8(identifier: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let mut algorithm = vec![0x06, length(identifier)];
    algorithm.extend_from_slice(identifier);
    let mut content = vec![0x02, 1, 0, 0x30, length(&algorithm)];
    content.extend(algorithm);
    content.extend([0x04, 0]);
    let mut key = vec![0x30, length(&content)];
    key.extend(content);
    key
}

#[test]
fn a_saved_key_is_private_and_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("keys/alice");
    let key = PrivateKey::generate().unwrap();
    let (private, public) = key.save(&prefix).unwrap();
    let mode = fs::metadata(&private).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(public).unwrap();
    assert!(!text.contains('\r'), "{text:?}");
    assert_eq!(&PublicKey::from_pem(&text).unwrap(), key.public());
    assert_eq!(PrivateKey::load(&private).unwrap().public(), key.public());
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("alice");
    let first = PrivateKey::load_or_create(&prefix).unwrap();
    let again = PrivateKey::load_or_create(&prefix).unwrap();
    assert_eq!(first.public(), again.public());
    assert!(matches!(first.save(&prefix), Err(SignError::Exists(_))));
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (private, _) = PrivateKey::generate()
        .unwrap()
        .save(&folder.path().join("k"))
        .unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        PrivateKey::load(&private),
        Err(SignError::Exposed { mode: 0o640, .. })
    ));
}

#[test]
fn a_bundle_leaves_out_what_is_empty() {
    let key = PrivateKey::generate().unwrap();
    let bundle = key.sign(Digest::of(b"component")).unwrap();
    let json: Value = serde_json::from_str(&bundle).unwrap();
    assert_eq!(
        json["mediaType"],
        "application/vnd.dev.sigstore.bundle.v0.3+json"
    );
    let material = json["verificationMaterial"].as_object().unwrap();
    assert_eq!(material.keys().collect::<Vec<_>>(), ["publicKey"]);
    assert_eq!(material["publicKey"]["hint"], key.public().hint());
}

#[test]
fn keys_of_cosign_are_read() {
    let desk = Desk::new();
    let key = desk.load(COSIGN, PASSWORD).unwrap();
    assert_eq!(key.public(), &public(COSIGN_PUBLIC));
    let old = COSIGN.replace("SIGSTORE", "COSIGN");
    assert_eq!(desk.load(&old, PASSWORD).unwrap().public(), key.public());
    for empty in ["", "\n"] {
        let key = desk.load(COSIGN_EMPTY, empty).unwrap();
        assert_eq!(key.public(), &public(COSIGN_EMPTY_PUBLIC));
    }
}

#[test]
fn an_encrypted_key_wants_its_own_password() {
    let desk = Desk::new();
    for password in ["", "correct hors", "correct horse\n\n", "correct horse "] {
        let refused = desk.load(COSIGN, password);
        assert!(
            matches!(refused, Err(SignError::WrongPassword(_))),
            "{password:?}: {refused:?}"
        );
    }
    let path = desk.write("key", COSIGN);
    assert!(matches!(
        PrivateKey::load(&path),
        Err(SignError::PasswordNeeded(needed)) if needed == path
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(
        PrivateKey::load_with(&path, Some(&desk.password(PASSWORD))),
        Err(SignError::Exposed { mode: 0o604, .. })
    ));
}

#[test]
fn a_password_for_a_plain_key_is_refused() {
    let desk = Desk::new();
    let (private, _) = PrivateKey::generate()
        .unwrap()
        .save(&desk.0.path().join("k"))
        .unwrap();
    assert!(matches!(
        PrivateKey::load_with(&private, Some(&desk.password(""))),
        Err(SignError::PasswordUnneeded(_))
    ));
}

#[test]
fn a_mangled_key_file_is_no_key() {
    let desk = Desk::new();
    let pkcs8 = PrivateKey::generate().unwrap().pkcs8;
    let password = desk.password("x");
    let sealed = pem("ENCRYPTED SIGSTORE PRIVATE KEY", &seal(&pkcs8, b"x", 16));
    let plain = pem("PRIVATE KEY", &pkcs8);
    for (text, password) in [(&sealed, Some(&password)), (&plain, None)] {
        let load = |bytes: &[u8]| PrivateKey::load_with(&desk.write("key", bytes), password);
        load(text.as_bytes()).unwrap();
        for position in 0..text.len() {
            let mut flipped = text.clone().into_bytes();
            flipped[position] ^= 1 << (position % 8);
            load(&flipped).expect_err("a flipped bit");
        }
        // Without its last newline it is whole.
        for length in 0..text.len() - 1 {
            load(&text.as_bytes()[..length]).expect_err("a part");
        }
    }
}

#[test]
fn a_file_that_is_no_key_is_told_by_what_it_is() {
    let desk = Desk::new();
    let other = |name: &str| Found::OtherAlgorithm(name.to_owned());
    for (label, expected) in [
        ("PUBLIC KEY", Found::PublicKey),
        ("EC PRIVATE KEY", Found::OtherForm),
        ("ENCRYPTED PRIVATE KEY", Found::OtherForm),
        ("RSA PRIVATE KEY", other("RSA")),
        ("OPENSSH PRIVATE KEY", other("SSH")),
        ("CERTIFICATE", Found::NoKey),
        ("PRIVATE KEY", Found::Damaged),
    ] {
        assert_eq!(desk.found(pem(label, b"something")), expected, "{label}");
    }
    let ed25519 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
    let rsa = empty_pkcs8(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
    for (pkcs8, expected) in [
        (p384(), "ECDSA P-384"),
        (ed25519.as_ref().to_vec(), "Ed25519"),
        (rsa, "RSA"),
        (empty_pkcs8(&[0x2a, 3, 4]), "the algorithm 1.2.3.4"),
    ] {
        assert_eq!(desk.found(pem("PRIVATE KEY", &pkcs8)), other(expected));
    }
    let long = format!("{}\n{COSIGN}", "x".repeat(20_000));
    for text in [
        b"".as_slice(),
        b"text",
        b"-----BEGIN ",
        b"\xff\xfe",
        long.as_bytes(),
    ] {
        assert_eq!(desk.found(text), Found::NoKey);
    }
}

#[test]
fn an_encrypted_key_for_another_algorithm_is_told_as_well() {
    let sealed = pem("ENCRYPTED COSIGN PRIVATE KEY", &seal(&p384(), b"", 16));
    let refused = Desk::new().load(&sealed, "").unwrap_err();
    assert!(
        matches!(&refused, SignError::NotAKey { found: Found::OtherAlgorithm(name), .. } if name == "ECDSA P-384"),
        "{refused:?}"
    );
}

#[test]
fn a_password_ends_before_one_newline_and_has_an_end() {
    let desk = Desk::new();
    assert_eq!(desk.password("a b\n").as_bytes(), b"a b");
    assert_eq!(desk.password("a b\n\n").as_bytes(), b"a b\n");
    let longest = "x".repeat(1024);
    assert_eq!(desk.password(&longest).as_bytes(), longest.as_bytes());
    let too_long = desk.write("password", format!("{longest}x\n"));
    for path in [too_long.as_path(), Path::new("/dev/zero")] {
        assert!(matches!(
            Password::from_file(path),
            Err(SignError::PasswordTooLong { limit: 1024, .. })
        ));
    }
    assert!(matches!(
        Password::from_file(&desk.0.path().join("none")),
        Err(SignError::File { action: "read", .. })
    ));
}

#[test]
fn a_password_comes_from_a_descriptor() {
    let desk = Desk::new();
    let file = fs::File::open(desk.write("password", "secret\n")).unwrap();
    let number = u32::try_from(file.as_raw_fd()).unwrap();
    let password = Password::from_descriptor(number).unwrap();
    assert_eq!(password.as_bytes(), b"secret");
    assert!(matches!(
        Password::from_descriptor(u32::MAX),
        Err(SignError::File { action: "read", .. })
    ));
}

#[test]
fn secrets_are_not_shown() {
    let desk = Desk::new();
    assert_eq!(format!("{:?}", desk.password("secret")), "Password(..)");
    let key = desk.load(COSIGN, PASSWORD).unwrap();
    let hint = key.public().hint();
    assert_eq!(format!("{key:?}"), format!("PrivateKey({hint})"));
}

#[test]
fn an_envelope_names_its_key_and_is_signed_with_it() {
    let key = PrivateKey::generate().unwrap();
    let json = key.sign_envelope("application/x", b"payload").unwrap();
    let envelope: DsseEnvelope = serde_json::from_str(&json).unwrap();
    assert_eq!(envelope.payload_type, "application/x");
    assert_eq!(envelope.payload.as_bytes(), b"payload");
    assert_eq!(envelope.signature.keyid.as_str(), key.public().hint());
    assert!(holds(&envelope, &key));
    let mut other = envelope;
    other.payload_type = "application/y".to_owned();
    assert!(!holds(&other, &key));
}

fn holds(envelope: &DsseEnvelope, key: &PrivateKey) -> bool {
    let public = key.pair.public_key_der().unwrap();
    sigstore_crypto::VerificationKey::from_spki(&public)
        .unwrap()
        .verify(envelope.pae(), &envelope.signature.sig)
        .is_ok()
}

#[test]
fn an_attestation_is_an_in_toto_statement_about_the_component() {
    let key = PrivateKey::generate().unwrap();
    let predicate = "{\n  \"whole\": 1.0, \"large\": 12345678901234567890123, \"power\": 1e2 }";
    let bundle = key
        .attest(
            "my.wasm",
            Digest::of(b"component"),
            &"slsaprovenance1".parse().unwrap(),
            &format!(" {predicate}\n").parse().unwrap(),
        )
        .unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    assert_eq!(
        bundle["mediaType"],
        "application/vnd.dev.sigstore.bundle.v0.3+json"
    );
    assert_eq!(
        bundle["verificationMaterial"],
        serde_json::json!({"publicKey": {"hint": key.public().hint()}})
    );
    let envelope: DsseEnvelope = serde_json::from_value(bundle["dsseEnvelope"].clone()).unwrap();
    assert_eq!(envelope.payload_type, "application/vnd.in-toto+json");
    assert!(holds(&envelope, &key));
    let expected = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"name\":\"my.wasm\",\"digest\":{{\"sha256\":\"{}\"}}}}],\"predicateType\":\"https://slsa.dev/provenance/v1\",\"predicate\":{predicate}}}",
        Digest::of(b"component").to_string().replace("sha256:", ""),
    );
    assert_eq!(
        String::from_utf8(envelope.payload.as_bytes().to_vec()).unwrap(),
        expected
    );
}

#[test]
fn an_attestation_that_no_host_would_read_is_not_made() {
    let key = PrivateKey::generate().unwrap();
    let attest = |kind: &str, predicate: &str| {
        key.attest(
            "my.wasm",
            Digest::of(b"component"),
            &kind.parse().unwrap(),
            &predicate.parse().unwrap(),
        )
    };
    let most = usize::try_from(MAX_PREDICATE).unwrap();
    let longest = format!("{{\"a\":\"{}\"}}", "x".repeat(most - 8));
    let bundle = attest("slsaprovenance1", &longest).unwrap();
    assert!(bundle.len() as u64 <= MAX_BUNDLE, "{}", bundle.len());
    let kind = format!("https://example.com/{}", "x".repeat(64 * 1024));
    assert!(matches!(
        attest(&kind, &longest),
        Err(SignError::BundleTooLarge(size)) if size as u64 > MAX_BUNDLE
    ));
}

#[test]
fn an_attestation_never_takes_the_place_of_an_approval() {
    let component = Path::new("a/my.wasm");
    let kind: PredicateType = "https://slsa.dev/provenance/v1".parse().unwrap();
    assert_eq!(
        attestation_path(component, None, &kind),
        Path::new("a/my.wasm.attestation.slsa-dev-provenance-v1.sigstore.json")
    );
    let alice = attestation_path(component, Some("alice"), &kind);
    assert_eq!(
        alice,
        Path::new("a/my.wasm.alice.slsa-dev-provenance-v1.sigstore.json")
    );
    assert_eq!(
        approval_path(component, None),
        Path::new("a/my.wasm.sigstore.json")
    );
    assert_eq!(
        approval_path(component, Some("alice")),
        Path::new("a/my.wasm.alice.sigstore.json")
    );
}
