//! `skillhost:skill/log`: lines for the operator, within a budget.

use wasmtime::Result;

use super::State;
use super::bindings::skillhost::skill::log::{Host, Level};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) level: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// What a guest logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) lines: Vec<LogLine>,
    /// Bytes of the messages that were not kept.
    pub(crate) dropped: u64,
}

impl Logged {
    /// All bytes that were logged.
    pub(crate) fn size(&self) -> u64 {
        let kept: u64 = self.lines.iter().map(LogLine::size).sum();
        self.dropped.saturating_add(kept)
    }
}

#[derive(Debug)]
pub(super) struct Logging {
    bytes_left: u64,
    lines_left: u64,
    logged: Logged,
}

impl Logging {
    pub(super) fn new(bytes: u64, lines: u64) -> Self {
        Self {
            bytes_left: bytes,
            lines_left: lines,
            logged: Logged::default(),
        }
    }

    pub(super) fn take(&mut self) -> Logged {
        std::mem::take(&mut self.logged)
    }

    fn push(&mut self, line: LogLine) {
        let size = line.size();
        if self.lines_left == 0 || size > self.bytes_left {
            self.logged.dropped = self.logged.dropped.saturating_add(size);
            return;
        }
        self.lines_left -= 1;
        self.bytes_left -= size;
        self.logged.lines.push(line);
    }
}

impl LogLine {
    /// What the line takes in the host: empty fields take room as well.
    fn size(&self) -> u64 {
        let fields: usize = self
            .fields
            .iter()
            .map(|(key, value)| key.len() + value.len() + size_of::<(String, String)>())
            .sum();
        (self.message.len() + fields) as u64
    }
}

impl Host for State {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> Result<()> {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.logging.push(LogLine {
            level,
            message,
            fields,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> LogLine {
        LogLine {
            level: "info",
            message: message.to_owned(),
            fields: vec![],
        }
    }

    #[test]
    fn r17_lines_and_bytes_are_both_bounded() {
        let mut logging = Logging::new(10, 2);
        for message in ["12345", "123456", "1234", "1"] {
            logging.push(line(message));
        }
        let logged = logging.take();
        assert_eq!(logged.lines, [line("12345"), line("1234")]);
        assert_eq!(logged.dropped, 7);
    }
}
