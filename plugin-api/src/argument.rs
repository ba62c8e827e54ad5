//! What functions and hooks are given: one type for each place. Authors meet these traits only in error messages.

use crate::{Context, Message};

/// The payload of a `#[function]`.
#[diagnostic::on_unimplemented(
    message = "a function takes its payload as `&[u8]`, not as `{Self}`",
    label = "write `&[u8]`",
    note = "`std::str::from_utf8(payload)?` makes text of it, and `payload.to_vec()` a copy"
)]
pub trait PayloadArgument<'a> {
    #[doc(hidden)]
    fn of(payload: &'a [u8]) -> Self;
}

impl<'a> PayloadArgument<'a> for &'a [u8] {
    #[inline]
    fn of(payload: &'a [u8]) -> Self {
        payload
    }
}

/// What a `#[function]` may ask about its message.
#[diagnostic::on_unimplemented(
    message = "a function takes `&Context` before its payload, not `{Self}`",
    label = "write `&Context`",
    note = "a function is `fn(payload: &[u8])`, or `fn(context: &Context, payload: &[u8])`"
)]
pub trait ContextArgument<'a> {
    #[doc(hidden)]
    fn of(context: &'a Context) -> Self;
}

impl<'a> ContextArgument<'a> for &'a Context {
    #[inline]
    fn of(context: &'a Context) -> Self {
        context
    }
}

/// The message that a hook gets to keep.
#[diagnostic::on_unimplemented(
    message = "a hook takes its message as `Message`, not as `{Self}`",
    label = "write `Message`",
    note = "`message.payload()` are its bytes"
)]
pub trait MessageArgument {
    #[doc(hidden)]
    fn of(message: Message) -> Self;
}

impl MessageArgument for Message {
    #[inline]
    fn of(message: Message) -> Self {
        message
    }
}

/// The message that results came from.
#[diagnostic::on_unimplemented(
    message = "a hook takes the parent of its results as `&Message`, not as `{Self}`",
    label = "write `&Message`",
    note = "`parent.clone()` copies no payload"
)]
pub trait ParentArgument<'a> {
    #[doc(hidden)]
    fn of(parent: &'a Message) -> Self;
}

impl<'a> ParentArgument<'a> for &'a Message {
    #[inline]
    fn of(parent: &'a Message) -> Self {
        parent
    }
}
