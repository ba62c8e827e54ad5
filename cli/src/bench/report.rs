//! What a load has shown, for people and for programs.

use super::load::{Load, Outcome};
use indicatif::{DecimalBytes, HumanCount};
use pylm_protocol::Address;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// The longest bar of the histogram.
const BAR: f64 = 40.0;
/// The upper bounds of its lines grow by this.
const STEP: f64 = 2.0;

pub(super) struct Report<'a> {
    load: &'a Load,
    address: &'a Address,
    outcome: Outcome,
}

impl<'a> Report<'a> {
    pub(super) fn new(load: &'a Load, address: &'a Address, outcome: Outcome) -> Self {
        Report { load, address, outcome }
    }

    pub(super) fn failed(&self) -> u64 {
        self.outcome.failed
    }

    fn messages(&self) -> u64 {
        self.outcome.done + self.outcome.failed
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    fn bytes_in(&self) -> u64 {
        self.messages().saturating_mul(self.load.size as u64)
    }

    /// The report as JSON; latencies in milliseconds, and megabytes of a million bytes.
    pub(super) fn json(&self) -> Value {
        let Outcome { latencies, done, failed, results, result_bytes, errors, elapsed } = &self.outcome;
        let millis = |nanos: u64| nanos as f64 / 1e6;
        let quantile = |share: f64| millis(latencies.value_at_quantile(share));
        let errors: Vec<_> = errors
            .iter()
            .map(|((code, text), count)| json!({ "code": code, "text": text, "count": count }))
            .collect();
        json!({
            "function": self.load.function,
            "address": self.address.to_string(),
            "clients": self.load.clients,
            "window": self.load.window,
            "size": self.load.size,
            "messages": self.messages(),
            "done": done,
            "failed": failed,
            "results": results,
            "seconds": elapsed.as_secs_f64(),
            "messages_per_second": self.per_second(self.messages()),
            "megabytes_per_second": {
                "sent": self.per_second(self.bytes_in()) / 1e6,
                "received": self.per_second(*result_bytes) / 1e6,
            },
            "latency_ms": {
                "min": millis(latencies.min()),
                "mean": latencies.mean() / 1e6,
                "p50": quantile(0.5),
                "p90": quantile(0.9),
                "p99": quantile(0.99),
                "p99.9": quantile(0.999),
                "max": millis(latencies.max()),
            },
            "errors": errors,
        })
    }

    /// How many latencies fell below each bound, and not below the one before it.
    fn histogram(&self) -> Vec<(Duration, u64)> {
        let latencies = &self.outcome.latencies;
        let first = 10f64.powf((latencies.min().max(1) as f64).log10().floor()) as u64;
        let mut lines = Vec::new();
        for step in latencies.iter_log(first.max(1), STEP) {
            let bound = Duration::from_nanos(step.value_iterated_to());
            let count = step.count_since_last_iteration();
            if count > 0 || !lines.is_empty() {
                lines.push((bound, count));
            }
        }
        lines
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { latencies, failed, results, result_bytes, errors, elapsed, .. } = &self.outcome;
        let clients = match self.load.clients {
            1 => "1 client".to_owned(),
            clients => format!("{clients} clients"),
        };
        writeln!(
            f,
            "{} at {}: {clients}, {} bytes a message, {} under way for each client",
            self.load.function,
            self.address,
            HumanCount(self.load.size as u64),
            HumanCount(self.load.window)
        )?;
        writeln!(
            f,
            "{} messages in {:.3} s, {} results, {} failed",
            HumanCount(self.messages()),
            elapsed.as_secs_f64(),
            HumanCount(*results),
            HumanCount(*failed)
        )?;
        writeln!(
            f,
            "\n{} messages/s, {}/s sent, {}/s received",
            HumanCount(self.per_second(self.messages()) as u64),
            DecimalBytes(self.per_second(self.bytes_in()) as u64),
            DecimalBytes(self.per_second(*result_bytes) as u64)
        )?;
        if self.messages() == 0 {
            return Ok(());
        }
        writeln!(f, "\nlatency")?;
        for (name, share) in [("50 %", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("99.9 %", 0.999)] {
            writeln!(f, "  {name:>6}  {}", time(latencies.value_at_quantile(share)))?;
        }
        writeln!(f, "  {:>6}  {}", "max", time(latencies.max()))?;
        let mean = latencies.mean() as u64;
        writeln!(f, "  {:>6}  {}    (fastest {})\n", "mean", time(mean), time(latencies.min()).trim_start())?;
        let lines = self.histogram();
        let most = lines.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        for (bound, count) in lines {
            let length = (count as f64 / most as f64 * BAR).ceil() as usize;
            let share = 100.0 * count as f64 / self.messages() as f64;
            let bar = "█".repeat(length);
            writeln!(f, "  up to {}  {share:>5.1} %  {bar}", time(bound.as_nanos() as u64))?;
        }
        if !errors.is_empty() {
            writeln!(f, "\nerrors")?;
        }
        for ((code, text), count) in errors {
            writeln!(f, "  {:>9}  {code}: {text}", HumanCount(*count).to_string())?;
        }
        Ok(())
    }
}

/// Nanoseconds as people read them.
fn time(nanos: u64) -> String {
    let nanos = nanos as f64;
    let (value, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        1e3..1e6 => (nanos / 1e3, "µs"),
        1e6..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:>7.digits$} {unit:<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_with_three_digits() {
        let told: Vec<_> = [999, 1_500, 45_600, 123_456_789, 2_000_000_000].map(time).into_iter().collect();
        let told: Vec<_> = told.iter().map(|time| time.trim()).collect();
        assert_eq!(told, ["999 ns", "1.50 µs", "45.6 µs", "123 ms", "2.00 s"]);
    }
}
