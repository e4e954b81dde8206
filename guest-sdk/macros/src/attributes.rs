//! `#[schema(...)]`.

use proc_macro2::{Span, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, LitStr, Result};

use crate::literal;

/// What `#[schema(...)]` says about a type, field or parameter.
#[derive(Default)]
pub struct SchemaAttributes {
    pub description: Option<String>,
    /// The members of a schema written by hand.
    pub raw: Option<Vec<(String, String)>>,
    pub keywords: Vec<Keyword>,
}

/// A keyword of JSON Schema.
pub struct Keyword {
    pub name: &'static str,
    /// The constant `Literal`.
    pub value: TokenStream,
    /// Where to show that it does not fit the type.
    pub span: Span,
}

const KEYS: &[(&str, &str)] = &[
    ("minimum", "minimum"),
    ("maximum", "maximum"),
    ("exclusive_minimum", "exclusiveMinimum"),
    ("exclusive_maximum", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
    ("pattern", "pattern"),
    ("format", "format"),
    ("kind", "x-skillhost-kind"),
    ("min_items", "minItems"),
    ("max_items", "maxItems"),
    ("unique_items", "uniqueItems"),
    ("default", "default"),
    ("examples", "examples"),
];

impl SchemaAttributes {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("schema") {
                attribute.parse_nested_meta(|meta| parsed.add(&meta))?;
            }
        }
        Ok(parsed)
    }

    /// The value that takes the place of an absent one.
    pub fn stated_default(&self) -> Option<&Keyword> {
        self.keywords
            .iter()
            .find(|keyword| keyword.name == "default")
    }

    fn add(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("description") {
            self.description = Some(meta.value()?.parse::<LitStr>()?.value());
        } else if meta.path.is_ident("raw") {
            self.raw = Some(raw_members(&meta.value()?.parse()?)?);
        } else if meta.path.is_ident("example") {
            let example = literal::tokens(&meta.value()?.parse()?)?;
            let list = quote::quote!(::skillhost_sdk::schema::Literal::Array(&[#example]));
            self.push("examples", list, meta)?;
        } else {
            let (_, name) = KEYS
                .iter()
                .find(|(key, _)| meta.path.is_ident(key))
                .ok_or_else(|| unknown(meta))?;
            let value: Expr = meta.value()?.parse()?;
            check(name, &value)?;
            self.push(name, literal::tokens(&value)?, meta)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        name: &'static str,
        value: TokenStream,
        meta: &ParseNestedMeta<'_>,
    ) -> Result<()> {
        if self.keywords.iter().any(|keyword| keyword.name == name) {
            return Err(meta.error("this is stated twice"));
        }
        self.keywords.push(Keyword {
            name,
            value,
            span: meta.path.span(),
        });
        Ok(())
    }
}

fn unknown(meta: &ParseNestedMeta<'_>) -> syn::Error {
    let keys: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
    meta.error(format!(
        "unknown key; there are {}, example, description and raw",
        keys.join(", ")
    ))
}

/// Refuses a value that no type makes right.
fn check(name: &str, value: &Expr) -> Result<()> {
    let literal = match value {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    };
    let expected = match name {
        "x-skillhost-kind" if !is_kind(literal) => "\"command\", \"path\" or \"url\"",
        "pattern" | "format" if !matches!(literal, Some(syn::Lit::Str(_))) => "a string",
        "uniqueItems" if !matches!(literal, Some(syn::Lit::Bool(_))) => "true or false",
        "examples" if !matches!(value, Expr::Array(_)) => {
            "an array; for a single value there is `example`"
        }
        "minLength" | "maxLength" | "minItems" | "maxItems"
            if !matches!(value, Expr::Path(_)) && !matches!(literal, Some(syn::Lit::Int(_))) =>
        {
            "a whole number, not negative"
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            if !is_number(value) =>
        {
            "a number"
        }
        _ => return Ok(()),
    };
    Err(syn::Error::new_spanned(
        value,
        format!("this must be {expected}"),
    ))
}

/// What a host screens arguments for.
fn is_kind(literal: Option<&syn::Lit>) -> bool {
    let Some(syn::Lit::Str(text)) = literal else {
        return false;
    };
    ["command", "path", "url"].contains(&text.value().as_str())
}

fn is_number(value: &Expr) -> bool {
    match value {
        Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Int(_) | syn::Lit::Float(_)),
        Expr::Unary(negative) => is_number(&negative.expr),
        Expr::Path(_) => true,
        _ => false,
    }
}

/// The members of a schema that stands in a text.
pub fn raw_members(text: &LitStr) -> Result<Vec<(String, String)>> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text.value())
        .map_err(|error| {
            syn::Error::new(text.span(), format!("a schema is a JSON object: {error}"))
        })?;
    Ok(object
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect())
}
