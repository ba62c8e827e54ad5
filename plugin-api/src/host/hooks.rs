//! What one hook yields, and one hook's join.

use std::sync::Arc;

use super::call::Running;
use super::error::CallError;
use super::instance::Instance;
use crate::abi::{Message, RawIter, RawJoin, RawNext, RawRoute, Text};

/// What one hook yields. After an error there is no more.
pub struct Items<T> {
    raw: RawIter<T>,
    name: &'static str,
    over: bool,
    // Both outlive the iterator, which may borrow them.
    _instance: Arc<Instance>,
    _parent: Option<Arc<Message>>,
}

// SAFETY: the plugin's macros demand that the iterator be `Send`, and `Instance` and `Message` are `Send` and `Sync`.
unsafe impl<T: Send> Send for Items<T> {}

impl<T> Items<T> {
    pub(super) fn new(
        raw: RawIter<T>,
        name: &'static str,
        instance: Arc<Instance>,
        parent: Option<Arc<Message>>,
    ) -> Items<T> {
        Items { raw, name, over: false, _instance: instance, _parent: parent }
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

impl<T> Iterator for Items<T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Result<T, CallError>> {
        if self.over {
            return None;
        }
        let _running = Running::enter(self.name, None);
        // SAFETY: the iterator is dropped with `self` only, and `self` keeps what it borrows.
        let next = unsafe { pull(&self.raw) };
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        let _running = Running::enter(self.name, None);
        // SAFETY: this is the last use of the iterator. A panic is in the log by now.
        let _ = unsafe { ((*self.raw.table).drop)(self.raw.object) };
    }
}

impl Items<RawRoute> {
    /// The next pair of topic and message.
    pub fn next_route(&mut self) -> Option<Result<(Text, Message), CallError>> {
        self.next().map(|next| next.map(|RawRoute { topic, message }| (topic, message)))
    }
}

/// One hook's join at work on one parent.
pub struct Joining {
    raw: RawJoin,
    name: &'static str,
    ended: bool,
    instance: Arc<Instance>,
}

// SAFETY: `Join` demands `Send`, and `Instance` is `Send` and `Sync`.
unsafe impl Send for Joining {}

impl Joining {
    pub(super) fn new(raw: RawJoin, name: &'static str, instance: Arc<Instance>) -> Joining {
        Joining { raw, name, ended: false, instance }
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
    pub fn finish(mut self) -> Result<Items<Message>, CallError> {
        let _running = Running::enter(self.name, None);
        self.ended = true;
        // SAFETY: the join has not ended, and `ended` keeps it from being dropped again.
        let started = unsafe { (self.raw.table.finish)(self.raw.object) };
        Ok(Items::new(started.into_result()?, self.name, Arc::clone(&self.instance), None))
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        if !self.ended {
            let _running = Running::enter(self.name, None);
            // SAFETY: this is the last use of the join. A panic is in the log by now.
            let _ = unsafe { (self.raw.table.drop)(self.raw.object) };
        }
    }
}
