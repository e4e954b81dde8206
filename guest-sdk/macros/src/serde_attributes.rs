//! `#[serde(...)]`, as far as it changes the JSON.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, LitStr, Result, Token};

use crate::case::Case;

/// What serde's attributes say about a struct or an enum.
#[derive(Default)]
pub struct Container {
    pub rename_all: Option<Case>,
    pub rename_all_fields: Option<Case>,
    pub tag: Option<String>,
    pub content: Option<String>,
    pub untagged: bool,
    pub transparent: bool,
    pub default: bool,
    /// Where another type takes over, whose schema is not known.
    pub opaque: Option<Span>,
}

/// What serde's attributes say about a variant.
#[derive(Default)]
pub struct Variant {
    pub rename: Option<String>,
    pub rename_all: Option<Case>,
    pub skip: bool,
    /// Where the variant takes more than its schema can say.
    pub opaque: Option<Span>,
}

/// What serde's attributes say about a field.
#[derive(Default)]
pub struct Field {
    pub rename: Option<String>,
    pub default: bool,
    pub skip_serializing: bool,
    pub skip_deserializing: bool,
    pub skip_serializing_if: bool,
    pub flatten: bool,
    /// Where a function takes over, whose schema is not known.
    pub opaque: Option<Span>,
}

impl Container {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self::default();
        each(attributes, |meta| {
            match key(meta).as_str() {
                "rename_all" => parsed.rename_all = case(meta)?,
                "rename_all_fields" => parsed.rename_all_fields = case(meta)?,
                "tag" => parsed.tag = Some(meta.value()?.parse::<LitStr>()?.value()),
                "content" => parsed.content = Some(meta.value()?.parse::<LitStr>()?.value()),
                "untagged" => parsed.untagged = true,
                "transparent" => parsed.transparent = true,
                "default" => {
                    parsed.default = true;
                    skip_value(meta)?;
                }
                "from" | "try_from" | "into" | "remote" => {
                    parsed.opaque = Some(meta.path.span());
                    skip_value(meta)?;
                }
                _ => skip_value(meta)?,
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

impl Variant {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self::default();
        each(attributes, |meta| {
            match key(meta).as_str() {
                "rename" => parsed.rename = one_name(meta)?.map(|name| name.value()),
                "rename_all" => parsed.rename_all = case(meta)?,
                "skip" | "skip_deserializing" => parsed.skip = true,
                "other" | "untagged" => parsed.opaque = Some(meta.path.span()),
                "with" | "serialize_with" | "deserialize_with" => {
                    parsed.opaque = Some(meta.path.span());
                    skip_value(meta)?;
                }
                _ => skip_value(meta)?,
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

impl Field {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self::default();
        each(attributes, |meta| {
            match key(meta).as_str() {
                "rename" => parsed.rename = one_name(meta)?.map(|name| name.value()),
                "default" => {
                    parsed.default = true;
                    skip_value(meta)?;
                }
                "skip" => (parsed.skip_serializing, parsed.skip_deserializing) = (true, true),
                "skip_serializing" => parsed.skip_serializing = true,
                "skip_deserializing" => parsed.skip_deserializing = true,
                "skip_serializing_if" => {
                    parsed.skip_serializing_if = true;
                    skip_value(meta)?;
                }
                "flatten" => parsed.flatten = true,
                "with" | "serialize_with" | "deserialize_with" => {
                    parsed.opaque = Some(meta.path.span());
                    skip_value(meta)?;
                }
                _ => skip_value(meta)?,
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

fn each(
    attributes: &[Attribute],
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    let serde = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"));
    for attribute in serde {
        attribute.parse_nested_meta(|meta| read(&meta))?;
    }
    Ok(())
}

fn key(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn case(meta: &ParseNestedMeta<'_>) -> Result<Option<Case>> {
    one_name(meta)?.as_ref().map(Case::parse).transpose()
}

/// `key = "x"`, or `key(serialize = "x", deserialize = "x")` with the same name.
fn one_name(meta: &ParseNestedMeta<'_>) -> Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut names: Vec<LitStr> = Vec::new();
    meta.parse_nested_meta(|direction| {
        names.push(direction.value()?.parse()?);
        Ok(())
    })?;
    match names.as_slice() {
        [first, second] if first.value() == second.value() => Ok(Some(first.clone())),
        _ => Err(meta.error("a schema has one name for both directions: write `= \"...\"`")),
    }
}

/// Passes over what does not change the JSON.
fn skip_value(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|nested| skip_value(&nested))?;
    }
    Ok(())
}
