use super::*;

fn form(schema: &Value) -> Result<Question, String> {
    Question::of(&json!({
        "method": "elicitation/create",
        "params": {"message": "Go on?", "requestedSchema": schema},
    }))
}

fn schema(properties: &Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn every_choice_that_mcp_knows_is_passed_on() {
    let properties = json!({
        "untitled": {"type": "string", "enum": ["a", "b"]},
        "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]},
        "legacy": {"type": "string", "enum": ["a"], "enumNames": ["A"]},
        "several": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["a", "b"]}},
        "several_titled": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
    });
    let Ok(Question::Form { schema, .. }) = form(&schema(&properties)) else {
        panic!("it is refused")
    };
    let read = &schema["properties"];
    assert_eq!(read["untitled"], properties["untitled"]);
    assert_eq!(
        read["titled"]["oneOf"][1],
        json!({"const": "b", "title": "b"})
    );
    assert_eq!(read["legacy"], properties["legacy"]);
    assert_eq!(read["several"], properties["several"]);
    assert_eq!(read["several_titled"], properties["several_titled"]);
    let request: rmcp::model::InputRequest = serde_json::from_value(
        form(&json!({"type": "object", "properties": properties}))
            .unwrap()
            .request(""),
    )
    .unwrap();
    let sent = serde_json::to_value(request).unwrap();
    assert_eq!(
        sent["params"]["requestedSchema"]["properties"], *read,
        "nothing is lost on the wire"
    );
}

#[test]
fn what_may_be_left_out_is_left_out_and_not_null() {
    let optional = json!({"a": {"type": ["string", "null"]}, "b": {"enum": ["x", null]}});
    let Ok(question) = form(&schema(&optional)) else {
        panic!("it is refused")
    };
    let reply = json!({"action": "accept", "content": {"a": null, "b": "x"}});
    let expected = json!({"action": "accept", "content": {"b": "x"}});
    assert_eq!(question.reply(&reply), Some(expected));
}

#[test]
fn no_number_and_no_word_asks_for_a_secret() {
    for name in [
        "creditCard",
        "cardNumber",
        "card_number",
        "cvc",
        "authToken",
    ] {
        for kind in ["string", "number", "integer"] {
            let refused = form(&schema(&json!({name: {"type": kind}})));
            assert!(refused.is_err(), "{name}: {kind}");
        }
    }
    assert!(form(&schema(&json!({"count": {"type": "integer"}}))).is_ok());
    assert!(form(&schema(&json!({"passwordless": {"type": "boolean"}}))).is_ok());
}

#[test]
fn a_default_of_several_hides_nothing() {
    let several = |default: &str| {
        let items = json!({"type": "string", "enum": ["a"]});
        form(&schema(
            &json!({"a": {"type": "array", "items": items, "default": [default]}}),
        ))
    };
    let Ok(Question::Form { schema, .. }) = several("a\u{202e}b") else {
        panic!("it is refused")
    };
    let shown = schema["properties"]["a"]["default"][0].as_str().unwrap();
    assert!(!shown.contains('\u{202e}'), "{shown}");
    assert!(several(&"x".repeat(MAX_MESSAGE)).is_err());
}

#[test]
fn a_model_is_asked_with_text_and_sees_nothing_else() {
    let asked = |params: Value| {
        Question::of(&json!({"method": "sampling/createMessage", "params": params}))
    };
    let text = json!({"role": "user", "content": {"type": "text", "text": "Why?"}});
    let good =
        json!({"messages": [text], "maxTokens": 100, "includeContext": "allServers", "tools": []});
    assert_eq!(
        asked(good).unwrap(),
        Question::Model {
            params: json!({"messages": [text], "maxTokens": 100})
        }
    );
    let image =
        json!({"role": "user", "content": {"type": "image", "data": "", "mimeType": "image/png"}});
    for bad in [
        json!({"messages": [], "maxTokens": 100}),
        json!({"messages": [image], "maxTokens": 100}),
        json!({"messages": [text], "maxTokens": 0}),
        json!({"messages": [text], "maxTokens": 5000}),
        json!({"messages": [text]}),
        json!({}),
    ] {
        assert!(asked(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn answers_of_all_rounds_have_an_end() {
    let mut earlier = Earlier::default();
    for round in 0..40 {
        let key = format!("k{round}");
        let question = form(&schema(&json!({"a": {"type": "string"}}))).unwrap();
        let asked = Questions {
            each: BTreeMap::from([(key.clone(), question)]),
            state: None,
        };
        let reply = json!({"action": "accept", "content": {"a": "x".repeat(4000)}});
        earlier = earlier.answered(&asked, &BTreeMap::from([(key, reply)]));
    }
    assert_eq!(earlier.round, 40);
    assert!(
        (10..=16).contains(&earlier.answers.len()),
        "{}",
        earlier.answers.len()
    );
}

#[test]
fn what_is_asked_again_and_not_answered_has_no_answer() {
    let question = form(&schema(&json!({"a": {"type": "string"}}))).unwrap();
    let asking = |keys: &[&str]| Questions {
        each: keys
            .iter()
            .map(|key| ((*key).to_owned(), question.clone()))
            .collect(),
        state: None,
    };
    let reply = json!({"action": "accept", "content": {"a": "x"}});
    let replies = ["one", "two"].map(|key| (key.to_owned(), reply.clone()));
    let first = Earlier::default().answered(&asking(&["one", "two"]), &BTreeMap::from(replies));
    assert_eq!(first.answers.len(), 2);
    let second = first.answered(&asking(&["one"]), &BTreeMap::new());
    let left: Vec<&String> = second.answers.keys().collect();
    assert_eq!(left, ["two"]);
}

#[test]
fn other_methods_are_none() {
    for method in ["", "ping", "tools/call", "elicitation/create "] {
        assert!(
            Question::of(&json!({"method": method, "params": {}})).is_err(),
            "{method}"
        );
    }
}
