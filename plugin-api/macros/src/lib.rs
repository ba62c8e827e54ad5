//! The macros of pylm-plugin-api. They turn an author's functions into safe trait impls; all `unsafe` is in the API crate.

mod config;
mod item;
mod place;
mod signature;
mod state;

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::Parse;
use syn::{Error, Item, ItemFn, ItemImpl};

use item::Kind;

/// Makes a function that messages can name.
///
/// It takes `payload: &[u8]`, and before it `context: &Context` if it wants to know more. It returns bytes or text, nothing,
/// an iterator of several results, or a `Result` of these. `#[function(atomic)]` says that a rerun may give other results,
/// which are then held back until the last.
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Function, arguments, item)
}

/// Makes a hook that turns each message from a client into parts.
///
/// It takes `message: Message`, and returns an iterator, a `Vec` or an `Option` of messages, a single one, or a `Result` of
/// these.
#[proc_macro_attribute]
pub fn scatter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Scatter, arguments, item)
}

/// Makes a hook that sees each result.
///
/// It takes `parent: &Message, result: Message`, and returns what goes on, as [`macro@scatter`] does.
#[proc_macro_attribute]
pub fn gather(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Gather, arguments, item)
}

/// Makes a hook that begins a join: a value that takes all results of one parent, and gives what replaces them.
///
/// It takes `parent: &Message`, and returns a type that implements `Join`.
#[proc_macro_attribute]
pub fn join(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Join, arguments, item)
}

/// Makes a hook that says where a result goes.
///
/// It takes `result: Message`, and returns pairs of a topic, which is text, and a message: an iterator, a `Vec` or an
/// `Option` of them, a single one, or a `Result` of these.
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    free(Kind::Route, arguments, item)
}

/// Makes a type whose methods are functions and hooks.
///
/// It stands on the `impl`. Methods take `&self`, since calls run at the same time. One associated function is marked with
/// `#[start]`: it takes the configuration, or nothing, and returns the state or a `Result` of it.
#[proc_macro_attribute]
pub fn state(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let text = "`#[state]` stands on the `impl` with the functions and hooks, not on the type";
    match parse::<ItemImpl>(item, text) {
        Ok(item) => state::expand(arguments.into(), item).into(),
        Err(error) => error,
    }
}

/// Marks the associated function of a [`macro@state`] that makes it.
#[proc_macro_attribute]
pub fn start(_: TokenStream, item: TokenStream) -> TokenStream {
    // Inside of a `#[state]` it is gone before it would come here.
    let text = "`#[start]` stands on an associated function in an `impl` that is marked with `#[state]`";
    let (error, item) = (Error::new(proc_macro2::Span::call_site(), text).into_compile_error(), item);
    let item = proc_macro2::TokenStream::from(item);
    quote!(#error #item).into()
}

/// Makes a struct the configuration of a plugin, each of whose fields is a setting, or an enum the value of one.
///
/// A field is required unless it is an `Option` or has `#[config(default = VALUE)]`.
#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let text =
        "`#[config]` stands on a struct, whose fields are settings, or on an enum, which is the value of one";
    match parse::<Item>(item, text) {
        Ok(item) => config::expand(arguments.into(), item).unwrap_or_else(Error::into_compile_error).into(),
        Err(error) => error,
    }
}

fn free(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let text = format!("`#[{}]` stands on a function", kind.name());
    match parse::<ItemFn>(item, &text) {
        Ok(item) => match item.sig.receiver() {
            Some(receiver) => {
                let text = "a method is exported with its type: put `#[state]` on the `impl`";
                let error = Error::new_spanned(receiver, text).into_compile_error();
                quote!(#item #error).into()
            }
            None if place::is_in_impl(&item) => {
                let text = "what stands in an `impl` is exported with its type: put `#[state]` on the `impl`, or the function outside";
                let error = Error::new_spanned(&item.sig.ident, text).into_compile_error();
                quote!(#item #error).into()
            }
            None => item::expand_free(kind, arguments.into(), &item).into(),
        },
        Err(error) => error,
    }
}

/// The item that a mark stands on; or else what to write, and the item as it was.
fn parse<T: Parse>(item: TokenStream, text: &str) -> Result<T, TokenStream> {
    syn::parse::<T>(item.clone()).map_err(|error| {
        let error = match syn::parse::<Item>(item.clone()) {
            Ok(other) => Error::new_spanned(other, text),
            Err(_) => error,
        };
        let (error, item) = (error.into_compile_error(), proc_macro2::TokenStream::from(item));
        quote!(#error #item).into()
    })
}
