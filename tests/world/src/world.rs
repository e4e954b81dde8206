//! The authorities and logs that vouch for signatures, all of them ours.

use serde_json::{Value, json};

use crate::authority::{self, Authority};
use crate::draft::Draft;
use crate::entry::Entry;
use crate::evidence::Evidence;
use crate::leaf::CertificateLog;
use crate::log::Log;
use crate::signed::Signed;
use crate::timestamp::TimestampAuthority;

const CERTIFICATES: &str = "skillhost test certificates";

/// A certificate authority, a certificate log, a log of Rekor v1, one of
/// Rekor v2 and a timestamp authority. Valid from 2024 to 2044.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) authority: Authority,
    pub(crate) certificate_log: Option<CertificateLog>,
    pub(crate) rekor_v1: Log,
    pub(crate) rekor_v2: Log,
    pub(crate) timestamps: TimestampAuthority,
}

impl World {
    /// A world with new keys, which no other world trusts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            authority: Authority::new(CERTIFICATES),
            certificate_log: Some(CertificateLog::new()),
            rekor_v1: Log::v1(),
            rekor_v2: Log::v2(),
            timestamps: TimestampAuthority::new(),
        }
    }

    /// The `trusted_root.json` of this world.
    #[must_use]
    pub fn trusted_root(&self) -> String {
        let certificate_logs = self.certificate_log.iter().map(CertificateLog::trusted);
        let root = self.authority.certificate();
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self.rekor_v1.trusted(), self.rekor_v2.trusted()],
            "certificateAuthorities": [
                authority::trusted("https://fulcio.test", CERTIFICATES, &[root]),
            ],
            "ctlogs": certificate_logs.collect::<Vec<_>>(),
            "timestampAuthorities": [self.timestamps.trusted()],
        });
        format!("{root:#}")
    }

    /// Begins a bundle for an artifact. Without further words it is signed by
    /// [`IDENTITY`](crate::IDENTITY) at [`SIGNED_AT`](crate::SIGNED_AT).
    #[must_use]
    pub fn bundle(&self, artifact: &[u8]) -> Draft<'_> {
        Draft::new(self, artifact)
    }

    /// The log entry that `evidence` asks for.
    pub(crate) fn record(&self, signed: &Signed, evidence: Evidence, at: i64) -> Option<Value> {
        let log = match evidence {
            Evidence::None => return None,
            Evidence::V2 => &self.rekor_v2,
            Evidence::V1 | Evidence::V1Promise | Evidence::V1Proof | Evidence::V1Intoto => {
                &self.rekor_v1
            }
        };
        Some(log.record(&Entry::new(signed, evidence), evidence, at))
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
