//! What a tool asks of its host, answered by the test host.

use std::time::Duration;

use serde_json::json;
use skillhost_sdk::http::{self, Request, Response};
use skillhost_sdk::log::Level;
use skillhost_sdk::testing::{Host, Progress};
use skillhost_sdk::{
    Error, ErrorKind, Result, call, config, is_cancelled, log, progress, remaining,
};
use skillhost_sdk::{secrets, state};

fn kind_and_code<E: Into<Error>>(error: E) -> (ErrorKind, Option<String>) {
    let error = error.into();
    (error.kind(), error.code_name().map(str::to_owned))
}

#[test]
fn without_a_host_everything_has_its_default() {
    assert_eq!(config::get::<u8>("limit"), Ok(None));
    assert_eq!(secrets::reveal("token"), Err(secrets::Error::Undeclared));
    assert_eq!(state::get("key"), Ok(None));
    assert_eq!(remaining(), Duration::from_secs(30));
    assert!(!is_cancelled());
    assert_eq!(call::id().len(), 32);
    let denied = Request::get("https://example.org/").send().unwrap_err();
    assert!(matches!(denied, http::Error::Denied(_)));
}

#[test]
fn the_host_answers_as_it_was_told() {
    let host = Host::new()
        .config("limit", 3)
        .config("name", json!({"not": "a number"}))
        .secret("token", "s3cret")
        .refuse_secret("other", secrets::Error::NotGranted)
        .remaining(Duration::from_millis(5))
        .cancelled(true);
    host.run(|| {
        assert_eq!(config::get::<u8>("limit"), Ok(Some(3)));
        let unusable = config::get::<u8>("name").unwrap_err();
        assert_eq!(
            kind_and_code(unusable),
            (ErrorKind::Failed, Some("invalid-setting".to_owned()))
        );
        assert_eq!(secrets::reveal("token").as_deref(), Ok("s3cret"));
        assert_eq!(secrets::reveal("other"), Err(secrets::Error::NotGranted));
        assert_eq!(remaining(), Duration::from_millis(5));
        assert!(is_cancelled());
    });
    assert!(!is_cancelled(), "the host is in place only while it runs");
}

#[test]
fn what_the_tool_says_is_noted() {
    let host = Host::new();
    host.run(|| {
        log::warn("slow");
        log::log(Level::Info, "read", &[("bytes", "7")]);
        progress(1.0, Some(2.0), Some("half"));
    });
    let logs = host.logs();
    assert_eq!(
        (logs[0].level, logs[0].message.as_str()),
        (Level::Warn, "slow")
    );
    assert_eq!(logs[1].fields, [("bytes".to_owned(), "7".to_owned())]);
    let half = Progress {
        done: 1.0,
        total: Some(2.0),
        message: Some("half".to_owned()),
    };
    assert_eq!(host.progress(), [half]);
}

#[test]
fn state_is_compared_and_set() {
    let host = Host::new().state("a/1", "old").state("b", "other");
    host.run(|| {
        let entry = state::get("a/1").unwrap().unwrap();
        assert_eq!(entry.value, b"old");
        let next = state::set_if("a/1", b"new", entry.version).unwrap();
        assert!(next > entry.version);
        assert_eq!(
            state::set_if("a/1", b"late", entry.version),
            Err(state::Error::Conflict)
        );
        assert_eq!(state::set_if("a/2", b"", 7), Err(state::Error::Conflict));
        state::set_if("a/2", b"", 0).unwrap();
        state::set_for("a/3", b"", Duration::from_secs(1)).unwrap();
        assert_eq!(state::keys("a/", None, 10).unwrap(), ["a/1", "a/2", "a/3"]);
        assert_eq!(state::keys("a/", Some("a/1"), 1).unwrap(), ["a/2"]);
        state::delete("a/2").unwrap();
        state::delete("a/2").unwrap();
        assert_eq!(state::get("a/2"), Ok(None));
    });
    assert_eq!(host.stored("a/1").as_deref(), Some(b"new".as_slice()));
}

#[test]
fn requests_reach_the_test() {
    let host = Host::new().http(|request| {
        assert_eq!(
            (request.method(), request.url()),
            ("POST", "https://example.org/")
        );
        assert_eq!(
            request.header_value("Content-Type"),
            Some("application/json")
        );
        assert_eq!(
            (request.body_bytes(), request.credential_name()),
            (Some(b"[1]".as_slice()), Some("key"))
        );
        // The closure may ask the host itself.
        log::info("asked");
        Ok(Response::new(201, "{\"id\":7}").with_header("ETag", "x"))
    });
    let response = host.run(|| {
        let request = Request::post("https://example.org/")
            .json(&[1])?
            .credential("key");
        request.timeout(Duration::from_secs(1)).send()
    });
    let response = response.unwrap();
    assert_eq!((response.status, response.header("etag")), (201, Some("x")));
    assert_eq!(
        response.json::<serde_json::Value>().unwrap(),
        json!({"id": 7})
    );
    assert_eq!(host.logs()[0].message, "asked");
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let host = Host::new().http(|_| Ok(Response::new(200, "12345")));
    host.run(|| {
        let request = Request::get("https://example.org/");
        assert_eq!(request.clone().max_body(5).send().unwrap().text(), "12345");
        assert_eq!(request.max_body(4).send(), Err(http::Error::TooLarge));
    });
}

#[test]
fn errors_keep_their_meaning() {
    let code = |code: &str| Some(code.to_owned());
    let cases = [
        (
            kind_and_code(http::Error::Denied("rule".into())),
            ErrorKind::Denied,
            None,
        ),
        (
            kind_and_code(http::Error::Timeout),
            ErrorKind::Unavailable,
            code("timeout"),
        ),
        (
            kind_and_code(http::Error::Connection("reset".into())),
            ErrorKind::Unavailable,
            code("connection"),
        ),
        (
            kind_and_code(http::Error::TooLarge),
            ErrorKind::Failed,
            code("too-large"),
        ),
        (
            kind_and_code(http::Error::InvalidRequest("x".into())),
            ErrorKind::Failed,
            code("invalid-request"),
        ),
        (
            kind_and_code(state::Error::NotGranted),
            ErrorKind::Denied,
            None,
        ),
        (
            kind_and_code(state::Error::Conflict),
            ErrorKind::Unavailable,
            code("conflict"),
        ),
        (
            kind_and_code(state::Error::QuotaExceeded),
            ErrorKind::Failed,
            code("quota-exceeded"),
        ),
        (
            kind_and_code(secrets::Error::NotSet),
            ErrorKind::Denied,
            None,
        ),
        (
            kind_and_code("x".parse::<u8>().unwrap_err()),
            ErrorKind::Failed,
            None,
        ),
    ];
    for (found, kind, code) in cases {
        assert_eq!(found, (kind, code));
    }
}

#[test]
fn errors_carry_what_was_said() {
    fn fails() -> Result<()> {
        Err(Error::unavailable("Busy.")
            .code("busy")
            .retry_after(Duration::from_secs(2)))
    }
    let error = fails().unwrap_err();
    assert_eq!(error.to_string(), "Busy.");
    assert_eq!(error.retry_delay(), Some(Duration::from_secs(2)));
    assert_eq!(
        Error::failed("x").details(&json!({"a": 1})).details_json(),
        Some(r#"{"a":1}"#)
    );
    assert_eq!(Error::cancelled().kind(), ErrorKind::Cancelled);
}
