//! Values that stand in an attribute: bounds, defaults, examples.

use crate::json::Writer;

/// A JSON value known at compile time.
#[doc(hidden)]
#[derive(Debug)]
pub enum Literal {
    Null,
    Boolean(bool),
    Integer(i128),
    /// A number with a fraction or an exponent, as JSON text.
    Number(&'static str),
    Text(&'static str),
    Array(&'static [Self]),
}

impl Literal {
    /// The length of the JSON text in bytes.
    pub const fn length(&self) -> usize {
        let mut writer = Writer::new(&mut []);
        self.write(&mut writer);
        writer.length()
    }

    /// The JSON text; `N` is [`Literal::length`].
    pub const fn render<const N: usize>(&self) -> [u8; N] {
        let mut text = [0; N];
        self.write(&mut Writer::new(&mut text));
        text
    }

    pub(crate) const fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Null => writer.json("null"),
            Self::Boolean(value) => writer.boolean(*value),
            Self::Integer(value) => writer.integer(*value),
            Self::Number(text) => writer.json(text),
            Self::Text(text) => writer.string(text),
            Self::Array(items) => {
                writer.open("[");
                let mut index = 0;
                while index < items.len() {
                    items[index].write(writer);
                    index += 1;
                }
                writer.close("]");
            }
        }
    }
}
