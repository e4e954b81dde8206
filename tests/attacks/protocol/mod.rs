//! MCP over standard input, spoken by somebody who does not keep to it. The
//! server is the command, in a process of its own; whatever else than a message
//! stood on its standard output would end the test.

mod cancelling;
mod ids;
mod lines;
mod messages;
mod order;
mod tasks;

use serde_json::{Value, json};
use skillhost_tests::{Assistant, pack};

use crate::desk::Desk;

/// A desk with these guests installed.
fn desk(guests: &[&str]) -> Desk {
    let desk = Desk::new();
    for guest in guests {
        let skill = desk.install(&pack::skill_name(guest), &pack::rust(guest));
        desk.key().sign_file(&skill, None).unwrap();
    }
    // What the log is written for outlives no test.
    desk.configure("[trust]\npreset = \"permissive\"\n[audit]\ndurability = \"flush\"\n");
    desk
}

fn serve(desk: &Desk) -> Assistant {
    let mut assistant = desk.serve(&[], &json!({}));
    assert_serving(&mut assistant);
    assistant
}

/// The server is there, and does what it is for.
fn assert_serving(assistant: &mut Assistant) {
    let answer = assistant.call("echo_echo", &json!({"text": "canary"}));
    assert_eq!(answer["result"]["content"][0]["text"], "canary", "{answer}");
}

fn call(id: &Value, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

fn cancel(id: &Value) -> Value {
    let params = json!({"requestId": id});
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
}

/// The records of that name.
fn named(desk: &Desk, event: &str) -> Vec<Value> {
    let audit = desk.audit().into_iter();
    audit.filter(|record| record["event"] == event).collect()
}

/// How calls of a skill ended: none, if well.
fn ends(desk: &Desk, skill: &str) -> Vec<Value> {
    let finished = named(desk, "invocation.finished").into_iter();
    let of_skill = finished.filter(|record| record["skill"] == skill);
    of_skill.map(|record| record["kind"].clone()).collect()
}
