//! CPU time of processes and of the machine, as Linux counts it.

use anyhow::{Context as _, Result};
use rustix::param::clock_ticks_per_second;
use std::fs;

/// Seconds of CPU that all living processes of a process group have used, with those of their children that have ended.
pub fn of_group(group: i32) -> Result<f64> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").context("CPU times need /proc")? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit)) {
            continue;
        }
        // A process that ends meanwhile is none of ours: ours live until they are told to end.
        if let Some(used) = fs::read_to_string(path.join("stat")).ok().and_then(|stat| used_by(&stat, group))
        {
            ticks += used;
        }
    }
    Ok(ticks as f64 / clock_ticks_per_second() as f64)
}

/// User and system ticks of a process and its reaped children, if it belongs to the group.
fn used_by(stat: &str, group: i32) -> Option<u64> {
    // The name before it may contain anything, brackets and spaces too.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if fields.get(2)?.parse() != Ok(group) {
        return None;
    }
    fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Seconds of CPU that programs have used on all cores since the start of the machine, and what its host withheld.
/// Interrupts are left out: they are mostly those of the traffic itself.
pub fn of_machine() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("CPU times need /proc/stat")?;
    let used = busy(&stat).context("/proc/stat has no line for all cores")?;
    Ok(used as f64 / clock_ticks_per_second() as f64)
}

/// Ticks of user, nice, system and steal.
fn busy(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    Some(fields.get(..3)?.iter().sum::<u64>() + fields.get(7).unwrap_or(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_for_its_own_group_only() {
        let stat = "7 (a ) b) S 1 42 7 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7";
        assert_eq!(used_by(stat, 42), Some(127));
        assert_eq!(used_by(stat, 7), None);
        assert_eq!(used_by("", 7), None);
    }

    #[test]
    fn idle_time_and_interrupts_are_not_busy() {
        assert_eq!(busy("cpu  1 2 4 1000 1000 1000 1000 8 0 0\ncpu0 9 9 9 9"), Some(15));
        assert_eq!(busy("intr 1"), None);
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let (before, machine) = (of_group(group).unwrap(), of_machine().unwrap());
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() < 200 {
            std::hint::black_box(begun);
        }
        assert!(of_group(group).unwrap() > before && of_machine().unwrap() > machine);
    }
}
