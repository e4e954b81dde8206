//! Doc comments as text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta, Result};

/// The text of all doc comments, or none.
pub fn text(attributes: &[Attribute]) -> Result<Option<String>> {
    let mut lines = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("doc") {
            lines.extend(line(attribute)?);
        }
    }
    let text = lines.join("\n").trim().to_owned();
    Ok((!text.is_empty()).then_some(text))
}

fn line(attribute: &Attribute) -> Result<Option<String>> {
    // `#[doc(hidden)]` and the like say nothing.
    let Meta::NameValue(documentation) = &attribute.meta else {
        return Ok(None);
    };
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = &documentation.value
    else {
        return Err(syn::Error::new_spanned(
            &documentation.value,
            "a description is read while the macro runs: write it as a doc comment or a plain string",
        ));
    };
    let lines: Vec<_> = text.value().lines().map(unindented).collect();
    Ok(Some(lines.join("\n")))
}

fn unindented(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
}
