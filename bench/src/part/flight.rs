//! Which messages are under way: each occupies a slot, whose number it carries, so that none is lost or doubled unnoticed.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// The number that a message carries in the first eight bytes of its payload.
pub type Slot = usize;

/// The slots of a window.
#[derive(Debug)]
pub struct Flight {
    under_way: Vec<bool>,
    free: Vec<Slot>,
    ended: u64,
    /// Where times are noted: when each slot's message began.
    begun: Option<Vec<Instant>>,
    times: Vec<Duration>,
}

impl Flight {
    /// Room for `window` messages; `timed` ones note how long each takes.
    pub fn new(window: usize, timed: bool) -> Self {
        Flight {
            under_way: vec![false; window],
            free: (0..window).rev().collect(),
            ended: 0,
            begun: timed.then(|| vec![Instant::now(); window]),
            times: Vec::new(),
        }
    }

    /// A slot for the next message, if there is room.
    #[inline]
    pub fn begin(&mut self) -> Option<Slot> {
        let slot = self.free.pop()?;
        self.under_way[slot] = true;
        if let Some(begun) = &mut self.begun {
            begun[slot] = Instant::now();
        }
        Some(slot)
    }

    /// A result came.
    #[inline]
    pub fn end(&mut self, slot: Slot) -> Result<()> {
        match self.under_way.get_mut(slot) {
            Some(under_way) if *under_way => *under_way = false,
            _ => bail!("a result came that nobody waits for, of slot {slot}"),
        }
        if let Some(begun) = &self.begun {
            self.times.push(begun[slot].elapsed());
        }
        self.free.push(slot);
        self.ended += 1;
        Ok(())
    }

    /// Messages that have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Messages that have not.
    pub fn len(&self) -> usize {
        self.under_way.len() - self.free.len()
    }

    /// The times noted since the last call.
    pub fn take_times(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_under_way_than_the_window() {
        let mut flight = Flight::new(2, true);
        let slots = [flight.begin(), flight.begin(), flight.begin()];
        assert_eq!(slots, [Some(0), Some(1), None]);
        flight.end(1).unwrap();
        assert_eq!((flight.len(), flight.ended(), flight.begin()), (1, 1, Some(1)));
        assert_eq!(flight.take_times().len(), 1);
    }

    #[test]
    fn a_doubled_or_foreign_result_is_an_error() {
        let mut flight = Flight::new(2, false);
        flight.begin();
        flight.end(0).unwrap();
        assert!(flight.end(0).is_err() && flight.end(1).is_err() && flight.end(2).is_err());
    }
}
