//! I11 and M13: answers belong to those who asked, once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{assert_serving, call, cancel, desk, ends, serve};

#[test]
fn i11_m13_an_id_that_is_in_use_is_nobody_else_s() {
    let desk = desk(&["echo", "sleep_forever"]);
    let mut assistant = serve(&desk);
    let id = json!("busy");
    assistant.send(&call(&id, "sleep-forever_sleep", &json!({})));
    for (line, code) in [
        (call(&id, "echo_echo", &json!({"text": "mine"})), -32600),
        (
            json!({"jsonrpc": "2.0", "id": id, "method": "ping"}),
            -32600,
        ),
        (
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": 7}),
            -32602,
        ),
    ] {
        assistant.send(&line);
        let answer = assistant.heard();
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(
            answer.get("id"),
            None,
            "it would answer the other: {answer}"
        );
    }
    assistant.send(&cancel(&json!("somebody else's")));
    assistant.send(&cancel(&id));
    assistant.send(&call(&id, "echo_echo", &json!({"text": "again"})));
    assert_eq!(
        assistant.heard()["error"]["code"],
        -32600,
        "what runs on keeps its id"
    );
    assert_serving(&mut assistant);
    let (rest, _) = assistant.rest();
    assert_eq!(rest, [] as [Value; 0], "what is given up is not answered");
    assert_eq!(ends(&desk, "sleep-forever"), ["Cancelled"]);
}

#[test]
fn m13_clients_with_the_same_ids_get_their_own_answers() {
    let desks = [desk(&["echo"]), desk(&["echo"])];
    let mut clients = desks.each_ref().map(serve);
    for id in 1000..1025 {
        for (number, client) in clients.iter_mut().enumerate() {
            let text = format!("{number} {id}");
            client.send(&call(&json!(id), "echo_echo", &json!({"text": text})));
            let text = format!("{number} \"{id}\"");
            client.send(&call(
                &json!(id.to_string()),
                "echo_echo",
                &json!({"text": text}),
            ));
        }
    }
    for (number, mut client) in clients.into_iter().enumerate() {
        let answers: Vec<Value> = (0..50).map(|_| client.heard()).collect();
        let by_id: BTreeMap<String, &Value> = answers
            .iter()
            .map(|it| (it["id"].to_string(), it))
            .collect();
        assert_eq!(by_id.len(), 50);
        for (id, answer) in by_id {
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert_eq!(text, format!("{number} {id}"));
        }
        drop(client.end());
    }
}

#[test]
fn m11_a_client_has_so_many_calls_at_once() {
    let desk = desk(&["echo", "sleep_forever"]);
    let mut assistant = serve(&desk);
    for id in 1000..1064 {
        assistant.send(&call(&json!(id), "sleep-forever_sleep", &json!({})));
    }
    let answer = assistant.call("echo_echo", &json!({"text": "one more"}));
    assert_eq!(
        answer["error"]["data"],
        json!({"kind": "Overloaded", "retry_after_ms": 1000}),
        "{answer}"
    );
    assert_eq!(answer["error"]["code"], -32000);
    let there = assistant.request("ping", &json!({}));
    assert_eq!(
        there["result"],
        json!({}),
        "whoever waits can ask whether it is there"
    );
    for id in 1000..1064 {
        assistant.send(&cancel(&json!(id)));
    }
    // They end one after the other.
    while assistant
        .call("echo_echo", &json!({"text": "again"}))
        .get("error")
        .is_some()
    {}
    drop(assistant.end());
    assert_eq!(ends(&desk, "sleep-forever"), vec!["Cancelled"; 64]);
}
