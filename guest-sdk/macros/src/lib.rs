//! The macros of `skillhost-sdk`. Use them through that crate, whose
//! documentation describes them.

// What the macros read.
mod attributes;
mod case;
mod docs;
mod literal;
mod serde_attributes;

// What they write.
mod codec;
mod node;
mod schema;
mod tool;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, parse_macro_input};

/// Makes a function a tool.
///
/// The doc comment of the function is the tool's description, those of the
/// parameters describe the arguments, and the types give the schemas.
///
/// In the brackets: `name = "..."` (otherwise the function's name, with `-` for
/// `_`), `title = "..."`, and the flags `read_only`, `destructive`, `idempotent`
/// and `open_world`, each alone or with `= true` or `= false`. A flag that is
/// not there is not stated. `input = r#"{...}"#` is the schema of all arguments
/// together, instead of the one that the parameters give.
///
/// On a parameter: `#[schema(...)]` as described at
/// [`derive@Schema`], and `#[serde(rename = "...")]`.
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(arguments as tool::Options);
    let function = parse_macro_input!(item as ItemFn);
    tool::expand(&options, function)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Gives a struct or an enum a JSON Schema, from its fields, doc comments and
/// serde attributes.
///
/// On a field, `#[schema(...)]` takes:
///
/// | key | for |
/// |---|---|
/// | `minimum`, `maximum`, `exclusive_minimum`, `exclusive_maximum`, `multiple_of` | numbers |
/// | `min_length`, `max_length`, `pattern`, `format` | strings |
/// | `kind = "command"`, `"path"` or `"url"` | strings: what it is, so that a host can look for what looks like an attack |
/// | `min_items`, `max_items`, `unique_items` | arrays |
/// | `default = ...` | anything: the value when there is none, which makes the field optional |
/// | `example = ...`, `examples = [...]` | anything |
/// | `description = "..."` | anything, in place of the doc comment |
/// | `raw = r#"{...}"#` | the whole schema, written by hand |
///
/// A value is a literal, an array of literals, or the name of an integer
/// constant. `description` and `raw` also stand on the type itself.
#[proc_macro_derive(Schema, attributes(schema, serde))]
pub fn derive_schema(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as DeriveInput);
    schema::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements serde's `Serialize`, without serde among the skill's dependencies.
///
/// Takes the same attributes as serde's own derive.
#[proc_macro_derive(Serialize, attributes(schema, serde))]
pub fn derive_serialize(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as DeriveInput);
    codec::serialize(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements serde's `Deserialize`, without serde among the skill's
/// dependencies.
///
/// Takes the same attributes as serde's own derive, and obeys
/// `#[schema(default = ...)]`.
#[proc_macro_derive(Deserialize, attributes(schema, serde))]
pub fn derive_deserialize(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as DeriveInput);
    codec::deserialize(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
