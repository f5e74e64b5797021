//! What is usual at each place: how many anomalies open there in a window, and how many of late.
//!
//! Knows nothing of names or groups. Time is the anomalies' own, cut into blocks of a window and slots of a tenth of it:
//! anomalies may come out of order by some slots, and a stray timestamp costs a place its recent counts at most.
//!
//! * A place has two recent counts: of all anomalies, and of the loose ones, which no group explains.
//! * Its mean is learnt over a week, block by block, from a prior: the series below it, where they are known, or the
//!   places like it. So is its excess, which says how much anomalies come in clusters. What a single block can teach is
//!   bounded: an incident does not become the usual.
//! * Memory is bounded by [`PLACES_TRACKED_MAX`] records of some 100 bytes. When they are all in use, the quietest of a few goes.
//! * To note an anomaly at a place is O(1).

mod clock;
mod record;
#[cfg(test)]
mod tests;

use ahash::RandomState;
use clock::Clock;
use hashbrown::HashMap;
use record::{Record, SLOTS, WINDOW_SLOTS};

use super::{
    places::{Place, Shape},
    surprise::surprise,
};
use crate::line::Timestamp;

/// Places whose counts are kept.
pub(super) const PLACES_TRACKED_MAX: usize = 65_536;

/// The last slots of a window, and their share of it.
const LAST_SLOTS: i64 = 3;
const LAST_SHARE: f64 = 0.3;

/// Time after which half of what was learnt is forgotten (seconds).
const HALF_LIFE_S: f64 = 5.0 * 86_400.0;

/// Anomalies that are assumed of each series before any were seen (a day).
const ASSUMED_PER_SERIES_AND_DAY: f64 = 0.1;

/// Series that are assumed while nobody has told.
const SERIES_ASSUMED: u64 = 1000;

/// Anomalies that a prior weighs as much as.
const PRIOR_WEIGHT: f64 = 2.0;

/// A background as old as this many blocks is doubted by half of itself.
const DOUBT_BLOCKS: f64 = 12.0;

/// Before anything was seen anomalies are taken to come in clusters, with a weight of so many.
const EXCESS_ASSUMED: f64 = 1.5;
const EXCESS_WEIGHT: f64 = 60.0;
/// Weight of what places of one kind have in common against what one has seen itself (anomalies).
const EXCESS_KIND_WEIGHT: f64 = 20.0;
const EXCESS_MAX: f64 = 30.0;
/// What is left of it beside a group: to be wrong costs some strangers then, and no group.
const EXCESS_BESIDE_MAX: f64 = 6.0;
/// Anomalies that the excess of a kind is learnt from.
const EXCESS_MEMORY: f64 = 2000.0;

/// Silence that is taken for one (seconds): a longer one says nothing of how rare anomalies are, as nobody may have listened.
const LEAP_S: i64 = 86_400;

/// Records looked at to find one that can go.
const EVICTION_LOOKS: usize = 16;

const DAY_S: f64 = 86_400.0;

/// What is usual at each place.
#[derive(Debug)]
pub(super) struct Background {
    window_s: i64,
    slot_s: i64,
    by_id: HashMap<u64, u32, RandomState>,
    records: Vec<Record>,
    /// Where the search for a record that can go goes on.
    hand: usize,
    kinds: Box<[Kind]>,
    clock: Clock,
    /// Blocks that have been seen, and the same with the older ones counting less.
    age: i64,
    blocks: f64,
    /// Anomalies expected in a window, everywhere.
    everywhere: f64,
    /// Series there are, as far as known.
    series: u64,
    noted: u64,
    evicted: u64,
}

/// What places of one kind have in common.
#[derive(Clone, Debug, Default)]
struct Kind {
    places: u32,
    /// Times that an anomaly was noted at one of them.
    noted: u64,
    anomalies: f64,
    excess: f64,
}

/// Counts at a place, and what is usual there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Anomalies in the window.
    pub(super) all: u32,
    /// Those of them that no group explains.
    pub(super) loose: u32,
    /// Anomalies in the last part of the window.
    last: u32,
    /// Anomalies expected in a window.
    pub(super) mean: f64,
    /// How much they come in clusters.
    excess: f64,
}

impl Seen {
    /// How surprising all are: -log10 of the chance.
    pub(super) fn surprise_of_all(&self) -> f64 {
        surprise(self.all, self.mean, self.excess)
    }

    /// Is it still coming in? Where anomalies are rare that is no question.
    pub(super) fn is_going_on(&self) -> bool {
        let usual = self.mean * LAST_SHARE;
        usual < 0.3 || surprise(self.last, usual, self.excess) >= 1.0
    }

    /// How surprising the loose ones are.
    pub(super) fn surprise_of_loose(&self) -> f64 {
        surprise(self.loose, self.mean, self.excess)
    }

    /// The same next to a group, where less is taken for a cluster by chance.
    pub(super) fn surprise_of_loose_beside_a_group(&self) -> f64 {
        surprise(self.loose, self.mean, self.excess.min(EXCESS_BESIDE_MAX))
    }
}

impl Background {
    pub(super) fn new(window_s: i64) -> Self {
        Self {
            window_s,
            slot_s: (window_s / WINDOW_SLOTS).max(1),
            by_id: HashMap::default(),
            records: Vec::new(),
            hand: 0,
            kinds: vec![Kind::default(); Shape::KINDS].into_boxed_slice(),
            clock: Clock::default(),
            age: 0,
            blocks: 0.0,
            everywhere: 1.0,
            series: 0,
            noted: 0,
            evicted: 0,
        }
    }

    /// Notes the time of an anomaly, ahead of its places, and how many series there are.
    pub(super) fn begin(&mut self, at: Timestamp, series: u64) {
        let before = self.clock.now.div_euclid(self.window_s);
        let first = self.clock.last.is_empty();
        self.clock.see(at);
        let blocks = self.clock.now.div_euclid(self.window_s) - before;
        // A stream that begins again earlier has not taken any time, and one that leaps ahead not all of it.
        if blocks > 0 && !first {
            let blocks = blocks.min(LEAP_S / self.window_s + 1);
            self.age += blocks;
            let kept = self.kept(blocks);
            self.blocks = self.blocks * kept + (1.0 - kept) / (1.0 - self.kept(1));
        }
        self.series = series;
        self.noted += 1;
    }

    /// The time, by the anomalies seen of late.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now
    }

    /// Counts an anomaly at `place`, as loose; `series_below`: how many series lie there, where that is known.
    pub(super) fn note(&mut self, place: Place, at: Timestamp, series_below: Option<u64>) -> Seen {
        let slot = at.div_euclid(self.slot_s);
        let block = at.div_euclid(self.window_s);
        let number = self.find_or_begin(place, slot, block);
        let now = self.clock.now;
        let (slot_s, prior) = (self.slot_s, self.prior(place, series_below));
        let mut mean = self.mean(number, prior, place.shape);
        if self.records[number].block < block {
            self.fold(number, block, mean);
            mean = self.mean(number, prior, place.shape);
        }
        if place.shape == Shape::Everywhere {
            self.everywhere = mean;
        }
        self.kinds[place.shape.kind()].noted += 1;
        let record = &mut self.records[number];
        record.in_block += 1;
        record.add(slot, |newest| (newest * slot_s - now).abs() > (at - now).abs());
        let excess = self.excess(number);
        let record = &self.records[number];
        let from = slot.min(record.newest - WINDOW_SLOTS + 1);
        Seen {
            all: record.all(from, WINDOW_SLOTS),
            loose: record.loose(from, WINDOW_SLOTS),
            last: record.all(slot - LAST_SLOTS + 1, LAST_SLOTS),
            mean,
            excess,
        }
    }

    /// Since when the loose anomalies at a place are out of the ordinary: the beginning of the part of the window, up to
    /// `at`, for which their number is the most surprising.
    pub(super) fn since(&self, id: u64, at: Timestamp, seen: &Seen) -> Timestamp {
        let Some(&number) = self.by_id.get(&id) else { return at };
        let record = &self.records[number as usize];
        let newest = at.div_euclid(self.slot_s);
        let surprise_since = |slots: i64| {
            let loose = record.loose(newest - slots + 1, slots);
            surprise(loose, seen.mean * seconds(slots) / seconds(WINDOW_SLOTS), seen.excess)
        };
        let slots = (1..=WINDOW_SLOTS).max_by(|&left, &right| surprise_since(left).total_cmp(&surprise_since(right)));
        // Detectors need a sample or two, and clocks differ.
        (newest - slots.expect("a window has slots")) * self.slot_s
    }

    /// Anomalies that a place has seen, the older ones less.
    pub(super) fn usual(&self, id: u64) -> f64 {
        self.by_id
            .get(&id)
            .map_or(0.0, |&number| self.records[number as usize].worth(1.0))
    }

    /// An anomaly that was noted as loose has come to a group.
    pub(super) fn claim(&mut self, id: u64, at: Timestamp) {
        let slot = at.div_euclid(self.slot_s);
        if let Some(&number) = self.by_id.get(&id) {
            self.records[number as usize].claim(slot);
        }
    }

    /// Anomalies expected everywhere (a day).
    pub(super) fn per_day(&self) -> f64 {
        self.everywhere * DAY_S / self.window_s_f64()
    }

    /// Anomalies of a series (a day), as far as it has a record.
    pub(super) fn series_per_day(&self, id: u64) -> f64 {
        let anomalies = self.by_id.get(&id).map_or(0.0, |&number| {
            let record = &self.records[number as usize];
            f64::from(record.anomalies) + f64::from(record.in_block)
        });
        // One a month is as rare as it gets; so much is known of a series that has just been seen for the first time.
        let days = self.blocks * self.window_s_f64() / DAY_S;
        (anomalies + ASSUMED_PER_SERIES_AND_DAY) / (days + 1.0)
    }

    pub(super) fn places(&self) -> usize {
        self.records.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn window_s_f64(&self) -> f64 {
        seconds(self.window_s)
    }

    /// What is left of something after some blocks.
    fn kept(&self, blocks: i64) -> f64 {
        (-(seconds(blocks) * self.window_s_f64() / HALF_LIFE_S)).exp2()
    }

    /// Anomalies expected in a window at a place of which nothing is known.
    fn prior(&self, place: Place, series_below: Option<u64>) -> f64 {
        if place.shape == Shape::Everywhere {
            let series = if self.series == 0 { SERIES_ASSUMED } else { self.series };
            return count(series) * ASSUMED_PER_SERIES_AND_DAY * self.window_s_f64() / DAY_S;
        }
        match series_below {
            Some(below) if self.series > 0 => self.everywhere * count(below.max(1)) / count(self.series),
            // Places that nothing has opened at are not known of, so this is rather too much.
            _ => {
                let kind = &self.kinds[place.shape.kind()];
                let share = count(kind.noted.max(1)) / count(self.noted.max(1));
                self.everywhere * share.min(8.0) / f64::from(kind.places.max(1))
            }
        }
    }

    /// Anomalies expected in a window, by what was seen before this block.
    fn mean(&self, number: usize, prior: f64, shape: Shape) -> f64 {
        let weight = PRIOR_WEIGHT;
        let record = &self.records[number];
        let learnt = (f64::from(record.anomalies) + weight) / (self.blocks + weight / prior);
        let doubt = match shape {
            Shape::Everywhere => 1.0,
            _ => 1.0 + DOUBT_BLOCKS / (self.blocks + DOUBT_BLOCKS),
        };
        learnt * doubt
    }

    fn excess(&self, number: usize) -> f64 {
        let record = &self.records[number];
        let kind = &self.kinds[usize::from(record.kind)];
        let of_kind = (kind.excess + EXCESS_ASSUMED * EXCESS_WEIGHT) / (kind.anomalies + EXCESS_WEIGHT);
        let own = (f64::from(record.excess) + of_kind * EXCESS_KIND_WEIGHT)
            / (f64::from(record.anomalies) + EXCESS_KIND_WEIGHT);
        own.clamp(0.0, EXCESS_MAX)
    }

    /// Learns from the block that is over, and begins `block`.
    fn fold(&mut self, number: usize, block: i64, mean: f64) {
        let usual = self.excess(number);
        let age = self.age;
        let kept = self.kept(age - self.records[number].age);
        let record = &mut self.records[number];
        let spread = (mean * (1.0 + usual)).sqrt();
        let bound = (mean + 4.0 * spread).max(4.0 + 4.0 * usual);
        let counted = f64::from(record.in_block).min(bound);
        let clustered = counted * (counted - 1.0 - mean);
        let kind = &mut self.kinds[usize::from(record.kind)];
        let forget = 1.0 - (counted / EXCESS_MEMORY).min(0.5);
        kind.anomalies = kind.anomalies * forget + counted;
        kind.excess = kind.excess * forget + clustered;
        record.anomalies = single((f64::from(record.anomalies) + counted) * kept);
        record.excess = single((f64::from(record.excess) + clustered) * kept);
        record.block = block;
        record.in_block = 0;
        record.age = age;
    }

    fn find_or_begin(&mut self, place: Place, slot: i64, block: i64) -> usize {
        if let Some(&number) = self.by_id.get(&place.id) {
            let number = number as usize;
            if self.records[number].block > block + SLOTS {
                // The stream has begun again, earlier.
                self.records[number].block = block;
                self.records[number].in_block = 0;
            }
            return number;
        }
        let kind = place.shape.kind();
        self.kinds[kind].places += 1;
        let number_of_kind = u16::try_from(kind).expect("there are few kinds");
        let record = Record::new(place.id, number_of_kind, slot, block, self.age);
        let number = if self.records.len() < PLACES_TRACKED_MAX {
            self.records.push(record);
            self.records.len() - 1
        } else {
            let number = self.quietest();
            let gone = std::mem::replace(&mut self.records[number], record);
            self.by_id.remove(&gone.id);
            self.kinds[usize::from(gone.kind)].places -= 1;
            self.evicted += 1;
            number
        };
        self.by_id
            .insert(place.id, u32::try_from(number).expect("there is a bound"));
        number
    }

    /// The place with the fewest anomalies among the next few.
    fn quietest(&mut self) -> usize {
        let from = self.hand;
        self.hand = (from + EVICTION_LOOKS) % self.records.len();
        let looks = (from..from + EVICTION_LOOKS).map(|look| look % self.records.len());
        let block = self.clock.now.div_euclid(self.window_s);
        looks
            .min_by(|&left, &right| {
                let worth =
                    |number: usize| self.records[number].worth(self.kept((block - self.records[number].block).max(0)));
                worth(left).total_cmp(&worth(right))
            })
            .expect("a few are looked at")
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans of time are far below 2^52 seconds")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a rate needs few digits")]
fn single(number: f64) -> f32 {
    number as f32
}
