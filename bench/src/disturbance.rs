//! When a figure is not to be trusted.

/// The share of all cores that may be used from elsewhere during a measurement.
pub const MOST_ELSEWHERE: f64 = 0.05;

/// The share of all cores that others than the measured processes have used.
///
/// `machine` and `ours` are seconds of CPU within `elapsed` seconds. Ticks are coarse: what comes out below nothing is nothing.
pub fn elsewhere(machine: f64, ours: f64, elapsed: f64) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    ((machine - ours) / elapsed / cores).max(0.0)
}

/// Whether a ratio is not to be told: in half of the rounds or more, one of the two was measured while others used the cores.
pub fn is_disturbed(undisturbed: usize, rounds: usize) -> bool {
    undisturbed * 2 <= rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_use_is_a_disturbance() {
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        assert_eq!(elsewhere(3.0 * cores, 3.0 * cores, 3.0), 0.0);
        assert_eq!(elsewhere(2.0, 2.01, 3.0), 0.0);
        assert!((elsewhere(3.0 * cores, 1.5 * cores, 3.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_majority_of_quiet_rounds_is_needed() {
        assert!(!is_disturbed(3, 3) && !is_disturbed(2, 3));
        assert!(is_disturbed(1, 3) && is_disturbed(2, 4) && is_disturbed(0, 0));
    }
}
