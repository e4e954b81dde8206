use std::net::SocketAddr;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{CertificateError, ServerConfig};

use super::*;

/// A certificate authority that no browser knows.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate for one name, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], key.into())
    }

    /// How a client that trusts this authority alone judges.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        client(roots).unwrap()
    }
}

async fn server((chain, key): Identity) -> SocketAddr {
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What the client does not trust, it does not talk to.
            let _ = acceptor.accept(stream).await;
        }
    });
    address
}

#[expect(
    clippy::disallowed_methods,
    reason = "connects to the test's own server"
)]
async fn stream(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Why a client refused the certificate; none if it did not.
fn refusal<T>(result: Result<T, Error>) -> Option<CertificateError> {
    let Err(Error::Tls(error)) = result.map(drop) else {
        return None;
    };
    let error = error.downcast::<tokio_rustls::rustls::Error>().unwrap();
    match error {
        tokio_rustls::rustls::Error::InvalidCertificate(why) => Some(why),
        other => panic!("{other}"),
    }
}

async fn judged(
    config: Arc<ClientConfig>,
    name: &str,
    identity: Identity,
) -> Option<CertificateError> {
    let address = server(identity).await;
    let host = Host::parse(name).unwrap();
    refusal(encrypt_by(config, &host, stream(address).await).await)
}

#[tokio::test]
async fn n15_a_good_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new("one");
    for name in ["good.test", "127.0.0.1"] {
        let identity = authority.issue(name, |_| {});
        assert_eq!(
            judged(authority.client(), name, identity).await,
            None,
            "{name}"
        );
    }
}

#[tokio::test]
async fn n15_an_expired_certificate_is_refused() {
    let authority = Authority::new("one");
    let identity = authority.issue("good.test", |params| {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    let why = judged(authority.client(), "good.test", identity).await;
    assert!(
        matches!(why, Some(CertificateError::ExpiredContext { .. })),
        "{why:?}"
    );
}

#[tokio::test]
async fn n15_a_certificate_that_is_not_valid_yet_is_refused() {
    let authority = Authority::new("one");
    let identity = authority.issue("good.test", |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
        params.not_after = date_time_ymd(3001, 1, 1);
    });
    let why = judged(authority.client(), "good.test", identity).await;
    assert!(
        matches!(why, Some(CertificateError::NotValidYetContext { .. })),
        "{why:?}"
    );
}

#[tokio::test]
async fn n15_a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("one");
    for (certified, dialled) in [
        ("evil.test", "good.test"),
        ("good.test", "evilgood.test"),
        ("127.0.0.1", "127.0.0.2"),
        ("*.good.test", "a.b.good.test"),
    ] {
        let identity = authority.issue(certified, |_| {});
        let why = judged(authority.client(), dialled, identity).await;
        let wrong_name = matches!(why, Some(CertificateError::NotValidForNameContext { .. }));
        assert!(wrong_name, "{dialled}: {why:?}");
    }
}

#[tokio::test]
async fn n15_an_unknown_authority_is_refused() {
    let (authority, other) = (Authority::new("one"), Authority::new("other"));
    let identity = other.issue("good.test", |_| {});
    let why = judged(authority.client(), "good.test", identity).await;
    assert_eq!(why, Some(CertificateError::UnknownIssuer));
}

#[tokio::test]
async fn n15_a_certificate_that_signs_itself_is_refused() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["good.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let why = judged(
        Authority::new("one").client(),
        "good.test",
        (vec![certificate], key.into()),
    )
    .await;
    assert_eq!(why, Some(CertificateError::UnknownIssuer));
}

#[tokio::test]
async fn n15_a_guests_connection_trusts_no_authority_but_the_public_ones() {
    let identity = Authority::new("one").issue("good.test", |_| {});
    let address = server(identity).await;
    let host = Host::parse("good.test").unwrap();
    let why = refusal(encrypt(&host, stream(address).await).await);
    assert_eq!(why, Some(CertificateError::UnknownIssuer));
}
