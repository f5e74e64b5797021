//! A few values in order, of which one comes or goes without a search.
//!
//! Each slot holds afterwards what its neighbours decide, whatever they are, so that nothing has to be looked for and no
//! branch depends on where the value belongs: some 12 ns, whoever comes or goes. It takes 208 bytes.

/// Most values.
pub(super) const LEN_MAX: usize = 24;

/// Slots that are worked out at a time: before any of them is written their neighbours have been read.
const BLOCK: usize = 8;

/// Values in ascending order, as many of each as have come. How many there are is known to the owner.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    /// What is missing at the end is infinite; before the first, and behind the last of the slots for values, is one each that
    /// stays so.
    slots: [f64; LEN_MAX + 2],
}

impl Ordered {
    /// Values in ascending order, [`LEN_MAX`] at most.
    pub(super) fn of(sorted: &[f64]) -> Self {
        let mut slots = [f64::INFINITY; LEN_MAX + 2];
        slots[0] = f64::NEG_INFINITY;
        slots[1..=sorted.len()].copy_from_slice(sorted);
        Self { slots }
    }

    /// The value that so many come before; infinite, where there are no more.
    pub(super) fn get(&self, place: usize) -> f64 {
        self.slots[1 + place.min(LEN_MAX)]
    }

    /// Adds a value, for which there is room.
    pub(super) fn add(&mut self, value: f64) {
        for block in (0..LEN_MAX / BLOCK).rev() {
            let (here, before) = (self.block(block, 1), self.block(block, 0));
            self.put(block, |place| smaller(here[place], larger(before[place], value)));
        }
    }

    /// Takes away a value that is there.
    pub(super) fn remove(&mut self, value: f64) {
        debug_assert!(self.slots.contains(&value), "a value goes that has come");
        for block in 0..LEN_MAX / BLOCK {
            let (here, behind) = (self.block(block, 1), self.block(block, 2));
            self.put(block, |place| {
                if here[place] < value {
                    here[place]
                } else {
                    behind[place]
                }
            });
        }
    }

    /// Cuts off what lies behind the first `len` values.
    pub(super) fn split_off(&mut self, len: usize) -> Self {
        let upper = Self::of(&self.slots[1 + len..=LEN_MAX]);
        self.slots[1 + len..].fill(f64::INFINITY);
        upper
    }

    /// Adds those of another, which are no smaller than these `len`, and for which there is room.
    pub(super) fn append(&mut self, len: usize, upper: &Self) {
        let room = &mut self.slots[1 + len..=LEN_MAX];
        room.copy_from_slice(&upper.slots[1..=room.len()]);
    }

    /// What lies in front of a block of values (0), in it (1), or behind it (2): as much as a block.
    fn block(&self, number: usize, shift: usize) -> [f64; BLOCK] {
        let begin = number * BLOCK + shift;
        let slots = self.slots[begin..begin + BLOCK].try_into();
        slots.expect("it is as long as a block")
    }

    fn put(&mut self, number: usize, value: impl Fn(usize) -> f64) {
        let begin = number * BLOCK + 1;
        self.slots[begin..begin + BLOCK].copy_from_slice(&std::array::from_fn::<_, BLOCK, _>(value));
    }
}

/// `f64::min` asks for NaN as well, which costs as much again.
pub(super) fn smaller(left: f64, right: f64) -> f64 {
    if left < right { left } else { right }
}

/// See [`smaller`].
pub(super) fn larger(left: f64, right: f64) -> f64 {
    if left > right { left } else { right }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(ordered: &Ordered) -> Vec<f64> {
        let all = (0..LEN_MAX).map(|place| ordered.get(place));
        all.take_while(|value| value.is_finite()).collect()
    }

    proptest! {
        #[test]
        fn it_is_as_a_plain_list_is(
            begun in prop::collection::vec(0_u8..50, 0..LEN_MAX),
            changes in prop::collection::vec((any::<bool>(), 0_u8..50, any::<prop::sample::Index>()), 0..100),
            at in any::<prop::sample::Index>(),
        ) {
            let mut plain: Vec<f64> = begun.into_iter().map(f64::from).collect();
            plain.sort_by(f64::total_cmp);
            let mut ordered = Ordered::of(&plain);
            for (comes, value, index) in changes {
                if comes && plain.len() < LEN_MAX {
                    let value = f64::from(value);
                    plain.insert(plain.partition_point(|other| *other < value), value);
                    ordered.add(value);
                } else if !plain.is_empty() {
                    ordered.remove(plain.remove(index.index(plain.len())));
                }
                prop_assert_eq!(&values(&ordered), &plain);
            }
            let at = at.index(plain.len() + 1);
            let upper = ordered.split_off(at);
            prop_assert_eq!((&values(&ordered)[..], &values(&upper)[..]), plain.split_at(at));
            ordered.append(at, &upper);
            prop_assert_eq!(&values(&ordered), &plain);
        }
    }
}
