//! Other settings while series are judged: what was learnt goes on where its detector is what it was.
//!
//! New series go by the new settings at once. Those that are there go by the former ones, with the engines of these, until
//! they are carried over, a few at a time, so that no shard is kept from its samples for long: where a detector begins
//! anew, it learns all samples of the window again.
//!
//! * A series that is carried over is what it would be after a restart under the new settings, but for what is not saved.
//! * An anomaly of a detector that is gone, or begins anew, is closed.
//! * Settings may change again before all series have been carried over; each then goes the whole way at once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    Analysis, Event, Heirs, Judge, Origin, Plan, Reading, Settings, Shard, Subject, Watched, series::Court,
    silence::Expectations,
};
use crate::{
    detect::{Definition, Engine},
    line::Timestamp,
    save::Saved,
};

/// Why an anomaly is closed when the settings change.
pub(super) const CHANGED: &str = "the configuration has changed, and with it what this detector knows of the series";

/// Settings that some series still go by.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) settings: Arc<Settings>,
    pub(super) origin: Arc<Origin>,
    pub(super) court: Court,
    /// What its detectors have become.
    pub(super) heirs: Heirs,
    waiting: Waiting,
}

/// The slots of series that are to be carried over.
#[derive(Debug, Default)]
struct Waiting {
    bits: Vec<u64>,
    count: usize,
    /// There are none before this slot.
    from: usize,
}

/// What has become of a detector under other settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on where it was.
    Kept,
    /// What it learns by is not what it was.
    BegunAnew,
    /// There was none of its name.
    New,
    /// There is none of its name any more.
    Gone,
}

/// What becomes of each detector, those that are gone at the end.
pub fn fates(from: &Settings, to: &Settings) -> Vec<(Arc<str>, Fate)> {
    let heirs = Origin::new(from).heirs(to);
    let named = |detectors: &[Definition], name: &Arc<str>| detectors.iter().any(|other| other.name == *name);
    let fate = |(place, detector): (usize, &Definition)| {
        let fate = if heirs.has(place) {
            Fate::Kept
        } else if named(&from.detectors, &detector.name) {
            Fate::BegunAnew
        } else {
            Fate::New
        };
        (Arc::clone(&detector.name), fate)
    };
    let gone = from
        .detectors
        .iter()
        .filter(|detector| !named(&to.detectors, &detector.name));
    let gone = gone.map(|detector| (Arc::clone(&detector.name), Fate::Gone));
    to.detectors.iter().enumerate().map(fate).chain(gone).collect()
}

impl Shard {
    /// Goes by other settings from now on. Series that are there are to be carried over; patterns that detectors look at by
    /// themselves are at once.
    ///
    /// # Panics
    /// When a detector goes by one that does not exist, or by itself.
    pub fn change(&mut self, settings: Arc<Settings>, events: &mut Vec<Event>) {
        let judges_alike = settings.detectors == self.settings.detectors
            && settings.watches == self.settings.watches
            && settings.span_s == self.settings.span_s;
        if judges_alike {
            self.settings = settings;
            return;
        }
        for former in &mut self.former {
            former.heirs = former.origin.heirs(&settings);
        }
        let mut waiting = Waiting::default();
        for slot in 0..self.table.slot_count() {
            if self.table.get(slot).is_some() && !self.former.iter().any(|former| former.waiting.has(slot)) {
                waiting.add(slot);
            }
        }
        let mut engines = Engine::all(&settings.detectors, &self.shared.elsewhere);
        self.plans = Plan::all(&settings, &engines);
        let expected = Expectations::new(&settings, &self.plans, &engines);
        self.ears.change(
            expected,
            &self.settings,
            &settings,
            &mut engines,
            &self.shared.heard,
            events,
        );
        let origin = Arc::new(Origin::new(&settings));
        self.own_heirs = Arc::new(origin.heirs(&settings));
        let former = Former {
            heirs: self.origin.heirs(&settings),
            origin: std::mem::replace(&mut self.origin, origin),
            settings: std::mem::replace(&mut self.settings, settings),
            court: std::mem::replace(&mut self.court, Court::new(engines)),
            waiting,
        };
        self.former.push(former);
        self.former.retain(|former| former.waiting.count > 0);
    }

    /// What new series go by.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    /// Carries series over until that has taken about as much as looking at `budget` series, or learning `budget` samples.
    /// Gives how many still wait.
    pub fn carry_over(&mut self, budget: usize, events: &mut Vec<Event>) -> usize {
        let mut spent = 0;
        while spent < budget
            && let Some(former) = self.former.first_mut()
        {
            if let Some(slot) = former.waiting.first() {
                spent += 1 + self.carry_slot(slot, events);
                self.forget_former(slot);
            } else {
                self.former.remove(0);
            }
        }
        self.former.iter().map(|former| former.waiting.count).sum()
    }

    /// The settings that the series in `slot` goes by, and their engines, if these are former ones.
    pub(super) fn former(&self, slot: usize) -> Option<&Former> {
        self.former.iter().find(|former| former.waiting.has(slot))
    }

    /// The detectors that judge the series in `slot`.
    pub(super) fn detectors(&self, slot: usize) -> &[Definition] {
        &self
            .former(slot)
            .map_or(&self.settings, |former| &former.settings)
            .detectors
    }

    /// The series in `slot` is not there any more.
    pub(super) fn forget_former(&mut self, slot: usize) {
        for former in &mut self.former {
            former.waiting.remove(slot);
        }
    }

    /// Carries over the series in `slot`, which goes by the first of the former settings. Gives how many samples were
    /// learnt for it.
    fn carry_slot(&mut self, slot: usize, events: &mut Vec<Event>) -> usize {
        let Some(series) = self.table.get_mut(slot) else {
            return 0;
        };
        let (name, received) = (Arc::clone(&series.name), series.received);
        let analysis = std::mem::replace(&mut series.analysis, Analysis::Paused);
        let open = self.closings(&name, &analysis, slot, CHANGED);
        let mut learnt = 0;
        // As in `apply`: a defect costs one series.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.carry(&name, received, analysis, events, &mut learnt)
        }));
        match outcome {
            Ok(analysis) => self.table.get_mut(slot).expect("just looked at").analysis = analysis,
            Err(_) => events.extend(open),
        }
        learnt
    }

    fn carry(
        &mut self,
        name: &Arc<str>,
        received: Timestamp,
        analysis: Analysis,
        events: &mut Vec<Event>,
        learnt: &mut usize,
    ) -> Analysis {
        let plan = self.plan(name).cloned();
        let read_by = self.shared.elsewhere.find(name);
        let former = &self.former[0];
        let Analysis::Watched(watched) = analysis else {
            return self.begin_analysis(name);
        };
        let Watched {
            window,
            judges,
            counter,
            read_by: _,
            hears_silence: _,
        } = *watched;
        let plan = plan.filter(|plan| counter.is_some() == (plan.reading == Reading::Rate));
        let last = window.last().unwrap_or_default();
        let (mut kept, mut bytes) = (Vec::new(), Vec::new());
        for judge in judges {
            let heir = former.heirs.heir(judge.detector);
            let place = heir.map(|heir| heir.place);
            let asked = plan
                .as_ref()
                .and_then(|plan| plan.asked.iter().find(|asked| Some(asked.detector) == place));
            // An engine takes in no state that another one has made but from its bytes.
            bytes.clear();
            judge.state.save(&mut bytes);
            let state = asked.and_then(|asked| {
                let engine = &mut self.court.engines[asked.detector];
                let mut state = engine
                    .load_state(&mut Saved::new(&bytes), Subject::new(name), &window)
                    .ok()?;
                if heir.is_some_and(|heir| heir.reconsiders) {
                    engine.reconsider(&mut state);
                }
                Some(state)
            });
            let heir = asked.zip(state).map(|(asked, state)| Judge {
                detector: asked.detector,
                state,
                open: judge.open && asked.heard,
                heard: asked.heard,
                held: judge.held && asked.heard,
                wanted: asked.wanted,
            });
            if judge.open && heir.as_ref().is_none_or(|heir| !heir.open) {
                let detector = &former.settings.detectors[judge.detector];
                events.push(Event::closing(name, &detector.name, last, CHANGED));
            }
            kept.extend(heir);
        }
        let Some(plan) = plan else {
            return self.begin_analysis(name);
        };
        let (revived, samples) = self
            .revive(&plan, Subject::new(name), received, window, kept)
            .expect("the samples were in order before");
        *learnt = samples;
        Analysis::Watched(Box::new(Watched {
            counter,
            read_by,
            ..revived
        }))
    }
}

impl Former {
    /// Does the series in `slot` go by these settings?
    pub(super) fn judges(&self, slot: usize) -> bool {
        self.waiting.has(slot)
    }
}

impl Waiting {
    fn has(&self, slot: usize) -> bool {
        self.bits
            .get(slot / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn add(&mut self, slot: usize) {
        self.bits.resize(self.bits.len().max(slot / 64 + 1), 0);
        self.bits[slot / 64] |= 1 << (slot % 64);
        self.count += 1;
    }

    fn remove(&mut self, slot: usize) {
        if self.has(slot) {
            self.bits[slot / 64] &= !(1 << (slot % 64));
            self.count -= 1;
        }
    }

    /// The first slot.
    fn first(&mut self) -> Option<usize> {
        let mut words = self.bits.iter().enumerate().skip(self.from / 64);
        let (place, word) = words.find(|(_, word)| **word != 0)?;
        let slot = place * 64 + word.trailing_zeros() as usize;
        self.from = slot;
        Some(slot)
    }
}
