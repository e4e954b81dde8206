//! An internet of its own: names stand for real public addresses, which policy
//! judges, and connections to them end at listeners of the test.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use skillhost::{Network, NetworkFuture};
use tokio::net::TcpStream;

/// Names, listeners, and what was asked for.
#[derive(Debug, Default)]
pub struct FakeNetwork {
    names: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    listeners: Mutex<BTreeMap<SocketAddr, SocketAddr>>,
    resolved: Mutex<Vec<String>>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl FakeNetwork {
    /// Lets a name stand for these addresses. Said again, the next look-up
    /// gets the next answer; the last one stays.
    pub fn name(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let mut names = self.names.lock().unwrap();
        names
            .entry(name.to_owned())
            .or_default()
            .push_back(addresses);
    }

    /// Lets connections to a public address end at a listener.
    pub fn listen(&self, public: &str, listener: SocketAddr) {
        self.listeners
            .lock()
            .unwrap()
            .insert(public.parse().unwrap(), listener);
    }

    /// Names that were looked up, in order.
    #[must_use]
    pub fn resolved(&self) -> Vec<String> {
        self.resolved.lock().unwrap().clone()
    }

    /// Addresses that were dialled, in order.
    #[must_use]
    pub fn dialled(&self) -> Vec<SocketAddr> {
        self.dialled.lock().unwrap().clone()
    }

    fn answer(&self, name: &str) -> Option<Vec<IpAddr>> {
        let mut names = self.names.lock().unwrap();
        let answers = names.get_mut(name)?;
        if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        }
    }
}

impl Network for FakeNetwork {
    /// `stall.test` is never answered.
    fn resolve<'a>(&'a self, name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>> {
        self.resolved.lock().unwrap().push(name.to_owned());
        Box::pin(async move {
            if name == "stall.test" {
                return pending().await;
            }
            self.answer(name)
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "connects to the test's own listener"
    )]
    fn connect(&self, address: SocketAddr) -> NetworkFuture<'_, TcpStream> {
        self.dialled.lock().unwrap().push(address);
        let listener = self.listeners.lock().unwrap().get(&address).copied();
        Box::pin(async move {
            TcpStream::connect(listener.ok_or(io::ErrorKind::ConnectionRefused)?).await
        })
    }
}
