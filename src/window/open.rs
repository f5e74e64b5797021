//! The open block: the newest samples of a window, not compressed yet.

use super::{Point, samples::OPEN_LEN_MAX};
use crate::save::{Damaged, Save, Saved};

/// Samples in order, at most `u16::MAX` of them, over less than 2^32 seconds.
///
/// Timestamps cost nothing while they are evenly spaced, as those of nearly all series are.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    values: Vec<f64>,
    first: i64,
    /// Distance of neighbours while all are the same.
    stride_s: u32,
    /// Once distances differ.
    uneven: Option<Box<Uneven>>,
}

/// Times of an open block, behind a pointer, as few series have them.
#[derive(Clone, Debug, Default)]
struct Uneven {
    /// Seconds since the first.
    offsets: Vec<u32>,
}

impl Open {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<Point> {
        let value = *self.values.get(place)?;
        Some(Point {
            timestamp: self.first + self.offset(place),
            value,
        })
    }

    /// Could `timestamp`, later than all here, be added?
    pub(super) fn takes(&self, timestamp: i64) -> bool {
        self.values.is_empty() || u32::try_from(timestamp - self.first).is_ok()
    }

    /// Would an empty one take all of these, which increase?
    pub(super) fn takes_all(timestamps: &[i64]) -> bool {
        match timestamps {
            [first, .., last] => u32::try_from(last - first).is_ok(),
            _ => true,
        }
    }

    /// Adds a point that is later than all here and that [`Self::takes`] has agreed to.
    pub(super) fn push(&mut self, point: Point) {
        if self.values.is_empty() {
            self.first = point.timestamp;
            self.uneven = None;
        } else {
            let offset = u32::try_from(point.timestamp - self.first).expect("`takes` has agreed");
            let count = u32::try_from(self.values.len()).expect("a block is short");
            if self.values.len() == 1 {
                self.stride_s = offset;
            }
            let even = self.stride_s.checked_mul(count) == Some(offset);
            if self.uneven.is_none() && !even {
                let offsets = (0..count).map(|place| place * self.stride_s).collect();
                self.uneven = Some(Box::new(Uneven { offsets }));
            }
            if let Some(uneven) = &mut self.uneven {
                uneven.offsets.push(offset);
            }
        }
        self.values.push(point.value);
    }

    /// Forgets all points.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The points from `place` on.
    pub(super) fn points_from(&self, place: usize) -> impl DoubleEndedIterator<Item = Point> {
        (place..self.len()).map(|place| Point {
            timestamp: self.first + self.offset(place),
            value: self.values[place],
        })
    }

    /// Reads the newest value.
    pub(super) fn touch(&self) -> u64 {
        self.values.last().map_or(0, |value| value.to_bits())
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let uneven = |uneven: &Uneven| size_of_val(uneven) + uneven.offsets.capacity() * size_of::<u32>();
        self.values.capacity() * size_of::<f64>() + self.uneven.as_deref().map_or(0, uneven)
    }

    fn offset(&self, place: usize) -> i64 {
        match &self.uneven {
            Some(uneven) => uneven.offsets[place].into(),
            None => i64::from(self.stride_s) * i64::try_from(place).expect("a block is short"),
        }
    }
}

/// The points: a count, the time of the first, and of each the seconds since the first and the value.
impl Save for Open {
    fn save(&self, out: &mut Vec<u8>) {
        u16::try_from(self.len()).expect("a block is short").save(out);
        self.first.save(out);
        for point in self.points_from(0) {
            let offset = u32::try_from(point.timestamp - self.first).expect("`takes` has agreed");
            offset.save(out);
            point.value.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let count = usize::from(u16::load(from)?);
        let first = i64::load(from)?;
        if count > OPEN_LEN_MAX as usize {
            return Err(Damaged("an open block is too long"));
        }
        let mut open = Self::default();
        for _ in 0..count {
            let point = Point {
                timestamp: first.saturating_add(u32::load(from)?.into()),
                value: f64::load(from)?,
            };
            let last = open.points_from(0).next_back();
            if !point.value.is_finite() || last.is_some_and(|last| last.timestamp >= point.timestamp) {
                return Err(Damaged(
                    "an open block holds a sample out of order or a value that is not finite",
                ));
            }
            if !open.takes(point.timestamp) {
                return Err(Damaged("an open block lasts too long"));
            }
            open.push(point);
        }
        Ok(open)
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_is_there(
            steps in proptest::collection::vec(prop_oneof![9 => Just(10_i64), 1 => 1_i64..100_000], 1..100),
            start in -1_000_000_i64..2_000_000_000,
        ) {
            let mut open = Open::default();
            let mut timestamp = start;
            let mut expected = Vec::new();
            for (place, step) in steps.into_iter().enumerate() {
                let point = Point { timestamp, value: place as f64 };
                prop_assert!(open.takes(timestamp));
                open.push(point);
                expected.push(point);
                prop_assert_eq!(open.get(place), Some(point));
                timestamp += step;
            }
            prop_assert_eq!(open.points_from(0).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn evenly_spaced_timestamps_cost_nothing() {
        let mut open = Open::default();
        for place in 0..100 {
            open.push(Point {
                timestamp: place * 10,
                value: 0.0,
            });
        }
        assert!(open.uneven.is_none());
    }

    #[test]
    fn a_gap_of_centuries_begins_another_block() {
        let mut open = Open::default();
        open.push(Point {
            timestamp: 0,
            value: 0.0,
        });
        assert!(open.takes(i64::from(u32::MAX)));
        assert!(!open.takes(i64::from(u32::MAX) + 1));
    }
}
