//! What is asked of each contender, as a ratio to another one of the same rounds.

use crate::contender::Contender::{self, Ceiling, CeilingCopying, CeilingPalm, Gearmand, JetstreamMemory};
use crate::contender::Contender::{
    JetstreamSynced, Native, NativeHooks, NativeJournal, NativeSpin, Nats, Python, PythonPeers, Wire,
};
use crate::report::{Ratio, Summary};

const SMALL: usize = 16;
const HUNDRED: usize = 100;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// One bar: this contender, at this size, against that one, at least so much.
type Bar = (Contender, usize, Contender, f64);

/// Of messages in a second.
const RATES: [Bar; 21] = [
    (Wire, SMALL, CeilingPalm, 0.85),
    (Wire, KIB, CeilingPalm, 0.85),
    (Wire, 64 * KIB, CeilingCopying, 0.95),
    (Wire, MIB, CeilingCopying, 0.95),
    (Native, SMALL, Ceiling, 2.0),
    (Native, HUNDRED, Ceiling, 2.0),
    (Native, KIB, Ceiling, 1.3),
    (Native, 10 * KIB, Ceiling, 1.1),
    (Native, 64 * KIB, Ceiling, 0.95),
    (Native, MIB, Ceiling, 0.95),
    (NativeHooks, SMALL, Native, 0.9),
    (NativeHooks, HUNDRED, Native, 0.9),
    (NativeHooks, KIB, Native, 0.9),
    (NativeJournal, HUNDRED, JetstreamSynced, 2.0),
    (Wire, SMALL, Python, 100.0),
    (Native, SMALL, Python, 250.0),
    (PythonPeers, SMALL, Python, 3.0),
    (Native, HUNDRED, Nats, 1.0),
    (Native, HUNDRED, JetstreamMemory, 4.0),
    (Native, HUNDRED, Gearmand, 8.0),
    (Wire, SMALL, Ceiling, 0.85),
];

/// Of the time of one message at a time, at most, at the median and at 99 of 100.
const TIMES: [Bar; 2] = [(Native, SMALL, Ceiling, 1.15), (Wire, SMALL, CeilingPalm, 1.15)];

/// The same at the median only.
const MEDIAN_TIMES: [Bar; 1] = [(NativeSpin, SMALL, Ceiling, 0.5)];

/// Of the node's microseconds for a message of 16 B, at most.
const NODE_CPU: [(Contender, f64); 2] = [(Wire, 1.5), (Native, 0.5)];

/// A bar, and what was found of it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Judged {
    /// What is asked, for people.
    pub what: String,
    /// What was found: the median of the rounds.
    pub value: f64,
    /// The smallest of the rounds.
    pub lowest: f64,
    /// The largest.
    pub highest: f64,
    /// Others used the cores in too many rounds.
    pub disturbed: bool,
    /// What is asked.
    pub bar: f64,
    /// The bar is the most that it may be.
    pub at_most: bool,
}

impl Judged {
    /// Whether it is as asked in each round, or in none; `None` where the rounds differ, or were disturbed.
    pub fn passes(&self) -> Option<bool> {
        let is_met = |value: f64| if self.at_most { value <= self.bar } else { value >= self.bar };
        match (is_met(self.lowest), is_met(self.highest)) {
            (lowest, highest) if lowest == highest && !self.disturbed => Some(lowest),
            _ => None,
        }
    }
}

/// Judges the rates that were measured, and the node's CPU; bars of what was not are left out.
pub fn judge(rows: &[Summary]) -> Vec<Judged> {
    let mut judged = judge_ratios(rows, &RATES, "", false, |row| &row.ratios);
    for (who, bar) in NODE_CPU {
        if let Some(row) = rows.iter().find(|row| row.contender == who && row.size.0 == SMALL) {
            let what = format!("node's µs for a message of {who} at {}", row.size);
            let (value, disturbed) = (row.node_cpu, row.disturbed > 0);
            judged.push(Judged { what, value, lowest: value, highest: value, disturbed, bar, at_most: true });
        }
    }
    judged
}

/// Judges the times of one message at a time.
pub fn judge_times(rows: &[Summary]) -> Vec<Judged> {
    let mut judged =
        judge_ratios(rows, &[&TIMES[..], &MEDIAN_TIMES].concat(), "p50 of ", true, |row| &row.ratios);
    judged.extend(judge_ratios(rows, &TIMES, "p99 of ", true, |row| &row.tails));
    judged
}

fn judge_ratios(
    rows: &[Summary],
    bars: &[Bar],
    of: &str,
    at_most: bool,
    ratios: fn(&Summary) -> &[Ratio],
) -> Vec<Judged> {
    let judge = |&(who, size, against, bar): &Bar| {
        let row = rows.iter().find(|row| row.contender == who && row.size.0 == size)?;
        let ratio = ratios(row).iter().find(|ratio| ratio.to == against)?;
        let &Ratio { value, lowest, highest, disturbed, .. } = ratio;
        let what = format!("{of}{who} at {}, to {against}", row.size);
        Some(Judged { what, value, lowest, highest, disturbed, bar, at_most })
    };
    bars.iter().filter_map(judge).collect()
}

/// Whether a bar needs this contender's rate at this size.
pub fn needs(contender: Contender, size: usize) -> bool {
    RATES.iter().any(|&(who, at, against, _)| at == size && (who == contender || against == contender))
}

/// The contenders that others are compared with in a bar.
pub fn references() -> Vec<Contender> {
    let mut all: Vec<Contender> = RATES.iter().map(|(.., against, _)| *against).collect();
    all.sort_by_key(|contender| *contender as u8);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_or_missed_only_where_all_rounds_say_so() {
        let judged = |lowest, highest, at_most, disturbed| {
            let value = f64::midpoint(lowest, highest);
            Judged { what: String::new(), value, lowest, highest, disturbed, bar: 1.0, at_most }.passes()
        };
        assert_eq!(judged(1.0, 9.0, false, false), Some(true));
        assert_eq!(judged(0.5, 0.9, false, false), Some(false));
        assert_eq!(judged(0.5, 1.5, false, false), None);
        assert_eq!(judged(0.5, 0.9, true, false), Some(true));
        assert_eq!(judged(0.5, 0.9, true, true), None);
    }
}
