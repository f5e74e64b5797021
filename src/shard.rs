//! Shards: each owns a part of all series, and judges their samples.
//!
//! A shard is a plain struct that one thread drives: it is handed batches and the time, and hands back events. It knows no
//! socket, clock, channel or metric, so what it does can be told exactly by its tests.
//!
//! * A series is begun by its first line, judged by the detectors of the first watch that matches it, and given up after a
//!   silence, or when one of its detectors panics.
//! * Each line counts once in the [`Tally`]: analysed, or not, and why.
//! * What a line costs is mostly the cache lines it touches: a probe of the table, the series, its window.

mod batch;
mod census;
mod change;
mod close_up;
mod counter;
mod dormant;
mod event;
mod floor;
mod judge;
mod list;
mod plan;
mod saved;
mod series;
mod settings;
mod shared;
mod silence;
mod sweep;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

pub use batch::{Batch, LineRef};
pub use census::{Census, subtrees};
use change::Former;
pub use change::{Fate, fates};
pub use close_up::{CloseUp, Replay, replay};
use dormant::Dormitory;
use event::Reporter;
pub use event::{Change, Condition, Event, JudgeReport, Memory, SeriesReport, SeriesState};
use floor::Floors;
pub use floor::{Floor, Height};
use judge::Judge;
pub use list::{Listing, Page};
use plan::Plan;
pub use saved::{Heirs, Loaded, Origin, Place, Portion};
use series::{Analysis, Court, DEPTH_MAX, Series, Watched};
pub use settings::{Limits, Reading, Settings, Watch};
pub use shared::{NEW_SERIES_BYTES, Shared};
use silence::{Ears, Expectations, Telling};
use table::Table;
pub use tally::{Tally, Unanalysed};

use crate::{
    detect::{Context, Definition, Engine, Observation, Subject},
    line::{self, Timestamp},
    window::Point,
};

/// Timestamps beyond this are nobody's (seconds; year 318,857): sums of them stay far from overflow.
const TIMESTAMP_MAX: Timestamp = 10_000_000_000_000;

/// Longest name of a series that is analysed (bytes): whisper has no room for longer ones, and memory is for samples.
const NAME_BYTES_MAX: usize = 1024;

/// Lines that are looked up together.
const GROUP_LINES: usize = 16;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// An event when an anomaly opens, is told of again, or closes.
    Changes,
    /// An event at every sample.
    EverySample,
}

/// A part of all series.
#[derive(Debug)]
pub struct Shard {
    settings: Arc<Settings>,
    /// That of what is learnt by these settings.
    origin: Arc<Origin>,
    /// The detectors of these settings, each of which is its own.
    own_heirs: Arc<Heirs>,
    verbosity: Verbosity,
    /// Series of which every sample is told, whatever the verbosity.
    told_whole: HashSet<Arc<str>>,
    /// Of each watch.
    plans: Vec<Plan>,
    court: Court,
    /// Settings that some series still go by.
    former: Vec<Former>,
    table: Table<Series>,
    /// What was learnt of series that have fallen silent.
    dormitory: Dormitory,
    shared: Arc<Shared>,
    /// Slot at which the next sweep for silent series goes on.
    sweep_slot: usize,
    /// Series begun and ended since somebody asked.
    census: Census,
    /// Who listens for silence.
    ears: Ears,
    /// What is not told.
    floors: Floors,
}

impl Shard {
    /// A shard without series. `shared` is what it has in common with all others.
    ///
    /// # Panics
    /// When a detector goes by one that does not exist, or by itself.
    pub fn new(settings: Arc<Settings>, verbosity: Verbosity, shared: Arc<Shared>) -> Self {
        let engines = Engine::all(&settings.detectors, &shared.elsewhere);
        let plans = Plan::all(&settings, &engines);
        let origin = Origin::new(&settings);
        Self {
            own_heirs: Arc::new(origin.heirs(&settings)),
            origin: Arc::new(origin),
            ears: Ears::new(Expectations::new(&settings, &plans, &engines), &shared.heard),
            plans,
            court: Court::new(engines),
            settings,
            verbosity,
            told_whole: HashSet::new(),
            former: Vec::new(),
            table: Table::default(),
            dormitory: Dormitory::default(),
            shared,
            sweep_slot: 0,
            census: Census::default(),
            floors: Floors::default(),
        }
    }

    /// Tells of every sample of the series called so.
    pub fn tell_whole(&mut self, names: HashSet<Arc<str>>) {
        self.told_whole = names;
    }

    /// Has scripted detectors judge in place of those that the settings name.
    #[cfg(test)]
    pub(crate) fn script(&mut self) {
        self.court
            .engines
            .fill_with(|| Engine::Scripted(crate::detect::scripted::Engine));
    }

    /// The same by the samples' own times, where it is not known when they have arrived.
    #[must_use]
    pub fn by_samples(mut self) -> Self {
        self.ears.go_by_samples();
        self
    }

    /// Takes in the lines of `batch`, in order.
    pub fn apply(&mut self, batch: &Batch, events: &mut Vec<Event>, tally: &mut Tally) {
        self.ears
            .hear_batch(batch.received, self.shared.series_count(), &self.shared.heard);
        for group in batch.lines.chunks(GROUP_LINES) {
            let slots = self.look_ahead(group, batch);
            let mut place = 0;
            while place < group.len() {
                // A panic is a defect of a detector: it costs that series its analysis, and nobody else anything.
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    while let Some(&line) = group.get(place) {
                        self.apply_line(line, slots[place], batch, events, tally);
                        place += 1;
                    }
                }));
                if outcome.is_err() {
                    self.pause(group[place], batch, events);
                    tally.add_unanalysed(Unanalysed::Paused, 1);
                    place += 1;
                }
            }
        }
    }

    /// Finds the series of some lines and touches what will be read of them. With a million series nearly everything
    /// misses the cache, and here the misses of all lines overlap: one step at a time for all of them, as what is pointed at can
    /// only be found when the pointer is there.
    fn look_ahead(&self, group: &[LineRef], batch: &Batch) -> [Option<usize>; GROUP_LINES] {
        let mut slots = [None; GROUP_LINES];
        for (slot, line) in slots.iter_mut().zip(group) {
            *slot = self.table.guess(line.hash);
        }
        let mut touched = 0;
        for (slot, line) in slots.iter_mut().zip(group) {
            let (name, _) = line.parts(&batch.chunk);
            *slot = slot.filter(|&slot| self.table.is_called(slot, name));
        }
        for depth in 0..=DEPTH_MAX {
            for slot in slots.iter().flatten() {
                touched ^= self.table.get(*slot).map_or(0, |series| series.touch(depth));
            }
        }
        std::hint::black_box(touched);
        slots
    }

    /// Which series have begun and ended since the last call; `None`: nothing has changed.
    pub fn take_census(&mut self) -> Option<Census> {
        (!self.census.is_empty()).then(|| std::mem::take(&mut self.census))
    }

    /// Series in this shard.
    pub fn series_count(&self) -> usize {
        self.table.len()
    }

    /// Shows `each` the names of series that have a window, looking at `budget` slots from `slot` on. Gives the slot to go
    /// on at, until all have been looked at.
    pub fn names(&self, slot: usize, budget: usize, mut each: impl FnMut(&Arc<str>)) -> Option<usize> {
        let end = (slot + budget).min(self.table.slot_count());
        (slot..end)
            .filter_map(|slot| self.table.get(slot))
            .filter(|series| matches!(series.analysis, Analysis::Watched(_)))
            .for_each(|series| each(&series.name));
        (end < self.table.slot_count()).then_some(end)
    }

    /// Of each watch, whether a series is here that goes by it. Looks at all series.
    pub fn watches_in_use(&self) -> Vec<bool> {
        let watches = &self.settings.watches;
        let mut in_use = vec![false; watches.len()];
        for series in (0..self.table.slot_count()).filter_map(|slot| self.table.get(slot)) {
            if let Some(watch) = watches.iter().position(|watch| watch.matches(&series.name)) {
                in_use[watch] = true;
            }
        }
        in_use
    }

    /// The newest sample of a series.
    pub fn last_of(&self, hash: u64, name: &str) -> Option<Point> {
        match &self.table.get(self.table.find(hash, name.as_bytes())?)?.analysis {
            Analysis::Watched(watched) => watched.window.last(),
            Analysis::Unwatched(_) | Analysis::Paused => None,
        }
    }

    /// The report on one series, and its samples.
    pub fn look_up(&self, hash: u64, name: &str) -> Option<(SeriesReport, Vec<Point>)> {
        let slot = self.table.find(hash, name.as_bytes())?;
        let series = self.table.get(slot)?;
        let points = match &series.analysis {
            Analysis::Watched(watched) => watched.window.points(),
            Analysis::Unwatched(_) | Analysis::Paused => Vec::new(),
        };
        Some((self.report(slot, series, true), points))
    }

    /// Takes in one line, whose series is in `slot` if that is known.
    fn apply_line(
        &mut self,
        line: LineRef,
        slot: Option<usize>,
        batch: &Batch,
        events: &mut Vec<Event>,
        tally: &mut Tally,
    ) {
        match self.judge(line, slot, batch, events) {
            Ok(()) => tally.analysed += 1,
            Err(reason) => tally.add_unanalysed(reason, 1),
        }
    }

    fn judge(
        &mut self,
        line: LineRef,
        slot: Option<usize>,
        batch: &Batch,
        events: &mut Vec<Event>,
    ) -> Result<(), Unanalysed> {
        let (name, fields) = line.parts(&batch.chunk);
        if name.is_empty() {
            return Err(Unanalysed::Empty);
        }
        let (value, timestamp) = line::parse_fields(fields, batch.received)?;
        self.check_time(timestamp, batch.received)?;
        let arrival = self.ears.arrival(batch.received, timestamp);
        // One that was given up a few lines ago is in another slot now.
        let slot = slot.filter(|&slot| !self.ears.by_samples() || self.table.is_called(slot, name));
        let slot = match slot.or_else(|| self.table.find(line.hash, name)) {
            // Nobody has swept.
            Some(slot) if self.ears.by_samples() && self.is_to_be_given_up(slot, arrival) => {
                self.hear_silence(slot, arrival, events);
                self.give_up(slot, events);
                self.begin(line.hash, name, arrival)?
            }
            Some(slot) => slot,
            None => self.begin(line.hash, name, arrival)?,
        };
        self.hear_line(slot, timestamp, events);
        let series = self.table.get_mut(slot).expect("just found or begun");
        series.received = if self.ears.by_samples() {
            series.received.max(arrival)
        } else {
            arrival
        };
        let watched = match &mut series.analysis {
            Analysis::Watched(watched) => watched,
            Analysis::Unwatched(read_by) => {
                if let Some(latest) = read_by {
                    latest.put(Point { timestamp, value });
                }
                return Err(Unanalysed::Unwatched);
            }
            Analysis::Paused => return Err(Unanalysed::Paused),
        };
        let every_sample = self.verbosity == Verbosity::EverySample
            || (!self.told_whole.is_empty() && self.told_whole.contains(&series.name));
        let (court, detectors) = judges_of(slot, &mut self.former, &mut self.court, &self.settings);
        let mut reporter = Reporter {
            series: &series.name,
            detectors,
            floors: &mut self.floors,
            every_sample,
            events,
        };
        let mut tell = |judge: &mut Judge, engine: &mut Engine, sample: &Context<'_>, seen: Observation| {
            reporter.hear(judge, engine, sample, seen);
        };
        if watched.hears_silence {
            // Nobody may have looked while it was silent.
            watched.hear_silence(arrival, self.ears.listening(), court, &mut tell);
        }
        watched.push(Point { timestamp, value }, arrival, court, tell)?;
        Ok(())
    }

    fn check_time(&self, timestamp: Timestamp, received: Timestamp) -> Result<(), Unanalysed> {
        let Limits { max_age_s, max_ahead_s } = self.settings.limits;
        let oldest = max_age_s.map_or(-TIMESTAMP_MAX, |age| received - age);
        let newest = max_ahead_s.map_or(TIMESTAMP_MAX, |ahead| received + ahead);
        if timestamp < oldest {
            Err(Unanalysed::TooOld)
        } else if timestamp > newest {
            Err(Unanalysed::TooFarAhead)
        } else {
            Ok(())
        }
    }

    /// Begins the series called `name`, which has arrived `now`, or goes on with what was learnt of it.
    fn begin(&mut self, hash: u64, name: &[u8], now: Timestamp) -> Result<usize, Unanalysed> {
        if name.len() > NAME_BYTES_MAX {
            return Err(Unanalysed::NameTooLong);
        }
        if !self.shared.take_memory() && !self.give_memory_of_dormant() {
            return Err(Unanalysed::OverMaxMemory);
        }
        self.make_room()?;
        let name = std::str::from_utf8(name).expect("lines that are not UTF-8 are quarantined");
        self.census.begin(name);
        let analysis = self
            .wake_up(hash, name, now)
            .unwrap_or_else(|| self.begin_analysis(name));
        self.make_room_of_dormant();
        Ok(self.table.insert(Series {
            hash,
            name: name.into(),
            received: 0,
            analysis,
        }))
    }

    /// The analysis of a series called `name` of which nothing has been seen.
    fn begin_analysis(&self, name: &str) -> Analysis {
        let read_by = self.shared.elsewhere.find(name);
        match self.plan(name) {
            Some(plan) => {
                let watched = Watched::new(self.settings.span_s, plan, Subject::new(name), &self.court.engines);
                Analysis::Watched(Box::new(Watched { read_by, ..watched }))
            }
            None => Analysis::Unwatched(read_by),
        }
    }

    /// What is done for the series called `name`; `None`: it is not judged.
    fn plan(&self, name: &str) -> Option<&Plan> {
        let watch = self.settings.watches.iter().position(|watch| watch.matches(name))?;
        Some(&self.plans[watch]).filter(|plan| !plan.asked.is_empty())
    }

    /// Counts one more series, if there is room.
    fn make_room(&self) -> Result<(), Unanalysed> {
        if self.shared.make_room(self.settings.max_series) {
            Ok(())
        } else {
            Err(Unanalysed::OverMaxSeries)
        }
    }

    /// Ends the analysis of the series that `line` belongs to: a detector has panicked over it.
    fn pause(&mut self, line: LineRef, batch: &Batch, events: &mut Vec<Event>) {
        let (name, _) = line.parts(&batch.chunk);
        let Some(slot) = self.table.find(line.hash, name) else {
            return;
        };
        let series = self.table.get_mut(slot).expect("just found");
        let analysis = std::mem::replace(&mut series.analysis, Analysis::Paused);
        let name = Arc::clone(&series.name);
        events.extend(self.closings(&name, &analysis, slot, "the analysis of the series has failed"));
    }

    /// The ends of what is open of a series, of `slot`, that is judged no more.
    fn closings(&self, name: &Arc<str>, analysis: &Analysis, slot: usize, reason: &str) -> Vec<Event> {
        let Analysis::Watched(watched) = analysis else {
            return Vec::new();
        };
        let last = watched.window.last().unwrap_or_default();
        let open = watched.judges.iter().filter(|judge| judge.open);
        let detector = |judge: &Judge| &self.detectors(slot)[judge.detector].name;
        open.map(|judge| Event::closing(name, detector(judge), last, reason))
            .collect()
    }

    /// What is known of a series; `ahead`: and what is to come of it.
    fn report(&self, slot: usize, series: &Series, ahead: bool) -> SeriesReport {
        let court = self.former(slot).map_or(&self.court, |former| &former.court);
        let state = match &series.analysis {
            Analysis::Unwatched(_) => SeriesState::Unwatched,
            Analysis::Paused => SeriesState::Paused,
            Analysis::Watched(watched) => {
                let judged = watched.judges.iter().map(|judge| JudgeReport {
                    detector: Arc::clone(&self.detectors(slot)[judge.detector].name),
                    standing: court.engines[judge.detector].standing(&judge.state, &watched.window),
                    open: judge.open,
                    heard: judge.heard,
                    outlook: ahead
                        .then(|| court.engines[judge.detector].outlook(&judge.state, &watched.window))
                        .flatten(),
                });
                SeriesState::Watched {
                    samples: watched.window.len(),
                    memory: Memory {
                        window: watched.window.memory(),
                        detectors_bytes: watched.judges.bytes(),
                        name_bytes: table::series_bytes(&series.name),
                    },
                    last: watched.window.last(),
                    detectors: judged.collect(),
                }
            }
        };
        SeriesReport {
            name: Arc::clone(&series.name),
            received: series.received,
            state,
        }
    }
}

/// Who judges the series in `slot`: the engines and the detectors of the settings that it goes by.
fn judges_of<'a>(
    slot: usize,
    former: &'a mut [Former],
    court: &'a mut Court,
    settings: &'a Settings,
) -> (&'a mut Court, &'a [Definition]) {
    match former.iter_mut().find(|former| former.judges(slot)) {
        Some(former) => (&mut former.court, &former.settings.detectors),
        None => (court, &settings.detectors),
    }
}
