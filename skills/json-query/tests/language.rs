//! What the language of the expressions can do, and what it refuses.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use json_query::document;
use json_query::program::{Program, RuntimeError};
use json_query::syntax::SyntaxError;

/// The results as jq would print them, separated by spaces.
fn run(expression: &str, input: &str) -> String {
    let results =
        evaluate(expression, input, 100).unwrap_or_else(|error| panic!("{expression}: {error}"));
    assert!(!results.truncated, "{expression}");
    let results: Vec<String> = results.values.iter().map(ToString::to_string).collect();
    results.join(" ")
}

fn evaluate(
    expression: &str,
    input: &str,
    limit: usize,
) -> Result<json_query::program::Results, RuntimeError> {
    let program =
        Program::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    program.run(document::read(input).unwrap(), limit)
}

fn place(expression: &str) -> (usize, usize, String, String) {
    let SyntaxError {
        line,
        column,
        found,
        reason,
    } = Program::compile(expression).unwrap_err();
    (line, column, found, reason)
}

#[test]
fn expressions_of_every_day() {
    let shop = r#"{"items":[{"name":"pen","price":2.50,"tags":["a"]},{"name":"ink","price":12}]}"#;
    for (expression, expected) in [
        (".items[] | select(.price < 10) | .name", r#""pen""#),
        ("[.items[].price] | add", "14.5"),
        (
            ".items | map({(.name): .price}) | add",
            r#"{"pen":2.50,"ink":12}"#,
        ),
        (".items[0].tags[]?, .items[1].tags[]?", r#""a""#),
        (".items | sort_by(-.price) | .[].name", r#""ink" "pen""#),
        (".items | group_by(.tags == null) | length", "2"),
        ("[paths(type == \"number\")] | length", "2"),
        (
            ".items[].name |= ascii_upcase | .items[1]",
            r#"{"name":"INK","price":12}"#,
        ),
        ("reduce .items[] as $item (0; . + $item.price)", "14.5"),
        ("[.items[].name | test(\"^p\")]", "[true,false]"),
        (".none // \"default\"", r#""default""#),
        (".items[0].name as $n | \"\\($n)!\"", r#""pen!""#),
        ("[limit(3; repeat(1))]", "[1,1,1]"),
        ("1700000000 | todate", r#""2023-11-14T22:13:20Z""#),
        ("now > 1700000000", "true"),
        ("\"YQ==\" | @base64d", r#""a""#),
    ] {
        assert_eq!(run(expression, shop), expected, "{expression}");
    }
}

#[test]
fn what_jaq_alone_has_not() {
    for (expression, input, expected) in [
        (
            "@csv",
            r#"["a\"b",1.5,null,true,""]"#,
            r#""\"a\"\"b\",1.5,,true,\"\"""#,
        ),
        ("@tsv", r#"["a\tb\\",1,null]"#, r#""a\\tb\\\\\t1\t""#),
        ("@csv \"\\([1,2]);\"", "0", r#""1,2;""#),
        (
            "from_entries",
            r#"[{"k":"a","v":1},{"name":2,"Value":false},{"key":null}]"#,
            r#"{"a":1,"2":false,"null":null}"#,
        ),
        ("with_entries(.value += 1)", r#"{"a":1}"#, r#"{"a":2}"#),
        (
            "INDEX(.id)",
            r#"[{"id":1},{"id":"x"}]"#,
            r#"{"1":{"id":1},"x":{"id":"x"}}"#,
        ),
        (".[] | IN(2, 3)", "[1,2]", "false true"),
        ("IN(.[]; 5)", "[1,2]", "false"),
        (
            "[JOIN({\"1\": \"one\"}; .[]; tostring)]",
            "[1]",
            r#"[[1,"one"]]"#,
        ),
        ("toarray, (.[0] | toarray)", "[1]", "[1] [1]"),
        ("trimstr(\"a\")", r#""abca""#, r#""bc""#),
        ("65 | ascii", "0", r#""A""#),
        ("[leaf_paths]", r#"{"a":[1]}"#, r#"[["a",0]]"#),
        (
            "[tostream]",
            r#"{"a":[1,2]}"#,
            r#"[[["a",0],1],[["a",1],2],[["a",1]],[["a"]]]"#,
        ),
    ] {
        assert_eq!(run(expression, input), expected, "{expression}");
    }
}

#[test]
fn a_syntax_error_says_where() {
    for (expression, line, column, found, reason) in [
        (".[", 1, 3, "", "expected closing bracket"),
        (".a |", 1, 5, "", "expected term"),
        (".a |\n  ) .b", 2, 3, ") .b", "expected token"),
        ("if . then 1 else 2", 1, 19, "", "expected end"),
        ("\"é\" | foo(1; 2)", 1, 7, "foo", "undefined filter foo/2"),
        (".a\n| $x", 2, 3, "$x", "undefined variable $x"),
        ("break $out", 1, 7, "$out", "undefined label $out"),
        ("\"\\q\"", 1, 3, "q\"", "expected string escape sequence"),
        ("", 1, 1, "", "expected term"),
        (
            "env.HOME",
            1,
            1,
            "env",
            "undefined filter env/0: a query sees no environment",
        ),
        (
            "$ENV",
            1,
            1,
            "$ENV",
            "undefined variable $ENV: a query sees no environment",
        ),
        (
            "[inputs]",
            1,
            2,
            "inputs",
            "undefined filter inputs/0: a query has one input, which is `.`",
        ),
        (
            "import \"a\" as a; a::f",
            1,
            9,
            "a",
            "module loading not supported",
        ),
        (
            "import \"a\" as $a; $a",
            1,
            9,
            "a",
            "module loading not supported",
        ),
        (
            "include \"/etc/passwd\"; .",
            1,
            10,
            "/etc/passwd",
            "module loading not supported",
        ),
    ] {
        let expected = (line, column, found.to_owned(), reason.to_owned());
        assert_eq!(place(expression), expected, "{expression}");
    }
}

#[test]
fn a_long_offending_part_is_cut() {
    let (.., found, _) = place(&format!(".a }}{}", "x".repeat(1000)));
    assert_eq!(found, format!("}}{}", "x".repeat(23)));
}

#[test]
fn deep_expressions_are_refused() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(run(&nested(64), "0"), nested(64));
    assert_eq!(place(&nested(65)).3, "nested deeper than 64 levels");
    assert_eq!(place(&"(".repeat(4096)).1, 65);
}

#[test]
fn long_chains_are_refused() {
    let chain = |operator: &str, times| operator.repeat(times) + "1";
    assert_eq!(run(&chain("1 |", 256), "0"), "1");
    assert_eq!(run(&chain("0 +", 256), "0"), "1");
    for operator in ["-", "1 |", "0 +", "2,"] {
        assert_eq!(
            place(&chain(operator, 257)).3,
            "more than 256 operators",
            "{operator}"
        );
    }
}

#[test]
fn a_runtime_error_says_what_jq_says() {
    let raised = |message: &str| RuntimeError::Raised(message.into());
    for (expression, input, expected) in [
        (".a", "1", raised(r#"cannot index 1 with "a""#)),
        ("1, error(\"no\")", "1", raised("no")),
        ("error({a: 1})", "1", raised(r#"{"a":1}"#)),
        ("halt_error", r#""bye""#, raised("bye")),
        ("halt(3)", "1", RuntimeError::Halted(3)),
    ] {
        assert_eq!(
            evaluate(expression, input, 100).unwrap_err(),
            expected,
            "{expression}"
        );
    }
    assert_eq!(run("1, halt, 2", "0"), "1");
}

#[test]
fn infinite_results_end_at_the_limit() {
    for expression in [
        "repeat(1)",
        "range(infinite)",
        "range(0; 1; 0)",
        "1, 2, 3, 4, error",
    ] {
        let results = evaluate(expression, "null", 3).unwrap();
        assert_eq!(
            (results.values.len(), results.truncated),
            (3, true),
            "{expression}"
        );
    }
    let results = evaluate("1, 2, 3", "null", 3).unwrap();
    assert_eq!((results.values.len(), results.truncated), (3, false));
}

#[test]
fn json_within_a_string_is_read_as_strictly() {
    assert_eq!(run("fromjson", r#""[1]""#), "[1]");
    let deep = format!("\"{}\"", "[".repeat(100_000));
    let expected = "fromjson: nested deeper than 256 levels at line 1 column 257";
    assert_eq!(
        evaluate("fromjson", &deep, 1).unwrap_err(),
        RuntimeError::Raised(expected.into())
    );
    assert_eq!(run("try fromjson catch \"no\"", r#""{a:1}""#), r#""no""#);
    assert_eq!(run("\"1.50\" | tonumber", "0"), "1.50");
}
