//! Absence: nothing comes any more.
//!
//! * Silence is by the clock of the relay: from the arrival of the last sample on, as senders' clocks may be off. In backtests,
//!   which know no arrivals, it is by the samples' own times.
//! * How long it may last is stated, or learnt: twice the *usual pause*, three times the *interval*, and a minute at least. The
//!   usual pause is the third longest that there has been in about a month (counts are halved every four weeks), the interval is
//!   the one in the middle; both are rounded up by a quarter of an octave. So a pause that comes back is the series' way after
//!   three times, and one that happened once changes nothing.
//! * Of a series with few pauses other than its interval, the three intervals decide: they are 3 to 3.75 of the true ones, so two
//!   samples in a row may be lost, as UDP, a restart of a collector or a slow turn of it lose them, and three may not. Of one that
//!   pauses often, as every night, it is the usual pause: three times that would be told too late, or never.
//! * An anomaly opens when the silence has lasted so long, with that as its time, whenever it is noticed; it closes with the
//!   next sample. When the series is given up (`window.expire_after`), it is closed, with that for a reason.
//! * A series without a sample is not silent (`shard::series`); a pattern of which nothing was ever heard is, from when the relay
//!   began to listen on.
//! * What is not heard is not silent: time in which the relay was not there, shed lines, or got nothing at all, does not count
//!   (see `shard::silence`).
//! * A silence goes on after a restart, without the time in which the relay was not there. Half of what is allowed is left, so
//!   that senders have time to come back.

#[cfg(test)]
mod tests;

use super::{
    Context, Detect, Listening, Observation, Opinion, Remember, Severity, Standing, Verdict,
    words::{duration, number},
};
use crate::{
    glob::Glob,
    line::Timestamp,
    save::{fields, hold},
    window::Window,
};

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 2;

/// Silence that is learnt is never shorter (seconds).
const LEARNT_LEAST_S: i64 = 60;

/// Usual pauses that a silence takes.
const PAUSES: i64 = 2;

/// Intervals that it takes at least: with one sample fewer lost in a row than these, there is no silence.
const INTERVALS: i64 = 3;

/// So often a pause has to have been as long, to be usual.
const USUAL_COUNT: u32 = 3;

/// Pauses and time that are needed before anything is told of a silence that is learnt.
const SAMPLES_NEEDED: u32 = 20;
const AGE_NEEDED_S: i64 = 3600;

/// Classes of pauses: four to an octave, from a second to twelve days. Longer ones count as the longest.
const CLASSES: usize = 80;

/// Time after which what was learnt counts half (seconds).
const HALVED_AFTER_S: i64 = 28 * 86_400;

/// What is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Silence that is an anomaly.
    pub after: After,
    /// Patterns, of each of which some series has to be heard. None: each series that a watch gives to it is.
    pub of: Vec<Glob>,
    /// How much an anomaly matters.
    pub severity: Severity,
}

/// How long is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// So long (seconds, 1 or more).
    Stated(i64),
    /// As the series' own pauses have it.
    Learnt,
}

/// Absence at work, for any number of series.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
}

/// What is remembered of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// From when on its silence counts; `None`: no sample has come.
    heard: Option<Timestamp>,
    /// When the relay was started again, and went on from `heard`; `None`: it was not.
    resumed: Option<Timestamp>,
    /// When the anomaly that is open, or was the last, began.
    began: Timestamp,
    open: bool,
    /// What the last look found: silence over what is allowed.
    score: f64,
    pauses: Pauses,
}
fields!(State { heard, resumed, began, open, score, pauses } check |state| hold(
    state.score.is_finite() && (!state.open || state.heard.is_some()),
    "a silence began before anything was heard"
));

/// Times between samples, by how long they were.
#[derive(Clone, Debug, PartialEq)]
struct Pauses {
    first: Timestamp,
    count: u32,
    halved: Timestamp,
    by_class: [u8; CLASSES],
}
fields!(Pauses {
    first,
    count,
    halved,
    by_class
});

impl Default for State {
    fn default() -> Self {
        Self {
            heard: None,
            resumed: None,
            began: 0,
            open: false,
            score: 0.0,
            pauses: Pauses {
                first: 0,
                count: 0,
                halved: 0,
                by_class: [0; CLASSES],
            },
        }
    }
}

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Settings {
    /// What may be told of silence at the earliest (seconds).
    pub fn least_s(&self) -> i64 {
        match self.after {
            After::Stated(after_s) => after_s,
            After::Learnt => LEARNT_LEAST_S,
        }
    }
}

impl Pauses {
    /// Takes in a pause that ends `now`.
    fn add(&mut self, pause_s: i64, now: Timestamp) {
        if self.count == 0 {
            (self.first, self.halved) = (now - pause_s, now);
        }
        self.count = self.count.saturating_add(1);
        if now - self.halved >= HALVED_AFTER_S {
            self.by_class.iter_mut().for_each(|count| *count /= 2);
            self.halved = now;
        }
        // What comes in the same second comes together.
        if pause_s > 0 {
            let count = &mut self.by_class[class(pause_s)];
            *count = count.saturating_add(1);
        }
    }

    /// The usual pause (seconds).
    fn usual_s(&self) -> i64 {
        let mut count = 0;
        let usual = (0..CLASSES).rev().find(|&class| {
            count += u32::from(self.by_class[class]);
            count >= USUAL_COUNT
        });
        usual.map_or(0, |class| begins_s(class + 1))
    }

    /// The pause in the middle (seconds). Of classes that are full, the shorter one is.
    fn interval_s(&self) -> i64 {
        let all: u32 = self.by_class.iter().copied().map(u32::from).sum();
        let mut count = 0;
        let middle = (0..CLASSES).find(|&class| {
            count += u32::from(self.by_class[class]);
            2 * count >= all && count > 0
        });
        middle.map_or(0, |class| begins_s(class + 1))
    }

    /// Silence that is not usual (seconds).
    fn silence_s(&self) -> i64 {
        let pauses_s = (PAUSES * self.usual_s()).max(INTERVALS * self.interval_s());
        pauses_s.max(LEARNT_LEAST_S)
    }
}

/// The class of a pause.
fn class(pause_s: i64) -> usize {
    let pause_s = pause_s.max(1).unsigned_abs();
    let octave = pause_s.ilog2();
    let quarter = (pause_s << 2 >> octave) & 3;
    (4 * octave as usize + usize::try_from(quarter).expect("two bits")).min(CLASSES - 1)
}

/// The shortest pause of a class, rounded up (seconds).
fn begins_s(class: usize) -> i64 {
    let (octave, quarter) = (class / 4, class % 4);
    let quarters = (4 + i64::try_from(quarter).expect("less than 4")) << octave;
    (quarters + 3) / 4
}

impl Engine {
    /// Absence as `settings` have it.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Silence that is an anomaly (seconds); `None`: it is not known yet.
    fn after_s(&self, state: &State) -> Option<i64> {
        match self.settings.after {
            After::Stated(after_s) => Some(after_s),
            After::Learnt if self.waits_for(state).is_some() => None,
            After::Learnt => Some(state.pauses.silence_s()),
        }
    }

    /// From when on its silence counts, where so much of it is an anomaly.
    fn silent_since(state: &State, after_s: i64, listening: &Listening) -> Timestamp {
        let since = listening.since(after_s, state.resumed);
        state.heard.unwrap_or(since).max(since)
    }

    /// What has to be learnt yet.
    fn waits_for(&self, state: &State) -> Option<Standing> {
        let Pauses { first, count, .. } = state.pauses;
        let age_s = state.heard.map_or(0, |heard| heard.saturating_sub(first));
        let knows = self.settings.after != After::Learnt || count >= SAMPLES_NEEDED && age_s >= AGE_NEEDED_S;
        (!knows).then_some(Standing::WarmingUp {
            samples: count,
            samples_needed: SAMPLES_NEEDED,
            age_s: if count == 0 { 0 } else { age_s },
            age_needed_s: AGE_NEEDED_S,
        })
    }

    fn reason(&self, state: &State, sample: &Context<'_>, observation: Observation) -> String {
        if observation.changed && !observation.anomalous {
            return format!(
                "it is back, {} after it was told to be silent",
                duration(sample.now - state.began)
            );
        }
        let Some(after_s) = self.after_s(state) else {
            return self.standing(state, sample.window).to_string();
        };
        match (observation.anomalous, self.settings.after) {
            (true, After::Stated(_)) => format!("nothing has come for {}", duration(after_s)),
            (true, After::Learnt) => format!(
                "nothing has come for {}, where {} is usual",
                duration(after_s),
                duration(state.pauses.usual_s())
            ),
            (false, _) => format!("{} of the time that it may be silent", number(state.score)),
        }
    }
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        let changed = state.open;
        state.score = 0.0;
        if let Some(heard) = state.heard {
            let pause_s = (sample.now - heard).max(0);
            if let Some(after_s) = self.after_s(state) {
                state.score = ratio(pause_s, after_s);
            }
            state.pauses.add(pause_s, sample.now);
        }
        state.open = false;
        state.heard = state.heard.max(Some(sample.now));
        Observation {
            changed,
            ..Observation::default()
        }
    }

    fn silence(&mut self, state: &mut State, now: Timestamp, listening: &Listening) -> Observation {
        let was_open = state.open;
        if let Some(after_s) = self.after_s(state)
            && !was_open
        {
            let heard = Self::silent_since(state, after_s, listening);
            state.heard = Some(heard);
            state.score = ratio(now.saturating_sub(heard), after_s);
            state.open = now.saturating_sub(heard) > after_s;
            state.began = heard.saturating_add(after_s);
        }
        let changed = state.open != was_open;
        Observation {
            anomalous: state.open,
            alert: changed,
            changed,
        }
    }

    fn least_silence_s(&self) -> Option<i64> {
        Some(self.settings.least_s())
    }

    fn silent_s(&self, state: &State, now: Timestamp, listening: &Listening) -> Option<i64> {
        let since = Self::silent_since(state, self.after_s(state).unwrap_or(i64::MAX), listening);
        let is_heard = since > Timestamp::MIN;
        Some(if is_heard { now.saturating_sub(since).max(0) } else { 0 })
    }

    fn resume_silence(&mut self, state: &mut State, silent_s: i64, now: Timestamp) {
        let may_last_s = self.after_s(state).unwrap_or_default();
        state.heard = Some(now.saturating_sub(silent_s.clamp(0, may_last_s / 2)));
        state.resumed = Some(now);
    }

    fn opinion(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        Opinion {
            judged: self.standing(state, sample.window) == Standing::Analysed,
            score: state.score,
            severity: observation.anomalous.then_some(self.settings.severity),
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let verdict = Verdict::of(sample, observation);
        let lasts = observation.anomalous || observation.changed;
        Verdict {
            timestamp: match (observation.changed, observation.anomalous) {
                (true, true) => state.began,
                (true, false) => sample.now,
                (false, _) => verdict.timestamp,
            },
            score: state.score,
            severity: lasts.then_some(self.settings.severity),
            reason: self.reason(state, sample, observation),
            ..verdict
        }
    }

    fn standing(&self, state: &State, _: &Window) -> Standing {
        self.waits_for(state).unwrap_or(Standing::Analysed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
fn ratio(silent_s: i64, after_s: i64) -> f64 {
    silent_s as f64 / after_s as f64
}
