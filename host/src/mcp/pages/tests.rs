//! Large answers, and reading them.

use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use super::*;
use crate::answer::{Body, Content, Output as Answered};

const INLINE: usize = 64 << 10;

const ALICE: Principal = Principal::Stdio;

const BOB: Principal = Principal::Local;

fn outputs() -> Outputs {
    let paging = Paging {
        inline: INLINE as u64,
        page: 16 << 10,
        ..Paging::default()
    };
    Outputs::new(paging, crate::time::system())
}

fn of(is_structured: bool) -> Of<'static> {
    Of {
        caller: &ALICE,
        tool: "notes_search",
        is_structured,
    }
}

fn read_as(
    outputs: &Outputs,
    caller: &Principal,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let finds = |tool: &str| tool == "notes_search";
    let reader = Reader {
        outputs,
        caller,
        finds: &finds,
    };
    reader.read(uri)
}

fn list_as(outputs: &Outputs, caller: &Principal, finds: &dyn Fn(&str) -> bool) -> Value {
    let reader = Reader {
        outputs,
        caller,
        finds,
    };
    serde_json::to_value(reader.list()).unwrap()
}

fn answered(content: Vec<Content>, structured: Option<Value>) -> Answered {
    Answered {
        content,
        structured,
    }
}

/// The result as a client gets it, which takes no more than so much.
fn sent(result: &CallToolResult) -> Value {
    let json = serde_json::to_string(result).unwrap();
    assert!(json.len() <= INLINE, "{}", json.len());
    serde_json::from_str(&json).unwrap()
}

fn links(result: &Value) -> Vec<String> {
    let blocks = result["content"].as_array().unwrap().iter();
    let links = blocks.filter(|block| block["type"] == "resource_link");
    links
        .map(|block| block["uri"].as_str().unwrap().to_owned())
        .collect()
}

/// The first content of each page, from a link to the last page.
fn read_all(outputs: &Outputs, first: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(uri) = next {
        let page = serde_json::to_value(read_as(outputs, &ALICE, &uri).unwrap()).unwrap();
        assert!(page.to_string().len() <= INLINE);
        let contents = page["contents"][0].clone();
        assert_eq!(contents["uri"], uri);
        let link = contents["_meta"]["dev.skillhost/next"].as_str();
        next = link.map(str::to_owned);
        let told = page["contents"][1]["text"].as_str();
        assert_eq!(told.is_some(), next.is_some());
        if let (Some(told), Some(next)) = (told, &next) {
            assert!(told.ends_with(&format!("It goes on at {next}]")), "{told}");
        }
        pages.push(contents);
    }
    pages
}

fn read_text(outputs: &Outputs, first: &str) -> String {
    let pages = read_all(outputs, first);
    let texts = pages.iter().map(|page| page["text"].as_str().unwrap());
    texts.collect()
}

#[test]
fn a_small_answer_is_sent_as_it_is() {
    let outputs = outputs();
    let answer = answered(
        vec![Content::Text("x".repeat(30_000))],
        Some(json!({"n": 1})),
    );
    let result = sent(&fit(&outputs, of(true), answer));
    assert_eq!(result["content"][0]["text"].as_str().unwrap().len(), 30_000);
    assert_eq!(result["structuredContent"], json!({"n": 1}));
    assert!(outputs.of(&ALICE).is_empty());
}

#[test]
fn i10_a_large_text_is_read_in_pages_whatever_stands_in_it() {
    let outputs = outputs();
    let text = "# \u{1b}[31mÜ🎉\u{202e}\u{200b}\0\"}]}\n".repeat(10_000);
    let answer = answered(vec![Content::Text(text.clone())], None);
    let result = sent(&fit(&outputs, of(false), answer));
    assert_eq!(result["isError"], false);
    let shown = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(&shown[..1000]), "{shown}");
    let link = &result["content"][1];
    assert_eq!(link["size"], text.len());
    assert_eq!(link["mimeType"], "text/plain");
    let [uri] = &links(&result)[..] else {
        panic!("{result}")
    };
    assert!(shown.contains(uri), "{shown}");
    assert_eq!(read_text(&outputs, uri), text);
    let listed = list_as(&outputs, &ALICE, &|_| true);
    assert_eq!(listed["resources"][0]["uri"], *uri);
    assert_eq!(listed["cacheScope"], "private");
}

#[test]
fn each_large_block_is_a_document_and_small_ones_stay() {
    let outputs = outputs();
    let image: Vec<u8> = (0..100_000_u32).map(|it| it.to_le_bytes()[0]).collect();
    let content = vec![
        Content::Text("small".to_owned()),
        Content::Image(image.clone(), "image/png".to_owned()),
        Content::Embedded {
            uri: "a:b".to_owned(),
            mime_type: Some("text/csv".to_owned()),
            body: Body::Text("1,2\n".repeat(5_000)),
        },
    ];
    let result = sent(&fit(&outputs, of(false), answered(content, None)));
    assert_eq!(result["content"][0]["text"], "small");
    let links = links(&result);
    let [png, csv] = &links[..] else {
        panic!("{result}")
    };
    let mut read = Vec::new();
    for page in read_all(&outputs, png) {
        assert_eq!(page["mimeType"], "image/png");
        read.extend(STANDARD.decode(page["blob"].as_str().unwrap()).unwrap());
    }
    assert_eq!(read, image);
    assert_eq!(read_text(&outputs, csv), "1,2\n".repeat(5_000));
}

#[test]
fn very_many_blocks_are_one_document() {
    let outputs = outputs();
    let content: Vec<Content> = (0..2_000)
        .map(|number| Content::Text(format!("block {number}")))
        .collect();
    let result = sent(&fit(&outputs, of(false), answered(content, None)));
    let [uri] = &links(&result)[..] else {
        panic!("{result}")
    };
    let read: Value = serde_json::from_str(&read_text(&outputs, uri)).unwrap();
    assert_eq!(read[1999], json!({"type": "text", "text": "block 1999"}));
}

#[test]
fn a_structured_answer_stays_as_long_as_it_fits() {
    let outputs = outputs();
    let value = json!({"items": vec!["ab"; 3_500]});
    let answer = answered(Vec::new(), Some(value.clone()));
    let result = sent(&fit(&outputs, of(true), answer));
    assert_eq!(result["isError"], false);
    assert_eq!(result["structuredContent"], value);
    let [uri] = &links(&result)[..] else {
        panic!("{result}")
    };
    assert_eq!(read_text(&outputs, uri), value.to_string());
}

#[test]
fn a_promised_structured_answer_that_does_not_fit_is_a_failure_that_can_be_read() {
    for is_promised in [true, false] {
        let outputs = outputs();
        let value = json!({"items": vec!["ab"; 50_000]});
        let answer = answered(Vec::new(), Some(value.clone()));
        let result = sent(&fit(&outputs, of(is_promised), answer));
        assert_eq!(result["isError"], is_promised);
        assert_eq!(result.get("structuredContent"), None);
        let [uri] = &links(&result)[..] else {
            panic!("{result}")
        };
        assert_eq!(read_text(&outputs, uri), value.to_string());
    }
}

#[test]
fn what_there_is_no_room_for_says_so() {
    let paging = Paging {
        inline: INLINE as u64,
        keep_size_per_caller: 1000,
        ..Paging::default()
    };
    let outputs = Outputs::new(paging, crate::time::system());
    let answer = answered(vec![Content::Text("x".repeat(100_000))], None);
    let result = sent(&fit(&outputs, of(false), answer));
    let shown = result["content"][0]["text"].as_str().unwrap();
    assert!(
        shown.ends_with("Call the tool again and ask for less.]"),
        "{shown}"
    );
    assert!(links(&result).is_empty());
}

#[test]
fn the_largest_result_of_parts_fits() {
    let outputs = outputs();
    let worst = "\u{1}".repeat(900);
    let mut content: Vec<Content> = (0..4)
        .map(|_| Content::Embedded {
            uri: worst.clone(),
            mime_type: Some(worst.clone()),
            body: Body::Text("\u{1}".repeat(20_000)),
        })
        .collect();
    content.extend((0..3).map(|_| Content::Text("\u{1}".repeat(600))));
    let structured = json!({"s": "x".repeat(18_000)});
    let result = fit(&outputs, of(true), answered(content, Some(structured)));
    assert_eq!(links(&sent(&result)).len(), 4);
}

#[test]
fn m18_another_callers_output_is_as_absent_as_any() {
    let outputs = outputs();
    let answer = answered(vec![Content::Text("secret ".repeat(20_000))], None);
    let result = sent(&fit(&outputs, of(false), answer));
    let [uri] = &links(&result)[..] else {
        panic!("{result}")
    };
    let absent = "skillhost://output/00000000000000000000000000000000/1";
    let refused = |caller: &Principal, uri: &str| {
        serde_json::to_string(&read_as(&outputs, caller, uri).unwrap_err()).unwrap()
    };
    let expected = refused(&ALICE, absent);
    assert_eq!(refused(&BOB, uri), expected);
    assert_eq!(refused(&BOB, absent), expected);
    assert_eq!(refused(&BOB, "file:///etc/passwd"), expected);
    assert_eq!(refused(&ALICE, &uri.replace("/1", "/999")), expected);
    assert_eq!(refused(&ALICE, &"%2e".repeat(50_000)), expected);
    assert_eq!(list_as(&outputs, &BOB, &|_| true)["resources"], json!([]));
    assert!(read_as(&outputs, &ALICE, uri).is_ok());
}

/// One caller may have a key for this tool, and another that is not for it.
#[test]
fn m18_an_output_is_as_absent_as_the_tool_that_made_it() {
    let outputs = outputs();
    let answer = answered(vec![Content::Text("secret ".repeat(20_000))], None);
    let result = sent(&fit(&outputs, of(false), answer));
    let [uri] = &links(&result)[..] else {
        panic!("{result}")
    };
    let reader = Reader {
        outputs: &outputs,
        caller: &ALICE,
        finds: &|_| false,
    };
    let absent = read_as(&outputs, &BOB, uri).unwrap_err();
    assert_eq!(reader.read(uri).unwrap_err(), absent);
    assert_eq!(
        list_as(&outputs, &ALICE, &|_| false)["resources"],
        json!([])
    );
}
