//! Etsy Skyline's nine algorithms and their vote, sample by sample instead of pass by pass.
//!
//! Skyline loads a series' whole window every few minutes and runs nine functions over it. Here the same nine are asked
//! at every sample, so what they need is kept up to date while samples come and go:
//!
//! | algorithm | looks at | cost per sample |
//! | --- | --- | --- |
//! | `first_hour_average` | running moments of the oldest hour | constant |
//! | `mean_subtraction_cumulation`, `stddev_from_average`, `grubbs` | running moments of the window | constant |
//! | `stddev_from_moving_average` | running weighted moments | constant |
//! | `least_squares` | running sums of times and values | constant |
//! | `histogram_bins`, `median_absolute_deviation` | counts of the values; where these do not tell, the values | constant; the samples of the window |
//! | `ks_test` | the last hour; an ADF test if it is suspicious | the samples of an hour |
//!
//! They are asked in the order of what they cost, and only until the outcome is clear ([`Engine::observe`]): a sample like
//! most others takes four. All nine are asked when a verdict is to be explained ([`Engine::explain`]); a property test holds
//! the one against the other.
//!
//! Definitions are the original's, settled where it was ambiguous: now is the time of the newest sample, the *tail* is the
//! mean of the last three values (the last one while there are fewer), a series is boring while its last 100 values are
//! equal, and an algorithm that raised makes the verdict "not anomalous".

mod algorithm;
mod ballot;
mod facts;
mod first_hour_average;
mod grubbs;
mod histogram_bins;
mod ks_test;
mod ladder;
mod least_squares;
mod mean_subtraction_cumulation;
mod median_absolute_deviation;
mod settings;
mod stddev_from_average;
mod stddev_from_moving_average;
#[cfg(test)]
mod tests;
mod values;

pub use algorithm::Algorithm;
use ballot::Ballot;
use facts::Facts;
use first_hour_average::FirstHour;
use ks_test::KsBuffers;
pub use settings::*;
use stddev_from_moving_average::{MovingMoments, Weights};
use values::{Kept, Values};

use super::{Context, Detect, Finding, Observation, Opinion, Outcome, Remember, Standing, Subject, Verdict, Vote};
use crate::{
    save::{Damaged, Save, Saved},
    window::{Point, Scratch, Window},
};

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 1;

/// The nine at work: settings, and what all series share.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    weights: Weights,
    grubbs_limits: grubbs::Limits,
    values: Values,
    ks: KsBuffers,
    /// Of the sample that was judged last, by the votes that were asked for.
    last_score: f64,
}

/// What the nine remember of one series.
#[derive(Debug, Default)]
pub struct State {
    first_hour: FirstHour,
    moving: MovingMoments,
    kept: Kept,
    anomalous: bool,
}

/// Without what is kept of the values: it is read again when it is asked for.
impl Save for State {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            first_hour,
            moving,
            kept: _,
            anomalous,
        } = self;
        first_hour.save(out);
        moving.save(out);
        anomalous.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            first_hour: Save::load(from)?,
            moving: Save::load(from)?,
            kept: Kept::default(),
            anomalous: Save::load(from)?,
        })
    }
}

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.kept.heap_bytes()
    }

    fn move_to(&mut self, window: &Window) {
        self.first_hour.move_to(window);
    }

    fn touch(&self) -> u64 {
        self.first_hour.touch() ^ u64::from(self.moving.touch())
    }
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        self.observe(state, sample.window)
    }

    fn learn(&mut self, state: &mut State, sample: &Context<'_>) {
        self.learn(state, sample.window);
    }

    /// Of the votes that were asked for; when the outcome was clear before all were in, all may say more, or less.
    fn opinion(&mut self, _: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        Opinion {
            judged: self.standing(sample.window) == Standing::Analysed,
            score: self.last_score,
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        self.explain(state, sample.window, observation)
    }

    fn standing(&self, _: &State, window: &Window) -> Standing {
        self.standing(window)
    }

    fn needs_statistics(&self) -> bool {
        true
    }

    fn expire(&mut self, state: &mut State, point: Point) {
        self.expire(state, point);
    }

    fn load_state(&mut self, from: &mut Saved<'_>, _: Subject<'_>, window: &Window) -> Result<State, Damaged> {
        self.load_state(from, window)
    }
}

impl Engine {
    /// The nine as `settings` have them.
    pub fn new(settings: Settings) -> Self {
        Self {
            weights: Weights::new(settings.stddev_from_moving_average.com),
            grubbs_limits: grubbs::Limits::new(settings.grubbs.alpha),
            values: Values::new(settings.histogram_bins.bins),
            ks: KsBuffers::default(),
            last_score: 0.0,
            settings,
        }
    }

    /// `point` is about to leave the window: the oldest there is.
    pub fn expire(&mut self, state: &mut State, point: Point) {
        state.first_hour.expire(point);
        state.moving.expire(point.value, &mut self.weights);
        state.kept.expire(point.value);
    }

    /// Takes back the state of a series with `window`.
    ///
    /// # Errors
    /// When it is none, or of another series.
    pub fn load_state(&mut self, from: &mut Saved<'_>, window: &Window) -> Result<State, Damaged> {
        let state = State::load(from)?;
        let fits = state.first_hour.fits(window) && state.moving.fits(window, &mut self.weights);
        fits.then_some(state).ok_or(Damaged("the nine remember other samples"))
    }

    /// Takes in the newest sample of `window`.
    pub fn learn(&mut self, state: &mut State, window: &Window) {
        state
            .first_hour
            .follow(window, self.settings.first_hour_average.older_than_s);
        state.moving.follow(window, &mut self.weights);
        state.kept.follow(window, &mut self.values);
        self.ks.forget();
    }

    /// Takes in the newest sample of `window` and judges it, as cheaply as the outcome allows.
    pub fn observe(&mut self, state: &mut State, window: &Window) -> Observation {
        self.learn(state, window);
        self.last_score = 0.0;
        let anomalous = self.standing(window) == Standing::Analysed && self.is_elected(state, window);
        let changed = anomalous != state.anomalous;
        state.anomalous = anomalous;
        Observation {
            anomalous,
            alert: anomalous && changed,
            changed,
        }
    }

    /// The verdict behind `observation`, which is of the newest sample: all nine votes, with what they went by. To be asked
    /// for before anything else is observed.
    pub fn explain(&mut self, state: &mut State, window: &Window, observation: Observation) -> Verdict {
        let last = window.last().unwrap_or_default();
        let facts = Facts::of(window);
        let algorithms = self.settings.algorithms.clone();
        let votes: Vec<Vote> = algorithms
            .iter()
            .map(|&algorithm| self.vote(algorithm, state, window, &facts))
            .collect();
        let mut ballot = Ballot::new(&self.settings);
        for (&algorithm, vote) in algorithms.iter().zip(&votes) {
            ballot.add(algorithm, vote.finding.outcome);
        }
        let standing = self.standing(window);
        let (score, reason) = match standing {
            Standing::Analysed => (ballot.score(), ballot.reason()),
            unjudged => (0.0, unjudged.to_string()),
        };
        Verdict {
            timestamp: last.timestamp,
            value: last.value,
            score,
            anomalous: standing == Standing::Analysed && ballot.is_elected(),
            alert: observation.alert,
            reason,
            votes,
            ..Verdict::default()
        }
    }

    /// All nine votes on the newest of `points`, for which nothing was kept up to date: about a millisecond for a day at one
    /// sample in ten seconds.
    pub(super) fn votes_on(&mut self, points: &[Point]) -> Vec<Vote> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Vec::new();
        };
        let mut window = Window::with_statistics(last.timestamp - first.timestamp + 1);
        let (mut state, mut scratch) = (State::default(), Scratch::default());
        for &point in points {
            let pushed = window.push(point, &mut scratch, |_| unreachable!("all are within its span"));
            pushed.expect("the points of a window are in order");
            state.moving.follow(&window, &mut self.weights);
        }
        let older_than_s = self.settings.first_hour_average.older_than_s;
        state.first_hour.follow(&window, older_than_s);
        let facts = Facts::of(&window);
        let algorithms = self.settings.algorithms.clone();
        let votes = algorithms.iter();
        self.values.forget();
        self.ks.forget();
        votes
            .map(|&algorithm| self.vote(algorithm, &mut state, &window, &facts))
            .collect()
    }

    /// Why the series is judged or not.
    pub fn standing(&self, window: &Window) -> Standing {
        let samples = window.len();
        let needed = self.settings.min_samples as usize;
        let boring = samples.min(self.settings.boring_samples as usize);
        if samples < needed {
            Standing::TooShort { samples, needed }
        } else if window.equal_run() >= boring {
            Standing::Boring { samples: boring }
        } else {
            Standing::Analysed
        }
    }

    /// Do enough algorithms vote true? They are asked only while that is open, the dear ones last.
    fn is_elected(&mut self, state: &mut State, window: &Window) -> bool {
        let facts = Facts::of(window);
        let mut ballot = Ballot::new(&self.settings);
        for algorithm in Algorithm::CHEAP {
            if ballot.is_decided() {
                break;
            }
            if self.settings.algorithms.contains(&algorithm) {
                ballot.add(algorithm, self.find(algorithm, state, window, &facts).outcome);
            }
        }
        for algorithm in Algorithm::DEAR {
            if ballot.can_only_fail() && !ks_test::may_fail(&self.settings.ks_test, &mut self.ks, window) {
                ballot.rule_out_failure();
            }
            if ballot.is_decided() {
                break;
            }
            if self.settings.algorithms.contains(&algorithm) {
                let outcome = self
                    .decide(algorithm, state, &facts)
                    .unwrap_or_else(|| self.find(algorithm, state, window, &facts).outcome);
                ballot.add(algorithm, outcome);
            }
        }
        self.last_score = ballot.score();
        ballot.is_elected()
    }

    /// The vote, where counts decide it. A ladder that does not was set up for other values than there are now, and is set
    /// up anew with the vote.
    fn decide(&self, algorithm: Algorithm, state: &mut State, facts: &Facts) -> Option<Outcome> {
        let settings = &self.settings;
        let outcome = match algorithm {
            Algorithm::HistogramBins => histogram_bins::decide(&settings.histogram_bins, state.kept.ladder()?, facts),
            Algorithm::MedianAbsoluteDeviation => {
                median_absolute_deviation::decide(&settings.median_absolute_deviation, state.kept.ladder()?, facts)
            }
            _ => return None,
        };
        if outcome.is_none() {
            state.kept.forget_ladder();
        }
        outcome
    }

    fn find(&mut self, algorithm: Algorithm, state: &mut State, window: &Window, facts: &Facts) -> Finding {
        let settings = &self.settings;
        match algorithm {
            Algorithm::FirstHourAverage => {
                first_hour_average::find(&settings.first_hour_average, &state.first_hour, facts)
            }
            Algorithm::MeanSubtractionCumulation => {
                mean_subtraction_cumulation::find(&settings.mean_subtraction_cumulation, facts)
            }
            Algorithm::StddevFromAverage => stddev_from_average::find(&settings.stddev_from_average, facts),
            Algorithm::StddevFromMovingAverage => stddev_from_moving_average::find(
                &settings.stddev_from_moving_average,
                &state.moving,
                &self.weights,
                facts,
            ),
            Algorithm::LeastSquares => least_squares::find(&settings.least_squares, window, facts),
            Algorithm::Grubbs => grubbs::find(&mut self.grubbs_limits, facts),
            Algorithm::HistogramBins => {
                let values = self.values.of(window, &mut state.kept);
                histogram_bins::find(&settings.histogram_bins, values, state.kept.ladder(), facts)
            }
            Algorithm::MedianAbsoluteDeviation => {
                let values = self.values.of(window, &mut state.kept);
                let ladder = state.kept.ladder();
                median_absolute_deviation::find(&settings.median_absolute_deviation, values, ladder, facts)
            }
            Algorithm::KsTest => ks_test::find(&settings.ks_test, &mut self.ks, window),
        }
    }

    fn vote(&mut self, algorithm: Algorithm, state: &mut State, window: &Window, facts: &Facts) -> Vote {
        let finding = self.find(algorithm, state, window, facts);
        let details = match algorithm {
            Algorithm::FirstHourAverage => first_hour_average::details(&state.first_hour, facts),
            Algorithm::MeanSubtractionCumulation => mean_subtraction_cumulation::details(facts),
            Algorithm::StddevFromAverage => stddev_from_average::details(facts),
            Algorithm::StddevFromMovingAverage => stddev_from_moving_average::details(&state.moving, &self.weights),
            Algorithm::LeastSquares => least_squares::details(window),
            Algorithm::Grubbs => grubbs::details(facts),
            Algorithm::HistogramBins => histogram_bins::details(
                &self.settings.histogram_bins,
                self.values.of(window, &mut state.kept),
                facts,
            ),
            Algorithm::MedianAbsoluteDeviation => {
                let values = self.values.of(window, &mut state.kept);
                median_absolute_deviation::details(values, state.kept.ladder())
            }
            Algorithm::KsTest => self.ks.details(),
        };
        Vote {
            name: algorithm.name().into(),
            finding,
            details: details
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 values")]
fn count(samples: usize) -> f64 {
    samples as f64
}
