//! `Serialize` and `Deserialize` without serde among the skill's dependencies.
//!
//! serde's own derive writes `extern crate serde`, unless the type names
//! another path. So the type is copied under another name with that path and
//! `remote`, which makes serde's derive write the code for the original.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, GenericParam, Generics, Result, Type, parse_quote,
};

use crate::attributes::{Keyword, SchemaAttributes};

pub fn serialize(input: &DeriveInput) -> Result<TokenStream> {
    let (name, copy) = (&input.ident, copy_name(input));
    let definition = copy_of(input);
    let bounded = with_bound(&input.generics, &quote!(::skillhost_sdk::serde::Serialize));
    let (generics, _, conditions) = bounded.split_for_impl();
    let (_, arguments, _) = input.generics.split_for_impl();
    Ok(quote! {
        #[allow(non_camel_case_types, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic, reason = "generated")]
        const _: () = {
            #[derive(::skillhost_sdk::serde::Serialize)]
            #definition

            impl #generics ::skillhost_sdk::serde::Serialize for #name #arguments #conditions {
                fn serialize<__S: ::skillhost_sdk::serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    #copy::serialize(self, serializer)
                }
            }
        };
    })
}

pub fn deserialize(input: &DeriveInput) -> Result<TokenStream> {
    let (name, copy) = (&input.ident, copy_name(input));
    let mut input = input.clone();
    let defaults = take_defaults(&mut input)?;
    let definition = copy_of(&input);
    let mut bounded = with_bound(
        &input.generics,
        &quote!(::skillhost_sdk::serde::Deserialize<'de>),
    );
    let lifetimes: Vec<_> = input
        .generics
        .lifetimes()
        .map(|parameter| parameter.lifetime.clone())
        .collect();
    bounded.params.insert(0, parse_quote!('de #(: #lifetimes)*));
    let (generics, _, conditions) = bounded.split_for_impl();
    let (_, arguments, _) = input.generics.split_for_impl();
    Ok(quote! {
        #[allow(non_camel_case_types, non_snake_case, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic, reason = "generated")]
        const _: () = {
            #(#defaults)*

            #[derive(::skillhost_sdk::serde::Deserialize)]
            #definition

            impl #generics ::skillhost_sdk::serde::Deserialize<'de> for #name #arguments #conditions {
                fn deserialize<__D: ::skillhost_sdk::serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #copy::deserialize(deserializer)
                }
            }
        };
    })
}

/// `#[serde(default = "...")]`, naming the function of [`default_function`].
pub fn default_attribute(field: &Ident) -> Attribute {
    let function = default_name(field).to_string();
    parse_quote!(#[serde(default = #function)])
}

/// The function that makes the default value of a field.
pub fn default_function(field: &Ident, ty: &Type, default: &Keyword) -> TokenStream {
    let (name, value) = (default_name(field), &default.value);
    quote! {
        fn #name<__T: ::skillhost_sdk::serde::de::DeserializeOwned>() -> __T {
            const VALUE: ::skillhost_sdk::schema::Literal = #value;
            static JSON: [u8; VALUE.length()] = VALUE.render();
            ::skillhost_sdk::__private::default_value(&JSON)
        }
        #[allow(dead_code, reason = "shows at the right place that the type has no default")]
        const _: fn() = || { let _: fn() -> #ty = #name; };
    }
}

fn default_name(field: &Ident) -> Ident {
    format_ident!("__default_{field}")
}

/// Gives each field with `#[schema(default = ...)]` serde's attribute for it.
fn take_defaults(input: &mut DeriveInput) -> Result<Vec<TokenStream>> {
    let mut functions = Vec::new();
    for (index, field) in fields_mut(&mut input.data).into_iter().enumerate() {
        let schema = SchemaAttributes::parse(&field.attrs)?;
        let Some(default) = schema.stated_default() else {
            continue;
        };
        let name = match &field.ident {
            Some(name) => format_ident!("{}_{index}", name.unraw()),
            None => format_ident!("{index}"),
        };
        functions.push(default_function(&name, &field.ty, default));
        field.attrs.push(default_attribute(&name));
    }
    Ok(functions)
}

/// The type under another name, with nothing but serde's attributes.
fn copy_of(input: &DeriveInput) -> DeriveInput {
    let (_, arguments, _) = input.generics.split_for_impl();
    let (name, plain) = (&input.ident, input.ident.unraw().to_string());
    let original = name.to_string();
    let mut copy = input.clone();
    keep_serde(&mut copy.attrs);
    copy.attrs
        .push(parse_quote!(#[serde(crate = "::skillhost_sdk::serde", remote = #original)]));
    if !states_name(&input.attrs) {
        copy.attrs.push(parse_quote!(#[serde(rename = #plain)]));
    }
    if let Data::Enum(body) = &mut copy.data {
        body.variants
            .iter_mut()
            .for_each(|variant| keep_serde(&mut variant.attrs));
    }
    for field in fields_mut(&mut copy.data) {
        keep_serde(&mut field.attrs);
        let ty = &field.ty;
        let renamed = without_self(quote!(#ty), &quote!(#name #arguments));
        field.ty = Type::Verbatim(renamed);
    }
    copy.ident = copy_name(input);
    copy
}

fn copy_name(input: &DeriveInput) -> Ident {
    format_ident!("__{}", input.ident.unraw())
}

fn keep_serde(attributes: &mut Vec<Attribute>) {
    attributes
        .retain(|attribute| attribute.path().is_ident("serde") || attribute.path().is_ident("cfg"));
}

fn states_name(attributes: &[Attribute]) -> bool {
    let mut stated = false;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
    {
        // What is malformed is for serde's derive to refuse.
        let _ = attribute.parse_nested_meta(|meta| {
            stated |= meta.path.is_ident("rename");
            Err(meta.error(""))
        });
    }
    stated
}

fn fields_mut(data: &mut Data) -> Vec<&mut Field> {
    fn of(fields: &mut Fields) -> impl Iterator<Item = &mut Field> {
        fields.iter_mut()
    }
    match data {
        Data::Struct(body) => of(&mut body.fields).collect(),
        Data::Enum(body) => body
            .variants
            .iter_mut()
            .flat_map(|variant| of(&mut variant.fields))
            .collect(),
        Data::Union(_) => Vec::new(),
    }
}

/// In the copy, `Self` would be the copy.
fn without_self(tokens: TokenStream, name: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => name.clone(),
            TokenTree::Group(group) => {
                let inner = without_self(group.stream(), name);
                TokenTree::Group(Group::new(group.delimiter(), inner)).into()
            }
            other => other.into(),
        })
        .collect()
}

fn with_bound(generics: &Generics, bound: &TokenStream) -> Generics {
    let mut bounded = generics.clone();
    for parameter in &mut bounded.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(parse_quote!(#bound));
            parameter.default = None;
        }
    }
    bounded
}
