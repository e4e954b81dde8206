use serde_json::json;

use super::*;

fn declared(schema: &Value) -> Declared {
    Declared::of(schema.as_object().unwrap(), &BTreeMap::new())
}

fn kind_of(kind: &str) -> Declared {
    declared(&json!({"properties": {"it": {"type": "string", "x-skillhost-kind": kind}}}))
}

/// The rules that find something in one argument.
fn found(kind: &str, text: &str) -> Vec<String> {
    let screening = Screening::new(&ScreeningRules::default());
    let found = screening.screen(&kind_of(kind), &json!({"it": text}), &["/docs", "/tmp/x/"]);
    found.iter().map(|it| it.rule.to_string()).collect()
}

#[test]
fn shell_metacharacters_are_found_in_commands() {
    for text in [
        "ls; rm -rf /",
        "ls && id",
        "ls|sh",
        "a > b",
        "a < b",
        "$(id)",
        "`id`",
        "$HOME",
        "a\nb",
        "a\rb",
        "a\\ b",
        "a\0",
        "{a,b}",
        "(id)",
        "ls\u{ff1b}id",
        "ls \u{ff5c} sh",
        "\u{ff04}(id)",
        "a&",
    ] {
        assert_eq!(found("command", text), ["shell-metacharacters"], "{text:?}");
    }
    for text in [
        "ls -la",
        "git log --oneline",
        "a 'b c' \"d\"",
        "grep x*",
        "",
        "ä ö 漢",
    ] {
        assert!(found("command", text).is_empty(), "{text:?}");
    }
}

#[test]
fn path_traversal_is_found_in_paths() {
    for text in [
        "..",
        "../x",
        "a/../b",
        "a/..",
        ".. /x",
        "a/..;x/b",
        "/etc/passwd",
        "//docs/x",
        "/docsx",
        "/docs/../etc",
        " /etc",
        "~/x",
        "C:\\x",
        "c:x",
        "a\\b",
        "\\\\server\\x",
        "a\0.txt",
        "%2e%2e/x",
        "%2E%2E%2Fx",
        "%252e%252e/x",
        "%25252e%25252e/x",
        "%2525252e",
        "%c0%ae%c0%ae/x",
        "a%00",
        "%5c..%5c",
        "..%c0%afx",
        "\u{ff0e}\u{ff0e}\u{ff0f}x",
        "\u{2025}/x",
        "..\u{2215}x",
        "..\u{2044}x",
        "a%5Cb",
    ] {
        assert_eq!(found("path", text), ["path-traversal"], "{text:?}");
    }
    for text in [
        "a/b.txt",
        "...",
        "a..b",
        "..a/b..",
        "/docs",
        "/docs/a b",
        "/tmp/x/y",
        ".hidden",
        "./a",
        "100%",
        "a%20b",
        "50%zz",
        "ä/漢.txt",
        "",
    ] {
        assert!(found("path", text).is_empty(), "{text:?}");
    }
}

#[test]
fn private_addresses_are_found_in_urls() {
    for text in [
        "http://127.0.0.1/",
        "http://127.1",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://0x7f000001",
        "http://0/",
        "http://10.0.0.1:8080/x",
        "http://192.168.0.1",
        "http://172.20.1.1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://good.test@127.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
        "http://\u{2460}\u{2461}\u{2466}.0.0.1/",
        "http://127.0.0.1.",
        "http:127.0.0.1",
        "http:\\\\127.0.0.1\\x",
        "  http://127.0.0.1",
        "ht\ntp://127.0.0.1",
        "http://127.0.0.1\t/",
        "//127.0.0.1/x",
        "127.0.0.1:80/x",
        "127.0.0.1",
        "localhost:8080",
        "gopher://127.0.0.1:25/",
        "gopher://2130706433/",
        "ftp://10.0.0.1/",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "http://[::1",
        "http://a:b:c/",
    ] {
        assert_eq!(found("url", text), ["private-address"], "{text:?}");
    }
    for text in [
        "https://example.com/a?b=c#d",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
        "https://localhost.example.com/",
        "https://127.0.0.1.example.com/",
        "https://example.com/127.0.0.1",
        "/relative/path",
        "mailto:a@example.com",
        "https://bücher.example/",
        "",
    ] {
        assert!(found("url", text).is_empty(), "{text:?}");
    }
}

#[test]
fn what_is_declared_is_looked_at_wherever_it_stands() {
    let schema = json!({
        "properties": {
            "direct": {"x-skillhost-kind": "path"},
            "list": {"type": "array", "items": {"x-skillhost-kind": "path"}},
            "choice": {"anyOf": [{"type": "null"}, {"x-skillhost-kind": "path"}]},
            "named": {"$ref": "#/$defs/place"},
            "inner": {"properties": {"deep": {"x-skillhost-kind": "path"}}},
            "link": {"format": "uri"},
            "whole": {"type": "object", "x-skillhost-kind": "path"},
            "free": {"type": "string"},
        },
        "$defs": {"place": {"x-skillhost-kind": "path"}, "again": {"$ref": "#/$defs/again"}},
    });
    let screening = Screening::new(&ScreeningRules::default());
    for (arguments, field) in [
        (json!({"direct": "../x"}), "direct"),
        (json!({"list": ["a", "../x"]}), "list"),
        (json!({"choice": "../x"}), "choice"),
        (json!({"named": "../x"}), "named"),
        (json!({"inner": {"deep": "../x"}}), "inner.deep"),
        (json!({"whole": {"a": {"b": "../x"}}}), "whole.a.b"),
        (json!({"whole": {"../x": 1}}), "whole.../x"),
        (json!({"link": "http://127.1"}), "link"),
    ] {
        let found = screening.screen(&declared(&schema), &arguments, &[]);
        assert_eq!(found.len(), 1, "{arguments}");
        assert_eq!(found[0].field, field);
        assert_eq!(found[0].action, "flag");
        assert!(!found[0].refuses);
    }
    let free = json!({"free": "../x", "direct": "ok", "unknown": "../x"});
    assert!(screening.screen(&declared(&schema), &free, &[]).is_empty());
}

#[test]
fn an_operator_says_what_an_argument_is_and_what_is_done() {
    let added = BTreeMap::from([("file".to_owned(), Kind::Path)]);
    let declared = Declared::of(&serde_json::Map::new(), &added);
    let mut rules = ScreeningRules::default();
    let arguments = json!({"file": "../x"});
    let screen = |rules: &ScreeningRules| Screening::new(rules).screen(&declared, &arguments, &[]);
    assert!(!screen(&rules)[0].refuses);
    rules
        .shipped
        .insert(Shipped::PathTraversal, Some(Action::Refuse));
    assert!(screen(&rules)[0].refuses);
    rules.shipped.insert(Shipped::PathTraversal, None);
    assert!(screen(&rules).is_empty());
}

#[test]
fn rules_of_an_operator_look_where_they_say() {
    let rule = |place| ScreeningRule::new("secret", "(?i)hunter2", place, Action::Refuse).unwrap();
    let screen = |place, arguments: Value| {
        let rules = ScreeningRules {
            rules: vec![rule(place)],
            ..ScreeningRules::default()
        };
        let found = Screening::new(&rules).screen(&kind_of("command"), &arguments, &[]);
        found.into_iter().map(|it| it.field).collect::<Vec<_>>()
    };
    let arguments = json!({"it": "Hunter2", "other": {"a": ["x", "HUNTER2"]}});
    assert_eq!(screen(Place::Any, arguments.clone()), ["it"]);
    let fields = Place::Fields(["other".to_owned()].into());
    assert_eq!(screen(fields, arguments.clone()), ["other.a"]);
    assert_eq!(
        screen(Place::Kind(Kind::Command), arguments.clone()),
        ["it"]
    );
    assert!(screen(Place::Kind(Kind::Url), arguments).is_empty());
}

#[test]
fn patterns_that_are_none_or_too_large_are_refused() {
    for pattern in ["(", "(?=look)", r"(\w{1000}){1000}", r"(a)\1"] {
        let rule = ScreeningRule::new("a", pattern, Place::Any, Action::Flag);
        assert!(rule.is_err(), "{pattern}");
    }
}

#[test]
fn a_search_looks_at_so_much_text_and_no_more() {
    let rule = |action| ScreeningRule::new("slow", r"[ab]{1000}x", Place::Any, action).unwrap();
    let arguments = json!({"it": "a".repeat(1 << 20)});
    for (action, refuses) in [(Action::Flag, false), (Action::Refuse, true)] {
        let rules = ScreeningRules {
            rules: vec![rule(action)],
            ..ScreeningRules::default()
        };
        let found = Screening::new(&rules).screen(&kind_of("path"), &arguments, &[]);
        let found: Vec<_> = found
            .iter()
            .map(|it| (&*it.rule, it.action, it.refuses))
            .collect();
        assert!(found.contains(&("slow", "skip", refuses)), "{found:?}");
    }
}
