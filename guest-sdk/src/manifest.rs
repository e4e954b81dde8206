//! The manifest of a skill as JSON, rendered while the skill compiles.

use crate::json::Writer;
use crate::schema::{self, Direction};
use crate::tool::{Annotations, Skill, Tool};

/// The version of the manifest's format.
const FORMAT: i128 = 1;

impl Skill {
    /// The length of the manifest in bytes.
    #[doc(hidden)]
    pub const fn manifest_length(&self) -> usize {
        let mut writer = Writer::new(&mut []);
        self.write(&mut writer);
        writer.length()
    }

    /// The manifest as JSON; `N` is [`Skill::manifest_length`].
    #[doc(hidden)]
    pub const fn manifest<const N: usize>(&self) -> [u8; N] {
        let mut json = [0; N];
        self.write(&mut Writer::new(&mut json));
        json
    }

    pub(crate) const fn write(&self, writer: &mut Writer<'_>) {
        writer.open("{");
        writer.key("format");
        writer.integer(FORMAT);
        writer.key("name");
        writer.string(self.name);
        writer.key("version");
        writer.string(self.version);
        writer.key("description");
        writer.string(self.description);
        writer.key("tools");
        writer.open("[");
        let mut index = 0;
        while index < self.tools.len() {
            self.tools[index].write(writer);
            index += 1;
        }
        writer.close("]");
        writer.close("}");
    }
}

impl Tool {
    const fn write(&self, writer: &mut Writer<'_>) {
        writer.open("{");
        writer.key("name");
        writer.string(self.name);
        if let Some(title) = self.title {
            writer.key("title");
            writer.string(title);
        }
        writer.key("description");
        writer.string(self.description);
        writer.key("input_schema");
        schema::schema(writer, self.input, Direction::Input);
        if let Some(output) = self.output {
            writer.key("output_schema");
            schema::schema(writer, output, Direction::Output);
        }
        writer.key("annotations");
        self.annotations.write(writer);
        writer.close("}");
    }
}

impl Annotations {
    const fn write(&self, writer: &mut Writer<'_>) {
        writer.open("{");
        flag(writer, "read_only", self.read_only);
        flag(writer, "destructive", self.destructive);
        flag(writer, "idempotent", self.idempotent);
        flag(writer, "open_world", self.open_world);
        writer.close("}");
    }
}

const fn flag(writer: &mut Writer<'_>, name: &str, value: Option<bool>) {
    if let Some(value) = value {
        writer.key(name);
        writer.boolean(value);
    }
}
