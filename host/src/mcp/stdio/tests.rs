//! Sessions over a pair of pipes in memory, with a host that has no skills.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::compile::Worker;
use crate::event::audit::Audit;
use crate::event::{Event, Record, Sink};
use crate::host::Setup;
use crate::mcp::fixture::{Events, Kept, trust};

struct Client {
    requests: DuplexStream,
    answers: BufReader<DuplexStream>,
    served: JoinHandle<Result<()>>,
    events: Events,
}

impl Client {
    fn start(stop: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::of(stop, |events| Box::new(Kept(events)))
    }

    fn of(
        stop: impl Future<Output = ()> + Send + 'static,
        audit: impl FnOnce(Events) -> Box<dyn Audit>,
    ) -> Self {
        let events = Events::default();
        let host = Host::new(Setup::new(trust(), audit(Arc::clone(&events)))).unwrap();
        let (requests, input) = duplex(1 << 16);
        let (answers, output) = duplex(1 << 16);
        Self {
            requests,
            answers: BufReader::new(answers),
            served: tokio::spawn(serve(Arc::new(host), input, output, stop)),
            events,
        }
    }

    async fn begun() -> Self {
        Self::start(pending()).begin().await
    }

    async fn begin(mut self) -> Self {
        let client = &mut self;
        let answer = client
            .ask(
                json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                    "protocolVersion": "2025-11-25", "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"},
                }}),
            )
            .await;
        let capabilities = &answer["result"]["capabilities"];
        assert_eq!(capabilities["tools"], json!({"listChanged": true}));
        assert!(capabilities["resources"].is_object());
        assert_eq!(answer["result"]["serverInfo"]["name"], "skillhost");
        self
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.requests
            .write_all(format!("{request}\n").as_bytes())
            .await
            .unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        self.ask(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .await
    }

    /// Ends the input, and waits for the end of serving.
    async fn leave(self) -> Result<()> {
        drop(self.requests);
        self.served.await.unwrap()
    }
}

/// What was recorded between the beginning of serving and its end.
fn meanwhile(events: &Events) -> Vec<Value> {
    let all = events.lock().unwrap().clone();
    let [begun, meanwhile @ .., ended] = all.as_slice() else {
        panic!("{all:#?}");
    };
    assert_eq!(begun["event"], "server.started");
    assert_eq!(begun["transport"], "stdio");
    assert_eq!(ended["event"], "server.stopped");
    assert_eq!(ended["reason"], "input-ended");
    meanwhile.to_vec()
}

#[tokio::test]
async fn a_host_without_skills_lists_no_tools() {
    let mut client = Client::begun().await;
    let answer = client.request("tools/list", json!({})).await;
    assert_eq!(answer["result"]["tools"], json!([]));
    client.leave().await.unwrap();
}

#[tokio::test]
async fn a_list_is_for_this_client_alone() {
    let mut client = Client::start(pending());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let answer = client.request("tools/list", json!({"_meta": meta})).await;
    assert_eq!(
        answer["result"]["cacheScope"], "private",
        "without a handshake, in the revision of 2026: {answer}"
    );
    assert_eq!(answer["result"]["ttlMs"], 60_000);
    client.leave().await.unwrap();
}

#[tokio::test]
async fn what_is_not_declared_does_not_exist() {
    let mut client = Client::begun().await;
    let reference = json!({"type": "ref/prompt", "name": "x"});
    for (method, params) in [
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "x"})),
        ("resources/subscribe", json!({"uri": "a:b"})),
        (
            "completion/complete",
            json!({"ref": reference, "argument": {"name": "a", "value": "b"}}),
        ),
        ("no/such", json!({})),
    ] {
        let answer = client.request(method, params).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
    client.leave().await.unwrap();
}

#[tokio::test]
async fn a_cursor_that_no_list_gave_is_refused() {
    let mut client = Client::begun().await;
    for list in ["tools/list", "resources/list", "resources/templates/list"] {
        let answer = client.request(list, json!({"cursor": "2"})).await;
        assert_eq!(answer["error"]["code"], -32602, "{list}");
    }
    client.leave().await.unwrap();
}

#[tokio::test]
async fn a_page_that_there_is_not_is_told_as_each_revision_has_it() {
    let mut client = Client::begun().await;
    let answer = client.request("resources/list", json!({})).await;
    assert_eq!(answer["result"]["resources"], json!([]));
    let answer = client.request("resources/templates/list", json!({})).await;
    assert_eq!(
        answer["result"]["resourceTemplates"][0]["uriTemplate"],
        "skillhost://output/{id}/{page}"
    );
    let uri = "skillhost://output/00000000000000000000000000000000/1";
    let answer = client.request("resources/read", json!({"uri": uri})).await;
    assert_eq!(answer["error"]["code"], -32002);
    client.leave().await.unwrap();

    let mut client = Client::start(pending());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"uri": uri, "_meta": meta});
    let answer = client.request("resources/read", params).await;
    assert_eq!(answer["error"]["code"], -32602);
    let listed = client
        .request("resources/list", json!({"_meta": meta}))
        .await;
    assert_eq!(listed["result"]["cacheScope"], "private");
    client.leave().await.unwrap();
}

#[tokio::test]
async fn a_call_of_no_tool_is_an_error_of_the_protocol_and_on_record() {
    let mut client = Client::begun().await;
    let answer = client
        .request("tools/call", json!({"name": "nothing", "arguments": {}}))
        .await;
    assert_eq!(
        answer["error"],
        json!({"code": -32602, "message": "There is no tool `nothing`. Call one that tools/list has."})
    );
    let answer = client
        .request("tools/call", json!({"name": "text_count"}))
        .await;
    assert_eq!(answer["error"]["code"], -32602);
    let events = Arc::clone(&client.events);
    client.leave().await.unwrap();
    let events = meanwhile(&events);
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["event"].as_str().unwrap(),
                event["principal"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("invocation.started", "stdio"),
            ("invocation.finished", "stdio")
        ]
    );
    assert_eq!(events[1]["kind"], "UnknownTool");
}

#[tokio::test]
async fn being_asked_to_stop_ends_serving() {
    let stop = CancellationToken::new();
    let client = Client::start(stop.clone().cancelled_owned());
    stop.cancel();
    client.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_never_begins_is_no_failure() {
    Client::start(pending()).leave().await.unwrap();
}

#[tokio::test]
async fn a_client_that_speaks_something_else_is_told_apart() {
    let mut client = Client::start(pending());
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    client
        .requests
        .write_all(format!("{notification}\n").as_bytes())
        .await
        .unwrap();
    let failure = client.served.await.unwrap().unwrap_err();
    assert_eq!(failure.kind(), Kind::InvalidRequest);
}

#[tokio::test]
async fn a_host_that_compiles_without_limits_is_not_served() {
    let mut setup = Setup::new(trust(), Box::new(Kept(Events::default())));
    setup.compile.worker = Worker::InProcess;
    let host = Arc::new(Host::new(setup).unwrap());
    let served = serve(host, tokio::io::empty(), tokio::io::sink(), pending()).await;
    assert_eq!(served.unwrap_err().kind(), Kind::ConfigInsecure);
}

/// Panics when the first call begins.
#[derive(Debug)]
struct Broken(Kept, AtomicBool);

impl Sink for Broken {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        let is_beginning = matches!(record.event, Event::InvocationStarted { .. });
        assert!(
            !is_beginning || self.1.swap(true, Ordering::Relaxed),
            "the log breaks"
        );
        Sink::write(&self.0, record)
    }
}

#[tokio::test]
async fn c07_a_panic_outside_of_attempts_has_one_answer_and_is_on_record() {
    let broken = |events| Box::new(Broken(Kept(events), AtomicBool::new(false))) as Box<dyn Audit>;
    let mut client = Client::of(pending(), broken).begin().await;
    let call = json!({"name": "no_tool", "arguments": {}});
    let answer = client.request("tools/call", call.clone()).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let answer = client.request("tools/call", call).await;
    assert_eq!(
        answer["error"]["code"], -32602,
        "the host serves on: {answer}"
    );
    let events = Arc::clone(&client.events);
    client.leave().await.unwrap();
    let events = meanwhile(&events);
    let seen: Vec<_> = events
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        seen,
        ["host.panicked", "invocation.started", "invocation.finished"]
    );
    assert_eq!(events[0]["principal"], "stdio");
}

#[tokio::test]
async fn i11_a_notification_that_does_not_fit_is_not_answered() {
    let mut client = Client::begun().await;
    let params = json!({"_meta": 3});
    let wrong = json!({"jsonrpc": "2.0", "method": "notifications/unknown", "params": params});
    let line = format!("{wrong}\n");
    client.requests.write_all(line.as_bytes()).await.unwrap();
    let answer = client.request("ping", json!({})).await;
    assert_eq!(answer["id"], 1, "{answer}");
    client.leave().await.unwrap();
}

#[tokio::test]
async fn m14_garbage_is_counted_and_told_once_in_a_second() {
    let mut client = Client::begun().await;
    client
        .requests
        .write_all("garbage\n".repeat(100).as_bytes())
        .await
        .unwrap();
    for _ in 0..100 {
        let mut line = String::new();
        client.answers.read_line(&mut line).await.unwrap();
        assert!(line.contains("-32700"), "{line}");
    }
    let events = Arc::clone(&client.events);
    client.leave().await.unwrap();
    let events = meanwhile(&events);
    let told: u64 = events
        .iter()
        .map(|it| it["repeated"].as_u64().unwrap() + 1)
        .sum();
    assert!(told == 100 && events.len() < 20, "{events:#?}");
    assert_eq!(events[0]["limit"], "json");
}

/// Who asks without end and reads nothing is not read any further.
#[tokio::test]
async fn m10_a_client_that_reads_nothing_is_read_no_more() {
    let mut client = Client::begun().await;
    let garbage = "garbage\n".repeat(1000);
    let mut written = 0;
    while written < 8 << 20 {
        let writing = client.requests.write_all(garbage.as_bytes());
        if tokio::time::timeout(Duration::from_millis(500), writing)
            .await
            .is_err()
        {
            break;
        }
        written += garbage.len();
    }
    assert!(
        written < 1 << 20,
        "{written} bytes are answered, and no answer is read"
    );
}
