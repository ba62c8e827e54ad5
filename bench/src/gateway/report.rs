//! What wrk reports, and the table of it.

use crate::machine::Machine;
use anyhow::Result;
use std::fmt;
use std::io::{Write, stdout};

/// One run of wrk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Answers in a second.
    pub rate: f64,
    /// The time of half of the requests, in milliseconds.
    pub median: f64,
    /// The time of all but one in a hundred.
    pub p99: f64,
    /// Requests without an answer, and answers with another status than 2xx.
    pub errors: u64,
}

impl Report {
    /// Reads what `wrk --latency` writes.
    pub fn parse(said: &str) -> Option<Self> {
        let behind = |word: &str| {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(word))?;
            Some(line.trim_start_matches(':').trim())
        };
        let sockets = behind("Socket errors").unwrap_or_default();
        let sockets =
            sockets.split(|letter: char| !letter.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok());
        let statuses =
            behind("Non-2xx or 3xx responses").map_or(Some(0), |count| count.parse::<u64>().ok())?;
        Some(Report {
            rate: behind("Requests/sec")?.parse().ok()?,
            median: milliseconds(behind("50%")?)?,
            p99: milliseconds(behind("99%")?)?,
            errors: sockets.sum::<u64>() + statuses,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { rate, median, p99, errors } = self;
        write!(f, "{rate:.0} requests/s, p50 {median:.1} ms, p99 {p99:.1} ms, {errors} errors")
    }
}

fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|letter: char| letter.is_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// Prints a row for each run, as Markdown.
pub fn print(machine: &Machine, connections: u32, reports: &[(&str, Report)]) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{machine}\n")?;
    writeln!(out, "| server | connections | requests/s | p50 ms | p99 ms | errors |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for (name, Report { rate, median, p99, errors }) in reports {
        writeln!(out, "| {name} | {connections} | {rate:.0} | {median:.1} | {p99:.1} | {errors} |")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
Running 10s test @ http://127.0.0.1:1/echo
  2 threads and 2000 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    82.55ms   20.27ms 541.94ms   86.58%
    Req/Sec    12.15k     1.21k   14.52k    72.50%
  Latency Distribution
     50%   81.20ms
     75%   91.40ms
     90%  101.11ms
     99%    1.26s 
  241906 requests in 10.06s, 31.14MB read
Requests/sec:  24046.37
Transfer/sec:      3.10MB
";

    #[test]
    fn a_report_of_wrk_is_read() {
        let expected = Report { rate: 24_046.37, median: 81.2, p99: 1_260.0, errors: 0 };
        assert_eq!(Report::parse(SAID), Some(expected));
        let errors =
            "  Socket errors: connect 1, read 20, write 0, timeout 300\n  Non-2xx or 3xx responses: 4000\n";
        assert_eq!(Report::parse(&format!("{SAID}{errors}")).map(|report| report.errors), Some(4_321));
        assert_eq!(Report::parse("unable to connect"), None);
    }
}
