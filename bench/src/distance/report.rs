//! The table: for each round trip, the share of what is possible.

use super::places::Place;
use crate::report::figure;
use crate::workload::Size;
use anyhow::Result;
use std::io::{Write as _, stdout};

/// One line: a peer, a payload, a function, and what was found for each round trip.
pub struct Row {
    head: String,
    cells: Vec<String>,
}

impl Row {
    /// A line that has only begun; `near` is the rate over a link without length.
    pub fn new(place: Place, size: Size, work: u64, near: f64) -> Self {
        let work = match work {
            0 => "echo".to_owned(),
            1..1_000 => format!("{work} µs"),
            _ => format!("{} ms", work as f64 / 1e3),
        };
        let head = format!("| {place} | {size} | {work} | {}", figure(near));
        eprintln!("{head}/s over a link without length");
        Row { head, cells: Vec::new() }
    }

    /// The next cell: the rate, and what is possible.
    pub fn push(&mut self, round_trip: f64, found: Result<(f64, f64)>) {
        let cell = match found {
            Ok((rate, possible)) => format!("{:.2} of {}", rate / possible, figure(possible)),
            Err(error) => {
                eprintln!("failed: {error:#}");
                "failed".to_owned()
            }
        };
        eprintln!("{}, {round_trip} ms: {cell}", self.head);
        self.cells.push(cell);
    }
}

/// Prints lines as a table in Markdown.
pub fn print(rows: &[Row], round_trips: &[f64]) -> Result<()> {
    let mut out = stdout().lock();
    let heads: String = round_trips.iter().map(|round_trip| format!(" {round_trip} ms |")).collect();
    let rules = " ---: |".repeat(round_trips.len());
    writeln!(
        out,
        "\n| far | payload | function | without length |{heads}\n| --- | --- | --- | ---: |{rules}"
    )?;
    for row in rows {
        writeln!(out, "{} | {} |", row.head, row.cells.join(" | "))?;
    }
    Ok(())
}
