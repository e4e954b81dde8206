//! I01 to I05 and I11: what is no message, or more than one.

use serde_json::{Value, json};

use super::{assert_serving, desk, named, serve};

/// A line, and the code and the id of its answer.
const LINES: [(&str, i64, Option<u64>); 21] = [
    ("garbage", -32700, None),
    ("{", -32700, None),
    (r#"{"jsonrpc":"2.0","id":901,"method":"ping""#, -32700, None),
    (
        r#"{"jsonrpc":"2.0","id":901,"method":"ping"} {}"#,
        -32700,
        None,
    ),
    (
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":901,\"method\":\"ping\"}",
        -32700,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0",/* */"id":901,"method":"ping"}"#,
        -32700,
        None,
    ),
    (
        r#"[{"jsonrpc":"2.0","id":901,"method":"ping"}]"#,
        -32600,
        None,
    ),
    ("[]", -32600, None),
    ("null", -32600, None),
    (
        r#"{"jsonrpc":"1.0","id":901,"method":"ping"}"#,
        -32600,
        Some(901),
    ),
    (
        r#"{"jsonrpc":"2.0","id":901,"Method":"ping"}"#,
        -32600,
        Some(901),
    ),
    (
        r#"{"jsonrpc":"2.0","id":901,"method":"ping","more":1}"#,
        -32600,
        Some(901),
    ),
    (
        r#"{"jsonrpc":"2.0","id":901,"method":"ping","method":"ping"}"#,
        -32600,
        Some(901),
    ),
    (
        r#"{"jsonrpc":"2.0","id":901,"id":902,"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}"#,
        -32600,
        None,
    ),
    (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, None),
    (
        r#"{"jsonrpc":"2.0","id":901,"method":"ping","params":[]}"#,
        -32602,
        Some(901),
    ),
    (
        r#"{"jsonrpc":"2.0","id":901,"method":"ping","params":{"a":1,"a":1}}"#,
        -32602,
        Some(901),
    ),
    (
        r#"{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":7}}"#,
        -32602,
        Some(901),
    ),
];

#[test]
fn i01_i05_i11_what_is_no_message_is_answered_and_the_next_is_read() {
    let desk = desk(&["echo"]);
    let mut assistant = serve(&desk);
    for (line, code, id) in LINES {
        assistant.write(format!("{line}\r\n\n").as_bytes());
        let answer = assistant.heard();
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
        assert_eq!(
            answer.get("id").and_then(Value::as_u64),
            id,
            "{line}: {answer}"
        );
    }
    assistant.write(b"{\"\xff\":1}\n");
    assert_eq!(assistant.heard()["error"]["code"], -32700);
    assert_serving(&mut assistant);
    let (rest, _) = assistant.rest();
    assert_eq!(rest, [] as [Value; 0]);
    let rejected = named(&desk, "wire.rejected");
    let told: u64 = rejected
        .iter()
        .map(|it| it["repeated"].as_u64().unwrap() + 1)
        .sum();
    // The last of the table is a message whose parameters do not fit.
    assert_eq!(told, 21, "{rejected:#?}");
    assert!(rejected.iter().all(|it| it["source"] == "stdio"));
}

/// Nothing that is wrong with arguments reaches a skill, or is a call.
#[test]
fn i02_i03_i04_i05_arguments_are_what_they_are_or_refused() {
    let desk = desk(&["echo"]);
    let mut assistant = serve(&desk);
    let deep = format!(
        "{{\"text\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let many = format!("{{\"text\":[{}]}}", vec!["{\"\":0}"; 200_000].join(","));
    for (arguments, kind) in [
        (r#"{"text":"a","text":"b"}"#, "InvalidInput"),
        (r#"{"text":{"a":1,"a":2}}"#, "InvalidInput"),
        (r#"{"text":1e999}"#, "InvalidInput"),
        (r#"{"text":"\ud800"}"#, "InvalidInput"),
        (r#"["a"]"#, "InvalidInput"),
        (&deep, "InvalidInput"),
        (&many, "InputTooLarge"),
    ] {
        let shown: String = arguments.chars().take(40).collect();
        assistant.write(with(arguments, "echo_echo").as_bytes());
        let answer = assistant.heard();
        assert_eq!(answer["error"]["code"], -32602, "{shown}: {answer}");
        assert_eq!(answer["error"]["data"]["kind"], kind, "{shown}: {answer}");
        assert_eq!(answer["id"], 901);
    }
    for (number, taken) in [
        ("4294967295", true),
        ("4294967296", false),
        ("18446744073709551616", false),
        ("123456789012345678901234567890", false),
        ("4294967295.0000000001", false),
    ] {
        let arguments = format!("{{\"numbers\":[{number}]}}");
        assistant.write(with(&arguments, "echo_count").as_bytes());
        let answer = assistant.heard();
        assert_eq!(
            answer["result"]["isError"] != json!(true),
            taken,
            "{number}: {answer}"
        );
    }
    let text = "a\u{0}b\u{1f600}\u{202e}";
    let answer = assistant.call("echo_echo", &json!({"text": text}));
    assert_eq!(answer["result"]["content"][0]["text"], text);
    drop(assistant.end());
    let began = named(&desk, "invocation.started").len();
    assert_eq!(began, 1 + 5 + 1, "what is refused is no call");
}

fn with(arguments: &str, tool: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":901,\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}}}}\n"
    )
}

#[test]
fn i11_answers_to_nothing_are_nothing() {
    let desk = desk(&["echo"]);
    let mut assistant = serve(&desk);
    for line in [
        json!({"jsonrpc": "2.0", "id": 0, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "0", "error": {"code": 1, "message": ""}}),
        json!({"jsonrpc": "2.0", "id": null, "result": {}}),
        json!({"jsonrpc": "2.0", "error": {"code": 1, "message": ""}}),
        json!({"jsonrpc": "2.0", "method": "notifications/unknown"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 7}),
    ] {
        assistant.send(&line);
    }
    assert_serving(&mut assistant);
    let (rest, _) = assistant.rest();
    assert_eq!(rest, [] as [Value; 0]);
}
