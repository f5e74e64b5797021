//! The largest of the values that come and go, in the order in which they came: those that no later one exceeds.
//!
//! The list of these is as long as the window where values only fall. So it ends after [`LEN_MAX`], and of all later ones
//! only the largest is known; when the list has been used up, the samples are read again. That is one in [`LEN_MAX`]
//! samples at worst, and 1 KB. It is not saved: read again, it comes out the same.

use std::collections::VecDeque;

/// Values that are listed.
const LEN_MAX: usize = 64;

/// The largest value, for as long as it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Largest {
    /// Each with its number, the oldest first: every one larger than all behind it.
    list: VecDeque<(f64, u32)>,
    /// The largest of those behind the list, and smaller than its last; `None`: nothing is behind it.
    rest: Option<f64>,
}

impl Largest {
    /// That of values which have still to be read.
    pub(super) fn unread() -> Self {
        Self {
            list: VecDeque::new(),
            rest: Some(f64::INFINITY),
        }
    }

    /// Takes in a value, with a number that counts them.
    pub(super) fn add(&mut self, value: f64, number: u32) {
        if self.rest.is_some_and(|rest| value < rest) {
            return;
        }
        while self.list.back().is_some_and(|(last, _)| *last <= value) {
            self.list.pop_back();
        }
        if self.list.len() < LEN_MAX {
            self.rest = None;
            self.list.push_back((value, number));
        } else {
            self.rest = Some(value);
        }
    }

    /// The values with numbers below `first` are gone.
    pub(super) fn remove_before(&mut self, first: u32) {
        while self.list.front().is_some_and(|(_, number)| *number < first) {
            self.list.pop_front();
        }
    }

    /// The largest; `None` of nothing, or when the values have to be read again.
    pub(super) fn get(&self) -> Option<f64> {
        self.list.front().map(|(value, _)| *value)
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<(f64, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_largest_of_what_is_there(
            steps in prop::collection::vec((-3_i32..=3, any::<bool>()), 1..800),
            fall in 0_i32..3,
        ) {
            let mut largest = Largest::default();
            let mut values: Vec<f64> = Vec::new();
            let (mut level, mut first) = (0, 0_usize);
            let mut read_again = 0;
            for (step, leaves) in steps {
                level += step - fall;
                let number = u32::try_from(values.len()).unwrap();
                values.push(f64::from(level));
                largest.add(f64::from(level), number);
                if leaves && first + 1 < values.len() {
                    first += 1;
                    largest.remove_before(u32::try_from(first).unwrap());
                }
                if values.len() == 100 {
                    largest = Largest::unread();
                    largest.add(f64::from(level), number);
                }
                if largest.get().is_none() {
                    read_again += 1;
                    largest = Largest::default();
                    for (number, value) in (0_u32..).zip(&values).skip(first) {
                        largest.add(*value, number);
                    }
                }
                let plainly = values[first..].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert_eq!(largest.get(), Some(plainly));
            }
            prop_assert!(read_again <= 1 + values.len() / LEN_MAX);
        }
    }
}
