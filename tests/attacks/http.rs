//! R15, R26 to R29 and N13: hostile servers, and hostile requests to honest ones.

use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{DeadlineExceeded, Denied, GuestFailed, HostcallLimit, ResourceLimit};
use skillhost::policy::limits::Limits;
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
    called.expect(GuestFailed, &["limit.exceeded"]);
    let limit = called.event("limit.exceeded");
    assert_eq!(limit["limit"], "http-response-body");
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
async fn r26_a_server_that_trickles_gets_no_more_than_the_time_of_one_request() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
    let trickle = Reply::Trickle(head, Duration::from_millis(20));
    let time = |limits: &mut Limits| limits.http_time = Duration::from_millis(300);
    let internet = Internet::limited(trickle, &["http://public.test"], time).await;
    let called = internet.send(URL).await;
    called.expect(GuestFailed, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "http-time");
    assert_eq!(called.error().message(), "Nothing answered in time.");
    let took = called.usage();
    assert!((300..2000).contains(&took.wall_ms), "{took:?}");
    assert!((300..2000).contains(&took.spent.http_ms), "{took:?}");

    let input = json!({"authority": "public.test"});
    let called = internet.bench.call("http_get_wasi", "get", input).await;
    assert!(
        called.text().starts_with("200 StreamError::"),
        "{}",
        called.text()
    );
    assert!(called.usage().wall_ms < 2000, "{:?}", called.usage());
    internet.server.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_requests_at_once_are_bounded_and_closed_with_the_call() {
    let internet = Internet::limited(Reply::Silence, &["http://public.test"], |limits| {
        limits.http_time = Duration::from_millis(500);
        limits.http_requests = 1000;
        limits.connects = 1000;
    })
    .await;
    let input = json!({"authority": "public.test", "count": 40});
    let called = internet.bench.call("http_get_wasi", "flood", input).await;
    let outcomes = called.structured();
    let outcomes = outcomes.as_array().unwrap();
    let refused = outcomes
        .iter()
        .filter(|it| it.as_str().unwrap().contains("ConnectionLimitReached"));
    assert_eq!(refused.count(), 40 - 16, "{outcomes:?}");
    assert_eq!(internet.server.connections(), 16);
    assert_eq!(called.usage().spent.sockets, 16);
    let limits = called
        .events
        .iter()
        .filter(|it| it["event"] == "limit.exceeded");
    let limits: Vec<&serde_json::Value> = limits.map(|it| &it["limit"]).collect();
    assert_eq!(limits, ["sockets", "http-time"]);

    let input = json!({"authority": "public.test", "count": 1000});
    let called = internet.bench.call("http_get_wasi", "flood", input).await;
    assert_eq!(called.kind(), ResourceLimit, "{:?}", called.answer);
    internet.server.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_body_that_is_never_finished_holds_nothing_beyond_its_time() {
    let time = |limits: &mut Limits| limits.http_time = Duration::from_millis(300);
    let internet = Internet::limited(Reply::Silence, &["http://public.test"], time).await;
    let input = json!({"authority": "public.test"});
    let called = internet
        .bench
        .call("http_get_wasi", "unfinished", input)
        .await;
    assert!(
        called.text().contains("ConnectionReadTimeout"),
        "{}",
        called.text()
    );
    assert_eq!(called.event("limit.exceeded")["limit"], "http-time");
    internet.server.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_names_that_are_never_resolved_pin_nothing() {
    let internet = Internet::limited(Reply::ok("hello"), &["*"], |limits| {
        limits.timeout = Duration::from_secs(1);
    })
    .await;
    internet.bench.ensure_loaded("http_get").await;
    let stalled = (0..20).map(|_| {
        let input = json!({"url": "http://stall.test/"});
        let invocation = skillhost_tests::bench::invocation("http_get", "send", input);
        internet.bench.invoke(invocation)
    });
    for called in futures_util::future::join_all(stalled).await {
        assert_eq!(called.kind(), DeadlineExceeded);
    }
    let called = internet.send(URL).await;
    assert_eq!(called.structured()["status"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_long_texts_are_refused() {
    let internet = internet(Reply::ok("")).await;
    for place in ["name", "path", "method", "header"] {
        let input = json!({"place": place, "bytes": 20 << 20});
        let called = internet.bench.call("http_get", "long", input).await;
        called.expect(HostcallLimit, &["limit.exceeded"]);
        let input = json!({"place": place, "bytes": 100 << 10});
        let called = internet.bench.call("http_get", "long", input).await;
        assert_ne!(called.json()["outcome"], "ok", "{place}");
    }
    assert_eq!(internet.server.heads(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_texts_that_wait_in_the_host_are_bounded() {
    let internet = internet(Reply::ok("")).await;
    for (place, longest) in [
        ("method", 32),
        ("scheme", 16),
        ("authority", 300),
        ("path", (32 << 10) - 1),
    ] {
        for (bytes, taken) in [(longest, 100), (longest + 1, 0), (500 << 10, 0)] {
            let input = json!({"place": place, "bytes": bytes, "count": 100});
            let called = internet
                .bench
                .call("http_get_wasi", "long-texts", input)
                .await;
            assert_eq!(called.structured(), taken, "{place} of {bytes} bytes");
            let events: &[&str] = match (place, taken) {
                ("method", 0) => &["egress.denied", "denials.repeated"],
                _ => &[],
            };
            assert_eq!(called.between(), events, "{place} of {bytes} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n13_a_body_is_as_long_as_it_says() {
    let internet = internet(Reply::ok("")).await;
    for (declared, sent, finished) in [(3, 3, true), (3, 2, false), (3, 4, false)] {
        let input = json!({"authority": "public.test", "declared": declared, "sent": sent});
        let called = internet
            .bench
            .call("http_get_wasi", "declared", input)
            .await;
        let outcome = called.text();
        assert_eq!(outcome.ends_with("true 200"), finished, "{outcome}");
    }
    for name in [
        "host",
        "transfer-encoding",
        "connection",
        "te",
        "trailer",
        "content-length",
    ] {
        let input = json!({"authority": "public.test", "name": name});
        let called = internet.bench.call("http_get_wasi", "trailer", input).await;
        let refused = called.answer.outcome.is_err() || called.text() == "false";
        assert!(
            refused || name == "content-length",
            "{name}: {:?}",
            called.answer
        );
        let sent = internet.server.heads().join("");
        assert!(
            !sent.to_lowercase().contains(&format!("{name}: x")),
            "{sent}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n13_the_host_that_is_named_is_the_one_that_was_judged() {
    let internet = internet(Reply::ok("")).await;
    for url in ["http://PUBLIC.Test./", "http://public.test:80/"] {
        let called = internet.send(url).await;
        assert_eq!(called.structured()["status"], 200);
    }
    for head in internet.server.heads() {
        assert!(head.contains("host: public.test\r\n"), "{head}");
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
        ("TE", "trailers"),
        ("Trailer", "x-one"),
        ("Proxy-Authorization", "x"),
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
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("te", "trailers"),
        ("trailer", "x-one"),
        ("proxy-authorization", "x"),
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
    called.expect(GuestFailed, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "http-request-body");
    assert_eq!(
        called.error().message(),
        "The request cannot be sent: the request body is too large"
    );
}
