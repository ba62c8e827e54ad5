//! Medians and spreads of a few figures.

/// The middle of the figures, or the mean of the two middle ones; `None` of none.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*lower, *upper))
}

/// How far apart the figures are: the largest less the smallest, as a share of the median.
pub fn spread(figures: &[f64]) -> Option<f64> {
    let (smallest, largest) = range(figures)?;
    Some((largest - smallest) / median(figures)?)
}

/// The smallest and the largest; `None` of none.
pub fn range(figures: &[f64]) -> Option<(f64, f64)> {
    let smallest = figures.iter().copied().reduce(f64::min)?;
    Some((smallest, figures.iter().copied().reduce(f64::max)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_spread_is_a_share_of_the_median() {
        assert_eq!(spread(&[90.0, 100.0, 120.0]), Some(0.3));
        assert_eq!(spread(&[5.0]), Some(0.0));
    }
}
