//! What hooks may return, and the join.

use std::fmt::Display;

use crate::abi::{Message, RawRoute, Text};
use crate::answer::{Fallible, IntoItem, Listed, Maybe, Several, Single};
use crate::failure::Failure;

/// Holds state for one parent: takes each of its results once, and gives what replaces them when the parent is complete.
///
/// A `#[join]` hook creates one from the parent:
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// struct Longest(Message);
///
/// #[join]
/// fn longest(parent: &Message) -> Longest {
///     Longest(parent.clone().with_payload(""))
/// }
///
/// impl Join for Longest {
///     fn take(&mut self, result: Message) -> Result<(), Failure> {
///         if result.payload().len() > self.0.payload().len() {
///             self.0 = result;
///         }
///         Ok(())
///     }
///
///     fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
///         std::iter::once(Ok(self.0))
///     }
/// }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no join",
    label = "`Join` is not implemented for it",
    note = "a `#[join]` returns a type of yours that implements `Join`, with `take` and `finish`"
)]
pub trait Join: Send + 'static {
    /// Takes the next result of the parent.
    ///
    /// # Errors
    ///
    /// An error ends the parent's message.
    fn take(&mut self, result: Message) -> Result<(), Failure>;

    /// Gives what replaces the results, once all of them were taken.
    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send;
}

/// What a hook may return: one item, an `Option`, a `Vec` or an iterator (`Send`) of items, or a `Result` of these.
///
/// `Marker` tells the kinds apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "a hook cannot return `{Self}`",
    label = "no messages",
    note = "scatter and gather return messages (`message.with_payload(…)`), route returns pairs of a topic and a message: an iterator that is `Send`, a `Vec`, an `Option`, a single one, or a `Result` of these whose error is `Display`"
)]
pub trait IntoItems<'a, T, Marker> {
    #[doc(hidden)]
    fn into_items(self) -> Result<impl Iterator<Item = Result<T, Failure>> + Send + 'a, Failure>;
}

#[diagnostic::do_not_recommend]
impl<'a, T: Send + 'a, U: Into<T>> IntoItems<'a, T, Single> for U {
    fn into_items(self) -> Result<impl Iterator<Item = Result<T, Failure>> + Send + 'a, Failure> {
        Ok(std::iter::once(Ok(self.into())))
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: 'a, M: 'a, I: Iterator<Item: IntoItem<T, M>> + Send + 'a> IntoItems<'a, T, Several<M>> for I {
    fn into_items(self) -> Result<impl Iterator<Item = Result<T, Failure>> + Send + 'a, Failure> {
        Ok(self.map(IntoItem::into_item))
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: 'a, M: 'a, U: IntoItem<T, M> + Send + 'a> IntoItems<'a, T, Listed<M>> for Vec<U> {
    fn into_items(self) -> Result<impl Iterator<Item = Result<T, Failure>> + Send + 'a, Failure> {
        Ok(self.into_iter().map(IntoItem::into_item))
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: 'a, M: 'a, U: IntoItem<T, M> + Send + 'a> IntoItems<'a, T, Maybe<M>> for Option<U> {
    fn into_items(self) -> Result<impl Iterator<Item = Result<T, Failure>> + Send + 'a, Failure> {
        Ok(self.into_iter().map(IntoItem::into_item))
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T, M, U: IntoItems<'a, T, M>, E: Display + 'static> IntoItems<'a, T, Fallible<M>> for Result<U, E> {
    fn into_items(self) -> Result<impl Iterator<Item = Result<T, Failure>> + Send + 'a, Failure> {
        self.map_err(Failure::of).and_then(U::into_items)
    }
}

impl<T: Into<Text>> From<(T, Message)> for RawRoute {
    fn from((topic, message): (T, Message)) -> RawRoute {
        RawRoute { topic: topic.into(), message }
    }
}
