//! Telling the author what is going on while a build takes its time.

use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where the steps of a build are told.
pub trait Report: Debug + Sync {
    /// Something that takes time begins; it replaces the step before.
    fn step(&self, text: &str);

    /// How far the step has come.
    fn detail(&self, text: &str);

    /// The step is over; `text` says what came of it and stays on the screen.
    fn done(&self, text: &str);
}

/// The report that suits standard error: a spinner on a terminal, else lines.
pub fn for_standard_error() -> Box<dyn Report> {
    if io::stderr().is_terminal() {
        Box::new(Spinner::default())
    } else {
        Box::new(Lines)
    }
}

/// One line on standard error for each step, for logs and pipes.
#[derive(Debug, Clone, Copy)]
pub struct Lines;

impl Report for Lines {
    fn step(&self, text: &str) {
        write_line(text);
    }

    fn detail(&self, _: &str) {}

    fn done(&self, text: &str) {
        write_line(text);
    }
}

/// A spinner on standard error with the step and how far it has come.
#[derive(Debug)]
pub struct Spinner {
    bar: ProgressBar,
}

impl Default for Spinner {
    fn default() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Report for Spinner {
    fn step(&self, text: &str) {
        self.bar.reset();
        self.bar.set_prefix(text.to_owned());
        self.bar.set_message("");
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    fn detail(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn done(&self, text: &str) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        write_line(text);
    }
}

/// Standard error may be closed; that is no reason to stop a build.
fn write_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
