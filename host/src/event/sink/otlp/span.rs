//! Calls as spans, by the semantic conventions for the execution of tools.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
pub(super) use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::Value;

use crate::invocation::TraceParent;

use super::attribute::{number, text, text_of, time};

/// Calls that have begun and not ended. Of those beyond it the beginning is
/// reckoned from their end and how long they took.
const MAX_OPEN: usize = 10_000;

/// Fields of a call that its span has.
const FIELDS: [(&str, &str); 6] = [
    ("tool", "gen_ai.tool.name"),
    ("invocation", "gen_ai.tool.call.id"),
    ("kind", "error.type"),
    ("skill", "skillhost.skill"),
    ("version", "skillhost.version"),
    ("principal", "skillhost.principal"),
];

/// Numbers of a call or an attempt that its span has.
const NUMBERS: [(&str, &str); 6] = [
    ("fuel", "skillhost.fuel"),
    ("memory_bytes", "skillhost.memory_bytes"),
    ("attempts", "skillhost.attempts"),
    ("attempt", "skillhost.attempt"),
    ("wait_ms", "skillhost.wait_ms"),
    ("sequence", "skillhost.sequence"),
];

/// Calls that have begun, by their ids, and when.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<String, u64>);

impl Calls {
    /// The spans that end with these events.
    pub(super) fn spans(&mut self, events: &[Value]) -> Vec<Span> {
        events.iter().filter_map(|event| self.span(event)).collect()
    }

    fn span(&mut self, event: &Value) -> Option<Span> {
        let ids = Ids::of(event)?;
        let call = text_of(event, "invocation");
        match text_of(event, "event") {
            "invocation.started" => {
                if self.0.len() < MAX_OPEN {
                    self.0.insert(call.to_owned(), time(event));
                }
                None
            }
            "invocation.attempted" => Some(attempt(event, &ids)),
            "invocation.finished" => Some(finished(event, &ids, self.0.remove(call))),
            _ => None,
        }
    }
}

fn finished(event: &Value, ids: &Ids, start: Option<u64>) -> Span {
    let mut attributes = vec![
        text("gen_ai.operation.name", "execute_tool"),
        text("gen_ai.tool.type", "extension"),
    ];
    attributes.extend(of_call(event));
    Span {
        trace_id: ids.trace(),
        span_id: ids.call(),
        parent_span_id: ids.parent(),
        name: format!("execute_tool {}", text_of(event, "tool")),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: start.unwrap_or_else(|| begun(event)),
        end_time_unix_nano: time(event),
        attributes,
        status: status(event),
        ..Span::default()
    }
}

fn attempt(event: &Value, ids: &Ids) -> Span {
    let attempt = event["attempt"].as_u64().unwrap_or(1);
    let mut attributes = of_call(event);
    attributes.push(text("skillhost.next", text_of(event, "next")));
    Span {
        trace_id: ids.trace(),
        span_id: ids.attempt(attempt),
        parent_span_id: ids.call(),
        name: format!("attempt {attempt}"),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: begun(event),
        end_time_unix_nano: time(event),
        attributes,
        status: status(event),
        ..Span::default()
    }
}

/// When what ended with this event began, to the millisecond.
fn begun(event: &Value) -> u64 {
    let took = event["wall_ms"].as_u64().unwrap_or_default();
    time(event).saturating_sub(took.saturating_mul(1_000_000))
}

fn of_call(event: &Value) -> Vec<KeyValue> {
    let texts = FIELDS.iter().filter_map(|(field, key)| {
        let value = event.get(field)?.as_str()?;
        Some(text(key, value))
    });
    let numbers = NUMBERS.iter().filter_map(|(field, key)| {
        let value = event.get(field)?.as_u64()?;
        Some(number(key, value))
    });
    texts.chain(numbers).collect()
}

/// Left unset for what went well, as the conventions ask.
fn status(event: &Value) -> Option<Status> {
    (text_of(event, "outcome") == "error").then(|| Status {
        code: StatusCode::Error.into(),
        message: text_of(event, "reason").to_owned(),
    })
}

/// Ids of the trace and the spans of a call: made of the call's own id, which is
/// random, so that whoever has a record finds the trace. A caller who traces has
/// the call in its own trace.
pub(super) struct Ids {
    call: u128,
    parent: Option<TraceParent>,
}

impl Ids {
    /// None for what happened outside of calls.
    pub(super) fn of(event: &Value) -> Option<Self> {
        let call = u128::from_str_radix(text_of(event, "invocation"), 16).ok()?;
        let parent = TraceParent::parse(text_of(event, "traceparent"));
        (call != 0).then_some(Self { call, parent })
    }

    pub(super) fn trace(&self) -> Vec<u8> {
        let trace = self.parent.map_or(self.call, TraceParent::trace);
        trace.to_be_bytes().to_vec()
    }

    pub(super) fn call(&self) -> Vec<u8> {
        self.span(0)
    }

    /// The caller's span; empty without one.
    fn parent(&self) -> Vec<u8> {
        let parent = self.parent.map(|parent| parent.span().to_be_bytes());
        parent.map_or_else(Vec::new, Vec::from)
    }

    /// Attempts count from 1, and differ from the call and from each other.
    fn attempt(&self, number: u64) -> Vec<u8> {
        self.span(number)
    }

    fn span(&self, number: u64) -> Vec<u8> {
        let [.., a, b, c, d, e, f, g, h] = self.call.to_be_bytes();
        let half = u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ number;
        // Zero is no id of a span.
        half.max(1).to_be_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CALL: &str = "0123456789abcdef0123456789abcdef";

    fn event(name: &str, second: u32) -> Value {
        json!({
            "event": name, "time": format!("2026-11-21T11:56:{second:02}Z"),
            "invocation": CALL, "tool": "t", "attempt": 1, "outcome": "error",
            "kind": "Trapped", "reason": "It crashed.", "wall_ms": 1500,
        })
    }

    #[test]
    fn a_call_is_a_span_with_its_attempts_below() {
        let mut calls = Calls::default();
        let spans = calls.spans(&[
            event("invocation.started", 1),
            event("invocation.attempted", 3),
            event("verify.passed", 3),
            event("invocation.finished", 4),
        ]);
        let [attempt, call] = spans.as_slice() else {
            panic!("{spans:?}");
        };
        assert_eq!(call.trace_id, CALL.parse_hex());
        assert_eq!(
            (&attempt.trace_id, &attempt.parent_span_id),
            (&call.trace_id, &call.span_id)
        );
        assert_ne!(attempt.span_id, call.span_id);
        assert_eq!(
            call.end_time_unix_nano - call.start_time_unix_nano,
            3_000_000_000
        );
        assert_eq!(
            attempt.end_time_unix_nano - attempt.start_time_unix_nano,
            1_500_000_000
        );
        assert_eq!(call.name, "execute_tool t");
        assert_eq!(call.status.as_ref().unwrap().message, "It crashed.");
        assert!(calls.0.is_empty());
        assert!(call.parent_span_id.is_empty());
    }

    #[test]
    fn a_call_of_a_caller_who_traces_is_in_that_trace() {
        let mut event = event("invocation.finished", 4);
        event["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let spans = Calls::default().spans(&[event]);
        assert_eq!(
            spans[0].trace_id,
            "0af7651916cd43dd8448eb211c80319c".parse_hex()
        );
        assert_eq!(
            spans[0].parent_span_id,
            0xb7ad_6b71_6920_3331_u64.to_be_bytes()
        );
        assert_ne!(spans[0].span_id, spans[0].parent_span_id);
    }

    #[test]
    fn a_call_whose_beginning_was_lost_has_begun_when_it_says() {
        let spans = Calls::default().spans(&[event("invocation.finished", 4)]);
        assert_eq!(
            spans[0].end_time_unix_nano - spans[0].start_time_unix_nano,
            1_500_000_000
        );
    }

    trait ParseHex {
        fn parse_hex(&self) -> Vec<u8>;
    }

    impl ParseHex for str {
        fn parse_hex(&self) -> Vec<u8> {
            u128::from_str_radix(self, 16)
                .unwrap()
                .to_be_bytes()
                .to_vec()
        }
    }
}
