//! Trends: when will a series reach a value, at its present pace?
//!
//! * The longer past of the series is kept as means of steps: of an hour, for 60 days, where it is looked back on for two and a half
//!   days or more; of ten minutes, or one, below that (`past`). A new detector learns it from the window at first.
//! * What a day, and a week, adds is taken away first, once four days (weeks) show that they do (`past::Profile`), or two weeks whose
//!   days agree closely. What is left, of the time that is looked back on, gets a line that wild values, steps and lasting noise do
//!   not mislead, and which knows how sure it is (`line`). The season comes back on top of it to see when the value is reached
//!   (`reach`).
//! * When the last steps leave the line steadily their pace counts, for four times as long as it has been seen.
//! * A few steps are one-offs: the pace goes on from the new level. What falls back again and again, as disks do whose logs are
//!   rotated, is followed by the ends of its teeth; when the next fall does not come in time, by the pace since the last.
//! * It is an anomaly when the expected time lies within the time that is set, the line explains enough of what the series does, and even
//!   the slowest pace that is believed gets there; and when the series is there, whatever its line says (`now`). It is over when that
//!   time has become longer again (`clear`), or the line is lost, and the series has been away from the value for a step.
//! * The score is the time that is set over the time that is expected, 0 without a line to go by.
//!
//! A line is drawn when a step is over, which takes some tenths of a millisecond at most; all other samples cost an addition and
//! a comparison.

mod line;
mod now;
mod reach;
mod settings;
#[cfg(test)]
mod tests;
mod words;

use line::{Line, Place, Shape};
use now::{Goal, Now};
use reach::{Reach, Target};
pub use settings::{Direction, OVER_S, Settings};

use super::{
    Context, Detect, Finding, Observation, Opinion, Outcome, Outlook, Remember, Standing, Verdict, Vote, Waiting,
    local_time::LocalTime,
    past::{DAY_S, Past, Profile, SeasonScratch, WEEK_S, slot, take_season, take_week_seen_twice},
};
use crate::{
    save::{fields, hold},
    window::{Point, Window},
};

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 3;

/// Beyond this nothing is told (seconds): a year.
const LIMIT_S: f64 = 366.0 * 86_400.0;
/// Scores beyond this are equal.
const SCORE_MAX: f64 = 1000.0;
/// What is open stays so while the line explains this part of what it has to.
const FIT_TO_STAY: f64 = 0.8;
/// A pace that is new is believed for so many times as long as it has been seen.
const SEEN: f64 = 4.0;
/// A series is on the side of the value on which so much of its past lies.
const SIDE_SHARE: f64 = 0.95;

/// Trends at work, for any number of series.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    local_time: LocalTime,
    work: Work,
}

/// Buffers to work with.
#[derive(Debug, Default)]
struct Work {
    values: Vec<f64>,
    raw: Vec<Place>,
    places: Vec<Place>,
    added: Vec<f64>,
    line: line::Scratch,
    season: SeasonScratch,
}

/// What is remembered of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    past: Past,
    /// What was made of it when a line was drawn last.
    estimate: Option<Estimate>,
    waiting: Waiting,
    /// Steps that the estimate does not know.
    stale: u16,
    /// The last samples.
    now: Now,
    /// Is the value that may be reached above the series? `None`: the series lies about it.
    upwards: Option<bool>,
    /// When the last anomaly began, or the one that is open.
    began: i64,
}
fields!(State {
    past,
    estimate,
    waiting,
    stale,
    now,
    upwards,
    began
});

/// What the past comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Estimate {
    /// When it was made: the end of the last step that it knows (seconds since 1970).
    at: i64,
    /// Where the line is at that time.
    level: f64,
    /// What the season adds in the step that begins then.
    added: f64,
    /// What it may add more, towards the value, at any time.
    swing: f64,
    /// Change in a second.
    pace: f64,
    /// Half the width of the interval about the pace.
    pace_margin: f64,
    /// Standard deviation of steps about the line.
    noise: f64,
    /// What part of the change the line explains, 0 to 1.
    fit: f64,
    /// When the value is reached (seconds since 1970); `None`: not within a year.
    expected: Option<f64>,
    earliest: Option<f64>,
    latest: Option<f64>,
    /// Are the ends of its teeth at the value, or beyond it?
    reached: bool,
    /// Steps (of the series, not of time), or `SAW`.
    shape: u32,
    /// The time by whose pace it goes, where that is the last (seconds); 0: by all of it.
    since_s: i64,
    /// Is there a season of the day, of the week?
    by_day: bool,
    by_week: bool,
}
fields!(Estimate {
    at, level, added, swing, pace, pace_margin, noise, fit, expected, earliest, latest, reached, shape, since_s, by_day, by_week
} check |estimate| {
    let Estimate { level, added, swing, pace, pace_margin, noise, fit, expected, earliest, latest, .. } = *estimate;
    let times = [expected, earliest, latest].map(Option::unwrap_or_default);
    let all = [level, added, swing, pace, pace_margin, noise, fit].into_iter().chain(times).all(f64::is_finite);
    hold(all, "a number of an estimate is infinite, or none")
});

/// The shape of what falls back again and again.
const SAW: u32 = u32::MAX;

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.past.heap_bytes()
    }

    fn touch(&self) -> u64 {
        self.past.touch()
    }
}

impl Estimate {
    /// How long it takes from `timestamp` on (seconds, 0 or more); `None`: longer than anything is told for.
    fn expected_in(&self, timestamp: i64) -> Option<f64> {
        self.expected.map(|expected| until(expected, timestamp))
    }

    /// Is there a line to go by, which explains `fit`?
    fn is_good(&self, fit: f64) -> bool {
        self.reached || self.fit >= fit && self.latest.is_some()
    }
}

/// Time from `timestamp` until `expected`, or 0 (seconds).
#[expect(clippy::cast_precision_loss, reason = "times of samples are exact")]
fn until(expected: f64, timestamp: i64) -> f64 {
    (expected - timestamp as f64).max(0.0)
}

/// Does the value lie above the series? `None`: the series lies about it.
#[expect(clippy::cast_precision_loss, reason = "few steps are kept")]
fn side(settings: &Settings, state: &State, raw: &[Place]) -> Option<bool> {
    let above = raw.iter().filter(|(_, value)| *value > settings.reaches).count() as f64;
    let all = raw.len() as f64;
    match settings.direction {
        Direction::Up => Some(true),
        Direction::Down => Some(false),
        Direction::Either if above <= (1.0 - SIDE_SHARE) * all => Some(true),
        Direction::Either if above >= SIDE_SHARE * all => Some(false),
        // What has been told of goes on through the value.
        Direction::Either => state.upwards.filter(|_| state.waiting.keep().anomalous),
    }
}

/// When `line` reaches `target`; it is moved to where the series is, at the last of `places`, if it is there already.
#[expect(clippy::cast_precision_loss, reason = "few steps are kept")]
fn reach(line: &mut Line, target: Target<'_>, beyond: f64, places: &[Place]) -> Reach {
    let mut reach = Reach::of(line, target, beyond);
    if reach.expected == Some(0.0) && line.shape != Shape::Saw {
        // The series itself says whether it is there.
        *line = line.where_it_is(0.0, places);
        reach = Reach::of(line, target, beyond);
    }
    if let Shape::Recent(span) = line.shape {
        let far = SEEN * span as f64;
        reach.latest = reach
            .latest
            .filter(|_| reach.expected.is_some_and(|expected| expected <= far));
    }
    reach
}

impl Engine {
    /// Trends as `settings` have them.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            local_time: LocalTime::new(settings.timezone.clone()),
            settings,
            work: Work::default(),
        }
    }

    /// Takes in a sample, and draws the line anew when it is time.
    fn follow(&mut self, state: &mut State, point: Point, draw: bool) {
        if state.past.push(point, self.settings.steps()) {
            state.stale = state.stale.saturating_add(1);
        }
        state.now.push(point.value);
        let due = if state.estimate.is_none() {
            1
        } else {
            self.settings.steps_to_wait()
        };
        if draw && state.stale >= due {
            state.stale = 0;
            state.estimate = self.estimate(state);
        }
        if let Some(goal) = self.goal(state) {
            let (noise, swing) = state
                .estimate
                .map_or((0.0, 0.0), |estimate| (estimate.noise, estimate.swing));
            state.now.look(goal, noise, swing, point.timestamp);
        }
    }

    /// What is to be reached; `None`: the series lies about it.
    fn goal(&self, state: &State) -> Option<Goal> {
        let upwards = match self.settings.direction {
            Direction::Up => true,
            Direction::Down => false,
            Direction::Either => state.upwards?,
        };
        Some(Goal {
            value: self.settings.reaches,
            upwards,
        })
    }

    /// What the past of a series comes to; `None`: it is too short.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "few steps are kept, and their times are bounded"
    )]
    fn estimate(&mut self, state: &mut State) -> Option<Estimate> {
        let (settings, work) = (&self.settings, &mut self.work);
        let step_s = settings.steps().step_s;
        state.past.values(&mut work.values);
        let open = state.past.open_number();
        let first = open - work.values.len() as i64;
        // Time 0 is the end of the last step that is over.
        let time = |place: usize| (first + place as i64 - open) as f64 + 0.5;
        let over = work.values.len().saturating_sub(settings.steps_over());
        let places = |values: &[f64], places: &mut Vec<Place>| {
            let known = values.iter().enumerate().skip(over);
            places.clear();
            places.extend(
                known
                    .filter(|(_, value)| !value.is_nan())
                    .map(|(place, value)| (time(place), *value)),
            );
        };
        places(&work.values, &mut work.raw);
        let history_s = -work.raw.first()?.0 * step_s as f64;
        if history_s < settings.min_history_s as f64 - step_s as f64 {
            return None;
        }
        let side = side(settings, state, &work.raw);
        state.upwards = side;
        let upwards = side.unwrap_or(true);
        let saw = Line::of_saw(&work.raw, upwards, &mut work.line);
        let (mut line, day, week) = if let Some(saw) = saw {
            (saw, Profile::default(), Profile::default())
        } else {
            let mut local = |place: usize| self.local_time.at((first + place as i64) * step_s);
            let (day, mut week) = take_season(&mut work.values, step_s, &mut local, &mut work.season);
            if week.is_none() {
                week = take_week_seen_twice(&mut work.values, step_s, local);
            }
            places(&work.values, &mut work.places);
            (
                Line::present(&work.places, day.taken() + week.taken(), &mut work.line)?
                    .now(&work.places, &mut work.line),
                day,
                week,
            )
        };
        let period_s = match (week.is_none(), day.is_none()) {
            (false, _) => WEEK_S,
            (true, false) => DAY_S,
            (true, true) => 0,
        };
        work.added.clear();
        for ahead in 0..period_s / step_s {
            let local = self.local_time.at((open + ahead) * step_s);
            work.added
                .push(day.at(slot(local, step_s, DAY_S).0) + week.at(slot(local, step_s, WEEK_S).0));
        }
        let beyond = (1.0 - settings.confidence) / 2.0;
        let target = Target {
            value: settings.reaches,
            upwards,
            added: &work.added,
            limit: LIMIT_S / step_s as f64,
        };
        let reach = side.map_or_else(Reach::default, |_| reach(&mut line, target, beyond, &work.places));
        let towards = if upwards { 1.0 } else { -1.0 };
        let added = work.added.first().copied().unwrap_or_default();
        let at = open * step_s;
        let when = |steps: Option<f64>| steps.map(|steps| at as f64 + steps * step_s as f64);
        let (shape, since_s) = match line.shape {
            Shape::Saw => (SAW, 0),
            Shape::Steps(count) => (u32::try_from(count).unwrap_or(SAW - 1), 0),
            Shape::Recent(span) => (0, span as i64 * step_s),
        };
        let estimate = Estimate {
            at,
            level: line.level,
            added,
            swing: work
                .added
                .iter()
                .map(|more| towards * (more - added))
                .fold(0.0, f64::max),
            pace: line.slope / step_s as f64,
            pace_margin: line.margin(beyond).of_slope() / step_s as f64,
            noise: line.noise,
            fit: line.fit,
            expected: when(reach.expected),
            earliest: when(reach.earliest),
            latest: when(reach.latest),
            reached: line.shape == Shape::Saw && reach.expected == Some(0.0),
            shape,
            since_s,
            by_day: !day.is_none(),
            by_week: !week.is_none(),
        };
        let numbers = [
            estimate.level,
            estimate.pace,
            estimate.pace_margin,
            estimate.noise,
            estimate.added,
            estimate.swing,
        ];
        numbers.iter().all(|number| number.is_finite()).then_some(estimate)
    }

    /// Is the value about to be reached, and is it not any more?
    fn look(&self, state: &State, timestamp: i64) -> (bool, bool) {
        let Settings {
            within_s,
            clear_s,
            min_fit,
            ..
        } = self.settings;
        let step_s = self.settings.steps().step_s;
        let is_near = self.goal(state).is_some() && state.now.was_near(timestamp, step_s);
        let Some(estimate) = &state.estimate else {
            return (false, !is_near);
        };
        #[expect(clippy::cast_precision_loss, reason = "times of years are exact")]
        let is_within = |seconds: i64| {
            estimate
                .expected_in(timestamp)
                .is_some_and(|time| time <= seconds as f64)
        };
        let odd = self.is_beyond(state) || estimate.is_good(min_fit) && is_within(within_s);
        let stays = is_near || estimate.is_good(FIT_TO_STAY * min_fit) && is_within(clear_s);
        (odd, !stays)
    }

    /// Is the series at the value, or beyond it?
    fn is_beyond(&self, state: &State) -> bool {
        self.goal(state).is_some_and(|goal| state.now.is_beyond(goal))
    }

    fn score(&self, state: &State, timestamp: i64) -> f64 {
        if state.estimate.is_some() && self.is_beyond(state) {
            return SCORE_MAX;
        }
        let estimate = state
            .estimate
            .filter(|estimate| estimate.is_good(self.settings.min_fit));
        let expected = estimate.and_then(|estimate| estimate.expected_in(timestamp));
        #[expect(clippy::cast_precision_loss, reason = "times of years are exact")]
        let within = self.settings.within_s as f64;
        expected.map_or(0.0, |expected| (within / expected.max(1e-9)).min(SCORE_MAX))
    }

    /// Where the series is expected at `timestamp`, and how far from there it usually is at most.
    #[expect(clippy::cast_precision_loss, reason = "times of samples are exact")]
    fn band(&self, estimate: &Estimate, timestamp: i64) -> Option<[f64; 3]> {
        let steps = self.settings.steps();
        // The ends of teeth are not where the series is, and what the season adds is known of one step.
        let seasonal = estimate.by_day || estimate.by_week;
        if estimate.shape == SAW || seasonal && timestamp - estimate.at > steps.step_s {
            return None;
        }
        let expected = estimate.level + estimate.pace * (timestamp - estimate.at) as f64 + estimate.added;
        let band = words::NORMAL_95 * estimate.noise;
        Some([expected - band, expected, expected + band])
    }
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        let point = sample.point();
        self.follow(state, point, true);
        let (odd, back) = self.look(state, point.timestamp);
        let seen = state.waiting.follow(self.settings.patience, point.timestamp, odd, back);
        if seen.changed && seen.anomalous {
            state.began = point.timestamp;
        }
        seen
    }

    fn learn(&mut self, state: &mut State, sample: &Context<'_>) {
        // The line is drawn with the next sample that is judged.
        self.follow(state, sample.point(), false);
    }

    fn reconsider(&mut self, state: &mut State) {
        state.estimate = None;
        state.stale = state.stale.max(1);
        // It may be another value.
        state.now.forget_near();
    }

    fn opinion(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        let timestamp = sample.point().timestamp;
        let band = state.estimate.and_then(|estimate| self.band(&estimate, timestamp));
        Opinion {
            judged: state.estimate.is_some(),
            score: self.score(state, timestamp),
            severity: observation.anomalous.then_some(self.settings.severity),
            lower: band.map(|[lower, ..]| lower),
            expected: band.map(|[_, expected, _]| expected),
            upper: band.map(|[.., upper]| upper),
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        self.verdict(state, sample, observation)
    }

    fn recall(&self, state: &State, window: &Window, open: bool) -> Option<Verdict> {
        Some(self.verdict(state, &Context::alone(window), Observation::lasting(open)))
    }

    fn standing(&self, state: &State, _: &Window) -> Standing {
        if state.estimate.is_some() {
            return Standing::Analysed;
        }
        let step_s = self.settings.steps().step_s;
        let least_s = step_s * i64::try_from(line::VALUES_LEAST).expect("it is small");
        state.past.warming_up(step_s, self.settings.min_history_s.max(least_s))
    }

    fn outlook(&self, state: &State, window: &Window) -> Option<Outlook> {
        let estimate = state.estimate.as_ref()?;
        let timestamp = window.last()?.timestamp;
        Some(Outlook {
            text: words::outlook(&self.settings, state, estimate, timestamp, self.is_beyond(state)),
            confidence: self.settings.confidence,
            numbers: self.vote(state, estimate, timestamp).details,
            ..Outlook::default()
        })
    }
}

impl Engine {
    /// The verdict on `sample`, which the state knows.
    fn verdict(&self, state: &State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let timestamp = sample.point().timestamp;
        let lasts = observation.anomalous || observation.changed;
        let band = state.estimate.and_then(|estimate| self.band(&estimate, timestamp));
        Verdict {
            score: self.score(state, timestamp),
            severity: lasts.then_some(self.settings.severity),
            lower: band.map(|[lower, ..]| lower),
            expected: band.map(|[_, expected, _]| expected),
            upper: band.map(|[.., upper]| upper),
            reason: words::reason(&self.settings, state, timestamp, observation, self.is_beyond(state)),
            votes: state
                .estimate
                .iter()
                .map(|estimate| self.vote(state, estimate, timestamp))
                .collect(),
            ..Verdict::of(sample, observation)
        }
    }

    /// The numbers behind a verdict.
    fn vote(&self, state: &State, estimate: &Estimate, timestamp: i64) -> Vote {
        let (odd, _) = self.look(state, timestamp);
        #[expect(clippy::cast_precision_loss, reason = "times of years are exact")]
        let within = self.settings.within_s as f64;
        let mut details = vec![("reaches", self.settings.reaches)];
        let times = [
            ("expected_at", estimate.expected),
            ("earliest_at", estimate.earliest),
            ("latest_at", estimate.latest),
        ];
        details.extend(times.into_iter().filter_map(|(name, time)| Some((name, time?.round()))));
        details.extend([
            ("level", estimate.level),
            ("per_hour", 3600.0 * estimate.pace),
            ("per_hour_margin", 3600.0 * estimate.pace_margin),
            ("fit", estimate.fit),
            ("noise", estimate.noise),
        ]);
        Vote {
            name: "pace".into(),
            finding: Finding {
                outcome: if odd { Outcome::True } else { Outcome::False },
                statistic: estimate.expected_in(timestamp),
                threshold: Some(within),
            },
            details,
        }
    }
}
