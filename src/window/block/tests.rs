//! Blocks give back what went in, whatever it was, and take nothing on trust that comes from outside.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "small numbers, and equality is what is meant"
)]
mod changed;

use super::*;
use proptest::prelude::*;

/// Seals, checks every way back, and returns the block.
#[track_caller]
fn round_trip(timestamps: &[i64], values: &[f64]) -> Block {
    let block = Block::seal(timestamps, values, &mut Scratch::default());
    let expected: Vec<(i64, u64)> = timestamps
        .iter()
        .copied()
        .zip(values.iter().map(|value| value.to_bits()))
        .collect();
    let mut decoded = Vec::new();
    block.decode(|timestamp, value| decoded.push((timestamp, value.to_bits())));
    same(&decoded, &expected);
    same(&stepped(&block), &expected);
    assert_eq!(block.len(), values.len());
    assert_eq!(
        (block.first_timestamp(), block.last_timestamp()),
        (timestamps[0], timestamps[timestamps.len() - 1])
    );
    assert_eq!(Block::from_bytes(block.as_bytes().into()), Ok(block.clone()));
    let (lasting, len) = Block::seal_for_long(timestamps, values, &mut Scratch::default());
    assert!(len * 4 >= values.len() * 3, "{len} of {}", values.len());
    same(&stepped(&lasting), &expected[..len]);
    let mut decoded = Vec::new();
    lasting.decode(|timestamp, value| decoded.push((timestamp, value.to_bits())));
    same(&decoded, &expected[..len]);
    assert_eq!(lasting.len(), len);
    assert_eq!(lasting.last_timestamp(), timestamps[len - 1]);
    assert_eq!(Block::from_bytes(lasting.as_bytes().into()), Ok(lasting));
    block
}

#[track_caller]
fn same(found: &[(i64, u64)], expected: &[(i64, u64)]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "sample {i}");
    }
}

fn stepped(block: &Block) -> Vec<(i64, u64)> {
    let mut cursor = block.cursor();
    std::iter::from_fn(|| cursor.next(block))
        .map(|(timestamp, value)| (timestamp, value.to_bits()))
        .collect()
}

fn every_10_s(values: &[f64]) -> Vec<i64> {
    (0..values.len())
        .map(|i| 1_700_000_000 + 10 * i64::try_from(i).unwrap())
        .collect()
}

/// Bytes without the handle, for so many values.
#[track_caller]
fn bytes(values: &[f64]) -> usize {
    let timestamps = every_10_s(values);
    round_trip(&timestamps, values);
    let (block, len) = Block::seal_for_long(&timestamps, values, &mut Scratch::default());
    block.as_bytes().len() * values.len() / len
}

/// Numbers below `below`, the same in each run.
fn noise(n: usize, below: u64) -> impl Iterator<Item = u64> {
    let mut state = 88_172_645_463_325_252_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    })
    .take(n)
}

fn numbers(n: usize, below: u64) -> impl Iterator<Item = f64> {
    noise(n, below).map(|x| f64::from(u32::try_from(x).unwrap()))
}

#[test]
fn handle_and_cursor_are_small() {
    assert_eq!(size_of::<Block>(), 16);
    assert_eq!(size_of::<Cursor>(), 32);
}

#[test]
fn a_constant_takes_a_header() {
    assert!(bytes(&[45.0; BLOCK_LEN]) <= 16);
    assert!(bytes(&[0.1 + 0.2; BLOCK_LEN]) <= 24);
    assert!(bytes(&[-0.0; BLOCK_LEN]) <= 24);
}

#[test]
fn a_regular_counter_takes_a_header() {
    assert!(bytes(&(0..BLOCK_LEN).map(|i| 1e9 + 17.0 * i as f64).collect::<Vec<_>>()) <= 24);
}

#[test]
fn decimals_take_what_their_digits_carry() {
    // 10 bits of noise each, and little else.
    let values: Vec<f64> = numbers(512, 1024).map(|k| (4000.0 + k) / 100.0).collect();
    assert!(bytes(&values) < 512 * 12 / 8);
}

#[test]
fn neighbours_of_decimals_take_two_bits_more() {
    let values: Vec<f64> = numbers(512, 1024)
        .map(|k| (4000.0 + k) / 1000.0 * 3.0 / 3.0 + 0.1 - 0.1)
        .collect();
    assert!(values.iter().any(|value| (value * 1000.0).round() / 1000.0 != *value));
    assert!(bytes(&values) < 512 * 15 / 8);
}

/// As quick readers read a number, pandas among them: digits as a whole number, divided by 10, 100, 10^4, … for each bit in the
/// count of decimals.
fn quickly_read(text: &str) -> f64 {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let digits = before
        .chars()
        .chain(after.chars())
        .filter_map(|digit| digit.to_digit(10));
    let mut number = digits.fold(0.0, |number, digit| number * 10.0 + f64::from(digit));
    let (mut left, mut step) = (after.len(), 10.0);
    while left > 0 {
        if left % 2 == 1 {
            number /= step;
        }
        left /= 2;
        step *= step;
    }
    sign * number
}

#[test]
fn what_quick_readers_made_of_decimals_takes_what_the_decimals_carry() {
    let values: Vec<f64> = numbers(512, 1024)
        .map(|k| quickly_read(&((45_000.0 + k) / 1000.0).to_string()))
        .collect();
    let exact = values.iter().filter(|value| value.to_string().len() <= 6).count();
    assert!((300..500).contains(&exact), "{exact}");
    assert!(bytes(&values) < 512 * 12 / 8);
    let singles: Vec<f64> = noise(512, 1 << 20)
        .map(|x| quickly_read(&printed_single(f32::from_bits(0x3b80_0000 + x as u32)).to_string()))
        .collect();
    assert!(bytes(&singles) < 512 * 43 / 16);
}

#[test]
fn ratios_take_what_their_numerators_carry() {
    let exact: Vec<f64> = numbers(512, 1024).map(|k| k / 60.0).collect();
    assert!(bytes(&exact) < 512 * 13 / 8);
    let printed: Vec<f64> = exact
        .iter()
        .map(|value| format!("{value:.9}").parse().unwrap())
        .collect();
    assert!(bytes(&printed) < 512 * 13 / 8);
    // As %.15g prints, near enough.
    let significant: Vec<f64> = exact
        .iter()
        .map(|value| format!("{:.14e}", value + 1000.0).parse().unwrap())
        .collect();
    assert!(bytes(&significant) < 512 * 13 / 8);
}

#[test]
fn significant_digits_take_what_they_carry() {
    // As %.6g prints, from 0.05 to 5: 17 bits of noise each, where seven decimals would take 23.
    let values: Vec<f64> = noise(512, 10_000)
        .zip(noise(1024, 30).skip(512))
        .map(|(k, size)| {
            let about = 0.05 * 10_f64.powf(size as f64 / 15.0) * (1.0 + k as f64 / 100_000.0);
            format!("{about:.5e}").parse().unwrap()
        })
        .collect();
    let decimals = values
        .iter()
        .filter(|value| (*value * 1e7).round() / 1e7 == **value)
        .count();
    assert_eq!(decimals, values.len());
    assert!(bytes(&values) < 512 * 22 / 8);
    let below_zero: Vec<f64> = values
        .iter()
        .zip([1.0, -1.0].iter().cycle())
        .map(|(x, sign)| x * sign)
        .collect();
    round_trip(&every_10_s(&below_zero), &below_zero);
}

#[test]
fn means_of_a_few_things_take_two_small_numbers() {
    // Five bits of count, ten of sum, against 53 of a double.
    let means: Vec<f64> = numbers(512, 1024)
        .zip(noise(512, 30))
        .map(|(sum, n)| {
            let n = (n + 1) as f64;
            (500.0 * n + sum) / n
        })
        .collect();
    assert!(bytes(&means) < 512 * 22 / 8);
    // As %.15g prints, near enough.
    let printed: Vec<f64> = means
        .iter()
        .map(|mean| format!("{mean:.14e}").parse().unwrap())
        .collect();
    assert!(bytes(&printed) < 512 * 22 / 8);
}

/// As .NET prints a number of single precision: with seven digits if they come back as the same number, else with nine.
fn printed_single(x: f32) -> f64 {
    let seven = format!("{x:.6e}");
    let is_enough = seven.parse::<f32>() == Ok(x);
    let printed = if is_enough { seven } else { format!("{x:.8e}") };
    printed.parse().unwrap()
}

#[test]
fn printed_single_precision_takes_what_its_bits_carry() {
    let values: Vec<f64> = noise(512, 1 << 20)
        .map(|x| printed_single(f32::from_bits(0x3b80_0000 + x as u32)))
        .collect();
    assert!(bytes(&values) < 512 * 23 / 8);
    // Shares of small counts take the two counts, and printing them costs nothing.
    let shares: Vec<f64> = numbers(512, 16)
        .zip(noise(512, 30))
        .map(|(k, n)| printed_single(k as f32 / (100 + n) as f32))
        .collect();
    assert!(bytes(&shares) < 512 * 16 / 8);
}

#[test]
fn means_of_many_things_take_how_both_numbers_wander() {
    // Some 200,000 things, a few thousand more or less each time, and a mean that goes up and down by a hundredth.
    let means: Vec<f64> = noise(512, 4096)
        .zip(noise(1024, 4096).skip(512))
        .map(|(n, off)| {
            let n = 200_000 + n;
            ((20 * n + off) as f64 / n as f64 * 1e13).round() / 1e13
        })
        .collect();
    assert!(bytes(&means) < 512 * 30 / 8);
}

#[test]
fn percentages_and_means_of_cents_take_their_counts() {
    // Some 10 bits of each count; the hundred, or the thousand, is in neither.
    for unit in [100.0, 0.01, 1000.0, 0.001] {
        let values: Vec<f64> = numbers(512, 1024)
            .zip(noise(1024, 1000).skip(512))
            .map(|(k, n)| {
                let (k, n) = (k + 9000.0, n as f64 + 2000.0);
                let value = if unit > 1.0 {
                    unit * k / n
                } else {
                    k / (n / unit).round()
                };
                format!("{value:.14e}").parse().unwrap()
            })
            .collect();
        assert!(bytes(&values) < 512 * 28 / 8, "{unit}: {}", bytes(&values));
    }
}

#[test]
fn minus_zero_among_ratios_and_means_stays_itself() {
    for most in [1, 30] {
        let mut values: Vec<f64> = numbers(100, 99)
            .zip(noise(100, most))
            .map(|(k, n)| k / (60.0 + n as f64))
            .collect();
        values[50] = -0.0;
        values[60] = 0.0;
        bytes(&values);
    }
}

#[test]
fn single_precision_takes_half() {
    let values: Vec<f64> = noise(512, 1 << 22)
        .map(|x| f64::from(f32::from_bits(0xbf80_0000 + x as u32)))
        .collect();
    assert!(bytes(&values) < 512 * 25 / 8);
}

#[test]
fn few_distinct_values_take_a_dictionary() {
    let values: Vec<f64> = noise(512, 4)
        .map(|i| [0.1 + 0.2, 1.0 / 3.0, 2e300, -5.5][i as usize])
        .collect();
    assert!(bytes(&values) < 512 * 3 / 8 + 60);
}

#[test]
fn one_outlier_among_counts_costs_itself() {
    let mut values: Vec<f64> = numbers(512, 8).collect();
    let without = bytes(&values);
    values[200] = std::f64::consts::PI;
    assert!(bytes(&values) <= without + 24);
}

#[test]
fn a_missing_hour_costs_a_few_bytes() {
    let values = vec![1.0; 300];
    let mut timestamps = every_10_s(&values);
    for timestamp in &mut timestamps[120..] {
        *timestamp += 3600;
    }
    assert!(round_trip(&timestamps, &values).as_bytes().len() <= 24);
}

#[test]
fn seconds_of_jitter_cost_bits() {
    let values = vec![1.0; 512];
    let timestamps: Vec<i64> = every_10_s(&values)
        .iter()
        .zip(noise(512, 3))
        .map(|(timestamp, off)| timestamp + off as i64)
        .collect();
    assert!(round_trip(&timestamps, &values).as_bytes().len() <= 512 * 3 / 8 + 32);
}

#[test]
fn ends_of_the_numbers() {
    let extremes = [
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        f64::MAX,
        f64::MIN,
        1.0,
        -1.0,
        1e22,
        1e23,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        9.3e18,
        -9.3e18,
        1e-5,
        1e-300,
    ];
    for &one in &extremes {
        round_trip(&[i64::MIN], &[one]);
        for &other in &extremes {
            let values: Vec<f64> = [one, other].into_iter().cycle().take(100).collect();
            bytes(&values);
        }
    }
    bytes(&extremes);
}

#[test]
fn ends_of_time() {
    round_trip(&[i64::MIN, i64::MAX], &[1.0, 2.0]);
    round_trip(&[i64::MIN, -1, 0, 1, i64::MAX], &[1.0; 5]);
    let far: Vec<i64> = (0..100).map(|i: i64| i * i * i * i * i * i * i - (1 << 60)).collect();
    round_trip(&far, &[1.5; 100]);
}

#[test]
fn a_lasting_block_fills_an_allocation() {
    for below in [3, 1000, 1 << 30] {
        let values: Vec<f64> = numbers(500, below).collect();
        let (block, len) = Block::seal_for_long(&every_10_s(&values), &values, &mut Scratch::default());
        let bytes = block.as_bytes().len();
        let allocated = bytes.next_multiple_of(bytes.next_power_of_two() / 8);
        assert!(allocated - bytes <= bytes / 50, "{bytes} of {allocated} bytes");
        assert!(len >= 400, "{len} of 500 samples");
    }
}

#[test]
fn a_scratch_leaves_nothing_behind() {
    let mut scratch = Scratch::default();
    let shapes = [
        vec![1.0 / 3.0; 9],
        numbers(300, 99).collect(),
        vec![0.1 + 0.2, 5e-324, 7.0],
        vec![4.25; 600],
        noise(300, 4)
            .map(|i| [0.1 + 0.2, 1.0 / 3.0, 2e300, -5.5][i as usize])
            .collect(),
        numbers(300, 999)
            .zip(noise(300, 30))
            .map(|(k, n)| k / (n + 1) as f64)
            .collect(),
    ];
    for values in shapes.iter().chain(shapes.iter().rev()) {
        let timestamps = every_10_s(values);
        let again = Block::seal(&timestamps, values, &mut scratch);
        assert_eq!(again, Block::seal(&timestamps, values, &mut Scratch::default()));
        let again = Block::seal_for_long(&timestamps, values, &mut scratch);
        assert_eq!(
            again,
            Block::seal_for_long(&timestamps, values, &mut Scratch::default())
        );
    }
}

#[test]
fn bytes_that_are_no_block() {
    #[track_caller]
    fn refused(bytes: &[u8], why: BlockError) {
        assert_eq!(Block::from_bytes(bytes.into()), Err(why));
    }
    let values: Vec<f64> = numbers(100, 1000).collect();
    let block = round_trip(&every_10_s(&values), &values);
    let good = block.as_bytes();
    refused(&[], BlockError::Header);
    refused(&good[..7], BlockError::Header);
    refused(&good[..9], BlockError::Header);
    refused(&good[..good.len() - 1], BlockError::Length);
    refused(&[good, &[0]].concat(), BlockError::Length);
    let mut unknown = good.to_vec();
    unknown[2] = 62;
    refused(&unknown, BlockError::Header);
    let infinite = Block::seal(&[7], &[f64::INFINITY], &mut Scratch::default());
    refused(infinite.as_bytes(), BlockError::Sample);
    let backwards = Block::seal(&[7, 6], &[1.0; 2], &mut Scratch::default());
    refused(backwards.as_bytes(), BlockError::Sample);
}

fn any_finite() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |value| value.is_finite())
}

/// One kind of number.
fn number() -> BoxedStrategy<BoxedStrategy<f64>> {
    prop_oneof![
        (0_usize..20, 1_i64..1 << 50).prop_map(|(decimals, most)| (-most..=most)
            .prop_map(move |k| format!("{k}e-{decimals}").parse().unwrap())
            .boxed()),
        (0_usize..20, 1_i64..1 << 50).prop_map(|(decimals, most)| (-most..=most)
            .prop_map(move |k| quickly_read(&format!("{:.decimals$}", k as f64 / 10_f64.powi(decimals as i32))))
            .boxed()),
        (2_usize..12, -9_i32..9).prop_map(|(digits, power)| (any_finite(), -4_i32..4)
            .prop_map(move |(x, step)| {
                let mantissa = f64::from_bits(x.to_bits() & ((1 << 52) - 1) | 1023 << 52);
                format!("{:.digits$e}", mantissa * 10_f64.powi(power + step))
                    .parse()
                    .unwrap()
            })
            .boxed()),
        (0_i32..5, 1_i64..1 << 30).prop_map(|(decimals, most)| (0..=most, -4_i64..=4)
            .prop_map(move |(k, ulps)| {
                let near = k as f64 / 10_f64.powi(decimals);
                f64::from_bits(near.to_bits().saturating_add_signed(ulps))
            })
            .boxed()),
        (1_u16..400, 0_usize..16).prop_map(|(divisor, digits)| (0_u32..100_000)
            .prop_map(move |k| format!("{:.digits$e}", f64::from(k) / f64::from(divisor))
                .parse()
                .unwrap())
            .boxed()),
        (1_u32..3000, 0_usize..17, any::<bool>()).prop_map(|(most, digits, cut)| (-100_000_i32..100_000, 1..=most)
            .prop_map(move |(k, n)| {
                let mean = f64::from(k) / f64::from(n);
                if cut {
                    format!("{mean:.digits$e}").parse().unwrap()
                } else {
                    mean
                }
            })
            .boxed()),
        (1_u32..3000, -9_i32..9).prop_map(|(most, power)| (-100_000_i32..100_000, 1..=most)
            .prop_map(move |(k, n)| match power {
                0.. => f64::from(k) * 10_f64.powi(power) / f64::from(n),
                _ => f64::from(k) / (f64::from(n) * 10_f64.powi(-power)),
            })
            .boxed()),
        (1_i64..=i64::MAX).prop_map(|most| (-most..=most).prop_map(|k| k as f64).boxed()),
        any_finite().prop_map(|value| Just(value).boxed()),
        proptest::collection::vec(any_finite(), 1..9).prop_map(|few| proptest::sample::select(few).boxed()),
        (any_finite(), 0_u64..1 << 40).prop_map(|(about, most)| (0..=most)
            .prop_map(move |off| {
                let near = f64::from_bits(about.to_bits().wrapping_add(off));
                if near.is_finite() { near } else { about }
            })
            .boxed()),
        Just((-1e-308_f64..1e-308).boxed()),
        Just(
            any::<f32>()
                .prop_filter("finite", |x| x.is_finite())
                .prop_map(f64::from)
                .boxed()
        ),
        Just(
            any::<f32>()
                .prop_filter("finite", |x| x.is_finite())
                .prop_map(printed_single)
                .boxed()
        ),
        Just(
            (-1e-4_f32..1.0)
                .prop_map(|x| quickly_read(&printed_single(x).to_string()))
                .boxed()
        ),
        (1_u32..300_000, 0_i32..5000, 1_u32..1000).prop_map(|(n, most, share)| {
            let above = 1 + n / share;
            (-most..=most, n..n + above)
                .prop_map(|(k, n)| printed_single(k as f32 / n as f32))
                .boxed()
        }),
        Just(any_finite().boxed()),
    ]
    .boxed()
}

/// Values of one kind, with a few of another between them.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let len = prop_oneof![1_usize..6, 1_usize..300, Just(BLOCK_LEN)];
    (number(), number(), len, 0.0..0.2, any::<bool>()).prop_flat_map(|(usual, odd, len, odds, sums)| {
        proptest::collection::vec(
            prop_oneof![99 => (Just(false), usual.clone()), 1 => (Just(true), usual)].prop_flat_map({
                let odd = odd.clone();
                move |(_, usual)| (Just(usual), odd.clone(), proptest::bool::weighted(odds))
            }),
            len,
        )
        .prop_map(move |drawn| {
            let mut sum = 0.0;
            drawn
                .into_iter()
                .map(|(usual, odd, is_odd)| {
                    let next = if is_odd { odd } else { usual };
                    sum += next;
                    if sums && f64::is_finite(sum) { sum } else { next }
                })
                .collect()
        })
    })
}

/// That many timestamps, strictly increasing.
fn timestamps(n: usize) -> impl Strategy<Value = Vec<i64>> {
    let steps = prop_oneof![
        (1_i64..1000).prop_map(|stride| Just(stride).boxed()),
        (1_i64..100, 0.0..0.1_f64, 1_i64..1 << 44).prop_map(|(stride, odds, gap)| (
            proptest::bool::weighted(odds),
            1..=gap
        )
            .prop_map(move |(is_gap, gap)| if is_gap { gap } else { stride })
            .boxed()),
        (1_i64..1 << 50).prop_map(|most| (1..=most).boxed()),
    ];
    let first = prop_oneof![Just(1_700_000_000), -100_000_i64..100_000, Just(-(1_i64 << 62))];
    (first, steps).prop_flat_map(move |(first, steps)| {
        proptest::collection::vec(steps, n).prop_map(move |steps| {
            steps
                .into_iter()
                .scan(first, |time, step| {
                    *time += step;
                    Some(*time)
                })
                .collect()
        })
    })
}

fn samples() -> impl Strategy<Value = (Vec<i64>, Vec<f64>)> {
    values().prop_flat_map(|values| (timestamps(values.len()), Just(values)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_went_in_comes_out((timestamps, values) in samples()) {
        round_trip(&timestamps, &values);
    }

    #[test]
    fn damage_is_refused_or_decodes_to_something(
        (timestamps, values) in samples(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        head in any::<bool>(),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (block, _) = Block::seal_for_long(&timestamps, &values, &mut Scratch::default());
        let mut bytes = block.as_bytes().to_vec();
        for (at, to) in damage {
            let within = if head { bytes.len().min(24) } else { bytes.len() };
            bytes[at.index(within)] = to;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(bytes);
    }

    #[test]
    fn what_is_said_to_be_finite_is(code in any::<u8>(), divisor in any::<u16>(), center in any::<u32>(), key in keys()) {
        if let Some(transform) = Transform::from_code(code, divisor, center) {
            let value = transform.value(key);
            prop_assert_eq!(transform.is_finite(key), value.is_finite(), "{:?} {}", transform, value);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_decode_to_something(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(bytes);
    }
}

/// Keys, of which many are at an edge: of all, of single precision, and of what is infinite as an ordered one.
fn keys() -> impl Strategy<Value = i64> {
    let edges = [
        0,
        i64::MAX,
        i64::from(f32::INFINITY.to_bits()),
        f64::INFINITY.to_bits().cast_signed(),
    ];
    let near = (prop::sample::select(edges.to_vec()), -2..=2_i64, any::<bool>()).prop_map(|(edge, off, above)| {
        if above {
            edge.wrapping_add(off)
        } else {
            !edge.wrapping_add(off)
        }
    });
    prop_oneof![any::<i64>(), near]
}

/// What `from_bytes` lets through keeps a block's promises; what it does not, decodes without harm all the same.
#[track_caller]
fn survives(bytes: Vec<u8>) {
    let bytes = bytes.into_boxed_slice();
    if let Ok(block) = Block::from_bytes(bytes.clone()) {
        let mut decoded = Vec::new();
        block.decode(|timestamp, value| {
            assert!(value.is_finite());
            decoded.push((timestamp, value.to_bits()));
        });
        assert_eq!(decoded.len(), block.len());
        assert!(decoded.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(decoded.first().map(|sample| sample.0), Some(block.first_timestamp()));
        assert_eq!(decoded.last().map(|sample| sample.0), Some(block.last_timestamp()));
        assert_eq!(stepped(&block), decoded);
        changed::survives(&block, &decoded);
    } else {
        let block = Block { bytes };
        let mut decoded = 0;
        block.decode(|_, _| decoded += 1);
        assert_eq!(decoded, stepped(&block).len());
    }
}
