//! `#[derive(StepError)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use std::collections::BTreeSet;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, LitStr, Meta, Variant};

use crate::docs;
use crate::names::screaming;

struct Named<'a> {
    variant: &'a Ident,
    name: String,
    doc: String,
    message: Option<LitStr>,
    fields: Vec<&'a Ident>,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new(
            input.ident.span(),
            "a step's error is an enum: each variant is an error a workflow can retry or catch by name",
        ));
    };
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new(parameter.span(), "a step's error is not generic: its names are fixed"));
    }
    let prefix = match attribute_text(&input.attrs, "error_name")? {
        Some(text) => checked(&text)?,
        None => input.ident.unraw().to_string(),
    };
    let mut seen = BTreeSet::new();
    let mut variants = Vec::new();
    for variant in &data.variants {
        let named = named(&prefix, variant)?;
        if !seen.insert(named.name.clone()) {
            return Err(syn::Error::new(
                variant.ident.span(),
                format!("two variants have the error name `{}`", named.name),
            ));
        }
        variants.push(named);
    }
    Ok(tokens(&input.ident, &input.vis, &variants))
}

fn named<'a>(prefix: &str, variant: &'a Variant) -> syn::Result<Named<'a>> {
    let fields = match &variant.fields {
        Fields::Unit => Vec::new(),
        Fields::Named(fields) => fields.named.iter().filter_map(|field| field.ident.as_ref()).collect(),
        Fields::Unnamed(fields) => {
            return Err(syn::Error::new(
                fields.span(),
                "give what the error holds a name: `Variant { line: u64 }`; the message refers to it",
            ));
        }
    };
    let name = match attribute_text(&variant.attrs, "error_name")? {
        Some(text) => match checked(&text)? {
            whole if whole.contains('.') => whole,
            own => format!("{prefix}.{own}"),
        },
        None => format!("{prefix}.{}", variant.ident.unraw()),
    };
    let doc = docs::first_paragraph(&variant.attrs);
    Ok(Named {
        variant: &variant.ident,
        name,
        doc,
        message: attribute_text(&variant.attrs, "message")?,
        fields,
    })
}

fn tokens(type_name: &Ident, visibility: &syn::Visibility, variants: &[Named<'_>]) -> TokenStream {
    let idents: Vec<_> = variants.iter().map(|named| named.variant).collect();
    let names: Vec<_> = variants.iter().map(|named| &named.name).collect();
    let docs = variants.iter().map(|named| &named.doc);
    let count = variants.len();
    let constants = variants.iter().map(|Named { variant, name, .. }| {
        let constant = format_ident!("{}", screaming(&variant.unraw().to_string()), span = variant.span());
        let doc = format!("The name of [`{type_name}::{variant}`], `{name}`, for retriers and catchers.");
        quote! {
            #[doc = #doc]
            #visibility const #constant: ::stepwright::ErrorName<#type_name> =
                ::stepwright::ErrorName::new(#name);
        }
    });
    let messages = variants.iter().map(message);
    // An enum without variants has nothing to match by reference.
    let subject = if variants.is_empty() { quote!(*self) } else { quote!(self) };
    quote! {
        #[allow(dead_code, reason = "which errors are retried is up to the workflows")]
        impl #type_name {
            #(#constants)*

            /// Every error of the type, for `.lets_fail(..)`: what is neither retried nor
            /// caught fails the execution, where a redrive resumes.
            #visibility const EVERY: [::stepwright::ErrorName<#type_name>; #count] =
                [#(::stepwright::ErrorName::new(#names)),*];
        }

        #[automatically_derived]
        impl ::stepwright::StepError for #type_name {
            const ERRORS: &'static [::stepwright::ir::ErrorInfo] = &[
                #(::stepwright::ir::ErrorInfo { name: #names, doc: #docs }),*
            ];

            fn name(&self) -> &'static str {
                match #subject {
                    #(Self::#idents { .. } => #names,)*
                }
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Display for #type_name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match #subject {
                    #(#messages)*
                }
            }
        }

        #[automatically_derived]
        impl ::core::error::Error for #type_name {}
    }
}

/// The arm of `Display`: the format string, or the doc comment and the fields.
fn message(named: &Named<'_>) -> TokenStream {
    let Named { variant, message, fields, doc, name } = named;
    if let Some(message) = message {
        return quote! {
            #[allow(unused_variables, reason = "a message need not mention every field")]
            Self::#variant { #(#fields),* } => ::core::write!(f, #message),
        };
    }
    let text = if doc.is_empty() { name } else { doc.trim_end_matches('.') };
    if fields.is_empty() {
        return quote! { Self::#variant => f.write_str(#text), };
    }
    let labels = fields.iter().map(|field| field.unraw().to_string());
    let separators = std::iter::once(" (").chain(std::iter::repeat(", "));
    let heads: Vec<_> = separators.zip(labels).map(|(before, label)| format!("{before}{label}: ")).collect();
    quote! {
        Self::#variant { #(#fields),* } => {
            f.write_str(#text)?;
            #(::core::write!(f, "{}{:?}", #heads, #fields)?;)*
            f.write_str(")")
        }
    }
}

fn checked(text: &LitStr) -> syn::Result<String> {
    let name = text.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(allowed) || name.starts_with('.') || name.ends_with('.') {
        return Err(syn::Error::new(
            text.span(),
            "an error's name has letters, digits, `_`, `-` and inner dots",
        ));
    }
    if ["States", "Lambda", "Runtime", "Sandbox"].contains(&name.split('.').next().unwrap_or_default()) {
        return Err(syn::Error::new(text.span(), "error names that begin like this belong to AWS"));
    }
    Ok(name)
}

/// The text of `#[name = "text"]` or `#[name("text")]`.
fn attribute_text(attributes: &[Attribute], name: &str) -> syn::Result<Option<LitStr>> {
    let Some(attribute) = attributes.iter().find(|attribute| attribute.path().is_ident(name)) else {
        return Ok(None);
    };
    match &attribute.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(Some(text.clone())),
            other => Err(syn::Error::new(other.span(), "expected a text in quotes")),
        },
        Meta::List(list) => list.parse_args::<LitStr>().map(Some),
        Meta::Path(path) => Err(syn::Error::new(path.span(), format!("expected `{name} = \"..\"`"))),
    }
}
