//! TLS to the host that was named, and no way to weaken it.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Host;
use wasmtime_wasi_http::Error;

/// A connection, encrypted or not.
pub(crate) trait Stream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin
{
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

/// TLS to `host`, whose certificate must be one that Mozilla's roots vouch for.
pub(crate) async fn encrypt(host: &Host, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
    let config = TLS.clone().ok_or(Error::ConfigurationError)?;
    encrypt_by(config, host, stream).await
}

async fn encrypt_by(
    config: Arc<ClientConfig>,
    host: &Host,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = match host {
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_cause| Error::HttpRequestUriInvalid)?
        }
        Host::Ipv4(ip) => ServerName::from(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => ServerName::from(IpAddr::V6(*ip)),
    };
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(Error::Tls)
}

/// Mozilla's roots as compiled in: no file or variable of the machine adds one.
static TLS: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    client(RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    })
});

/// TLS 1.2 and 1.3, certificates judged by these roots.
fn client(roots: RootCertStore) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
