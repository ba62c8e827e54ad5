//! `#[state]`: a type whose methods are functions and hooks.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Result, ReturnType, Type};

use crate::item::{self, Expanded, Kind, Source};
use crate::signature;

/// Expands the `impl` of a state.
pub(crate) fn expand(arguments: TokenStream, mut item: ItemImpl) -> TokenStream {
    let exported = exported(arguments, &mut item).unwrap_or_else(|error| {
        let (error, state) = (error.into_compile_error(), &item.self_ty);
        // Exported all the same: one mistake is one error.
        let export = item.generics.params.is_empty().then(|| {
            quote! { impl pylm::Export for #state { const EXPORTS: pylm::Exports = pylm::Exports::NONE; } }
        });
        quote! { #error #export }
    });
    for member in &mut item.items {
        let ImplItem::Fn(method) = member else { continue };
        while take(&mut method.attrs, |name| name == "start" || Kind::named(name).is_some()).is_some() {}
    }
    quote! {
        #item

        const _: () = {
            use ::pylm_plugin_api::__private as pylm;
            #exported
        };
    }
}

/// Takes the marks off the methods, and makes of them what the plugin exports.
fn exported(arguments: TokenStream, item: &mut ItemImpl) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`#[state]` takes nothing"));
    }
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "a plugin's state has no parameters"));
    }
    let state = item.self_ty.to_token_stream();
    let mut start = None;
    let mut expanded = Vec::new();
    let mut markers = Vec::new();
    for member in &mut item.items {
        let ImplItem::Fn(method) = member else { continue };
        if let Some(attribute) = take(&mut method.attrs, |name| name == "start") {
            if start.is_some() {
                return Err(Error::new_spanned(attribute, "a state starts in one way only"));
            }
            start = Some(expand_start(&state, method)?);
        } else if let Some(attribute) = take(&mut method.attrs, |name| Kind::named(name).is_some()) {
            let marker = format_ident!("__pylm_{}", method.sig.ident);
            expanded.push(expand_method(&state, &attribute, method, &marker)?);
            markers.push(marker);
        }
    }
    let Some(start) = start else {
        return Err(Error::new_spanned(
            &item.self_ty,
            "mark the function that makes this state with `#[start]`: `fn new() -> Self`, or `fn new(settings: Settings) -> \
             Result<Self, …>`",
        ));
    };
    let lists = [Kind::Function, Kind::Scatter, Kind::Gather, Kind::Join, Kind::Route].map(|kind| {
        let list = kind.list();
        let elements = expanded.iter().filter(|item| item.kind == kind).map(|item| &item.element);
        quote!(#list: &[#(#elements),*])
    });
    let impls = expanded.iter().map(|item| &item.impls);
    let records = expanded.iter().map(|item| &item.record);
    Ok(quote! {
        struct __PylmStart;
        #start
        #(
            #[allow(non_camel_case_types)]
            struct #markers;
        )*
        #(#impls)*

        const KEYS: &[pylm::Key] = <<__PylmStart as pylm::Start>::Config as pylm::Config>::KEYS;
        const LISTS: &[&[pylm::Entry]] = &[&[#(#records),*], &pylm::settings::<{ KEYS.len() }>(KEYS)];

        impl pylm::Export for #state {
            const EXPORTS: pylm::Exports = pylm::Exports {
                state: ::core::option::Option::Some(pylm::Lifecycle::of::<__PylmStart>()),
                #(#lists,)*
                entries: &pylm::concat::<pylm::Entry, { pylm::total(LISTS) }>(LISTS),
            };
        }
    })
}

fn expand_method(
    state: &TokenStream,
    attribute: &Attribute,
    method: &ImplItemFn,
    marker: &syn::Ident,
) -> Result<Expanded> {
    let name = attribute.path().segments.last().map(|segment| &segment.ident);
    let Some(kind) = name.and_then(Kind::named) else {
        return Err(Error::new_spanned(attribute, "no function or hook of a plugin"));
    };
    let arguments = match &attribute.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let ident = &method.sig.ident;
    item::expand(Source {
        kind,
        arguments,
        signature: &method.sig,
        marker,
        callee: quote!(<#state>::#ident),
        state: state.clone(),
    })
}

fn expand_start(state: &TokenStream, method: &ImplItemFn) -> Result<TokenStream> {
    signature::plain(&method.sig)?;
    let ident = &method.sig.ident;
    let mut inputs = method.sig.inputs.iter();
    let (config, passed) = match (inputs.next(), inputs.next()) {
        (None, None) => (quote!(pylm::NoConfig), quote!()),
        (Some(FnArg::Typed(typed)), None) if !matches!(*typed.ty, Type::Reference(_)) => {
            (typed.ty.to_token_stream(), quote!(config))
        }
        _ => {
            let text = "`#[start]` takes nothing, or the plugin's settings by value: `settings: Settings`, a struct that is \
                        marked with `#[config]`";
            return Err(Error::new_spanned(&method.sig.inputs, text));
        }
    };
    let ReturnType::Type(_, returned) = &method.sig.output else {
        return Err(Error::new_spanned(
            ident,
            "`#[start]` returns the state: `-> Self`, or `-> Result<Self, …>`",
        ));
    };
    let value = Ident::new("__pylm_made", returned.span());
    let made = quote_spanned!(returned.span()=> pylm::IntoState::<#state, _>::into_state(#value));
    Ok(quote! {
        impl pylm::Start for __PylmStart {
            type State = #state;
            type Config = #config;

            fn start(config: #config) -> ::core::result::Result<#state, pylm::Failure> {
                let _ = &config;
                let #value = <#state>::#ident(#passed);
                #made
            }
        }
    })
}

fn take(attributes: &mut Vec<Attribute>, wanted: impl Fn(&syn::Ident) -> bool) -> Option<Attribute> {
    let index = attributes.iter().position(|attribute| {
        attribute.path().segments.last().is_some_and(|segment| wanted(&segment.ident))
    })?;
    Some(attributes.remove(index))
}
