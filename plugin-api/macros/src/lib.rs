//! The macros of pylm-plugin-api. They turn an author's functions into safe trait impls; all `unsafe` is in the API crate.

mod config;
mod item;
mod signature;
mod state;

use proc_macro::TokenStream;
use syn::{ItemFn, ItemImpl, ItemStruct, parse_macro_input};

use item::Kind;

/// Makes a function that messages can name.
///
/// It takes `payload: &[u8]`, and before it `&Context` if it wants to. It returns bytes or text, nothing, an iterator of
/// several results, or a `Result` of these. `#[function(atomic)]` says that a rerun may give other results, which are then
/// held back until the last.
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Function, arguments, item)
}

/// Makes a hook that turns each message from a client into parts: `fn(Message) -> impl Iterator<Item = Message>`.
#[proc_macro_attribute]
pub fn scatter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Scatter, arguments, item)
}

/// Makes a hook that sees each result: `fn(parent: &Message, result: Message) -> impl Iterator<Item = Message>`.
#[proc_macro_attribute]
pub fn gather(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Gather, arguments, item)
}

/// Makes a hook that starts a join for each parent: `fn(parent: &Message) -> impl Join`.
#[proc_macro_attribute]
pub fn join(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Join, arguments, item)
}

/// Makes a hook that says where a result goes: `fn(Message) -> impl Iterator<Item = (Topic, Message)>`, where a topic is text.
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Route, arguments, item)
}

/// Makes a type whose `&self` methods are functions and hooks. One associated function is marked `#[start]`: it takes the
/// configuration, or nothing, and returns the state or a `Result` of it.
#[proc_macro_attribute]
pub fn state(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    finish(state::expand(arguments.into(), item))
}

/// Makes a struct the configuration of a plugin: each field is a setting. A field is required unless it is an `Option` or
/// has `#[config(default = VALUE)]`.
#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemStruct);
    finish(config::expand(arguments.into(), item))
}

fn free(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemFn);
    finish(item::expand_free(kind, arguments.into(), item))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
