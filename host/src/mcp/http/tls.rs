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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;
    use tokio::io::duplex;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::mcp::fixture::{Events as Seen, Kept};

    /// A certificate for `localhost` that vouches for itself, and its key.
    struct Pair {
        certificate: CertificateDer<'static>,
        chain: String,
        key: String,
    }

    fn pair() -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Pair {
            certificate: certificate.der().clone(),
            chain: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der).unwrap()
    }

    fn write(path: &Path, text: &str, mode: u32) {
        let beside = path.with_extension("staged");
        fs::write(&beside, text).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(&beside, path).unwrap();
    }

    fn place(folder: &TempDir, chain: &str, key: &str) -> TlsFiles {
        let files = TlsFiles {
            certificate: folder.path().join("chain.pem"),
            key: folder.path().join("key.pem"),
        };
        write(&files.certificate, chain, 0o644);
        write(&files.key, key, 0o600);
        files
    }

    /// Whether a client that trusts that certificate alone is served.
    async fn serves(tls: &Tls, certificate: &CertificateDer<'static>, protocol: &[u8]) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let (client, server) = duplex(1 << 14);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let (shaken, _) = tokio::join!(
            connector.connect(name, client),
            tls.acceptor().accept(server)
        );
        shaken.is_ok()
    }

    fn recorded(seen: &Seen) -> Vec<String> {
        let seen = seen.lock().unwrap();
        let kinds = seen.iter().map(|it| {
            let event = it["event"].as_str().unwrap();
            format!("{event} {}", it["kind"].as_str().unwrap_or("-"))
        });
        kinds.collect()
    }

    #[tokio::test]
    async fn a_changed_pair_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (old, fresh) = (pair(), pair());
        let files = place(&folder, &old.chain, &old.key);
        let tls = Tls::open(files.clone()).unwrap();
        let seen = Seen::default();
        let kept = Box::new(Kept(Arc::clone(&seen)));
        let events = Events::new(kept, Vec::new(), crate::time::system()).unwrap();
        tls.renew(&events);
        assert!(recorded(&seen).is_empty(), "nothing has changed");
        assert!(serves(&tls, &old.certificate, HTTP_1).await);

        // Half of a pair, as there is while it is replaced.
        write(&files.certificate, &fresh.chain, 0o644);
        tls.renew(&events);
        tls.renew(&events);
        assert_eq!(recorded(&seen), ["config.rejected ConfigInvalid"]);
        assert!(serves(&tls, &old.certificate, HTTP_1).await);

        write(&files.key, &fresh.key, 0o644);
        tls.renew(&events);
        assert_eq!(
            recorded(&seen).last().unwrap(),
            "config.rejected ConfigInsecure"
        );
        write(&files.key, &fresh.key, 0o600);
        tls.renew(&events);
        assert_eq!(recorded(&seen).last().unwrap(), "config.reloaded -");
        assert!(serves(&tls, &fresh.certificate, HTTP_1).await);
        assert!(!serves(&tls, &old.certificate, HTTP_1).await);

        fs::remove_file(&files.key).unwrap();
        tls.renew(&events);
        assert_eq!(
            recorded(&seen).last().unwrap(),
            "config.rejected ConfigInvalid"
        );
        assert!(serves(&tls, &fresh.certificate, HTTP_1).await);
    }

    #[tokio::test]
    async fn m11_no_other_protocol_is_agreed_on() {
        let folder = tempfile::tempdir().unwrap();
        let pair = pair();
        let tls = Tls::open(place(&folder, &pair.chain, &pair.key)).unwrap();
        assert!(serves(&tls, &pair.certificate, b"http/1.1").await);
        assert!(!serves(&tls, &pair.certificate, b"h2").await);
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let (one, other) = (pair(), pair());
        for (chain, key) in [
            (one.chain.as_str(), other.key.as_str()),
            ("", one.key.as_str()),
            (one.chain.as_str(), ""),
            (one.key.as_str(), one.chain.as_str()),
            ("-----BEGIN CERTIFICATE-----", one.key.as_str()),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let refused = Tls::open(place(&folder, chain, key)).unwrap_err();
            assert_eq!(refused.kind(), Kind::ConfigInvalid);
        }
    }
}
