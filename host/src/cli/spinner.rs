//! Showing a person at a terminal that something goes on.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long something may take before a person is shown that it goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shown on a terminal only, and gone when the work is over.
pub(super) struct Spinner {
    bar: ProgressBar,
}

impl Spinner {
    /// Not shown yet. `word` says what goes on.
    pub(super) fn new(word: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let template = format!("{{spinner}} {word} {{elapsed}} {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// For messages about how far the work has come.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Does the work, and shows itself if that takes a while.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(PATIENCE) => self.show(),
        }
        work.await
    }

    fn show(&self) {
        if io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(Duration::from_millis(100));
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
