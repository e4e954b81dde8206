//! How much one call may use.

use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Makes [`Limits`] and [`LimitsChange`] of one table, so that each limit has
/// its meaning, its type, its default and its way of being written in one
/// place.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $written:literal;)*) => {
        /// Every limit of one call, all of them enforced, and set before the
        /// component is instantiated. The default stands behind each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])*
            #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
            pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// Some limits by name: in `skillhost.toml` the operator's, in
        /// `skill.toml` the author's wish.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct LimitsChange {
            $(#[doc = concat!("See [`Limits::", stringify!($name), "`].")]
            #[serde(deserialize_with = $written)]
            pub $name: Option<$type>,)*
        }

        impl Limits {
            /// The names of all limits; in a configuration with `-` for `_`.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// The smaller of each pair: what an author wishes never widens
            /// what the operator allows.
            #[must_use]
            pub fn narrowed(self, wish: &LimitsChange) -> Self {
                Self { $($name: wish.$name.map_or(self.$name, |wish| self.$name.min(wish)),)* }
            }

            /// These limits with those replaced that the operator named.
            #[must_use]
            pub fn changed(self, change: &LimitsChange) -> Self {
                Self { $($name: change.$name.unwrap_or(self.$name),)* }
            }
        }

        impl LimitsChange {
            /// These limits, and those of `other` that are not among them.
            #[must_use]
            pub fn or(self, other: &Self) -> Self {
                Self { $($name: self.$name.or(other.$name),)* }
            }

            /// Each limit that is named, as it is written in a file.
            #[must_use]
            pub fn named(&self) -> Vec<(String, Amount)> {
                let named = [$((stringify!($name), self.$name.map(|value| Amount::of(value, $written))),)*];
                named.into_iter().filter_map(|(name, amount)| Some((name.replace('_', "-"), amount?))).collect()
            }
        }
    };
}

limits! {
    /// Units of work; most instructions cost one (wasmtime's fuel), and each
    /// call into the host costs [`HOST_CALL_FUEL`]. The default is about ten
    /// seconds of one core.
    fuel: u64 = 50_000_000_000, "number";
    /// Bytes over all linear memories and tables of the call.
    memory: u64 = 256 * MIB, "memory";
    /// Wall-clock time from instantiation to the answer, waiting in the host
    /// included.
    timeout: Duration = Duration::from_secs(30), "time";
    /// Bytes of the arguments as JSON text.
    input: u64 = 16 * MIB, "size";
    /// Bytes of the answer.
    output: u64 = MIB, "size";
    /// Bytes that cross in one call between guest and host, the answer apart.
    hostcall: u64 = MIB, "size";
    /// Calls into the host.
    host_calls: u64 = 10_000_000, "number";
    /// Bytes kept of standard output; the rest is counted.
    stdout: u64 = 64 * KIB, "size";
    /// Bytes kept of standard error; the rest is counted.
    stderr: u64 = 64 * KIB, "size";
    /// Bytes kept of log messages; the rest is counted.
    log: u64 = 64 * KIB, "size";
    /// Log messages kept; the rest is counted.
    log_lines: u64 = 200, "number";
    /// Bytes of randomness in one request.
    random: u64 = 64 * KIB, "size";
    /// Bytes of randomness over the call.
    random_total: u64 = 16 * MIB, "size";
    /// Handles that the guest holds at once: files, streams, requests, timers.
    resources: u64 = 256, "number";
    /// Files and directories that are open at once.
    open_files: u64 = 64, "number";
    /// Sockets that are open at once.
    sockets: u64 = 16, "number";
    /// Timers that are waited for at once.
    timers: u64 = 128, "number";
    /// Bytes written to files, and bytes by which files grow.
    disk_bytes: u64 = 64 * MIB, "size";
    /// Files, directories and links made.
    disk_files: u64 = 1000, "number";
    /// Entries of directories that are listed: the host reads all of a directory
    /// at once, and keeps it until the list is closed.
    listed: u64 = 50_000, "number";
    /// HTTP requests.
    http_requests: u64 = 32, "number";
    /// Bytes of one request body.
    http_request_body: u64 = MIB, "size";
    /// Bytes of one response body.
    http_response_body: u64 = 8 * MIB, "size";
    /// Bytes of the header section of a request or a response.
    http_headers: u64 = 32 * KIB, "size";
    /// Time of one HTTP request, from its first byte to the last of its
    /// response.
    http_time: Duration = Duration::from_secs(30), "time";
    /// Connections that are tried.
    connects: u64 = 64, "number";
    /// Bytes of keys and values that the skill keeps from call to call.
    state_bytes: u64 = MIB, "size";
}

/// What one call into the host costs in fuel, beside what the guest computes:
/// about what a guest computes in the time that the shortest of them takes.
pub const HOST_CALL_FUEL: u64 = 1000;

/// The most memory that a limit can name: the address space of 32-bit wasm.
pub const MAX_MEMORY: u64 = 4096 * MIB;

/// The longest timeout that a limit can name.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// How much a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Number(u64),
    /// Bytes.
    Size(u64),
    /// Wall-clock time.
    Time(Duration),
}

impl Amount {
    fn of(value: impl Into<Value>, written: &str) -> Self {
        match (value.into(), written) {
            (Value::Time(time), _) => Self::Time(time),
            (Value::Number(number), "number") => Self::Number(number),
            (Value::Number(bytes), _) => Self::Size(bytes),
        }
    }
}

/// A limit's value, whatever its type.
enum Value {
    Number(u64),
    Time(Duration),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
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

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom(
            "this limit is a positive whole number",
        )),
        number => Ok(Some(number)),
    }
}

fn memory<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, parse_memory)
}

pub(crate) fn time<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    text(deserializer, parse_timeout)
}

pub(crate) fn size<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
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
