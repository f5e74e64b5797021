//! Values in order, of which one is replaced by another in little time.
//!
//! They lie in *tiers* of [`TIER`]. A tier is a ring: to move all of its values on by a place, into the next tier, takes one
//! value out at one end and puts one in at the other. So what lies between the value that goes and the one that comes moves by
//! tiers, and only within the first and the last of these one by one (a tiered vector, Goodrich and Kloss 1999).
//!
//! To find a place counts the tiers that begin below, then the values of one tier, in whatever order they are: counting waits
//! for nothing, unlike a search that halves.

use std::cmp::Ordering;

/// Values of a tier.
const TIER: usize = 32;

/// Values in ascending order, as many of each as have come.
#[derive(Clone, Debug, Default)]
pub(super) struct Ordered {
    /// All are full but the last.
    tiers: Vec<Ring>,
    /// The first value of each tier.
    firsts: Vec<f64>,
    len: usize,
}

/// Values of a tier, in a circle.
#[derive(Clone, Debug)]
struct Ring {
    /// Slots in which nothing is are infinite.
    slots: [f64; TIER],
    /// Where it begins.
    head: usize,
}

impl Ring {
    fn get(&self, place: usize) -> f64 {
        self.slots[(self.head + place) % TIER]
    }

    fn put(&mut self, place: usize, value: f64) {
        self.slots[(self.head + place) % TIER] = value;
    }

    /// Takes the value at `from` away, and adds one that is at `to` afterwards.
    fn replace(&mut self, from: usize, to: usize, value: f64) {
        for place in from..to {
            self.put(place, self.get(place + 1));
        }
        for place in (to..from).rev() {
            self.put(place + 1, self.get(place));
        }
        self.put(to, value);
    }

    /// Takes the first away, and adds a last.
    fn turn_down(&mut self, last: f64) {
        self.slots[self.head] = last;
        self.head = (self.head + 1) % TIER;
    }

    /// Takes the last away, and adds a first.
    fn turn_up(&mut self, first: f64) -> f64 {
        self.head = (self.head + TIER - 1) % TIER;
        std::mem::replace(&mut self.slots[self.head], first)
    }
}

impl Ordered {
    /// Values in ascending order, with room for `len_max` (as many as there are, or more).
    pub(super) fn new(sorted: &[f64], len_max: usize) -> Self {
        let tiers = (0..len_max.div_ceil(TIER)).map(|tier| {
            let mut slots = [f64::INFINITY; TIER];
            let values = sorted.iter().skip(tier * TIER);
            slots.iter_mut().zip(values).for_each(|(slot, value)| *slot = *value);
            Ring { slots, head: 0 }
        });
        let tiers: Vec<Ring> = tiers.collect();
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
        tier * TIER + count_below(&self.tiers[tier].slots, value)
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
                    let ring = &mut self.tiers[tier];
                    ring.turn_down(next);
                    self.firsts[tier] = ring.get(0);
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
        self.tiers.capacity() * size_of::<Ring>() + self.firsts.capacity() * size_of::<f64>()
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
