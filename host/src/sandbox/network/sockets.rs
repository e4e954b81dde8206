//! Which raw connections one call may have: TCP, UDP and listening, each kind on
//! its own, and each to the very endpoints that were granted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Host;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::is_localhost;
use super::reach::{Open, Reach, Unresolved};
use crate::policy::endpoint::{Endpoint, canonical_host};
use crate::policy::{SocketGrant, remedy};

/// What stands for a grant where none would help.
const NO_GRANT: &str = "nothing: no grant allows this";

/// The raw connections of one call.
#[derive(Debug)]
pub(in crate::sandbox) struct Sockets {
    grant: SocketGrant,
    reach: Reach,
    seen: Mutex<Seen>,
}

/// What the call found out and did so far.
#[derive(Debug, Default)]
struct Seen {
    /// Granted names by the addresses that they were found to stand for.
    names: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Where datagrams were sent to.
    peers: BTreeSet<SocketAddr>,
}

/// Which kind of connection, as grants call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Listen,
}

/// What a name stands for, before anything is asked of a name server.
pub(super) enum Lookup {
    /// These addresses.
    Known(Vec<IpAddr>),
    /// Nobody granted a connection to it.
    Denied,
    /// It is no name.
    Invalid,
    /// What the name servers say of this name.
    Ask(String),
}

impl Sockets {
    pub(in crate::sandbox) fn new(grant: &SocketGrant, reach: Reach) -> Self {
        Self {
            grant: grant.clone(),
            reach,
            seen: Mutex::default(),
        }
    }

    /// Has this judge asked for each use of a socket.
    pub(in crate::sandbox) fn judge_for(self: &Arc<Self>, wasi: &mut WasiCtxBuilder) {
        let judge = Arc::clone(self);
        wasi.allow_tcp(true).allow_udp(true);
        wasi.socket_addr_check(move |address, purpose| {
            let allowed = judge.allows(address, purpose);
            Box::pin(async move { allowed })
        });
    }

    /// Whether a socket may be used in that way. What is refused is an event.
    fn allows(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            SocketAddrUse::TcpConnect => {
                self.may_reach(Kind::Tcp, address) && self.reach.try_once().is_ok()
            }
            SocketAddrUse::UdpSend => self.may_reach(Kind::Udp, address) && self.meets(address),
            SocketAddrUse::UdpReceive => self.is_granted(Kind::Udp, address).is_some(),
            SocketAddrUse::TcpBind => is_any(address) || self.may_listen(address),
            SocketAddrUse::TcpListen => self.may_listen(address),
            SocketAddrUse::UdpBind => is_any(address) || self.no_udp_port(address),
            SocketAddrUse::TcpAccept => address.ip().is_loopback(),
        }
    }

    /// Room for one more socket.
    pub(super) fn open(&self) -> Option<Open> {
        self.reach.open_now()
    }

    fn may_reach(&self, kind: Kind, address: SocketAddr) -> bool {
        let Some(is_named) = self.is_granted(kind, address) else {
            self.deny(kind, address, "no grant names this address", true);
            return false;
        };
        match self.reach.refusal(address, is_named) {
            None => true,
            Some(refusal) => {
                self.deny(kind, address, refusal.rule(), refusal.is_grantable());
                false
            }
        }
    }

    /// Whether a grant names the address itself (`true`), or a name that was
    /// found to stand for it.
    fn is_granted(&self, kind: Kind, address: SocketAddr) -> Option<bool> {
        let granted = self.endpoints(kind).iter();
        let granted = granted.filter(|endpoint| endpoint.port == address.port());
        let ways = granted.filter_map(|endpoint| match &endpoint.host {
            Host::Ipv4(ip) => (address.ip() == *ip).then_some(true),
            Host::Ipv6(ip) => (address.ip() == *ip).then_some(true),
            host if is_localhost(host) => loopback().contains(&address.ip()).then_some(true),
            Host::Domain(name) => self.stands_for(name, address.ip()).then_some(false),
        });
        ways.max()
    }

    fn endpoints(&self, kind: Kind) -> &[Endpoint] {
        match kind {
            Kind::Tcp => &self.grant.tcp,
            Kind::Udp => &self.grant.udp,
            Kind::Listen => &[],
        }
    }

    fn may_listen(&self, address: SocketAddr) -> bool {
        let granted = self.grant.listen.iter().any(|it| it.address() == address);
        if !granted {
            let grantable = address.ip().is_loopback() && address.port() > 0;
            self.deny(
                Kind::Listen,
                address,
                "no grant names this address",
                grantable,
            );
        }
        granted
    }

    fn no_udp_port(&self, address: SocketAddr) -> bool {
        self.deny(Kind::Listen, address, "UDP is not listened on", false);
        false
    }

    /// Counts each peer once: datagrams make no connections.
    fn meets(&self, peer: SocketAddr) -> bool {
        let is_known = self.seen().peers.contains(&peer);
        is_known || (self.reach.try_once().is_ok() && self.seen().peers.insert(peer))
    }

    /// What a guest may know of a name.
    pub(super) fn look_up(&self, name: &str) -> Lookup {
        let Some(host) = canonical_host(name) else {
            return Lookup::Invalid;
        };
        let granted = self.grant.tcp.iter().chain(&self.grant.udp);
        let is_granted = granted.into_iter().any(|endpoint| endpoint.host == host);
        match host {
            Host::Ipv4(ip) => Lookup::Known(vec![ip.into()]),
            Host::Ipv6(ip) => Lookup::Known(vec![ip.into()]),
            Host::Domain(_) if !is_granted => {
                self.deny_name(&host);
                Lookup::Denied
            }
            host if is_localhost(&host) => Lookup::Known(loopback().to_vec()),
            Host::Domain(name) => match self.reach.try_once() {
                Ok(()) => Lookup::Ask(name),
                Err(_exceeded) => Lookup::Denied,
            },
        }
    }

    /// The addresses of a name that was granted, all of them judged.
    pub(super) async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let found = self.reach.addresses(name, self.port_of(name)).await;
        match &found {
            Ok(addresses) => self.learn(name, addresses),
            Err(Unresolved::Refused(address, refusal)) => {
                let rule = format!("{name} stands for {address}, which {}", refusal.rule());
                let address = SocketAddr::new(*address, self.port_of(name));
                let kind = self.kind_of(name);
                self.deny(kind, address, &rule, refusal.is_grantable());
            }
            Err(Unresolved::Missing | Unresolved::Late) => {}
        }
        found
    }

    fn learn(&self, name: &str, addresses: &[IpAddr]) {
        let mut seen = self.seen();
        for ip in addresses {
            seen.names.entry(*ip).or_default().insert(name.to_owned());
        }
    }

    fn stands_for(&self, name: &str, ip: IpAddr) -> bool {
        let seen = self.seen();
        seen.names
            .get(&ip)
            .is_some_and(|names| names.contains(name))
    }

    fn kind_of(&self, name: &str) -> Kind {
        let tcp = self.grant.tcp.iter().any(|it| is_named(it, name));
        if tcp { Kind::Tcp } else { Kind::Udp }
    }

    /// The port of the first grant with that name.
    fn port_of(&self, name: &str) -> u16 {
        let mut granted = self.grant.tcp.iter().chain(&self.grant.udp);
        granted
            .find(|it| is_named(it, name))
            .map_or(0, |it| it.port)
    }

    fn deny(&self, kind: Kind, address: SocketAddr, rule: &str, is_grantable: bool) {
        let observer = &self.reach.observer;
        let grant = if is_grantable {
            let (skill, wanted) = (observer.skill(), observer.wanted());
            remedy::socket(skill, kind.as_str(), &address.to_string(), wanted)
        } else {
            NO_GRANT.to_owned()
        };
        let target = format!("{} {address}", kind.as_str());
        observer.socket(&target, Some(address.ip().to_string()), rule, &grant);
    }

    fn deny_name(&self, host: &Host) {
        let observer = &self.reach.observer;
        let endpoint = format!("{host}:PORT");
        let grant = remedy::socket(observer.skill(), "tcp", &endpoint, observer.wanted());
        let rule = "no grant for a raw connection names this host";
        observer.socket(&format!("name {host}"), None, rule, &grant);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Listen => "listen",
        }
    }
}

fn is_named(endpoint: &Endpoint, name: &str) -> bool {
    matches!(&endpoint.host, Host::Domain(host) if host == name)
}

/// What the system binds a socket to that connects without being bound.
fn is_any(address: SocketAddr) -> bool {
    address.ip().is_unspecified() && address.port() == 0
}

const fn loopback() -> [IpAddr; 2] {
    [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
}
