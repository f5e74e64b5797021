//! Ensembles: several detectors of a series, of which so many have to agree.
//!
//! * The series is anomalous while so many members as are needed find it so. A member that does not judge the series yet
//!   finds nothing.
//! * The score is that of the member that decides: the highest where one is enough, the second highest where two are needed,
//!   the lowest where all are. So 1.0 stays the boundary between calm and odd samples; what opens and closes is the members'
//!   anomalies, with the patience that each of them has.
//! * People are told when it opens; again when more members agree than ever since, and when a member of it tells again.
//!
//! Costs a look at each member's opinion.

#[cfg(test)]
mod tests;

use std::{fmt::Write as _, sync::Arc};

use super::{
    Context, Detect, Finding, Input, Observation, Opinion, Outcome, Remember, Severity, Verdict, Vote, words::number,
};
use crate::save::fields;

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 1;

/// What makes an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Members that have to agree (1 to the number of members).
    pub needed: u32,
    /// Names of the members: one or more, each once.
    pub of: Vec<Arc<str>>,
    /// How much its anomalies matter; `None`: as much as to the member to which they matter most.
    pub severity: Option<Severity>,
}

/// An ensemble at work, for any number of series.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    /// Places of the members.
    members: Vec<usize>,
    /// The members' scores, the highest first.
    scores: Vec<f64>,
}

/// What an ensemble remembers of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Members that have agreed at most since it opened; 0: it is not open.
    most: u32,
}
fields!(State { most });

impl Settings {
    /// What it goes by.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let input = |detector: &Arc<str>| Input {
            detector: Arc::clone(detector),
            band: false,
        };
        self.of.iter().map(input).collect()
    }
}

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Engine {
    /// The ensemble of the detectors at the places `members`.
    pub(super) fn new(settings: Settings, members: Vec<usize>) -> Self {
        Self {
            settings,
            members,
            scores: Vec::new(),
        }
    }

    fn opinions<'a>(&'a self, sample: &'a Context<'_>) -> impl Iterator<Item = &'a Opinion> {
        self.members.iter().map(|&member| &sample.said[member])
    }

    fn score(&mut self, sample: &Context<'_>) -> f64 {
        let mut scores = std::mem::take(&mut self.scores);
        scores.clear();
        scores.extend(
            self.opinions(sample)
                .map(|said| if said.judged { said.score } else { 0.0 }),
        );
        scores.sort_unstable_by(|left, right| right.total_cmp(left));
        let score = scores[self.settings.needed as usize - 1];
        self.scores = scores;
        score
    }

    fn severity(&self, sample: &Context<'_>) -> Option<Severity> {
        self.settings
            .severity
            .or_else(|| self.opinions(sample).filter_map(|said| said.severity).max())
    }

    fn reason(&self, sample: &Context<'_>) -> String {
        let names = |agreeing: bool| {
            let members = self.settings.of.iter().zip(self.opinions(sample));
            let mut text = String::new();
            for (name, said) in members.filter(|(_, said)| said.seen.anomalous == agreeing) {
                let before = if text.is_empty() { "" } else { ", " };
                text.push_str(before);
                text.push_str(name);
                if said.judged {
                    let _ = write!(text, " (score {})", number(said.score));
                } else {
                    text.push_str(" (no verdict yet)");
                }
            }
            text
        };
        let (yes, no) = (names(true), names(false));
        let agreeing = self.opinions(sample).filter(|said| said.seen.anomalous).count();
        let mut text = format!(
            "{agreeing} of {} detectors, {} needed",
            self.members.len(),
            self.settings.needed
        );
        for (before, names) in [(": ", yes), ("; not ", no)] {
            if !names.is_empty() {
                text.push_str(before);
                text.push_str(&names);
            }
        }
        text
    }
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        let (mut agreeing, mut told_again) = (0, false);
        for said in self.opinions(sample).filter(|said| said.seen.anomalous) {
            agreeing += 1;
            told_again |= said.seen.alert && !said.seen.changed;
        }
        let anomalous = agreeing >= self.settings.needed;
        let changed = anomalous != (state.most > 0);
        let alert = anomalous && (agreeing > state.most || told_again);
        state.most = if anomalous { state.most.max(agreeing) } else { 0 };
        Observation {
            anomalous,
            alert,
            changed,
        }
    }

    /// Nobody says what was thought of samples of the past.
    fn learn(&mut self, _: &mut State, _: &Context<'_>) {}

    fn opinion(&mut self, _: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        let judged = self.opinions(sample).any(|said| said.judged);
        Opinion {
            judged,
            score: self.score(sample),
            severity: observation.anomalous.then(|| self.severity(sample)).flatten(),
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, _: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let members = self.settings.of.iter().zip(self.opinions(sample));
        let votes = members.map(|(name, said)| Vote {
            name: name.to_string().into(),
            finding: Finding {
                outcome: match (said.judged, said.seen.anomalous) {
                    (false, _) => Outcome::Nothing,
                    (true, true) => Outcome::True,
                    (true, false) => Outcome::False,
                },
                statistic: Some(said.score),
                threshold: Some(1.0),
            },
            details: Vec::new(),
        });
        let votes: Vec<Vote> = votes.collect();
        let lasts = observation.anomalous || observation.changed;
        Verdict {
            score: self.score(sample),
            severity: lasts.then(|| self.severity(sample)).flatten(),
            reason: self.reason(sample),
            votes,
            ..Verdict::of(sample, observation)
        }
    }
}
