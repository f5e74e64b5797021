//! What `/metrics` says, read back.

use std::collections::BTreeMap;

/// One scrape, each series with its value.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads the text format. Label values hold no comma or escape here: the program's are names from fixed sets.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = lines.map(|line| Series::parse(line).ok_or(format!("not a metric: {line}")));
        Ok(Self {
            series: series.collect::<Result<_, _>>()?,
        })
    }

    /// The sum over all series of this name that have at least these labels; 0 when there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |series: &Series, (key, value): &(&str, &str)| series.labels.get(*key).is_some_and(|is| is == value);
        let matching = self
            .series
            .iter()
            .filter(|series| series.name == name && labels.iter().all(|label| has(series, label)));
        whole(matching.map(|series| series.value).sum())
    }

    /// Lines that came in.
    pub(crate) fn received(&self) -> u64 {
        self.sum("skyrelay_lines_received_total", &[])
    }

    /// Lines that were held back because carbon would close the connection on them.
    pub(crate) fn quarantined(&self) -> u64 {
        self.sum("skyrelay_lines_quarantined_total", &[])
    }

    /// Lines handed to this upstream.
    pub(crate) fn forwarded(&self, upstream: &str) -> u64 {
        self.sum("skyrelay_lines_forwarded_total", &[("upstream", upstream)])
    }

    /// Lines that wait for this upstream.
    pub(crate) fn queued(&self, upstream: &str) -> u64 {
        self.sum("skyrelay_lines_queued", &[("upstream", upstream)])
    }

    /// Lines that wait for this upstream on disk.
    pub(crate) fn spooled(&self, upstream: &str) -> u64 {
        self.sum("skyrelay_lines_spooled", &[("upstream", upstream)])
    }

    /// Lines that were on disk for this upstream when the program started.
    pub(crate) fn recovered(&self, upstream: &str) -> u64 {
        self.sum("skyrelay_lines_recovered_total", &[("upstream", upstream)])
    }

    /// Lines that this upstream was given once more.
    pub(crate) fn resent(&self, upstream: &str) -> u64 {
        self.sum("skyrelay_lines_resent_total", &[("upstream", upstream)])
    }

    /// Lines that this upstream will never get.
    pub(crate) fn dropped(&self, upstream: &str) -> u64 {
        self.sum("skyrelay_lines_dropped_total", &[("upstream", upstream)])
    }

    /// Samples that detectors have seen.
    pub(crate) fn analysed(&self) -> u64 {
        self.sum("skyrelay_samples_analysed_total", &[])
    }

    /// Lines that no detector has seen, for this reason.
    pub(crate) fn not_analysed(&self, reason: &str) -> u64 {
        self.sum("skyrelay_lines_not_analysed_total", &[("reason", reason)])
    }

    /// The sums by the values of one label.
    pub(crate) fn by_label(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for series in self.series.iter().filter(|series| series.name == name) {
            if let Some(value) = series.labels.get(label) {
                *sums.entry(value.clone()).or_default() += whole(series.value);
            }
        }
        sums
    }

    /// `Err` unless each line that came in is accounted for once on the way to each upstream, and once in analysis.
    /// Counters run a moment apart while lines are on their way, so this is asked until it holds.
    pub(crate) fn books_balance(&self, upstreams: &[&str]) -> Result<(), String> {
        let received = self.received();
        let analysis = self.analysed() + self.sum("skyrelay_lines_not_analysed_total", &[]);
        if received != analysis {
            return Err(format!(
                "received {received}, analysed and not analysed {analysis}: {self:?}"
            ));
        }
        for upstream in upstreams {
            let (recovered, forwarded) = (self.recovered(upstream), self.forwarded(upstream));
            let (queued, spooled) = (self.queued(upstream), self.spooled(upstream));
            let (dropped, quarantined) = (self.dropped(upstream), self.quarantined());
            if received + recovered != forwarded + queued + spooled + dropped + quarantined {
                return Err(format!(
                    "{upstream}: received {received}, recovered {recovered}, forwarded {forwarded}, queued {queued}, \
                     spooled {spooled}, dropped {dropped}, quarantined {quarantined}"
                ));
            }
        }
        Ok(())
    }
}

impl Series {
    fn parse(line: &str) -> Option<Self> {
        let (name_and_labels, value) = line.rsplit_once(' ')?;
        let (name, labels) = match name_and_labels.split_once('{') {
            None => (name_and_labels, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
        };
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
            let (key, value) = label.split_once('=')?;
            Some((key.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
        });
        Some(Self {
            name: name.to_owned(),
            labels: labels.collect::<Option<_>>()?,
            value: value.parse().ok()?,
        })
    }
}

/// A counter of things as a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters of things, far below 2^53"
)]
fn whole(count: f64) -> u64 {
    assert!(count >= 0.0 && count.fract() == 0.0, "{count} is not a count");
    count as u64
}
