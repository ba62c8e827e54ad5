//! What a function may return, and how it becomes an answer.

use std::fmt::Display;
use std::marker::PhantomData;

use crate::abi::{Payload, RawIter, RawOutcome};
use crate::failure::Failure;

/// A function's answer on its way over the border; it may borrow the call.
#[doc(hidden)]
pub struct Answer<'a> {
    raw: RawOutcome,
    borrows: PhantomData<&'a ()>,
}

impl Answer<'_> {
    fn new(raw: RawOutcome) -> Self {
        Answer { raw, borrows: PhantomData }
    }

    pub(crate) fn into_raw(self) -> RawOutcome {
        self.raw
    }
}

/// What a `#[function]` may return.
///
/// - bytes or text: one result,
/// - `()` or `None`: no result,
/// - a `Result` of any of these with an error that displays,
/// - an iterator of bytes, text, or `Result`s of them: several results, pulled one by one.
///
/// `Marker` tells the kinds apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "a function cannot return `{Self}`",
    label = "neither bytes nor text",
    note = "it may return bytes or text (`number.to_string()`), `()`, an `Option` of these, a `Result` of these whose error is `Display`, or an iterator of them that is `Send` (`list.into_iter()` for a `Vec`)"
)]
pub trait IntoAnswer<'a, Marker> {
    #[doc(hidden)]
    fn into_answer(self) -> Answer<'a>;
}

#[doc(hidden)]
pub struct Single;
#[doc(hidden)]
pub struct Nothing;
#[doc(hidden)]
pub struct Maybe<M>(M);
#[doc(hidden)]
pub struct Fallible<M>(M);
#[doc(hidden)]
pub struct Several<M>(M);
#[doc(hidden)]
pub struct Listed<M>(M);

#[diagnostic::do_not_recommend]
impl<T: Into<Payload>> IntoAnswer<'_, Single> for T {
    fn into_answer(self) -> Answer<'static> {
        Answer::new(RawOutcome::One(self.into()))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAnswer<'_, Nothing> for () {
    fn into_answer(self) -> Answer<'static> {
        Answer::new(RawOutcome::Nothing)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, M, T: IntoAnswer<'a, M>> IntoAnswer<'a, Maybe<M>> for Option<T> {
    fn into_answer(self) -> Answer<'a> {
        self.map_or_else(|| ().into_answer(), T::into_answer)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, M, T: IntoAnswer<'a, M>, E: Display + 'static> IntoAnswer<'a, Fallible<M>> for Result<T, E> {
    fn into_answer(self) -> Answer<'a> {
        match self {
            Ok(value) => value.into_answer(),
            Err(error) => Answer::new(RawOutcome::Failed(Failure::of(error).into())),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<'a, M, I> IntoAnswer<'a, Several<M>> for I
where
    I: Iterator<Item: IntoItem<Payload, M>> + Send + 'a,
{
    fn into_answer(self) -> Answer<'a> {
        Answer::new(RawOutcome::Many(RawIter::new(self.map(IntoItem::into_item))))
    }
}

/// What an iterator of results may yield.
#[diagnostic::on_unimplemented(message = "an iterator of results cannot yield `{Self}`")]
pub trait IntoItem<T, Marker> {
    #[doc(hidden)]
    fn into_item(self) -> Result<T, Failure>;
}

#[diagnostic::do_not_recommend]
impl<T, U: Into<T>> IntoItem<T, Single> for U {
    fn into_item(self) -> Result<T, Failure> {
        Ok(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<T, U: Into<T>, E: Display + 'static> IntoItem<T, Fallible<Single>> for Result<U, E> {
    fn into_item(self) -> Result<T, Failure> {
        self.map(Into::into).map_err(Failure::of)
    }
}
