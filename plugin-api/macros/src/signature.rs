//! What the signature of a function or a hook must look like.

use syn::{Error, FnArg, ReceiverKind, Result, Signature, Type};

use crate::item::Kind;

/// The arguments of a call, in the order in which the author takes them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Context,
    Payload,
    Message,
    Parent,
}

/// What a function or hook takes.
pub(crate) struct Taken {
    /// Whether it takes `&self`.
    pub(crate) state: bool,
    pub(crate) arguments: Vec<Argument>,
}

/// Checks a signature.
pub(crate) fn check(kind: Kind, signature: &Signature) -> Result<Taken> {
    if let Some(token) = &signature.asyncness {
        return Err(Error::new_spanned(
            token,
            "a plugin's functions and hooks are not `async`: slots are threads",
        ));
    }
    if signature.generics.type_params().next().is_some() || signature.generics.const_params().next().is_some()
    {
        return Err(Error::new_spanned(
            &signature.generics,
            "a plugin's functions and hooks have no type parameters",
        ));
    }
    let mut types = Vec::new();
    let mut state = false;
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
            FnArg::Typed(typed) => types.push(&*typed.ty),
        }
    }
    let arguments = match kind {
        Kind::Function => match types.as_slice() {
            [_] => vec![Argument::Payload],
            [first, second] if is_bytes(first) && !is_bytes(second) => {
                vec![Argument::Payload, Argument::Context]
            }
            [_, _] => vec![Argument::Context, Argument::Payload],
            _ => {
                return Err(wrong(
                    signature,
                    "a function takes `payload: &[u8]`, and before it `&Context` if it likes",
                ));
            }
        },
        Kind::Scatter | Kind::Route => match types.as_slice() {
            [_] => vec![Argument::Message],
            _ => return Err(wrong(signature, "this hook takes one `Message`")),
        },
        Kind::Gather => match types.as_slice() {
            [_, _] => vec![Argument::Parent, Argument::Message],
            _ => return Err(wrong(signature, "a gather takes `parent: &Message` and `result: Message`")),
        },
        Kind::Join => match types.as_slice() {
            [_] => vec![Argument::Parent],
            _ => return Err(wrong(signature, "a join takes `parent: &Message`")),
        },
    };
    Ok(Taken { state, arguments })
}

fn wrong(signature: &Signature, text: &str) -> Error {
    Error::new_spanned(&signature.inputs, text)
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if matches!(*reference.elem, Type::Slice(_)))
}
