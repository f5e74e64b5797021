//! Counters: from totals that only grow to rates.
//!
//! A rate is the difference of two totals over the real time between them, however long that is: a gap does not make a
//! spike. The first total of a series gives no rate. Nor does one that is smaller than the total before it: the counter was
//! reset, and how far it had come before that nobody knows. Whether it was reset or wrapped around at 32 or 64 bits is not
//! guessed. Both *prime* the next rate, and count as that.

use crate::window::{OutOfOrder, Point};

/// The last total of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counter {
    last: Option<Point>,
}
crate::save::fields!(Counter { last });

/// Why a total gives no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRate {
    /// It is what the next is compared with.
    Priming,
    /// Its time is not after that of the total before it.
    OutOfOrder(OutOfOrder),
}

impl Counter {
    /// The rate (per second) that `total` ends.
    pub(super) fn rate(&mut self, total: Point) -> Result<Point, NoRate> {
        let before = match self.last {
            Some(last) if total.timestamp < last.timestamp => return Err(NoRate::OutOfOrder(OutOfOrder::Late)),
            Some(last) if total.timestamp == last.timestamp => return Err(NoRate::OutOfOrder(OutOfOrder::Duplicate)),
            before => before,
        };
        self.last = Some(total);
        let before = before.ok_or(NoRate::Priming)?;
        #[expect(clippy::cast_precision_loss, reason = "timestamps are bounded far below 2^53")]
        let seconds = (total.timestamp - before.timestamp) as f64;
        let value = (total.value - before.value) / seconds;
        // Totals near the end of all numbers may be too far apart for one.
        if total.value >= before.value && value.is_finite() {
            Ok(Point { value, ..total })
        } else {
            Err(NoRate::Priming)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(totals: &[(i64, f64)]) -> Vec<Result<f64, NoRate>> {
        let mut counter = Counter::default();
        let rate = |&(timestamp, value): &(i64, f64)| counter.rate(Point { timestamp, value });
        totals
            .iter()
            .map(rate)
            .map(|rate| rate.map(|point| point.value))
            .collect()
    }

    #[test]
    fn a_rate_is_over_the_real_time() {
        let found = rates(&[(0, 100.0), (10, 150.0), (20, 150.0), (3620, 186.0), (3630, 187.0)]);
        assert_eq!(found, [Err(NoRate::Priming), Ok(5.0), Ok(0.0), Ok(0.01), Ok(0.1)]);
    }

    #[test]
    fn a_reset_primes_anew() {
        let found = rates(&[(0, 1e6), (10, 1e6 + 50.0), (20, 30.0), (30, 90.0)]);
        assert_eq!(found, [Err(NoRate::Priming), Ok(5.0), Err(NoRate::Priming), Ok(6.0)]);
    }

    #[test]
    fn what_is_no_later_changes_nothing() {
        let out_of_order = |order| Err(NoRate::OutOfOrder(order));
        let found = rates(&[(0, 1.0), (10, 11.0), (10, 500.0), (5, 600.0), (20, 21.0)]);
        let expected = [
            Err(NoRate::Priming),
            Ok(1.0),
            out_of_order(OutOfOrder::Duplicate),
            out_of_order(OutOfOrder::Late),
            Ok(1.0),
        ];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn rates_are_finite_and_not_negative(totals in proptest::collection::vec((0_i64..1000, any::<f64>()), 1..50)) {
            let totals: Vec<_> = totals.into_iter().filter(|(_, value)| value.is_finite()).collect();
            for rate in rates(&totals).into_iter().flatten() {
                prop_assert!(rate.is_finite() && rate >= 0.0);
            }
        }
    }
}
