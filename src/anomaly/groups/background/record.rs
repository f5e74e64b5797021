//! The counts of one place: a ring of slots for what is recent, and sums over blocks for what is usual.

/// Slots in a window.
pub(super) const WINDOW_SLOTS: i64 = 10;
/// Slots that are remembered: what is late by the difference still finds its window.
pub(super) const SLOTS: i64 = 16;
const SLOTS_USIZE: usize = 16;

/// What is known of one place.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) kind: u16,
    /// Number of the newest slot.
    pub(super) newest: i64,
    /// By number of the slot modulo `SLOTS`: all, and the loose.
    all: [u16; SLOTS_USIZE],
    loose: [u16; SLOTS_USIZE],
    /// The block that is being counted, and its count.
    pub(super) block: i64,
    pub(super) in_block: u32,
    /// Age at which the last block was over.
    pub(super) age: i64,
    /// Anomalies in the blocks before, the older ones less.
    pub(super) anomalies: f32,
    /// Sum over these blocks of count times (count - 1 - mean).
    pub(super) excess: f32,
}

impl Record {
    /// A place at which nothing has been counted, up to the slot and the block.
    pub(super) fn new(id: u64, kind: u16, slot: i64, block: i64, age: i64) -> Self {
        Self {
            id,
            kind,
            newest: slot,
            all: [0; SLOTS_USIZE],
            loose: [0; SLOTS_USIZE],
            block,
            in_block: 0,
            age,
            anomalies: 0.0,
            excess: 0.0,
        }
    }

    fn index(slot: i64) -> usize {
        usize::try_from(slot.rem_euclid(SLOTS)).expect("a remainder")
    }

    fn holds(&self, slot: i64) -> bool {
        slot <= self.newest && slot > self.newest - SLOTS
    }

    /// Counts one in `slot`; when that is long gone, `begin_again` is asked whether the newest slot is the wrong one.
    pub(super) fn add(&mut self, slot: i64, begin_again: impl Fn(i64) -> bool) {
        if slot > self.newest {
            if slot - self.newest >= SLOTS {
                self.clear();
            } else {
                for passed in self.newest + 1..=slot {
                    self.all[Self::index(passed)] = 0;
                    self.loose[Self::index(passed)] = 0;
                }
            }
            self.newest = slot;
        } else if !self.holds(slot) {
            if !begin_again(self.newest) {
                return;
            }
            self.clear();
            self.newest = slot;
        }
        let index = Self::index(slot);
        self.all[index] = self.all[index].saturating_add(1);
        self.loose[index] = self.loose[index].saturating_add(1);
    }

    fn clear(&mut self) {
        self.all = [0; SLOTS_USIZE];
        self.loose = [0; SLOTS_USIZE];
    }

    /// One that was counted in `slot` is loose no more.
    pub(super) fn claim(&mut self, slot: i64) {
        if self.holds(slot) {
            let loose = &mut self.loose[Self::index(slot)];
            *loose = loose.saturating_sub(1);
        }
    }

    /// All in some slots from `from` on.
    pub(super) fn all(&self, from: i64, slots: i64) -> u32 {
        self.sum(&self.all, from, slots)
    }

    /// The loose ones in some slots from `from` on.
    pub(super) fn loose(&self, from: i64, slots: i64) -> u32 {
        self.sum(&self.loose, from, slots)
    }

    fn sum(&self, counts: &[u16; SLOTS_USIZE], from: i64, slots: i64) -> u32 {
        let held = (from..from + slots).filter(|&slot| self.holds(slot));
        held.map(|slot| u32::from(counts[Self::index(slot)])).sum()
    }

    /// How many it would be a pity to forget.
    pub(super) fn worth(&self, kept: f64) -> f64 {
        (f64::from(self.anomalies) + f64::from(self.in_block)) * kept
    }
}
