//! Writes the constant tree of one value.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Result, Type};

use crate::attributes::SchemaAttributes;
use crate::serde_attributes;

/// A property: its name in JSON, its Rust type, and what the author said of it.
pub struct Property<'a> {
    pub name: String,
    pub ty: &'a Type,
    pub schema: &'a SchemaAttributes,
    pub serde: &'a serde_attributes::Field,
    pub docs: Option<String>,
}

impl Property<'_> {
    /// The constant `Field`.
    pub fn field(&self) -> Result<TokenStream> {
        let (name, flatten) = (&self.name, self.serde.flatten);
        let node = self.node()?;
        let (input, output) = (self.input(), self.output());
        Ok(quote! {
            ::skillhost_sdk::schema::Field {
                name: #name,
                node: &#node,
                flatten: #flatten,
                input: #input,
                output: #output,
            }
        })
    }

    /// The constant `Node`.
    pub fn node(&self) -> Result<TokenStream> {
        if let (Some(place), None) = (self.serde.opaque, &self.schema.raw) {
            return Err(syn::Error::new(
                place,
                "the JSON of this is not known here: add #[schema(raw = r#\"{...}\"#)]",
            ));
        }
        Ok(match &self.schema.raw {
            Some(members) => raw(members, self.schema, self.docs.as_deref()),
            None => annotated(&of_type(self.ty), self.schema, self.docs.as_deref()),
        })
    }

    fn input(&self) -> TokenStream {
        let presence = quote!(::skillhost_sdk::schema::Presence);
        if self.serde.skip_deserializing {
            return quote!(#presence::Never);
        }
        if self.serde.default || self.schema.stated_default().is_some() {
            return quote!(#presence::Optional);
        }
        if self.schema.raw.is_some() {
            return if is_option(self.ty) {
                quote!(#presence::Optional)
            } else {
                quote!(#presence::Required)
            };
        }
        let node = of_type(self.ty);
        quote!(#presence::on_input(&#node))
    }

    fn output(&self) -> TokenStream {
        let presence = quote!(::skillhost_sdk::schema::Presence);
        if self.serde.skip_serializing {
            quote!(#presence::Never)
        } else if self.serde.skip_serializing_if {
            quote!(#presence::Optional)
        } else {
            quote!(#presence::Required)
        }
    }
}

/// The node that a type has.
pub fn of_type(ty: &Type) -> TokenStream {
    quote_spanned!(ty.span()=> <#ty as ::skillhost_sdk::schema::Schema>::NODE)
}

/// `inner` with a description and keywords.
pub fn annotated(
    inner: &TokenStream,
    schema: &SchemaAttributes,
    docs: Option<&str>,
) -> TokenStream {
    let description = schema.description.as_deref().or(docs).map(description);
    if description.is_none() && schema.keywords.is_empty() {
        return inner.clone();
    }
    let keywords = schema.keywords.iter().map(|keyword| {
        let (name, value) = (keyword.name, &keyword.value);
        quote_spanned!(keyword.span=> ::skillhost_sdk::schema::Keyword::checked(&#inner, #name, #value))
    });
    let keywords = description.into_iter().chain(keywords);
    quote! {
        ::skillhost_sdk::schema::Node::Annotated { keywords: &[#(#keywords),*], inner: &#inner }
    }
}

/// A schema written by hand. What it states itself is not stated again.
pub fn raw(
    members: &[(String, String)],
    schema: &SchemaAttributes,
    docs: Option<&str>,
) -> TokenStream {
    let states = |name: &str| members.iter().any(|(member, _)| member == name);
    let described = SchemaAttributes {
        description: schema.description.clone(),
        raw: None,
        keywords: schema
            .keywords
            .iter()
            .filter(|keyword| !states(keyword.name))
            .map(clone_keyword)
            .collect(),
    };
    let docs = docs.filter(|_| !states("description"));
    let names = members.iter().map(|(name, _)| name);
    let values = members.iter().map(|(_, json)| json);
    let inner = quote!(::skillhost_sdk::schema::Node::Raw { members: &[#((#names, #values)),*] });
    annotated(&inner, &described, docs)
}

fn clone_keyword(keyword: &crate::attributes::Keyword) -> crate::attributes::Keyword {
    crate::attributes::Keyword {
        name: keyword.name,
        value: keyword.value.clone(),
        span: keyword.span,
    }
}

/// A property that always has the same text.
pub fn constant_field(name: &str, value: &str) -> TokenStream {
    let node = constant(value);
    required_field(name, &node, false)
}

/// A property that is always there.
pub fn required_field(name: &str, node: &TokenStream, flatten: bool) -> TokenStream {
    quote! {
        ::skillhost_sdk::schema::Field {
            name: #name,
            node: &#node,
            flatten: #flatten,
            input: ::skillhost_sdk::schema::Presence::Required,
            output: ::skillhost_sdk::schema::Presence::Required,
        }
    }
}

/// Exactly this text.
pub fn constant(value: &str) -> TokenStream {
    quote!(::skillhost_sdk::schema::Node::Constant { value: #value })
}

/// An object of these properties.
pub fn object(fields: &[TokenStream]) -> TokenStream {
    quote!(::skillhost_sdk::schema::Node::Object { fields: &[#(#fields),*] })
}

fn description(text: &str) -> TokenStream {
    quote! {
        ::skillhost_sdk::schema::Keyword {
            name: "description",
            value: ::skillhost_sdk::schema::Literal::Text(#text),
        }
    }
}

/// Whether serde takes an absent field as `None`, which it sees from the type's
/// name as well.
fn is_option(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "Option")
}
