//! The encryption of cosign's own private keys.
//!
//! The PEM holds JSON: scrypt (RFC 7914) turns the password into a key, which
//! opens a NaCl secretbox (XSalsa20-Poly1305) with the PKCS#8 key in it. It is
//! the format of go-securesystemslib's package `encrypted`, which cosign uses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::{AeadInPlace, KeyInit, XSalsa20Poly1305};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::password::Password;

/// The largest N of scrypt. With r = 8 it takes 128 MiB: a key file that comes
/// from elsewhere must not be able to ask for more. cosign writes 65536; older
/// ones wrote 32768, and 131072 is the most that its library offers.
pub(super) const MAX_WORK: u32 = 1 << 17;

/// The r and p of scrypt that every key of cosign has.
const MAX_BLOCK_SIZE: u32 = 8;
const MAX_PARALLELISM: u32 = 1;

const SALT: usize = 32;
const KEY: usize = XSalsa20Poly1305::KEY_SIZE;
const NONCE: usize = XSalsa20Poly1305::NONCE_SIZE;
const TAG: usize = XSalsa20Poly1305::TAG_SIZE;

/// Why a key was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It is not of this format.
    Malformed,
    /// It names another key derivation or cipher.
    OtherMethod,
    /// It asks for more memory or time than it may.
    TooMuchWork,
    /// Another password, or bytes that changed: the two cannot be told apart.
    WrongPassword,
}

#[derive(Deserialize)]
struct Sealed {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Derivation {
    name: String,
    params: Work,
    salt: String,
}

#[derive(Deserialize)]
struct Work {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// What the secretbox in `json` holds.
pub(super) fn open(json: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let sealed: Sealed = serde_json::from_slice(json).map_err(|_cause| Unopened::Malformed)?;
    if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
        return Err(Unopened::OtherMethod);
    }
    let nonce: [u8; NONCE] = exactly(&sealed.cipher.nonce)?;
    let mut boxed = Zeroizing::new(decode(&sealed.ciphertext)?);
    let (tag, content) = boxed
        .split_first_chunk_mut::<TAG>()
        .ok_or(Unopened::Malformed)?;
    let tag = (*tag).into();
    XSalsa20Poly1305::new((&*sealed.kdf.key(password)?).into())
        .decrypt_in_place_detached(&nonce.into(), b"", content, &tag)
        .map_err(|_cause| Unopened::WrongPassword)?;
    Ok(Zeroizing::new(content.to_vec()))
}

impl Derivation {
    fn key(&self, password: &Password) -> Result<Zeroizing<[u8; KEY]>, Unopened> {
        let params = self.params.scrypt()?;
        let salt: [u8; SALT] = exactly(&self.salt)?;
        let mut key = Zeroizing::new([0; KEY]);
        scrypt::scrypt(password.as_bytes(), &salt, &params, &mut *key)
            .map_err(|_cause| Unopened::Malformed)?;
        Ok(key)
    }
}

impl Work {
    fn scrypt(&self) -> Result<scrypt::Params, Unopened> {
        let within = |asked: u64, most: u32| {
            u32::try_from(asked)
                .ok()
                .filter(|asked| *asked <= most)
                .ok_or(Unopened::TooMuchWork)
        };
        let n = within(self.n, MAX_WORK)?;
        let r = within(self.r, MAX_BLOCK_SIZE)?;
        let p = within(self.p, MAX_PARALLELISM)?;
        let doublings = n.checked_ilog2().filter(|_| n.is_power_of_two());
        let doublings = doublings.and_then(|log| u8::try_from(log).ok());
        scrypt::Params::new(doublings.ok_or(Unopened::Malformed)?, r, p, KEY)
            .map_err(|_cause| Unopened::Malformed)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Unopened> {
    STANDARD.decode(text).map_err(|_cause| Unopened::Malformed)
}

/// Bytes of which the format has a fixed number.
fn exactly<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], Unopened> {
    decode(text)?
        .try_into()
        .map_err(|_other_length| Unopened::Malformed)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ABSURD: [(u64, u64, u64); 5] = [
        (1 << 18, 8, 1),
        (1 << 40, 8, 1),
        (1 << 16, 16, 1),
        (1 << 16, 8, 2),
        (u64::MAX, u64::MAX, u64::MAX),
    ];
    const IMPOSSIBLE: [(u64, u64, u64); 4] = [(0, 8, 1), (3, 8, 1), (16, 0, 1), (16, 8, 0)];

    /// The JSON that cosign puts around a key, with an N that takes no time.
    pub(in super::super) fn seal(content: &[u8], password: &[u8], n: u32) -> Vec<u8> {
        let (salt, nonce) = ([7; SALT], [8; NONCE]);
        let params = scrypt::Params::new(u8::try_from(n.ilog2()).unwrap(), 8, 1, KEY).unwrap();
        let mut key = [0; KEY];
        scrypt::scrypt(password, &salt, &params, &mut key).unwrap();
        let mut sealed = content.to_vec();
        let tag = XSalsa20Poly1305::new((&key).into())
            .encrypt_in_place_detached(&nonce.into(), b"", &mut sealed)
            .unwrap();
        let ciphertext = [tag.as_slice(), &sealed].concat();
        serde_json::to_vec(&json!({
            "kdf": {
                "name": "scrypt",
                "params": {"N": n, "r": 8, "p": 1},
                "salt": STANDARD.encode(salt),
            },
            "cipher": {"name": "nacl/secretbox", "nonce": STANDARD.encode(nonce)},
            "ciphertext": STANDARD.encode(ciphertext),
        }))
        .unwrap()
    }

    fn password(text: &str) -> Password {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Password::from_file(file.path()).unwrap()
    }

    /// How a sealed key is refused after `change`.
    fn refused(change: impl FnOnce(&mut Value)) -> Unopened {
        let mut json = serde_json::from_slice(&seal(b"content", b"", 16)).unwrap();
        change(&mut json);
        open(json.to_string().as_bytes(), &password("")).unwrap_err()
    }

    #[test]
    fn what_was_sealed_is_opened() {
        let sealed = seal(b"content", b"word", 16);
        assert_eq!(*open(&sealed, &password("word")).unwrap(), b"content");
        assert_eq!(
            open(&sealed, &password("wor")),
            Err(Unopened::WrongPassword)
        );
    }

    #[test]
    fn a_key_cannot_ask_for_more_work_than_those_of_cosign() {
        let with = |(n, r, p): (u64, u64, u64)| {
            refused(|json| json["kdf"]["params"] = json!({"N": n, "r": r, "p": p}))
        };
        for work in ABSURD {
            assert_eq!(with(work), Unopened::TooMuchWork, "{work:?}");
        }
        for work in IMPOSSIBLE {
            assert_eq!(with(work), Unopened::Malformed, "{work:?}");
        }
    }

    #[test]
    fn another_method_is_told_from_damage() {
        for part in ["kdf", "cipher"] {
            let kind = refused(|json| json[part]["name"] = json!("other"));
            assert_eq!(kind, Unopened::OtherMethod);
            let kind = refused(|json| json[part]["name"] = json!(1));
            assert_eq!(kind, Unopened::Malformed);
        }
    }

    #[test]
    fn salt_nonce_and_tag_have_their_sizes() {
        for bytes in [0, 23, 31, 33, 4096] {
            let text = json!(STANDARD.encode(vec![0; bytes]));
            let salt = refused(|json| json["kdf"]["salt"] = text.clone());
            let nonce = refused(|json| json["cipher"]["nonce"] = text.clone());
            assert_eq!([salt, nonce], [Unopened::Malformed; 2], "{bytes}");
        }
        let short = json!(STANDARD.encode([0; TAG - 1]));
        let kind = refused(|json| json["ciphertext"] = short);
        assert_eq!(kind, Unopened::Malformed);
    }

    #[test]
    fn a_changed_bit_anywhere_is_seen() {
        let sealed = seal(b"content", b"", 16);
        let password = password("");
        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[position] ^= 1 << bit;
                open(&changed, &password).expect_err("a changed bit");
            }
            open(&sealed[..position], &password).expect_err("a part");
        }
    }
}
