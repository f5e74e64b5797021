//! Forecasts: what a series will be like in the hours to come, and is it what was expected?
//!
//! * The longer past is kept as means of hours, for six weeks (`past`). The 24 hours to come are foretold from it, each with an interval
//!   that holds the mean of that hour as often as is set (`model`); the API shows them.
//! * A sample is odd outside of the band that was foretold for its hour so many hours before (`horizon`). Samples lie further from what is
//!   expected than means of hours do, by what they usually differ within an hour, and the band is so much wider.
//! * The score is the distance from what was expected, in half widths of the band on that side.
//!
//! Hours are foretold when one is over, which takes a quarter of a millisecond; all other samples cost an addition and a comparison.

mod model;
mod settings;
#[cfg(test)]
mod tests;

use model::Hour;
pub use settings::Settings;

use super::{
    Ahead, Context, Detect, Observation, Opinion, Outlook, Remember, Standing, Verdict, Waiting,
    adaptive::Direction,
    local_time::LocalTime,
    past::{Past, Steps},
    statistics::student_t::upper_quantile,
    words::{duration, number},
};
use crate::{
    save::{Damaged, Save, Saved, fields, hold},
    window::{Point, Window},
};

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 1;

const HOUR_S: i64 = 3600;
/// Six weeks of hours. Twice as many make no better forecasts, and half of them worse ones.
const STEPS: Steps = Steps {
    step_s: HOUR_S,
    kept: 42 * 24,
};
/// What is open is over at this score: noise does not end it, and begin it again.
const BACK: f64 = 0.7;
/// Scores beyond this are equal.
const SCORE_MAX: f64 = 1000.0;
/// Hours that what is usual within an hour looks back on.
const SPREAD_HOURS: u16 = 168;
/// Hours after which a wild one is held ...
const SPREAD_YOUNG: u16 = 24;
/// ... at so many times what is usual.
const SPREAD_HELD: f64 = 9.0;
/// As good as a normal distribution.
const MANY: f64 = 100_000.0;

/// Forecasts at work, for any number of series.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    local_time: LocalTime,
    /// Standard deviations that hold what the interval is to hold.
    deviations: f64,
    values: Vec<f64>,
    scratch: model::Scratch,
}

/// What is remembered of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    past: Past,
    within: Within,
    /// Is an hour over of which the bands do not know?
    stale: bool,
    /// The hour that the first of `bands` is of, counted from 1970.
    from: i64,
    bands: Bands,
    waiting: Waiting,
    /// When the last anomaly began, or the one that is open.
    began: i64,
}
fields!(State {
    past,
    within,
    stale,
    from,
    bands,
    waiting,
    began
});

/// Hours to come, foretold as long before as is set.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bands(Vec<Hour>);

/// How samples differ within an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Within {
    /// Usual variance, and the hours it was learnt from.
    variance: f64,
    hours: u16,
    /// Of the hour that is not over: the first sample, and sums of differences from it.
    first: f64,
    sum: f64,
    squares: f64,
    samples: u32,
}
fields!(Within { variance, hours, first, sum, squares, samples } check |within| {
    let Within { variance, first, sum, squares, .. } = *within;
    hold([variance, first, sum, squares].iter().all(|number| number.is_finite()), "a sum is infinite, or none")
});
fields!(Hour { expected, lower, upper } check |hour| {
    let Hour { expected, lower, upper } = *hour;
    hold([expected, lower, upper].iter().all(|number| number.is_finite()), "a forecast is infinite, or none")
});

impl Save for Bands {
    fn save(&self, out: &mut Vec<u8>) {
        u8::try_from(self.0.len()).expect("a day has 24 hours").save(out);
        for hour in &self.0 {
            hour.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let count = usize::from(u8::load(from)?);
        hold(count <= model::DAY, "more hours are foretold than a day has")?;
        (0..count).map(|_| Hour::load(from)).collect::<Result<_, _>>().map(Self)
    }
}

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.past.heap_bytes() + self.bands.0.capacity() * size_of::<Hour>()
    }

    fn touch(&self) -> u64 {
        self.past.touch()
    }
}

impl Within {
    fn push(&mut self, value: f64, is_new_hour: bool) {
        if is_new_hour {
            self.end();
        }
        if self.samples == 0 {
            self.first = value;
        }
        let difference = value - self.first;
        let (sum, squares) = (self.sum + difference, self.squares + difference * difference);
        // What has no room is not learnt from.
        if sum.is_finite() && squares.is_finite() {
            (self.sum, self.squares) = (sum, squares);
            self.samples = self.samples.saturating_add(1);
        }
    }

    fn end(&mut self) {
        let samples = f64::from(self.samples);
        // The mean is of the same samples; a single one tells nothing.
        if self.samples > 1 {
            let variance = ((self.squares - self.sum * self.sum / samples) / (samples - 1.0)).max(0.0);
            let most = if self.hours < SPREAD_YOUNG {
                f64::MAX
            } else {
                SPREAD_HELD * self.variance
            };
            self.hours = (self.hours + 1).min(SPREAD_HOURS);
            // A quantity that has never moved may begin to.
            let held = if most > 0.0 { variance.min(most) } else { variance };
            self.variance += (held - self.variance) / f64::from(self.hours);
        }
        (self.sum, self.squares, self.samples) = (0.0, 0.0, 0);
    }
}

/// Where a sample lies in its band.
#[derive(Clone, Copy, Debug)]
struct Place {
    expected: f64,
    lower: f64,
    upper: f64,
    score: f64,
}

impl Engine {
    /// Forecasts as `settings` have them.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            local_time: LocalTime::new(settings.timezone.clone()),
            deviations: upper_quantile(settings.outside() / 2.0, MANY),
            settings,
            values: Vec::new(),
            scratch: model::Scratch::default(),
        }
    }

    /// Takes in a sample, and foretells what is to come when an hour is over.
    fn follow(&mut self, state: &mut State, point: Point, foretell: bool) {
        let is_over = state.past.push(point, STEPS);
        state.within.push(point.value, is_over);
        state.stale |= is_over;
        if foretell && state.stale {
            state.stale = false;
            self.foretell(state);
        }
    }

    fn foretell(&mut self, state: &mut State) {
        let now = state.past.open_number();
        let passed = usize::try_from(now - state.from).unwrap_or(usize::MAX);
        state.bands.0.drain(..passed.min(state.bands.0.len()));
        state.from = now;
        state.past.values(&mut self.values);
        let horizon = self.settings.horizon_hours();
        let zone = &mut self.local_time;
        let hours = hours(&self.values, now, horizon, &self.settings, zone, &mut self.scratch);
        match hours {
            // What was foretold earlier stays; usually one is missing, the last.
            Some(hours) => {
                let known = state.bands.0.len().min(hours.len());
                state.bands.0.reserve_exact(hours.len() - known);
                state.bands.0.extend_from_slice(&hours[known..]);
            }
            None => state.bands.0.clear(),
        }
    }

    /// Where the newest sample lies; `None`: nothing was foretold of its hour.
    fn place(&self, state: &State, point: Point) -> Option<Place> {
        let number = point.timestamp.div_euclid(HOUR_S);
        let hour = state.bands.0.get(usize::try_from(number - state.from).ok()?)?;
        let spread = self.deviations * state.within.variance.sqrt();
        let half = |end: f64| {
            (end - hour.expected)
                .abs()
                .hypot(spread)
                .max(self.settings.min_deviation)
                .min(f64::MAX)
        };
        let (below, above) = (half(hour.lower), half(hour.upper));
        let away = point.value - hour.expected;
        let counts = match self.settings.direction {
            Direction::Both => true,
            Direction::Above => away > 0.0,
            Direction::Below => away < 0.0,
        };
        let half = if away < 0.0 { below } else { above };
        let score = match away.abs() {
            _ if !counts => 0.0,
            0.0 => 0.0,
            away => (away / half).min(SCORE_MAX),
        };
        let held = |number: f64| number.clamp(f64::MIN, f64::MAX);
        Some(Place {
            expected: hour.expected,
            lower: held(hour.expected - below),
            upper: held(hour.expected + above),
            score,
        })
    }

    /// The verdict on `sample`, which the state knows.
    fn verdict(&self, state: &State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let place = self.place(state, sample.point());
        let lasts = observation.anomalous || observation.changed;
        Verdict {
            score: place.map_or(0.0, |place| place.score),
            severity: lasts.then_some(self.settings.severity),
            expected: place.map(|place| place.expected),
            lower: place.map(|place| place.lower),
            upper: place.map(|place| place.upper),
            reason: self.reason(state, place, sample.point(), observation),
            ..Verdict::of(sample, observation)
        }
    }

    fn reason(&self, state: &State, place: Option<Place>, point: Point, observation: Observation) -> String {
        let Some(Place {
            expected,
            lower,
            upper,
            score,
            ..
        }) = place
        else {
            return "too little is known of the series".to_owned();
        };
        let value = number(point.value);
        let is = match point.value {
            _ if score <= 1.0 => format!("between {} and {}", number(lower), number(upper)),
            value if value < expected => format!("below {}", number(lower)),
            _ => format!("above {}", number(upper)),
        };
        let horizon = duration(self.settings.horizon_s);
        let mut text = format!("{value} is {is}: {} was expected, {horizon} ahead", number(expected));
        let lasted = |since: i64| duration(point.timestamp.saturating_sub(since));
        if observation.changed && !observation.anomalous {
            text = format!("{text}; after {}", lasted(state.began));
        } else if let Some(since) = state.waiting.since().filter(|_| self.settings.patience.for_s > 0) {
            text = format!("{text}; for {}", lasted(since));
        }
        text
    }
}

/// The hours from number `now` on, as `values` of those before foretell them.
fn hours(
    values: &[f64],
    now: i64,
    ahead: usize,
    settings: &Settings,
    zone: &mut LocalTime,
    scratch: &mut model::Scratch,
) -> Option<Vec<Hour>> {
    let oldest = values.iter().position(|value| !value.is_nan())?;
    let known = i64::try_from(values.len() - oldest).unwrap_or_default();
    if known * HOUR_S < settings.min_history_s {
        return None;
    }
    let first = now - i64::try_from(values.len()).unwrap_or_default();
    let all = values.len() + ahead;
    let locals: Vec<i64> = (first..).take(all).map(|number| zone.at(number * HOUR_S)).collect();
    let hours = model::forecast(values, ahead, settings.outside(), |place| locals[place], scratch)?;
    let is_finite = |hour: &Hour| {
        [hour.expected, hour.lower, hour.upper]
            .iter()
            .all(|number| number.is_finite())
    };
    hours.iter().all(is_finite).then_some(hours)
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        let point = sample.point();
        self.follow(state, point, true);
        let seen = match self.place(state, point) {
            Some(Place { score, .. }) => {
                let (odd, back) = (score > 1.0, score <= BACK);
                state.waiting.follow(self.settings.patience, point.timestamp, odd, back)
            }
            None => state.waiting.keep(),
        };
        if seen.changed && seen.anomalous {
            state.began = point.timestamp;
        }
        seen
    }

    fn learn(&mut self, state: &mut State, sample: &Context<'_>) {
        // The hours to come are foretold with the next sample that is judged.
        self.follow(state, sample.point(), false);
    }

    fn outlive_window(&self, state: &mut State) -> bool {
        state.waiting = Waiting::default();
        !state.bands.0.is_empty()
    }

    fn reconsider(&mut self, state: &mut State) {
        state.bands = Bands::default();
        state.stale = true;
    }

    fn opinion(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        let place = self.place(state, sample.point());
        Opinion {
            judged: place.is_some(),
            score: place.map_or(0.0, |place| place.score),
            severity: observation.anomalous.then_some(self.settings.severity),
            expected: place.map(|place| place.expected),
            lower: place.map(|place| place.lower),
            upper: place.map(|place| place.upper),
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        self.verdict(state, sample, observation)
    }

    fn recall(&self, state: &State, window: &Window, open: bool) -> Option<Verdict> {
        Some(self.verdict(state, &Context::alone(window), Observation::lasting(open)))
    }

    fn standing(&self, state: &State, _window: &Window) -> Standing {
        if !state.bands.0.is_empty() {
            return Standing::Analysed;
        }
        state.past.warming_up(HOUR_S, self.settings.min_history_s)
    }

    fn outlook(&self, state: &State, _window: &Window) -> Option<Outlook> {
        let (mut values, now) = (Vec::new(), state.past.open_number());
        state.past.values(&mut values);
        let mut zone = LocalTime::new(self.settings.timezone.clone());
        let scratch = &mut model::Scratch::default();
        let hours = hours(&values, now, model::DAY, &self.settings, &mut zone, scratch)?;
        let (lower, upper) = (hours.iter().map(|hour| hour.lower), hours.iter().map(|hour| hour.upper));
        let text = format!(
            "between {} and {} in the next 24h",
            number(lower.fold(f64::INFINITY, f64::min)),
            number(upper.fold(f64::NEG_INFINITY, f64::max))
        );
        let ahead = (now..).zip(hours).map(|(number, hour)| Ahead {
            timestamp: number * HOUR_S + HOUR_S / 2,
            expected: hour.expected,
            lower: hour.lower,
            upper: hour.upper,
        });
        Some(Outlook {
            text,
            confidence: self.settings.confidence,
            ahead: ahead.collect(),
            ..Outlook::default()
        })
    }
}
