//! Names that are not the host's, web pages that are not served, and tokens where
//! everybody sees them.

use serde_json::json;
use skillhost_tests::bench::SECRET;

use super::Wire;
use super::client::{HEAD, calling, hello, request};

#[tokio::test(flavor = "multi_thread")]
async fn m05_a_name_that_is_not_the_hosts_is_not_served() {
    let wire = Wire::open(|_| {}).await;
    for path in ["/mcp", "/healthz", "/readyz", "/metrics", "/nothing"] {
        let mut client = wire.connect().await;
        let sent = format!("GET {path} HTTP/1.1\r\nhost: rebind.test:8808\r\n\r\n");
        assert_eq!(client.ask(sent).await.status, 403, "{path}");
    }
    let call = request("", &calling("echo_echo", &json!({"text": "x"})));
    let mut client = wire.connect().await;
    let renamed = call.replace("host: 127.0.0.1", "host: rebind.test");
    assert_eq!(client.ask(renamed).await.status, 403);
    let in_line = call.replace("POST /mcp", "POST http://rebind.test/mcp");
    assert_eq!(client.ask(in_line).await.status, 403);
    let nameless = call.replace("host: 127.0.0.1\r\n", "");
    assert_eq!(client.ask(nameless).await.status, 400);
    wire.assert_untouched();
    let event = wire.event("origin.rejected").await;
    assert_eq!(event["header"], "Host");
    assert_eq!(event["source"], "127.0.0.1");
    wire.assert_serving().await;
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m06_a_web_page_is_not_served_unless_it_is_named() {
    let wire = Wire::open(|settings| {
        settings.origins = vec!["https://app.test".parse().unwrap()];
    })
    .await;
    let mut client = wire.connect().await;
    for origin in [
        "https://evil.test",
        "null",
        "https://app.test:8443",
        "https://sub.app.test",
        "http://app.test",
        "http://127.0.0.1:8808",
    ] {
        let sent = request(&format!("origin: {origin}\r\n"), &hello());
        assert_eq!(client.ask(sent).await.status, 403, "{origin}");
    }
    let event = wire.event("origin.rejected").await;
    assert_eq!(
        (&event["header"], &event["value"]),
        (&json!("Origin"), &json!("https://evil.test"))
    );
    let named = request("origin: https://app.test\r\n", &hello());
    let answer = client.ask(named).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        None,
        "{answer:?}"
    );
    let question = "OPTIONS /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: https://app.test\r\naccess-control-request-method: POST\r\n\r\n";
    assert_eq!(client.ask(question).await.status, 405);
    wire.assert_untouched();
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m06_what_a_page_can_send_without_leave_is_not_taken() {
    let wire = Wire::open(|_| {}).await;
    let call = request("", &calling("echo_echo", &json!({"text": "x"})));
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain; application/json",
    ] {
        let mut client = wire.connect().await;
        let sent = call.replace(
            "content-type: application/json",
            &format!("content-type: {media_type}"),
        );
        assert_eq!(client.ask(sent).await.status, 415, "{media_type}");
    }
    let mut client = wire.connect().await;
    let untyped = call.replace("content-type: application/json\r\n", "");
    assert_eq!(client.ask(untyped).await.status, 415);
    assert_eq!(
        wire.event("origin.rejected").await["header"],
        "Content-Type"
    );
    wire.assert_untouched();
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_named_may_read_answers_if_the_operator_says_so() {
    let wire = Wire::open(|settings| {
        settings.origins = vec!["https://app.test".parse().unwrap()];
        settings.cors = true;
    })
    .await;
    let mut client = wire.connect().await;
    let question = "OPTIONS /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: https://app.test\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization, x-other\r\n\r\n";
    let leave = client.ask(question).await;
    assert_eq!(leave.status, 204, "{leave:?}");
    assert_eq!(
        leave.header("access-control-allow-headers"),
        Some("authorization")
    );
    let answer = client
        .ask(request("origin: https://app.test\r\n", &hello()))
        .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.test")
    );
    let foreign = question.replace("https://app.test", "https://evil.test");
    let refused = client.ask(foreign).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("access-control-allow-origin"), None);
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m04_a_token_where_everybody_sees_it_is_not_looked_at() {
    let wire = Wire::guarded(|_| {}).await;
    for (address, status) in [
        (format!("/mcp?access_token={SECRET}"), 400),
        (format!("/mcp?{SECRET}"), 400),
        ("/mcp?".to_owned(), 400),
        (format!("/metrics?token={SECRET}"), 400),
        (format!("/mcp/{SECRET}"), 404),
        (format!("/{SECRET}"), 404),
    ] {
        let mut client = wire.connect().await;
        let head = HEAD.replace("/mcp", &address);
        let answer = client
            .ask(format!("{head}content-length: 2\r\n\r\n{{}}"))
            .await;
        assert_eq!(answer.status, status, "{address}");
        assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
    }
    assert_eq!(wire.event("wire.rejected").await["limit"], "query");
    wire.assert_untouched();
    wire.end().await;
}
