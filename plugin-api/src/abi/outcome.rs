//! What comes back over the border: one answer, many pulled one by one, or a failure.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RResult, RString};

use super::{Message, Payload, Text};
use crate::panics;
use crate::{Failure, Join};

/// Why there is no answer.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, StableAbi)]
pub enum RawFailureKind {
    /// An error that another attempt may not meet.
    Failed,
    /// An error that every attempt will meet.
    Permanent,
    /// A panic, with its place.
    Panicked,
    /// A setting of the plugin that is unknown, missing or of the wrong kind.
    Setting,
}

/// An error as it crosses the border.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct RawFailure {
    pub kind: RawFailureKind,
    pub text: RString,
}

/// What a service of the host answers: the error is text.
pub type RawReply<T> = RResult<T, RString>;

/// What a call answers.
#[repr(u8)]
#[derive(StableAbi)]
pub enum RawOutcome {
    Nothing,
    One(Payload),
    Many(RawIter<Payload>),
    Failed(RawFailure),
}

/// The next item of an iterator.
#[repr(u8)]
#[derive(StableAbi)]
pub enum RawNext<T> {
    End,
    Item(T),
    Failed(RawFailure),
}

/// An iterator of the plugin's. Its holder calls `drop` once, and nothing after that.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawIter<T> {
    pub object: *mut (),
    pub table: *const RawIterTable<T>,
}

/// How an iterator is pulled and dropped; both catch panics.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawIterTable<T> {
    pub next: unsafe extern "C" fn(*mut ()) -> RawNext<T>,
    pub drop: unsafe extern "C" fn(*mut ()) -> ROption<RawFailure>,
}

/// An iterator, or why there is none.
pub type RawStarted<T> = RResult<RawIter<T>, RawFailure>;

/// One result on its way out.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawRoute {
    pub topic: Text,
    pub message: Message,
}

/// A join at work on one parent. Its holder calls `finish` or `drop` once, and nothing after that.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawJoin {
    pub object: *mut (),
    pub table: &'static RawJoinTable,
}

/// How a join takes results and finishes; all catch panics.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawJoinTable {
    pub take: unsafe extern "C" fn(*mut (), Message) -> ROption<RawFailure>,
    pub finish: unsafe extern "C" fn(*mut ()) -> RawStarted<Message>,
    pub drop: unsafe extern "C" fn(*mut ()) -> ROption<RawFailure>,
}

impl RawFailure {
    pub(crate) fn new(kind: RawFailureKind, text: impl Into<String>) -> RawFailure {
        RawFailure { kind, text: RString::from(text.into()) }
    }
}

impl From<Failure> for RawFailure {
    fn from(failure: Failure) -> RawFailure {
        let kind = if failure.is_permanent() { RawFailureKind::Permanent } else { RawFailureKind::Failed };
        RawFailure::new(kind, failure.into_text())
    }
}

impl<T> RawIter<T> {
    /// Hands an iterator over. The receiver must not outlive what the iterator borrows.
    pub(crate) fn new<I: Iterator<Item = Result<T, Failure>> + Send>(iterator: I) -> RawIter<T> {
        RawIter { object: Box::into_raw(Box::new(iterator)).cast(), table: &const { Pulled::<I>::table() } }
    }
}

/// The functions behind the table of an iterator of type `I`.
struct Pulled<I>(std::marker::PhantomData<I>);

impl<T, I: Iterator<Item = Result<T, Failure>>> Pulled<I> {
    const fn table() -> RawIterTable<T> {
        RawIterTable { next: Self::next, drop: Self::drop }
    }

    unsafe extern "C" fn next(object: *mut ()) -> RawNext<T> {
        // SAFETY: `RawIter::new` made the object, and its holder has not dropped it and shares it with nobody.
        let iterator = unsafe { &mut *object.cast::<I>() };
        match panics::catch(|| iterator.next()) {
            Ok(None) => RawNext::End,
            Ok(Some(Ok(item))) => RawNext::Item(item),
            Ok(Some(Err(failure))) => RawNext::Failed(failure.into()),
            Err(panic) => RawNext::Failed(panic),
        }
    }

    unsafe extern "C" fn drop(object: *mut ()) -> ROption<RawFailure> {
        // SAFETY: `RawIter::new` made the object, and its holder drops it once.
        let iterator = unsafe { Box::from_raw(object.cast::<I>()) };
        panics::catch(move || drop(iterator)).err().into()
    }
}

impl RawJoin {
    pub(crate) fn new<J: Join>(join: J) -> RawJoin {
        RawJoin { object: Box::into_raw(Box::new(join)).cast(), table: &const { Joined::<J>::TABLE } }
    }
}

/// The functions behind the table of a join of type `J`.
struct Joined<J>(std::marker::PhantomData<J>);

impl<J: Join> Joined<J> {
    const TABLE: RawJoinTable = RawJoinTable { take: Self::take, finish: Self::finish, drop: Self::drop };

    unsafe extern "C" fn take(object: *mut (), result: Message) -> ROption<RawFailure> {
        // SAFETY: `RawJoin::new` made the object, and its holder has not ended it and shares it with nobody.
        let join = unsafe { &mut *object.cast::<J>() };
        match panics::catch(|| join.take(result)) {
            Ok(Ok(())) => ROption::RNone,
            Ok(Err(failure)) => ROption::RSome(failure.into()),
            Err(panic) => ROption::RSome(panic),
        }
    }

    unsafe extern "C" fn finish(object: *mut ()) -> RawStarted<Message> {
        // SAFETY: `RawJoin::new` made the object, and its holder ends it once.
        let join = unsafe { Box::from_raw(object.cast::<J>()) };
        panics::catch(move || RawIter::new(join.finish())).into()
    }

    unsafe extern "C" fn drop(object: *mut ()) -> ROption<RawFailure> {
        // SAFETY: `RawJoin::new` made the object, and its holder ends it once.
        let join = unsafe { Box::from_raw(object.cast::<J>()) };
        panics::catch(move || drop(join)).err().into()
    }
}
