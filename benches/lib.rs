//! Performance is measured here as ratios within one run, and never asserted
//! by a timed test: a figure of one machine says little about another.

use std::path::Path;

use serde_json::Value;

/// The median that criterion estimated for a benchmark, in nanoseconds; none
/// if it ran as a test, without measuring.
#[must_use]
pub fn median(output: &Path, group: &str, benchmark: &str) -> Option<f64> {
    let path = output
        .join(group)
        .join(benchmark)
        .join("new/estimates.json");
    let estimates: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates.get("median")?.get("point_estimate")?.as_f64()
}
