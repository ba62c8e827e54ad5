//! What the signature of a function or a hook must look like.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, ReceiverKind, Result, Safety, Signature, Type};

use crate::item::Kind;

/// What a function or hook takes.
pub(crate) struct Taken {
    /// Whether it takes `&self`.
    pub(crate) state: bool,
    /// What it is called with, in the order in which the author takes it.
    pub(crate) arguments: Vec<TokenStream>,
}

/// The place of an argument.
#[derive(Clone, Copy)]
enum Argument {
    Context,
    Payload,
    Message,
    Parent,
}

impl Argument {
    /// The value for an argument of this type; that it is another one than it should be is told at the author's type.
    fn value(self, ty: &Type) -> Result<TokenStream> {
        let wrong = match self {
            _ if is_static(ty) => {
                Some("what a function or hook borrows lives as long as its call: leave out `'static`")
            }
            Argument::Payload => is_mutable(ty).then_some("a payload is not changed in place: take `&[u8]`"),
            Argument::Context => (names(ty, "Context") && (!is_borrowed(ty) || is_mutable(ty)))
                .then_some("a function borrows what it asks about its message: take `&Context`"),
            Argument::Message => (names(ty, "Message") && is_borrowed(ty))
                .then_some("a hook gets its message to keep: take `Message`"),
            Argument::Parent => (names(ty, "Message") && (!is_borrowed(ty) || is_mutable(ty)))
                .then_some("a hook borrows the parent of its results: take `&Message`"),
        };
        if let Some(text) = wrong {
            return Err(Error::new_spanned(ty, text));
        }
        let (of, value) = match self {
            Argument::Context => (quote!(ContextArgument), quote!(__pylm_context)),
            Argument::Payload => (quote!(PayloadArgument), quote!(__pylm_payload)),
            Argument::Message => (quote!(MessageArgument), quote!(__pylm_message)),
            Argument::Parent => (quote!(ParentArgument), quote!(__pylm_parent)),
        };
        Ok(quote_spanned!(ty.span()=> pylm::#of::of(#value)))
    }
}

/// Checks a signature.
pub(crate) fn check(kind: Kind, signature: &Signature) -> Result<Taken> {
    plain(signature)?;
    let (state, types) = inputs(signature)?;
    let arguments = match (kind, types.as_slice()) {
        (Kind::Function, [only]) if !names(only, "Context") => vec![(Argument::Payload, *only)],
        (Kind::Function, [first, second]) if is_reversed(first, second) => {
            vec![(Argument::Payload, *first), (Argument::Context, *second)]
        }
        (Kind::Function, [first, second]) => vec![(Argument::Context, *first), (Argument::Payload, *second)],
        (Kind::Scatter | Kind::Route, [only]) => vec![(Argument::Message, *only)],
        (Kind::Gather, [first, second]) => vec![(Argument::Parent, *first), (Argument::Message, *second)],
        (Kind::Join, [only]) => vec![(Argument::Parent, *only)],
        _ => return Err(wrong_number(kind, signature)),
    };
    let values = arguments.into_iter().map(|(argument, ty)| argument.value(ty));
    Ok(Taken { state, arguments: values.collect::<Result<_>>()? })
}

/// Whether it is a function like any other: nothing that a host could not call.
pub(crate) fn plain(signature: &Signature) -> Result<()> {
    if let Some(token) = &signature.asyncness {
        let text = "a plugin's functions, hooks and start are not `async`: slots are threads, so wait in place, or bring a runtime \
                    and `block_on`";
        return Err(Error::new_spanned(token, text));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        let text = "a plugin's functions, hooks and start are not `unsafe`: nobody could keep the promises of a caller";
        return Err(Error::new_spanned(token, text));
    }
    if signature.generics.type_params().next().is_some() || signature.generics.const_params().next().is_some()
    {
        let text = "a plugin's functions, hooks and start have no type parameters";
        return Err(Error::new_spanned(&signature.generics, text));
    }
    Ok(())
}

/// Whether it takes `&self`, and the types of the rest.
fn inputs(signature: &Signature) -> Result<(bool, Vec<&Type>)> {
    let (mut state, mut types) = (false, Vec::new());
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) if matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) => {
                state = true
            }
            FnArg::Receiver(receiver) => {
                let text =
                    "take `&self`: calls run at the same time; keep what changes in a `Mutex` or an atomic";
                return Err(Error::new_spanned(receiver, text));
            }
            FnArg::Typed(typed) => match &*typed.ty {
                ty @ Type::ImplTrait(_) => {
                    return Err(Error::new_spanned(
                        ty,
                        "write the type itself, such as `&[u8]` or `Message`",
                    ));
                }
                ty => types.push(ty),
            },
        }
    }
    Ok((state, types))
}

fn wrong_number(kind: Kind, signature: &Signature) -> Error {
    let text = match kind {
        Kind::Function => {
            "a function takes `payload: &[u8]`, and before it `context: &Context` if it wants to know more"
        }
        Kind::Scatter => "a scatter takes `message: Message`",
        Kind::Gather => "a gather takes `parent: &Message, result: Message`",
        Kind::Join => "a join takes `parent: &Message`",
        Kind::Route => "a route takes `result: Message`",
    };
    // Without arguments there is nothing to point at but the name.
    let ident = &signature.ident;
    match signature.inputs.iter().any(|input| matches!(input, FnArg::Typed(_))) {
        true => Error::new_spanned(&signature.inputs, text),
        false => Error::new_spanned(ident, text),
    }
}

/// Whether an author takes the payload first, and then the context.
fn is_reversed(first: &Type, second: &Type) -> bool {
    !names(first, "Context") && (names(second, "Context") || (is_bytes(first) && !is_bytes(second)))
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if matches!(*reference.elem, Type::Slice(_)))
}

/// Whether a type is one of this name, or a reference to it.
fn names(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Reference(reference) => names(&reference.elem, name),
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == name),
        _ => false,
    }
}

fn is_borrowed(ty: &Type) -> bool {
    matches!(ty, Type::Reference(_))
}

fn is_static(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

fn is_mutable(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some())
}
