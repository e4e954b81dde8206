//! The certificates of keyless signers, as Fulcio issues them: an identity, the
//! issuer that vouched for it, and the promise of a certificate log (RFC 6962).

use std::iter;

use der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use der::oid::db::rfc5280::ID_KP_CODE_SIGNING;
use der::oid::db::rfc6962::CT_PRECERT_SCTS;
use serde_json::Value;
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;

use crate::authority::{Authority, der, extension, may_sign, raw_extension};
use crate::encode::sha256;
use crate::key::Key;
use crate::log;

const FULCIO: &str = "1.3.6.1.4.1.57264.1";
const ISSUER_AS_BYTES: u8 = 1;
const ISSUER_AS_STRING: u8 = 8;

/// What a certificate says about the build that signed: the number of an
/// extension below `1.3.6.1.4.1.57264.1`, as Fulcio documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Claim {
    /// The workflow that ran, with its ref.
    BuildSignerUri = 9,
    /// `github-hosted` or `self-hosted`.
    RunnerEnvironment = 11,
    /// The repository whose source was built.
    SourceRepositoryUri = 12,
    /// The commit that was built.
    SourceRepositoryDigest = 13,
    /// The branch or tag that was built, as `refs/heads/main`.
    SourceRepositoryRef = 14,
    /// The workflow file that the build began with.
    BuildConfigUri = 18,
}

/// What a certificate is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) key: &'a Key,
    /// A URI if it contains `://`, else an e-mail address.
    pub(crate) identity: &'a str,
    pub(crate) aliases: &'a [String],
    pub(crate) issuer: &'a str,
    pub(crate) claims: &'a [(Claim, String)],
    /// Unix seconds; valid from a minute before to nine minutes after.
    pub(crate) at: i64,
}

impl Leaf<'_> {
    /// The certificate (DER), with the promise of `log` in it if there is one.
    pub(crate) fn issue(&self, authority: &Authority, log: Option<&CertificateLog>) -> Vec<u8> {
        let valid = (self.at - 60, self.at + 540);
        let mut tbs = authority.tbs(Name::default(), self.key, valid, self.extensions());
        if let Some(log) = log {
            let promise = log.promise(&tbs, authority.key(), self.at);
            tbs.extensions.get_or_insert_default().push(promise);
        }
        authority.seal(tbs)
    }

    fn extensions(&self) -> Vec<Extension> {
        let signs_code = ExtendedKeyUsage(vec![ID_KP_CODE_SIGNING]);
        // Critical because the subject is empty (RFC 5280, section 4.2.1.6).
        let names = iter::once(self.identity).chain(self.aliases.iter().map(String::as_str));
        let identity = SubjectAltName(names.map(general_name).collect());
        let mut extensions = vec![
            may_sign(),
            extension(false, &signs_code),
            extension(true, &identity),
            fulcio(ISSUER_AS_BYTES, self.issuer.as_bytes().to_vec()),
            fulcio(ISSUER_AS_STRING, der(&self.issuer.to_owned())),
        ];
        for (claim, value) in self.claims {
            extensions.push(fulcio(*claim as u8, der(value)));
        }
        extensions
    }
}

fn general_name(identity: &str) -> GeneralName {
    let text = Ia5String::new(identity).expect("an identity is ASCII");
    if identity.contains("://") {
        GeneralName::UniformResourceIdentifier(text)
    } else {
        GeneralName::Rfc822Name(text)
    }
}

fn fulcio(number: u8, value: Vec<u8>) -> Extension {
    let oid = ObjectIdentifier::new(&format!("{FULCIO}.{number}")).expect("an OID is readable");
    raw_extension(oid, false, value)
}

/// A log that promises to list the certificates that it was shown.
#[derive(Clone, Debug)]
pub(crate) struct CertificateLog {
    key: Key,
    id: [u8; 32],
}

impl CertificateLog {
    pub(crate) fn new() -> Self {
        let key = Key::generate();
        let id = sha256(&key.public_der());
        Self { key, id }
    }

    /// Goes by this log's id, without its key.
    pub(crate) fn impostor(&self) -> Self {
        Self {
            key: self.key.another(),
            id: self.id,
        }
    }

    pub(crate) fn trusted(&self) -> Value {
        log::trusted("https://ct.test", &self.key, &self.id)
    }

    /// The extension with one signed certificate timestamp: RFC 6962, sections
    /// 3.2 and 3.3. `tbs` is the certificate without this extension.
    fn promise(&self, tbs: &TbsCertificate, issuer: &Key, at: i64) -> Extension {
        let milliseconds = (at * 1000).to_be_bytes();
        let signature = self.key.sign(&signed_by_log(tbs, issuer, milliseconds));
        let mut timestamp = vec![VERSION_1];
        timestamp.extend(self.id);
        timestamp.extend(milliseconds);
        timestamp.extend(NO_EXTENSIONS);
        timestamp.extend(SHA256_ECDSA);
        timestamp.extend(with_length(&signature));
        let list = with_length(&with_length(&timestamp));
        let list = OctetString::new(list).expect("a list fits");
        raw_extension(CT_PRECERT_SCTS, false, der(&list))
    }
}

const VERSION_1: u8 = 0;
const CERTIFICATE_TIMESTAMP: u8 = 0;
const PRECERTIFICATE: [u8; 2] = [0, 1];
const NO_EXTENSIONS: [u8; 2] = [0, 0];
const SHA256_ECDSA: [u8; 2] = [4, 3];

fn signed_by_log(tbs: &TbsCertificate, issuer: &Key, milliseconds: [u8; 8]) -> Vec<u8> {
    let tbs = der(tbs);
    let [_, length @ ..] = u32::try_from(tbs.len())
        .expect("a certificate is short")
        .to_be_bytes();
    let mut signed = vec![VERSION_1, CERTIFICATE_TIMESTAMP];
    signed.extend(milliseconds);
    signed.extend(PRECERTIFICATE);
    signed.extend(sha256(&issuer.public_der()));
    signed.extend(length);
    signed.extend(tbs);
    signed.extend(NO_EXTENSIONS);
    signed
}

/// A TLS `opaque<0..2^16-1>`.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a promise is short");
    [length.to_be_bytes().as_slice(), bytes].concat()
}
