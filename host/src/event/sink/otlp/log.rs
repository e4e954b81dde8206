//! Events as log records.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use serde_json::Value;

use super::attribute::{any, of_event, text_of, time};
use super::span::Ids;

/// One event. Its body is what it says in a sentence, or its name.
pub(super) fn record(event: &Value, observed: u64) -> LogRecord {
    let name = text_of(event, "event");
    let severity = text_of(event, "severity");
    let sentence = event.get("reason").filter(|reason| reason.is_string());
    let ids = Ids::of(event);
    LogRecord {
        time_unix_nano: time(event),
        observed_time_unix_nano: observed,
        severity_number: number(severity).into(),
        severity_text: severity.to_owned(),
        body: Some(any(sentence.unwrap_or(&event["event"]))),
        attributes: of_event(event),
        trace_id: ids.as_ref().map(Ids::trace).unwrap_or_default(),
        span_id: ids.as_ref().map(Ids::call).unwrap_or_default(),
        event_name: name.to_owned(),
        ..LogRecord::default()
    }
}

fn number(severity: &str) -> SeverityNumber {
    match severity {
        "high" => SeverityNumber::Error,
        "warning" => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    }
}
