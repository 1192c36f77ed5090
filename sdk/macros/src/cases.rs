//! `#[derive(Shape)]` on enums: texts, and internally tagged variants with a
//! struct of cases.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{DataEnum, DeriveInput, Fields, Generics, Ident, Type, Variant};

use crate::names::snake;
use crate::serde_attributes::{Container, Member};
use crate::shape::{Projection, members};

/// A variant and what a workflow gets of it.
struct Case<'a> {
    field: Ident,
    tag: String,
    docs: String,
    payload: Payload<'a>,
}

enum Payload<'a> {
    Nothing,
    /// The content of a newtype variant.
    Value(&'a Type),
    /// The fields of a struct variant.
    Fields(Projection<'a>),
}

pub(crate) fn expand(input: &DeriveInput, data: &DataEnum) -> syn::Result<TokenStream> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new(parameter.span(), "a workflow cannot tell the cases of a generic enum"));
    }
    let container = Container::read(&input.attrs)?;
    let tag = container.tag.as_ref().map(|(name, _)| name.as_str());
    // The projections of struct variants need generics to borrow; an enum has none.
    let no_generics = Generics::default();
    let mut cases = Vec::new();
    for variant in &data.variants {
        cases.extend(case(input, &container, variant, &no_generics)?);
    }
    if cases.is_empty() {
        return Err(syn::Error::new(input.ident.span(), "an enum without variants has no values"));
    }
    let type_name = &input.ident;
    let name = type_name.unraw().to_string();
    let none = || quote!(::core::option::Option::None);
    let tag_tokens = tag.map_or_else(none, |tag| quote!(::core::option::Option::Some(#tag)));
    let projections = cases.iter().filter_map(|case| projection(type_name, tag?, case));
    let projections: Vec<_> = projections.collect();
    let cases_struct = (cases.len() > 1).then(|| cases_struct(input, &cases));
    Ok(quote! {
        #[automatically_derived]
        impl ::stepwright::Shape for #type_name {
            type Fields = ::stepwright::Scalar;
            const NAME: &'static str = #name;
            fn fields(_: ::stepwright::ir::NodeRef) -> ::stepwright::Scalar {
                ::stepwright::generated::scalar()
            }
        }

        #[automatically_derived]
        impl ::stepwright::Tagged for #type_name {
            const TAG: ::core::option::Option<&'static str> = #tag_tokens;
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl ::stepwright::IntoExpr<#type_name> for #type_name {
            fn into_expr(self) -> ::stepwright::Expr<#type_name> {
                ::stepwright::lit(self)
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl ::stepwright::Operand<#type_name> for #type_name {
            fn operand(self) -> ::stepwright::ir::NodeRef {
                ::stepwright::lit(self).node()
            }
        }

        #(#projections)*
        #cases_struct
    })
}

fn case<'a>(
    input: &'a DeriveInput,
    container: &Container,
    variant: &'a Variant,
    generics: &'a Generics,
) -> syn::Result<Option<Case<'a>>> {
    let serde = Member::read(&variant.attrs)?;
    if serde.skip {
        return Ok(None);
    }
    let payload = match &variant.fields {
        Fields::Unit => Payload::Nothing,
        fields if container.tag.is_none() => {
            return Err(syn::Error::new(
                fields.span(),
                "a variant that holds something needs a tag: put `#[serde(tag = \"kind\")]` on the enum",
            ));
        }
        Fields::Unnamed(fields) => match fields.unnamed.first() {
            Some(field) if fields.unnamed.len() == 1 => Payload::Value(&field.ty),
            _ => {
                return Err(syn::Error::new(
                    fields.span(),
                    "a variant holds nothing, one struct, or named fields: write `Variant { field: Type }`",
                ));
            }
        },
        Fields::Named(fields) => {
            let rename_all = serde.rename_all.or(container.rename_all_fields);
            let mut members = members(fields.named.iter(), rename_all, false)?;
            for member in &mut members {
                member.visible_as(&input.vis);
            }
            Payload::Fields(Projection {
                name: format_ident!("{}{}Expr", input.ident.unraw(), variant.ident.unraw()),
                doc: format!(
                    "The fields of [`{0}::{1}`] in a workflow, and the way to build one.",
                    input.ident, variant.ident
                ),
                visibility: &input.vis,
                generics,
                members,
            })
        }
    };
    let plain = variant.ident.unraw().to_string();
    let tag = serde
        .rename
        .unwrap_or_else(|| container.rename_all.map_or(plain.clone(), |case| case.of_variant(&plain)));
    let field = snake(&plain);
    let field = syn::parse_str::<Ident>(&field).unwrap_or_else(|_| format_ident!("r#{field}"));
    let docs = format!("What happens in the case of [`{}::{plain}`].", input.ident);
    Ok(Some(Case { field, tag, docs, payload }))
}

/// The projection of a struct variant and its way into an expression.
fn projection(type_name: &Ident, tag: &str, case: &Case<'_>) -> Option<TokenStream> {
    let Payload::Fields(projection) = &case.payload else { return None };
    let structure = projection.structure();
    let name = &projection.name;
    let object = projection.object(&quote!(#type_name), Some((tag, &case.tag)));
    Some(quote! {
        #structure

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl ::stepwright::IntoExpr<#type_name> for #name {
            fn into_expr(self) -> ::stepwright::Expr<#type_name> {
                #object
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl ::stepwright::Produces<#type_name> for #name {
            fn produce(self) -> ::core::option::Option<::stepwright::ir::NodeRef> {
                ::core::option::Option::Some(::stepwright::IntoExpr::into_expr(self).node())
            }
        }
    })
}

fn cases_struct(input: &DeriveInput, cases: &[Case<'_>]) -> TokenStream {
    let type_name = &input.ident;
    let visibility = &input.vis;
    let struct_name = format_ident!("{}Cases", type_name.unraw(), span = type_name.span());
    let text = struct_name.to_string();
    let doc = format!("What happens in each case of [`{type_name}`]: one closure per variant.");
    let closures: Vec<_> = (0..cases.len()).map(|at| format_ident!("F{at}")).collect();
    let fields: Vec<_> = cases.iter().map(|case| &case.field).collect();
    let docs = cases.iter().map(|case| &case.docs);
    let tags = cases.iter().map(|case| &case.tag);
    let traits: Vec<_> = cases
        .iter()
        .map(|case| match &case.payload {
            Payload::Nothing => quote!(::stepwright::UnitCase),
            Payload::Value(inner) => quote!(::stepwright::Case<::stepwright::Expr<#inner>>),
            Payload::Fields(Projection { name, .. }) => quote!(::stepwright::Case<#name>),
        })
        .collect();
    let calls = cases.iter().map(|Case { field, payload, .. }| match payload {
        Payload::Nothing => quote!((self.#field)(flow)),
        Payload::Value(_) => quote!((self.#field)(flow, ::stepwright::Expr::from_node(node))),
        Payload::Fields(projection) => {
            let of_node = projection.of_node();
            quote!((self.#field)(flow, #of_node))
        }
    });
    quote! {
        #[doc = #doc]
        #visibility struct #struct_name<#(#closures),*> where #(#closures: #traits),* {
            #(#[doc = #docs] #visibility #fields: #closures,)*
        }

        #[automatically_derived]
        impl<#(#closures: #traits),*> ::core::fmt::Debug for #struct_name<#(#closures),*> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#text)
            }
        }

        #[automatically_derived]
        impl<#(#closures,)* Produced> ::stepwright::Cases<#type_name, Produced> for #struct_name<#(#closures),*>
        where
            Produced: ::stepwright::Shape,
            #(#closures: #traits, <#closures as #traits>::Out: ::stepwright::Produces<Produced>,)*
        {
            fn blocks(
                self,
                node: ::stepwright::ir::NodeRef,
                flow: &mut ::stepwright::Flow,
            ) -> ::std::vec::Vec<::stepwright::generated::CaseBlock> {
                let _ = node;
                ::std::vec![#(
                    ::stepwright::generated::CaseBlock {
                        tag: #tags,
                        body: flow.block::<Produced, _>(|flow| #calls),
                    }
                ),*]
            }
        }
    }
}
