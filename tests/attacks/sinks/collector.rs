//! Calls, events and numbers to an OpenTelemetry collector.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use skillhost::event::sink::{Destination, OtlpSettings, SinkSettings, Target};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Inbox, Post};

use super::{assert_no_secret, bench, call, call_secretly, close, recorded, sink, told};

fn collector(inbox: &Inbox) -> SinkSettings {
    let to = OtlpSettings {
        target: Target::parse(&format!("http://{}/otlp/", inbox.address()), true).unwrap(),
        credential: None,
        traces: true,
        logs: true,
        metrics: Some(Duration::from_secs(3600)),
    };
    sink("collector", Destination::Otlp(to))
}

fn of<T: Message + Default>(posts: &[Post], path: &str) -> Vec<T> {
    let path = format!("POST /otlp/v1/{path}");
    let posts = posts.iter().filter(|post| post.line == path);
    posts
        .map(|post| {
            assert_eq!(post.header("content-type"), "application/x-protobuf");
            assert_no_secret(&post.body);
            T::decode(post.body.as_slice()).unwrap()
        })
        .collect()
}

fn spans(posts: &[Post]) -> Vec<Span> {
    let requests: Vec<ExportTraceServiceRequest> = of(posts, "traces");
    let resources = requests.into_iter().flat_map(|it| it.resource_spans);
    resources
        .flat_map(|it| it.scope_spans)
        .flat_map(|it| it.spans)
        .collect()
}

fn logs(posts: &[Post]) -> Vec<LogRecord> {
    let requests: Vec<ExportLogsServiceRequest> = of(posts, "logs");
    let resources = requests.into_iter().flat_map(|it| it.resource_logs);
    let resources = resources.inspect(|it| {
        let attributes = &it.resource.as_ref().unwrap().attributes;
        assert_eq!(text(attributes, "service.name"), "skillhost");
    });
    resources
        .flat_map(|it| it.scope_logs)
        .flat_map(|it| it.log_records)
        .collect()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|it| it.key == key);
    match found.and_then(|it| it.value.as_ref()) {
        Some(AnyValue {
            value: Some(Any::StringValue(text)),
        }) => text,
        other => panic!("{key}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_collector_gets_calls_as_spans_and_events_as_their_logs() {
    let inbox = Inbox::start(&[]).await;
    let bench = bench(vec![collector(&inbox)], |_| {}).await;
    let called = bench.invoke(invocation("says", "run", json!({}))).await;
    call_secretly(&bench).await;
    close(&bench);
    let posts = inbox.posts();

    let records = recorded(&bench);
    let logs = logs(&posts);
    let names: Vec<&str> = logs.iter().map(|log| log.event_name.as_str()).collect();
    let expected: Vec<&str> = records
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, expected);

    let id = u128::from_str_radix(&called.answer.invocation, 16).unwrap();
    let trace = id.to_be_bytes().to_vec();
    let spans = spans(&posts);
    let span = spans
        .iter()
        .find(|span| span.trace_id == trace && span.parent_span_id.is_empty())
        .unwrap();
    assert_eq!(span.name, "execute_tool run");
    assert_eq!(
        text(&span.attributes, "gen_ai.operation.name"),
        "execute_tool"
    );
    assert_eq!(text(&span.attributes, "gen_ai.tool.name"), "run");
    assert_eq!(
        text(&span.attributes, "gen_ai.tool.call.id"),
        called.answer.invocation
    );
    assert_eq!(text(&span.attributes, "skillhost.skill"), "says");
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    assert!(span.status.is_none());

    let of_call = logs.iter().filter(|log| log.trace_id == trace);
    assert_eq!(of_call.clone().count(), called.events.len());
    assert!(of_call.clone().all(|log| log.span_id == span.span_id));

    let failed = spans
        .iter()
        .find(|span| span.trace_id != trace && span.parent_span_id.is_empty());
    let failed = failed.unwrap();
    assert_eq!(text(&failed.attributes, "error.type"), "UnknownTool");
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    assert_eq!(told(&bench, "collector"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_collector_gets_the_numbers_at_the_end() {
    let inbox = Inbox::start(&[]).await;
    let bench = bench(vec![collector(&inbox)], |_| {}).await;
    call(&bench).await;
    call(&bench).await;
    close(&bench);
    let requests: Vec<ExportMetricsServiceRequest> = of(&inbox.posts(), "metrics");
    let [request] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let metric = |name: &str| metrics.iter().find(|it| it.name == name).unwrap();
    let Some(Data::Sum(calls)) = &metric("skillhost_calls").data else {
        panic!("{metrics:?}");
    };
    let [point] = calls.data_points.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!(point.value, Some(Value::AsInt(2)));
    assert_eq!(text(&point.attributes, "skill"), "says");
    assert_eq!(text(&point.attributes, "outcome"), "ok");
    assert!(calls.is_monotonic);
    let Some(Data::Histogram(durations)) = &metric("skillhost_call_duration_seconds").data else {
        panic!("{metrics:?}");
    };
    assert_eq!(durations.data_points[0].count, 2);
    assert_eq!(
        durations.data_points[0].bucket_counts.iter().sum::<u64>(),
        2
    );
}
