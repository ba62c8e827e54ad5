//! Families of metrics, as they are written: a name, a help text, and a series for each set of labels.

use crate::node::{BUCKETS, Latencies};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use pylm_protocol::visible;
use std::fmt;

/// Labels of a series, with their values.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Where families are written to.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    /// A counter without labels; `_total` is put behind its name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(Vec::new(), value)])
    }

    /// A counter for each set of labels.
    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        self.family(name, help, series.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value))))
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(Vec::new(), value)])
    }

    /// A gauge for each set of labels.
    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, series.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value))))
    }

    /// A histogram of seconds.
    pub(super) fn histogram(&mut self, name: &str, help: &str, latencies: &Latencies) -> fmt::Result {
        let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(latencies.counts).collect();
        self.0.encode_descriptor(name, help, None, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(
            latencies.sum(),
            latencies.count,
            &buckets,
            None,
        )
    }

    fn family<'l, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = (Labels<'l>, M)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, M::TYPE)?;
        for (labels, metric) in series {
            if labels.is_empty() {
                metric.encode(encoder.encode_family(&NO_LABELS)?)?;
            } else {
                let labels: Vec<_> =
                    labels.into_iter().map(|(name, value)| (name, visible(value).to_string())).collect();
                metric.encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

const NO_LABELS: [(&str, &str); 0] = [];
