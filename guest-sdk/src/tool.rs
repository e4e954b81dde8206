//! Tools and the skill that they make up.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reader::from_json;
use crate::schema::{Field, Node, Presence, Schema, same};
use crate::{Error, Output, Result};

/// A skill: what [`export!`](crate::export!) puts into the constant `SKILL`.
#[derive(Debug)]
pub struct Skill {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) description: &'static str,
    pub(crate) tools: &'static [Tool],
}

/// A tool: what `#[tool]` makes of a function.
#[doc(hidden)]
#[derive(Debug)]
pub struct Tool {
    pub name: &'static str,
    pub title: Option<&'static str>,
    pub description: &'static str,
    pub input: &'static Node,
    pub output: Option<&'static Node>,
    pub annotations: Annotations,
    /// Calls the function with arguments as JSON text.
    pub call: fn(&str) -> Result<Output>,
}

/// What a tool says about itself; only what is stated stands in the manifest.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Annotations {
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
    pub idempotent: Option<bool>,
    pub open_world: Option<bool>,
}

impl Skill {
    /// A skill of these tools; two of the same name do not compile.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        version: &'static str,
        description: &'static str,
        tools: &'static [Tool],
    ) -> Self {
        let mut index = 0;
        while index < tools.len() {
            let mut earlier = 0;
            while earlier < index {
                assert!(
                    !same(tools[index].name, tools[earlier].name),
                    "two exported tools have the same name: rename one with #[tool(name = \"...\")]"
                );
                earlier += 1;
            }
            index += 1;
        }
        Self {
            name,
            version,
            description,
            tools,
        }
    }

    /// Calls a tool with arguments as JSON text.
    ///
    /// # Errors
    ///
    /// `not_found` for a tool that the skill does not have, `invalid_arguments`
    /// for arguments that it does not take, and whatever the tool returns.
    #[doc(hidden)]
    pub fn call(&self, tool: &str, arguments: &str) -> Result<Output> {
        match self.tools.iter().find(|candidate| candidate.name == tool) {
            Some(found) => (found.call)(arguments),
            None => Err(Error::not_found(format!(
                "The skill {} has no tool {tool:?}.",
                self.name
            ))),
        }
    }
}

/// Carries a function's [`Tool`] under the function's name.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tool",
    label = "no tool of that name",
    note = "write `#[tool]` above the function"
)]
pub trait ExportedTool {
    const TOOL: Tool;
}

/// The `Result` of a tool.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a tool returns `Result<T>`, and this one returns `{Self}`",
    label = "not `skillhost_sdk::Result`",
    note = "other errors become the SDK's with `?`"
)]
pub trait ToolResult {
    type Answer;
}

impl<T> ToolResult for Result<T, Error> {
    type Answer = T;
}

/// An answer: [`Output`], a text, or any type with [`Schema`] and `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer of a tool",
    label = "return `Result<T>` with a text, an `Output`, or your own type",
    note = "your own type needs `#[derive(Serialize, Schema)]`"
)]
pub trait IntoOutput {
    /// The output schema, for a structured answer. It always describes an object.
    #[doc(hidden)]
    const SCHEMA: Option<&'static Node>;

    /// The answer as blocks or structured.
    ///
    /// # Errors
    ///
    /// `failed` for a value that cannot be JSON.
    fn into_output(self) -> Result<Output>;
}

impl IntoOutput for Output {
    const SCHEMA: Option<&'static Node> = None;

    fn into_output(self) -> Result<Output> {
        self.checked()
    }
}

impl<T: Serialize + Schema> IntoOutput for T {
    const SCHEMA: Option<&'static Node> = match Shape::of(&T::NODE) {
        Shape::Text => None,
        Shape::Object => Some(Answer::<T>::PLAIN),
        Shape::Other => Some(Answer::<T>::WRAPPED),
    };

    fn into_output(self) -> Result<Output> {
        match const { Shape::of(&T::NODE) } {
            Shape::Text => text(&self),
            Shape::Object => Output::new().structured(&self).checked(),
            Shape::Other => Output::new()
                .structured(&Wrapped { result: &self })
                .checked(),
        }
    }
}

/// How a type answers.
enum Shape {
    Text,
    Object,
    /// MCP wants structured answers to be objects, so it gets one around it.
    Other,
}

impl Shape {
    const fn of(node: &Node) -> Self {
        match node {
            Node::String => Self::Text,
            _ if node.is_object() => Self::Object,
            _ => Self::Other,
        }
    }
}

#[derive(Serialize)]
struct Wrapped<'a, T> {
    result: &'a T,
}

struct Answer<T>(T);

impl<T: Schema> Answer<T> {
    const PLAIN: &'static Node = &T::NODE;
    const WRAPPED: &'static Node = &Node::Object {
        fields: &[Field {
            name: "result",
            node: &T::NODE,
            flatten: false,
            input: Presence::Required,
            output: Presence::Required,
        }],
    };
}

fn text(value: &impl Serialize) -> Result<Output> {
    let json = serde_json::to_vec(value)?;
    Ok(Output::text(from_json::<String>(&json)?))
}

/// Reads the arguments and answers with what the function makes of them.
#[doc(hidden)]
pub fn call<A: DeserializeOwned, T: IntoOutput>(
    arguments: &str,
    function: impl FnOnce(A) -> Result<T>,
) -> Result<Output> {
    let arguments = from_json(arguments.as_bytes())
        .map_err(|mismatch| Error::invalid_arguments(mismatch.to_string()))?;
    function(arguments)?.into_output()
}

/// The value of a `default` attribute.
///
/// # Panics
///
/// When the type refuses its own default. The macros have compared the default
/// with the type's schema, so only a hand-written schema or `Deserialize` can
/// disagree.
#[doc(hidden)]
pub fn default_value<T: DeserializeOwned>(json: &[u8]) -> T {
    match from_json(json) {
        Ok(value) => value,
        Err(mismatch) => panic!("the type does not accept its own default: {mismatch}"),
    }
}
