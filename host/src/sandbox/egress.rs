//! The one way out: which HTTP requests may be sent, and the dialer that sends
//! them.
//!
//! A request is judged in this order:
//!
//! 1. Method and origin must fall under the grant; the origin is parsed once,
//!    and the parsed value is dialled.
//! 2. An address literal, or `localhost`, must be granted exactly if it is not
//!    public.
//! 3. A name is resolved once, and every address it stands for must be public;
//!    one that is not denies the name. The address that was judged is dialled.
//!
//! Redirects are not followed: the guest may, and each hop is a new request.
//! No environment variable, proxy or certificate file changes any of this.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{Method, Uri};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Host;
use wasmtime_wasi_http::Error;

use super::address::is_public;
use super::observer::Observer;
use crate::policy::limits::Limits;
use crate::policy::origin::{Origin, OriginRule, Scheme};
use crate::policy::{Grant, http_grant};

/// The longest method, in bytes; the registered ones have up to 17.
const MAX_METHOD: usize = 32;

/// The longest time that a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A future that a [`Network`] returns.
pub type NetworkFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Names and connections, injected so that tests bring their own internet.
pub trait Network: fmt::Debug + Send + Sync {
    /// Every address that `name` stands for.
    fn resolve<'a>(&'a self, name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>>;
    /// A connection to exactly that address.
    fn connect(&self, address: SocketAddr) -> NetworkFuture<'_, TcpStream>;
}

/// The machine's own network.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn resolve<'a>(&'a self, name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that connects, to an address that was judged"
    )]
    fn connect(&self, address: SocketAddr) -> NetworkFuture<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }
}

/// What one call may send.
#[derive(Debug)]
pub(crate) struct Egress {
    rules: Vec<OriginRule>,
    methods: Vec<String>,
    pub(super) limits: BodyLimits,
    requests_left: u64,
    network: Arc<dyn Network>,
    observer: Observer,
}

/// How large requests and responses may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    pub(super) request: u64,
    pub(super) response: u64,
    pub(super) headers: u64,
}

/// A request that was judged, and may now be dialled.
#[derive(Debug)]
pub(super) struct Permit {
    pub(super) origin: Origin,
    /// Whether the operator named this very host.
    exact: bool,
    network: Arc<dyn Network>,
    observer: Observer,
}

impl Egress {
    pub(super) fn new(
        grant: &Grant,
        limits: &Limits,
        network: Arc<dyn Network>,
        observer: Observer,
    ) -> Self {
        Self {
            rules: grant.http().to_vec(),
            methods: grant.methods().to_vec(),
            limits: BodyLimits {
                request: limits.http_request_body,
                response: limits.http_response_body,
                headers: limits.http_headers,
            },
            requests_left: limits.http_requests,
            network,
            observer,
        }
    }

    /// Judges a request by method and address. What is refused is an event;
    /// the guest learns no more than that.
    pub(super) fn judge(&mut self, method: &Method, uri: &Uri) -> Result<Permit, Error> {
        let origin = Origin::of(&uri.to_string()).map_err(|problem| {
            self.observer.egress(
                &uri.to_string(),
                None,
                &problem,
                "no grant: the address is refused as it is written",
            );
            Error::HttpRequestUriInvalid
        })?;
        if method.as_str().len() > MAX_METHOD {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let target = format!("{method} {origin}");
        let rule = self
            .rules
            .iter()
            .filter(|rule| rule.allows(&origin))
            .max_by_key(|rule| rule.is_exact());
        let Some(rule) = rule else {
            return Err(self.denied(&target, &origin, "no grant names this origin"));
        };
        if !self
            .methods
            .iter()
            .any(|allowed| allowed == method.as_str())
        {
            self.observer.egress(
                &target,
                None,
                "the skill's manifest does not ask for this method",
                &format!("`methods = [\"{method}\"]` under `[capabilities.http]` in the author's skill.toml"),
            );
            return Err(Error::HttpRequestDenied);
        }
        let exact = rule.is_exact();
        let Some(left) = self.requests_left.checked_sub(1) else {
            let grant = "nothing: the number of requests of one call is limited";
            self.observer.egress(
                &target,
                None,
                "the call has sent as many requests as it may",
                grant,
            );
            return Err(Error::ConnectionLimitReached);
        };
        self.requests_left = left;
        if let Some(ip) = literal(&origin)
            && !exact
            && !is_public(ip)
        {
            return Err(self.denied(
                &target,
                &origin,
                "the address is not public, and only a wildcard allows it",
            ));
        }
        Ok(Permit {
            origin,
            exact,
            network: Arc::clone(&self.network),
            observer: self.observer.clone(),
        })
    }

    fn denied(&self, target: &str, origin: &Origin, rule: &str) -> Error {
        let grant = http_grant(self.observer.skill(), &origin.to_string());
        self.observer.egress(target, None, rule, &grant);
        Error::HttpRequestDenied
    }
}

/// The address that needs no name server.
fn literal(origin: &Origin) -> Option<IpAddr> {
    if is_localhost(&origin.host) {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    origin.ip()
}

/// RFC 6761, section 6.3.
pub(crate) fn is_localhost(host: &Host) -> bool {
    matches!(host, Host::Domain(name) if name == "localhost" || name.ends_with(".localhost"))
}

impl Permit {
    /// Connects to an address that this permit allows, with TLS for `https`.
    pub(super) async fn dial(&self) -> Result<Box<dyn Stream>, Error> {
        let stream = self.connect().await?;
        // A request waits for its answer: nothing is gained by delaying it.
        let _ = stream.set_nodelay(true);
        match self.origin.scheme {
            Scheme::Http => Ok(Box::new(stream)),
            Scheme::Https => Ok(Box::new(encrypt(&self.origin.host, stream).await?)),
        }
    }

    /// Tries the addresses in turn, as a browser would.
    async fn connect(&self) -> Result<TcpStream, Error> {
        let mut failure = Error::DestinationNotFound;
        for ip in self.addresses().await? {
            match self
                .network
                .connect(SocketAddr::new(ip, self.origin.port))
                .await
            {
                Ok(stream) => return Ok(stream),
                Err(cause) => {
                    tracing::debug!(%ip, %cause, "a connection failed");
                    failure = Error::ConnectionRefused;
                }
            }
        }
        Err(failure)
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, Error> {
        let Host::Domain(name) = &self.origin.host else {
            return Ok(self.origin.ip().into_iter().collect());
        };
        if is_localhost(&self.origin.host) && self.exact {
            return Ok(vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]);
        }
        let addresses = tokio::time::timeout(RESOLVE_TIMEOUT, self.network.resolve(name))
            .await
            .map_err(|_elapsed| Error::DnsTimeout)?
            .map_err(|cause| {
                tracing::debug!(%cause, "a name could not be resolved");
                Error::DestinationNotFound
            })?;
        match addresses.iter().find(|ip| !is_public(**ip)) {
            Some(private) => Err(self.private(name, *private)),
            None => Ok(addresses),
        }
    }

    fn private(&self, name: &str, address: IpAddr) -> Error {
        let literal = Origin {
            host: host_of(address),
            ..self.origin.clone()
        };
        self.observer.egress(
            &self.origin.to_string(),
            Some(address.to_string()),
            &format!("{name} stands for {address}, which is not public"),
            &http_grant(self.observer.skill(), &literal.to_string()),
        );
        Error::HttpRequestDenied
    }
}

const fn host_of(address: IpAddr) -> Host {
    match address {
        IpAddr::V4(ip) => Host::Ipv4(ip),
        IpAddr::V6(ip) => Host::Ipv6(ip),
    }
}

/// TLS to `host`, whose certificate must be one that Mozilla's roots vouch for.
pub(crate) async fn encrypt(host: &Host, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
    let name = match host {
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_cause| Error::HttpRequestUriInvalid)?
        }
        Host::Ipv4(ip) => ServerName::from(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => ServerName::from(IpAddr::V6(*ip)),
    };
    let config = TLS.clone().ok_or(Error::ConfigurationError)?;
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(Error::Tls)
}

/// A connection, encrypted or not.
pub(crate) trait Stream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin
{
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

/// Mozilla's roots as compiled in: no file or variable of the machine adds one.
static TLS: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
});

#[cfg(test)]
mod tests;
