//! How much of what is possible gets through to peers that are far away.
//!
//! One of a node's peers is behind a link ([`pylm_tests::far`]). What is possible is the least of three: what the same link passes when it has
//! no length, what its rate lets through, and the bound in bytes of what may be under way, once in each round trip.

mod load;
mod places;
mod report;

use crate::workload::Size;
use crate::{interrupt, programs};
use anyhow::Result;
use clap::Args;
use places::Place;
use pylm_tests::far;
use report::Row;
use std::process::ExitCode;
use std::time::Duration;

/// Beyond this round trip, in milliseconds, links are slower.
const NEAR: f64 = 2.0;
/// Bytes of payload that may be under way of one job, and at one host.
const BOUND: f64 = (64 << 20) as f64;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub struct Distances {
    /// Which of the node's peers are far away
    #[arg(long, value_delimiter = ',', value_enum, value_name = "PLACES", default_values_t = Place::ALL)]
    places: Vec<Place>,
    /// Round trips, in milliseconds
    #[arg(long, value_delimiter = ',', value_name = "MS", default_value = "0.2,2,20,200")]
    round_trips: Vec<f64>,
    /// The sizes of payloads
    #[arg(long, value_delimiter = ',', value_name = "SIZES", default_value = "100,1KiB,64KiB")]
    sizes: Vec<Size>,
    /// How long the function takes, in microseconds
    #[arg(long, value_delimiter = ',', value_name = "US", default_value = "0,10,1000,100000")]
    works: Vec<u64>,
    /// By how much longer a byte may take each way, at random, as a share of half of the round trip
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    jitter: f64,
    /// Megabits a second of all links, in place of 1,000 up to 2 ms and 100 beyond
    #[arg(long, value_name = "MBIT")]
    rate: Option<f64>,
    /// The link stands still for so many seconds, in the middle of each measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    stall: f64,
    /// How long each measurement takes, after a warm-up of a second and twenty round trips
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
struct Plan {
    place: Place,
    distance: far::Distance,
    size: Size,
    work: Duration,
    stall: Duration,
    time: Duration,
}

/// What was found: messages a second, and what each took of the link in bytes, on the way that was fuller.
#[derive(Debug, Clone, Copy)]
struct Found {
    rate: f64,
    bytes: f64,
}

impl Distances {
    fn plan(&self, place: Place, size: Size, work: u64, round_trip: f64) -> Plan {
        let half = Duration::from_secs_f64(round_trip / 2e3);
        let rate = self.rate.unwrap_or(if round_trip <= NEAR { 1_000.0 } else { 100.0 });
        let distance = far::Distance {
            round_trip: half * 2,
            jitter: half.mul_f64(self.jitter),
            rate: (round_trip > 0.0).then_some((rate * 125e3) as u64),
        };
        let (work, stall) = (Duration::from_micros(work), Duration::from_secs_f64(self.stall));
        Plan { place, distance, size, work, stall, time: Duration::from_secs_f64(self.seconds) }
    }
}

impl Plan {
    /// The most messages a second that are possible, where `near` is what a link without length passes.
    fn possible(&self, near: Found) -> f64 {
        let link = self.distance.rate.map_or(f64::INFINITY, |rate| rate as f64 / near.bytes);
        let window = BOUND / self.size.0 as f64 / self.distance.round_trip.as_secs_f64();
        let moving = 1.0 - self.stall.as_secs_f64() / self.time.as_secs_f64();
        near.rate.min(link * moving).min(window)
    }
}

/// Measures, and prints a table.
pub fn measure(options: &Distances) -> Result<ExitCode> {
    interrupt::end_children_with_us()?;
    programs::release();
    let (mut rows, mut failures) = (Vec::new(), 0);
    for &place in &options.places {
        for &size in &options.sizes {
            for &work in options.works.iter().filter(|work| place.does(**work)) {
                let plan = |round_trip| options.plan(place, size, work, round_trip);
                let near = places::measure(Plan { stall: Duration::ZERO, ..plan(0.0) })?;
                let mut row = Row::new(place, size, work, near.rate);
                for &round_trip in &options.round_trips {
                    let plan = plan(round_trip);
                    let found = places::measure(plan).map(|found| (found.rate, plan.possible(near)));
                    failures += usize::from(found.is_err());
                    row.push(round_trip, found);
                }
                rows.push(row);
            }
        }
    }
    report::print(&rows, &options.round_trips)?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
