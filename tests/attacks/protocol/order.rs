//! M15: what comes too early, is not known, or names another revision.

use serde_json::{Value, json};

use super::{desk, named};

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

#[test]
fn m15_what_comes_before_the_beginning_leaves_nothing() {
    let desk = desk(&["echo"]);
    let mut assistant = desk.serve_without_hello();
    let there = assistant.request("ping", &json!({}));
    assert_eq!(there["result"], json!({}));
    for (method, params) in [
        (
            "tools/call",
            json!({"name": "echo_echo", "arguments": {"text": "a"}}),
        ),
        ("tools/list", json!({})),
        ("no/such", json!({})),
        ("initialize", json!({})),
    ] {
        let answer = assistant.request(method, &params);
        assert_eq!(code(&answer), -32602, "{method}: {answer}");
    }
    let hello = json!({
        "protocolVersion": "1999-01-01", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    let answer = assistant.request("initialize", &hello);
    assert_eq!(
        answer["result"]["protocolVersion"], "2025-11-25",
        "{answer}"
    );
    let answer = assistant.request("no/such", &json!({}));
    assert_eq!(code(&answer), -32601);
    let answer = assistant.request("tools/call", &json!({"name": ["echo_echo"]}));
    assert_eq!(code(&answer), -32602, "{answer}");
    drop(assistant.end());
    assert_eq!(named(&desk, "invocation.started"), [] as [Value; 0]);
}

#[test]
fn m15_a_request_says_which_revision_it_speaks() {
    let desk = desk(&["echo"]);
    let mut assistant = desk.serve_without_hello();
    let meta = |version: &str| {
        json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    };
    let answer = assistant.request("tools/list", &json!({"_meta": meta("2099-01-01")}));
    assert_eq!(code(&answer), -32022, "{answer}");
    let answer = assistant.request("tools/list", &json!({"_meta": meta("2026-07-28")}));
    assert!(answer["result"]["tools"].is_array(), "{answer}");
    for lacking in [
        json!({}),
        json!({"_meta": {}}),
        json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}),
    ] {
        let mut call = json!({"name": "echo_echo", "arguments": {"text": "a"}});
        call.as_object_mut()
            .unwrap()
            .extend(lacking.as_object().unwrap().clone());
        let answer = assistant.request("tools/call", &call);
        assert_eq!(code(&answer), -32602, "{answer}");
    }
    let answer = assistant.request("ping", &json!({"_meta": meta("2026-07-28")}));
    assert_eq!(code(&answer), -32601, "this revision has none: {answer}");
    drop(assistant.end());
    assert_eq!(named(&desk, "invocation.started"), [] as [Value; 0]);
}
