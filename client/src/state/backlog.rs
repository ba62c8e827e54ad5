//! The messages of a job that have not ended, by number.

use super::places::PlaceSet;
use super::window::Load;
use bytes::Bytes;
use pylm_protocol::Place;
use std::collections::VecDeque;

/// A message as the application gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) payload: Bytes,
    /// The key under which functions store what belongs to the message, where it is not the node's choice.
    pub(crate) cache: Option<Box<str>>,
}

/// What a message that has not ended has had of its results.
#[derive(Debug, Default)]
pub(crate) struct Had {
    /// Where the results stood that were delivered.
    pub(crate) delivered: PlaceSet,
    /// Results that count only together with the end.
    held: Vec<(Place, Bytes)>,
}

impl Had {
    /// Keeps a result until the end; a second one of the same place takes the first one's.
    pub(crate) fn hold(&mut self, place: Place, payload: Bytes) {
        match self.held.iter_mut().rev().find(|held| held.0 == place) {
            Some(held) => held.1 = payload,
            None => self.held.push((place, payload)),
        }
    }
}

#[derive(Debug)]
struct Slot {
    message: Message,
    /// Nothing for most, which get a Reply only.
    had: Option<Box<Had>>,
    ended: bool,
}

/// A message that has ended, and what waited for that.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) message: Message,
    pub(crate) held: Vec<(Place, Bytes)>,
}

/// The messages from the oldest one that has not ended to the newest.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    first: u64,
    slots: VecDeque<Slot>,
}

impl Backlog {
    /// Appends a message; its number is the one that [`end`](Self::end) had before.
    #[inline]
    pub(crate) fn push(&mut self, message: Message) {
        self.slots.push_back(Slot { message, had: None, ended: false });
    }

    /// The number of the oldest message that has not ended, or that of the next one.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the next message.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Whether every message has ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The message of that number, unless it has ended or is not there yet.
    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<&Message> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get(index).filter(|slot| !slot.ended).map(|slot| &slot.message)
    }

    /// What that message has had; `None` when it has ended or is not there yet.
    #[inline]
    pub(crate) fn had(&mut self, number: u64) -> Option<&mut Had> {
        let slot = self.slot(number)?;
        Some(slot.had.get_or_insert_default())
    }

    /// Whether that message, which is about to end, has had the result at the empty place.
    #[inline]
    pub(crate) fn had_whole(&mut self, number: u64) -> bool {
        self.slot(number)
            .and_then(|slot| slot.had.as_mut())
            .is_some_and(|had| !had.delivered.insert(&Place::default()))
    }

    #[inline]
    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index).filter(|slot| !slot.ended)
    }

    /// Ends a message, and gives it back; `None` when it has ended or is not there yet.
    #[inline]
    pub(crate) fn end(&mut self, number: u64) -> Option<Ended> {
        let slot = self.slot(number)?;
        slot.ended = true;
        let empty = Message { payload: Bytes::new(), cache: None };
        let message = std::mem::replace(&mut slot.message, empty);
        let held = slot.had.take().map(|had| had.held).unwrap_or_default();
        while self.slots.front().is_some_and(|slot| slot.ended) {
            self.slots.pop_front();
            self.first += 1;
        }
        Some(Ended { message, held })
    }

    /// Forgets results that were held for their end, as their messages are run anew.
    pub(crate) fn drop_held(&mut self) {
        self.slots.iter_mut().filter_map(|slot| slot.had.as_mut()).for_each(|had| had.held.clear());
    }

    /// The first message from `number` on that has not ended, or the next one.
    #[inline]
    pub(crate) fn not_ended_from(&self, number: u64) -> u64 {
        let mut number = number.max(self.first);
        while number < self.next() && self.get(number).is_none() {
            number += 1;
        }
        number
    }

    /// The messages before `number` that have not ended.
    pub(crate) fn load_before(&self, number: u64) -> Load {
        let mut load = Load::default();
        (self.first..number)
            .filter_map(|number| self.get(number))
            .for_each(|message| load.add(message.payload.len()));
        load
    }
}
