//! The rhythm of a series: how far apart its samples usually are, when one is missing, and when that has changed.
//!
//! Steps and means of the last residuals are of so many samples, hence of so much time. After a gap the sample before says
//! nothing of a step; and once samples come at another interval, what was learnt of steps and means is of another quantity.
//!
//! O(1), 12 bytes.

use super::{
    constants::{GAP_INTERVALS, RHYTHM_SAMPLES, RHYTHM_TOLERANCE},
    single::single,
};
use crate::save::fields;

/// Intervals between the samples of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rhythm {
    /// The usual one (seconds), 0 while there is none.
    usual_s: f32,
    /// One that may become usual, and how often it was seen in a row.
    other_s: f32,
    others: u8,
}

fields!(Rhythm {
    usual_s,
    other_s,
    others
});

/// What an interval is, against the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing out of the ordinary.
    Usual,
    /// Samples are missing.
    Gap,
    /// It is the new usual one from now on.
    Changed,
}

impl Rhythm {
    /// The usual interval (seconds), 0 while there is none.
    pub(super) fn usual_s(self) -> f64 {
        f64::from(self.usual_s)
    }

    /// Takes in an interval (seconds, above 0).
    pub(super) fn follow(&mut self, interval_s: i64) -> Beat {
        #[expect(clippy::cast_precision_loss, reason = "seven digits are enough")]
        let interval_s = single(interval_s as f64);
        if self.usual_s == 0.0 {
            self.usual_s = interval_s;
            return Beat::Usual;
        }
        if is_like(interval_s, self.usual_s) {
            // Drifts along, so that a usual interval may have been an odd one at first.
            self.usual_s += (interval_s - self.usual_s) / 16.0;
            self.others = 0;
            return Beat::Usual;
        }
        if self.others > 0 && is_like(interval_s, self.other_s) {
            self.others += 1;
        } else {
            (self.other_s, self.others) = (interval_s, 1);
        }
        if self.others >= RHYTHM_SAMPLES {
            (self.usual_s, self.others) = (self.other_s, 0);
            return Beat::Changed;
        }
        if interval_s > GAP_INTERVALS * self.usual_s {
            Beat::Gap
        } else {
            Beat::Usual
        }
    }
}

fn is_like(left: f32, right: f32) -> bool {
    left < RHYTHM_TOLERANCE * right && right < RHYTHM_TOLERANCE * left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(intervals: impl IntoIterator<Item = i64>) -> Vec<(usize, Beat)> {
        let mut rhythm = Rhythm::default();
        let beats = intervals
            .into_iter()
            .map(|interval| rhythm.follow(interval))
            .enumerate();
        beats.filter(|(_, beat)| *beat != Beat::Usual).collect()
    }

    #[test]
    fn a_missing_sample_is_no_gap_and_an_hour_is() {
        let intervals = [60; 20].into_iter().chain([120, 60, 3600, 60]);
        assert_eq!(beats(intervals), [(22, Beat::Gap)]);
    }

    #[test]
    fn another_interval_is_usual_after_thirty_samples() {
        assert_eq!(beats([60; 20].into_iter().chain([10; 100])), [(49, Beat::Changed)]);
        let hourly = beats([60; 20].into_iter().chain([3600; 100]));
        assert_eq!(hourly.last(), Some(&(49, Beat::Changed)));
        assert_eq!(hourly.len(), 30, "gaps until then");
    }

    #[test]
    fn what_has_no_rhythm_does_not_change() {
        let intervals = (0..1000).map(|place| 1 + place * 7919 % 101);
        assert!(beats(intervals).iter().all(|(_, beat)| *beat == Beat::Gap));
    }
}
