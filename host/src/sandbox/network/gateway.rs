//! What all calls of a host share on their way out: the network, how much of it
//! is used at once, and where the host itself listens.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::Network;

/// Names that are looked up at once, over all calls.
const MAX_LOOKUPS: usize = 64;

/// Connections that are open at once, over all calls: a quarter of the
/// descriptors that a process commonly has.
const MAX_CONNECTIONS: usize = 256;

/// The way out of one host.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(super) network: Arc<dyn Network>,
    pub(super) lookups: Semaphore,
    pub(super) connections: Arc<Semaphore>,
    own: Mutex<BTreeMap<SocketAddr, usize>>,
}

/// An address on which the host itself listens, and that no skill reaches for
/// as long as this lives, whatever is granted: a skill that calls its own host
/// could call itself without end, as somebody else.
#[derive(Debug)]
#[must_use = "the address is protected for as long as this lives"]
pub struct OwnListener {
    gateway: Arc<Gateway>,
    address: SocketAddr,
}

impl Gateway {
    pub(crate) fn new(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            lookups: Semaphore::new(MAX_LOOKUPS),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            own: Mutex::default(),
        }
    }

    /// Names and connections, for what the host itself sends.
    pub(crate) fn network(&self) -> Arc<dyn Network> {
        Arc::clone(&self.network)
    }

    /// Keeps skills from an address on which the host listens.
    pub(crate) fn protect(self: &Arc<Self>, address: SocketAddr) -> OwnListener {
        let address = canonical(address);
        let mut own = self.own();
        *own.entry(address).or_default() += 1;
        drop(own);
        OwnListener {
            gateway: Arc::clone(self),
            address,
        }
    }

    /// Whether a connection to `address` would end at the host itself.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        let own = self.own();
        own.keys().any(|listener| {
            listener.port() == address.port()
                && (listener.ip() == address.ip()
                    || listener.ip().is_unspecified() && is_of_this_machine(address.ip()))
        })
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, usize>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnListener {
    fn drop(&mut self) {
        let mut own = self.gateway.own();
        if let Some(count) = own.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                own.remove(&self.address);
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether an address is one of this machine's: only those can be bound. To dial
/// the unspecified address is to dial loopback.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Arc<Gateway> {
        Arc::new(Gateway::new(Arc::new(
            super::super::SystemNetwork::default(),
        )))
    }

    fn is_own(gateway: &Gateway, address: &str) -> bool {
        gateway.is_own(address.parse().unwrap())
    }

    #[test]
    fn n16_an_own_listener_is_protected_while_it_lives() {
        let gateway = gateway();
        let first = gateway.protect("127.0.0.1:7000".parse().unwrap());
        let second = gateway.protect("127.0.0.1:7000".parse().unwrap());
        assert!(is_own(&gateway, "127.0.0.1:7000"));
        assert!(is_own(&gateway, "[::ffff:127.0.0.1]:7000"));
        assert!(!is_own(&gateway, "127.0.0.1:7001"));
        assert!(!is_own(&gateway, "127.0.0.2:7000"));
        drop(first);
        assert!(is_own(&gateway, "127.0.0.1:7000"));
        drop(second);
        assert!(!is_own(&gateway, "127.0.0.1:7000"));
    }

    #[test]
    fn n16_a_listener_on_all_addresses_is_protected_on_all_of_this_machine() {
        let gateway = gateway();
        let _listener = gateway.protect("0.0.0.0:7000".parse().unwrap());
        for own in [
            "127.0.0.1:7000",
            "127.9.9.9:7000",
            "[::1]:7000",
            "0.0.0.0:7000",
        ] {
            assert!(is_own(&gateway, own), "{own}");
        }
        assert!(!is_own(&gateway, "127.0.0.1:7001"));
        assert!(!is_own(&gateway, "93.184.216.34:7000"));
    }
}
