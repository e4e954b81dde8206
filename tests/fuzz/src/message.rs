use serde_json::Value;
use skillhost::mcp::message::{Answers, MAX_ID, Message, read};

/// As one message: it is refused with an error of JSON-RPC, or it is one JSON
/// object, and what the protocol reads of it stands in it. The arguments of a
/// call are those that stand there, digit by digit.
pub fn message(data: &[u8]) {
    for answers in [Answers::Taken, Answers::Refused] {
        match read(data, answers) {
            Ok(message) => taken(data, &message),
            Err(malformed) => {
                assert!([-32700, -32600, -32602].contains(&malformed.code()));
                assert!(["json", "message", "arguments"].contains(&malformed.limit()));
                // Nobody's names fill the log.
                assert!(malformed.reason().len() < 2000, "{}", malformed.reason());
            }
        }
    }
}

fn taken(data: &[u8], message: &Message) {
    let whole: Value = serde_json::from_slice(data).unwrap();
    let text = str::from_utf8(data).unwrap();
    let read: Value = serde_json::from_str(message.text()).unwrap();
    for field in ["jsonrpc", "id", "method", "result", "error"] {
        assert_eq!(read.get(field), whole.get(field), "{field}");
    }
    assert_eq!(read["jsonrpc"], "2.0");
    let is_identified = match &read["id"] {
        Value::Null => whole.get("id").is_none(),
        Value::Number(number) => number.is_i64(),
        Value::String(id) => id.len() <= MAX_ID,
        _ => false,
    };
    assert!(is_identified, "{}", read["id"]);
    if let Some(params) = whole.get("params").filter(|it| !it.is_null()) {
        parameters(params, &read["params"], message);
    }
    if let Some(arguments) = message.arguments() {
        assert!(text.contains(arguments.text()));
        assert_eq!(*arguments.value(), whole["params"]["arguments"]);
    }
}

/// All but the arguments are the same; of these no more stands there than came.
fn parameters(whole: &Value, read: &Value, message: &Message) {
    let (whole, read) = (whole.as_object().unwrap(), read.as_object().unwrap());
    for (key, value) in whole {
        match (read.get(key), key.as_str()) {
            (Some(outline), "arguments") if message.arguments().is_some() => {
                outlines(outline, value);
            }
            (None, "arguments") => assert!(value.is_null()),
            (same, _) => assert_eq!(same, Some(value), "{key}"),
        }
    }
    assert!(read.keys().all(|key| whole.contains_key(key)));
}

fn outlines(outline: &Value, whole: &Value) {
    match (outline, whole) {
        (Value::Object(outline), Value::Object(whole)) => {
            assert!(outline.keys().eq(whole.keys()));
            for (key, value) in whole {
                outlines(&outline[key], value);
            }
        }
        (Value::Array(items), Value::Array(whole)) => assert!(items.is_empty() || items == whole),
        (Value::String(text), Value::String(whole)) => assert!(text.is_empty() || text == whole),
        // Read a second time, a fraction may end in another digit.
        (Value::Number(read), Value::Number(whole)) if whole.is_f64() => {
            let (read, whole) = (read.as_f64().unwrap(), whole.as_f64().unwrap());
            assert!(
                (read - whole).abs() <= whole.abs() * 1e-15,
                "{read} {whole}"
            );
        }
        _ => assert_eq!(outline, whole),
    }
}
