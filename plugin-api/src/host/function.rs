//! What a function answers.

use std::marker::PhantomData;

use super::call::Running;
use super::error::CallError;
use super::hooks::pull;
use crate::abi::{Context, Payload, RawIter, RawOutcome};

/// The answer of a function.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// No result.
    Nothing,
    /// One result.
    One(Payload),
    /// Results that the function makes while they are pulled.
    Many(Results<'a>),
}

impl<'a> Outcome<'a> {
    #[inline]
    pub(super) fn from_raw(
        raw: RawOutcome,
        name: &'static str,
        context: &'a Context,
    ) -> Result<Outcome<'a>, CallError> {
        match raw {
            RawOutcome::Nothing => Ok(Outcome::Nothing),
            RawOutcome::One(payload) => Ok(Outcome::One(payload)),
            RawOutcome::Many(raw) => {
                Ok(Outcome::Many(Results { raw, name, context, over: false, borrows: PhantomData }))
            }
            RawOutcome::Failed(failure) => Err(failure.into()),
        }
    }
}

/// Several results, made one by one. After an error there are no more.
pub struct Results<'a> {
    raw: RawIter<Payload>,
    name: &'static str,
    context: &'a Context,
    over: bool,
    borrows: PhantomData<&'a [u8]>,
}

// SAFETY: the plugin's macros demand that the iterator be `Send`, and the context is `Sync`.
unsafe impl Send for Results<'_> {}

impl std::fmt::Debug for Results<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Results")
            .field("function", &self.name)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Iterator for Results<'_> {
    type Item = Result<Payload, CallError>;

    fn next(&mut self) -> Option<Result<Payload, CallError>> {
        if self.over {
            return None;
        }
        let _running = Running::enter(self.name, Some(self.context));
        // SAFETY: the iterator is dropped with `self` only, and what it borrows outlives `self`.
        let next = unsafe { pull(&self.raw) };
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl std::iter::FusedIterator for Results<'_> {}

impl Drop for Results<'_> {
    fn drop(&mut self) {
        let _running = Running::enter(self.name, Some(self.context));
        // SAFETY: this is the last use of the iterator. A panic is in the log by now.
        let _ = unsafe { ((*self.raw.table).drop)(self.raw.object) };
    }
}
