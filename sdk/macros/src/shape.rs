//! `#[derive(Shape)]`: structs, and what structs and variants have in common.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, GenericParam, Generics, Ident, PathArguments, Type,
    Visibility, parse_quote,
};

use crate::names::Case;
use crate::serde_attributes::{Container, Member};
use crate::{cases, docs};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    if let Some(lifetime) = input.generics.lifetimes().next() {
        return Err(syn::Error::new(
            lifetime.span(),
            "what travels between states owns its data; use `String` or `Vec<..>` instead of a reference",
        ));
    }
    match &input.data {
        Data::Struct(data) => expand_struct(input, &data.fields),
        Data::Enum(data) => cases::expand(input, data),
        Data::Union(data) => {
            Err(syn::Error::new(data.union_token.span, "a union has no JSON form; use a struct or an enum"))
        }
    }
}

fn expand_struct(input: &DeriveInput, fields: &Fields) -> syn::Result<TokenStream> {
    let container = Container::read(&input.attrs)?;
    if let Some((_, span)) = container.tag {
        return Err(syn::Error::new(span, "a tag on a struct is a constant; make it a field or an enum"));
    }
    let Fields::Named(fields) = fields else {
        return Err(syn::Error::new(
            fields_span(input, fields),
            "what travels between states has named fields; write `struct Name { field: Type }`",
        ));
    };
    let type_name = &input.ident;
    let name = type_name.unraw().to_string();
    let generics = with_shape_bounds(&input.generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let projection = Projection {
        name: format_ident!("{}Expr", type_name.unraw(), span = type_name.span()),
        doc: format!(
            "A [`{name}`] in a workflow: what `Expr<{name}>` dereferences to, and the way to build one."
        ),
        visibility: &input.vis,
        generics: &generics,
        members: members(fields.named.iter(), container.rename_all, container.default)?,
    };
    let structure = projection.structure();
    let of_node = projection.of_node();
    let object = projection.object(&quote!(#type_name #type_generics), None);
    let projection_name = &projection.name;
    Ok(quote! {
        #structure

        #[automatically_derived]
        impl #impl_generics ::stepwright::Shape for #type_name #type_generics #where_clause {
            type Fields = #projection_name #type_generics;
            const NAME: &'static str = #name;
            fn fields(node: ::stepwright::ir::NodeRef) -> Self::Fields {
                #of_node
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics ::stepwright::IntoExpr<#type_name #type_generics>
            for #projection_name #type_generics #where_clause
        {
            fn into_expr(self) -> ::stepwright::Expr<#type_name #type_generics> {
                #object
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics ::stepwright::Produces<#type_name #type_generics>
            for #projection_name #type_generics #where_clause
        {
            fn produce(self) -> ::core::option::Option<::stepwright::ir::NodeRef> {
                ::core::option::Option::Some(::stepwright::IntoExpr::into_expr(self).node())
            }
        }
    })
}

/// A struct with one workflow value per field of a type.
pub(crate) struct Projection<'a> {
    pub(crate) name: Ident,
    pub(crate) doc: String,
    pub(crate) visibility: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) members: Vec<ProjectedMember<'a>>,
}

/// A field of a type, as a workflow sees it.
pub(crate) struct ProjectedMember<'a> {
    ident: &'a Ident,
    docs: Vec<&'a Attribute>,
    visibility: &'a Visibility,
    /// The type of the value in a workflow.
    shape: Type,
    /// The name in JSON.
    name: String,
    optional: bool,
}

impl<'a> ProjectedMember<'a> {
    /// Fields of a variant are as visible as their enum.
    pub(crate) fn visible_as(&mut self, visibility: &'a Visibility) {
        self.visibility = visibility;
    }
}

impl Projection<'_> {
    pub(crate) fn structure(&self) -> TokenStream {
        let Self { name, doc, visibility, generics, members } = self;
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        let fields = members.iter().map(|member| {
            let ProjectedMember { ident, docs, visibility, shape, .. } = member;
            quote! { #(#docs)* #visibility #ident: ::stepwright::Expr<#shape> }
        });
        let idents: Vec<_> = members.iter().map(|member| member.ident).collect();
        let text = name.to_string();
        let labels = idents.iter().map(|ident| ident.unraw().to_string());
        quote! {
            #[doc = #doc]
            #visibility struct #name #impl_generics #where_clause {
                #(#fields,)*
            }

            #[automatically_derived]
            impl #impl_generics ::core::clone::Clone for #name #type_generics #where_clause {
                fn clone(&self) -> Self {
                    *self
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::marker::Copy for #name #type_generics #where_clause {}

            #[automatically_derived]
            impl #impl_generics ::core::fmt::Debug for #name #type_generics #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#text) #(.field(#labels, &self.#idents))* .finish()
                }
            }
        }
    }

    /// The projection of the value at `node`.
    pub(crate) fn of_node(&self) -> TokenStream {
        let name = &self.name;
        let fields = self.members.iter().map(|ProjectedMember { ident, name, optional, .. }| {
            quote! { #ident: ::stepwright::generated::field(node, #name, #optional) }
        });
        // A struct without fields leaves `node` unused.
        quote! {{ let _ = node; #name { #(#fields),* } }}
    }

    /// The object made of `self`, with the tag of a variant first.
    pub(crate) fn object(&self, of: &TokenStream, tag: Option<(&str, &str)>) -> TokenStream {
        let tag = tag.map(|(name, value)| {
            quote! {
                ::stepwright::generated::member(
                    #name,
                    ::stepwright::lit(::std::string::String::from(#value)),
                    false,
                ),
            }
        });
        let members = self.members.iter().map(|ProjectedMember { ident, name, optional, .. }| {
            quote! { ::stepwright::generated::member(#name, self.#ident, #optional) }
        });
        quote! {
            ::stepwright::generated::object::<#of>(::std::vec![#tag #(#members),*])
        }
    }
}

/// The fields a workflow sees.
pub(crate) fn members<'a>(
    fields: impl Iterator<Item = &'a Field>,
    rename_all: Option<Case>,
    default_all: bool,
) -> syn::Result<Vec<ProjectedMember<'a>>> {
    let mut members = Vec::new();
    let mut problems: Option<syn::Error> = None;
    for field in fields {
        match member(field, rename_all, default_all) {
            Ok(member) => members.extend(member),
            Err(problem) => match &mut problems {
                Some(problems) => problems.combine(problem),
                None => problems = Some(problem),
            },
        }
    }
    problems.map_or(Ok(members), Err)
}

fn member(
    field: &Field,
    rename_all: Option<Case>,
    default_all: bool,
) -> syn::Result<Option<ProjectedMember<'_>>> {
    let Some(ident) = &field.ident else { return Ok(None) };
    let serde = Member::read(&field.attrs)?;
    if serde.skip {
        return Ok(None);
    }
    let is_option = is_option(&field.ty);
    let has_default = serde.default || default_all;
    if let Some(span) = serde.skip_serializing_if
        && !is_option
        && !has_default
    {
        return Err(syn::Error::new(
            span,
            "a field that may be left out must be readable without: add `default`, or make it an `Option`",
        ));
    }
    let plain = ident.unraw().to_string();
    let name = serde.rename.unwrap_or_else(|| rename_all.map_or(plain.clone(), |case| case.of_field(&plain)));
    let inner = &field.ty;
    // Whatever its Rust type says, a field with a default may be missing in JSON.
    let shape =
        if has_default && !is_option { parse_quote!(::core::option::Option<#inner>) } else { inner.clone() };
    Ok(Some(ProjectedMember {
        ident,
        docs: docs::attributes(&field.attrs).collect(),
        visibility: &field.vis,
        shape,
        name,
        optional: is_option || has_default,
    }))
}

/// Written as `Option<..>`: serde's derive decides by the same look.
fn is_option(of: &Type) -> bool {
    match of {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            segment.ident == "Option" && matches!(segment.arguments, PathArguments::AngleBracketed(_))
        }),
        Type::Group(group) => is_option(&group.elem),
        _ => false,
    }
}

pub(crate) fn with_shape_bounds(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(parse_quote!(::stepwright::Shape));
        }
    }
    generics
}

fn fields_span(input: &DeriveInput, fields: &Fields) -> proc_macro2::Span {
    match fields {
        Fields::Unnamed(fields) => fields.span(),
        _ => input.ident.span(),
    }
}
