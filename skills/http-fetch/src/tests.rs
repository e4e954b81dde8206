use skillhost_sdk::ErrorKind;
use skillhost_sdk::http::{self, Request, Response};
use skillhost_sdk::serde_json::{Value, json};
use skillhost_sdk::testing::{Host, call};

use crate::SKILL;

fn fetch(
    arguments: Value,
    respond: fn(&Request) -> Result<Response, http::Error>,
) -> skillhost_sdk::Result<Value> {
    let output = Host::new()
        .http(respond)
        .run(|| call(&SKILL, "fetch", arguments))?;
    Ok(output.structured_value().unwrap())
}

#[track_caller]
fn assert_error(
    respond: fn(&Request) -> Result<Response, http::Error>,
    url: &str,
    kind: ErrorKind,
    code: &str,
) {
    let error = fetch(json!({ "url": url }), respond).unwrap_err();
    assert_eq!(
        (error.kind(), error.code_name()),
        (kind, Some(code)),
        "{error}"
    );
}

fn html(body: &str) -> Result<Response, http::Error> {
    Ok(Response::new(200, body).with_header("Content-Type", "text/html; charset=utf-8"))
}

fn to(status: u16, location: &str) -> Result<Response, http::Error> {
    Ok(Response::new(status, "").with_header("Location", location))
}

#[test]
fn gives_a_page_as_markdown() {
    let answer = fetch(json!({ "url": "http://a.example/x#y" }), |request| {
        assert_eq!(
            (request.method(), request.url()),
            ("GET", "http://a.example/x")
        );
        assert_eq!(request.header_value("accept-encoding"), Some("identity"));
        html("<title>T</title><h1>H</h1><a href='/z'>z</a>")
    });
    let expected = json!({
        "url": "http://a.example/x",
        "status": 200,
        "content_type": "text/html; charset=utf-8",
        "title": "T",
        "text": "# H\n\n[z](http://a.example/z)",
        "json": null,
        "truncated": false,
        "next_start": null,
    });
    assert_eq!(answer.unwrap(), expected);
}

#[test]
fn gives_text_and_the_page_as_it_was_sent() {
    let respond = |_: &Request| html("<title>T</title><p>a <b>b</b>");
    let text = |form: &str| {
        fetch(json!({ "url": "http://a.example/", "as": form }), respond).unwrap()["text"].clone()
    };
    assert_eq!(text("text"), "a b");
    assert_eq!(text("html"), "<title>T</title><p>a <b>b</b>");
}

#[test]
fn text_that_is_no_html_stays_as_it_is() {
    let respond =
        |_: &Request| Ok(Response::new(200, "a <b> *c*").with_header("content-type", "text/plain"));
    let answer = fetch(json!({ "url": "http://a.example/" }), respond).unwrap();
    assert_eq!(
        (&answer["text"], &answer["title"]),
        (&json!("a <b> *c*"), &Value::Null)
    );
}

#[test]
fn json_is_parsed_and_an_error_names_the_place() {
    let arguments = json!({ "url": "http://a.example/", "as": "json" });
    let answer = fetch(arguments.clone(), |_| {
        Ok(Response::new(200, "\u{feff}{\"a\": [1, 2.5]}"))
    })
    .unwrap();
    assert_eq!(
        (&answer["json"], &answer["text"]),
        (&json!({ "a": [1, 2.5] }), &Value::Null)
    );
    let error = fetch(arguments, |_| Ok(Response::new(200, "{\n \"a\": x}"))).unwrap_err();
    assert_eq!(
        (error.kind(), error.code_name()),
        (ErrorKind::Failed, Some("not-json"))
    );
    assert!(error.message().contains("line 2 column 7"), "{error}");
}

#[test]
fn a_long_page_comes_in_parts() {
    let respond = |_: &Request| {
        Ok(Response::new(200, "é".repeat(150)).with_header("content-type", "text/plain"))
    };
    let part = |start: u32| {
        fetch(
            json!({ "url": "http://a.example/", "max_chars": 100, "start": start }),
            respond,
        )
        .unwrap()
    };
    let first = part(0);
    assert_eq!(
        (&first["text"], &first["truncated"], &first["next_start"]),
        (&json!("é".repeat(100)), &json!(true), &json!(100))
    );
    let second = part(100);
    assert_eq!(
        (&second["text"], &second["truncated"], &second["next_start"]),
        (&json!("é".repeat(50)), &json!(false), &Value::Null)
    );
}

#[test]
fn redirects_are_followed_to_the_last_address() {
    let answer = fetch(
        json!({ "url": "http://a.example/0" }),
        |request| match request.url() {
            "http://a.example/0" => to(301, "/1"),
            "http://a.example/1" => to(302, "2"),
            "http://a.example/2" => to(303, "https://b.example/3#x"),
            "https://b.example/3" => to(307, "/4"),
            "https://b.example/4" => to(308, "/5"),
            "https://b.example/5" => html("there"),
            other => panic!("{other} was not to be asked"),
        },
    );
    let answer = answer.unwrap();
    assert_eq!(
        (&answer["url"], &answer["text"]),
        (&json!("https://b.example/5"), &json!("there"))
    );
}

#[test]
fn a_sixth_redirect_is_refused() {
    let respond = |request: &Request| to(302, &format!("{}x", request.url()));
    assert_error(
        respond,
        "http://a.example/",
        ErrorKind::Failed,
        "too-many-redirects",
    );
}

#[test]
fn loops_and_downgrades_are_refused() {
    assert_error(
        |_| to(302, "/"),
        "http://a.example/",
        ErrorKind::Failed,
        "redirect-loop",
    );
    assert_error(
        |_| to(302, "#top"),
        "http://a.example/",
        ErrorKind::Failed,
        "redirect-loop",
    );
    assert_error(
        |_| to(301, "http://a.example/"),
        "https://a.example/",
        ErrorKind::Failed,
        "insecure-redirect",
    );
    assert_error(
        |_| to(301, "file:///etc/passwd"),
        "https://a.example/",
        ErrorKind::Failed,
        "invalid-redirect",
    );
}

#[test]
fn a_redirect_that_the_host_denies_is_denied() {
    let respond = |request: &Request| match request.url() {
        "http://a.example/" => to(302, "http://169.254.169.254/"),
        _ => Err(http::Error::Denied("no private addresses".to_owned())),
    };
    let error = fetch(json!({ "url": "http://a.example/" }), respond).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.message().contains("no private addresses"), "{error}");
}

#[test]
fn a_status_becomes_an_error() {
    assert_error(
        |_| Ok(Response::new(404, "")),
        "http://a.example/",
        ErrorKind::NotFound,
        "http-404",
    );
    assert_error(
        |_| Ok(Response::new(500, "")),
        "http://a.example/",
        ErrorKind::Failed,
        "http-500",
    );
    assert_error(
        |_| Ok(Response::new(302, "")),
        "http://a.example/",
        ErrorKind::Failed,
        "http-302",
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let image = |_: &Request| Ok(Response::new(200, "x").with_header("content-type", "image/png"));
    assert_error(image, "http://a.example/", ErrorKind::Failed, "not-text");
    let zipped = |_: &Request| Ok(Response::new(200, "x").with_header("content-encoding", "gzip"));
    assert_error(zipped, "http://a.example/", ErrorKind::Failed, "compressed");
    assert_error(
        |_| Err(http::Error::TooLarge),
        "http://a.example/",
        ErrorKind::Failed,
        "page-too-large",
    );
    assert_error(
        |_| Err(http::Error::Timeout),
        "http://a.example/",
        ErrorKind::Unavailable,
        "timeout",
    );
    assert_error(
        |_| html(""),
        "ftp://a.example/",
        ErrorKind::InvalidArguments,
        "invalid-url",
    );
}

#[test]
fn a_page_over_the_limit_is_refused() {
    let error = fetch(
        json!({ "url": "http://a.example/", "max_bytes": 3 }),
        |_| html("abcd"),
    )
    .unwrap_err();
    assert_eq!(
        (error.kind(), error.code_name()),
        (ErrorKind::Failed, Some("page-too-large"))
    );
    assert_eq!(
        fetch(
            json!({ "url": "http://a.example/", "max_bytes": 4 }),
            |_| html("abcd")
        )
        .unwrap()["text"],
        "abcd"
    );
}
