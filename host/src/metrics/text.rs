//! The text format of Prometheus, version 0.0.4.

use std::fmt::{self, Write};

use super::family::{BUCKETS, Buckets, Family, Labels, Series};

/// What a server says that the text is.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn write(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a string does not fail.
        let _ = write_family(&mut text, family);
    }
    text
}

fn write_family(text: &mut String, family: &Family) -> fmt::Result {
    let Family { name, help, series } = family;
    let kind = match series {
        Series::Counter(_) => "counter",
        Series::Gauge(_) => "gauge",
        Series::Durations(_) => "histogram",
    };
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    match series {
        Series::Counter(values) | Series::Gauge(values) => {
            for (labels, value) in values {
                writeln!(text, "{name}{} {value}", Shown(labels, None))?;
            }
        }
        Series::Durations(all) => {
            for (labels, buckets) in all {
                write_buckets(text, name, labels, buckets)?;
            }
        }
    }
    Ok(())
}

/// Each bucket counts those below it as well.
fn write_buckets(text: &mut String, name: &str, labels: &Labels, buckets: &Buckets) -> fmt::Result {
    let mut below = 0;
    for (bound, count) in BUCKETS.iter().zip(buckets.counts) {
        below += count;
        let bound = seconds(*bound);
        writeln!(text, "{name}_bucket{} {below}", Shown(labels, Some(&bound)))?;
    }
    // Counted after its bucket, so a moment may see less of it.
    let count = buckets.count.max(below);
    writeln!(text, "{name}_bucket{} {count}", Shown(labels, Some("+Inf")))?;
    writeln!(
        text,
        "{name}_sum{} {}",
        Shown(labels, None),
        seconds(buckets.sum)
    )?;
    writeln!(text, "{name}_count{} {count}", Shown(labels, None))
}

/// Milliseconds as seconds, exactly.
fn seconds(millis: u64) -> String {
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:03}")
        .trim_end_matches('0')
        .to_owned()
}

/// Labels in braces, with the bound of a bucket if there is one.
struct Shown<'a>(&'a Labels, Option<&'a str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.0.iter().map(|(name, value)| (*name, value.as_str()));
        let all = own.chain(self.1.map(|bound| ("le", bound)));
        let mut separator = "{";
        for (name, value) in all {
            write!(f, "{separator}{name}=\"")?;
            escape(f, value)?;
            f.write_char('"')?;
            separator = ",";
        }
        f.write_str(if separator == "{" { "" } else { "}" })
    }
}

fn escape(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    for character in value.chars() {
        match character {
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            '\n' => f.write_str("\\n")?,
            other => f.write_char(other)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_buckets_add_up() {
        let mut buckets = Buckets {
            count: 4,
            sum: 61_234,
            ..Buckets::default()
        };
        (buckets.counts[0], buckets.counts[3]) = (1, 2);
        let families = [
            Family::counter("a_total", "A.", vec![(vec![("x", "\"\\\n".to_owned())], 3)]),
            Family::gauge("b", "B.", vec![(Vec::new(), 7)]),
            Family {
                name: "c_seconds",
                help: "C.",
                series: Series::Durations(vec![(vec![("s", "t".to_owned())], buckets)]),
            },
        ];
        let text = write(&families);
        for line in [
            "# TYPE a_total counter",
            r#"a_total{x="\"\\\n"} 3"#,
            "# HELP b B.",
            "b 7",
            "# TYPE c_seconds histogram",
            r#"c_seconds_bucket{s="t",le="0.001"} 1"#,
            r#"c_seconds_bucket{s="t",le="0.025"} 3"#,
            r#"c_seconds_bucket{s="t",le="60"} 3"#,
            r#"c_seconds_bucket{s="t",le="+Inf"} 4"#,
            r#"c_seconds_sum{s="t"} 61.234"#,
            r#"c_seconds_count{s="t"} 4"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
