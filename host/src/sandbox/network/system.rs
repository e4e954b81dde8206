//! The machine's own network: its name servers and hosts file, and its dialer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::net::TcpStream;

use super::{Network, NetworkFuture};

/// How long one name server may take to answer one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a question is asked again.
const REPEATS: usize = 1;

/// The machine's own network.
///
/// Names are asked of the name servers in `/etc/resolv.conf` and looked for in
/// `/etc/hosts`, both of which are read once, with the first name. No search
/// domain is added and no answer is kept. The system's own resolver is not used:
/// it occupies a thread for each name, and cannot be told to stop.
#[derive(Debug, Clone, Default)]
pub struct SystemNetwork(Arc<OnceLock<Result<TokioResolver, String>>>);

impl SystemNetwork {
    fn resolver(&self) -> io::Result<&TokioResolver> {
        let resolver = self
            .0
            .get_or_init(|| from_system().map_err(|it| it.to_string()));
        resolver
            .as_ref()
            .map_err(|cause| io::Error::other(cause.clone()))
    }
}

impl Network for SystemNetwork {
    fn resolve<'a>(&'a self, name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let complete = format!("{name}.");
            let found = self.resolver()?.lookup_ip(complete).await;
            Ok(found.map_err(io::Error::other)?.iter().collect())
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

fn from_system() -> Result<TokioResolver, Box<dyn std::error::Error + Send + Sync>> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf()?;
    resolver(config.name_servers, ResolveHosts::Always)
}

/// A resolver that asks these servers, and keeps nothing.
fn resolver(
    servers: Vec<hickory_resolver::config::NameServerConfig>,
    hosts: ResolveHosts,
) -> Result<TokioResolver, Box<dyn std::error::Error + Send + Sync>> {
    let config = ResolverConfig::from_name_servers(servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options(hosts);
    Ok(builder.build()?)
}

fn options(hosts: ResolveHosts) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = ANSWER_TIMEOUT;
    options.attempts = REPEATS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = hosts;
    // What one skill looked up, another could tell by the time an answer takes.
    options.cache_size = 0;
    options
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
