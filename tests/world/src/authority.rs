//! Certificate authorities: roots that sign certificates (RFC 5280).

use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::rand;
use der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString, UtcTime};
use der::oid::AssociatedOid;
use der::{Decode, Encode};
use serde_json::{Value, json};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate, Version};

use crate::encode::{base64, sha256};
use crate::key::Key;

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// 2024-01-01, from when on everything in a world is valid.
const START: i64 = 1_704_067_200;
pub(crate) const START_TEXT: &str = "2024-01-01T00:00:00Z";
/// 2044-01-01, when its roots end.
const END: i64 = 2_335_219_200;

/// The longest time for which a certificate of a world can be valid.
pub(crate) const ALWAYS: (i64, i64) = (START, END);

#[derive(Clone, Debug)]
pub(crate) struct Authority {
    name: Name,
    key: Key,
    certificate: Vec<u8>,
}

impl Authority {
    /// A root of its own, which may sign certificates of signers only.
    pub(crate) fn new(common_name: &str) -> Self {
        let mut authority = Self {
            name: name(common_name),
            key: Key::generate(),
            certificate: Vec::new(),
        };
        let root = authority.tbs(
            authority.name.clone(),
            &authority.key,
            ALWAYS,
            root_rights(),
        );
        authority.certificate = authority.seal(root);
        authority
    }

    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What is to be signed for `key`, valid between two times in Unix seconds.
    pub(crate) fn tbs(
        &self,
        subject: Name,
        key: &Key,
        (from, to): (i64, i64),
        mut extensions: Vec<Extension>,
    ) -> TbsCertificate {
        extensions.push(extension(false, &key_identifier(key)));
        extensions.push(extension(false, &authority_key_identifier(&self.key)));
        TbsCertificate {
            version: Version::V3,
            serial_number: serial_number(),
            signature: ecdsa_with_sha256(),
            issuer: self.name.clone(),
            validity: Validity {
                not_before: utc(from),
                not_after: utc(to),
            },
            subject,
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&key.public_der())
                .expect("a key is readable"),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(extensions),
        }
    }

    /// Signs a certificate; DER.
    pub(crate) fn seal(&self, tbs_certificate: TbsCertificate) -> Vec<u8> {
        let signature = self.key.sign(&der(&tbs_certificate));
        der(&Certificate {
            tbs_certificate,
            signature_algorithm: ecdsa_with_sha256(),
            signature: BitString::from_bytes(&signature).expect("a signature fits"),
        })
    }
}

/// An authority as a trusted root lists it; the chain starts with the leaf.
pub(crate) fn trusted(uri: &str, common_name: &str, chain: &[&[u8]]) -> Value {
    let certificates: Vec<Value> = chain
        .iter()
        .map(|certificate| json!({"rawBytes": base64(certificate)}))
        .collect();
    json!({
        "subject": {"organization": "skillhost test", "commonName": common_name},
        "uri": uri,
        "certChain": {"certificates": certificates},
        "validFor": {"start": START_TEXT},
    })
}

pub(crate) fn name(common_name: &str) -> Name {
    Name::from_str(&format!("CN={common_name},O=skillhost test")).expect("a name is readable")
}

pub(crate) fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> Extension {
    raw_extension(T::OID, critical, der(value))
}

pub(crate) fn raw_extension(oid: ObjectIdentifier, critical: bool, value: Vec<u8>) -> Extension {
    Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(value).expect("an extension fits"),
    }
}

pub(crate) fn ecdsa_with_sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: ECDSA_WITH_SHA256,
        parameters: None,
    }
}

pub(crate) fn der(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("a structure of our own is encodable")
}

pub(crate) fn generalized(unix_seconds: i64) -> GeneralizedTime {
    GeneralizedTime::from_unix_duration(since_epoch(unix_seconds)).expect("a time is in range")
}

fn utc(unix_seconds: i64) -> Time {
    let time = UtcTime::from_unix_duration(since_epoch(unix_seconds));
    Time::UtcTime(time.expect("a time lies before 2050"))
}

fn since_epoch(unix_seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(unix_seconds).expect("a time lies after 1970"))
}

fn root_rights() -> Vec<Extension> {
    let basic = BasicConstraints {
        ca: true,
        path_len_constraint: Some(0),
    };
    let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    vec![extension(true, &basic), extension(true, &usage)]
}

pub(crate) fn may_sign() -> Extension {
    extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))
}

fn key_identifier(key: &Key) -> SubjectKeyIdentifier {
    SubjectKeyIdentifier(identifier(key))
}

fn authority_key_identifier(key: &Key) -> AuthorityKeyIdentifier {
    AuthorityKeyIdentifier {
        key_identifier: Some(identifier(key)),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    }
}

/// RFC 7093, method 1: the first 20 bytes of the SHA-256 of the key.
fn identifier(key: &Key) -> OctetString {
    let [identifier @ .., _, _, _, _, _, _, _, _, _, _, _, _] = sha256(key.public_bytes());
    let identifier: [u8; 20] = identifier;
    OctetString::new(identifier).expect("20 bytes fit")
}

fn serial_number() -> SerialNumber {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("random numbers are to be had");
    SerialNumber::new(&bytes).expect("16 bytes fit")
}
