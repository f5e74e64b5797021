//! Series as bytes and back: what a shard remembers, to be kept while the relay is not there.
//!
//! One series is one piece: its name, when it was heard of, its window, and of each detector the state, whether its anomaly
//! is open, and how long it has heard nothing. Of a dormant one it is what was learnt. Series that nobody judges, or whose analysis has
//! failed, begin anew with their next line.
//!
//! * To save costs a copy of the bytes; a shard is asked for a few series at a time and goes on with its samples.
//! * A state comes back to the bit where its detector is what it was. Where it is not, or where a detector is new to the
//!   series, the samples of the window are learnt anew, of which nobody is told.
//! * Whatever the bytes are, a series is loaded as a whole or not at all.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    Analysis, Judge, NAME_BYTES_MAX, Plan, Reading, Series, Settings, Shard, TIMESTAMP_MAX, Watched, counter::Counter,
    dormant::Dormant,
};
use crate::{
    detect::{Asked, Fingerprint, Listening, Subject},
    line::Timestamp,
    save::{Damaged, Save, Saved, put_bytes, put_sized},
    window::Window,
};

/// Some series of a shard, or patterns, saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

/// Where saving goes on. First those that are awake: one that falls asleep meanwhile is saved twice, and the second does no harm.
/// One that wakes up is in the next snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this slot of the series.
    Awake(usize),
    /// At this slot of the dormant ones.
    Dormant(usize),
}

/// Under which settings series were saved, as far as it matters to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    span_s: i64,
    detectors: Vec<(String, Fingerprint)>,
}

/// What the places of detectors in saved series stand for.
#[derive(Clone, Debug)]
pub struct Heirs {
    span_s: i64,
    places: Vec<Option<Heir>>,
}

/// A detector that goes on with what was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heir {
    pub(super) place: usize,
    /// Is what was made of that to be made again?
    pub(super) reconsiders: bool,
}

/// What became of saved series.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Those that are there again.
    pub series: u64,
    /// Those that are dormant.
    pub dormant: u64,
    /// Those of which nothing had been heard for too long.
    pub too_old: u64,
    /// Those for which there was no room.
    pub over_max_series: u64,
    /// Those that no watch gives a detector any more.
    pub unwatched: u64,
    /// Those whose window holds rates now and held values then, or the other way round.
    pub read_otherwise: u64,
    /// Those whose bytes were something else.
    pub damaged: u64,
    /// What the last of these was about.
    pub damage: Option<Damaged>,
    /// Series whose states were begun anew, by the place of the detector.
    pub begun_anew: Vec<u64>,
    /// Open anomalies: the series, and the place of the detector.
    pub open: Vec<(Arc<str>, usize)>,
}

/// What a series is that was loaded.
enum Became {
    Awake,
    Dormant,
    /// One that is awake is there already.
    Nothing,
}

/// Why a series is not loaded.
enum NotLoaded {
    TooOld,
    OverMaxSeries,
    Unwatched,
    ReadOtherwise,
    Damaged(Damaged),
}

/// What was saved of one detector on one series.
pub(super) struct SavedJudge<'a> {
    pub(super) heir: Heir,
    open: bool,
    /// How long it had heard nothing (seconds); `None`: it does not listen.
    silent_s: Option<i64>,
    state: &'a [u8],
}

impl Portion {
    /// The series, or patterns, each by itself.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }

    /// Bytes of all.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Origin {
    /// That of what is saved under `settings`.
    pub fn new(settings: &Settings) -> Self {
        let span_s = settings.span_s;
        let detector = |detector: &crate::detect::Definition| (detector.name.to_string(), detector.fingerprint(span_s));
        Self {
            span_s,
            detectors: settings.detectors.iter().map(detector).collect(),
        }
    }

    /// What has become of the detectors under `settings`.
    pub fn heirs(&self, settings: &Settings) -> Heirs {
        let now = Self::new(settings);
        let heir = |(name, before): &(String, Fingerprint)| {
            let is_heir =
                |(other, fingerprint): &(String, Fingerprint)| other == name && fingerprint.learns == before.learns;
            let place = now.detectors.iter().position(is_heir)?;
            let reconsiders = now.detectors[place].1.makes != before.makes;
            Some(Heir { place, reconsiders })
        };
        Heirs {
            span_s: self.span_s,
            places: self.detectors.iter().map(heir).collect(),
        }
    }
}

impl Heirs {
    /// What the detector at this place is now, if it learns as it did.
    pub(super) fn heir(&self, before: usize) -> Option<Heir> {
        self.places.get(before).copied().flatten()
    }

    /// What was saved of a dormant series, as far as it has heirs.
    pub(super) fn learnt<'a>(&self, learnt: &'a [u8]) -> Result<Vec<SavedJudge<'a>>, Damaged> {
        let (mut from, mut judges) = (Saved::new(learnt), Vec::new());
        while !from.is_empty() {
            let (place, reconsiders) = (u32::load(&mut from)? as usize, bool::load(&mut from)?);
            let state = from.bytes()?;
            let heir = self.places.get(place).ok_or(Damaged("a state is of no detector"))?;
            if let Some(mut heir) = *heir {
                heir.reconsiders |= reconsiders;
                judges.push(SavedJudge {
                    heir,
                    open: false,
                    silent_s: None,
                    state,
                });
            }
        }
        Ok(judges)
    }

    /// The same, to be kept for these heirs.
    fn passed_on(&self, learnt: &[u8]) -> Result<Vec<u8>, Damaged> {
        let mut out = Vec::with_capacity(learnt.len());
        for SavedJudge { heir, state, .. } in self.learnt(learnt)? {
            put_learnt(
                heir.place,
                heir.reconsiders,
                |out| out.extend_from_slice(state),
                &mut out,
            );
        }
        Ok(out)
    }

    /// Is the detector at this place one that was there before?
    pub(super) fn has(&self, place: usize) -> bool {
        self.places.iter().flatten().any(|heir| heir.place == place)
    }
}

impl Save for Origin {
    fn save(&self, out: &mut Vec<u8>) {
        let Self { span_s, detectors } = self;
        span_s.save(out);
        u32::try_from(detectors.len())
            .expect("there are few detectors")
            .save(out);
        for (name, fingerprint) in detectors {
            put_bytes(name.as_bytes(), out);
            fingerprint.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let span_s = i64::load(from)?;
        if !(1..=TIMESTAMP_MAX).contains(&span_s) {
            return Err(Damaged("windows reach back less than a second"));
        }
        let mut detectors = Vec::new();
        for _ in 0..u32::load(from)? {
            detectors.push((from.text()?.to_owned(), Fingerprint::load(from)?));
        }
        Ok(Self { span_s, detectors })
    }
}

impl Loaded {
    /// Adds what another shard has loaded.
    pub fn add(&mut self, other: Self) {
        self.series += other.series;
        self.dormant += other.dormant;
        self.too_old += other.too_old;
        self.over_max_series += other.over_max_series;
        self.unwatched += other.unwatched;
        self.read_otherwise += other.read_otherwise;
        self.damaged += other.damaged;
        self.damage = other.damage.or(self.damage);
        self.open.extend(other.open);
        if self.begun_anew.len() < other.begun_anew.len() {
            self.begun_anew.resize(other.begun_anew.len(), 0);
        }
        for (sum, count) in self.begun_anew.iter_mut().zip(other.begun_anew) {
            *sum += count;
        }
    }
}

impl From<Damaged> for NotLoaded {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl Shard {
    /// Saves series as they are `now`, from `place` on, looking at `budget` slots and adding no more when there are `bytes` or
    /// more. Gives the place to go on at, until all have been looked at.
    pub fn save(
        &self,
        place: Place,
        budget: usize,
        bytes: usize,
        now: Timestamp,
        portion: &mut Portion,
    ) -> Option<Place> {
        match place {
            Place::Awake(slot) => {
                let next = self.save_awake(slot, budget, bytes, now, portion);
                Some(next.map_or(Place::Dormant(0), Place::Awake))
            }
            Place::Dormant(slot) => self.save_dormant(slot, budget, bytes, portion).map(Place::Dormant),
        }
    }

    fn save_dormant(&self, slot: usize, budget: usize, bytes: usize, portion: &mut Portion) -> Option<usize> {
        let slots = self.dormitory.slot_count();
        let mut next = slot;
        while next < slots.min(slot + budget) && portion.bytes.len() < bytes {
            if let Some(dormant) = self.dormitory.get(next) {
                let learnt = self.heirs_of(dormant).passed_on(&dormant.learnt).unwrap_or_default();
                put_bytes(dormant.name.as_bytes(), &mut portion.bytes);
                dormant.received.save(&mut portion.bytes);
                true.save(&mut portion.bytes);
                (dormant.reading == Reading::Rate).save(&mut portion.bytes);
                put_bytes(&learnt, &mut portion.bytes);
                portion.ends.push(portion.bytes.len());
            }
            next += 1;
        }
        (next < slots).then_some(next)
    }

    fn save_awake(
        &self,
        slot: usize,
        budget: usize,
        bytes: usize,
        now: Timestamp,
        portion: &mut Portion,
    ) -> Option<usize> {
        let slots = self.table.slot_count();
        let of = self.shared.series_count();
        let until = self.ears.silence_saved_until(now, of, &self.shared.heard);
        let mut next = slot;
        while next < slots.min(slot + budget) && portion.bytes.len() < bytes {
            if let Some(series) = self.table.get(next)
                && let Analysis::Watched(watched) = &series.analysis
                && !watched.window.is_empty()
            {
                let former = self.former(next);
                let engines = former.map_or(&self.court, |former| &former.court).engines.as_slice();
                let silent_s =
                    |judge: &Judge| engines[judge.detector].silent_s(&judge.state, until, self.ears.listening());
                save_series(
                    series,
                    watched,
                    former.map(|former| &former.heirs),
                    silent_s,
                    &mut portion.bytes,
                );
                portion.ends.push(portion.bytes.len());
            }
            next += 1;
        }
        (next < slots).then_some(next)
    }

    /// Saves what is known `now` of patterns of which something has to be heard.
    pub fn save_patterns(&self, now: Timestamp, portion: &mut Portion) {
        self.ears.save(now, &self.court.engines, |save| {
            save(&mut portion.bytes);
            portion.ends.push(portion.bytes.len());
        });
    }

    /// Loads what was known of a pattern, and counts it.
    pub fn load_pattern(&mut self, saved: &[u8], heirs: &Heirs, now: Timestamp, loaded: &mut Loaded) {
        self.ears.begin(now, &self.shared.heard);
        match self.ears.load(saved, heirs, now, &mut self.court.engines) {
            Ok(open) => loaded.open.extend(open),
            Err(damage) => {
                loaded.damaged += 1;
                loaded.damage = Some(damage);
            }
        }
    }

    /// Loads one series, which was saved under other settings perhaps, and counts it. `hash` gives the hash of a name.
    pub fn load(&mut self, saved: &[u8], hash: u64, heirs: &Heirs, now: Timestamp, loaded: &mut Loaded) {
        loaded.begun_anew.resize(self.settings.detectors.len(), 0);
        // Nobody has listened before.
        self.ears.begin(now, &self.shared.heard);
        // As in `apply`: a defect costs one series.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.load_series(saved, hash, heirs, now, loaded)));
        match outcome.unwrap_or(Err(NotLoaded::Damaged(Damaged("a detector has failed over it")))) {
            Ok(Became::Awake) => loaded.series += 1,
            Ok(Became::Dormant) => loaded.dormant += 1,
            Ok(Became::Nothing) => (),
            Err(NotLoaded::TooOld) => loaded.too_old += 1,
            Err(NotLoaded::OverMaxSeries) => loaded.over_max_series += 1,
            Err(NotLoaded::Unwatched) => loaded.unwatched += 1,
            Err(NotLoaded::ReadOtherwise) => loaded.read_otherwise += 1,
            Err(NotLoaded::Damaged(damage)) => {
                loaded.damaged += 1;
                loaded.damage = Some(damage);
            }
        }
    }

    fn load_series(
        &mut self,
        saved: &[u8],
        hash: u64,
        heirs: &Heirs,
        now: Timestamp,
        loaded: &mut Loaded,
    ) -> Result<Became, NotLoaded> {
        let mut from = Saved::new(saved);
        let name = from.text()?;
        let received = Timestamp::load(&mut from)?;
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Damaged("a name is empty or too long").into());
        }
        if received < now - self.settings.forget_after_s.max(self.settings.expire_after_s) {
            return Err(NotLoaded::TooOld);
        }
        if bool::load(&mut from)? {
            return self.load_dormant(from, (hash, name), received, heirs);
        }
        let plan = self.plan(name).cloned().ok_or(NotLoaded::Unwatched)?;
        if self.table.find(hash, name.as_bytes()).is_some() {
            return Err(Damaged("a series is there twice").into());
        }
        let window = Window::load(&mut from, heirs.span_s)?;
        let times = window.times();
        if times.is_none_or(|(first, last)| first < -TIMESTAMP_MAX || last > TIMESTAMP_MAX) {
            return Err(Damaged("a sample is of no time").into());
        }
        let counter = Option::<Box<Counter>>::load(&mut from)?;
        if counter.is_some() != (plan.reading == Reading::Rate) {
            return Err(NotLoaded::ReadOtherwise);
        }
        let mut judges = Vec::new();
        for saved in load_judges(&mut from, heirs)? {
            if let Some(&asked) = plan.asked.iter().find(|asked| asked.detector == saved.heir.place) {
                judges.push(self.load_judge(&saved, asked, Subject::new(name), &window, now)?);
            }
        }
        let kept: Vec<usize> = judges.iter().map(|judge| judge.detector).collect();
        let (mut watched, _) = self.revive(&plan, Subject::new(name), received, window, judges)?;
        watched.counter = counter;
        watched.read_by = self.shared.elsewhere.find(name);
        let name: Arc<str> = name.into();
        if received < now - self.settings.expire_after_s {
            let series = Series {
                hash,
                name,
                received,
                analysis: Analysis::Watched(Box::new(watched)),
            };
            let dormant = Dormant::of(series, &self.court.engines, &self.origin).ok_or(NotLoaded::TooOld)?;
            return self.load_as_dormant(dormant);
        }
        self.make_room().map_err(|_| NotLoaded::OverMaxSeries)?;
        for judge in &watched.judges {
            if judge.open {
                loaded.open.push((Arc::clone(&name), judge.detector));
            }
            if !kept.contains(&judge.detector) {
                loaded.begun_anew[judge.detector] += 1;
            }
        }
        self.census.begin(&name);
        self.table.insert(Series {
            hash,
            name,
            received,
            analysis: Analysis::Watched(Box::new(watched)),
        });
        Ok(Became::Awake)
    }

    fn load_dormant(
        &mut self,
        mut from: Saved<'_>,
        (hash, name): (u64, &str),
        received: Timestamp,
        heirs: &Heirs,
    ) -> Result<Became, NotLoaded> {
        let is_rate = bool::load(&mut from)?;
        let learnt = heirs.passed_on(from.bytes()?)?;
        from.end()?;
        if self.table.find(hash, name.as_bytes()).is_some() {
            return Ok(Became::Nothing);
        }
        if learnt.is_empty() {
            return Err(NotLoaded::Unwatched);
        }
        self.load_as_dormant(Dormant {
            hash,
            name: name.into(),
            received,
            reading: if is_rate { Reading::Rate } else { Reading::Value },
            origin: Arc::clone(&self.origin),
            learnt: learnt.into(),
        })
    }

    fn load_as_dormant(&mut self, dormant: Dormant) -> Result<Became, NotLoaded> {
        if self.shared.series_count() + self.shared.dormant_count() >= self.settings.max_series {
            return Err(NotLoaded::OverMaxSeries);
        }
        self.keep_dormant(dormant);
        Ok(Became::Dormant)
    }

    /// The series with this window, of which a line was `received` last, judged as `plan` has it, with the judges that are
    /// good for that. Gives how many samples the others had to learn.
    pub(super) fn revive(
        &mut self,
        plan: &Plan,
        subject: Subject<'_>,
        received: Timestamp,
        mut window: Window,
        mut kept: Vec<Judge>,
    ) -> Result<(Watched, usize), Damaged> {
        let span_s = self.settings.span_s;
        let keeps_window = window.span_s() == span_s && (window.has_statistics() || !plan.needs_statistics);
        let mut watched = Watched::new(span_s, plan, subject, &self.court.engines);
        let mut learnt = 0;
        if !keeps_window || kept.len() < plan.asked.len() {
            for point in window.points() {
                let outcome = watched.learn(point, &mut self.court);
                outcome.map_err(|_| Damaged("samples are out of order"))?;
                learnt += 1;
            }
        }
        // One that was saved on its way to a shorter span holds more than was learnt.
        if keeps_window && (learnt == 0 || watched.window.len() == window.len()) {
            if !plan.needs_statistics {
                window.forget_statistics();
            }
            for judge in &mut watched.judges {
                judge.state.move_to(&window);
            }
            watched.window = window;
        }
        for judge in &mut watched.judges {
            if let Some(place) = kept.iter().position(|kept| kept.detector == judge.detector) {
                *judge = kept.swap_remove(place);
            } else if plan.hears_silence {
                // It has learnt by the samples' own times, and listens by those of their arrival.
                let mut listening = Listening::default();
                listening.begin(received);
                self.court.engines[judge.detector].silence(&mut judge.state, received, &listening);
            }
        }
        Ok((watched, learnt))
    }

    pub(super) fn load_judge(
        &mut self,
        saved: &SavedJudge<'_>,
        asked: Asked,
        subject: Subject<'_>,
        window: &Window,
        now: Timestamp,
    ) -> Result<Judge, Damaged> {
        let mut from = Saved::new(saved.state);
        let engine = &mut self.court.engines[asked.detector];
        let mut state = engine.load_state(&mut from, subject, window)?;
        from.end()?;
        if saved.heir.reconsiders {
            engine.reconsider(&mut state);
        }
        if let Some(silent_s) = saved.silent_s {
            engine.resume_silence(&mut state, silent_s, now);
        }
        Ok(Judge {
            detector: asked.detector,
            state,
            // One that is not heard any more tells nobody of its end either: who has kept the anomaly closes it.
            open: saved.open && asked.heard,
            heard: asked.heard,
            held: false,
            wanted: asked.wanted,
        })
    }
}

/// Saves a series; those of its judges that have heirs, as these, where it goes by former settings.
fn save_series(
    series: &Series,
    watched: &Watched,
    heirs: Option<&Heirs>,
    silent_s: impl Fn(&Judge) -> Option<i64>,
    out: &mut Vec<u8>,
) {
    let Series {
        hash: _,
        name,
        received,
        analysis: _,
    } = series;
    put_bytes(name.as_bytes(), out);
    received.save(out);
    false.save(out);
    let Watched {
        window,
        judges,
        counter,
        read_by: _,
        hears_silence: _,
    } = watched;
    window.save(out);
    counter.save(out);
    let itself = |place| Heir {
        place,
        reconsiders: false,
    };
    let heir = |judge: &Judge| heirs.map_or(Some(itself(judge.detector)), |heirs| heirs.heir(judge.detector));
    let judges: Vec<_> = judges.iter().filter_map(|judge| Some((heir(judge)?, judge))).collect();
    u32::try_from(judges.len()).expect("there are few detectors").save(out);
    for (Heir { place, reconsiders }, judge) in judges {
        let Judge {
            detector: _,
            state,
            open,
            heard: _,
            // Floors are laid anew after a restart.
            held: _,
            wanted: _,
        } = judge;
        u32::try_from(place).expect("there are few detectors").save(out);
        reconsiders.save(out);
        open.save(out);
        silent_s(judge).save(out);
        put_sized(out, |out| state.save(out));
    }
}

/// Saves what was learnt of a dormant series by the detector at `place`.
pub(super) fn put_learnt(place: usize, reconsiders: bool, state: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    u32::try_from(place).expect("there are few detectors").save(out);
    reconsiders.save(out);
    put_sized(out, state);
}

/// The states that have heirs.
fn load_judges<'a>(from: &mut Saved<'a>, heirs: &Heirs) -> Result<Vec<SavedJudge<'a>>, Damaged> {
    let mut judges = Vec::new();
    for _ in 0..u32::load(from)? {
        let place = u32::load(from)? as usize;
        let (reconsiders, open, silent_s) = (bool::load(from)?, bool::load(from)?, Option::load(from)?);
        let state = from.bytes()?;
        let heir = heirs.places.get(place).ok_or(Damaged("a state is of no detector"))?;
        if let Some(mut heir) = *heir {
            heir.reconsiders |= reconsiders;
            judges.push(SavedJudge {
                heir,
                open,
                silent_s,
                state,
            });
        }
    }
    from.end()?;
    Ok(judges)
}
