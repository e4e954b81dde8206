//! N01 to N11, N16, N17 and N20: which requests may leave.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use skillhost::Kind::{Denied, GuestFailed};
use skillhost::policy::limits::Limits;
use skillhost_tests::{Bench, Called, FakeNetwork, Reply, Server, grant};

const PUBLIC: &str = "93.184.216.34";

/// An internet with one server, and a host that grants these origins.
pub(crate) struct Internet {
    pub(crate) network: Arc<FakeNetwork>,
    pub(crate) server: Server,
    pub(crate) bench: Bench,
}

impl Internet {
    pub(crate) async fn new(reply: Reply, origins: &[&str]) -> Self {
        Self::limited(reply, origins, |_| {}).await
    }

    /// Likewise, with other limits for each call.
    pub(crate) async fn limited(
        reply: Reply,
        origins: &[&str],
        limit: impl FnOnce(&mut Limits),
    ) -> Self {
        let server = Server::start(reply).await;
        let network = Arc::new(FakeNetwork::default());
        network.name("public.test", &[PUBLIC]);
        for port in [80, 8080] {
            network.listen(&format!("{PUBLIC}:{port}"), server.address());
        }
        let bench = Bench::with(|setup| {
            setup.network = Arc::<FakeNetwork>::clone(&network);
            setup.limits.timeout = std::time::Duration::from_secs(10);
            limit(&mut setup.limits);
            for guest in ["http_get", "http_get_wasi"] {
                grant(setup, guest).http = origins.iter().map(|it| it.parse().unwrap()).collect();
            }
        });
        Self {
            network,
            server,
            bench,
        }
    }

    pub(crate) async fn send(&self, url: &str) -> Called {
        self.bench
            .call("http_get", "send", json!({"url": url}))
            .await
    }

    /// Asserts that nothing leaves for this address.
    async fn assert_refused(&self, url: &str) {
        let called = self
            .bench
            .call("http_get", "probe", json!({"urls": [url]}))
            .await;
        let outcome = called.structured()[0].as_str().unwrap().to_owned();
        let refused = [
            "The request was denied: no grant",
            "The request cannot be sent: ",
        ];
        assert!(
            refused.iter().any(|start| outcome.starts_with(start)),
            "{url}: {outcome}"
        );
        assert_eq!(self.network.dialled(), Vec::<SocketAddr>::new(), "{url}");
        assert_eq!(self.server.heads(), Vec::<String>::new(), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn http_get() {
    let internet = Internet::new(Reply::ok("hello"), &["http://public.test"]).await;
    let called = internet.send("http://public.test/page?x=1").await;
    assert_eq!(
        called.structured(),
        json!({"status": 200, "location": null, "body": "hello"})
    );
    assert_eq!(called.between(), Vec::<&str>::new());
    assert_eq!(
        internet.network.dialled(),
        [format!("{PUBLIC}:80").parse().unwrap()]
    );
    let head = internet.server.heads().remove(0);
    assert!(head.starts_with("GET /page?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: public.test\r\n"), "{head}");

    for url in [
        "http://other.test/",
        "https://public.test/",
        "http://public.test:8080/",
    ] {
        let called = internet.send(url).await;
        called.expect(Denied, &["egress.denied"]);
        let origin = url.trim_end_matches('/');
        assert!(
            called.hint().contains(&format!("`--allow-http {origin}`")),
            "{}",
            called.hint()
        );
        assert_eq!(
            called.event("egress.denied")["target"],
            format!("GET {origin}")
        );
    }
    assert_eq!(internet.network.resolved(), ["public.test"]);

    let called = internet
        .bench
        .call(
            "http_get",
            "with-credential",
            json!({"url": "http://public.test/"}),
        )
        .await;
    called.expect(Denied, &["capability.denied"]);
    assert_eq!(internet.server.heads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn http_get_wasi() {
    let internet = Internet::new(Reply::ok("hello"), &["http://public.test"]).await;
    let get = |authority: &'static str| {
        internet
            .bench
            .call("http_get_wasi", "get", json!({"authority": authority}))
    };
    assert_eq!(get("public.test").await.text(), "200 5");
    let called = get("other.test").await;
    called.expect(Denied, &["egress.denied"]);
    assert!(
        called.hint().contains("`--allow-http http://other.test`"),
        "{}",
        called.hint()
    );
    assert!(
        called.error().message().contains("HttpRequestDenied"),
        "{}",
        called.error()
    );
    for authority in ["public.test@127.0.0.1", "127.0.0.1:80", "public.test:99999"] {
        assert_ne!(get(authority).await.json()["outcome"], "ok", "{authority}");
    }
    assert_eq!(internet.network.dialled().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn n01_to_n05_a_wildcard_reaches_public_addresses_only() {
    let internet = Internet::new(Reply::ok("inside"), &["*"]).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "127.255.0.1",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::]",
        "0.0.0.0",
        "0",
        "[fe80::1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "10.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "100.64.0.1",
        "224.0.0.1",
        "[ff02::1]",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.1",
        "240.0.0.1",
        "192.0.0.8",
        "[2001:db8::1]",
        "[fec0::1]",
        "168.63.129.16",
        "metadata.google.internal",
        "METADATA.google.internal.",
    ] {
        internet.assert_refused(&format!("http://{host}/")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n06_one_private_address_denies_the_name() {
    let internet = Internet::new(Reply::ok("inside"), &["*"]).await;
    for (name, addresses) in [
        ("metadata.test", ["169.254.169.254"].as_slice()),
        ("mixed.test", &[PUBLIC, "10.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("own.test", &["127.0.0.1"]),
    ] {
        internet.network.name(name, addresses);
        let called = internet.send(&format!("http://{name}/")).await;
        called.expect(Denied, &["egress.denied"]);
        let address: std::net::IpAddr = addresses.last().unwrap().parse().unwrap();
        assert_eq!(
            called.event("egress.denied")["address"],
            address.to_string(),
            "{name}"
        );
    }
    assert_eq!(internet.network.dialled(), Vec::<SocketAddr>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn n07_the_address_that_was_judged_is_dialled() {
    let internet = Internet::new(Reply::ok("hello"), &["http://rebind.test"]).await;
    internet.network.name("rebind.test", &[PUBLIC]);
    internet.network.name("rebind.test", &["127.0.0.1"]);
    assert_eq!(
        internet.send("http://rebind.test/").await.structured()["status"],
        200
    );
    assert_eq!(internet.network.resolved().len(), 1);
    internet
        .send("http://rebind.test/")
        .await
        .expect(Denied, &["egress.denied"]);
    assert_eq!(
        internet.network.dialled(),
        [format!("{PUBLIC}:80").parse().unwrap()]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn n08_redirects_are_returned_and_not_followed() {
    for (status, location) in [
        ("301 Moved Permanently", "http://127.0.0.1/"),
        ("302 Found", "http://169.254.169.254/latest/meta-data"),
        ("303 See Other", "file:///etc/passwd"),
        ("307 Temporary Redirect", "ftp://public.test/"),
        ("308 Permanent Redirect", "https://public.test/"),
        ("302 Found", "http://other.test/"),
    ] {
        let rest = format!("location: {location}\r\ncontent-length: 0\r\n\r\n");
        let internet = Internet::new(Reply::head(status, &rest), &["*"]).await;
        let called = internet.send("http://public.test/").await;
        let number: u16 = status[..3].parse().unwrap();
        assert_eq!(
            called.structured(),
            json!({"status": number, "location": location, "body": ""})
        );
        assert_eq!(internet.server.heads().len(), 1);
        assert_eq!(internet.network.dialled().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n09_addresses_that_two_parsers_read_differently_are_refused() {
    let internet = Internet::new(
        Reply::ok("inside"),
        &["http://public.test", "http://127.0.0.1"],
    )
    .await;
    for url in [
        "http://public.test@127.0.0.1/",
        "http://user:pass@public.test/",
        "http://@public.test/",
        "http://public.test\\@127.0.0.1/",
        "http:\\\\public.test/",
        "http:/public.test/",
        "//public.test/",
        "/page",
        "",
        "public.test",
        "http://public%2etest/",
        "http://pub\tlic.test/",
        "http://public.test /",
        "http://public.test\r\nx: y/",
        "file:///etc/passwd",
        "ftp://public.test/",
        "data:text/plain,x",
        "http://[public.test]/",
        "http://",
        "http://127.0.0.1%00.public.test/",
        "http://public.test:0x50/",
        "http://public.test:80:81/",
    ] {
        internet.assert_refused(url).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n10_a_wildcard_stands_for_whole_labels() {
    let internet = Internet::new(Reply::ok("hello"), &["http://*.good.test"]).await;
    for name in [
        "a.good.test",
        "good.test",
        "evilgood.test",
        "a.good.test.evil.test",
        "xn--gd-jka.test",
    ] {
        internet.network.name(name, &[PUBLIC]);
    }
    for host in [
        "good.test",
        "evilgood.test",
        "a.good.test.evil.test",
        "gööd.test",
        "xn--gd-jka.test",
        ".good.test",
    ] {
        internet.assert_refused(&format!("http://{host}/")).await;
    }
    for host in ["a.good.test", "A.Good.TEST"] {
        assert_eq!(
            internet.send(&format!("http://{host}/")).await.structured()["status"],
            200,
            "{host}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n01_an_exact_grant_reaches_loopback_at_that_port_only() {
    let internet = Internet::new(Reply::ok("local"), &["http://127.0.0.1:4000"]).await;
    internet
        .network
        .listen("127.0.0.1:4000", internet.server.address());
    assert_eq!(
        internet.send("http://127.0.0.1:4000/").await.structured()["body"],
        "local"
    );
    for url in [
        "http://127.0.0.1:4001/",
        "http://localhost:4000/",
        "https://127.0.0.1:4000/",
        "http://127.0.0.2:4000/",
    ] {
        internet.send(url).await.expect(Denied, &["egress.denied"]);
    }
    assert_eq!(internet.network.dialled().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_a_port_scan_ends_with_the_budget_of_connections() {
    let internet = Internet::limited(Reply::ok(""), &["http://public.test:*"], |limits| {
        limits.connects = 5;
        limits.http_requests = 1000;
    })
    .await;
    let urls: Vec<String> = (1000..2000)
        .map(|port| format!("http://public.test:{port}/"))
        .collect();
    let called = internet
        .bench
        .call("http_get", "probe", json!({"urls": urls}))
        .await;
    assert_eq!(called.structured().as_array().unwrap().len(), 1000);
    assert_eq!(internet.network.dialled().len(), 5);
    assert_eq!(called.between(), ["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "connects");
    assert_eq!(called.usage().spent.connects, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn n16_listeners_of_the_host_are_not_reached() {
    let internet = Internet::new(Reply::ok("inside"), &["http://127.0.0.1:4000"]).await;
    internet
        .network
        .listen("127.0.0.1:4000", internet.server.address());
    let listener = internet
        .bench
        .host()
        .protect("0.0.0.0:4000".parse().unwrap());
    internet
        .send("http://127.0.0.1:4000/")
        .await
        .expect(Denied, &["egress.denied"]);
    assert_eq!(internet.server.heads(), Vec::<String>::new());
    drop(listener);
    let called = internet.send("http://127.0.0.1:4000/").await;
    assert_eq!(called.structured()["status"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn n17_no_connection_is_shared() {
    let internet = Internet::new(
        Reply::head(
            "200 OK",
            "content-length: 0\r\nconnection: keep-alive\r\n\r\n",
        ),
        &["http://public.test"],
    )
    .await;
    let urls = ["http://public.test/1", "http://public.test/2"];
    let called = internet
        .bench
        .call("http_get", "probe", json!({"urls": urls}))
        .await;
    assert_eq!(called.structured(), json!(["200", "200"]));
    internet
        .bench
        .call("http_get_wasi", "get", json!({"authority": "public.test"}))
        .await;
    assert_eq!(internet.server.heads().len(), 3);
    assert_eq!(internet.server.connections(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn n20_what_is_private_cannot_be_told_from_what_is_not_there() {
    let internet = Internet::new(Reply::ok("inside"), &["*"]).await;
    // One listens, one refuses, and one does not exist.
    internet.network.name("listens.test", &["10.0.0.1"]);
    internet.network.name("refuses.test", &["10.0.0.2"]);
    internet
        .network
        .listen("10.0.0.1:80", internet.server.address());
    for names in [
        ["listens.test", "refuses.test", "missing.test"],
        ["10.0.0.1", "10.0.0.2", "127.0.0.1"],
    ] {
        let urls = names.map(|name| format!("http://{name}/"));
        let called = internet
            .bench
            .call("http_get", "probe", json!({"urls": urls}))
            .await;
        let outcomes = called.structured();
        let first = &outcomes[0];
        assert!(
            outcomes.as_array().unwrap().iter().all(|it| it == first),
            "{outcomes}"
        );
        let mut codes = Vec::new();
        for authority in names {
            let input = json!({"authority": authority});
            let called = internet.bench.call("http_get_wasi", "get", input).await;
            codes.push(called.error().message().to_owned());
        }
        assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    }
    assert_eq!(internet.network.dialled(), Vec::<SocketAddr>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_requests_of_a_call_are_counted() {
    let internet = Internet::new(Reply::ok(""), &["http://public.test:*"]).await;
    let urls: Vec<String> = (1..=40)
        .map(|port| format!("http://public.test:{port}/"))
        .collect();
    let called = internet
        .bench
        .call("http_get", "probe", json!({"urls": urls}))
        .await;
    let outcomes = called.structured();
    let refused = "The request was denied: the call has as many requests or connections as it may";
    let counted = outcomes
        .as_array()
        .unwrap()
        .iter()
        .filter(|outcome| *outcome == refused)
        .count();
    assert_eq!(counted, 8, "{outcomes}");
    assert_eq!(internet.network.dialled().len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_is_a_failed_connection() {
    let internet = Internet::new(Reply::ok(""), &["http://missing.test"]).await;
    let called = internet.send("http://missing.test/").await;
    called.expect(GuestFailed, &[]);
    assert_eq!(
        called.error().message(),
        "The connection failed: the host was not found"
    );
}
