//! The end of a host while calls run.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpSocket;

use super::client::{Client, calling, request};
use super::{LONG, Wire};

/// A call that sleeps, once it runs.
async fn sleeper(wire: &Wire) -> Client {
    wire.bench.ensure_loaded("sleep_forever").await;
    let mut client = wire.connect().await;
    client
        .send(request("", &calling("sleep-forever_sleep", &json!({}))))
        .await;
    wire.event("invocation.started").await;
    client
}

/// Nobody listens any more.
async fn unreachable(wire: &Wire) {
    for _ in 0..400 {
        let socket = TcpSocket::new_v4().unwrap();
        if socket.connect(wire.address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("somebody is let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_calls_that_do_not_end_in_time_are_cancelled_and_answered() {
    let wire = Wire::open(|settings| settings.limits.drain = Duration::from_secs(1)).await;
    let mut kept = wire.connect().await;
    assert_eq!(
        kept.ask("GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            .await
            .status,
        200
    );
    let mut caller = sleeper(&wire).await;
    wire.stop.ask();
    unreachable(&wire).await;
    let ready = kept
        .ask("GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        .await;
    assert_eq!(
        (ready.status, ready.header("connection")),
        (503, Some("close"))
    );
    let answer = caller.answer().await.json();
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(
        answer["result"]["_meta"]["dev.skillhost/kind"], "Cancelled",
        "{answer}"
    );
    let bench = wire.end().await;
    let finished = bench.records().named("invocation.finished");
    assert_eq!(
        (finished.len(), &finished[0]["kind"]),
        (1, &json!("Cancelled"))
    );
    let stopped = bench.records().last("server.stopped");
    assert_eq!(
        (&stopped["running"], &stopped["cancelled"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(stopped["reason"], "signal");
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_calls_on_open_connections_are_refused_while_the_host_ends() {
    let wire = Wire::open(|settings| settings.limits.drain = LONG).await;
    let mut kept = wire.connect().await;
    assert_eq!(
        kept.call("echo_echo", &json!({"text": "x"})).await.status,
        200
    );
    let mut caller = wire.connect().await;
    wire.bench.ensure_loaded("sleep_forever").await;
    caller
        .send(request("", &calling("sleep-forever_sleep", &json!({}))))
        .await;
    while wire.bench.records().named("invocation.started").len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wire.stop.ask();
    unreachable(&wire).await;
    let refused = kept.call("echo_echo", &json!({"text": "x"})).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    kept.closed().await;
    assert_eq!(wire.event("wire.rejected").await["limit"], "drain");
    // The client that goes ends the one call that the host waits for.
    drop(caller);
    let bench = wire.ended().await;
    let stopped = bench.records().last("server.stopped");
    assert_eq!(
        (&stopped["running"], &stopped["cancelled"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_second_signal_ends_calls_at_once() {
    let wire = Wire::open(|settings| settings.limits.drain = Duration::from_secs(3600)).await;
    let mut caller = sleeper(&wire).await;
    let start = now();
    wire.stop.ask();
    wire.stop.ask();
    let answer = caller.answer().await.json();
    assert_eq!(answer["result"]["_meta"]["dev.skillhost/kind"], "Cancelled");
    let bench = wire.end().await;
    assert!(start.elapsed() < LONG);
    assert_eq!(bench.records().named("invocation.finished").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_host_without_calls_ends_at_once_and_says_so() {
    let wire = Wire::open(|settings| settings.limits.drain = Duration::from_secs(3600)).await;
    let mut idle = wire.connect().await;
    assert_eq!(
        idle.ask("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .status,
        200
    );
    let started = wire.event("server.started").await;
    assert_eq!(started["address"], json!(wire.address.to_string()));
    assert_eq!(
        (&started["transport"], &started["authentication"]),
        (&json!("http"), &json!("none"))
    );
    let bench = wire.end().await;
    idle.closed().await;
    let last = bench.records().newest();
    assert_eq!(
        (&last["event"], &last["running"]),
        (&json!("server.stopped"), &json!(0))
    );
}

/// Nobody sends calls to a host that cannot record them, so that it has to find
/// out by itself when it can.
#[tokio::test(flavor = "multi_thread")]
async fn d02_the_host_is_not_ready_while_nothing_can_be_recorded() {
    const READY: &str = "GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    let wire = Wire::open(|_| {}).await;
    let mut client = wire.connect().await;
    assert_eq!(client.ask(READY).await.status, 200);
    wire.bench.records().set_full(true);
    let failed = client.call("echo_echo", &json!({"text": "x"})).await.json();
    assert_eq!(
        failed["result"]["_meta"]["dev.skillhost/kind"], "AuditUnavailable",
        "{failed}"
    );
    assert_eq!(client.ask(READY).await.status, 503);
    wire.bench.records().set_full(false);
    for _ in 0..400 {
        if client.ask(READY).await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.ask(READY).await.status, 200);
    assert_eq!(wire.event("wire.rejected").await["limit"], "audit");
    wire.end().await;
}

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn now() -> Instant {
    Instant::now()
}
