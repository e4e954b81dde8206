//! A skill whose one tool answers with a text, and what its author may change.

use serde_json::{Value, json};
use skillhost::manifest::Source;

use crate::{guests, pack};

/// What stands in `wat/says.wat` in the place of the answer.
const PLACE: &[u8; 16] = b"TEXT-OF-16-CHARS";

/// The skill `says`, version 1.0.0, with the tool `run`.
#[derive(Debug, Clone)]
pub struct Says {
    /// What the tool answers: at most sixteen bytes.
    pub answer: &'static str,
    /// The skill's name.
    pub name: &'static str,
    /// The skill's version.
    pub version: &'static str,
    /// The tool's name.
    pub tool: &'static str,
    /// The tool's description.
    pub description: &'static str,
    /// What it wants to reach, as it stands in a manifest.
    pub capabilities: Value,
}

impl Says {
    /// One that answers with this text.
    #[must_use]
    pub fn new(answer: &'static str) -> Self {
        Self {
            answer,
            name: "says",
            version: "1.0.0",
            tool: "run",
            description: "Says something.",
            capabilities: json!({}),
        }
    }

    /// The complete, unsigned skill.
    #[must_use]
    pub fn component(&self) -> Vec<u8> {
        let tool = json!({
            "name": self.tool, "description": self.description,
            "input_schema": {"type": "object"},
        });
        let source = Source {
            version: Some(self.version.parse().unwrap()),
            tools: Some(vec![serde_json::from_value(tool).unwrap()]),
            capabilities: serde_json::from_value(self.capabilities.clone()).unwrap(),
            ..pack::plain_source(self.name)
        };
        pack::with_manifest(&self.code(), source)
    }

    fn code(&self) -> Vec<u8> {
        let mut code = guests::text("says");
        let mut windows = code.windows(PLACE.len());
        let start = windows.position(|window| window == PLACE).unwrap();
        let padded = format!("{:16}", self.answer);
        code[start..start + PLACE.len()].copy_from_slice(padded.as_bytes());
        code
    }
}
