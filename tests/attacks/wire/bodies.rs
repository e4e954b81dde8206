//! Bodies that are too large, have no end, or are not what they seem.

use serde_json::json;
use skillhost_tests::alone;
use skillhost_tests::alone::Scale;

use super::client::{HEAD, calling, request};
use super::{PASSWORD, Wire};

/// A body of this size is sent if nobody stops it.
const GIGABYTE: usize = 1 << 30;

#[test]
fn m09_a_body_without_end_is_refused_while_it_comes() {
    alone(
        "wire::bodies::m09_a_body_without_end_is_refused_while_it_comes",
        || async {
            let wire = Wire::open(|_| {}).await;
            wire.assert_serving().await;
            let scale = Scale::begin();
            let mut client = wire.connect().await;
            client
                .send(format!("{HEAD}transfer-encoding: chunked\r\n\r\n"))
                .await;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            let mut sent = 0;
            while sent < GIGABYTE && client.try_send(chunk.as_bytes()).await.is_some() {
                sent += chunk.len();
            }
            assert!(sent < GIGABYTE / 16, "{sent} bytes were taken");
            drop(client);
            // The body so far, copied once as it grows, and what the kernel keeps.
            scale.end(24 << 20, super::LONG).await;
            let event = wire.event("wire.rejected").await;
            assert_eq!(
                (&event["limit"], &event["repeated"]),
                (&json!("body"), &json!(0))
            );
            wire.end().await;
        },
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn m09_a_body_that_says_it_is_too_large_is_not_read() {
    let wire = Wire::open(|settings| settings.limits.body = 1000).await;
    let mut client = wire.connect().await;
    let refused = client
        .ask(format!("{HEAD}content-length: 1001\r\n\r\n"))
        .await;
    assert_eq!(
        (refused.status, refused.header("connection")),
        (413, Some("close"))
    );
    client.closed().await;
    let mut client = wire.connect().await;
    let chunked = format!(
        "{HEAD}transfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n",
        "x".repeat(1001)
    );
    assert_eq!(client.ask(chunked).await.status, 413);
    let mut client = wire.connect().await;
    let call = calling("echo_echo", &json!({"text": "x".repeat(800)}));
    assert_eq!(
        client.ask(request("", &call)).await.status,
        200,
        "{}",
        call.len()
    );
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m09_nothing_is_unpacked() {
    let wire = Wire::open(|_| {}).await;
    for encoding in ["gzip", "br", "deflate", "identity, gzip"] {
        let mut client = wire.connect().await;
        let sent = request(&format!("content-encoding: {encoding}\r\n"), "{}");
        assert_eq!(client.ask(sent).await.status, 415, "{encoding}");
    }
    wire.assert_untouched();
    wire.end().await;
}

/// Nobody's body is read before it is known who they are.
#[tokio::test(flavor = "multi_thread")]
async fn m09_the_body_of_a_stranger_is_not_read() {
    let wire = Wire::guarded(|_| {}).await;
    let mut client = wire.connect().await;
    let refused = client
        .ask(format!("{HEAD}content-length: 4000000\r\n\r\n"))
        .await;
    assert_eq!(refused.status, 401);
    let mut client = wire.connect().await;
    let known = format!(
        "{HEAD}authorization: {PASSWORD}\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    );
    assert_eq!(client.ask(known).await.status, 100);
    wire.end().await;
}
