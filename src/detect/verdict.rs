//! What detectors say.

/// What a detector thinks of a series at one sample, with the reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Time of the sample (seconds since 1970).
    pub timestamp: i64,
    /// Value of the sample.
    pub value: f64,
    /// How far the sample is out of the ordinary: 1.0 is where an anomaly begins, whatever the detector.
    pub score: f64,
    /// Is the series anomalous at this sample?
    pub anomalous: bool,
    /// Are people to be told at this sample?
    pub alert: bool,
    /// What the detector went by, in words.
    pub reason: String,
    /// The votes it was made from, for detectors that vote.
    pub votes: Vec<Vote>,
}

/// What a detector thinks of a series at one sample, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Is the series anomalous at this sample?
    pub anomalous: bool,
    /// Are people to be told at this sample?
    pub alert: bool,
    /// Has `anomalous` changed with this sample?
    pub changed: bool,
}

/// What one algorithm contributes to a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// Name of the algorithm.
    pub name: &'static str,
    /// How it voted, and on what grounds.
    pub finding: Finding,
    /// The quantities behind the statistic, by name; those that are not defined are left out.
    pub details: Vec<(&'static str, f64)>,
}

/// How an algorithm voted, and on what grounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The vote.
    pub outcome: Outcome,
    /// What the vote was decided by, where it is defined.
    pub statistic: Option<f64>,
    /// What the statistic was held against, where it is defined.
    pub threshold: Option<f64>,
}

/// A vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Anomalous.
    True,
    /// Not anomalous.
    False,
    /// The algorithm returned nothing, which is no vote against.
    Nothing,
    /// The algorithm could not be computed, and with it the verdict.
    Failed,
}

/// Why a series is judged or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is judged.
    Analysed,
    /// Its values have been equal for so many samples that there is nothing to judge.
    Boring {
        /// Equal values at the end of the window.
        samples: usize,
    },
    /// Its window holds too few samples yet.
    TooShort {
        /// Samples in the window.
        samples: usize,
        /// Samples that are needed.
        needed: usize,
    },
}

impl Finding {
    /// A vote for which the statistic is not defined.
    pub(crate) const UNDEFINED: Self = Self {
        outcome: Outcome::False,
        statistic: None,
        threshold: None,
    };

    /// True when `statistic` is above `threshold`; false when either is not defined, as with NaN in the original.
    pub(crate) fn above(statistic: Option<f64>, threshold: Option<f64>) -> Self {
        let above = matches!((statistic, threshold), (Some(statistic), Some(threshold)) if statistic > threshold);
        Self {
            outcome: if above { Outcome::True } else { Outcome::False },
            statistic,
            threshold,
        }
    }
}
