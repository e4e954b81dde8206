//! The judge of one call: names are looked up and addresses dialled here, and
//! nowhere else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::meter::{Budget, Exceeded, Held, Meter};
use super::super::observer::Observer;
use super::gateway::Gateway;
use crate::policy::address::{is_metadata, is_public};

/// The longest time that a name may take to resolve, waiting for other lookups
/// included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Names that one call looks up at once.
const MAX_LOOKUPS: usize = 4;

/// Addresses of a name that are used, of those that were judged.
const MAX_ADDRESSES: usize = 8;

/// What one call may use of the way out.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Reach {
    gateway: Arc<Gateway>,
    lookups: Arc<Semaphore>,
    pub(super) meter: Meter,
    pub(super) observer: Observer,
}

/// Counts as an open connection until it is dropped.
#[derive(Debug)]
pub(in crate::sandbox) struct Open {
    _own: Held,
    _shared: OwnedSemaphorePermit,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// It has no address.
    Missing,
    /// Nobody said in time.
    Late,
    /// It stands for an address that is not dialled.
    Refused(IpAddr, Refusal),
}

/// Why an address is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Metadata,
    OwnListener,
    NotPublic,
}

impl Refusal {
    /// As part of a sentence that begins with the address.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Metadata => "is a metadata service, which hands out this machine's credentials",
            Self::OwnListener => "is where this host itself listens",
            Self::NotPublic => "is not public, and no grant names that very address",
        }
    }

    /// Whether an operator could allow it.
    pub(super) const fn is_grantable(self) -> bool {
        matches!(self, Self::NotPublic)
    }
}

impl Reach {
    pub(in crate::sandbox) fn new(gateway: Arc<Gateway>, meter: Meter, observer: Observer) -> Self {
        Self {
            gateway,
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            meter,
            observer,
        }
    }

    pub(in crate::sandbox) const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Why an address is not dialled, if it is not. `is_named` says that a rule
    /// names this very address.
    pub(super) fn refusal(&self, address: SocketAddr, is_named: bool) -> Option<Refusal> {
        if is_metadata(address.ip()) {
            Some(Refusal::Metadata)
        } else if self.gateway.is_own(address) {
            Some(Refusal::OwnListener)
        } else if !is_named && !is_public(address.ip()) {
            Some(Refusal::NotPublic)
        } else {
            None
        }
    }

    /// The addresses of a name, each of which may be dialled on that port.
    pub(super) async fn addresses(&self, name: &str, port: u16) -> Result<Vec<IpAddr>, Unresolved> {
        let mut addresses = self.look_up(name).await?;
        for ip in &addresses {
            if let Some(rule) = self.refusal(SocketAddr::new(*ip, port), false) {
                return Err(Unresolved::Refused(*ip, rule));
            }
        }
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let lookup = async {
            let _own = self.lookups.acquire().await;
            let _shared = self.gateway.lookups.acquire().await;
            self.gateway.network.resolve(name).await
        };
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Err(_elapsed) => Err(Unresolved::Late),
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_none)) => Err(Unresolved::Missing),
            Ok(Err(cause)) => {
                tracing::debug!(%cause, "a name could not be resolved");
                Err(Unresolved::Missing)
            }
        }
    }

    /// Room for one more connection. Waits for other calls to close theirs, and
    /// not for this one.
    pub(super) async fn open(&self) -> Result<Open, Exceeded> {
        let own = self.meter.hold(Budget::Sockets)?;
        let shared = Arc::clone(&self.gateway.connections).acquire_owned();
        match shared.await {
            Ok(shared) => Ok(Open {
                _own: own,
                _shared: shared,
            }),
            Err(_closed) => Err(self.meter.exceed(Budget::Sockets)),
        }
    }

    /// Like [`open`](Self::open), without waiting.
    pub(super) fn open_now(&self) -> Option<Open> {
        let own = self.meter.hold(Budget::Sockets).ok()?;
        let shared = Arc::clone(&self.gateway.connections)
            .try_acquire_owned()
            .ok()?;
        Some(Open {
            _own: own,
            _shared: shared,
        })
    }

    /// Counts that a connection is tried.
    pub(super) fn try_once(&self) -> Result<(), Exceeded> {
        self.meter.spend(Budget::Connects, 1)
    }

    /// A connection to an address that was judged.
    pub(super) async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.gateway.network.connect(address).await
    }
}
