//! Metrics: what they say, and who may read them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;
use skillhost::metrics::{Endpoint, MetricsSettings};
use skillhost::{Host, Kind};
use skillhost_tests::Bench;
use skillhost_tests::bench::{grant, invocation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{bench, call, number, recorded};

/// Every line as Prometheus reads it: a comment, or a name, labels in braces and
/// a number. Each name has a type above it.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut values, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').unwrap();
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{line}"
            );
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let plain = |it: char| it.is_ascii_lowercase() || it == '_';
        assert!(name.chars().all(plain), "{line}");
        let labels = series.strip_prefix(name).unwrap();
        assert!(
            labels.is_empty() || labels.starts_with('{') && labels.ends_with("\"}"),
            "{line}"
        );
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| types.contains_key(name.strip_suffix(end)?).then_some(()))
            .is_some();
        assert!(family || types.contains_key(name), "{line} has no type");
        let value = value.parse().unwrap();
        assert!(
            values.insert(series.to_owned(), value).is_none(),
            "{line} stands twice"
        );
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_agree_with_what_was_recorded_and_show_nothing_that_callers_make_up() {
    let bench = bench(Vec::new(), |_| {}).await;
    for _ in 0..3 {
        call(&bench).await;
    }
    for made_up in ["made-up", "made\"up\n"] {
        let called = bench.invoke(invocation("says", made_up, json!({}))).await;
        assert_eq!(called.kind(), Kind::UnknownTool);
        let called = bench.invoke(invocation("made-up", "run", json!({}))).await;
        assert!(called.answer.outcome.is_err());
    }
    let text = bench.host().metrics();
    let values = parse(&text);
    let value = |series: &str| {
        values
            .get(series)
            .copied()
            .unwrap_or_else(|| panic!("{series}: {text}"))
    };
    let calls = |rest: &str| value(&format!("skillhost_calls_total{{skill=\"says\",{rest}}}"));
    assert_eq!(calls(r#"tool="run",outcome="ok",kind="""#), 3.0);
    assert!(!text.contains("made"), "{text}");
    let records = recorded(&bench);
    assert_eq!(value("skillhost_audit_writes_total"), records.len() as f64);
    assert_eq!(value("skillhost_audit_failures_total"), 0.0);
    let finished: Vec<_> = records
        .iter()
        .filter(|it| it["event"] == "invocation.finished")
        .collect();
    let all: f64 = values
        .iter()
        .filter(|(series, _)| series.starts_with("skillhost_calls_total{"))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(all, finished.len() as f64);
    let durations = r#"skillhost_call_duration_seconds_count{skill="says",tool="run"}"#;
    assert_eq!(value(durations), 3.0);
    let fuel: u64 = finished.iter().filter_map(|it| it["fuel"].as_u64()).sum();
    assert_eq!(
        value(r#"skillhost_fuel_total{skill="says",tool="run"}"#),
        fuel as f64
    );
    let events = format!(
        r#"skillhost_events_total{{event="invocation.finished",severity="info"}} {}"#,
        finished.len()
    );
    assert!(text.contains(&events), "{text}");
    assert_eq!(value("skillhost_calls_running"), 0.0);
    assert_eq!(
        value("skillhost_compilations_total") + value("skillhost_cache_hits_total"),
        bench.codes() as f64
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d02_a_record_that_is_not_kept_is_counted() {
    let bench = bench(Vec::new(), |_| {}).await;
    bench.records().set_full(true);
    let answer = bench
        .host()
        .invoke(invocation("says", "run", json!({})))
        .await;
    assert_eq!(answer.outcome.unwrap_err().kind(), Kind::AuditUnavailable);
    bench.records().set_full(false);
    assert!(number(&bench, "skillhost_audit_failures_total") >= 1);
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[expect(clippy::disallowed_methods, reason = "whoever collects the numbers")]
async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn open(host: &Host, listen: &str, allow_remote: bool) -> Result<Endpoint, skillhost::Error> {
    let settings = MetricsSettings {
        listen: listen.parse().unwrap(),
        allow_remote,
    };
    Endpoint::open(host, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_at_one_path_and_to_this_machine() {
    let bench = bench(Vec::new(), |_| {}).await;
    call(&bench).await;
    let endpoint = open(bench.host(), "127.0.0.1:0", false).await.unwrap();
    let address = endpoint.address();
    let of_us = format!("host: {address}\r\n\r\n");
    for (line, host, status) in [
        ("GET /metrics", of_us.as_str(), "200 OK"),
        ("GET /", &of_us, "404 Not Found"),
        ("POST /metrics", &of_us, "404 Not Found"),
        ("GET /metrics/../x", &of_us, "404 Not Found"),
        ("GET /metrics", "host: evil.test\r\n\r\n", "403 Forbidden"),
        ("GET /metrics", "\r\n", "403 Forbidden"),
    ] {
        let answer = ask(address, &format!("{line} HTTP/1.1\r\n{host}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{line}: {answer}"
        );
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(
            body.contains("skillhost_calls_total{"),
            status == "200 OK",
            "{line}"
        );
    }
    let answer = ask(address, &format!("GET /metrics HTTP/1.1\r\n{of_us}")).await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let refused = open(bench.host(), listen, false).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::ConfigInvalid, "{listen}");
    }
    let taken = open(bench.host(), &address.to_string(), false)
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), Kind::ConfigInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_to_the_metrics_is_let_go() {
    let bench = bench(Vec::new(), |_| {}).await;
    let endpoint = open(bench.host(), "127.0.0.1:0", false).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(connect(endpoint.address()).await);
    }
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: {}\r\n\r\n",
        endpoint.address()
    );
    let answer = ask(endpoint.address(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn n16_no_skill_reaches_the_metrics() {
    let bench = Bench::with(|setup| {
        grant(setup, "http_get").http = vec!["*".parse().unwrap()];
    });
    bench.ensure_loaded("http_get").await;
    let endpoint = open(bench.host(), "127.0.0.1:0", false).await.unwrap();
    let input = json!({"url": format!("http://{}/metrics", endpoint.address())});
    let called = bench.call("http_get", "send", input).await;
    assert_eq!(called.between(), ["egress.denied"], "{called:?}");
    let rule = called.event("egress.denied")["rule"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(rule.contains("this host itself listens"), "{rule}");
}
