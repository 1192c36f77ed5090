//! `#[step]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::spanned::Spanned as _;
use syn::{FnArg, GenericArgument, Ident, ItemFn, LitInt, PathArguments, ReturnType, Type, parse_quote};

use crate::docs;
use crate::names::pascal;

/// MiB; enough CPU to be quick, little enough to be cheap.
const MEMORY_DEFAULT: u32 = 512;
/// Seconds.
const TIMEOUT_DEFAULT: u32 = 60;

/// The attribute's arguments.
struct Settings {
    memory: u32,
    timeout: u32,
}

/// What the function's signature says.
struct Signature {
    input: Type,
    has_input: bool,
    /// Every argument after the input, in order.
    more: Vec<Argument>,
    /// What a workflow gets: of a step that waits, the answer.
    output: Type,
    waits: bool,
    error: Type,
}

/// An argument beside a step's input.
enum Argument {
    Handle(Box<Type>),
    Callback,
}

impl Signature {
    fn handles(&self) -> impl Iterator<Item = &Type> {
        self.more.iter().filter_map(|argument| match argument {
            Argument::Handle(handle) => Some(&**handle),
            Argument::Callback => None,
        })
    }
}

pub(crate) fn expand(arguments: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let settings = Settings::parse(arguments)?;
    let signature = Signature::read(function)?;
    let step = format_ident!(
        "{}",
        pascal(&function.sig.ident.unraw().to_string()),
        span = function.sig.ident.span()
    );
    let handle = handle(&step, function);
    let description = description(&step, function, &signature, &settings);
    let constructor = constructor(&step, function, &signature);
    let serve = serve(&step, &signature);
    let waits = signature.waits.then(|| {
        quote! {
            #[automatically_derived]
            impl ::stepwright::Waits for #step {}
        }
    });
    let error = &signature.error;
    // Spanned at the type: a type that is no step error is reported there.
    let raised = quote_spanned! {error.span()=>
        #[automatically_derived]
        impl ::stepwright::RaisedBy<#step> for ::stepwright::ErrorName<#error> {}
    };
    Ok(quote! {
        #handle
        #description
        #raised
        #waits
        #constructor
        ::stepwright::__when_serving! { #serve }
    })
}

/// The marker type with the author's function on it.
fn handle(step: &Ident, function: &ItemFn) -> TokenStream {
    let visibility = &function.vis;
    let docs: Vec<_> = docs::attributes(&function.attrs).collect();
    let mut handle = function.clone();
    let original = handle.sig.ident.clone();
    handle.sig.ident = Ident::new("handle", original.span());
    let step_doc = format!("The step `{}`.", original.unraw());
    let docs = if docs.is_empty() { quote!(#[doc = #step_doc]) } else { quote!(#(#docs)*) };
    if docs::attributes(&handle.attrs).next().is_none() {
        handle.attrs.push(parse_quote!(#[doc = #step_doc]));
    }
    quote! {
        #docs
        #[derive(Debug, Clone, Copy)]
        #visibility struct #step;

        impl #step {
            #[allow(clippy::unused_async, reason = "a step is async whether it waits or not")]
            #handle
        }
    }
}

fn description(step: &Ident, function: &ItemFn, signature: &Signature, settings: &Settings) -> TokenStream {
    let Signature { input, output, error, waits, .. } = signature;
    let handles = signature.handles();
    let Settings { memory, timeout } = settings;
    let name = function.sig.ident.unraw().to_string().replace('_', "-");
    let doc = docs::first_paragraph(&function.attrs);
    let line = u32::try_from(function.sig.ident.span().unwrap().line()).unwrap_or_default();
    quote! {
        #[automatically_derived]
        impl ::stepwright::Step for #step {
            type Input = #input;
            type Output = #output;
            type Error = #error;
            const INFO: ::stepwright::ir::StepInfo =
                ::stepwright::generated::step_info::<Self>(::stepwright::generated::Written {
                    name: #name,
                    doc: #doc,
                    package: ::core::env!("CARGO_PKG_NAME"),
                    location: ::stepwright::ir::Location { file: ::core::file!(), line: #line },
                    memory_mib: #memory,
                    timeout_seconds: #timeout,
                    waits: #waits,
                    grants: || {
                        let grants: [::core::option::Option<::stepwright::ir::Grant>; _] =
                            [#(<#handles as ::stepwright::resource::Handle>::grant()),*];
                        grants.into_iter().flatten().collect()
                    },
                });
        }
    }
}

/// The function a workflow calls.
fn constructor(step: &Ident, function: &ItemFn, signature: &Signature) -> TokenStream {
    let visibility = &function.vis;
    let name = &function.sig.ident;
    let input = &signature.input;
    let paragraph = docs::first_paragraph(&function.attrs);
    let doc = format!(
        "{paragraph}\n\nA call of the step [`{step}`]; it does nothing until it is run with `.run(w)`."
    );
    if signature.has_input {
        quote! {
            #[doc = #doc]
            #[track_caller]
            #visibility fn #name<'a>(input: impl ::stepwright::IntoExpr<#input>) -> ::stepwright::Call<'a, #step> {
                ::stepwright::Call::new(input)
            }
        }
    } else {
        quote! {
            #[doc = #doc]
            #[track_caller]
            #visibility fn #name<'a>() -> ::stepwright::Call<'a, #step> {
                ::stepwright::Call::new(())
            }
        }
    }
}

/// The wrapper that decodes, opens, calls and encodes.
fn serve(step: &Ident, signature: &Signature) -> TokenStream {
    let handles = signature.handles();
    let name = |at: usize| format_ident!("handle_{at}");
    let opened = signature.more.iter().enumerate().filter_map(|(at, argument)| match argument {
        Argument::Handle(_) => Some(name(at)),
        Argument::Callback => None,
    });
    let passed = signature.more.iter().enumerate().map(|(at, argument)| match argument {
        Argument::Handle(_) => name(at),
        Argument::Callback => format_ident!("callback"),
    });
    let (decode, encode) = if signature.waits {
        let decode = quote!(let (input, callback) = ::stepwright::lambda::decode_call::<#step>(payload)?;);
        (decode, quote!(encode_call))
    } else if signature.has_input {
        (quote!(let input = ::stepwright::lambda::decode::<#step>(payload)?;), quote!(encode))
    } else {
        (quote!(let _ = payload;), quote!(encode))
    };
    let input = signature.has_input.then(|| quote!(input,));
    quote! {
        #[automatically_derived]
        impl ::stepwright::lambda::Serve for #step {
            fn serve<'a>(
                payload: ::stepwright::lambda::Payload,
                surroundings: &'a ::stepwright::lambda::Surroundings<'a>,
            ) -> ::stepwright::lambda::Answer<'a> {
                ::std::boxed::Box::pin(async move {
                    #decode
                    #(let #opened = <#handles as ::stepwright::resource::Handle>::open(surroundings)?;)*
                    let _ = surroundings;
                    ::stepwright::lambda::#encode::<#step>(#step::handle(#input #(#passed),*).await)
                })
            }
        }
    }
}

impl Settings {
    fn parse(arguments: TokenStream) -> syn::Result<Self> {
        let mut settings = Self { memory: MEMORY_DEFAULT, timeout: TIMEOUT_DEFAULT };
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("memory") {
                // AWS quota: 128 to 10,240 MiB.
                settings.memory = number(&meta, 128, 10_240, "MiB of memory")?;
            } else if meta.path.is_ident("timeout") {
                // AWS quota: 900 s.
                settings.timeout = number(&meta, 1, 900, "seconds")?;
            } else {
                return Err(meta.error("a step has the settings `memory` (MiB) and `timeout` (seconds)"));
            }
            Ok(())
        });
        parser.parse2(arguments)?;
        Ok(settings)
    }
}

fn number(meta: &syn::meta::ParseNestedMeta<'_>, min: u32, max: u32, unit: &str) -> syn::Result<u32> {
    let literal: LitInt = meta.value()?.parse()?;
    let number: u32 = literal.base10_parse()?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(syn::Error::new(literal.span(), format!("a Lambda function has {min} to {max} {unit}")))
    }
}

impl Signature {
    fn read(function: &ItemFn) -> syn::Result<Self> {
        let signature = &function.sig;
        if signature.asyncness.is_none() {
            return Err(syn::Error::new(signature.fn_token.span, "a step is an `async fn`"));
        }
        if let Some(parameter) = signature.generics.params.first() {
            return Err(syn::Error::new(
                parameter.span(),
                "a step is one Lambda function: it cannot be generic over types or lifetimes",
            ));
        }
        let mut arguments = Vec::new();
        for argument in &signature.inputs {
            match argument {
                FnArg::Typed(argument) => arguments.push((*argument.ty).clone()),
                FnArg::Receiver(receiver) => {
                    return Err(syn::Error::new(receiver.span(), "a step is a free function"));
                }
            }
        }
        let (returned, error) = result(&signature.output, signature.ident.span())?;
        let mut arguments = arguments.into_iter();
        let input = arguments.next();
        if let Some(callback) = input.as_ref().filter(|input| answer_of(input).is_some()) {
            return Err(syn::Error::new(
                callback.span(),
                "the first argument is what the step is called with, `()` if nothing: `Callback<..>` comes after it",
            ));
        }
        let (more, answer) = more(arguments)?;
        if answer.is_some() && !matches!(&returned, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            return Err(syn::Error::new(
                returned.span(),
                "a step that takes `Callback<..>` returns `Result<(), Error>`: what a workflow gets is the answer",
            ));
        }
        let has_input = input.is_some();
        let input = input.unwrap_or_else(|| parse_quote!(()));
        let waits = answer.is_some();
        Ok(Self { input, has_input, more, output: answer.unwrap_or(returned), waits, error })
    }
}

/// The arguments beside the input, and the answer's type of the callback among them.
fn more(arguments: impl Iterator<Item = Type>) -> syn::Result<(Vec<Argument>, Option<Type>)> {
    let mut more = Vec::new();
    let mut answer = None;
    for argument in arguments {
        match answer_of(&argument) {
            None => more.push(Argument::Handle(Box::new(argument))),
            Some(_) if answer.is_some() => {
                return Err(syn::Error::new(
                    argument.span(),
                    "a step waits for one answer: it takes one `Callback<..>`",
                ));
            }
            found => {
                answer = found;
                more.push(Argument::Callback);
            }
        }
    }
    Ok((more, answer))
}

/// `Answer` of `Callback<Answer>`. By its name: what a workflow gets of the step depends on it.
fn answer_of(argument: &Type) -> Option<Type> {
    let Type::Path(path) = argument else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Callback")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of.clone()),
        _ => None,
    })
}

/// `Output` and `Error` of `Result<Output, Error>`.
fn result(output: &ReturnType, function: Span) -> syn::Result<(Type, Type)> {
    const EXPECTED: &str = "a step returns `Result<Output, Error>`, where `Error` derives `StepError`";
    let ReturnType::Type(_, of) = output else {
        return Err(syn::Error::new(function, EXPECTED));
    };
    let wrong = || syn::Error::new(of.span(), EXPECTED);
    let Type::Path(path) = &**of else { return Err(wrong()) };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Result").ok_or_else(wrong)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Err(wrong()) };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of.clone()),
        _ => None,
    });
    match (types.next(), types.next(), types.next()) {
        (Some(output), Some(error), None) => Ok((output, error)),
        _ => Err(wrong()),
    }
}
