//! Sessions that there are not, and strangers who leave nothing behind.

use serde_json::json;
use skillhost_tests::alone::Scale;
use skillhost_tests::{Bench, alone};

use super::client::{calling, hello, request};
use super::{PASSWORD, Wire};

#[tokio::test(flavor = "multi_thread")]
async fn m07_there_is_no_session_to_be_taken_or_ended() {
    let wire = Wire::open(|_| {}).await;
    let mut client = wire.connect().await;
    let begun = client.ask(request("", &hello())).await;
    assert_eq!((begun.status, begun.header("mcp-session-id")), (200, None));
    for method in ["GET", "DELETE", "PUT"] {
        let sent = format!(
            "{method} /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\nmcp-session-id: guessed\r\n\r\n"
        );
        let refused = client.ask(sent).await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("POST"))
        );
    }
    let call = calling("echo_echo", &json!({"text": "hi"}));
    let foreign = client
        .ask(request("mcp-session-id: guessed\r\n", &call))
        .await;
    assert_eq!(foreign.json()["result"]["content"][0]["text"], "hi");
    assert_eq!(foreign.header("mcp-session-id"), None);
    wire.end().await;
}

/// 5,000 of them took 250 MiB where sessions are kept.
#[test]
fn m08_strangers_leave_no_state_behind() {
    alone(
        "wire::sessions::m08_strangers_leave_no_state_behind",
        || async {
            let wire = Wire::guarded(|_| {}).await;
            let begin = request("", &hello());
            let mut client = wire.connect().await;
            for _ in 0..200 {
                assert_eq!(client.ask(&begin).await.status, 401);
            }
            let scale = Scale::begin();
            for _ in 0..5000 {
                assert_eq!(client.ask(&begin).await.status, 401);
            }
            drop(client);
            scale.end(4 << 20, super::LONG).await;
            wire.assert_untouched();
            let bench: Bench = wire.end().await;
            drop(bench);
        },
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn m08_whoever_proves_who_they_are_is_served() {
    let wire = Wire::guarded(|_| {}).await;
    let mut client = wire.connect().await;
    let call = calling("echo_echo", &json!({"text": "hi"}));
    let sent = request(&format!("authorization: {PASSWORD}\r\n"), &call);
    let answer = client.ask(sent).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "hi");
    let finished = wire.event("invocation.finished").await;
    assert_eq!(finished["principal"], "alice");
    wire.end().await;
}
