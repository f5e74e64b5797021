//! Silence: who listens for it, since when it counts, and patterns of which something has to be heard.
//!
//! * Silence is by arrival, by the clock of the relay. A shard that is [by samples](Ears::go_by_samples), as in backtests, takes
//!   the samples' own times for that, and tells of a silence at the line that ends it, or at the end of all lines. Where
//!   samples arrive in the seconds of their timestamps, both tell of the same silences with the same times.
//! * What was not heard does not count: before the relay began to listen, and before lines were shed.
//! * When nothing at all comes any more, and there are ten series or more, it is not they who are silent: instead of all of
//!   them one anomaly is told, by each detector that listens, on `**`. Its place in time is that of the pause.
//! * A pattern is heard of when a series that it matches is; the shards tell each other. One shard tells people.
//! * What is known of patterns and series survives a restart: an anomaly stays open, and a silence goes on, without the time in
//!   which the relay was not there. Half of the time that it may last is left, so that senders have time to come back.
//!
//! Nothing of it costs anything while no detector listens. Otherwise a batch costs a lock, and what a sweep looks at, a look
//! at the series that have been silent for as long as the least patient detector allows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Change, Event,
    change::CHANGED,
    plan::Plan,
    saved::Heirs,
    series::{Court, Series},
    settings::Settings,
};
use crate::{
    detect::{Context, Engine, Listening, Observation, State, Subject},
    glob::Glob,
    line::Timestamp,
    save::{Damaged, Save, Saved, put_bytes, put_sized},
    window::{Point, Window},
};

/// Fewer series than this may well fall silent all at once.
const SERIES_FEW: usize = 10;

/// What all shards have heard.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Everything>);

#[derive(Debug, Default)]
struct Everything {
    /// When anything came last.
    last: Option<Timestamp>,
    listening: Listening,
    /// By detector and pattern: when something came that matches.
    expected: HashMap<(Arc<str>, Arc<str>), Timestamp>,
    /// Does a shard tell of patterns already?
    is_told: bool,
}

impl Heard {
    /// Patterns that are remembered.
    #[cfg(test)]
    pub(super) fn patterns_count(&self) -> usize {
        self.lock().expected.len()
    }

    /// Up to when one of `of` series may be silent, seen from `now`: when nothing at all comes, it is nobody's silence. `None`:
    /// nothing has come.
    fn silent_until(&self, now: Timestamp, of: usize) -> Option<Timestamp> {
        let last = self.lock().last;
        Some(if of >= SERIES_FEW { last?.min(now) } else { now })
    }

    fn lock(&self) -> MutexGuard<'_, Everything> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a shard listens for.
#[derive(Debug)]
pub(super) struct Ears {
    /// Shortest silence that any detector tells of (seconds); `None`: nobody listens.
    least_s: Option<i64>,
    by_samples: bool,
    listening: Listening,
    expected: Vec<Expected>,
    /// Does this shard tell of patterns?
    tells: bool,
}

/// What detectors expect to hear.
#[derive(Debug)]
pub(super) struct Expectations {
    /// Shortest silence that any detector tells of (seconds); `None`: nobody listens.
    least_s: Option<i64>,
    patterns: Vec<Expected>,
}

/// A pattern of which something is to be heard.
#[derive(Debug)]
struct Expected {
    detector: usize,
    /// What stands for the name of a series.
    name: Arc<str>,
    /// `None`: anything at all.
    glob: Option<Glob>,
    /// Is it there only for the case that everything stops?
    implied: bool,
    /// From when on, by the clock of the relay; `None`: that is to be seen.
    since: Option<Timestamp>,
    /// Is the anomaly that was told of still open?
    open: bool,
    heard: Option<Timestamp>,
    /// What of this the state knows.
    taken: Option<Timestamp>,
    state: State,
    /// It has no samples.
    window: Window,
}

impl Expectations {
    pub(super) fn new(settings: &Settings, plans: &[Plan], engines: &[Engine]) -> Self {
        let mut patterns = Vec::new();
        for (detector, definition) in settings.detectors.iter().enumerate() {
            if engines[detector].least_silence_s().is_none() {
                continue;
            }
            let mut expect = |name: &str, glob, implied| {
                patterns.push(Expected {
                    detector,
                    name: name.into(),
                    glob,
                    implied,
                    since: None,
                    open: false,
                    heard: None,
                    taken: None,
                    state: engines[detector].new_state(Subject::new(name)),
                    window: Window::new(1),
                });
            };
            let globs = definition.kind.globs();
            let everything = Glob::everything();
            for glob in globs {
                expect(glob.as_str(), (*glob != everything).then(|| glob.clone()), false);
            }
            let asked = plans.iter().flat_map(|plan| &plan.asked);
            let is_heard = asked.into_iter().any(|asked| asked.heard && asked.detector == detector);
            if !globs.contains(&everything) && (is_heard || !globs.is_empty()) {
                expect(everything.as_str(), None, true);
            }
        }
        let in_use = patterns.iter().map(|expected: &Expected| expected.detector);
        let least_s = in_use.filter_map(|detector| engines[detector].least_silence_s()).min();
        Self { least_s, patterns }
    }
}

impl Ears {
    pub(super) fn new(expectations: Expectations, heard: &Heard) -> Self {
        let Expectations { least_s, patterns } = expectations;
        Self {
            least_s,
            by_samples: false,
            listening: Listening::default(),
            expected: patterns,
            tells: !std::mem::replace(&mut heard.lock().is_told, true),
        }
    }

    /// Listens for what other settings expect, whose `engines` these are. Patterns that the same detector expects go on
    /// where they were, and anomalies of those that nobody expects any more are closed.
    pub(super) fn change(
        &mut self,
        expectations: Expectations,
        from: &Settings,
        to: &Settings,
        engines: &mut [Engine],
        heard: &Heard,
        events: &mut Vec<Event>,
    ) {
        self.least_s = expectations.least_s;
        let former = std::mem::replace(&mut self.expected, expectations.patterns);
        let mut bytes = Vec::new();
        for former in former {
            let detector = &from.detectors[former.detector].name;
            let is_heir =
                |heir: &&mut Expected| heir.name == former.name && to.detectors[heir.detector].name == *detector;
            bytes.clear();
            former.state.save(&mut bytes);
            let heir = self.expected.iter_mut().find(is_heir).and_then(|heir| {
                let engine = &mut engines[heir.detector];
                let state = engine.load_state(&mut Saved::new(&bytes), Subject::new(&heir.name), &heir.window);
                Some((heir, state.ok()?))
            });
            if let Some((heir, state)) = heir {
                heir.state = state;
                (heir.since, heir.open) = (former.since, former.open);
                (heir.heard, heir.taken) = (former.heard, former.taken);
            } else if former.open {
                let last = Point {
                    timestamp: former.heard.unwrap_or_default(),
                    value: 0.0,
                };
                events.push(Event::closing(&former.name, detector, last, CHANGED));
            }
        }
        let is_expected = |(detector, name): &(Arc<str>, Arc<str>)| {
            let mut expected = self.expected.iter();
            expected.any(|other| other.name == *name && to.detectors[other.detector].name == *detector)
        };
        heard.lock().expected.retain(|key, _| is_expected(key));
    }

    /// Saves what is known of patterns `now`, each as a piece; only the shard that tells of them knows.
    pub(super) fn save(&self, now: Timestamp, engines: &[Engine], mut piece: impl FnMut(&dyn Fn(&mut Vec<u8>))) {
        for expected in self.expected.iter().filter(|_| self.tells) {
            let own = expected.own(&self.listening);
            let known_s = engines[expected.detector].silent_s(&expected.state, now, &own);
            // Something may have been heard that the state does not know yet.
            let news = expected.heard.filter(|_| expected.taken < expected.heard);
            let silent_s = news.map_or(known_s.unwrap_or_default(), |heard| now.saturating_sub(heard).max(0));
            piece(&|out| {
                u32::try_from(expected.detector)
                    .expect("there are few detectors")
                    .save(out);
                put_bytes(expected.name.as_bytes(), out);
                silent_s.save(out);
                expected.heard.save(out);
                expected.open.save(out);
                put_sized(out, |out| expected.state.save(out));
            });
        }
    }

    /// Takes back what was saved of a pattern, if this shard tells of it and the detector still is what it was. Gives its name
    /// and the detector's place if its anomaly is open.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn load(
        &mut self,
        saved: &[u8],
        heirs: &Heirs,
        now: Timestamp,
        engines: &mut [Engine],
    ) -> Result<Option<(Arc<str>, usize)>, Damaged> {
        let mut from = Saved::new(saved);
        let place = u32::load(&mut from)? as usize;
        let name = from.text()?;
        let silent_s = i64::load(&mut from)?;
        let heard = Option::load(&mut from)?;
        let (open, state) = (bool::load(&mut from)?, from.bytes()?);
        from.end()?;
        let heir = heirs.heir(place).map(|heir| heir.place).filter(|_| self.tells);
        let is_heir = |expected: &&mut Expected| Some(expected.detector) == heir && *expected.name == *name;
        let Some(expected) = self.expected.iter_mut().find(is_heir) else {
            return Ok(None);
        };
        let engine = &mut engines[expected.detector];
        let mut from = Saved::new(state);
        expected.state = engine.load_state(&mut from, Subject::new(name), &expected.window)?;
        from.end()?;
        engine.resume_silence(&mut expected.state, silent_s, now);
        expected.since = Some(now);
        (expected.open, expected.heard, expected.taken) = (open, heard, heard);
        Ok(open.then(|| (Arc::clone(&expected.name), expected.detector)))
    }

    /// Takes the samples' own times for those of their arrival.
    pub(super) fn go_by_samples(&mut self) {
        self.by_samples = true;
    }

    /// Are the samples' own times those of their arrival?
    pub(super) fn by_samples(&self) -> bool {
        self.by_samples
    }

    /// Does anybody listen, and by the samples' own times?
    pub(super) fn goes_by_samples(&self) -> bool {
        self.by_samples && self.least_s.is_some()
    }

    /// When a sample has arrived, for those who listen.
    pub(super) fn arrival(&self, received: Timestamp, timestamp: Timestamp) -> Timestamp {
        if self.by_samples { timestamp } else { received }
    }

    pub(super) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// What was before `at` was not heard, by any shard.
    pub(super) fn begin(&mut self, at: Timestamp, heard: &Heard) {
        heard.lock().listening.begin(at);
        self.listening.begin(at);
    }

    /// Lines have come that arrived at `received`, of `series` series.
    pub(super) fn hear_batch(&mut self, received: Timestamp, series: usize, heard: &Heard) {
        if self.least_s.is_some() && !self.by_samples {
            self.hear(received, series, heard);
        }
    }

    /// A line of the series called `name` has come, with this time.
    pub(super) fn hear_line(
        &mut self,
        name: &str,
        timestamp: Timestamp,
        series: usize,
        heard: &Heard,
        tell: &mut Telling<'_>,
    ) {
        self.hear(timestamp, series, heard);
        for expected in &mut self.expected {
            if expected.glob.as_ref().is_none_or(|glob| glob.matches(name)) {
                expected.heard = expected.heard.max(Some(timestamp));
                expected.follow(timestamp, series, &self.listening, tell);
            }
        }
    }

    /// When anything was heard last; `None`: nothing was, or nobody listens.
    pub(super) fn heard_last(&self, heard: &Heard) -> Option<Timestamp> {
        self.least_s.and_then(|_| heard.lock().last)
    }

    fn hear(&mut self, now: Timestamp, series: usize, heard: &Heard) {
        let mut everything = heard.lock();
        if !everything.listening.has_begun() {
            everything.listening.begin(now);
        }
        if let (Some(last), Some(least_s)) = (everything.last, self.least_s)
            && now - last > least_s
            && series >= SERIES_FEW
        {
            everything.listening.paused(now - last, now);
        }
        everything.last = everything.last.max(Some(now));
        if self.listening != everything.listening {
            self.listening = everything.listening.clone();
        }
    }

    /// Up to when `series` may be silent, seen from `now`, of so many. `None`: there is no silence that is long enough to be
    /// told of.
    pub(super) fn silent_until(&self, series: &Series, now: Timestamp, of: usize, heard: &Heard) -> Option<Timestamp> {
        let since = now - self.least_s?;
        if series.received >= since && !self.by_samples {
            return None;
        }
        heard.silent_until(now, of)
    }

    /// Up to when the silence of one of `of` series counts that is saved `now`.
    pub(super) fn silence_saved_until(&self, now: Timestamp, of: usize, heard: &Heard) -> Timestamp {
        heard.silent_until(now, of).unwrap_or_else(|| self.listening.began())
    }

    /// Has a look whether `series` is what some pattern expects. To be called with every series about once a minute.
    pub(super) fn look(&mut self, series: &Series) {
        // By samples, each line says so.
        if self.by_samples {
            return;
        }
        for expected in &mut self.expected {
            if let Some(glob) = &expected.glob
                && expected.heard < Some(series.received)
                && glob.matches(&series.name)
            {
                expected.heard = Some(series.received);
            }
        }
    }

    /// Tells of patterns of which nothing is heard, or something again.
    pub(super) fn follow(&mut self, now: Timestamp, series: usize, heard: &Heard, tell: &mut Telling<'_>) {
        if self.least_s.is_none() {
            return;
        }
        let mut everything = heard.lock();
        if !everything.listening.has_begun() {
            everything.listening.begin(now);
        }
        self.listening.clone_from(&everything.listening);
        for expected in &mut self.expected {
            if expected.glob.is_some() {
                let key = (Arc::clone(tell.name(expected.detector)), Arc::clone(&expected.name));
                let by_all = everything.expected.entry(key).or_insert(Timestamp::MIN);
                *by_all = (*by_all).max(expected.heard.unwrap_or(Timestamp::MIN));
                expected.heard = Some(*by_all).filter(|&at| at > Timestamp::MIN);
            } else {
                expected.heard = expected.heard.max(everything.last);
            }
        }
        let last = everything.last;
        drop(everything);
        if self.tells {
            for expected in &mut self.expected {
                // While nothing at all comes, that is told instead.
                let until = match (&expected.glob, last) {
                    (Some(_), Some(last)) if series >= SERIES_FEW => last.min(now),
                    _ => now,
                };
                if !self.by_samples {
                    expected.since.get_or_insert(now);
                }
                expected.follow(until, series, &self.listening, tell);
            }
        }
    }
}

impl Expected {
    /// Since when its silence counts.
    fn own(&self, listening: &Listening) -> Listening {
        // A pause of everything is what this is about.
        let mut own = match &self.glob {
            Some(_) => listening.clone(),
            None => listening.without_pauses(),
        };
        own.begin(self.since.unwrap_or(Timestamp::MIN));
        own
    }

    fn follow(&mut self, now: Timestamp, series: usize, listening: &Listening, tell: &mut Telling<'_>) {
        let own = self.own(listening);
        let few = self.implied && series < SERIES_FEW;
        if let Some(at) = self.heard
            && self.taken < Some(at)
        {
            if !few {
                self.be_silent(at, &own, tell);
            }
            let sample = Context {
                window: &self.window,
                now: at,
                said: &[],
            };
            let engine = &mut tell.court.engines[self.detector];
            let seen = engine.observe(&mut self.state, &sample);
            tell.expected(self, at, seen);
            self.taken = self.heard;
        }
        if !few {
            self.be_silent(now, &own, tell);
        }
    }

    fn be_silent(&mut self, now: Timestamp, listening: &Listening, tell: &mut Telling<'_>) {
        let engine = &mut tell.court.engines[self.detector];
        let seen = engine.silence(&mut self.state, now, listening);
        tell.expected(self, now, seen);
    }
}

/// Whom to ask, and where what is told goes.
pub(super) struct Telling<'a> {
    pub(super) court: &'a mut Court,
    pub(super) settings: &'a Settings,
    pub(super) events: &'a mut Vec<Event>,
}

impl Telling<'_> {
    fn name(&self, detector: usize) -> &Arc<str> {
        &self.settings.detectors[detector].name
    }

    fn expected(&mut self, expected: &mut Expected, now: Timestamp, seen: Observation) {
        if !seen.changed {
            return;
        }
        let sample = Context {
            window: &expected.window,
            now,
            said: &[],
        };
        let engine = &mut self.court.engines[expected.detector];
        let verdict = engine.explain(&mut expected.state, &sample, seen);
        expected.open = seen.anomalous;
        self.events.push(Event {
            series: Arc::clone(&expected.name),
            detector: Arc::clone(self.name(expected.detector)),
            change: Change::of(seen),
            verdict,
        });
    }
}
