//! When a figure is not to be trusted.

/// The share of all cores that may be used from elsewhere during a measurement.
pub const MOST_ELSEWHERE: f64 = 0.05;

/// How far apart the ratios of the rounds may be, as a share of their median.
pub const WIDEST_SPREAD: f64 = 0.20;

/// The share of all cores that others than the measured processes have used.
///
/// `machine` and `ours` are seconds of CPU within `elapsed` seconds. Ticks are coarse: what comes out below nothing is nothing.
pub fn elsewhere(machine: f64, ours: f64, elapsed: f64) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    ((machine - ours) / elapsed / cores).max(0.0)
}

/// Why there is no ratio, if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// In half of the rounds or more, one of the two was measured while others used the cores.
    Disturbed,
    /// The rounds differ too much.
    Spread,
}

/// Whether these ratios, the undisturbed ones out of so many rounds, can be told.
pub fn doubt(undisturbed: usize, rounds: usize, spread: f64) -> Option<Doubt> {
    if undisturbed * 2 <= rounds {
        Some(Doubt::Disturbed)
    } else if spread > WIDEST_SPREAD {
        Some(Doubt::Spread)
    } else {
        None
    }
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
    fn a_majority_of_quiet_rounds_that_agree_is_needed() {
        assert_eq!(doubt(3, 3, 0.1), None);
        assert_eq!(doubt(2, 3, 0.1), None);
        assert_eq!(doubt(1, 3, 0.0), Some(Doubt::Disturbed));
        assert_eq!(doubt(0, 0, 0.0), Some(Doubt::Disturbed));
        assert_eq!(doubt(3, 3, 0.5), Some(Doubt::Spread));
    }
}
