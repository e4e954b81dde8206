use serde_json::json;

use super::*;
use crate::error::Kind;

fn taken(text: &str) -> Message {
    read(text.as_bytes(), Answers::Taken).unwrap_or_else(|it| panic!("{text}: {}", it.reason()))
}

/// The code, and the id of the answer.
fn refused(text: &[u8]) -> (i32, Option<RequestId>) {
    let malformed = read(text, Answers::Taken).unwrap_err();
    assert!(malformed.reason().len() < 600, "{}", malformed.reason());
    (malformed.code(), malformed.id)
}

fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"a_b","arguments":{arguments}}}}}"#
    )
}

/// The kind of what is refused in the arguments of a call.
fn argued(arguments: &str) -> Kind {
    let malformed = read(call(arguments).as_bytes(), Answers::Taken).unwrap_err();
    let told = (malformed.code(), malformed.limit(), malformed.id.clone());
    let expected = (-32602, "arguments", Some(RequestId::Number(7)));
    assert_eq!(told, expected, "{}", malformed.reason());
    malformed.kind()
}

#[test]
fn i01_what_is_not_one_value_is_a_parse_error() {
    let whole = call("{}");
    for end in 1..whole.len() {
        assert_eq!(refused(&whole.as_bytes()[..end]), (-32700, None), "{end}");
    }
    for text in [
        "",
        "garbage",
        "{} {}",
        "{},",
        "\u{feff}{}",
        "{/* comment */}",
        "{'jsonrpc':'2.0'}",
        "{\"jsonrpc\":\"2.0\",}",
        "{\"a\":NaN}",
        "{\"a\":\"\n\"}",
        "{\"a\":01}",
        "{\"a\":\"\\x\"}",
        "\0",
        "[1,",
    ] {
        assert_eq!(refused(text.as_bytes()), (-32700, None), "{text:?}");
    }
    for (start, end) in [("\u{feff}", ""), ("", "{}"), ("", "\0"), ("//\n", "")] {
        let text = format!("{start}{whole}{end}");
        assert_eq!(refused(text.as_bytes()), (-32700, None), "{text:?}");
    }
    let spaced = taken(&format!(" \t{whole} \r"));
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(spaced.text()), value(&whole));
}

/// On half of the stack that a thread of the runtime has.
#[test]
fn i02_depth_is_an_error_and_no_overflow() {
    let deep = "[".repeat(100_000);
    let closed = format!("{deep}{}", "]".repeat(100_000));
    let work = move || {
        assert_eq!(refused(deep.as_bytes()).0, -32700);
        assert_eq!(refused(closed.as_bytes()).0, -32600);
        assert_eq!(argued(&closed), Kind::InvalidInput);
        let meta = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{closed}}}}}"#);
        assert_eq!(refused(meta.as_bytes()).0, -32602);
        let own = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","own":{closed}}}"#);
        assert_eq!(refused(own.as_bytes()).0, -32600);
        let version = format!(r#"{{"jsonrpc":{closed},"id":{closed},"method":{closed}}}"#);
        assert_eq!(refused(version.as_bytes()).0, -32600);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn i03_numbers_are_exact_or_refused() {
    for number in [
        "0",
        "-0",
        "9007199254740993",
        "18446744073709551616",
        "123456789012345678901234567890",
        "1.0000000000000000000001",
        "1e2",
    ] {
        let text = format!("{{ \"n\" : {number} }}");
        let message = taken(&call(&text));
        assert_eq!(message.arguments().unwrap().text(), text);
    }
    for number in ["1e999", "-1e999", "NaN", "Infinity", "+1", ".5", "0x1"] {
        let text = call(&format!("{{\"n\":{number}}}"));
        let malformed = read(text.as_bytes(), Answers::Taken).unwrap_err();
        assert!([-32700, -32602].contains(&malformed.code()), "{number}");
    }
    let token = |number: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a_b","_meta":{{"progressToken":{number}}}}}}}"#
        )
    };
    assert!(
        taken(&token("9223372036854775807"))
            .text()
            .contains("9223372036854775807")
    );
    for number in ["18446744073709551616", "-9223372036854775809", "1e16"] {
        assert_eq!(refused(token(number).as_bytes()).0, -32602, "{number}");
    }
}

#[test]
fn i04_texts_are_unicode_and_bounded() {
    for bytes in [&b"{\"a\":\"\xff\"}"[..], b"\x80", b"{\"\xed\xa0\x80\":1}"] {
        assert_eq!(refused(bytes), (-32700, None));
    }
    for text in [
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        r#"{"\ud800":1}"#,
    ] {
        assert_eq!(argued(text), Kind::InvalidInput, "{text}");
    }
    let nul = taken(&call(r#"{"a":"\u0000"}"#));
    assert_eq!(nul.arguments().unwrap().value(), &json!({"a": "\0"}));
    for surrogate in [
        r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#,
        r#"{"jsonrpc":"\ud800","id":1,"method":"ping"}"#,
    ] {
        assert_eq!(refused(surrogate.as_bytes()).0, -32600, "{surrogate}");
    }
}

#[test]
fn i05_keys_stand_once_and_are_known() {
    for (text, code, id) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
            -32600,
            Some(1),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#,
            -32600,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"\u0069d":1,"method":"a"}"#,
            -32600,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","extra":1}"#,
            -32600,
            Some(1),
        ),
        (r#"{"jsonrpc":"2.0","id":1,"Method":"a"}"#, -32600, Some(1)),
        (r#"{"JSONRPC":"2.0","id":1,"method":"a"}"#, -32600, Some(1)),
        (r#"{"id":1,"method":"a"}"#, -32600, Some(1)),
        (r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, -32600, Some(1)),
        (r#"{"jsonrpc":"2.00","id":1,"method":"a"}"#, -32600, Some(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, Some(1)),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, Some(1)),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#,
            -32602,
            Some(1),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":"b"}"#,
            -32602,
            Some(1),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":1,"a":1}}"#,
            -32602,
            Some(1),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":1,"\u0061":1}}"#,
            -32602,
            Some(1),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"b":[{"c":1,"c":1}]}}}"#,
            -32602,
            Some(1),
        ),
    ] {
        assert_eq!(
            refused(text.as_bytes()),
            (code, id.map(RequestId::Number)),
            "{text}"
        );
    }
    for arguments in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":[{"b":{},"b":{}}]}"#,
        "[]",
        "7",
        "\"{}\"",
    ] {
        assert_eq!(argued(arguments), Kind::InvalidInput, "{arguments}");
    }
    let name = "x".repeat(1 << 20);
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","{name}":1}}"#);
    assert_eq!(refused(long.as_bytes()).0, -32600);
    let twice = format!(r#"{{"{name}":1,"{name}":1}}"#);
    assert_eq!(argued(&twice), Kind::InvalidInput);
}

#[test]
fn i11_an_id_survives_exactly_or_is_none() {
    let with = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    for id in [
        "0",
        "-1",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        let expected = Shape::Request(RequestId::Number(id.parse().unwrap()));
        assert_eq!(taken(&with(id)).shape, expected);
        assert_eq!(taken(&with(id)).text(), with(id));
    }
    for id in ["", "1", "null", "a\u{0}b", "\u{1f600}"] {
        let message = taken(&with(&quoted(id)));
        assert_eq!(message.shape, Shape::Request(RequestId::String(id.into())));
    }
    let long = format!("\"{}\"", "x".repeat(257));
    for id in [
        "null",
        "1.0",
        "1.5",
        "1e2",
        "-0",
        "9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890",
        "true",
        "[1]",
        "{}",
        "{\"id\":1}",
        &long,
    ] {
        assert_eq!(refused(with(id).as_bytes()), (-32600, None), "{id}");
    }
}

#[test]
fn i11_there_are_no_batches() {
    for batch in [
        "[]".to_owned(),
        format!("[{}]", call("{}")),
        "[1]".to_owned(),
        "7".to_owned(),
    ] {
        assert_eq!(refused(batch.as_bytes()), (-32600, None), "{batch}");
    }
}

#[test]
fn i11_answers_are_for_those_who_asked() {
    let result = r#"{"jsonrpc":"2.0","id":3,"result":{"action":"accept"}}"#;
    let error = r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"no"}}"#;
    assert_eq!(taken(result).shape, Shape::Answer(RequestId::Number(3)));
    assert_eq!(
        taken(error).shape,
        Shape::Answer(RequestId::String("a".into()))
    );
    for text in [
        result,
        error,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{},"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{},"params":{}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{"a":18446744073709551616}}"#,
    ] {
        let malformed = read(text.as_bytes(), Answers::Refused).unwrap_err();
        assert!(
            malformed.answer().is_none(),
            "an answer is not answered: {text}"
        );
    }
    let both = r#"{"jsonrpc":"2.0","id":3,"method":"ping","result":{}}"#;
    assert_eq!(
        refused(both.as_bytes()),
        (-32600, Some(RequestId::Number(3)))
    );
}

#[test]
fn notifications_are_not_answered() {
    let text = r#"{"jsonrpc":"2.0","method":"a","params":7}"#;
    let malformed = read(text.as_bytes(), Answers::Taken).unwrap_err();
    assert_eq!(malformed.code(), -32602);
    assert!(malformed.answer().is_none());
}

#[test]
fn what_needs_more_room_than_its_text_is_refused_before_it_is_built() {
    let many = |each: &str, count: usize| format!("[{}]", vec![each; count].join(","));
    assert!(
        read(
            call(&format!("{{\"a\":{}}}", many("0", 900_000))).as_bytes(),
            Answers::Taken
        )
        .is_ok()
    );
    for arguments in [
        format!("{{\"a\":{}}}", many("0", 1_000_000)),
        format!("{{\"a\":{}}}", many("{\"\":0}", 120_000)),
    ] {
        assert_eq!(argued(&arguments), Kind::InputTooLarge);
    }
    let named: Vec<_> = (0..20_000).map(|it| format!("\"{it}\":0")).collect();
    assert_eq!(
        argued(&format!("{{{}}}", named.join(","))),
        Kind::InputTooLarge
    );
    let elsewhere = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{}}}}}"#,
        many("0", 10_000)
    );
    assert_eq!(refused(elsewhere.as_bytes()).0, -32602);
    let named = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{{}}}}}"#,
        named.join(",")
    );
    assert_eq!(refused(named.as_bytes()).0, -32602);
}

#[test]
fn rmcp_gets_what_headers_are_compared_with_and_little_else() {
    let list = vec!["0"; 5000].join(",");
    let long = "x".repeat(20_000);
    let arguments = format!(
        r#"{{"list":[{list}],"long":"{long}","o":{{"s":"a","n":7,"t":true,"z":null,"l":[[1]]}}}}"#
    );
    let message = taken(&call(&arguments));
    let shown: Value = serde_json::from_str(message.text()).unwrap();
    assert_eq!(
        shown["params"],
        json!({"name": "a_b", "arguments": {
            "list": [], "long": "", "o": {"s": "a", "n": 7, "t": true, "z": null, "l": []},
        }})
    );
    assert_eq!(message.arguments().unwrap().text(), arguments);
}

#[test]
fn arguments_arrive_beside_the_request_or_the_call_fails() {
    let (_, arguments) = taken(&call(r#"{"n": 1.50}"#)).into_parts();
    let arguments = arguments.unwrap();
    let mut own = Extensions::new();
    own.insert(arguments.clone());
    assert_eq!(input(&mut own, None).unwrap().text(), r#"{"n": 1.50}"#);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.extensions.insert(arguments);
    let mut own = Extensions::new();
    own.insert(parts);
    assert_eq!(input(&mut own, None).unwrap().text(), r#"{"n": 1.50}"#);
    let some = JsonObject::from_iter([("n".to_owned(), json!(1))]);
    let lost = input(&mut Extensions::new(), Some(some)).unwrap_err();
    assert_eq!(lost.code, ErrorCode::INTERNAL_ERROR);
    assert_eq!(input(&mut Extensions::new(), None).unwrap().text(), "{}");
}

#[test]
fn none_is_written_as_null_too() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}"#;
    assert_eq!(
        taken(text).text(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#
    );
    assert!(taken(&call("null")).arguments().is_none());
}

#[test]
fn the_newest_revision_has_no_handshake_whose_parameters_could_be_wrong() {
    let mut served = ServerCapabilities::builder().enable_tools().build();
    let (wrong, none) = (ErrorCode::INVALID_PARAMS, ErrorCode::METHOD_NOT_FOUND);
    for (method, before, since) in [
        ("initialize", wrong, none),
        ("ping", wrong, none),
        ("initialize/x", none, none),
        ("tools/call", wrong, wrong),
        ("resources/read", none, none),
        ("logging/setLevel", none, none),
    ] {
        let code = |revision| unknown(method, &served, Some(revision)).code;
        assert_eq!(code(ProtocolVersion::V_2025_11_25), before, "{method}");
        assert_eq!(code(ProtocolVersion::V_2026_07_28), since, "{method}");
        assert_eq!(unknown(method, &served, None).code, before, "{method}");
    }
    served.logging = Some(JsonObject::new());
    let code = |revision| unknown("logging/setLevel", &served, Some(revision)).code;
    assert_eq!(code(ProtocolVersion::V_2025_11_25), wrong);
    assert_eq!(code(ProtocolVersion::V_2026_07_28), none);
}

#[test]
fn m08_parameters_that_rmcp_cannot_read_are_answered_with_their_id() {
    let text = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":3}}"#;
    let message = read(text.as_bytes(), Answers::Refused).unwrap();
    let malformed = message.check().unwrap_err();
    assert_eq!((malformed.code(), malformed.limit()), (-32602, "message"));
    let answer = serde_json::to_value(malformed.answer().unwrap()).unwrap();
    assert_eq!(answer["id"], json!(7));
    assert_eq!(answer["error"]["code"], json!(-32602));
    let fine = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#;
    let fine = read(fine.as_bytes(), Answers::Refused).unwrap();
    assert!(fine.check().is_ok());
}
