//! How much one call may use.

use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Every limit of one call, all of them enforced. Limits are set before the
/// component is instantiated.
///
/// # Defaults
///
/// | limit | default |
/// |---|---|
/// | `fuel` | 50,000,000,000 (about ten seconds of one core) |
/// | `memory` | 256 MiB over all memories and tables |
/// | `timeout` | 30 s of wall-clock time, waiting in the host included |
/// | `input` | 16 MiB of JSON |
/// | `output` | 1 MiB of content and structured answer |
/// | `stdout`, `stderr`, `log` | 64 KiB each |
/// | `log_lines` | 200 |
/// | `random` | 64 KiB in one request |
/// | `resources` | 256 open files, streams, requests and timers |
/// | `http_requests` | 32 |
/// | `http_request_body` | 1 MiB |
/// | `http_response_body` | 8 MiB |
/// | `http_headers` | 32 KiB |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units of work; most instructions cost one (wasmtime's fuel).
    pub fuel: u64,
    /// Bytes over all linear memories and tables of the call.
    pub memory: u64,
    /// Wall-clock time from instantiation to the answer.
    pub timeout: Duration,
    /// Bytes of the arguments as JSON text.
    pub input: u64,
    /// Bytes of the answer.
    pub output: u64,
    /// Bytes kept of standard output; the rest is counted.
    pub stdout: u64,
    /// Bytes kept of standard error; the rest is counted.
    pub stderr: u64,
    /// Bytes kept of log messages; the rest is counted.
    pub log: u64,
    /// Log messages kept; the rest is counted.
    pub log_lines: u64,
    /// Bytes of randomness in one request.
    pub random: u64,
    /// Handles that the guest holds at once.
    pub resources: u64,
    /// HTTP requests.
    pub http_requests: u64,
    /// Bytes of one request body.
    pub http_request_body: u64,
    /// Bytes of one response body.
    pub http_response_body: u64,
    /// Bytes of the header section of a request or a response.
    pub http_headers: u64,
}

/// The most memory that a limit can name: the address space of 32-bit wasm.
pub const MAX_MEMORY: u64 = 4096 * MIB;

/// The longest timeout that a limit can name.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 50_000_000_000,
            memory: 256 * MIB,
            timeout: Duration::from_secs(30),
            input: 16 * MIB,
            output: MIB,
            stdout: 64 * KIB,
            stderr: 64 * KIB,
            log: 64 * KIB,
            log_lines: 200,
            random: 64 * KIB,
            resources: 256,
            http_requests: 32,
            http_request_body: MIB,
            http_response_body: 8 * MIB,
            http_headers: 32 * KIB,
        }
    }
}

impl Limits {
    /// The smaller of each pair: what an author wishes never widens what the
    /// operator allows.
    #[must_use]
    pub fn narrowed(mut self, wish: &LimitsChange) -> Self {
        if let Some(fuel) = wish.fuel {
            self.fuel = self.fuel.min(fuel);
        }
        if let Some(memory) = wish.memory {
            self.memory = self.memory.min(memory);
        }
        if let Some(timeout) = wish.timeout {
            self.timeout = self.timeout.min(timeout);
        }
        if let Some(output) = wish.output {
            self.output = self.output.min(output);
        }
        self
    }

    /// These limits with those replaced that the operator named.
    #[must_use]
    pub fn changed(mut self, change: &LimitsChange) -> Self {
        self.fuel = change.fuel.unwrap_or(self.fuel);
        self.memory = change.memory.unwrap_or(self.memory);
        self.timeout = change.timeout.unwrap_or(self.timeout);
        self.output = change.output.unwrap_or(self.output);
        self
    }
}

/// Some limits by name: in `skillhost.toml` the operator's, in `skill.toml`
/// the author's wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsChange {
    /// See [`Limits::fuel`].
    #[serde(deserialize_with = "fuel")]
    pub fuel: Option<u64>,
    /// See [`Limits::memory`]; for example `"64 MiB"`.
    #[serde(deserialize_with = "memory")]
    pub memory: Option<u64>,
    /// See [`Limits::timeout`]; for example `"10s"`.
    #[serde(deserialize_with = "timeout")]
    pub timeout: Option<Duration>,
    /// See [`Limits::output`]; for example `"1 MiB"`.
    #[serde(deserialize_with = "output")]
    pub output: Option<u64>,
}

/// Reads a size such as `64 MiB`, `1.5GB` or `4096`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_cause| format!("`{text}` is no size; write for example `64MiB` or `65536`"))
}

/// Reads a memory limit: a size of at most 4 GiB.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (1..=MAX_MEMORY).contains(&size) {
        Ok(size)
    } else {
        Err(format!(
            "`{text}` is out of range; a memory limit is from 1 byte to 4 GiB"
        ))
    }
}

/// Reads a duration such as `500ms`, `10s` or `2m`, from 1 ms to one hour.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    let duration = text
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| format!("`{text}` is no duration; write for example `500ms` or `10s`"))?;
    if (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!(
            "`{text}` is out of range; a timeout is from 1ms to 1h"
        ))
    }
}

/// Reads an amount of fuel: a positive whole number, `_` allowed in between.
pub fn parse_fuel(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse::<u64>()
        .ok()
        .filter(|fuel| *fuel > 0)
        .ok_or_else(|| format!("`{text}` is no amount of fuel; write for example `1000000000`"))
}

fn text<'de, D: serde::Deserializer<'de>, T>(
    deserializer: D,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn fuel<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("fuel is a positive whole number")),
        fuel => Ok(Some(fuel)),
    }
}

fn memory<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, parse_memory)
}

fn timeout<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    text(deserializer, parse_timeout)
}

fn output<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, parse_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_narrows_and_never_widens() {
        let host = Limits::default();
        let wish = LimitsChange {
            fuel: Some(1),
            memory: Some(u64::MAX),
            ..LimitsChange::default()
        };
        let limits = host.narrowed(&wish);
        assert_eq!(limits.fuel, 1);
        assert_eq!(limits.memory, host.memory);
    }

    #[test]
    fn sizes_and_durations_are_read_with_their_units() {
        assert_eq!(parse_size("64 MiB"), Ok(64 * MIB));
        assert_eq!(parse_size("65536"), Ok(65_536));
        assert_eq!(parse_timeout("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_fuel("1_000"), Ok(1000));
        for wrong in ["", "many", "-1", "64 parsecs"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
            assert!(parse_fuel(wrong).is_err(), "{wrong}");
            assert!(parse_timeout(wrong).is_err(), "{wrong}");
        }
        assert!(parse_memory("5 GiB").is_err());
        assert!(parse_timeout("0s").is_err());
        assert!(parse_timeout("2h").is_err());
    }
}
