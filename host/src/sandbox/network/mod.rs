//! The one way out: which names are looked up, which addresses are dialled, and
//! the dialer. HTTP requests ([`egress`]) and raw connections ([`sockets`]) go
//! through the same judge ([`reach`]), which decides in this order:
//!
//! 1. A rule of the grant must name the target. The target is parsed once, and
//!    the parsed value is what is dialled.
//! 2. Metadata services and listeners of this host are never reached.
//! 3. An address that is not public must be granted as that very address, or as
//!    `localhost`.
//! 4. A name is looked up once, and every address that it stands for must be
//!    public; one that is not denies the name. The address that was judged is
//!    dialled.
//!
//! To the guest, a name that stands for a private address looks like one that
//! does not exist: what it may not reach, it may not map. No variable of the
//! environment, proxy or certificate file changes any of this.

pub(super) mod body;
pub(super) mod egress;
pub(crate) mod gateway;
pub(super) mod lengths;
pub(super) mod reach;
pub(super) mod sockets;
mod system;
pub(crate) mod tls;
pub(super) mod wasi_sockets;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use tokio::net::TcpStream;
use url::Host;

pub(super) use self::reach::Reach;
pub use self::system::SystemNetwork;

/// A future that a [`Network`] returns.
pub type NetworkFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Names and connections, injected so that tests bring their own internet.
/// Dropping a future ends the work.
pub trait Network: fmt::Debug + Send + Sync {
    /// Every address that `name` stands for. The name is canonical and complete:
    /// no search domain is to be added.
    fn resolve<'a>(&'a self, name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>>;
    /// A connection to exactly that address.
    fn connect(&self, address: SocketAddr) -> NetworkFuture<'_, TcpStream>;
}

/// RFC 6761, section 6.3: such names are never looked up.
pub(crate) fn is_localhost(host: &Host) -> bool {
    matches!(host, Host::Domain(name) if name == "localhost" || name.ends_with(".localhost"))
}

#[cfg(test)]
mod tests;
