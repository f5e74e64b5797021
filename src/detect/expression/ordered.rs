//! Values in order, of which one is replaced by another in little time.
//!
//! They lie in *tiers* of [`TIER`], each of which has room to move within its slots: to move all of its values on by a place, into
//! the next tier, takes one value out at one end and puts one in at the other. So what lies between the value that goes and the
//! one that comes moves by tiers, and only within the first and the last of these as a piece (a tiered vector, Goodrich and Kloss
//! 1999, of pieces instead of rings).
//!
//! To find a place counts the tiers that begin below, then the values of one tier: counting waits for nothing, unlike a search that
//! halves.
//!
//! * A value takes 12 bytes, and is replaced in some 40 ns among hundreds.

use std::cmp::Ordering;

/// Values of a tier.
const TIER: usize = 64;

/// Slots of a tier: it comes to an end of them after `SLOTS - TIER` values at most.
const SLOTS: usize = TIER + TIER / 2;

/// Values in ascending order, as many of each as have come.
#[derive(Clone, Debug, Default)]
pub(super) struct Ordered {
    /// All are full but the last.
    tiers: Vec<Tier>,
    /// The first value of each tier.
    firsts: Vec<f64>,
    len: usize,
}

/// Values that follow each other, in slots that do.
#[derive(Clone, Debug)]
struct Tier {
    /// Values that are missing from the end are infinite.
    slots: [f64; SLOTS],
    /// Slot of the first value.
    begins: usize,
}

impl Tier {
    /// Slot of the first value where there is as much room before as behind.
    const MIDDLE: usize = (SLOTS - TIER) / 2;

    fn get(&self, place: usize) -> f64 {
        self.slots[self.begins + place]
    }

    fn count_below(&self, value: f64) -> usize {
        count_below(&self.slots[self.begins..self.begins + TIER], value)
    }

    /// Takes the value at `from` away, and adds one that is at `to` afterwards.
    fn replace(&mut self, from: usize, to: usize, value: f64) {
        let (from, to) = (self.begins + from, self.begins + to);
        if from < to {
            self.slots.copy_within(from + 1..=to, from);
        } else {
            self.slots.copy_within(to..from, to + 1);
        }
        self.slots[to] = value;
    }

    /// Takes the first away, and adds a last.
    fn turn_down(&mut self, last: f64) {
        if self.begins + TIER == SLOTS {
            self.centre();
        }
        self.slots[self.begins + TIER] = last;
        self.begins += 1;
    }

    /// Takes the last away, and adds a first.
    fn turn_up(&mut self, first: f64) -> f64 {
        if self.begins == 0 {
            self.centre();
        }
        self.begins -= 1;
        self.slots[self.begins] = first;
        self.slots[self.begins + TIER]
    }

    fn centre(&mut self) {
        self.slots.copy_within(self.begins..self.begins + TIER, Self::MIDDLE);
        self.begins = Self::MIDDLE;
    }
}

impl Ordered {
    /// Values in ascending order, with room for `len_max` (as many as there are, or more).
    pub(super) fn new(sorted: &[f64], len_max: usize) -> Self {
        let tiers = (0..len_max.div_ceil(TIER)).map(|tier| {
            let mut slots = [f64::INFINITY; SLOTS];
            let values = sorted.iter().skip(tier * TIER).take(TIER);
            let room = &mut slots[Tier::MIDDLE..];
            room.iter_mut().zip(values).for_each(|(slot, value)| *slot = *value);
            Tier {
                slots,
                begins: Tier::MIDDLE,
            }
        });
        let tiers: Vec<Tier> = tiers.collect();
        Self {
            firsts: tiers.iter().map(|tier| tier.get(0)).collect(),
            tiers,
            len: sorted.len(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Is there no room?
    pub(super) fn is_full(&self) -> bool {
        self.len == self.tiers.len() * TIER
    }

    /// The value that so many come before.
    pub(super) fn get(&self, place: usize) -> Option<f64> {
        (place < self.len).then(|| self.tiers[place / TIER].get(place % TIER))
    }

    /// How many are smaller.
    pub(super) fn count_below(&self, value: f64) -> usize {
        let Some(tier) = count_below(&self.firsts, value).checked_sub(1) else {
            return 0;
        };
        tier * TIER + self.tiers[tier].count_below(value)
    }

    /// Adds a value, before which so many come; there is room.
    pub(super) fn insert(&mut self, place: usize, value: f64) {
        self.len += 1;
        self.replace(self.len - 1, place, value);
    }

    /// Takes away the value that so many come before.
    pub(super) fn remove(&mut self, place: usize) {
        self.replace(place, self.len - 1, f64::INFINITY);
        self.len -= 1;
    }

    /// Takes away the value at the place `from`, and adds one that is at the place `to` afterwards.
    pub(super) fn replace(&mut self, from: usize, to: usize, value: f64) {
        let (first, last) = (from / TIER, to / TIER);
        let (from, to) = (from % TIER, to % TIER);
        match first.cmp(&last) {
            Ordering::Equal => self.tiers[first].replace(from, to, value),
            Ordering::Less => {
                let next = self.firsts[first + 1];
                self.tiers[first].replace(from, TIER - 1, next);
                for tier in first + 1..last {
                    let next = self.firsts[tier + 1];
                    let values = &mut self.tiers[tier];
                    values.turn_down(next);
                    self.firsts[tier] = values.get(0);
                }
                self.tiers[last].replace(0, to, value);
            }
            Ordering::Greater => {
                let mut carried = self.tiers[last].get(TIER - 1);
                self.tiers[last].replace(TIER - 1, to, value);
                for tier in last + 1..first {
                    self.firsts[tier] = carried;
                    carried = self.tiers[tier].turn_up(carried);
                }
                self.tiers[first].replace(from, 0, carried);
            }
        }
        for tier in [first, last] {
            self.firsts[tier] = self.tiers[tier].get(0);
        }
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        self.tiers.capacity() * size_of::<Tier>() + self.firsts.capacity() * size_of::<f64>()
    }
}

fn count_below(values: &[f64], value: f64) -> usize {
    values.iter().map(|other| usize::from(*other < value)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_as_a_plain_list_is(
            begun in prop::collection::vec(0_u8..50, 0..150),
            room in 0_usize..100,
            changes in prop::collection::vec((0_u8..3, 0_u8..50, any::<prop::sample::Index>()), 0..300),
        ) {
            let mut plain: Vec<f64> = begun.into_iter().map(f64::from).collect();
            plain.sort_by(f64::total_cmp);
            let mut ordered = Ordered::new(&plain, plain.len() + room);
            for (change, value, index) in changes {
                let value = f64::from(value);
                let to = plain.partition_point(|other| *other < value);
                prop_assert_eq!(ordered.count_below(value), to);
                match change {
                    0 if !ordered.is_full() => {
                        plain.insert(to, value);
                        ordered.insert(to, value);
                    }
                    1 if !plain.is_empty() => {
                        let from = index.index(plain.len());
                        plain.remove(from);
                        ordered.remove(from);
                    }
                    _ if !plain.is_empty() => {
                        let from = index.index(plain.len());
                        plain.remove(from);
                        let to = plain.partition_point(|other| *other < value);
                        plain.insert(to, value);
                        ordered.replace(from, to, value);
                    }
                    _ => {}
                }
                let values: Vec<f64> = (0..ordered.len()).map_while(|place| ordered.get(place)).collect();
                prop_assert_eq!(&values, &plain);
                prop_assert_eq!(ordered.get(plain.len()), None);
            }
        }
    }
}
