//! What skills log, for those who hear of it while a call runs.

use std::fmt;
use std::sync::Arc;

/// How much a line matters, as in the interface `log`; later is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Each step.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What failed.
    Error,
}

impl Level {
    /// As it stands in the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line, without secrets and with everything escaped that could steer a
/// terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
    /// Keys and values that belong to it.
    pub fields: Vec<(String, String)>,
}

/// Where lines go.
pub type Sink = Arc<dyn Fn(Message) + Send + Sync>;
