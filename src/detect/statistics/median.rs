//! Medians by selection, O(n): nothing is put in order but what is near the middle.

/// Values below which all are looked at closely.
const FEW: usize = 1024;
/// Values that tell where the middle is, about.
const SAMPLE: usize = 512;
/// Share of the sample either side of its middle that is taken to hold the middle of all: three and a half standard
/// deviations, and where it does not, all are looked at.
const MARGIN: usize = 12;

/// The middle value, or the mean of the two middle ones; `None` of nothing. `buffer` is memory to work with.
pub(crate) fn median(values: &[f64], buffer: &mut Vec<f64>) -> Option<f64> {
    if values.len() < FEW {
        buffer.clear();
        buffer.extend_from_slice(values);
        return middle_of(values, 0, buffer);
    }
    let (low, high) = middle_range(values, buffer);
    median_between(values, low, high, buffer)
}

/// The same, which is likely to lie from `low` to `high`: the fewer values lie there, the sooner it is found.
pub(crate) fn median_between(values: &[f64], low: f64, high: f64, buffer: &mut Vec<f64>) -> Option<f64> {
    let below = gather(values, low, high, buffer);
    middle_of(values, below, buffer)
}

/// The median of `values`, of which so many are below those in `buffer`. If it is not among these, all are looked at.
fn middle_of(values: &[f64], mut below: usize, buffer: &mut Vec<f64>) -> Option<f64> {
    let (lower_rank, upper_rank) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    if lower_rank < below || upper_rank - below >= buffer.len() {
        buffer.clear();
        buffer.extend_from_slice(values);
        below = 0;
    }
    let (smaller, &mut upper, _) = buffer.select_nth_unstable_by(upper_rank - below, f64::total_cmp);
    Some(if lower_rank == upper_rank {
        upper
    } else {
        let larger = |left, right| if left > right { left } else { right };
        let lower = smaller.iter().copied().reduce(larger);
        f64::midpoint(lower.unwrap_or(upper), upper)
    })
}

/// Two values between which a sample says that the median is.
fn middle_range(values: &[f64], buffer: &mut Vec<f64>) -> (f64, f64) {
    buffer.clear();
    buffer.extend(values.iter().step_by(values.len() / SAMPLE));
    let middle = buffer.len() / 2;
    let margin = buffer.len() / MARGIN;
    let (_, &mut low, above) = buffer.select_nth_unstable_by(middle - margin, f64::total_cmp);
    let (_, &mut high, _) = above.select_nth_unstable_by(2 * margin - 1, f64::total_cmp);
    (low, high)
}

/// Puts the values from `low` to `high` into `buffer`; gives how many are below these.
fn gather(values: &[f64], low: f64, high: f64, buffer: &mut Vec<f64>) -> usize {
    // Every value is written, and the next one over it unless it is to stay: there is nothing to be guessed wrong.
    buffer.clear();
    buffer.resize(values.len(), 0.0);
    let (mut gathered, mut below) = (0, 0);
    for &value in values {
        buffer[gathered] = value;
        gathered += usize::from(low <= value && value <= high);
        below += usize::from(value < low);
    }
    buffer.truncate(gathered);
    below
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain_median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
    }

    proptest! {
        #[test]
        fn it_is_the_middle_of_the_sorted_values(
            values in prop::collection::vec(-20_i8..20, 1..60),
            times in prop_oneof![Just(1_usize), 30..70_usize],
            spread in any::<bool>(),
        ) {
            let many = values.len() * times;
            let jitter = |place: usize| f64::from(u32::try_from(place * 7919 % 1009).unwrap()) / 1009.0;
            let spread = |place: usize| if spread { jitter(place) } else { 0.0 };
            let values: Vec<f64> = (0..many).map(|place| f64::from(values[place / times]) + spread(place)).collect();
            prop_assert_eq!(median(&values, &mut vec![7.0]), Some(plain_median(values)));
        }

        #[test]
        fn wherever_it_is_looked_for_it_is_found(
            values in prop::collection::vec(-20_i8..20, 1..60),
            low in -25_i8..25,
            high in -25_i8..25,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let found = median_between(&values, f64::from(low), f64::from(high), &mut vec![7.0]);
            prop_assert_eq!(found, Some(plain_median(values)));
        }
    }

    #[test]
    fn a_sample_that_misleads_does_not_show() {
        // Every fourth value, which is what is looked at first, is large.
        let values: Vec<f64> = (0..2048)
            .map(|place| {
                if place % 4 == 0 {
                    1e6 + f64::from(place)
                } else {
                    f64::from(place)
                }
            })
            .collect();
        assert_eq!(median(&values, &mut Vec::new()), Some(plain_median(values)));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median(&[], &mut Vec::new()), None);
    }
}
