//! More connections and requests than there is room for, and other protocols.

use std::time::Duration;

use serde_json::json;

use super::Wire;
use super::client::{calling, request};

#[tokio::test(flavor = "multi_thread")]
async fn m11_connections_of_one_source_leave_room_for_others() {
    let wire = Wire::open(|settings| {
        settings.limits.connections_per_source = 4.try_into().unwrap();
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut client = wire.connect().await;
        assert_eq!(
            client.call("echo_echo", &json!({"text": "x"})).await.status,
            200
        );
        held.push(client);
    }
    for _ in 0..200 {
        let mut client = wire.connect().await;
        if let Some(refused) = client.try_answer().await {
            assert_eq!(
                (refused.status, refused.header("retry-after")),
                (503, Some("1"))
            );
        }
    }
    wire.assert_serving().await;
    let event = wire.event("wire.rejected").await;
    assert_eq!(
        (&event["limit"], &event["source"]),
        (&json!("connections-per-source"), &json!("127.0.0.1"))
    );
    held.truncate(1);
    // A place that is given back is another's.
    let mut client = wire.connect().await;
    for _ in 0..400 {
        client = wire.connect().await;
        client
            .send(request("", &calling("echo_echo", &json!({"text": "x"}))))
            .await;
        match client.try_answer().await {
            Some(answer) if answer.status == 200 => break,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    assert_eq!(
        client.call("echo_echo", &json!({"text": "x"})).await.status,
        200
    );
    let bench = wire.end().await;
    let events = bench.records().named("wire.rejected");
    let told: u64 = events
        .iter()
        .map(|it| it["repeated"].as_u64().unwrap() + 1)
        .sum();
    assert!(
        events.len() < 20 && told >= 200,
        "{told} in {} events",
        events.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn m11_all_connections_together_have_an_end() {
    let wire = Wire::open(|settings| settings.limits.connections = 3.try_into().unwrap()).await;
    let mut held = Vec::new();
    for last in 1..4 {
        let mut client = wire.connect_from(&format!("127.0.0.{last}")).await;
        assert_eq!(
            client.call("echo_echo", &json!({"text": "x"})).await.status,
            200
        );
        held.push(client);
    }
    let mut late = wire.connect_from("127.0.0.4").await;
    late.closed().await;
    assert_eq!(wire.event("wire.rejected").await["limit"], "connections");
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m11_requests_of_one_source_leave_room_for_others() {
    let wire = Wire::open(|settings| {
        settings.limits.requests_per_source = 2.try_into().unwrap();
    })
    .await;
    wire.bench.ensure_loaded("sleep_forever").await;
    let sleep = request("", &calling("sleep-forever_sleep", &json!({})));
    let mut sleepers = Vec::new();
    for running in 1..3 {
        let mut client = wire.connect().await;
        client.send(&sleep).await;
        while wire.bench.records().named("invocation.started").len() < running {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sleepers.push(client);
    }
    let mut client = wire.connect().await;
    let refused = client.ask(&sleep).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(
        wire.event("wire.rejected").await["limit"],
        "requests-per-source"
    );
    wire.assert_serving().await;
    drop(sleepers);
    // With its clients gone, nothing of a call is left.
    while wire.bench.records().named("invocation.finished").len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut client = wire.connect().await;
    let answer = client.call("echo_echo", &json!({"text": "x"})).await;
    assert_eq!(answer.status, 200);
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m11_other_protocols_are_not_spoken() {
    let wire = Wire::open(|_| {}).await;
    for noise in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "\u{16}\u{3}\u{1}\0\u{a5}",
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "POST /mcp HTTP/3.0\r\nhost: 127.0.0.1\r\n\r\n",
    ] {
        let mut client = wire.connect().await;
        client.send(noise).await;
        if let Some(refused) = client.try_answer().await {
            assert_eq!(refused.status, 400, "{noise:?}");
        }
        client.closed().await;
    }
    assert_eq!(wire.event("wire.rejected").await["limit"], "header-bytes");
    wire.assert_untouched();
    wire.assert_serving().await;
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m11_a_head_without_end_is_cut_off() {
    let wire = Wire::open(|settings| settings.limits.header_bytes = 8192).await;
    for line in ["x: y\r\n", &format!("x: {}\r\n", "y".repeat(1000))] {
        let mut client = wire.connect().await;
        client
            .send("POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n")
            .await;
        let mut sent = 0;
        while sent < 100_000 && client.try_send(line.as_bytes()).await.is_some() {
            sent += line.len();
        }
        if let Some(refused) = client.try_answer().await {
            assert_eq!(refused.status, 431, "{line}");
        }
        client.closed().await;
    }
    wire.assert_serving().await;
    wire.end().await;
}
