//! Calls that outlive their requests, and those who look for somebody else's.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::request::Parts;
use serde_json::{Value, json};
use skillhost::Result;
use skillhost::admission::Scope;
use skillhost::invocation::Principal;
use skillhost::mcp::{Authenticate, Caller, HttpSettings, Refused, TaskUse};
use skillhost_tests::Bench;

use super::Wire;
use super::client::request;

const SLEEP: &str = "sleep-forever_sleep";

/// A tool that asks after a while.
const LATER: &str = "asks-name_later";

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Takes everybody for who they say they are. A second name is that of the one tool
/// that they may call.
struct Named;

impl Authenticate for Named {
    fn authenticate<'a>(
        &'a self,
        request: &'a Parts,
        _from: SocketAddr,
    ) -> BoxFuture<'a, Result<Caller, Refused>> {
        let said = request.headers["authorization"].to_str().unwrap();
        let mut words = said.split(' ');
        let principal = Principal::Named(words.next().unwrap().parse().unwrap());
        let caller = match words.next() {
            None => Caller::new(principal),
            Some(tool) => {
                let tools = [tool.parse().unwrap()].into();
                let clock = skillhost::time::system();
                let scope = Scope::new("test", Some(tools), None, &clock);
                Caller::within(principal, Arc::new(scope))
            }
        };
        Box::pin(async move { Ok(caller) })
    }

    fn methods(&self) -> &'static str {
        "keys"
    }
}

async fn wire(change: impl FnOnce(&mut HttpSettings), used: TaskUse, keep: u32) -> Wire {
    let bench = Bench::with(|setup| {
        setup.paging.keep_count = keep;
        for tool in ["sleep", "later"] {
            setup.others.tasks.insert(tool.parse().unwrap(), used);
        }
    });
    for guest in ["sleep_forever", "asks_name"] {
        bench.ensure_loaded(guest).await;
    }
    Wire::start(bench, Arc::new(Named), change).await
}

async fn plain_wire() -> Wire {
    wire(|_| {}, TaskUse::Optional, 8).await
}

/// Somebody who knows tasks and has a human.
fn able() -> Value {
    json!({"elicitation": {"form": {}}, "extensions": {EXTENSION: {}}})
}

async fn ask(wire: &Wire, who: &str, able: &Value, method: &str, mut params: Value) -> Value {
    let name = if method == "tools/call" {
        "name"
    } else {
        "taskId"
    };
    let name = params[name].as_str().unwrap().to_owned();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": able,
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let head = format!(
        "authorization: {who}\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\nmcp-name: {name}\r\n"
    );
    let mut client = wire.connect().await;
    client.ask(request(&head, &body.to_string())).await.json()
}

async fn call(wire: &Wire, who: &str, able: &Value, tool: &str) -> Value {
    ask(
        wire,
        who,
        able,
        "tools/call",
        json!({"name": tool, "arguments": {}}),
    )
    .await
}

/// A task that was begun with that tool.
async fn begun(wire: &Wire, who: &str, tool: &str) -> String {
    let answer = call(wire, who, &able(), tool).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    assert_eq!(answer["result"]["status"], "working");
    answer["result"]["taskId"].as_str().unwrap().to_owned()
}

async fn about(wire: &Wire, who: &str, method: &str, id: &str) -> Value {
    let params = json!({"taskId": id, "inputResponses": {}});
    ask(wire, who, &able(), method, params).await
}

/// The task, once it has come so far.
async fn reached(wire: &Wire, id: &str, status: &str) -> Value {
    for _ in 0..400 {
        let answer = about(wire, "alice", "tasks/get", id).await;
        if answer["result"]["status"] == status {
            return answer["result"].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{}", about(wire, "alice", "tasks/get", id).await);
}

fn ends(bench: &Bench) -> Vec<Value> {
    let finished = bench.records().named("invocation.finished").into_iter();
    let slept = finished.filter(|it| it["skill"] == "sleep-forever");
    slept.map(|it| it["kind"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn m18_a_task_of_another_caller_is_absent_in_the_same_bytes() {
    let wire = plain_wire().await;
    let id = begun(&wire, "alice", SLEEP).await;
    let strange = "0123456789abcdef0123456789abcdef";
    let mut answers = BTreeSet::new();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        for (who, id) in [
            ("bob", id.as_str()),
            ("bob", strange),
            ("alice asks-name/later", &id),
            ("alice", strange),
            ("alice", "no-id"),
        ] {
            answers.insert(about(&wire, who, method, id).await.to_string());
        }
    }
    let answer: Value = serde_json::from_str(answers.first().unwrap()).unwrap();
    assert_eq!(
        (answers.len(), &answer["error"]["code"]),
        (1, &json!(-32602)),
        "{answers:?}"
    );
    assert_eq!(reached(&wire, &id, "working").await["taskId"], id);
    about(&wire, "alice", "tasks/cancel", &id).await;
    reached(&wire, &id, "cancelled").await;
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_a_task_that_is_cancelled_stops_its_guest_and_ends_once() {
    let wire = plain_wire().await;
    let id = begun(&wire, "alice", SLEEP).await;
    assert!(ends(&wire.bench).is_empty());
    let acknowledged = about(&wire, "alice", "tasks/cancel", &id).await;
    assert_eq!(acknowledged["result"], json!({"resultType": "complete"}));
    let ended = reached(&wire, &id, "cancelled").await;
    assert!(ended.get("result").is_none() && ended.get("error").is_none());
    about(&wire, "alice", "tasks/cancel", &id).await;
    assert_eq!(
        reached(&wire, &id, "cancelled").await["lastUpdatedAt"],
        ended["lastUpdatedAt"]
    );
    let bench = wire.end().await;
    assert_eq!(ends(&bench), [json!("Cancelled")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_tasks_that_do_not_end_in_time_are_cancelled_with_the_host() {
    let drain = Duration::from_millis(200);
    let wire = wire(
        |settings| settings.limits.drain = drain,
        TaskUse::Optional,
        8,
    )
    .await;
    begun(&wire, "alice", SLEEP).await;
    let bench = wire.end().await;
    assert_eq!(ends(&bench), [json!("Cancelled")]);
    let stopped = bench.records().last("server.stopped");
    assert_eq!(
        (&stopped["running"], &stopped["cancelled"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_asks_and_goes_on_with_the_answers() {
    let wire = plain_wire().await;
    let id = begun(&wire, "alice", LATER).await;
    let asking = reached(&wire, &id, "input_required").await;
    let request = &asking["inputRequests"]["1.person"];
    assert_eq!(request["method"], "elicitation/create", "{asking}");
    assert!(asking.get("requestState").is_none());
    let reply = json!({"action": "accept", "content": {"name": "Ada"}});
    let large = json!({"taskId": id, "inputResponses": {"1.person": "x".repeat(70_000)}});
    let refused = ask(&wire, "alice", &able(), "tasks/update", large).await;
    assert_eq!(refused["error"]["code"], -32602);
    let answers = json!({"taskId": id, "inputResponses": {"1.person": reply, "more": 1}});
    let taken = ask(&wire, "alice", &able(), "tasks/update", answers).await;
    assert_eq!(taken["result"], json!({"resultType": "complete"}));
    let ended = reached(&wire, &id, "completed").await;
    assert_eq!(
        ended["result"]["content"][0]["text"], "Hello, Ada!",
        "{ended}"
    );
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_a_task_that_waits_for_answers_can_be_cancelled() {
    let wire = plain_wire().await;
    let id = begun(&wire, "alice", LATER).await;
    reached(&wire, &id, "input_required").await;
    about(&wire, "alice", "tasks/cancel", &id).await;
    reached(&wire, &id, "cancelled").await;
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_no_tasks_and_one_without_room_wait_for_the_answer() {
    let unable = json!({"elicitation": {"form": {}}});
    let wire = plain_wire().await;
    let answer = call(&wire, "alice", &unable, LATER).await;
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let params = json!({"taskId": "x", "inputResponses": {}});
    let answer = ask(&wire, "alice", &unable, "tasks/get", params).await;
    assert_eq!(answer["error"]["code"], -32021);
    wire.end().await;
    let full = wire_without_room().await;
    let answer = call(&full, "alice", &able(), LATER).await;
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    full.end().await;
}

async fn wire_without_room() -> Wire {
    wire(|_| {}, TaskUse::Optional, 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn m18_a_tool_that_needs_tasks_says_so_to_those_who_may_call_it() {
    let wire = wire(|_| {}, TaskUse::Required, 8).await;
    let refused = call(&wire, "alice", &json!({}), SLEEP).await;
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    let needed = &refused["error"]["data"]["requiredCapabilities"]["extensions"];
    assert_eq!(*needed, json!({EXTENSION: {}}));
    let stranger = call(&wire, "bob asks-name/later", &json!({}), SLEEP).await;
    assert_eq!(stranger["error"]["code"], -32602, "{stranger}");
    assert_eq!(ends(&wire.bench), [json!("Forbidden")], "the stranger's");
    wire.end().await;
}
