//! `skillhost:skill/log`: lines for the operator, within a budget, and for a
//! client that may hear them.

use wasmtime::Result;

use super::bindings::skillhost::skill::log::{Host, Level};
use super::{Observer, State};
use crate::log;
use crate::manifest::text::one_line;

/// Lines that are passed on; a guest that logs more is not heard further.
const MAX_HEARD: u32 = 1000;

/// The longest text that is passed on, in characters.
const MAX_TEXT: usize = 2000;

/// The longest key that is passed on, in characters.
const MAX_KEY: usize = 100;

/// The most fields of one line that are passed on.
const MAX_FIELDS: usize = 32;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) level: log::Level,
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

pub(super) struct Logging {
    bytes_left: u64,
    lines_left: u64,
    heard_by: Option<log::Sink>,
    heard: u32,
    logged: Logged,
}

impl Logging {
    pub(super) fn new(bytes: u64, lines: u64, heard_by: Option<log::Sink>) -> Self {
        Self {
            bytes_left: bytes,
            lines_left: lines,
            heard_by,
            heard: 0,
            logged: Logged::default(),
        }
    }

    pub(super) fn take(&mut self) -> Logged {
        std::mem::take(&mut self.logged)
    }

    /// Whether there is room for a line, which it then takes.
    fn has_room(&mut self, line: &LogLine) -> bool {
        let size = line.size();
        if self.lines_left == 0 || size > self.bytes_left {
            self.logged.dropped = self.logged.dropped.saturating_add(size);
            return false;
        }
        self.lines_left -= 1;
        self.bytes_left -= size;
        true
    }

    /// Keeps a line for which there is room. It loses its secrets here only if
    /// somebody hears it now: each is counted once.
    fn keep(&mut self, mut line: LogLine, observer: &Observer) {
        if let Some(sink) = &self.heard_by
            && self.heard < MAX_HEARD
        {
            self.heard += 1;
            line.redact(observer);
            sink(line.message());
        }
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

    pub(super) fn redact(&mut self, observer: &Observer) {
        let fields = self.fields.iter_mut();
        let texts = fields.flat_map(|(key, value)| [key, value]);
        for text in texts.chain([&mut self.message]) {
            observer.redact_in(text);
        }
    }

    /// As it is passed on. What is cut must have no secrets left: half of one
    /// would not be known for one.
    fn message(&self) -> log::Message {
        let shown =
            |(key, value): &(String, String)| (one_line(key, MAX_KEY), one_line(value, MAX_TEXT));
        log::Message {
            level: self.level,
            text: one_line(&self.message, MAX_TEXT),
            fields: self.fields.iter().take(MAX_FIELDS).map(shown).collect(),
        }
    }
}

impl Host for State {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> Result<()> {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        let line = LogLine {
            level,
            message,
            fields,
        };
        if self.logging.has_room(&line) {
            self.logging.keep(line, &self.observer);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> LogLine {
        LogLine {
            level: log::Level::Info,
            message: message.to_owned(),
            fields: vec![],
        }
    }

    #[test]
    fn r17_lines_and_bytes_are_both_bounded() {
        let mut logging = Logging::new(10, 2, None);
        let fits = |message| logging.has_room(&line(message));
        let fitting = ["12345", "123456", "1234", "1"].map(fits);
        assert_eq!(fitting, [true, false, true, false]);
        assert_eq!(logging.take().dropped, 7);
    }

    #[test]
    fn what_is_passed_on_is_cut_and_steers_no_terminal() {
        let mut long = line(&"x".repeat(MAX_TEXT + 1));
        long.fields = vec![("k\n".to_owned(), "\u{1b}[2J".to_owned()); MAX_FIELDS + 1];
        let message = long.message();
        assert_eq!(message.text, format!("{}…", "x".repeat(MAX_TEXT)));
        let escaped = ("k\\n".to_owned(), "\\u{1b}[2J".to_owned());
        assert_eq!(message.fields, vec![escaped; MAX_FIELDS]);
    }
}
