//! Ranks are held against values that are sorted anew each time.

use proptest::prelude::*;

use super::*;

const QUANTILES: [f64; 3] = [0.5, 0.99, 0.0];
const WISHES: Wishes<'_> = Wishes {
    quantiles: &QUANTILES,
    median_deviation: true,
};

/// Asks, and has the values read again where that is needed.
fn ask(ranks: &mut Ranks, values: &[f64], read: &mut usize) -> [Option<f64>; 5] {
    let mut answer = |ranks: &mut Ranks, question: &dyn Fn(&mut Ranks) -> Option<f64>| {
        question(ranks).or_else(|| {
            *read += 1;
            ranks.set(&mut values.to_vec(), WISHES);
            question(ranks)
        })
    };
    [
        answer(ranks, &|ranks| ranks.quantile(0, 0.5)),
        answer(ranks, &|ranks| ranks.quantile(1, 0.99)),
        answer(ranks, &|ranks| ranks.quantile(2, 0.0)),
        answer(ranks, &|ranks| ranks.median(0)),
        answer(ranks, &Ranks::median_deviation),
    ]
}

fn plainly(values: &[f64]) -> [Option<f64>; 5] {
    [
        plain::quantile(values, 0.5),
        plain::quantile(values, 0.99),
        plain::quantile(values, 0.0),
        plain::median(values),
        plain::median_deviation(values),
    ]
}

/// Values that wander, with copies or without.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let step = prop_oneof![8 => -50..50_i32, 4 => Just(7), 1 => -5000..5000_i32];
    (
        prop::collection::vec(step, 1..600),
        -3.0..3.0_f64,
        prop_oneof![Just(1.0), Just(0.013)],
    )
        .prop_map(|(values, slope, grain)| {
            let values = values.into_iter().map(f64::from).enumerate();
            let rise = |place: usize| (slope * f64::from(u32::try_from(place).unwrap())).floor();
            values.map(|(place, value)| (value + rise(place)) * grain).collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn ranks_are_those_of_the_sorted_values(values in values(), capacity in 1_usize..400) {
        let mut ranks = Ranks::default();
        let mut read = 0;
        for place in 0..values.len() {
            ranks.add(values[place]);
            let begin = (place + 1).saturating_sub(capacity);
            if place >= capacity {
                ranks.remove(values[place - capacity]);
            }
            let window = &values[begin..=place];
            let (answers, plainly) = (ask(&mut ranks, window, &mut read), plainly(window));
            prop_assert_eq!(answers, plainly, "at {}", place);
            prop_assert_eq!(ranks.total as usize, window.len());
        }
        // Four questions may each wander off once in REACH samples, or a region grow.
        prop_assert!(read <= 2 + values.len() / 4, "{} of {}", read, values.len());
    }
}

#[test]
fn values_that_only_rise_are_read_once_in_a_while() {
    let values: Vec<f64> = (0..5000_u32).map(f64::from).collect();
    let (mut ranks, mut read) = (Ranks::default(), 0);
    for place in 0..values.len() {
        ranks.add(values[place]);
        if place >= 1000 {
            ranks.remove(values[place - 1000]);
        }
        let window = &values[(place + 1).saturating_sub(1000)..=place];
        assert_eq!(ask(&mut ranks, window, &mut read), plainly(window));
    }
    assert!(read < 5000 / 60, "{read}");
    assert!(ranks.heap_bytes() < 48 << 10, "{}", ranks.heap_bytes());
}

#[test]
fn runs_are_cut_and_joined_as_values_move_through_them() {
    let wave = |place: usize, period: f64| (f64::from(u32::try_from(place).unwrap()) / period).sin();
    let noise = |place: usize| (wave(place, 0.07) * 43_758.545_3).fract();
    let values: Vec<f64> = (0..12_000)
        .map(|place| (100.0 * wave(place, 900.0) + 20.0 * wave(place, 31.0) + 30.0 * noise(place)).round())
        .collect();
    let capacity = 2000;
    let (mut ranks, mut read) = (Ranks::default(), 0);
    let mut largest = 0;
    for place in 0..values.len() {
        ranks.add(values[place]);
        if place >= capacity {
            ranks.remove(values[place - capacity]);
        }
        let window = &values[(place + 1).saturating_sub(capacity)..=place];
        let answers = ask(&mut ranks, window, &mut read);
        largest = largest.max(ranks.heap_bytes());
        if place % 40 == 0 {
            assert_eq!(answers, plainly(window), "at {place}");
        }
    }
    assert!(read < 200, "{read}");
    assert!(largest < 48 << 10, "{largest}");
}
