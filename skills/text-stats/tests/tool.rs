//! The tool as a host calls it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use skillhost_sdk::serde_json::{Value, json};
use skillhost_sdk::{ErrorKind, testing};
use text_stats::SKILL;

fn analyze(arguments: Value) -> Value {
    testing::call(&SKILL, "analyze", arguments)
        .unwrap()
        .structured_value()
        .unwrap()
}

#[test]
fn the_whole_answer() {
    let text = "# Otters\n\nThe otter eats fish. Otters don't eat everything, e.g. stones!";
    assert_eq!(
        analyze(json!({ "text": text, "top": 2 })),
        json!({
            "characters": 72,
            "characters_without_spaces": 60,
            "words": 11,
            "distinct_words": 10,
            "sentences": 3,
            "paragraphs": 2,
            "lines": 3,
            "syllables": 16,
            "average_word_length": 4.82,
            "average_sentence_length": 3.67,
            "reading_seconds": 3,
            "readability": {
                "flesch_reading_ease": 80.06,
                "flesch_kincaid_grade": 3.0,
                "gunning_fog": 5.1,
                "coleman_liau": 4.46,
                "automated_readability_index": 3.1,
                "smog": 6.43,
            },
            "frequent_words": [
                { "word": "otters", "count": 2 },
                { "word": "e.g", "count": 1 },
            ],
        })
    );
}

#[test]
fn defaults_list_ten_words_without_the_common_ones() {
    let text = "the a b c d e f g h j k l m";
    let words = |arguments| {
        analyze(arguments)["frequent_words"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(words(json!({ "text": text })), 10);
    assert_eq!(words(json!({ "text": text, "top": 100 })), 11);
    assert_eq!(
        words(json!({ "text": text, "top": 100, "ignore_common": false })),
        13
    );
    assert_eq!(
        words(json!({ "text": text, "top": 100, "min_length": 2, "ignore_common": false })),
        1
    );
}

#[test]
fn a_text_without_words_has_no_readability() {
    let answer = analyze(json!({ "text": "..." }));
    assert_eq!(
        (&answer["words"], &answer["readability"]),
        (&json!(0), &Value::Null)
    );
}

#[test]
fn unknown_arguments_are_refused() {
    let error = testing::call(&SKILL, "analyze", json!({ "text": "a", "lang": "en" })).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
}
