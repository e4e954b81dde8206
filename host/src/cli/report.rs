//! Telling a failure, and the answer of a call.

use anstyle::AnsiColor;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::ExitStatus;
use super::terminal::{count, labelled, note, print_json, print_untrusted, size};
use crate::answer::{Answer, Content, Output, serialize_error};
use crate::error::{Again, Error, Result};
use crate::event::Usage;
use crate::manifest::text::printable;

/// Tells what went wrong and what to do, and gives the exit code.
pub(super) fn failure(error: &Error, json: bool) -> ExitStatus {
    if json {
        // A failure to print leaves the exit code, which tells the kind.
        let _ = print_json(&Failure(error));
    } else {
        tell(error);
    }
    error.kind().into()
}

fn tell(error: &Error) {
    labelled("error", AnsiColor::Red, &lines(error.message()));
    if let Some(hint) = error.hint() {
        labelled("hint", AnsiColor::Green, &lines(hint));
    }
    tracing::debug!(kind = %error.kind(), internal = error.internal(), "failed");
}

/// Further lines are indented, so that none can pass for one of the host's.
fn lines(text: &str) -> String {
    printable(text).trim_end().replace('\n', "\n    ")
}

/// Tells the answer of a call: what it says on standard output, what it took
/// on standard error.
pub(super) fn answer(answer: &Answer, json: bool) -> Result<ExitStatus> {
    for line in &answer.diagnostics.lines {
        labelled("skill", AnsiColor::Cyan, line);
    }
    if json {
        print_json(answer)?;
    } else {
        match &answer.outcome {
            Ok(output) => {
                if let Some(age) = answer.stale {
                    note(&format!(
                        "the tool fails; this is its answer of {} s ago",
                        age.as_secs()
                    ));
                }
                print_output(output)?;
            }
            Err(error) => {
                tell(error);
                error
                    .again()
                    .map(Again::sentence)
                    .into_iter()
                    .for_each(note);
            }
        }
        usage(&answer.usage);
    }
    Ok(answer
        .outcome
        .as_ref()
        .map_or_else(|error| error.kind().into(), |_| ExitStatus::Ok))
}

/// Text as it is; a structured answer without text as indented JSON.
fn print_output(output: &Output) -> Result<()> {
    if let (true, Some(structured)) = (output.content.is_empty(), &output.structured) {
        return print_json(structured);
    }
    for content in &output.content {
        match content {
            Content::Text(text) => print_untrusted(&with_line_end(text))?,
            Content::Image(data, kind) => omitted("image", kind, data.len()),
            Content::Audio(data, kind) => omitted("sound", kind, data.len()),
            Content::Embedded { uri, .. } | Content::Link { uri, .. } => {
                print_untrusted(&with_line_end(uri))?;
            }
        }
    }
    Ok(())
}

fn with_line_end(text: &str) -> String {
    if text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

fn omitted(what: &str, kind: &str, bytes: usize) {
    note(&format!(
        "(an {what} of type {}, {}; see it with --json)",
        printable(kind),
        size(bytes as u64)
    ));
}

fn usage(usage: &Usage) {
    if usage.attempts == 0 {
        return;
    }
    let attempts = match usage.attempts {
        1 => String::new(),
        attempts => format!(" in {attempts} attempts"),
    };
    note(&format!(
        "used {} fuel, {} of memory, {} ms{attempts}",
        count(usage.fuel),
        size(usage.memory_bytes),
        count(usage.wall_ms)
    ));
}

/// A failure before there was an answer, as `--json` prints it: the same
/// fields as an answer has.
struct Failure<'a>(&'a Error);

impl Serialize for Failure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_error(&mut map, self.0)?;
        map.serialize_entry("usage", &Usage::default())?;
        map.serialize_entry("invocation", &())?;
        map.serialize_entry("skill", &())?;
        map.end()
    }
}
