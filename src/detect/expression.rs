//! A model of one's own: a few words in the configuration file, checked and compiled when it is read.
//!
//! ```text
//! when = "value > 3 * median('1h') and hour() in 8..20"
//! ```
//!
//! # The language
//!
//! | written | is |
//! | --- | --- |
//! | `value`, `previous` | the sample, and the one before it |
//! | `mean('1h')`, `median`, `min`, `max`, `sum`, `count`, `stddev` (ddof 1), `mad` (median distance from the median) | of the samples of the last hour, the newest among them |
//! | `slope('6h')`, `line('6h')`, `line_stddev('6h')` | of the straight line through these samples (least squares): change a second, where it is at the newest sample of the series, and the standard deviation of the samples about it (ddof 0) |
//! | `quantile(0.99, '6h')` | between neighbours in proportion, as numpy has it |
//! | `mean(3)` | of the last 3 samples; nothing is known before there are 3 |
//! | `mean('1h', '23h')` | of the hour that ended 23 hours ago |
//! | `ewma(50)`, `ew_stddev(50)` | weighted by `(50/51)^age`: 50 is the centre of mass in samples, and all samples ever count |
//! | `rate()`, `age()` | change a second, and time, since the sample before |
//! | `hour()`, `minute()`, `weekday()` | 0 to 23, 0 to 59, and 1 (Monday) to 7, by the clocks of `timezone` |
//! | `node(2) == 'web1'`, `node(-1) in ['load', 'cpu']` | nodes of the name, the first being 1 and the last -1 |
//! | `detector('classic').score`, `.anomalous`, `.expected`, `.lower`, `.upper` | what another detector makes of this sample; it need not be in the watch |
//! | `expected`, `lower`, `upper` | those of `detector('default')` |
//! | `series('stats.requests').value`, `.age` | the newest sample of another series, if it is not older than `max_age` |
//! | `abs(x)`, `log`, `exp`, `sqrt`, `pow(x, y)`, `floor`, `ceil`, `round`, `min(x, y)`, `max(x, y)` | |
//! | `t_quantile(0.99, n - 2)` | what a Student's t variable with so many degrees of freedom stays below with that probability |
//! | `+ - * / %`, `== != < <= > >=`, `and or not`, `( )` | as usual; comparisons do not chain |
//! | `x in 8..20`, `x not in [1, 5]` | from 8 up to and without 20; one of a list |
//! | `if a then b else c` | |
//! | `known(x)` | is there a value? Itself always known |
//! | `let m = median('1h'); value > 3 * m` | a name for a value; as many as you like, at the beginning |
//! | `# …` | a remark, up to the end of the line |
//!
//! There are numbers, times (`'5m'`; `age() > '5m'`), texts, and what is true or false; what does not fit is a mistake that
//! is found when the file is read. A time divided by a time is a number.
//!
//! **No opinion.** A value is not known where there is too little data, where another detector has not learnt enough, or
//! where numbers have no answer: a division by zero, the root of what is below zero, a result beyond what a number can hold.
//! What is made of it is not known either, but for `false and x`, which is false, `true or x`, which is true, and
//! `known(x)`. Where the whole is not known, things stay as they were: nothing opens, and nothing closes.
//!
//! **Score.** Unless `score` says otherwise: of `a > b` it is `a / b` where both are above zero; of what is joined by `and`
//! the lowest, by `or` the highest; where there is no such ratio 2 if it holds, and 0 if not. It is 1 or more exactly while
//! the condition holds.
//!
//! # What it costs
//!
//! Beside what any sample costs its shard (`cargo bench --bench stages -- expression` has each function; one series in cache, 24 h
//! at 10 s): 18 ns for some twenty steps of arithmetic and conditions, 34 to 41 ns for what sums and extremes answer, 70 to 76 ns
//! for straight lines, and for what ranks answer 61 to 83 ns of up to six hours and 43 ns of a day, whose values seldom pass the
//! ranks that are asked for; for `mad` 20 to 30 ns more. That is so whether the answer is used or not; what is asked twice is worked
//! out once, and all that is asked of one part shares its values. Per series 0.2 KB, 0.7 KB for each part, and for medians and
//! quantiles of it 1 to 1.5 KB each, where values move through their ranks fast 5.5 KB of an hour, 13 to 22 KB of six, and mostly up
//! to 8 of a day; for `mad` 5.5 KB of an hour, 33 of six and 10 to 57 of a day. Nothing grows with the window.
//!
//! | file | holds |
//! | --- | --- |
//! | `lexer`, `parser`, `syntax` | from text to a tree of words |
//! | `check/`, `term` | to a tree in which every name leads somewhere and every type fits |
//! | `program` | to a list of steps |
//! | `model` | all of these |
//! | `series`, `parts`, `extreme`, `ranks`, `ordered`, `smooth` | the past of a series, as far as it is asked for |
//! | `explanation` | what decided, in words |
//! | `futile` | what can have one value only |
//! | `mistake` | what is wrong with a source, and where |

mod check;
mod explanation;
mod extreme;
mod futile;
mod lexer;
mod mistake;
mod model;
mod ordered;
mod parser;
mod parts;
mod program;
mod ranks;
mod series;
mod settings;
mod smooth;
mod syntax;
mod term;
#[cfg(test)]
mod tests;

use std::{fmt::Write as _, sync::Arc};

pub use mistake::{Meant, Mistake};
pub use model::{AskedFigure, Model, Sources};
pub use settings::Settings;

use self::{
    explanation::Explanation,
    series::{Company, Live, Past},
    term::{Figure, Type, UNKNOWN, is_true, truth},
};
use super::{
    Context, Detect, Elsewhere, Finding, Latest, Observation, Opinion, Outcome, Remember, Standing, Subject, Verdict,
    Vote, Waiting, local_time::LocalTime, words::duration,
};
use crate::{
    save::{Damaged, Saved, fields},
    window::{Point, Window},
};

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 2;

/// A model at work, for any number of series.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    /// Places of the detectors that it goes by.
    detectors: Vec<usize>,
    /// The series that it goes by.
    series: Vec<Arc<Latest>>,
    clocks: LocalTime,
    /// Values of a part of a window.
    scratch: Vec<f64>,
}

/// What a model remembers of one series.
#[derive(Debug, Default)]
pub struct State {
    past: Past,
    waiting: Waiting,
}
fields!(State { past, waiting });

/// What others say of a sample.
struct Others<'a> {
    said: &'a [Opinion],
    detectors: &'a [usize],
    series: &'a [Arc<Latest>],
    /// The oldest sample of another series that counts.
    not_before: i64,
}

impl Company for Others<'_> {
    fn vote(&self, place: u8, figure: Figure) -> f64 {
        let said = self.said.get(self.detectors[usize::from(place)]);
        let Some(said) = said.filter(|said| said.judged) else {
            return UNKNOWN;
        };
        match figure {
            Figure::Score => said.score,
            Figure::Anomalous => truth(said.seen.anomalous),
            Figure::Expected => said.expected.unwrap_or(UNKNOWN),
            Figure::Lower => said.lower.unwrap_or(UNKNOWN),
            Figure::Upper => said.upper.unwrap_or(UNKNOWN),
        }
    }

    fn other(&self, place: u8) -> Option<Point> {
        let newest = self.series[usize::from(place)].get();
        newest.filter(|point| point.timestamp >= self.not_before)
    }
}

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.past.heap_bytes()
    }

    fn move_to(&mut self, window: &Window) {
        self.past.move_to(window);
    }

    fn touch(&self) -> u64 {
        self.past.touch()
    }
}

/// The node of a name that a model counts as the `place`th: 1 is the first, -1 the last.
fn node(subject: Subject<'_>, place: i32) -> Option<&str> {
    let nodes = || (0..).map_while(|place| subject.node(place));
    let from_either_end = usize::try_from(place.unsigned_abs()).ok()?.checked_sub(1)?;
    if place > 0 {
        subject.node(from_either_end)
    } else {
        subject.node(nodes().count().checked_sub(1 + from_either_end)?)
    }
}

impl Engine {
    /// The model of `settings`, which goes by the detectors at those places, and by series that are found `elsewhere`.
    pub(super) fn new(settings: Settings, detectors: Vec<usize>, elsewhere: &Elsewhere) -> Self {
        let series = settings.model.series().iter();
        Self {
            series: series.map(|name| elsewhere.follow(name)).collect(),
            detectors,
            clocks: LocalTime::new(settings.timezone.clone()),
            scratch: Vec::new(),
            settings,
        }
    }

    /// The facts of the newest sample, which the past has taken in.
    fn live<'a>(&'a mut self, past: &'a mut Past, sample: &'a Context<'_>) -> Live<'a, Others<'a>> {
        let timestamp = sample.point().timestamp;
        let model = &*self.settings.model;
        Live {
            model,
            past,
            window: sample.window,
            local: if model.asks_clocks {
                self.clocks.at(timestamp)
            } else {
                0
            },
            company: Others {
                said: sample.said,
                detectors: &self.detectors,
                series: &self.series,
                not_before: timestamp.saturating_sub(self.settings.max_age_s),
            },
            scratch: &mut self.scratch,
        }
    }

    fn standing_after(&self, past: &Past) -> Standing {
        let Settings {
            silent_samples,
            silent_for_s,
            ..
        } = self.settings;
        if past.samples <= silent_samples || past.age_s() < silent_for_s {
            Standing::WarmingUp {
                samples: past.samples,
                samples_needed: silent_samples,
                age_s: past.age_s(),
                age_needed_s: silent_for_s,
            }
        } else {
            Standing::Analysed
        }
    }
}

impl Detect for Engine {
    type State = State;

    fn new_state(&self, subject: Subject<'_>) -> State {
        State {
            past: Past::new(&self.settings.model, |place| node(subject, place)),
            ..State::default()
        }
    }

    fn load_state(&mut self, from: &mut Saved<'_>, subject: Subject<'_>, window: &Window) -> Result<State, Damaged> {
        let mut state: State = crate::save::Save::load(from)?;
        let model = &self.settings.model;
        state.past.revive(model, |place| node(subject, place), window)?;
        Ok(state)
    }

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        self.learn(state, sample);
        let holds = if self.standing_after(&state.past) == Standing::Analysed {
            let model = Arc::clone(&self.settings.model);
            model.program.run(&mut self.live(&mut state.past, sample))
        } else {
            UNKNOWN
        };
        if holds.is_nan() {
            return state.waiting.keep();
        }
        let (patience, timestamp) = (self.settings.patience, sample.point().timestamp);
        let holds = is_true(holds);
        state.waiting.follow(patience, timestamp, holds, !holds)
    }

    fn learn(&mut self, state: &mut State, sample: &Context<'_>) {
        state.past.follow(&self.settings.model, sample.window);
    }

    fn opinion(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation, band: bool) -> Opinion {
        let judged = self.standing_after(&state.past) == Standing::Analysed;
        let (model, severity) = (Arc::clone(&self.settings.model), self.settings.severity);
        let mut explanation = Explanation::new(&model, self.live(&mut state.past, sample));
        Opinion {
            judged,
            score: explanation.score().unwrap_or(0.0),
            severity: observation.anomalous.then_some(severity),
            expected: explanation.value(model.expected.as_ref()),
            lower: explanation.value(model.lower.as_ref()).filter(|_| band),
            upper: explanation.value(model.upper.as_ref()).filter(|_| band),
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let standing = self.standing_after(&state.past);
        let (model, severity) = (Arc::clone(&self.settings.model), self.settings.severity);
        let needed_s = self.settings.patience.for_s;
        let since = state.waiting.since();
        let mut explanation = Explanation::new(&model, self.live(&mut state.past, sample));
        let mut reason = match standing {
            Standing::Analysed => explanation.reason(),
            unjudged => unjudged.to_string(),
        };
        if let Some(since) = since.filter(|_| !observation.anomalous) {
            let held_s = sample.point().timestamp - since;
            let _ = write!(reason, "; held for {} of {}", duration(held_s), duration(needed_s));
        }
        let judged = standing == Standing::Analysed;
        Verdict {
            score: explanation.score().filter(|_| judged).unwrap_or(0.0),
            severity: (observation.anomalous || observation.changed).then_some(severity),
            expected: explanation.value(model.expected.as_ref()),
            lower: explanation.value(model.lower.as_ref()),
            upper: explanation.value(model.upper.as_ref()),
            reason,
            votes: explanation.named(),
            ..Verdict::of(sample, observation)
        }
    }

    fn standing(&self, state: &State, _: &Window) -> Standing {
        self.standing_after(&state.past)
    }
}

impl<F: term::Facts> Explanation<'_, F> {
    /// The value of each `let`, and whether it holds.
    fn named(&self) -> Vec<Vote> {
        let values = self.named_values();
        let vote = |(name, kind, value): (&str, Type, f64)| Vote {
            name: name.to_owned().into(),
            finding: Finding {
                outcome: match kind {
                    Type::Boolean if is_true(value) => Outcome::True,
                    Type::Boolean if value == 0.0 => Outcome::False,
                    _ => Outcome::Nothing,
                },
                statistic: (kind != Type::Boolean && !value.is_nan()).then_some(value),
                threshold: None,
            },
            details: Vec::new(),
        };
        values.map(vote).collect()
    }
}
