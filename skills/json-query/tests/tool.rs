//! The tool as a host calls it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use json_query::SKILL;
use skillhost_sdk::serde_json::{Value, json};
use skillhost_sdk::{Error, ErrorKind, Output, testing};

fn query(arguments: Value) -> Result<Output, Error> {
    testing::call(&SKILL, "query", arguments)
}

fn text(arguments: Value) -> String {
    query(arguments).unwrap().to_text()
}

fn refusal(arguments: Value) -> (String, String) {
    let error = query(arguments).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    (
        error.code_name().unwrap_or_default().to_owned(),
        error.message().to_owned(),
    )
}

#[test]
fn results_come_as_json_and_as_text() {
    let output =
        query(json!({ "expression": ".[] | {b, a}", "data": "[{\"a\":1,\"b\":\"x\"},{}]" }))
            .unwrap();
    assert_eq!(
        output.structured_json(),
        Some(r#"{"results":[{"b":"x","a":1},{"b":null,"a":null}],"truncated":false}"#),
    );
    assert_eq!(
        output.to_text(),
        "{\"b\":\"x\",\"a\":1}\n{\"b\":null,\"a\":null}"
    );
}

#[test]
fn a_value_is_as_good_as_a_text() {
    let output = query(json!({ "expression": ".a", "value": { "a": [1, 2.5, "é"] } })).unwrap();
    assert_eq!(
        output.structured_value(),
        Some(json!({ "results": [[1, 2.5, "é"]], "truncated": false }))
    );
}

#[test]
fn the_text_is_what_jq_prints() {
    let arguments = |raw, compact| json!({ "expression": ".[]", "data": "[\"a\\n\", {\"b\":1}]", "raw": raw, "compact": compact });
    assert_eq!(text(arguments(false, true)), "\"a\\n\"\n{\"b\":1}");
    assert_eq!(text(arguments(true, true)), "a\n\n{\"b\":1}");
    assert_eq!(text(arguments(true, false)), "a\n\n{\n  \"b\": 1\n}");
    assert_eq!(
        text(json!({ "expression": "empty", "data": "1" })),
        "(no results)"
    );
}

#[test]
fn results_end_at_the_limit_and_say_so() {
    let output = query(json!({ "expression": "repeat(1)", "data": "null", "limit": 2 })).unwrap();
    assert_eq!(
        output.structured_value(),
        Some(json!({ "results": [1, 1], "truncated": true }))
    );
    assert_eq!(
        output.to_text(),
        "1\n1\n(There are more results: raise `limit`, or ask for less.)"
    );
    let output = query(json!({ "expression": "range(infinite)", "data": "null" })).unwrap();
    assert_eq!(
        output.structured_value().unwrap()["results"]
            .as_array()
            .unwrap()
            .len(),
        1000
    );
}

#[test]
fn numbers_keep_their_digits_and_stay_json() {
    let data = "[12345678901234567890123, 1.10, 1e1000]";
    let output =
        query(json!({ "expression": ".[], nan, infinite, -infinite, 007.5, 1 / 4", "data": data }))
            .unwrap();
    assert_eq!(
        output.structured_json(),
        Some(concat!(
            r#"{"results":[12345678901234567890123,1.10,1e1000,null,1.7976931348623157e+308,"#,
            r#"-1.7976931348623157e+308,7.5,0.25],"truncated":false}"#,
        )),
    );
}

#[test]
fn every_refusal_has_its_code() {
    let deep = "[".repeat(1_000_000);
    for (arguments, code, message) in [
        (
            json!({ "expression": ".a | ]", "data": "1" }),
            "syntax",
            "syntax error in the expression: line 1 column 6: expected token, at `]`",
        ),
        (
            json!({ "expression": ".[0].x", "data": "[\"s\"]" }),
            "runtime",
            "cannot index \"s\" with \"x\"",
        ),
        (
            json!({ "expression": ".", "data": "{" }),
            "invalid-json",
            "not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            json!({ "expression": ".", "data": deep.clone() + &"]".repeat(1_000_000) }),
            "too-deep",
            "nested deeper than 256 levels at line 1 column 257",
        ),
        (
            json!({ "expression": ".", "data": "1", "value": 1 }),
            "two-inputs",
            "pass `data` or `value`, not both",
        ),
        (
            json!({ "expression": "." }),
            "no-input",
            "pass the JSON as `data` or `value`; for null, pass `data`: \"null\"",
        ),
        (
            json!({ "expression": "{(1): 2}", "data": "1" }),
            "result-not-json",
            "a result has the key 1, which is no string; use `tostring` on keys",
        ),
        (
            json!({ "expression": "\"a\" | tobytes", "data": "1" }),
            "result-not-json",
            "a result is a string of bytes; use `@base64`",
        ),
        (
            json!({ "expression": "reduce range(101) as $i (0; [.])", "data": "1" }),
            "result-not-json",
            "a result is nested deeper than 100 levels; use `tojson` to get it as text",
        ),
    ] {
        assert_eq!(refusal(arguments), (code.to_owned(), message.to_owned()));
    }
}

#[test]
fn a_syntax_error_has_its_place_as_details() {
    let error = query(json!({ "expression": ".a\n| foo", "data": "1" })).unwrap_err();
    let details: Value = serde_json::from_str(error.details_json().unwrap()).unwrap();
    assert_eq!(details, json!({ "column": 3, "found": "foo", "line": 2 }));
}

#[test]
fn a_long_message_is_cut() {
    let long = "x".repeat(10_000);
    let (_, message) = refusal(json!({ "expression": ".a", "value": long }));
    assert_eq!(message.chars().count(), 401);
    assert!(message.ends_with("xxx…"), "{message}");
}
