//! What one hook yields, and one hook's join.

use std::marker::PhantomData;

use super::call::Running;
use super::error::CallError;
use super::instance::Instance;
use crate::abi::{Message, RawIter, RawJoin, RawNext, RawRoute, Text};

/// What one hook yields. After an error there is no more.
pub struct Items<'a, T> {
    raw: RawIter<T>,
    name: &'static str,
    over: bool,
    /// The instance, and the parent where there is one.
    borrows: PhantomData<(&'a Instance, &'a Message)>,
}

// SAFETY: the plugin's macros demand that the iterator be `Send`, and `Instance` and `Message` are `Send` and `Sync`.
unsafe impl<T: Send> Send for Items<'_, T> {}

impl<T> Items<'_, T> {
    /// What a hook's iterator yields, which borrows nothing that ends before `'a`.
    pub(super) fn new(raw: RawIter<T>, name: &'static str) -> Self {
        Items { raw, name, over: false, borrows: PhantomData }
    }
}

/// The next item of a plugin's iterator.
///
/// # Safety
/// The iterator has not been dropped, nor what it borrows.
#[inline]
pub(super) unsafe fn pull<T>(raw: &RawIter<T>) -> Option<Result<T, CallError>> {
    // SAFETY: by this function's contract.
    match unsafe { ((*raw.table).next)(raw.object) } {
        RawNext::Item(item) => Some(Ok(item)),
        RawNext::End => None,
        RawNext::Failed(failure) => Some(Err(failure.into())),
    }
}

impl<T> Iterator for Items<'_, T> {
    type Item = Result<T, CallError>;

    #[inline]
    fn next(&mut self) -> Option<Result<T, CallError>> {
        if self.over {
            return None;
        }
        let _running = Running::enter(self.name, None);
        // SAFETY: the iterator is dropped with `self` only, and what it borrows outlives `self`.
        let next = unsafe { pull(&self.raw) };
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<T> Drop for Items<'_, T> {
    fn drop(&mut self) {
        let _running = Running::enter(self.name, None);
        // SAFETY: this is the last use of the iterator. A panic is in the log by now.
        let _ = unsafe { ((*self.raw.table).drop)(self.raw.object) };
    }
}

impl Items<'_, RawRoute> {
    /// The next pair of topic and message.
    pub fn next_route(&mut self) -> Option<Result<(Text, Message), CallError>> {
        self.next().map(|next| next.map(|RawRoute { topic, message }| (topic, message)))
    }
}

/// One hook's join at work on one parent.
pub struct Joining<'a> {
    raw: RawJoin,
    name: &'static str,
    ended: bool,
    instance: PhantomData<&'a Instance>,
}

// SAFETY: `Join` demands `Send`, and `Instance` is `Send` and `Sync`.
unsafe impl Send for Joining<'_> {}

impl<'a> Joining<'a> {
    /// A join of an instance that outlives it.
    pub(super) fn new(raw: RawJoin, name: &'static str) -> Self {
        Joining { raw, name, ended: false, instance: PhantomData }
    }

    /// Takes the next result.
    ///
    /// # Errors
    ///
    /// If the join returns an error or panics.
    pub fn take(&mut self, result: Message) -> Result<(), CallError> {
        let _running = Running::enter(self.name, None);
        // SAFETY: the join has not ended.
        let failure = unsafe { (self.raw.table.take)(self.raw.object, result) };
        failure.into_option().map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Gives what replaces the results.
    ///
    /// # Errors
    ///
    /// If the join panics before it gives an iterator.
    pub fn finish(mut self) -> Result<Items<'a, Message>, CallError> {
        let _running = Running::enter(self.name, None);
        self.ended = true;
        // SAFETY: the join has not ended, and `ended` keeps it from being dropped again.
        let started = unsafe { (self.raw.table.finish)(self.raw.object) };
        Ok(Items::new(started.into_result()?, self.name))
    }
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let _running = Running::enter(self.name, None);
            // SAFETY: this is the last use of the join. A panic is in the log by now.
            let _ = unsafe { (self.raw.table.drop)(self.raw.object) };
        }
    }
}
