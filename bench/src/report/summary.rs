//! The rounds of one contender at one size as one row: medians, spread, and ratios to what was measured in the same rounds.

use crate::contender::Contender;
use crate::disturbance::{self, MOST_ELSEWHERE};
use crate::measurement::Measurement;
use crate::statistics::{median, range, spread};
use crate::workload::Size;
use serde::Serialize;

/// One row.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Who.
    pub contender: Contender,
    /// Bytes of each payload.
    pub size: Size,
    /// Messages under way.
    pub window: usize,
    /// Messages in a second, the median.
    pub rate: f64,
    /// Largest less smallest rate, as a share of the median.
    pub spread: f64,
    /// Ratios to each reference that was measured in the same rounds, but not to itself.
    pub ratios: Vec<Ratio>,
    /// The same of the times that 99 of 100 messages took at most, where times were noted.
    pub tails: Vec<Ratio>,
    /// The node's CPU for each message, in microseconds, the median.
    pub node_cpu: f64,
    /// All processes' CPU for each message, in microseconds, the median.
    pub total_cpu: f64,
    /// The median time of a message, in microseconds, where times were noted.
    pub p50: Option<f64>,
    /// The time that 99 of 100 messages took at most.
    pub p99: Option<f64>,
    /// Rounds in which this contender was disturbed.
    pub disturbed: usize,
}

/// A ratio, of rates, or of the median times where messages go one at a time, and whether it can be told.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratio {
    /// To what.
    pub to: Contender,
    /// The median over the undisturbed rounds; over all where there are none.
    pub value: f64,
    /// The smallest of these rounds.
    pub lowest: f64,
    /// The largest.
    pub highest: f64,
    /// Others used the cores in too many rounds: it should not be told.
    pub disturbed: bool,
}

/// What of a measurement is compared.
type Figure = fn(&Measurement) -> Option<f64>;

/// A row for each size and contender, in the order of their first measurements.
pub fn summarize(measurements: &[Measurement], against: &[Contender], rounds: u32) -> Vec<Summary> {
    let mut rows: Vec<Summary> = Vec::new();
    for first in measurements {
        if rows.iter().any(|row| (row.contender, row.size) == (first.contender, first.size)) {
            continue;
        }
        let own: Vec<&Measurement> = of(measurements, first.contender, first.size);
        let figures = |figure: fn(&Measurement) -> f64| own.iter().map(|one| figure(one)).collect::<Vec<_>>();
        let middle = |figure| median(&figures(figure)).unwrap_or(f64::NAN);
        let times = |time: Figure| median(&own.iter().filter_map(|one| time(one)).collect::<Vec<_>>());
        let ratios = |figure: Figure| {
            let others = against.iter().filter(|to| **to != first.contender);
            let ratio = |&to: &Contender| ratio(&own, to, &of(measurements, to, first.size), rounds, figure);
            others.filter_map(ratio).collect()
        };
        rows.push(Summary {
            contender: first.contender,
            size: first.size,
            window: first.window,
            rate: middle(|one| one.rate),
            spread: spread(&figures(|one| one.rate)).unwrap_or(0.0),
            ratios: ratios(|one| Some(one.report.p50.unwrap_or(one.rate))),
            tails: ratios(|one| one.report.p99),
            node_cpu: middle(|one| one.cpu.node),
            total_cpu: middle(|one| one.cpu.total()),
            p50: times(|one| one.report.p50),
            p99: times(|one| one.report.p99),
            disturbed: own.iter().filter(|one| is_disturbed(one)).count(),
        });
    }
    rows.sort_by_key(|row| row.size);
    rows
}

fn of(measurements: &[Measurement], contender: Contender, size: Size) -> Vec<&Measurement> {
    measurements.iter().filter(|one| one.contender == contender && one.size == size).collect()
}

fn is_disturbed(measurement: &Measurement) -> bool {
    measurement.elsewhere > MOST_ELSEWHERE
}

/// Of the rounds in which both were measured.
fn ratio(
    own: &[&Measurement],
    to: Contender,
    reference: &[&Measurement],
    rounds: u32,
    figure: Figure,
) -> Option<Ratio> {
    let pairs = own.iter().filter_map(|one| {
        let other = reference.iter().find(|other| other.round == one.round)?;
        Some((figure(one)? / figure(other)?, is_disturbed(one) || is_disturbed(other)))
    });
    let pairs: Vec<(f64, bool)> = pairs.collect();
    let quiet: Vec<f64> = pairs.iter().filter(|(_, disturbed)| !disturbed).map(|(ratio, _)| *ratio).collect();
    let all: Vec<f64> = pairs.iter().map(|(ratio, _)| *ratio).collect();
    let told = if quiet.is_empty() { &all } else { &quiet };
    let (lowest, highest) = range(told)?;
    let disturbed = disturbance::is_disturbed(quiet.len(), rounds as usize);
    Some(Ratio { to, value: median(told)?, lowest, highest, disturbed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Cpu;
    use crate::part::Report;

    fn measured(round: u32, contender: Contender, rate: f64, elsewhere: f64) -> Measurement {
        let report = Report { messages: rate as u64, seconds: 1.0, p50: None, p99: None };
        let cpu = Cpu { node: 1.0, workers: 2.0, client: 3.0 };
        Measurement { round, contender, size: Size(16), window: 9, report, rate, cpu, elsewhere }
    }

    fn rows(measurements: &[Measurement]) -> Vec<Summary> {
        summarize(measurements, &[Contender::Ceiling], 3)
    }

    #[test]
    fn times_are_compared_at_the_median_and_at_their_tail() {
        let timed = |contender, p50, p99| {
            let mut one = measured(0, contender, 1.0, 0.0);
            one.report.p50 = Some(p50);
            one.report.p99 = Some(p99);
            one
        };
        let rows = rows(&[timed(Contender::Ceiling, 100.0, 200.0), timed(Contender::Native, 150.0, 220.0)]);
        assert_eq!((rows[1].ratios[0].value, rows[1].tails[0].value), (1.5, 1.1));
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_each_round() {
        // The machine became half as fast in the third round: the ratio stays.
        let rates = [(1, 1000.0, 800.0), (2, 1000.0, 820.0), (3, 500.0, 405.0)];
        let measurements: Vec<Measurement> = rates
            .into_iter()
            .flat_map(|(round, ceiling, wire)| {
                [
                    measured(round, Contender::Ceiling, ceiling, 0.0),
                    measured(round, Contender::Wire, wire, 0.0),
                ]
            })
            .collect();
        let rows = rows(&measurements);
        let ratio = rows[1].ratios[0];
        assert!(rows[0].ratios.is_empty(), "nothing is compared with itself");
        assert_eq!((rows.len(), rows[1].contender, rows[1].total_cpu), (2, Contender::Wire, 6.0));
        assert!((ratio.value - 0.81).abs() < 1e-9 && !ratio.disturbed, "{ratio:?}");
        assert_eq!((ratio.lowest, ratio.highest), (0.8, 0.82));
    }

    #[test]
    fn disturbed_rounds_do_not_count_and_too_many_leave_a_doubt() {
        let mut measurements = Vec::new();
        for (round, wire, elsewhere) in [(1, 800.0, 0.0), (2, 100.0, 0.5), (3, 800.0, 0.0)] {
            measurements.push(measured(round, Contender::Ceiling, 1000.0, 0.0));
            measurements.push(measured(round, Contender::Wire, wire, elsewhere));
        }
        let ratio = rows(&measurements)[1].ratios[0];
        assert_eq!((ratio.value, ratio.lowest, ratio.disturbed), (0.8, 0.8, false));
        measurements[0].elsewhere = 0.5;
        let row = &rows(&measurements)[1];
        assert_eq!((row.disturbed, row.ratios[0].disturbed), (1, true));
    }

    #[test]
    fn without_the_reference_there_is_no_ratio() {
        assert!(rows(&[measured(1, Contender::Wire, 5.0, 0.0)])[0].ratios.is_empty());
    }
}
