//! The trusted root: which certificate authorities, transparency logs and
//! timestamp authorities are believed (Sigstore protobuf-specs,
//! `TrustedRoot` v0.1).

use std::fmt;
use std::sync::{Arc, LazyLock};

use sigstore_types::LogKeyId;
use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};

use crate::artifact::Digest;

/// The largest trusted root, in bytes; the public-good one has 7 KB.
pub const MAX_ROOT: u64 = 1024 * 1024;

/// Believed authorities and logs, parsed and ready.
#[derive(Clone)]
pub struct Root {
    verifier: Arc<sigstore_verify::Verifier>,
    counts: [usize; 4],
    digest: Digest,
    logs: Arc<[LogKeyId]>,
    source: Arc<str>,
}

/// Why text is no usable trusted root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Over [`MAX_ROOT`].
    #[error("it is larger than {MAX_ROOT} bytes")]
    TooLarge,
    /// Not JSON of the format.
    #[error("it is no trusted root ({0})")]
    Malformed(String),
    /// A key or certificate in it cannot be used.
    #[error("a key or certificate in it cannot be used ({0})")]
    Unusable(String),
    /// Nobody would be believed.
    #[error("it names no certificate authority and no transparency log")]
    Empty,
}

static PUBLIC_GOOD: LazyLock<Result<Root, RootError>> = LazyLock::new(|| {
    let json = SigstoreInstance::PublicGood.embedded_trusted_root_json();
    Root::parse(json, "embedded public-good root")
});

impl Root {
    /// Sigstore's public-good instance, as it was when this host was built.
    pub fn public_good() -> Result<Self, RootError> {
        PUBLIC_GOOD.clone()
    }

    /// Reads a `trusted_root.json`; `source` says in reports where it is from.
    pub fn parse(json: &str, source: &str) -> Result<Self, RootError> {
        if json.len() as u64 > MAX_ROOT {
            return Err(RootError::TooLarge);
        }
        let malformed =
            |cause: sigstore_verify::trust_root::Error| RootError::Malformed(cause.to_string());
        let root = TrustedRoot::from_json(json).map_err(malformed)?;
        if root.certificate_authorities.is_empty() && root.tlogs.is_empty() {
            return Err(RootError::Empty);
        }
        let verifier = sigstore_verify::Verifier::new(&root)
            .map_err(|cause| RootError::Unusable(cause.to_string()))?;
        Ok(Self {
            counts: [
                root.certificate_authorities.len(),
                root.ctlogs.len(),
                root.tlogs.len(),
                root.timestamp_authorities.len(),
            ],
            digest: Digest::of(json.as_bytes()),
            logs: root
                .tlogs
                .iter()
                .map(|log| log.log_id.key_id.clone())
                .collect(),
            verifier: Arc::new(verifier),
            source: source.into(),
        })
    }

    /// Where it is from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-256 of its text.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it names the transparency log with that id.
    pub(super) fn believes_log(&self, id: &LogKeyId) -> bool {
        self.logs.contains(id)
    }

    pub(super) fn verifier(&self) -> &sigstore_verify::Verifier {
        &self.verifier
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [authorities, certificate_logs, logs, timestamps] = self.counts;
        write!(
            f,
            "{} ({authorities} certificate authorities, {certificate_logs} certificate logs, {logs} transparency logs, {timestamps} timestamp authorities)",
            self.source
        )
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({})", self.source)
    }
}
