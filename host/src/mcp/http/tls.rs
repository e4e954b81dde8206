//! TLS by files, which are read anew when they change. A pair that does not
//! belong together, as there is one while it is replaced, leaves the old one
//! serving.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::TlsFiles;
use crate::config::{read_key, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Subject};
use crate::trust::watch::{Identity, identity};

/// The largest file of certificates, in bytes.
const MAX_CHAIN: u64 = 256 * 1024;

/// The one protocol that is spoken; a client that wants another is refused in
/// the handshake.
const HTTP_1: &[u8] = b"http/1.1";

/// What the table is called in `config.reloaded`.
const TABLE: &str = "http.tls";

/// A certificate that is served, and its files.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    serving: RwLock<Arc<ServerConfig>>,
    /// The files as they were when they were last looked at.
    seen: Mutex<Seen>,
}

type Seen = [Option<Identity>; 2];

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if others may write them or read the key,
    /// `ConfigInvalid` if they are no certificate and its key.
    pub(super) fn open(files: TlsFiles) -> Result<Self> {
        let seen = look(&files);
        Ok(Self {
            serving: RwLock::new(read(&files)?),
            seen: Mutex::new(seen),
            files,
        })
    }

    /// Speaks TLS with the certificate that is served now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&serving))
    }

    /// Reads files that have changed. Touches the disk.
    pub(super) fn renew(&self, events: &Events) {
        let now = look(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, now) == now {
            return;
        }
        let event = match read(&self.files) {
            Ok(config) => {
                let mut serving = self.serving.write().unwrap_or_else(PoisonError::into_inner);
                *serving = config;
                Event::ConfigReloaded {
                    changed: vec![TABLE.to_owned()],
                }
            }
            Err(error) => Event::ConfigRejected {
                kind: error.kind(),
                reason: error.message().to_owned(),
            },
        };
        if let Err(error) = events.record(&Subject::default(), &event) {
            tracing::debug!(internal = error.internal(), "a certificate is not recorded");
        }
    }
}

fn look(files: &TlsFiles) -> Seen {
    [identity(&files.certificate), identity(&files.key)]
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>> {
    let chain = read_trusted(&files.certificate, MAX_CHAIN)
        .map_err(|unreadable| unreadable.into_error("certificate", &files.certificate))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(|cause| invalid(files, &cause))?;
    if chain.is_empty() {
        return Err(invalid(files, &"there is no certificate"));
    }
    let key = read_key(&files.key)?;
    let key =
        PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|cause| invalid(files, &cause))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|cause| invalid(files, &cause))?;
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(Arc::new(config))
}

fn invalid(files: &TlsFiles, cause: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!(
            "The files {} and {} are no certificate and its key.",
            files.certificate.display(),
            files.key.display()
        ),
    )
    .with_hint("Name PEM files: the chain with the host's own certificate first, and its private key without a password.")
    .with_internal(cause)
}
