//! What detectors say.

use std::{
    borrow::Cow,
    fmt::{self, Display},
};

use super::{Context, words::duration};
use crate::{
    save::{Damaged, Save, Saved},
    window::Point,
};

/// What a detector thinks of a series at one sample, with the reasons.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// How much the anomaly matters, for detectors that tell.
    pub severity: Option<Severity>,
    /// The value that was expected, for detectors that predict.
    pub expected: Option<f64>,
    /// The lowest value that would have been usual here; `None`: however low, or the detector cannot tell.
    pub lower: Option<f64>,
    /// The highest value that would have been usual here; `None`: however high, or the detector cannot tell.
    pub upper: Option<f64>,
    /// What the detector went by, in words.
    pub reason: String,
    /// The votes it was made from, for detectors that vote.
    pub votes: Vec<Vote>,
}

/// How much an anomaly matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Worth getting up for.
    Critical,
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

/// What one algorithm, or one detector, contributes to a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// Name of the algorithm, or of the detector.
    pub name: Cow<'static, str>,
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
    /// It is learnt, and nothing is told of it yet: neither before all samples that are needed nor before all the time.
    WarmingUp {
        /// Samples so far.
        samples: u32,
        /// Samples that are needed; 0: time alone counts.
        samples_needed: u32,
        /// Time from the first to the last (seconds).
        age_s: i64,
        /// Time that is needed (seconds).
        age_needed_s: i64,
    },
    /// Its window holds too few samples yet.
    TooShort {
        /// Samples in the window.
        samples: usize,
        /// Samples that are needed.
        needed: usize,
    },
}

impl Verdict {
    /// The verdict behind `observation` of a sample, without what each kind adds.
    pub(crate) fn of(sample: &Context<'_>, observation: Observation) -> Self {
        let Point { timestamp, value } = sample.point();
        Self {
            timestamp,
            value,
            anomalous: observation.anomalous,
            alert: observation.alert,
            ..Self::default()
        }
    }
}

impl Observation {
    /// What is seen of a series when nothing changes.
    pub(crate) fn lasting(anomalous: bool) -> Self {
        Self {
            anomalous,
            ..Self::default()
        }
    }
}

impl Severity {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Standing {
    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Analysed => "analysed",
            Self::Boring { .. } => "boring",
            Self::WarmingUp { .. } => "warming_up",
            Self::TooShort { .. } => "too_short",
        }
    }
}

impl Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Analysed => f.write_str("every sample is judged"),
            Self::Boring { samples } => write!(f, "its last {samples} values are equal"),
            Self::WarmingUp {
                samples,
                samples_needed,
                ..
            } if samples < samples_needed => write!(f, "warming up: {samples} of {samples_needed} samples"),
            Self::WarmingUp {
                age_s, age_needed_s, ..
            } => write!(f, "warming up: {} of {}", duration(age_s), duration(age_needed_s)),
            Self::TooShort { samples, needed } => write!(f, "{samples} of {needed} samples that are needed"),
        }
    }
}

impl Save for Severity {
    fn save(&self, out: &mut Vec<u8>) {
        (*self as u8).save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let number = u8::load(from)?;
        let severity = [Self::Info, Self::Warning, Self::Critical].into_iter();
        let mut severity = severity.filter(|&severity| severity as u8 == number);
        severity.next().ok_or(Damaged("a severity is none"))
    }
}

/// All but the votes, whose names are those of the algorithms that there are.
impl Save for Verdict {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            timestamp,
            value,
            score,
            anomalous,
            alert,
            severity,
            expected,
            lower,
            upper,
            reason,
            votes: _,
        } = self;
        timestamp.save(out);
        value.save(out);
        score.save(out);
        anomalous.save(out);
        alert.save(out);
        severity.save(out);
        expected.save(out);
        lower.save(out);
        upper.save(out);
        reason.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            timestamp: Save::load(from)?,
            value: Save::load(from)?,
            score: Save::load(from)?,
            anomalous: Save::load(from)?,
            alert: Save::load(from)?,
            severity: Save::load(from)?,
            expected: Save::load(from)?,
            lower: Save::load(from)?,
            upper: Save::load(from)?,
            reason: Save::load(from)?,
            votes: Vec::new(),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_says_what_is_missing() {
        let standing = |samples, age_s| Standing::WarmingUp {
            samples,
            samples_needed: 150,
            age_s,
            age_needed_s: 86_400,
        };
        assert_eq!(standing(37, 0).to_string(), "warming up: 37 of 150 samples");
        assert_eq!(standing(151, 9000).to_string(), "warming up: 2h of 24h");
    }
}
