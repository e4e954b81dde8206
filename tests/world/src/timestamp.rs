//! A timestamp authority: signed statements that a signature existed at a time
//! (RFC 3161, in the form of a CMS message, RFC 5652).

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec};
use der::oid::db::rfc5280::ID_KP_TIME_STAMPING;
use der::oid::db::rfc5911::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNED_DATA};
use der::oid::db::rfc5912::ID_SHA_256;
use der::{Any, Decode, Encode, Sequence};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::authority::{
    ALWAYS, Authority, der, ecdsa_with_sha256, extension, generalized, may_sign, name, trusted,
};
use crate::encode::sha256;
use crate::key::Key;

const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// Sigstore's policy for timestamps.
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");

const COMMON_NAME: &str = "skillhost test timestamps";

#[derive(Clone, Debug)]
pub(crate) struct TimestampAuthority {
    root: Vec<u8>,
    key: Key,
    certificate: Certificate,
}

impl TimestampAuthority {
    pub(crate) fn new() -> Self {
        let root = Authority::new("skillhost test timestamp root");
        let key = Key::generate();
        // RFC 3161, section 2.3: this purpose only, and critical.
        let stamps_time = extension(true, &ExtendedKeyUsage(vec![ID_KP_TIME_STAMPING]));
        let tbs = root.tbs(
            name(COMMON_NAME),
            &key,
            ALWAYS,
            vec![may_sign(), stamps_time],
        );
        Self {
            certificate: Certificate::from_der(&root.seal(tbs)).expect("it was just encoded"),
            root: root.certificate().to_vec(),
            key,
        }
    }

    /// Shows this authority's certificate, without its key.
    pub(crate) fn impostor(&self) -> Self {
        Self {
            key: self.key.another(),
            ..self.clone()
        }
    }

    pub(crate) fn trusted(&self) -> Value {
        let leaf = der(&self.certificate);
        trusted("https://tsa.test", COMMON_NAME, &[&leaf, &self.root])
    }

    /// A `TimeStampResp` (DER) that says that `signature` existed at a time in
    /// Unix seconds.
    pub(crate) fn stamp(&self, signature: &[u8], at: i64) -> Vec<u8> {
        der(&TimeStampResp {
            status: PkiStatusInfo { status: 0 },
            token: ContentInfo {
                content_type: ID_SIGNED_DATA,
                content: any(&self.signed_data(&der(&TstInfo::new(signature, at)))),
            },
        })
    }

    fn signed_data(&self, stamped: &[u8]) -> SignedData {
        SignedData {
            version: CmsVersion::V3,
            digest_algorithms: set([sha256_algorithm()]),
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: TST_INFO,
                econtent: Some(any(&octets(stamped))),
            },
            certificates: Some(CertificateSet(set([CertificateChoices::Certificate(
                self.certificate.clone(),
            )]))),
            crls: None,
            signer_infos: SignerInfos(set([self.signer_info(stamped)])),
        }
    }

    fn signer_info(&self, stamped: &[u8]) -> SignerInfo {
        let attributes = self.signed_attributes(stamped);
        let tbs = &self.certificate.tbs_certificate;
        SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer.clone(),
                serial_number: tbs.serial_number.clone(),
            }),
            digest_alg: sha256_algorithm(),
            signature_algorithm: ecdsa_with_sha256(),
            signature: octets(&self.key.sign(&der(&attributes))),
            signed_attrs: Some(attributes),
            unsigned_attrs: None,
        }
    }

    fn signed_attributes(&self, stamped: &[u8]) -> SetOfVec<Attribute> {
        let certificate = SigningCertificate {
            certificates: vec![CertificateHash {
                sha256: octets(&sha256(&der(&self.certificate))),
            }],
        };
        set([
            attribute(ID_CONTENT_TYPE, &TST_INFO),
            attribute(ID_MESSAGE_DIGEST, &octets(&sha256(stamped))),
            attribute(SIGNING_CERTIFICATE, &certificate),
        ])
    }
}

/// RFC 3161, section 2.4.2.
#[derive(Sequence)]
struct TimeStampResp {
    status: PkiStatusInfo,
    token: ContentInfo,
}

#[derive(Sequence)]
struct PkiStatusInfo {
    status: u8,
}

#[derive(Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    message_imprint: MessageImprint,
    serial_number: u64,
    gen_time: GeneralizedTime,
}

#[derive(Sequence)]
struct MessageImprint {
    hash_algorithm: AlgorithmIdentifierOwned,
    hashed_message: OctetString,
}

/// `SigningCertificateV2` of RFC 5035, which RFC 5816 asks of timestamps.
#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateHash>,
}

/// An `ESSCertIDv2` of the default algorithm.
#[derive(Sequence)]
struct CertificateHash {
    sha256: OctetString,
}

impl TstInfo {
    fn new(signature: &[u8], at: i64) -> Self {
        Self {
            version: 1,
            policy: POLICY,
            message_imprint: MessageImprint {
                hash_algorithm: sha256_algorithm(),
                hashed_message: octets(&sha256(signature)),
            },
            serial_number: 1,
            gen_time: generalized(at),
        }
    }
}

fn sha256_algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: ID_SHA_256,
        parameters: None,
    }
}

fn attribute(oid: ObjectIdentifier, value: &impl Encode) -> Attribute {
    Attribute {
        oid,
        values: set([any(value)]),
    }
}

fn any(value: &impl Encode) -> Any {
    Any::from_der(&der(value)).expect("it was just encoded")
}

fn octets(bytes: &[u8]) -> OctetString {
    OctetString::new(bytes).expect("short bytes fit")
}

fn set<T: der::DerOrd, const N: usize>(values: [T; N]) -> SetOfVec<T> {
    SetOfVec::try_from(values).expect("the values of a set differ")
}
