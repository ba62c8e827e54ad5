//! One message at a time, while another client floods the node.

use super::{Figure, one_at_a_time, quantile};
use crate::contender::own::{self, With};
use crate::part::MEASURING;
use crate::workload::{Size, Workload};
use anyhow::Result;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(5);

pub fn measure() -> Result<Vec<Figure>> {
    let flood = Workload::bounded(Size(16), 4_000, Size(64 << 20), TIME.as_secs_f64() + 20.0);
    let (running, db) = own::native_at(flood, 2, With::Nothing)?;
    running.client.wait_for_line(MEASURING, Duration::from_secs(30));
    let times = one_at_a_time(&db, TIME)?;
    Ok(vec![
        Figure::told("one at a time while another client floods: p50", quantile(&times, 0.5) / 1e3, "ms"),
        Figure::at_most(
            "one at a time while another client floods: p99",
            quantile(&times, 0.99) / 1e3,
            "ms",
            5.0,
        ),
    ])
}
