//! Clients that reach the host over HTTP and do what they should not.

mod bodies;
mod client;
mod ending;
mod floods;
mod names;
mod sessions;
mod slow;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;
use skillhost::Result;
use skillhost::mcp::{
    Authenticate, Caller, HttpSettings, NoAuthentication, Refused, Stop, serve_http,
};
use skillhost_tests::Bench;
use skillhost_tests::bench::SECRET;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::client::Client;

/// Longer than anything takes that is waited for here.
const LONG: Duration = Duration::from_secs(20);

/// A host that serves over HTTP on loopback.
struct Wire {
    bench: Bench,
    address: SocketAddr,
    stop: Stop,
    served: JoinHandle<Result<()>>,
}

impl Wire {
    /// One that lets everybody in.
    async fn open(change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::start(Bench::new(), Arc::new(NoAuthentication), change).await
    }

    /// One that lets in whoever knows the password.
    async fn guarded(change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::start(Bench::new(), Arc::new(Password), change).await
    }

    async fn start(
        bench: Bench,
        door: Arc<dyn Authenticate>,
        change: impl FnOnce(&mut HttpSettings),
    ) -> Self {
        bench.ensure_loaded("echo").await;
        let mut settings = HttpSettings::default();
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), Stop::default());
        let serving = serve_http(bench.shared(), listener, door, settings, stop.clone());
        Self {
            bench,
            address,
            served: tokio::spawn(serving),
            stop,
        }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address, "127.0.0.1").await
    }

    /// From another address of this machine: another source.
    async fn connect_from(&self, source: &str) -> Client {
        Client::connect(self.address, source).await
    }

    /// Somebody else is served, and in time.
    async fn assert_serving(&self) {
        let mut honest = self.connect_from("127.0.0.9").await;
        let answer = honest
            .call("echo_echo", &serde_json::json!({"text": "canary"}))
            .await;
        assert_eq!(
            answer.json()["result"]["content"][0]["text"],
            "canary",
            "{answer:?}"
        );
    }

    /// Waits for an event.
    async fn event(&self, name: &str) -> Value {
        for _ in 0..400 {
            if let Some(event) = self.bench.records().named(name).pop() {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {name} in {:?}", self.bench.records().all());
    }

    /// Nobody was called, and nothing that was sent is on record.
    fn assert_untouched(&self) {
        let records = self.bench.records();
        assert!(records.named("invocation.started").is_empty());
        assert!(!format!("{:?}", records.all()).contains(SECRET));
    }

    /// Stops, and sees that it ended well.
    async fn end(self) -> Bench {
        self.stop.ask();
        self.ended().await
    }

    /// Sees that it ends, after it was asked to stop.
    async fn ended(self) -> Bench {
        let ended = tokio::time::timeout(LONG, self.served).await;
        ended.unwrap().unwrap().unwrap();
        self.bench
    }
}

/// Lets in whoever says so.
struct Password;

/// What opens the door.
const PASSWORD: &str = "Bearer sesame";

impl Authenticate for Password {
    fn authenticate<'a>(
        &'a self,
        request: &'a Parts,
        _from: SocketAddr,
    ) -> BoxFuture<'a, Result<Caller, Refused>> {
        let said = request.headers.get("authorization");
        let knows = said.is_some_and(|said| said == PASSWORD);
        let refused = Refused {
            status: StatusCode::UNAUTHORIZED,
            challenge: None,
            retry_after: None,
            message: "Say the password.".to_owned(),
        };
        let caller = Caller::new(skillhost::invocation::Principal::Named(
            "alice".parse().unwrap(),
        ));
        Box::pin(async move { if knows { Ok(caller) } else { Err(refused) } })
    }

    fn methods(&self) -> &'static str {
        "keys"
    }
}
