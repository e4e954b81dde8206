//! Values of attributes, as the SDK's `Literal`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprArray, ExprLit, ExprUnary, Lit, Result, UnOp};

/// The tokens of a constant `Literal` with that value.
pub fn tokens(value: &Expr) -> Result<TokenStream> {
    let literal = quote!(::skillhost_sdk::schema::Literal);
    match value {
        Expr::Lit(ExprLit { lit, .. }) => scalar(lit, false),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => match &**expr {
            Expr::Lit(ExprLit {
                lit: lit @ (Lit::Int(_) | Lit::Float(_)),
                ..
            }) => scalar(lit, true),
            _ => Err(unsupported(value)),
        },
        Expr::Array(ExprArray { elems, .. }) => {
            let items = elems.iter().map(tokens).collect::<Result<Vec<_>>>()?;
            Ok(quote!(#literal::Array(&[#(#items),*])))
        }
        Expr::Path(path) if path.path.is_ident("None") => Ok(quote!(#literal::Null)),
        Expr::Path(path) => Ok(quote!(#literal::Integer(#path as i128))),
        Expr::Group(group) => tokens(&group.expr),
        Expr::Paren(paren) => tokens(&paren.expr),
        _ => Err(unsupported(value)),
    }
}

fn scalar(literal: &Lit, negative: bool) -> Result<TokenStream> {
    let sign = if negative { "-" } else { "" };
    Ok(match literal {
        Lit::Str(text) => quote!(::skillhost_sdk::schema::Literal::Text(#text)),
        Lit::Bool(value) => quote!(::skillhost_sdk::schema::Literal::Boolean(#value)),
        Lit::Char(value) => {
            let text = value.value().to_string();
            quote!(::skillhost_sdk::schema::Literal::Text(#text))
        }
        Lit::Int(value) => {
            let value: i128 = format!("{sign}{}", value.base10_digits())
                .parse()
                .map_err(|_| {
                    syn::Error::new(value.span(), "no number that large stands in a schema")
                })?;
            quote!(::skillhost_sdk::schema::Literal::Integer(#value))
        }
        Lit::Float(value) => {
            let number = json_number(value.base10_digits());
            let number = format!("{sign}{number}");
            quote!(::skillhost_sdk::schema::Literal::Number(#number))
        }
        _ => return Err(unsupported(literal)),
    })
}

/// JSON wants a digit after the point, Rust does not: `1.` and `1.e3`.
fn json_number(digits: &str) -> String {
    match digits.split_once('.') {
        Some((whole, rest)) if !rest.starts_with(|first: char| first.is_ascii_digit()) => {
            format!("{whole}.0{rest}")
        }
        _ => digits.to_owned(),
    }
}

fn unsupported(value: &impl quote::ToTokens) -> syn::Error {
    syn::Error::new_spanned(
        value,
        "a value is a string, number, boolean, array of such, `None`, or the name of an integer constant",
    )
}

#[cfg(test)]
mod tests {
    use super::json_number;

    #[test]
    fn numbers_are_valid_json() {
        assert_eq!(json_number("1."), "1.0");
        assert_eq!(json_number("1.e3"), "1.0e3");
        assert_eq!(json_number("0.25"), "0.25");
        assert_eq!(json_number("1e3"), "1e3");
    }
}
