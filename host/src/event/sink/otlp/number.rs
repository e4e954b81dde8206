//! Families of numbers as metrics.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use super::attribute::text;
use crate::metrics::{BUCKETS, Buckets, Family, Series, Values};

/// When numbers began to be counted, and when they were read.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    now: u64,
}

/// All sums are counted from the start of the host.
pub(super) fn metrics(families: &[Family], start: u64, now: u64) -> Vec<Metric> {
    let span = Span { start, now };
    families.iter().map(|family| metric(family, span)).collect()
}

fn metric(family: &Family, span: Span) -> Metric {
    let temporality = AggregationTemporality::Cumulative.into();
    let (unit, data) = match &family.series {
        Series::Counter(values) => (
            "1",
            Data::Sum(Sum {
                data_points: points(values, span),
                aggregation_temporality: temporality,
                is_monotonic: true,
            }),
        ),
        Series::Gauge(values) => (
            "1",
            Data::Gauge(Gauge {
                data_points: points(values, span),
            }),
        ),
        Series::Durations(all) => (
            "s",
            Data::Histogram(Histogram {
                data_points: all
                    .iter()
                    .map(|(labels, buckets)| durations(attributes(labels), buckets, span))
                    .collect(),
                aggregation_temporality: temporality,
            }),
        ),
    };
    Metric {
        name: family.name.trim_end_matches("_total").to_owned(),
        description: family.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn points(values: &Values, span: Span) -> Vec<NumberDataPoint> {
    let point = |(labels, value): &(Vec<(&'static str, String)>, u64)| NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: span.start,
        time_unix_nano: span.now,
        value: Some(Value::AsInt(i64::try_from(*value).unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    };
    values.iter().map(point).collect()
}

fn durations(attributes: Vec<KeyValue>, buckets: &Buckets, span: Span) -> HistogramDataPoint {
    let within: u64 = buckets.counts.iter().sum();
    let count = buckets.count.max(within);
    let mut counts = buckets.counts.to_vec();
    counts.push(count - within);
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: span.start,
        time_unix_nano: span.now,
        count,
        sum: Some(seconds(buckets.sum)),
        bucket_counts: counts,
        explicit_bounds: BUCKETS.iter().map(|bound| seconds(*bound)).collect(),
        ..HistogramDataPoint::default()
    }
}

fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

fn attributes(labels: &[(&'static str, String)]) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(name, value)| text(name, value.clone()))
        .collect()
}
