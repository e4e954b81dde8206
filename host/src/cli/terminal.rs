//! Writing to the terminal.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::manifest::text::printable;

/// Writes data to standard output. A reader that has gone is no error.
pub(super) fn print(text: &str) -> Result<()> {
    written(anstream::stdout().write_all(text.as_bytes()))
}

/// Writes text that a skill made. On a terminal, whatever could steer it is
/// shown as an escape.
pub(super) fn print_untrusted(text: &str) -> Result<()> {
    let mut stdout = io::stdout();
    if stdout.is_terminal() {
        written(stdout.write_all(printable(text).as_bytes()))
    } else {
        written(stdout.write_all(text.as_bytes()))
    }
}

/// Writes one of many lines to standard output; whether anybody still reads.
pub(super) fn print_while_read(line: &str) -> Result<bool> {
    is_read(anstream::stdout().write_all(line.as_bytes()))
}

/// Likewise, as [`print_untrusted`] does.
pub(super) fn print_untrusted_while_read(line: &str) -> Result<bool> {
    let mut stdout = io::stdout();
    is_read(if stdout.is_terminal() {
        stdout.write_all(printable(line).as_bytes())
    } else {
        stdout.write_all(line.as_bytes())
    })
}

fn is_read(result: io::Result<()>) -> Result<bool> {
    let read = result.is_ok();
    written(result).map(|()| read)
}

/// Writes a value as JSON on lines of its own.
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut json = serde_json::to_string_pretty(value).map_err(|cause| {
        Error::new(Kind::Internal, "The result cannot be written as JSON.").with_internal(cause)
    })?;
    json.push('\n');
    written(io::stdout().write_all(json.as_bytes()))
}

/// Tells the person at the terminal something.
pub(super) fn note(text: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Tells something with a word in colour before it.
pub(super) fn labelled(label: &str, colour: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    note(&format!("{style}{label}{style:#}: {text}"));
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(
            Kind::Internal,
            "Standard output cannot be written.",
        )
        .with_internal(cause)),
        _ => Ok(()),
    }
}

/// A size for people: `4.0 MiB`.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

/// A count for people: `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size(4 << 20), "4.0 MiB");
    }
}
