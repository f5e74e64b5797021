//! All metrics, read at one time: for answers that tell people what the relay does.

use std::collections::{BTreeMap, HashMap};

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// All metrics, read at one time.
#[derive(Debug)]
pub struct Reading(HashMap<String, MetricFamily>);

impl Reading {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        let named = families.into_iter().map(|family| (family.name().to_owned(), family));
        Self(named.collect())
    }

    /// The sum of a metric that counts, by its name without the prefix, over all its labels.
    pub fn sum(&self, name: &str) -> u64 {
        whole(self.seconds(name))
    }

    /// The same for one that measures time.
    pub fn seconds(&self, name: &str) -> f64 {
        self.metrics(name).map(|(metric, kind)| value(metric, kind)).sum()
    }

    /// The sums of a metric that counts, by the values of `label`, of those whose other labels hold `with`.
    pub fn by(&self, name: &str, label: &str, with: &[(&str, &str)]) -> BTreeMap<String, u64> {
        let sums = self.seconds_by(name, label, with).into_iter();
        sums.map(|(key, sum)| (key, whole(sum))).collect()
    }

    /// The same for one that measures time.
    pub fn seconds_by(&self, name: &str, label: &str, with: &[(&str, &str)]) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (metric, kind) in self.metrics(name) {
            let of = |wanted: &str| {
                let labels = metric.get_label().iter();
                labels
                    .filter(|pair| pair.name() == wanted)
                    .map(prometheus::proto::LabelPair::value)
                    .next()
            };
            if with.iter().all(|&(name, value)| of(name) == Some(value))
                && let Some(key) = of(label)
            {
                *sums.entry(key.to_owned()).or_default() += value(metric, kind);
            }
        }
        sums
    }

    fn metrics(&self, name: &str) -> impl Iterator<Item = (&Metric, MetricType)> {
        let full = format!("{}_{name}", super::NAMESPACE);
        // Those of the process itself have no prefix.
        let family = self.0.get(&full).or_else(|| self.0.get(name));
        family.into_iter().flat_map(|family| {
            family
                .get_metric()
                .iter()
                .map(|metric| (metric, family.get_field_type()))
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what counts is whole, and below 0 only while it is being added to"
)]
fn whole(sum: f64) -> u64 {
    sum as u64
}

fn value(metric: &Metric, kind: MetricType) -> f64 {
    match kind {
        MetricType::COUNTER => metric.get_counter().get_value(),
        _ => metric.get_gauge().get_value(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;

    #[test]
    fn it_adds_up_what_was_counted() {
        let metrics = Metrics::new();
        metrics.intake.received.inc_by(7);
        for (upstream, reason, lines) in [("a", "full", 3), ("a", "gone", 4), ("b", "full", 5)] {
            metrics
                .forward
                .dropped
                .with_label_values(&[upstream, reason])
                .inc_by(lines);
        }
        metrics.forward.connected.with_label_values(&["a"]).set(1);
        let reading = metrics.read();
        assert_eq!(reading.sum("lines_received_total"), 7);
        assert_eq!(reading.sum("lines_dropped_total"), 12);
        assert_eq!(reading.sum("no_such_total"), 0);
        let of_a = reading.by("lines_dropped_total", "reason", &[("upstream", "a")]);
        assert_eq!(
            of_a.into_iter().collect::<Vec<_>>(),
            [("full".to_owned(), 3), ("gone".to_owned(), 4)]
        );
        assert_eq!(reading.by("upstream_connected", "upstream", &[])["a"], 1);
        metrics.forward.pause_seconds.with_label_values(&["a"]).inc_by(1.5);
        let paused = metrics
            .read()
            .seconds_by("upstream_pause_seconds_total", "upstream", &[]);
        assert!((paused["a"] - 1.5).abs() < 1e-9, "{paused:?}");
        assert!(reading.sum("process_resident_memory_bytes") > 0);
    }
}
