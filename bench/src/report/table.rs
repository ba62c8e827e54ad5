//! The table.

use super::Summary;
use crate::contender::Contender;
use crate::disturbance::MOST_ELSEWHERE;
use crate::rounds::Run;
use anyhow::Result;
use std::fmt::Write as _;
use std::io::{Write as _, stdout};

/// Prints a run as a table in Markdown, and what to think of it.
pub fn print(run: &Run, force: bool) -> Result<()> {
    stdout().write_all(text(run, force)?.as_bytes())?;
    Ok(())
}

fn text(run: &Run, force: bool) -> Result<String> {
    let mut out = String::new();
    let Run { machine, rounds, seconds, hosts, against, .. } = run;
    writeln!(out, "{machine}; {rounds} rounds of {seconds} s, {hosts} workers, medians\n")?;
    let against = |what: &str| against.iter().map(|to| format!(" {what} {to} |")).collect::<String>();
    let lines = " ---: |".repeat(run.against.len());
    if run.latency {
        let ratios = against("p50 to that of");
        writeln!(out, "| size | contender | p50 µs | p99 µs |{ratios} node µs/message |")?;
        writeln!(out, "| --- | --- | ---: | ---: |{lines} ---: |")?;
    } else {
        let ratios = against("of");
        writeln!(
            out,
            "| size | in flight | contender | messages/s | spread |{ratios} node µs/message | all µs/message |"
        )?;
        writeln!(out, "| --- | ---: | --- | ---: | ---: |{lines} ---: | ---: |")?;
    }
    for row in &run.summaries {
        let Summary { contender, size, window, node_cpu, total_cpu, .. } = row;
        let ratios: String = run.against.iter().map(|to| format!(" {} |", ratio(row, *to, force))).collect();
        let node = figure(*node_cpu);
        if run.latency {
            let time = |time: Option<f64>| time.map_or_else(|| "–".to_owned(), figure);
            writeln!(
                out,
                "| {size} | {contender} | {} | {} |{ratios} {node} |",
                time(row.p50),
                time(row.p99)
            )?;
        } else {
            let (rate, spread, total) = (thousands(row.rate), row.spread * 100.0, figure(*total_cpu));
            writeln!(
                out,
                "| {size} | {window} | {contender} | {rate} | {spread:.0} % |{ratios} {node} | {total} |"
            )?;
        }
    }
    warnings(run, &mut out)?;
    Ok(out)
}

fn warnings(run: &Run, out: &mut String) -> Result<()> {
    let all = run.measurements.len();
    let disturbed = run.measurements.iter().filter(|one| one.elsewhere > MOST_ELSEWHERE).count();
    if disturbed > 0 {
        writeln!(
            out,
            "\nwarning: during {disturbed} of {all} measurements other programs used more than {:.0} % of the cores",
            MOST_ELSEWHERE * 100.0
        )?;
    }
    for failure in &run.failures {
        let (round, size) = (failure.round, failure.size);
        writeln!(out, "\nfailed: round {round}, {size}, {}: {}", failure.contender, failure.why)?;
    }
    Ok(())
}

/// A ratio, or why there is none.
fn ratio(row: &Summary, to: Contender, force: bool) -> String {
    let Some(ratio) = row.ratios.iter().find(|ratio| ratio.to == to) else { return "–".into() };
    let told = with_range(ratio.value, ratio.lowest, ratio.highest);
    match ratio.disturbed {
        false => told,
        true if force => format!("({told})"),
        true => "disturbed".into(),
    }
}

/// How far apart rounds may be, as a share of their median, without a word of it.
const NEAR: f64 = 0.20;

/// The median of some rounds, and between which figures they are, where these are not near.
pub fn with_range(median: f64, lowest: f64, highest: f64) -> String {
    let short = |value: f64| if value < 0.1 { format!("{value:.4}") } else { figure(value) };
    if highest - lowest <= NEAR * median {
        short(median)
    } else {
        format!("{} ({}–{})", short(median), short(lowest), short(highest))
    }
}

/// With as many digits as are worth reading.
pub fn figure(figure: f64) -> String {
    match figure {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large => thousands(large),
    }
}

/// Rounded, with commas between thousands.
fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!([0.934, 12.34, 123.4, 1_234_567.0].map(figure), ["0.93", "12.3", "123", "1,234,567"]);
        assert_eq!([5.0, 100_000.0].map(thousands), ["5", "100,000"]);
        assert_eq!(with_range(0.05, 0.05, 0.05), "0.0500");
        assert_eq!([with_range(1.0, 0.95, 1.1), with_range(1.0, 0.5, 12.0)], ["1.00", "1.00 (0.50–12.0)"]);
    }
}
