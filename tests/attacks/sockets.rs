//! N06, N07, N11, N12, N16, N19 and R24: raw connections, past every rule about
//! HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost::Kind::Denied;
use skillhost::policy::SocketGrant;
use skillhost::policy::limits::Limits;
use skillhost_tests::{Bench, Called, FakeNetwork, Reply, Server, grant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// The address that the guest may wish to listen on.
const LISTEN: &str = "127.83.19.1:8123";

/// What the operator allows, and the network behind the names.
struct Sockets {
    bench: Bench,
    network: Arc<FakeNetwork>,
}

impl Sockets {
    fn new(tcp: &[&str], udp: &[&str], listen: &[&str]) -> Self {
        Self::limited(tcp, udp, listen, |_| {})
    }

    fn limited(
        tcp: &[&str],
        udp: &[&str],
        listen: &[&str],
        limit: impl FnOnce(&mut Limits),
    ) -> Self {
        let network = Arc::new(FakeNetwork::default());
        let bench = Bench::with(|setup| {
            setup.network = Arc::<FakeNetwork>::clone(&network);
            setup.limits.timeout = Duration::from_secs(10);
            limit(&mut setup.limits);
            grant(setup, "raw_sockets").sockets = SocketGrant {
                tcp: tcp.iter().map(|it| it.parse().unwrap()).collect(),
                udp: udp.iter().map(|it| it.parse().unwrap()).collect(),
                listen: listen.iter().map(|it| it.parse().unwrap()).collect(),
            };
        });
        Self { bench, network }
    }

    async fn call(&self, tool: &str, input: Value) -> Called {
        self.bench.call("raw_sockets", tool, input).await
    }
}

/// A UDP server that sends back what it gets.
async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut data = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut data).await {
            socket.send_to(&data[..length], from).await.unwrap();
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn raw_sockets() {
    let server = Server::start(Reply::ok("hello")).await;
    let granted = server.address().to_string();
    let sockets = Sockets::new(&[&granted], &[], &[]);
    let request = "GET / HTTP/1.0\r\n\r\n";
    let input = json!({"address": granted, "text": request});
    let called = sockets.call("exchange", input).await;
    assert!(
        called.text().ends_with("\r\n\r\nhello"),
        "{}",
        called.text()
    );
    assert_eq!(called.between(), Vec::<&str>::new());
    assert_eq!(
        (called.usage().spent.connects, called.usage().spent.sockets),
        (1, 1)
    );

    let called = sockets
        .call("exchange", json!({"address": "127.0.0.1:1", "text": ""}))
        .await;
    called.expect(Denied, &["egress.denied"]);
    assert!(
        called.hint().contains("`--allow-tcp 127.0.0.1:1`"),
        "{}",
        called.hint()
    );
    let event = called.event("egress.denied");
    assert_eq!(event["target"], "tcp 127.0.0.1:1");
    assert_eq!(event["address"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn n12_nothing_is_reached_without_a_grant() {
    let server = Server::start(Reply::ok("inside")).await;
    let address = server.address().to_string();
    let sockets = Sockets::new(&[], &[], &[]);
    let called = sockets.call("probe", json!({"addresses": [address]})).await;
    assert_eq!(called.structured(), json!(["denied"]));
    assert_eq!(called.between(), ["egress.denied"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn n12_tcp_and_udp_are_granted_each_on_its_own() {
    let (server, udp) = (Server::start(Reply::ok("")).await, echo().await);
    let tcp = server.address();
    let sockets = Sockets::new(&[&tcp.to_string(), &udp.to_string()], &[], &[]);
    let called = sockets
        .call("datagrams", json!({"addresses": [udp, tcp]}))
        .await;
    assert_eq!(called.structured(), json!(["denied", "denied"]));

    let sockets = Sockets::new(&[], &[&udp.to_string(), &tcp.to_string()], &[]);
    let called = sockets
        .call("datagram", json!({"address": udp, "text": "hello"}))
        .await;
    assert_eq!(called.text(), "hello");
    assert_eq!(called.usage().spent.connects, 1);
    let called = sockets.call("probe", json!({"addresses": [tcp]})).await;
    assert_eq!(called.structured(), json!(["denied"]));
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn n01_n03_other_addresses_and_ports_are_not_reached() {
    let sockets = Sockets::new(&["127.0.0.1:4000", "localhost:4001"], &[], &[]);
    let addresses = [
        "127.0.0.2:4000",
        "127.0.0.1:4001",
        "127.0.0.1:4002",
        "[::1]:4000",
        "10.0.0.1:4000",
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "93.184.216.34:80",
    ];
    let called = sockets.call("probe", json!({"addresses": addresses})).await;
    let mut outcomes = called.structured();
    // `localhost` is granted, and stands for this address.
    assert_eq!(outcomes[1].take(), "ConnectionRefused");
    let others = outcomes
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| !it.is_null());
    assert!(others.clone().all(|it| it == "denied"), "{outcomes}");
    assert_eq!(others.count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn n12_only_granted_names_are_looked_up() {
    let sockets = Sockets::new(&["db.test:5432"], &["time.test:123"], &[]);
    sockets
        .network
        .name("db.test", &["93.184.216.34", "2606:4700::1111"]);
    sockets.network.name("time.test", &["93.184.216.35"]);
    sockets
        .network
        .name("c2VjcmV0.evil.test", &["93.184.216.36"]);
    let names = [
        "db.test",
        "DB.Test.",
        "time.test",
        "c2VjcmV0.evil.test",
        "test",
        "localhost",
    ];
    let called = sockets.call("resolve", json!({"names": names})).await;
    let db = "93.184.216.34 2606:4700::1111";
    assert_eq!(
        called.structured(),
        json!([db, db, "93.184.216.35", "none", "none", "none"])
    );
    assert_eq!(
        sockets.network.resolved(),
        ["db.test", "db.test", "time.test"]
    );
    let targets: Vec<&Value> = called.events.iter().map(|event| &event["target"]).collect();
    assert!(
        targets.contains(&&json!("name c2vjcmv0.evil.test")),
        "{targets:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn n06_n20_a_name_that_stands_for_a_private_address_is_as_good_as_none() {
    let sockets = Sockets::new(
        &["own.test:5432", "mixed.test:5432", "missing.test:5432"],
        &[],
        &[],
    );
    sockets.network.name("own.test", &["127.0.0.1"]);
    sockets
        .network
        .name("mixed.test", &["93.184.216.34", "169.254.169.254"]);
    let names = ["own.test", "mixed.test", "missing.test"];
    let called = sockets.call("resolve", json!({"names": names})).await;
    assert_eq!(called.structured(), json!(["none", "none", "none"]));
    let denied = called
        .events
        .iter()
        .filter(|it| it["event"] == "egress.denied");
    let addresses: Vec<&Value> = denied.map(|it| &it["address"]).collect();
    assert_eq!(addresses, ["127.0.0.1", "169.254.169.254"]);
    let called = sockets
        .call("probe", json!({"addresses": ["127.0.0.1:5432"]}))
        .await;
    assert_eq!(called.structured(), json!(["denied"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn n07_what_one_call_looked_up_another_may_not_dial() {
    let sockets = Sockets::new(&["db.test:5432"], &[], &[]);
    sockets.network.name("db.test", &["93.184.216.34"]);
    let called = sockets.call("resolve", json!({"names": ["db.test"]})).await;
    assert_eq!(called.structured(), json!(["93.184.216.34"]));
    let called = sockets
        .call("probe", json!({"addresses": ["93.184.216.34:5432"]}))
        .await;
    assert_eq!(called.structured(), json!(["denied"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_a_port_scan_ends_with_the_budget_of_connections() {
    let server = Server::start(Reply::ok("")).await;
    let granted = server.address().to_string();
    let sockets = Sockets::limited(&[&granted], &[], &[], |limits| limits.connects = 5);
    let input = json!({"address": granted, "count": 8});
    let called = sockets.call("reconnect", input).await;
    let outcomes = called.structured();
    let outcomes = outcomes.as_array().unwrap();
    assert_eq!(
        outcomes.iter().filter(|it| *it == "ok").count(),
        5,
        "{outcomes:?}"
    );
    assert_eq!(called.between(), ["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "connects");
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_sockets_that_are_open_at_once_are_counted_and_closed_with_the_call() {
    let server = Server::start(Reply::Silence).await;
    let granted = server.address().to_string();
    let sockets = Sockets::limited(&[&granted], &[], &[], |limits| limits.sockets = 4);
    let called = sockets
        .call("hold", json!({"address": granted, "count": 6}))
        .await;
    let outcomes = called.structured();
    let outcomes = outcomes.as_array().unwrap();
    assert_eq!(
        outcomes.iter().filter(|it| *it == "ok").count(),
        4,
        "{outcomes:?}"
    );
    assert_eq!(called.event("limit.exceeded")["limit"], "sockets");
    assert_eq!(called.usage().spent.sockets, 4);
    server.all_closed().await;
    let called = sockets
        .call("reconnect", json!({"address": granted, "count": 6}))
        .await;
    let outcomes = called.structured();
    assert!(
        outcomes.as_array().unwrap().iter().all(|it| it == "ok"),
        "{outcomes}"
    );
    assert_eq!(called.usage().spent.sockets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn n16_listeners_of_the_host_are_not_reached() {
    let server = Server::start(Reply::ok("inside")).await;
    let granted = server.address().to_string();
    let sockets = Sockets::new(&[&granted], &[], &[]);
    let listener = sockets.bench.host().protect(server.address());
    let probe = json!({"addresses": [granted]});
    let called = sockets.call("probe", probe.clone()).await;
    assert_eq!(called.structured(), json!(["denied"]));
    assert_eq!(called.between(), ["egress.denied"]);
    assert_eq!(server.connections(), 0);
    drop(listener);
    let called = sockets.call("probe", probe).await;
    assert_eq!(called.structured(), json!(["ok"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn n19_nothing_is_listened_on_without_a_grant() {
    let sockets = Sockets::new(&[], &[], &[LISTEN]);
    let addresses = [
        "0.0.0.0:8123",
        "127.0.0.1:8123",
        "127.83.19.1:8124",
        "0.0.0.0:0",
        "[::]:0",
    ];
    let input = json!({"addresses": addresses, "udp": false});
    let called = sockets.call("listen", input).await;
    assert_eq!(called.structured(), json!(vec!["denied"; 5]));
    let input = json!({"addresses": ["127.83.19.1:8123", "0.0.0.0:53"], "udp": true});
    let called = sockets.call("listen", input).await;
    assert_eq!(called.structured(), json!(["denied", "denied"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn n19_a_granted_address_is_listened_on() {
    let sockets = Sockets::new(&[], &[], &[LISTEN]);
    sockets.bench.ensure_loaded("raw_sockets").await;
    let caller = tokio::spawn(async {
        let mut stream = connected(LISTEN.parse().unwrap()).await;
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
    let called = sockets.call("accept", json!({"address": LISTEN})).await;
    assert_eq!(called.text(), "hello");
    assert_eq!(called.usage().spent.sockets, 2);
    caller.await.unwrap();
    // The port is free again.
    TcpListener::bind(LISTEN).await.unwrap();
}

/// Connects as soon as somebody listens.
#[expect(clippy::disallowed_methods, reason = "connects to the guest")]
async fn connected(address: SocketAddr) -> TcpStream {
    for _ in 0..1000 {
        if let Ok(stream) = TcpStream::connect(address).await {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens on {address}")
}
