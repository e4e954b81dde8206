//! R26, R27, R29 and N13: hostile servers, and hostile requests to honest ones.

use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{DeadlineExceeded, Denied, GuestFailed, HostcallLimit};
use skillhost_tests::{Reply, grant};

use crate::egress::Internet;

const URL: &str = "http://public.test/";

async fn internet(reply: Reply) -> Internet {
    Internet::new(reply, &["http://public.test"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_a_body_without_end_is_cut_off() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let internet = internet(Reply::Endless(head, vec![b'x'; 64 << 10])).await;
    let called = internet.send(URL).await;
    called.expect(GuestFailed, &[]);
    assert_eq!(
        called.error().message(),
        "The response is larger than allowed."
    );
    let called = internet
        .bench
        .call("http_get_wasi", "get", json!({"authority": "public.test"}))
        .await;
    assert!(
        called
            .text()
            .starts_with("200 StreamError::LastOperationFailed"),
        "{}",
        called.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_headers_without_end_are_cut_off() {
    for more in [
        "x-a: b\r\n".to_owned(),
        format!("x-{}: b\r\n", "a".repeat(100_000)),
    ] {
        let reply = Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), more.into_bytes());
        let called = internet(reply).await.send(URL).await;
        called.expect(GuestFailed, &[]);
        assert_eq!(
            called.error().message(),
            "The connection failed: the connection failed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_nothing_is_decompressed() {
    let body = "content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc";
    let called = internet(Reply::head("200 OK", body)).await.send(URL).await;
    assert_eq!(called.structured()["body"], "abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_silent_server_is_waited_for_until_the_deadline() {
    let server = skillhost_tests::Server::start(Reply::Silence).await;
    let network = std::sync::Arc::new(skillhost_tests::FakeNetwork::default());
    network.name("public.test", &["93.184.216.34"]);
    network.listen("93.184.216.34:80", server.address());
    let bench = skillhost_tests::Bench::with(|setup| {
        setup.network = network;
        setup.limits.timeout = Duration::from_millis(500);
        let origins = ["http://public.test", "http://stall.test"];
        grant(setup, "http_get").http = origins.iter().map(|it| it.parse().unwrap()).collect();
    });
    for url in [URL, "http://stall.test/"] {
        let called = bench.call("http_get", "send", json!({"url": url})).await;
        called.expect(DeadlineExceeded, &["limit.exceeded"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_answers_are_failed_connections() {
    for reply in [
        Reply::Once(Vec::new()),
        Reply::Once(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        Reply::Once(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()),
        Reply::Once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        Reply::Once(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
        ),
    ] {
        let called = internet(reply.clone()).await.send(URL).await;
        assert_eq!(called.kind(), GuestFailed, "{reply:?}: {:?}", called.answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n13_headers_that_shape_the_message_are_the_hosts() {
    let internet = internet(Reply::ok("")).await;
    for (header, value) in [
        ("Host", "evil.test"),
        ("Connection", "keep-alive"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "100"),
        ("Upgrade", "h2c"),
        ("Keep-Alive", "x"),
        ("Proxy-Connection", "x"),
        ("x-one", "a\r\nx-two: b"),
        ("x-one", "a\nb"),
        ("x-one", "a\u{0}b"),
        ("x one", "a"),
        ("x:", "a"),
    ] {
        let input = json!({"url": URL, "header": header, "value": value});
        let called = internet.bench.call("http_get", "send", input).await;
        called.expect(GuestFailed, &[]);
        assert!(
            called
                .error()
                .message()
                .starts_with("The request cannot be sent: "),
            "{}",
            called.error()
        );
    }
    for (name, value) in [
        ("host", "evil.test"),
        ("transfer-encoding", "chunked"),
        ("x-one", "a\r\nb"),
        ("x one", "a"),
    ] {
        let called = internet
            .bench
            .call(
                "http_get_wasi",
                "set-header",
                json!({"name": name, "value": value}),
            )
            .await;
        called.expect(GuestFailed, &[]);
    }
    assert_eq!(internet.server.heads(), Vec::<String>::new());
    let input = json!({"url": URL, "header": "X-Plain", "value": "fine"});
    let called = internet.bench.call("http_get", "send", input).await;
    assert_eq!(called.structured()["status"], 200);
    assert!(internet.server.heads()[0].contains("x-plain: fine\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_too_many_header_fields_are_a_limit_and_no_panic() {
    let internet = internet(Reply::ok("")).await;
    let called = internet
        .bench
        .call("http_get_wasi", "many-headers", json!({"count": 100_000}))
        .await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_the_manifest_does_not_name_are_denied() {
    let internet = internet(Reply::ok("")).await;
    for method in ["DELETE", "PUT", "CONNECT", "get"] {
        let called = internet
            .bench
            .call("http_get", "send", json!({"url": URL, "method": method}))
            .await;
        called.expect(Denied, &["egress.denied"]);
    }
    let called = internet
        .bench
        .call("http_get", "post", json!({"url": URL, "bytes": 1000}))
        .await;
    assert_eq!(called.structured()["status"], 200);
    let called = internet
        .bench
        .call(
            "http_get",
            "post",
            json!({"url": URL, "bytes": (1 << 20) + 1}),
        )
        .await;
    called.expect(GuestFailed, &[]);
    assert_eq!(
        called.error().message(),
        "The request cannot be sent: the request body is too large"
    );
}
