//! Functions and hooks: the trait impls behind one of them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, Ident, ItemFn, Result, ReturnType, Signature, ext::IdentExt as _};

use crate::signature;

/// What the author marked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Scatter,
    Gather,
    Join,
    Route,
}

impl Kind {
    /// The kind that an attribute of this name marks.
    pub(crate) fn named(name: &Ident) -> Option<Kind> {
        let kind = match name.to_string().as_str() {
            "function" => Kind::Function,
            "scatter" => Kind::Scatter,
            "gather" => Kind::Gather,
            "join" => Kind::Join,
            "route" => Kind::Route,
            _ => return None,
        };
        Some(kind)
    }

    /// The attribute that marks it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Function => "function",
            Kind::Scatter => "scatter",
            Kind::Gather => "gather",
            Kind::Join => "join",
            Kind::Route => "route",
        }
    }

    /// The list of `Exports` that it is in.
    pub(crate) fn list(self) -> TokenStream {
        match self {
            Kind::Function => quote!(functions),
            Kind::Scatter => quote!(scatters),
            Kind::Gather => quote!(gathers),
            Kind::Join => quote!(joins),
            Kind::Route => quote!(routes),
        }
    }

    /// The list's element for a marker type.
    fn entry(self, marker: &Ident) -> TokenStream {
        match self {
            Kind::Function => quote!(pylm::function::<#marker>()),
            Kind::Scatter => quote!(pylm::scatter::<#marker>()),
            Kind::Gather => quote!(pylm::gather::<#marker>()),
            Kind::Join => quote!(pylm::join::<#marker>()),
            Kind::Route => quote!(pylm::route::<#marker>()),
        }
    }
}

/// One function or hook, ready to be listed.
pub(crate) struct Expanded {
    pub(crate) kind: Kind,
    /// The trait impls of its marker type.
    pub(crate) impls: TokenStream,
    /// Its element in the list.
    pub(crate) element: TokenStream,
    /// Its record in the descriptor.
    pub(crate) record: TokenStream,
}

/// Where a function or hook comes from.
pub(crate) struct Source<'a> {
    pub(crate) kind: Kind,
    pub(crate) arguments: TokenStream,
    pub(crate) signature: &'a Signature,
    /// The type that stands for it.
    pub(crate) marker: &'a Ident,
    /// What to call.
    pub(crate) callee: TokenStream,
    /// The type of the plugin's state.
    pub(crate) state: TokenStream,
}

/// Expands one function or hook.
pub(crate) fn expand(source: Source<'_>) -> Result<Expanded> {
    let Source { kind, arguments, signature, marker, callee, state } = source;
    let atomic = is_atomic(kind, arguments)?;
    let name = signature.ident.unraw().to_string();
    let taken = signature::check(kind, signature)?;
    // An author's function may be called `payload`: the names here must not hide it.
    let mut passed = Vec::new();
    if taken.state {
        passed.push(quote!(__pylm_state));
    }
    passed.extend(taken.arguments);
    let call = quote!(#callee(#(#passed),*));
    // What a function or hook cannot return is told at the author's type.
    let returned = match &signature.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => signature.ident.span(),
    };
    let value = Ident::new("__pylm_returned", returned);
    let answer = quote_spanned!(returned=> pylm::IntoAnswer::into_answer(#value));
    let items = quote_spanned!(returned=> pylm::Items::of(#value));
    let method = match kind {
        Kind::Function => quote! {
            impl pylm::Function for #marker {
                fn call<'a>(
                    __pylm_state: &'a #state,
                    __pylm_context: &'a pylm::Context,
                    __pylm_payload: &'a [u8],
                ) -> pylm::Answer<'a> {
                    let _ = (__pylm_state, __pylm_context);
                    let #value = #call;
                    #answer
                }
            }
        },
        Kind::Scatter => quote! {
            impl pylm::Scatter for #marker {
                fn run<'a>(
                    __pylm_state: &'a #state,
                    __pylm_message: pylm::Message,
                ) -> ::core::result::Result<pylm::Items<'a, pylm::Message>, pylm::Failure> {
                    let _ = __pylm_state;
                    let #value = #call;
                    #items
                }
            }
        },
        Kind::Gather => quote! {
            impl pylm::Gather for #marker {
                fn run<'a>(
                    __pylm_state: &'a #state,
                    __pylm_parent: &'a pylm::Message,
                    __pylm_message: pylm::Message,
                ) -> ::core::result::Result<pylm::Items<'a, pylm::Message>, pylm::Failure> {
                    let _ = __pylm_state;
                    let #value = #call;
                    #items
                }
            }
        },
        Kind::Route => quote! {
            impl pylm::Route for #marker {
                fn run<'a>(
                    __pylm_state: &'a #state,
                    __pylm_message: pylm::Message,
                ) -> ::core::result::Result<pylm::Items<'a, pylm::RawRoute>, pylm::Failure> {
                    let _ = __pylm_state;
                    let #value = #call;
                    #items
                }
            }
        },
        Kind::Join => {
            let ReturnType::Type(_, _) = &signature.output else {
                let text =
                    "a join returns a value that takes results: a type of yours that implements `Join`";
                return Err(Error::new_spanned(&signature.ident, text));
            };
            let joins = quote_spanned!(returned=> impl pylm::Join + use<>);
            quote! {
                impl pylm::JoinHook for #marker {
                    fn run(__pylm_state: &#state, __pylm_parent: &pylm::Message) -> #joins {
                        let _ = __pylm_state;
                        #call
                    }
                }
            }
        }
    };
    let tag = match (kind, atomic) {
        (Kind::Function, false) => quote!(Function),
        (Kind::Function, true) => quote!(AtomicFunction),
        (Kind::Scatter, _) => quote!(Scatter),
        (Kind::Gather, _) => quote!(Gather),
        (Kind::Join, _) => quote!(Join),
        (Kind::Route, _) => quote!(Route),
    };
    Ok(Expanded {
        kind,
        impls: quote! {
            impl pylm::Named for #marker {
                type State = #state;
                const NAME: &'static str = #name;
            }
            #method
        },
        element: kind.entry(marker),
        record: quote!(pylm::Entry::new(pylm::Tag::#tag, #name)),
    })
}

/// Expands a function or hook that is no method.
pub(crate) fn expand_free(kind: Kind, arguments: TokenStream, item: &ItemFn) -> TokenStream {
    let (ident, visibility) = (&item.sig.ident, &item.vis);
    let exported = free(kind, arguments, item).unwrap_or_else(|error| {
        // Exported all the same: one mistake is one error.
        let error = error.into_compile_error();
        quote! { #error impl pylm::Export for #ident { const EXPORTS: pylm::Exports = pylm::Exports::NONE; } }
    });
    quote! {
        #item

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility struct #ident {}

        const _: () = {
            use ::pylm_plugin_api::__private as pylm;
            #exported
        };
    }
}

fn free(kind: Kind, arguments: TokenStream, item: &ItemFn) -> Result<TokenStream> {
    let ident = &item.sig.ident;
    let Expanded { impls, element, record, .. } = expand(Source {
        kind,
        arguments,
        signature: &item.sig,
        marker: ident,
        callee: ident.to_token_stream(),
        state: quote!(pylm::Stateless),
    })?;
    let list = kind.list();
    Ok(quote! {
        #impls

        impl pylm::Export for #ident {
            const EXPORTS: pylm::Exports =
                pylm::Exports { #list: &[#element], entries: &[#record], ..pylm::Exports::NONE };
        }
    })
}

fn is_atomic(kind: Kind, arguments: TokenStream) -> Result<bool> {
    if arguments.is_empty() {
        return Ok(false);
    }
    let text = "nothing stands here but `atomic`, for a function";
    match syn::parse2::<Ident>(arguments.clone()) {
        Ok(word) if word == "atomic" && kind == Kind::Function => Ok(true),
        _ => Err(Error::new_spanned(arguments, text)),
    }
}
