//! `steps![..]`: from the functions' names to what serves them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Ident, Path, Token};

use crate::names::pascal;

pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Punctuated<Path, Token![,]>> {
    Punctuated::parse_terminated_with(input, Path::parse_mod_style)
}

pub(crate) fn expand(paths: Punctuated<Path, Token![,]>) -> TokenStream {
    let mut types = Vec::new();
    for mut path in paths {
        let Some(last) = path.segments.last_mut() else { continue };
        last.ident = Ident::new(&pascal(&last.ident.unraw().to_string()), last.ident.span());
        types.push(path);
    }
    quote! {{
        const STEPS: &[::stepwright::lambda::StepEntry] =
            &[#(::stepwright::lambda::StepEntry::of::<#types>()),*];
        STEPS
    }}
}
