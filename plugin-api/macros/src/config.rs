//! `#[config]`: a struct whose fields are settings.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, Error, Expr, ExprLit, Fields, Item, ItemEnum, ItemStruct, Lit, LitStr, Meta, Result, Type,
    ext::IdentExt as _, spanned::Spanned as _,
};

/// Expands a configuration, or an enum that is the value of a setting.
pub(crate) fn expand(arguments: TokenStream, item: Item) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[config]` takes nothing here; a field's default stands on the field",
        ));
    }
    match item {
        Item::Struct(item) => settings(item),
        Item::Enum(item) => value(&item),
        item => {
            let text = "`#[config]` stands on a struct, whose fields are settings, or on an enum, which is the value of one";
            Err(Error::new_spanned(item, text))
        }
    }
}

/// An enum whose variants are the words that a setting can be.
fn value(item: &ItemEnum) -> Result<TokenStream> {
    if let Some(variant) = item.variants.iter().find(|variant| !matches!(variant.fields, Fields::Unit)) {
        let text = "a setting is one word, so that a variant has no fields; make settings of them";
        return Err(Error::new_spanned(variant, text));
    }
    Ok(quote! {
        #[derive(::pylm_plugin_api::__private::serde::Deserialize)]
        #[serde(crate = "::pylm_plugin_api::__private::serde")]
        #item
    })
}

fn settings(mut item: ItemStruct) -> Result<TokenStream> {
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "a configuration has no parameters"));
    }
    let ident = item.ident.clone();
    let Fields::Named(fields) = &mut item.fields else {
        return Err(Error::new_spanned(
            &item.ident,
            "a configuration has named fields, each of which is a setting",
        ));
    };
    let mut keys = Vec::new();
    let mut defaults = Vec::new();
    for field in &mut fields.named {
        let Some(field_ident) = field.ident.clone() else { continue };
        let name = field_ident.unraw().to_string();
        let default = take_default(&mut field.attrs)?;
        let ty = &field.ty;
        if let Type::Reference(reference) = ty {
            let text =
                "a setting is a value of its own: write `String`, or another type that borrows nothing";
            return Err(Error::new_spanned(reference, text));
        }
        let kind = compact(ty);
        let help = documentation(&field.attrs);
        let required = default.is_none() && !is_option(ty);
        let shown = default.as_ref().map(|value| value.to_token_stream().to_string()).unwrap_or_default();
        keys.push(quote! {
            pylm::Key { name: #name, kind: #kind, default: #shown, required: #required, help: #help }
        });
        // Who writes serde's own attributes says by them how it is read.
        if !field.attrs.iter().any(|attribute| attribute.path().is_ident("serde")) {
            let reader = LitStr::new("::pylm_plugin_api::__private::setting", ty.span());
            field.attrs.push(syn::parse_quote!(#[serde(deserialize_with = #reader)]));
            if default.is_none() && !required {
                field.attrs.push(syn::parse_quote!(#[serde(default)]));
            }
        }
        if let Some(value) = default {
            let function = format_ident!("__pylm_default_{}", name);
            let value = match &value {
                Expr::Lit(ExprLit { lit: text @ Lit::Str(_), .. }) => {
                    quote!(::core::convert::From::from(#text))
                }
                other => other.to_token_stream(),
            };
            let path = format!("{ident}::{function}");
            field.attrs.push(syn::parse_quote!(#[serde(default = #path)]));
            defaults.push(quote! {
                fn #function() -> #ty {
                    #value
                }
            });
        }
    }
    Ok(quote! {
        #[derive(::pylm_plugin_api::__private::serde::Deserialize)]
        #[serde(crate = "::pylm_plugin_api::__private::serde")]
        #item

        const _: () = {
            use ::pylm_plugin_api::__private as pylm;

            impl #ident {
                #(#defaults)*
            }

            impl pylm::Config for #ident {
                const KEYS: &'static [pylm::Key] = &[#(#keys),*];
            }
        };
    })
}

/// Takes `#[config(default = VALUE)]` off a field.
fn take_default(attributes: &mut Vec<Attribute>) -> Result<Option<Expr>> {
    let Some(index) = attributes.iter().position(|attribute| attribute.path().is_ident("config")) else {
        return Ok(None);
    };
    let attribute = attributes.remove(index);
    let mut value = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("default") {
            return Err(meta.error("only `default = VALUE` stands here"));
        }
        value = Some(meta.value()?.parse::<Expr>()?);
        Ok(())
    })?;
    Ok(value)
}

/// The first paragraph of a field's documentation, on one line.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"))
}

/// A type as a person would write it.
fn compact(ty: &Type) -> String {
    ty.to_token_stream()
        .to_string()
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" :: ", "::")
        .replace(" ,", ",")
}
