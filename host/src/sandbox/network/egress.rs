//! Which HTTP requests may be sent, and the dialer that sends them.
//!
//! A request needs a rule of the grant for its origin, and a method that the
//! skill's manifest names. Redirects are not followed: the guest may, and each
//! hop is a new request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::Host;
use wasmtime_wasi_http::Error;

use super::super::meter::Budget;
use super::is_localhost;
use super::reach::{Open, Reach, Refusal, Unresolved};
use super::tls::{Stream, encrypt};
use crate::policy::address::is_metadata_host;
use crate::policy::capability::Capability;
use crate::policy::limits::Limits;
use crate::policy::origin::{Origin, OriginRule, Scheme};
use crate::policy::{Grant, remedy};
use crate::sandbox::Entrusted;

/// The longest method, in bytes; the registered ones have up to 17.
pub(super) const MAX_METHOD: usize = 32;

/// What stands for a grant where none would help.
const NO_GRANT: &str = "nothing: no grant allows this";

/// What one call may send.
#[derive(Debug)]
pub(crate) struct Egress {
    rules: Vec<OriginRule>,
    methods: Vec<String>,
    pub(in crate::sandbox) limits: BodyLimits,
    pub(in crate::sandbox) entrusted: Arc<Entrusted>,
    time: Duration,
    reach: Reach,
}

/// How large requests and responses may be.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct BodyLimits {
    pub(in crate::sandbox) request: u64,
    pub(in crate::sandbox) response: u64,
    pub(in crate::sandbox) headers: u64,
}

/// A request that was judged, and may now be dialled.
#[derive(Debug)]
pub(in crate::sandbox) struct Permit {
    pub(in crate::sandbox) origin: Origin,
    /// When the last byte of the response must be there.
    pub(in crate::sandbox) deadline: Instant,
    pub(in crate::sandbox) reach: Reach,
    /// Whether the operator named this very host.
    exact: bool,
}

impl Egress {
    pub(in crate::sandbox) fn new(grant: &Grant, limits: &Limits, reach: Reach) -> Self {
        Self {
            rules: grant.http().to_vec(),
            methods: grant.methods().to_vec(),
            limits: BodyLimits {
                request: limits.http_request_body,
                response: limits.http_response_body,
                headers: limits.http_headers,
            },
            entrusted: Arc::default(),
            time: limits.http_time,
            reach,
        }
    }

    /// With these credentials for requests.
    pub(in crate::sandbox) fn entrusted_with(mut self, entrusted: &Arc<Entrusted>) -> Self {
        self.entrusted = Arc::clone(entrusted);
        self
    }

    /// Judges a request by method and address. What is refused is an event;
    /// the guest learns no more than that.
    pub(in crate::sandbox) fn judge(
        &mut self,
        method: &Method,
        uri: &Uri,
    ) -> Result<Permit, Error> {
        let origin = self.origin(uri)?;
        self.check_length(method)?;
        let target = format!("{method} {origin}");
        let exact = self.rule(&origin, &target)?;
        self.check_method(method, &target)?;
        self.check_host(&origin, exact, &target)?;
        let counted = self.reach.meter.spend(Budget::HttpRequests, 1);
        counted.map_err(|_exceeded| Error::ConnectionLimitReached)?;
        Ok(Permit {
            origin,
            deadline: Instant::now() + self.time,
            reach: self.reach.clone(),
            exact,
        })
    }

    /// The origin as it is dialled, of an address that can be read in one way.
    fn origin(&self, uri: &Uri) -> Result<Origin, Error> {
        let text = uri.to_string();
        Origin::of(&text).map_err(|problem| {
            let grant = "no grant: the address is refused as it is written";
            self.reach.observer.egress(&text, None, &problem, grant);
            Error::HttpRequestUriInvalid
        })
    }

    fn check_length(&self, method: &Method) -> Result<(), Error> {
        let length = method.as_str().len();
        if length <= MAX_METHOD {
            return Ok(());
        }
        self.long_method(length);
        Err(Error::HttpRequestMethodInvalid)
    }

    /// Records that a method is longer than any.
    pub(super) fn long_method(&self, length: usize) {
        let target = format!("a method of {length} bytes");
        let rule = format!("a method has at most {MAX_METHOD} bytes");
        self.reach.observer.egress(&target, None, &rule, NO_GRANT);
    }

    /// Whether the rule that allows the origin names this very host.
    fn rule(&self, origin: &Origin, target: &str) -> Result<bool, Error> {
        let allowing = self.rules.iter().filter(|rule| rule.allows(origin));
        match allowing.max_by_key(|rule| rule.is_exact()) {
            Some(rule) => Ok(rule.is_exact()),
            None => {
                self.could_allow(origin);
                Err(self.denied(target, origin, "no grant names this origin"))
            }
        }
    }

    fn check_method(&self, method: &Method, target: &str) -> Result<(), Error> {
        if self
            .methods
            .iter()
            .any(|allowed| allowed == method.as_str())
        {
            return Ok(());
        }
        let rule = "the skill's manifest does not ask for this method";
        let grant = format!(
            "`methods = [\"{method}\"]` under `[capabilities.http]` in the author's skill.toml"
        );
        self.reach.observer.egress(target, None, rule, &grant);
        Err(Error::HttpRequestDenied)
    }

    /// Judges what can be judged without a name server.
    fn check_host(&self, origin: &Origin, exact: bool, target: &str) -> Result<(), Error> {
        let refusal = if is_metadata_host(&origin.host) {
            Some(Refusal::Metadata)
        } else {
            literal(origin).and_then(|ip| {
                let address = SocketAddr::new(ip, origin.port);
                self.reach.refusal(address, exact)
            })
        };
        match refusal {
            None => Ok(()),
            Some(refusal) => Err(self.refused(refusal, origin, target)),
        }
    }

    fn refused(&self, refusal: Refusal, origin: &Origin, target: &str) -> Error {
        let rule = format!("{} {}", origin.host, refusal.rule());
        if refusal.is_grantable() {
            return self.denied(target, origin, &rule);
        }
        self.reach.observer.egress(target, None, &rule, NO_GRANT);
        Error::HttpRequestDenied
    }

    /// Of an origin that the manifest names. One that only fits a pattern may be
    /// the model's, or an attacker's, and lead inside: a human would not see that.
    fn could_allow(&self, origin: &Origin) {
        let observer = &self.reach.observer;
        let wanted = observer.wanted().http.as_ref();
        let mut named = wanted.into_iter().flat_map(|it| &it.origins);
        let named = named.find(|rule| rule.is_exact() && rule.allows(origin));
        if let Some(rule) = named {
            observer.could_allow(Capability::Http(rule.clone()));
        }
    }

    fn denied(&self, target: &str, origin: &Origin, rule: &str) -> Error {
        let observer = &self.reach.observer;
        let grant = remedy::http(observer.skill(), &origin.to_string(), observer.wanted());
        observer.egress(target, None, rule, &grant);
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

impl Permit {
    /// Connects to an address that this permit allows, with TLS for `https`. The
    /// connection counts as open until what comes with it is dropped.
    pub(in crate::sandbox) async fn dial(&self) -> Result<(Box<dyn Stream>, Open), Error> {
        let open = self.reach.open().await;
        let open = open.map_err(|_exceeded| Error::ConnectionLimitReached)?;
        let stream = self.connect().await?;
        // A request waits for its answer: nothing is gained by delaying it.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match self.origin.scheme {
            Scheme::Http => Box::new(stream),
            Scheme::Https => Box::new(encrypt(&self.origin.host, stream).await?),
        };
        Ok((stream, open))
    }

    /// Tries the addresses in turn, as a browser would.
    async fn connect(&self) -> Result<TcpStream, Error> {
        let mut failure = Error::DestinationNotFound;
        for ip in self.addresses().await? {
            let counted = self.reach.try_once();
            counted.map_err(|_exceeded| Error::ConnectionLimitReached)?;
            let address = SocketAddr::new(ip, self.origin.port);
            match self.reach.connect(address).await {
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
        let addresses = self.reach.addresses(name, self.origin.port).await;
        addresses.map_err(|unresolved| match unresolved {
            Unresolved::Late => Error::DnsTimeout,
            Unresolved::Missing => Error::DestinationNotFound,
            Unresolved::Refused(address, refusal) => {
                self.record(name, address, refusal);
                Error::DestinationNotFound
            }
        })
    }

    /// Records that a name leads where nothing may go. The guest is told that
    /// there is no such name, so that it learns nothing about names inside.
    fn record(&self, name: &str, address: IpAddr, refusal: Refusal) {
        let observer = &self.reach.observer;
        let literal = Origin {
            host: host_of(address),
            ..self.origin.clone()
        };
        let grant = if refusal.is_grantable() {
            remedy::http(observer.skill(), &literal.to_string(), observer.wanted())
        } else {
            NO_GRANT.to_owned()
        };
        observer.egress(
            &self.origin.to_string(),
            Some(address.to_string()),
            &format!("{name} stands for {address}, which {}", refusal.rule()),
            &grant,
        );
    }
}

const fn host_of(address: IpAddr) -> Host {
    match address {
        IpAddr::V4(ip) => Host::Ipv4(ip),
        IpAddr::V6(ip) => Host::Ipv6(ip),
    }
}
