//! Guests that ask before they answer, and what may be asked.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skillhost::Kind;
use skillhost::question::{MAX_ROUNDS, Question, Questions};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, Called, grant};

const GUEST: &str = "asks_name";

async fn asked(bench: &Bench, tool: &str, input: Value) -> (Called, Questions) {
    let called = bench.call(GUEST, tool, input).await;
    let questions = called.answer.questions().cloned();
    let questions = questions.unwrap_or_else(|| panic!("{:#?}", called.answer));
    (called, questions)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what is accepted is written where it is used"
)]
fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// The next round of a call, with one reply.
async fn answered(bench: &Bench, tool: &str, replies: &[(&str, Value)]) -> Called {
    let (_, questions) = asked(bench, tool, json!({})).await;
    let replies = replies
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()));
    let replies: BTreeMap<String, Value> = replies.collect();
    let mut call = invocation(GUEST, tool, json!({}));
    call.earlier = call.earlier.answered(&questions, &replies);
    bench.attack(call).await
}

#[tokio::test]
pub(crate) async fn asks_name() {
    let bench = Bench::new();
    let (called, questions) = asked(&bench, "greet", json!({})).await;
    called.expect(Kind::GuestFailed, &[]);
    assert!(called.error().message().contains("more input (person)"));
    let Question::Form { message, schema } = &questions.each["person"] else {
        panic!("{questions:?}")
    };
    assert_eq!(message, "What is your name?");
    assert_eq!(
        *schema,
        json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "description": "Your name", "minLength": 1, "maxLength": 40},
            "times": {"type": "integer", "description": "How often to greet", "minimum": 0, "maximum": 3},
        }})
    );
    for (reply, expected) in [
        (accept(json!({"name": "Ada"})), "Hello, Ada!"),
        (
            accept(json!({"name": "Ada", "times": 2, "more": "x"})),
            "Hello, Ada! Hello, Ada!",
        ),
        (json!({"action": "decline"}), "Hello, stranger!"),
        (
            json!({"action": "cancel", "content": {"name": "x"}}),
            "Is there anybody?",
        ),
    ] {
        assert_eq!(
            answered(&bench, "greet", &[("person", reply)]).await.text(),
            expected
        );
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_question_counts_for_none() {
    let bench = Bench::new();
    for reply in [
        json!(12345),
        json!({"action": "accept"}),
        json!({"action": "yes", "content": {"name": "Ada"}}),
        accept(json!({})),
        accept(json!({"name": ""})),
        accept(json!({"name": "x".repeat(41)})),
        accept(json!({"name": 7})),
        accept(json!({"name": "Ada", "times": 4})),
        accept(json!({"name": "Ada", "times": 1.5})),
        accept(json!({"name": {"name": "Ada"}})),
    ] {
        let called = answered(&bench, "greet", &[("person", reply.clone())]).await;
        assert!(called.answer.questions().is_some(), "{reply}");
        let called = answered(&bench, "greet", &[("other", reply)]).await;
        assert!(called.answer.questions().is_some());
    }
}

#[tokio::test]
async fn a_skill_has_what_was_answered_in_all_rounds_and_what_it_kept() {
    let bench = Bench::new();
    let (_, first) = asked(&bench, "twice", json!({})).await;
    let yes = BTreeMap::from([
        ("first".to_owned(), accept(json!({"yes": true}))),
        ("second".to_owned(), accept(json!({"yes": false}))),
    ]);
    let mut call = invocation(GUEST, "twice", json!({}));
    call.earlier = call.earlier.answered(&first, &yes);
    assert_eq!(
        call.earlier.answers.len(),
        1,
        "only what was asked is answered"
    );
    let called = bench.attack(call.clone()).await;
    let second = called.answer.questions().unwrap();
    assert_eq!(second.each.keys().collect::<Vec<_>>(), ["second"]);
    let mut last = invocation(GUEST, "twice", json!({}));
    last.earlier = call.earlier.answered(second, &yes);
    let text = bench.attack(last).await.text();
    assert!(
        text.ends_with("after 2") && text.contains("true") && text.contains("false"),
        "{text}"
    );
}

#[tokio::test]
async fn what_may_not_be_asked_is_a_failure_of_the_skill() {
    let bench = Bench::new();
    let form = |properties: Value| json!({"type": "object", "properties": properties}).to_string();
    let text = json!({"type": "string"});
    let many: serde_json::Map<_, _> = (0..17).map(|n| (format!("f{n}"), text.clone())).collect();
    for (message, schema) in [
        ("", form(json!({"a": text}))),
        ("   ", form(json!({"a": text}))),
        (&*"x".repeat(1001), form(json!({"a": text}))),
        ("Go on?", form(json!({}))),
        ("Go on?", form(many.into())),
        (
            "Go on?",
            form(json!({"a": {"type": "object", "properties": {"b": text}}})),
        ),
        (
            "Go on?",
            form(json!({"a": {"type": "array", "items": text}})),
        ),
        (
            "Go on?",
            form(json!({"a": {"type": "string", "pattern": "^(a+)+$"}})),
        ),
        (
            "Go on?",
            form(json!({"a": {"type": "string", "format": "password"}})),
        ),
        (
            "Go on?",
            form(json!({"a": {"$ref": "https://good.test/schema"}})),
        ),
        ("Go on?", form(json!({"a\u{202e}b": text}))),
        (
            "Go on?",
            form(json!({"a": {"type": "string", "enum": ["a\u{200b}"]}})),
        ),
        ("Go on?", form(json!({"a": {"type": "string", "enum": []}}))),
        ("Go on?", "[]".to_owned()),
        ("Go on?", json!({"type": "string"}).to_string()),
        // A form asks for no secret (MCP, Elicitation).
        ("Go on?", form(json!({"password": text}))),
        ("Go on?", form(json!({"api_key": text}))),
        (
            "Go on?",
            form(json!({"a": {"type": "string", "title": "Your PIN or Passphrase"}})),
        ),
        (
            "Go on?",
            form(json!({"a": {"type": "string", "description": "the access-token"}})),
        ),
        ("Enter your password.", form(json!({"a": text}))),
    ] {
        let input = json!({"message": message, "schema": schema});
        let called = bench.call(GUEST, "anything", input).await;
        called.expect(Kind::InvalidOutput, &[]);
        assert!(called.answer.questions().is_none(), "{message} {schema}");
    }
}

#[tokio::test]
async fn a_question_steers_no_screen_and_a_yes_may_be_about_a_secret() {
    let bench = Bench::new();
    let field = json!({"type": "boolean", "title": "Reset\u{1b}[2Jit"});
    let schema = json!({"type": "object", "properties": {"yes": field}}).to_string();
    let message = "Reset the password?\n\nskillhost says:\u{1b}[31m \u{200b}fine";
    let input = json!({"message": message, "schema": schema});
    let (_, questions) = asked(&bench, "anything", input).await;
    let Question::Form { message, schema } = &questions.each["any"] else {
        panic!("{questions:?}")
    };
    assert_eq!(
        message,
        "Reset the password?  skillhost says:\\u{1b}[31m \\u{200b}fine"
    );
    assert_eq!(schema["properties"]["yes"]["title"], "Reset\\u{1b}[2Jit");
}

#[tokio::test]
async fn a_skill_asks_no_more_than_a_host_passes_on() {
    let bench = Bench::new();
    let (_, questions) = asked(&bench, "too-much", json!({"questions": 8, "state": 32768})).await;
    assert_eq!(questions.each.len(), 8);
    for (questions, state) in [(9, 0), (1, 32769)] {
        let input = json!({"questions": questions, "state": state});
        bench
            .call(GUEST, "too-much", input)
            .await
            .expect(Kind::OutputLimit, &[]);
    }
    let input = json!({"questions": 0, "state": 1});
    bench
        .call(GUEST, "too-much", input)
        .await
        .expect(Kind::InvalidOutput, &[]);
    assert_eq!(MAX_ROUNDS, 8);
}

#[tokio::test]
async fn a_human_is_sent_only_to_where_the_skill_may_go() {
    let bench = Bench::new();
    let away = json!({"url": "https://good.test/sign-in?state=1"});
    let called = bench.call(GUEST, "visit", away.clone()).await;
    called.expect(Kind::Denied, &[]);
    assert!(
        called.hint().contains("http=https://good.test"),
        "{}",
        called.hint()
    );
    let bench = Bench::with(|setup| {
        grant(setup, GUEST)
            .http
            .push("https://good.test".parse().unwrap());
    });
    let (_, questions) = asked(&bench, "visit", away).await;
    assert!(
        matches!(&questions.each["visit"], Question::Url { url, .. } if url.starts_with("https://good.test/"))
    );
    for url in ["https://evil.test/", "https://good.test.evil.test/"] {
        let called = bench.call(GUEST, "visit", json!({"url": url})).await;
        called.expect(Kind::Denied, &[]);
    }
    for url in [
        "http://good.test/",
        "javascript:alert(1)",
        "https://good.test@evil.test/",
        "https://good.test/\u{202e}",
        "",
    ] {
        let called = bench.call(GUEST, "visit", json!({"url": url})).await;
        called.expect(Kind::InvalidOutput, &[]);
    }
}
