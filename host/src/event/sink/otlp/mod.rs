//! Calls, events and numbers to an OpenTelemetry collector: OTLP over HTTP with
//! protobuf, version 1.
//!
//! Calls are spans, with one for each attempt below them; the trace has the id
//! of the call. Each event is a log record of its span. Names of attributes are
//! those of the semantic conventions where there are any (`gen_ai.*`,
//! `error.type`), and begin with `skillhost.` where there are none. Events come
//! here as they are written, so that no secret is in them.

mod attribute;
mod log;
mod number;
mod span;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use self::span::Calls;
use super::dial::Target;
use super::post::{Failure, Poster};
use super::queue::Line;
use super::settings::{OtlpSettings, SinkName};
use super::worker::{Tools, Undelivered};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::secret::Secrets;
use crate::time::Clock;

/// A collector.
pub(super) struct Collector {
    poster: Poster,
    traces: Option<Target>,
    logs: Option<Target>,
    numbers: Option<Numbers>,
    calls: Calls,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// Nanoseconds since 1970: from when on there are numbers.
    start: u64,
}

/// Where metrics go, and when.
struct Numbers {
    target: Target,
    every: Duration,
    next: Option<Instant>,
}

impl Collector {
    /// # Errors
    ///
    /// `ConfigInvalid` if the credential's secret has no value, or one that no
    /// header can have.
    pub(super) fn new(
        name: &SinkName,
        settings: &OtlpSettings,
        secrets: &Secrets,
        tools: Tools,
    ) -> Result<Self> {
        let target = |wanted: bool, path| wanted.then(|| settings.target.below(path));
        let numbers = settings.metrics.map(|every| Numbers {
            target: settings.target.below("/v1/metrics"),
            every,
            next: None,
        });
        let credential = settings.credential.as_ref();
        Ok(Self {
            poster: Poster::new(name, tools.dialer, credential, secrets)?,
            traces: target(settings.traces, "/v1/traces"),
            logs: target(settings.logs, "/v1/logs"),
            numbers,
            calls: Calls::default(),
            metrics: tools.metrics,
            start: nanoseconds(&*tools.clock),
            clock: tools.clock,
        })
    }

    pub(super) async fn send(&mut self, batch: &[Line]) -> Result<(), Undelivered> {
        self.begin();
        let events: Vec<Value> = batch
            .iter()
            .filter_map(|line| serde_json::from_slice(&line.json).ok())
            .collect();
        let spans = self.calls.spans(&events);
        let traced = self.send_spans(spans).await;
        let logged = self.send_logs(&events).await;
        let rejected = traced.and(logged);
        rejected.map_err(|(lost, cause)| Undelivered {
            lost: lost.unwrap_or(batch.len()),
            cause,
        })
    }

    async fn send_spans(&self, spans: Vec<span::Span>) -> Result<(), Rejected> {
        let Some(target) = self.traces.as_ref().filter(|_| !spans.is_empty()) else {
            return Ok(());
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope()),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let answer = self.post(target, &request).await?;
        let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
        let partly = answer.partial_success.unwrap_or_default();
        rejected(partly.rejected_spans)
    }

    async fn send_logs(&self, events: &[Value]) -> Result<(), Rejected> {
        let Some(target) = &self.logs else {
            return Ok(());
        };
        let observed = nanoseconds(&*self.clock);
        let records = events.iter().map(|event| log::record(event, observed));
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(resource()),
                scope_logs: vec![ScopeLogs {
                    scope: Some(scope()),
                    log_records: records.collect(),
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        let answer = self.post(target, &request).await?;
        let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
        let partly = answer.partial_success.unwrap_or_default();
        rejected(partly.rejected_log_records)
    }

    /// Numbers are sent a while after the first event, and then again and again.
    fn begin(&mut self) {
        if let Some(Numbers { every, next, .. }) = &mut self.numbers {
            next.get_or_insert_with(|| Instant::now() + *every);
        }
    }

    pub(super) async fn due(&self) {
        match self.numbers.as_ref().and_then(|numbers| numbers.next) {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Numbers that are not taken are no loss: the next ones hold them too.
    pub(super) async fn send_metrics(&mut self) -> Result<(), Undelivered> {
        let Some(numbers) = &mut self.numbers else {
            return Ok(());
        };
        numbers.next = Some(Instant::now() + numbers.every);
        let target = numbers.target.clone();
        let now = nanoseconds(&*self.clock);
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(resource()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope()),
                    metrics: number::metrics(&self.metrics.families(), self.start, now),
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        let sent = self.post(&target, &request).await;
        sent.map(drop)
            .map_err(|(_, cause)| Undelivered { lost: 0, cause })
    }

    async fn post(&self, target: &Target, request: &impl Message) -> Result<Bytes, Rejected> {
        let body = Bytes::from(request.encode_to_vec());
        let kind = HeaderValue::from_static("application/x-protobuf");
        let headers = || HeaderMap::from_iter([(header::CONTENT_TYPE, kind.clone())]);
        let sent = self.poster.send(target, &body, headers).await;
        sent.map_err(|failure: Failure| (None, failure.to_string()))
    }
}

/// How many events a collector did not take, if it was not all of them, and why.
type Rejected = (Option<usize>, String);

fn rejected(count: i64) -> Result<(), Rejected> {
    match usize::try_from(count) {
        Ok(count) if count > 0 => Err((
            Some(count),
            format!("the collector refuses {count} of them"),
        )),
        _ => Ok(()),
    }
}

/// Who sends.
fn resource() -> Resource {
    Resource {
        attributes: vec![
            attribute::text("service.name", "skillhost"),
            attribute::text("service.version", env!("CARGO_PKG_VERSION")),
        ],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "skillhost".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// Nanoseconds since 1970, as OTLP has times.
fn nanoseconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.wall().as_nanosecond()).unwrap_or_default()
}
