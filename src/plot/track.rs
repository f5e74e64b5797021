//! Down-sampling that hides nothing: any number of samples in a bounded number of columns, each with its extremes.
//!
//! The times that the samples will span need not be known: a column begins as a second, and whenever there are too many
//! columns all become twice as wide. With at most n columns there are more than n / 2 once it has come to that.

use crate::line::Timestamp;

/// A sample, and what a detector held against it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Its time (seconds since 1970).
    pub timestamp: Timestamp,
    /// Its value.
    pub value: f64,
    /// The value that was expected.
    pub expected: Option<f64>,
    /// The lowest value that would have been usual; `None`: however low, or nobody can tell.
    pub lower: Option<f64>,
    /// The highest value that would have been usual; `None`: however high, or nobody can tell.
    pub upper: Option<f64>,
}

/// Samples that are shown together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Time of the first of them.
    pub from: Timestamp,
    /// Time of the last of them.
    pub until: Timestamp,
    /// The first value.
    pub first: f64,
    /// The lowest value.
    pub low: f64,
    /// The highest value.
    pub high: f64,
    /// The last value.
    pub last: f64,
    /// The mean of what was expected.
    expected: Mean,
    lower: Mean,
    upper: Mean,
}

/// The mean of what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    mean: f64,
    count: u32,
}

/// Samples in order, as columns.
#[derive(Clone, Debug)]
pub struct Track {
    columns: Vec<Column>,
    columns_max: usize,
    /// A column holds the samples of 2 to this power seconds.
    doublings: u32,
}

impl Mean {
    fn of(value: Option<f64>) -> Self {
        let value = value.filter(|value| value.is_finite());
        Self {
            mean: value.unwrap_or_default(),
            count: u32::from(value.is_some()),
        }
    }

    fn add(&mut self, other: Self) {
        let count = self.count.saturating_add(other.count);
        if count > 0 {
            let part = f64::from(other.count) / f64::from(count);
            // Not by a sum, which two great numbers may have none of.
            self.mean = self.mean * (1.0 - part) + other.mean * part;
        }
        self.count = count;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }
}

impl Column {
    fn of(sample: Sample) -> Self {
        let Sample { timestamp, value, .. } = sample;
        Self {
            from: timestamp,
            until: timestamp,
            first: value,
            low: value,
            high: value,
            last: value,
            expected: Mean::of(sample.expected),
            lower: Mean::of(sample.lower),
            upper: Mean::of(sample.upper),
        }
    }

    /// Takes in what comes behind it.
    pub(super) fn add(&mut self, next: &Self) {
        self.until = next.until;
        self.low = self.low.min(next.low);
        self.high = self.high.max(next.high);
        self.last = next.last;
        self.expected.add(next.expected);
        self.lower.add(next.lower);
        self.upper.add(next.upper);
    }

    /// What was expected, on average.
    pub fn expected(&self) -> Option<f64> {
        self.expected.get()
    }

    /// The lower end of what would have been usual, on average.
    pub fn lower(&self) -> Option<f64> {
        self.lower.get()
    }

    /// The upper end of what would have been usual, on average.
    pub fn upper(&self) -> Option<f64> {
        self.upper.get()
    }
}

impl Track {
    /// An empty one that keeps `columns_max` columns (2 or more) at most.
    pub fn new(columns_max: usize) -> Self {
        Self {
            columns: Vec::new(),
            columns_max: columns_max.max(2),
            doublings: 0,
        }
    }

    /// Takes in a sample that is later than all before; another one, and one whose value is not finite, is passed over.
    pub fn push(&mut self, sample: Sample) {
        let is_later = self.columns.last().is_none_or(|last| last.until < sample.timestamp);
        if !sample.value.is_finite() || !is_later {
            return;
        }
        let next = Column::of(sample);
        match self.columns.last_mut() {
            Some(last) if last.from >> self.doublings == sample.timestamp >> self.doublings => last.add(&next),
            _ => self.columns.push(next),
        }
        while self.columns.len() > self.columns_max {
            self.double();
        }
    }

    fn double(&mut self) {
        self.doublings += 1;
        let doublings = self.doublings;
        self.columns.dedup_by(|next, kept| {
            let together = next.from >> doublings == kept.from >> doublings;
            if together {
                kept.add(next);
            }
            together
        });
    }

    /// The columns so far, the oldest first.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

impl FromIterator<Sample> for Track {
    /// As many columns as a plot has room for.
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        let mut track = Self::new(super::COLUMNS);
        samples.into_iter().for_each(|sample| track.push(sample));
        track
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_are_few_and_hold_the_extremes(
            steps in proptest::collection::vec((1_i64..2_000, -1e9..1e9), 1..2_000),
            columns_max in 2_usize..200,
        ) {
            let mut track = Track::new(columns_max);
            let (mut timestamp, mut samples) = (1_700_000_000, Vec::new());
            for (step, value) in steps {
                timestamp += step;
                samples.push(Sample { timestamp, value, upper: Some(value + 1.0), ..Sample::default() });
                track.push(samples[samples.len() - 1]);
            }
            let columns = track.columns();
            prop_assert!(columns.len() <= columns_max);
            let mut left = samples.as_slice();
            for column in columns {
                let (inside, behind) = left.split_at(left.partition_point(|sample| sample.timestamp <= column.until));
                let values = inside.iter().map(|sample| sample.value);
                prop_assert_eq!(inside[0].timestamp, column.from);
                prop_assert_eq!((inside[0].value, inside[inside.len() - 1].value), (column.first, column.last));
                let extremes = (values.clone().fold(f64::INFINITY, f64::min), values.clone().fold(f64::NEG_INFINITY, f64::max));
                prop_assert_eq!(extremes, (column.low, column.high));
                #[expect(clippy::cast_precision_loss, reason = "few")]
                let mean = values.sum::<f64>() / inside.len() as f64 + 1.0;
                prop_assert!((column.upper().unwrap() - mean).abs() < 1e-3);
                prop_assert_eq!(column.lower(), None);
                left = behind;
            }
            prop_assert!(left.is_empty());
        }
    }

    #[test]
    fn what_goes_back_in_time_or_is_no_number_is_passed_over() {
        let at = |timestamp, value| Sample {
            timestamp,
            value,
            ..Sample::default()
        };
        let track: Track = [at(10, 1.0), at(10, 2.0), at(9, 3.0), at(11, f64::NAN), at(12, 4.0)]
            .into_iter()
            .collect();
        let kept: Vec<_> = track
            .columns()
            .iter()
            .map(|column| (column.from, column.first))
            .collect();
        assert_eq!(kept, [(10, 1.0), (12, 4.0)]);
    }

    #[test]
    fn times_far_apart_come_to_an_end() {
        let mut track = Track::new(2);
        for timestamp in [-10_000_000_000_000, 0, 10_000_000_000_000] {
            track.push(Sample {
                timestamp,
                value: 1e308,
                expected: Some(1e308),
                ..Sample::default()
            });
        }
        assert_eq!(track.columns().len(), 2);
        assert_eq!(track.columns()[1].expected(), Some(1e308));
    }
}
