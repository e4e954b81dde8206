//! What is answered without any skill.

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use http::request::Parts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::admission::Scope;
use crate::error::Kind;
use crate::host::Setup;
use crate::invocation::Principal;
use crate::mcp::auth::{NoAuthentication, Page, Refused};
use crate::mcp::caller::Caller;
use crate::mcp::fixture::{Events, Kept, trust};

struct Server {
    address: SocketAddr,
    stop: Stop,
    served: JoinHandle<Result<()>>,
    events: Events,
}

impl Server {
    async fn start(door: impl Authenticate + 'static) -> Self {
        let events = Events::default();
        let host = Host::new(Setup::new(trust(), Box::new(Kept(Arc::clone(&events))))).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), Stop::default());
        let settings = HttpSettings::default();
        let serving = serve_http(
            Arc::new(host),
            listener,
            Arc::new(door),
            settings,
            stop.clone(),
        );
        Self {
            address,
            stop,
            served: tokio::spawn(serving),
            events,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a client of the test's own server"
    )]
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str, more: &str) -> String {
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
        self.ask(&head).await
    }

    async fn end(self) -> Vec<String> {
        self.stop.ask();
        self.served.await.unwrap().unwrap();
        let events = self.events.lock().unwrap();
        let name = |event: &serde_json::Value| event["event"].as_str().unwrap().to_owned();
        events.iter().map(name).collect()
    }
}

/// Knows nobody, has a page, and fails when it is asked for `fail`.
struct Door;

impl Authenticate for Door {
    fn authenticate<'a>(
        &'a self,
        request: &'a Parts,
        _from: SocketAddr,
    ) -> BoxFuture<'a, std::result::Result<Caller, Refused>> {
        assert!(!request.headers.contains_key("fail"), "a defect of ours");
        let refused = Refused {
            status: http::StatusCode::UNAUTHORIZED,
            challenge: Some("Bearer".parse().unwrap()),
            retry_after: Some(7),
            message: "Who are you?".to_owned(),
        };
        Box::pin(async { Err(refused) })
    }

    fn methods(&self) -> &'static str {
        "keys"
    }

    fn page(&self, path: &str) -> Option<Page> {
        (path == "/.well-known/oauth-protected-resource/mcp").then(|| Page {
            media_type: "application/json",
            body: "{}".into(),
        })
    }
}

#[tokio::test]
async fn it_says_whether_it_serves_and_whether_it_is_ready() {
    let server = Server::start(NoAuthentication).await;
    let health = server.get("/healthz", "").await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok\n"),
        "{health}"
    );
    assert!(
        health.contains("x-content-type-options: nosniff"),
        "{health}"
    );
    let ready = server.get("/readyz", "").await;
    assert!(
        ready.starts_with("HTTP/1.1 503 "),
        "there is no skill: {ready}"
    );
    assert!(
        server
            .get("/nothing", "")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    assert_eq!(server.end().await, ["server.started", "server.stopped"]);
}

#[tokio::test]
async fn numbers_are_for_this_machine_or_for_callers_who_are_known() {
    let server = Server::start(Door).await;
    let local = server.get("/metrics", "").await;
    assert!(local.contains("skillhost_events_total"), "{local}");
    let forwarded = server
        .get("/metrics", "x-forwarded-for: 10.0.0.1\r\n")
        .await;
    assert!(forwarded.starts_with("HTTP/1.1 401 "), "{forwarded}");
    assert!(
        forwarded.contains("www-authenticate: Bearer"),
        "{forwarded}"
    );
    assert!(forwarded.contains("retry-after: 7"), "{forwarded}");
    server.end().await;
}

/// Lets everybody in as that caller.
struct Open(Caller);

impl Authenticate for Open {
    fn authenticate<'a>(
        &'a self,
        _request: &'a Parts,
        _from: SocketAddr,
    ) -> BoxFuture<'a, std::result::Result<Caller, Refused>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn methods(&self) -> &'static str {
        "keys"
    }
}

#[tokio::test]
async fn numbers_are_not_for_callers_who_may_not_call_every_tool() {
    let some = Some(vec!["notes/*".parse().unwrap()]);
    for (tools, expected) in [(None, "HTTP/1.1 200 "), (some, "HTTP/1.1 403 ")] {
        let scope = Scope::new("the key a", tools, None, &crate::time::system());
        let caller = Caller::within(Principal::Loopback, Arc::new(scope));
        let server = Server::start(Open(caller)).await;
        let answer = server
            .get("/metrics", "x-forwarded-for: 10.0.0.1\r\n")
            .await;
        assert!(answer.starts_with(expected), "{answer}");
        server.end().await;
    }
}

#[tokio::test]
async fn the_door_has_pages_of_its_own() {
    let server = Server::start(Door).await;
    let page = server
        .get("/.well-known/oauth-protected-resource/mcp", "")
        .await;
    assert!(page.contains("content-type: application/json"), "{page}");
    let other = server
        .get("/.well-known/oauth-protected-resource", "")
        .await;
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
    server.end().await;
}

#[tokio::test]
async fn c07_a_panic_is_answered_and_the_host_goes_on() {
    let server = Server::start(Door).await;
    let call = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\nfail: now\r\n\r\n{}";
    let failed = server.ask(call).await;
    assert!(failed.starts_with("HTTP/1.1 500 "), "{failed}");
    assert!(!failed.contains("defect"), "{failed}");
    assert!(
        server
            .get("/healthz", "")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let events = server.end().await;
    assert_eq!(
        events,
        ["server.started", "host.panicked", "server.stopped"]
    );
}

#[tokio::test]
async fn m01_other_machines_are_not_served_without_authentication() {
    let host = Setup::new(trust(), Box::new(Kept(Events::default())));
    let host = Arc::new(Host::new(host).unwrap());
    let any = SocketAddr::new(IpAddr::from([0; 4]), 0);
    let listener = TcpListener::bind(any).await.unwrap();
    let settings = HttpSettings::default();
    let served = serve_http(
        host,
        listener,
        Arc::new(NoAuthentication),
        settings,
        Stop::default(),
    );
    assert_eq!(served.await.unwrap_err().kind(), Kind::ConfigInsecure);
}
