//! Fields of events as attributes.

use jiff::Timestamp;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde_json::Value;

/// Fields that have a place of their own in a log record.
const PLACED: [&str; 3] = ["time", "event", "severity"];

pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Any::StringValue(value.into()))
}

pub(super) fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, Any::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Every field of an event. Those that the semantic conventions know go by the
/// name that they have there.
pub(super) fn of_event(event: &Value) -> Vec<KeyValue> {
    let fields = event.as_object().into_iter().flatten();
    fields
        .filter(|(field, _)| !PLACED.contains(&field.as_str()))
        .map(|(field, value)| KeyValue {
            key: key(field),
            value: Some(any(value)),
            ..KeyValue::default()
        })
        .collect()
}

fn key(field: &str) -> String {
    match field {
        "tool" => "gen_ai.tool.name".to_owned(),
        "invocation" => "gen_ai.tool.call.id".to_owned(),
        "kind" => "error.type".to_owned(),
        other => format!("skillhost.{other}"),
    }
}

/// A JSON value as OTLP has it.
pub(super) fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(flag) => Some(Any::BoolValue(*flag)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Some(Any::StringValue(text.clone())),
        Value::Array(items) => Some(Any::ArrayValue(ArrayValue {
            values: items.iter().map(any).collect(),
        })),
        Value::Object(fields) => Some(Any::KvlistValue(KeyValueList {
            values: fields
                .iter()
                .map(|(field, value)| KeyValue {
                    key: field.clone(),
                    value: Some(any(value)),
                    ..KeyValue::default()
                })
                .collect(),
        })),
    };
    AnyValue { value }
}

/// When an event was, in nanoseconds since 1970.
pub(super) fn time(event: &Value) -> u64 {
    let time = event["time"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    time.and_then(|time| u64::try_from(time.as_nanosecond()).ok())
        .unwrap_or_default()
}

/// A text of an event; empty if there is none.
pub(super) fn text_of<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}
