//! Windows against lists of samples that are kept in the clear.
#![expect(clippy::cast_precision_loss, reason = "small numbers")]

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const SPAN_S: i64 = 3600;
/// The age at which the tests' second edge follows.
const YOUNGER_S: i64 = 2000;

fn steps() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![60 => Just(5_i64), 10 => 1_i64..30, 2 => 500_i64..5000, 1 => Just(6_000_000_000)];
    let mostly_even = prop_oneof![500 => Just(4_i64), 1 => 1_i64..30, 1 => 3000_i64..4000];
    prop_oneof![
        proptest::collection::vec(step, 1..3000),
        proptest::collection::vec(mostly_even, 1000..4000)
    ]
}

/// What is read after it was saved.
fn again<T>(save: impl FnOnce(&mut Vec<u8>), load: impl FnOnce(&mut Saved<'_>) -> Result<T, Damaged>) -> T {
    let mut bytes = Vec::new();
    save(&mut bytes);
    let mut saved = Saved::new(&bytes);
    let loaded = load(&mut saved).unwrap();
    assert!(saved.is_empty());
    loaded
}

#[track_caller]
fn close(left: Option<f64>, right: Option<f64>, scale: f64) {
    match (left, right) {
        (Some(left), Some(right)) => assert!((left - right).abs() <= 1e-9 * scale, "{left} is not {right}"),
        (left, right) => assert_eq!(left, right),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_window_is_the_samples_of_its_span(steps in steps(), seed in any::<u64>()) {
        let mut scratch = Scratch::default();
        let mut window = Window::with_statistics(SPAN_S);
        let mut bare = Window::new(SPAN_S);
        let mut plain: VecDeque<Point> = VecDeque::new();
        let mut younger = Edge::default();
        let mut oldest = Edge::default();
        let (mut idle, mut unlooked) = (Edge::default(), Vec::new());
        let mut passed: Vec<Point> = Vec::new();
        let mut timestamp = 1_700_000_000;
        for (place, step) in steps.into_iter().enumerate() {
            timestamp += step;
            let random = (place as u64 + 1).wrapping_mul(seed | 1) >> 40;
            let point = Point { timestamp, value: random as f64 / 100.0 };
            let mut expired = Vec::new();
            window.push(point, &mut scratch, |point| expired.push(point)).unwrap();
            let mut expected = Vec::new();
            while plain.front().is_some_and(|old| old.timestamp <= timestamp - SPAN_S) {
                expected.extend(plain.pop_front());
            }
            plain.push_back(point);
            prop_assert_eq!(&expired, &expected);
            prop_assert_eq!(window.len(), plain.len());
            prop_assert_eq!(window.last(), Some(point));
            bare.push(point, &mut scratch, |_| {}).unwrap();
            let mut left = Vec::new();
            while let Some(old) = oldest.peek_held(&bare).filter(|old| old.timestamp <= timestamp - SPAN_S) {
                left.push(old);
                oldest.advance();
            }
            prop_assert_eq!(&left, &expected, "an edge of a window without statistics");
            // It stands where the other does, and looks on only now and then.
            unlooked.extend((0..left.len()).map(|_| idle.peek_held(&bare).inspect(|_| idle.advance())));
            prop_assert_eq!(unlooked.drain(..).flatten().collect::<Vec<_>>(), left);
            prop_assert_eq!(bare.last(), Some(point));
            passed.retain(|point| point.timestamp > timestamp - SPAN_S);
            while let Some(old) = younger.peek(&window).filter(|old| old.timestamp < timestamp - YOUNGER_S) {
                passed.push(old);
                younger.advance();
            }
            let old: Vec<_> =
                plain.iter().copied().filter(|point| point.timestamp < timestamp - YOUNGER_S).collect();
            prop_assert_eq!(&passed, &old);
            if place % 331 == 330 {
                window = again(|out| window.save(out), |from| Window::load(from, SPAN_S));
                bare = again(|out| bare.save(out), |from| Window::load(from, SPAN_S));
                for edge in [&mut younger, &mut oldest, &mut idle] {
                    *edge = again(|out| edge.save(out), Edge::load);
                }
            }
            if place % 50 == 0 || place < 5 {
                prop_assert_eq!(window.points(), Vec::from(plain.clone()));
                let since = timestamp - 300;
                let recent: Vec<_> = plain.iter().copied().filter(|point| point.timestamp >= since).collect();
                prop_assert_eq!(&window.points_since(since), &recent);
                prop_assert_eq!(bare.len(), plain.len());
                let mut again = Edge::before_last(u32::try_from(plain.len()).unwrap(), &bare).unwrap();
                prop_assert_eq!(again.peek_held(&bare), oldest.peek_held(&bare));
                prop_assert_eq!(bare.points(), Vec::from(plain.clone()));
                prop_assert_eq!(&bare.points_since(since), &recent);
                let anew: Moments = plain.iter().map(|point| point.value).collect();
                close(window.moments().mean(), anew.mean(), 1e6);
                close(window.moments().sample_deviation(), anew.sample_deviation(), 1e6);
            }
        }
    }
}

fn window_of(values: &[f64]) -> Window {
    let mut window = Window::with_statistics(SPAN_S);
    for (&value, timestamp) in values.iter().zip((0..).step_by(10)) {
        window
            .push(Point { timestamp, value }, &mut Scratch::default(), |_| {})
            .unwrap();
    }
    window
}

#[test]
fn time_does_not_go_back() {
    let mut window = window_of(&[1.0, 2.0]);
    let mut push = |timestamp| window.push(Point { timestamp, value: 3.0 }, &mut Scratch::default(), |_| {});
    assert_eq!(push(10), Err(OutOfOrder::Duplicate));
    assert_eq!(push(5), Err(OutOfOrder::Late));
    assert_eq!(push(11), Ok(()));
    assert_eq!(window.len(), 3);
}

#[test]
fn a_window_holds_little_of_what_is_gone() {
    let mut window = Window::new(SPAN_S);
    let mut most = 0;
    for timestamp in 0..50_000_i64 {
        // Numbers that do not compress.
        let value = (timestamp.pow(2) * 7919 % 1021) as f64;
        window
            .push(Point { timestamp, value }, &mut Scratch::default(), |_| {
                panic!("nothing is read back")
            })
            .unwrap();
        most = most.max(window.samples.count_after(i64::MIN));
    }
    assert_eq!(window.len(), 3600);
    assert!((3600..3600 + 400).contains(&most), "{most} samples are held");
}

/// Fractions of `parts` to twice as many.
fn fraction(place: u64, parts: u64) -> f64 {
    let random = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
    let parts = parts + (random >> 20) % parts;
    match random % 97 {
        0 => 0.0,
        1 => -0.0,
        _ => (random % (parts + 1)) as f64 / parts as f64,
    }
}

#[test]
fn fractions_come_out_as_they_went_in_while_their_blocks_grow() {
    let (mut growing, mut alone) = (0, 0);
    for case in 0..12_usize {
        let mut scratch = Scratch {
            begun: 7 * u32::try_from(case).unwrap(),
            ..Scratch::default()
        };
        let mut window = Window::new(SPAN_S);
        let mut restored = Window::new(SPAN_S);
        let mut plain = VecDeque::new();
        let (mut oldest, mut timestamp) = (Edge::default(), 1_700_000_000);
        for place in 0..6000 {
            let gap = if case % 3 == 1 && place % 389 == 0 { 900 } else { 0 };
            timestamp += [2, 4, 10][case % 3] + gap;
            let value = fraction(place, [30, 300, 3000, 40_000][case / 3]);
            let point = Point { timestamp, value };
            window.push(point, &mut scratch, |_| {}).unwrap();
            restored.push(point, &mut scratch, |_| {}).unwrap();
            plain.push_back((timestamp, value.to_bits()));
            let horizon = timestamp - SPAN_S;
            while let Some(left) = oldest.peek_held(&window).filter(|left| left.timestamp <= horizon) {
                assert_eq!(Some((left.timestamp, left.value.to_bits())), plain.pop_front());
                oldest.advance();
            }
            if window.samples.young == 0 && window.samples.end.is_some() {
                growing += 1;
                alone += usize::from(window.samples.sealed.len() == 1);
            }
            if place % 331 == 0 {
                let points = window.points();
                assert!(
                    points
                        .iter()
                        .map(|point| (point.timestamp, point.value.to_bits()))
                        .eq(plain.iter().copied())
                );
                assert_eq!(restored.points(), points);
                restored = again(|out| window.save(out), |from| Window::load(from, SPAN_S));
            }
        }
    }
    assert!(
        growing > 10_000 && alone > 1000,
        "{growing} times one was growing, {alone} alone"
    );
}

#[test]
fn samples_years_apart_wait_in_no_open_block_together() {
    for begun in 0..64 {
        let mut scratch = Scratch {
            begun,
            ..Scratch::default()
        };
        let mut window = Window::new(1 << 40);
        for place in 0..3000 {
            let point = Point {
                timestamp: 200_000_000 * i64::try_from(place).unwrap(),
                value: fraction(place, 30_000),
            };
            window.push(point, &mut scratch, |_| {}).unwrap();
        }
        assert_eq!(window.points().len(), 3000);
    }
}

#[test]
fn windows_that_begin_together_do_not_end_their_blocks_together() {
    let mut scratch = Scratch::default();
    let mut windows: Vec<Window> = (0..64).map(|_| Window::new(86_400)).collect();
    for step in 0..4000_i64 {
        let point = Point {
            timestamp: 10 * step,
            value: (step.pow(2) * 7919 % 1021) as f64,
        };
        for window in &mut windows {
            window.push(point, &mut scratch, |_| {}).unwrap();
        }
    }
    let mut first: Vec<usize> = windows.iter().map(|window| window.samples.sealed[0].len()).collect();
    let second: usize = windows.iter().map(|window| window.samples.sealed[1].len()).sum();
    let (mean, usual) = (first.iter().sum::<usize>() / 64, second / 64);
    assert!(
        (usual * 2 / 5..usual * 3 / 5).contains(&mean),
        "{mean} of {usual}: {first:?}"
    );
    first.sort_unstable();
    first.dedup();
    assert!(first.len() > 15, "{first:?}");
}

#[test]
fn a_giant_leaves_no_trace() {
    let quiet = [1.25, 2.5, 1.5, 2.25];
    let mut window = window_of(&[1e40]);
    let mut values: Vec<f64> = Vec::new();
    for place in 0..400_u16 {
        let value = quiet[usize::from(place) % 4];
        let point = Point {
            timestamp: 10 + i64::from(place) * 10,
            value,
        };
        window.push(point, &mut Scratch::default(), |_| {}).unwrap();
        values.push(value);
    }
    let expected: Moments = values[values.len() - 360..].iter().copied().collect();
    assert_eq!(window.moments().sample_deviation(), expected.sample_deviation());
    assert_eq!(window.moments().mean(), expected.mean());
}

#[test]
fn the_run_of_equal_values_ends_with_the_first_other() {
    assert_eq!(window_of(&[]).equal_run(), 0);
    assert_eq!(window_of(&[1.0, 2.0, 2.0, 2.0]).equal_run(), 3);
    assert_eq!(window_of(&[0.0, -0.0]).equal_run(), 2);
}

#[test]
fn the_tail_is_what_came_last() {
    let values = |window: Window| window.tail().iter().map(|point| point.value).collect::<Vec<_>>();
    assert_eq!(values(window_of(&[1.0, 2.0])), [1.0, 2.0]);
    assert_eq!(values(window_of(&[1.0, 2.0, 3.0, 4.0])), [2.0, 3.0, 4.0]);
}
