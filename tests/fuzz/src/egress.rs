use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::json;
use skillhost::{Network, NetworkFuture};
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::stage::{Stage, grant};

/// As the address that a name stands for, and the address of a request: what
/// is dialled is on the public internet or granted by name, at a port that is
/// granted, and is what the name stood for.
pub fn egress(data: &[u8]) {
    let Some((answer, url)) = data.split_at_checked(17) else {
        return;
    };
    let Ok(url) = str::from_utf8(url) else {
        return;
    };
    let answer = ip(answer);
    let (stage, network) = &*STAGE;
    network.begin(answer);
    stage.ask("probe", json!({"urls": [url]}));
    let dialled = network.dialled();
    assert!(dialled.len() <= 2, "{url}: {dialled:?}");
    for address in dialled {
        check(address, answer, url);
    }
}

/// One byte for the kind, and sixteen for the address.
fn ip(bytes: &[u8]) -> IpAddr {
    let octets: [u8; 16] = bytes[1..].try_into().unwrap();
    let [a, b, c, d, ..] = octets;
    match bytes[0] % 4 {
        0 => Ipv6Addr::from(octets).into(),
        1 => Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().into(),
        _ => Ipv4Addr::new(a, b, c, d).into(),
    }
}

const RULES: [&str; 3] = ["http://*", "https://*.good.test", "http://127.0.0.1:8080"];

fn check(dialled: SocketAddr, answer: IpAddr, url: &str) {
    let parsed = Url::parse(url).unwrap();
    let host = parsed.host().unwrap();
    let stated = match &host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let local = name == "localhost" || name.ends_with(".localhost");
            assert!(!local, "{url} dialled {dialled}");
            answer
        }
        Host::Ipv4(ip) => IpAddr::V4(*ip),
        Host::Ipv6(ip) => IpAddr::V6(*ip),
    };
    assert_eq!(dialled.ip(), stated, "{url}");
    let exact = dialled == SocketAddr::from(([127, 0, 0, 1], 8080));
    if exact {
        assert!(matches!(host, Host::Ipv4(_)), "{url} dialled {dialled}");
        return;
    }
    assert!(is_public(dialled.ip()), "{url} dialled {dialled}");
    match (parsed.scheme(), dialled.port(), host) {
        ("http", 80, _) => {}
        ("https", 443, Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            assert!(name.ends_with(".good.test"), "{url} dialled {dialled}");
        }
        _ => panic!("{url} dialled {dialled}"),
    }
}

/// Written anew from the IANA registries of special-purpose addresses: prefix
/// and its length.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !SPECIAL_V4
            .iter()
            .any(|(net, length)| (u32::from(ip) ^ u32::from(*net)) >> (32 - length) == 0),
        IpAddr::V6(ip) => {
            let same = |net: Ipv6Addr, length: u32| {
                (u128::from(ip) ^ u128::from(net)) >> (128 - length) == 0
            };
            same(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                && !SPECIAL_V6.iter().any(|(net, length)| same(*net, *length))
        }
    }
}

static STAGE: LazyLock<(Stage, Arc<Recording>)> = LazyLock::new(|| {
    let network = Arc::new(Recording::default());
    let stage = Stage::guest("http_get", |setup| {
        let rules = RULES.iter().map(|rule| rule.parse().unwrap());
        grant(setup, "http_get").http.extend(rules);
        setup.network = network.clone();
    });
    (stage, network)
});

/// Every name stands for one address, and nobody answers.
#[derive(Debug, Default)]
struct Recording {
    answer: Mutex<Option<IpAddr>>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl Recording {
    fn begin(&self, answer: IpAddr) {
        *self.answer.lock().unwrap() = Some(answer);
        self.dialled.lock().unwrap().clear();
    }

    fn dialled(&self) -> Vec<SocketAddr> {
        self.dialled.lock().unwrap().clone()
    }
}

impl Network for Recording {
    fn resolve<'a>(&'a self, _name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>> {
        let answer = *self.answer.lock().unwrap();
        Box::pin(async move { Ok(answer.into_iter().collect()) })
    }

    fn connect(&self, address: SocketAddr) -> NetworkFuture<'_, TcpStream> {
        self.dialled.lock().unwrap().push(address);
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}
