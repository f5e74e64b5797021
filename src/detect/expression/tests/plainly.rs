//! Compiled models over windows that are kept up to date, against trees that are walked over all samples.

use std::ops::Range;

use proptest::prelude::*;

use super::{
    super::{
        program::Program,
        ranks::plain,
        series::{Company, Live, Past},
        smooth::Smooth,
        term::{Fact, Facts, Figure, Reach, Statistic, UNKNOWN, finite, is_true, truth},
    },
    *,
};
use crate::window::{Point, Scratch, Window};

/// What others say in these tests: something, or nothing.
#[derive(Clone, Copy)]
pub(super) struct Neighbours {
    score: f64,
    point: Option<Point>,
}

impl Company for Neighbours {
    fn vote(&self, _: u8, figure: Figure) -> f64 {
        match figure {
            Figure::Score => self.score,
            Figure::Anomalous if self.score.is_nan() => UNKNOWN,
            Figure::Anomalous => truth(self.score >= 1.0),
            _ => UNKNOWN,
        }
    }

    fn other(&self, _: u8) -> Option<Point> {
        self.point
    }
}

/// A series at its newest sample, about which nobody says anything, by clocks that show the beginning of 1970.
pub(super) fn live<'a>(
    model: &'a Model,
    past: &'a mut Past,
    window: &'a Window,
    scratch: &'a mut Vec<f64>,
) -> Live<'a, Neighbours> {
    Live {
        model,
        past,
        window,
        local: 0,
        company: NOBODY,
        scratch,
    }
}

/// Facts worked out from all samples of the series, each time anew.
struct Plain<'a> {
    model: &'a Model,
    /// All samples, the newest last.
    points: &'a [Point],
    neighbours: Neighbours,
}

impl Plain<'_> {
    fn part(&self, place: u8) -> Vec<Point> {
        let part = self.model.needs.parts[usize::from(place)].part;
        let now = self.points.last().unwrap().timestamp;
        let until = now - part.ago_s;
        let (since, most) = match part.reach {
            Reach::Seconds(seconds) => (until - seconds, usize::MAX),
            Reach::Samples(samples) => (now - SPAN_S, samples as usize),
        };
        let times: Range<i64> = since + 1..until + 1;
        let inside = self.points.iter().filter(|point| times.contains(&point.timestamp));
        let points: Vec<Point> = inside.copied().collect();
        points[points.len().saturating_sub(most)..].to_vec()
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn statistic(&self, place: u8, statistic: Statistic) -> Option<f64> {
        let points = self.part(place);
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let count = values.len() as f64;
        if statistic == Statistic::Count {
            return Some(count);
        }
        if let Reach::Samples(samples) = self.model.needs.parts[usize::from(place)].part.reach
            && values.len() < samples as usize
        {
            return None;
        }
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count;
        match statistic {
            Statistic::Count => unreachable!("answered above"),
            Statistic::Sum => Some(values.iter().sum()),
            Statistic::Mean => Some(mean),
            Statistic::Deviation => {
                let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt())
            }
            Statistic::Smallest => values.iter().copied().reduce(f64::min),
            Statistic::Largest => values.iter().copied().reduce(f64::max),
            Statistic::Median => plain::median(&values),
            Statistic::Quantile(share) => plain::quantile(&values, share),
            Statistic::MedianDeviation => plain::median_deviation(&values),
            Statistic::Slope | Statistic::Line | Statistic::LineDeviation => {
                let now = self.points.last().unwrap().timestamp;
                let ages: Vec<f64> = points.iter().map(|point| (point.timestamp - now) as f64).collect();
                let mean_age = ages.iter().sum::<f64>() / count;
                let products = ages
                    .iter()
                    .zip(&values)
                    .map(|(age, value)| (age - mean_age) * (value - mean));
                let squares: f64 = ages.iter().map(|age| (age - mean_age).powi(2)).sum();
                let slope = products.sum::<f64>() / squares;
                let line = |age: f64| mean + slope * (age - mean_age);
                let residuals = ages
                    .iter()
                    .zip(&values)
                    .map(|(age, value)| (value - line(*age)).powi(2));
                (values.len() > 1).then(|| match statistic {
                    Statistic::Slope => slope,
                    Statistic::Line => line(0.0),
                    _ => (residuals.sum::<f64>() / count).sqrt(),
                })
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
impl Facts for Plain<'_> {
    fn fact(&mut self, fact: Fact) -> f64 {
        let last = *self.points.last().unwrap();
        let previous = self.points.len().checked_sub(2).map(|place| self.points[place]);
        let age_s = previous.map(|previous| (last.timestamp - previous.timestamp) as f64);
        let smooth = |place: u8| {
            let mut smooth = Smooth::default();
            for point in self.points {
                smooth.add(point.value, self.model.needs.smooths[usize::from(place)]);
            }
            smooth
        };
        let clock = |from: usize, to: usize| -> f64 {
            let time = jiff::Timestamp::from_second(last.timestamp).unwrap().to_string();
            time[from..to].parse().unwrap()
        };
        let answer = match fact {
            Fact::Value => Some(last.value),
            Fact::Previous => previous.map(|previous| previous.value),
            Fact::Age => age_s,
            Fact::Rate => previous
                .zip(age_s)
                .map(|(previous, age_s)| (last.value - previous.value) / age_s),
            // 2023-11-14T22:13:20Z
            Fact::Hour => Some(clock(11, 13)),
            Fact::Minute => Some(clock(14, 16)),
            Fact::Weekday => {
                let time = jiff::Timestamp::from_second(last.timestamp).unwrap();
                let day = time.to_zoned(jiff::tz::TimeZone::UTC).weekday();
                Some(f64::from(day.to_monday_one_offset()))
            }
            Fact::Windowed(place, statistic) => self.statistic(place, statistic),
            Fact::Smooth(place) => smooth(place).mean(),
            Fact::SmoothDeviation(place) => smooth(place).deviation(),
            Fact::Text(_) => Some(1.0),
            Fact::Vote(place, figure) => Some(self.neighbours.vote(place, figure)),
            Fact::OtherValue(_) => self.neighbours.point.map(|point| point.value),
            Fact::OtherAge(_) => self
                .neighbours
                .point
                .map(|point| (last.timestamp - point.timestamp) as f64),
        };
        answer.map_or(UNKNOWN, finite)
    }
}

/// A program for any term, whatever its type.
fn number_of(source: &str) -> Model {
    let sources = Sources {
        when: "true".to_owned(),
        score: Some(source.to_owned()),
        ..Sources::default()
    };
    Model::new(sources, SPAN_S).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"))
}

fn is_same(left: f64, right: f64) -> bool {
    left.is_nan() && right.is_nan() || (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-3)
}

/// Follows `points` with `model`, and compares at each.
#[track_caller]
fn compare(model: &Model, points: &[Point], neighbours: Neighbours) {
    let term = model.score.as_ref().unwrap_or(&model.when);
    let program = Program::new(&model.bindings, term).unwrap();
    let mut window = Window::new(SPAN_S);
    let mut past = Past::new(model, |_| Some("x"));
    let (mut scratch, mut values) = (Scratch::default(), Vec::new());
    for count in 1..=points.len() {
        let point = points[count - 1];
        window.push(point, &mut scratch, |_| {}).unwrap();
        past.follow(model, &window);
        let mut live = Live {
            local: point.timestamp,
            company: neighbours,
            ..live(model, &mut past, &window, &mut values)
        };
        let fast = program.run(&mut live);
        let mut plain = Plain {
            model,
            points: &points[..count],
            neighbours,
        };
        let bound = model.bound(&mut plain);
        let slow = term.evaluate(&bound, &mut plain);
        let sources = model.sources();
        assert!(is_same(fast, slow), "{sources:?} at {count}: {fast}, plainly {slow}");
        assert!(!fast.is_infinite());
    }
}

const NOBODY: Neighbours = Neighbours {
    score: UNKNOWN,
    point: None,
};

/// Samples some seconds apart, with gaps now and then, of values that wander, stay or jump.
fn points() -> impl Strategy<Value = Vec<Point>> {
    let gap = prop_oneof![60 => Just(60_i64), 10 => 1_i64..300, 2 => 3000_i64..20_000, 1 => Just(90_000)];
    let step = prop_oneof![6 => -50..50_i32, 4 => Just(0), 1 => -5000..5000_i32];
    (proptest::collection::vec((gap, step), 1..400), any::<bool>()).prop_map(|(steps, wanders)| {
        let (mut timestamp, mut level) = (1_700_000_000, 0.0);
        let point = |(gap, step): (i64, i32)| {
            timestamp += gap;
            level = if wanders { level } else { 0.0 } + f64::from(step) * 0.1;
            Point {
                timestamp,
                value: level,
            }
        };
        steps.into_iter().map(point).collect()
    })
}

/// What is made of sums, which are rounded otherwise when they are worked out anew.
const SUMS: [&str; 11] = [
    "mean('10m')",
    "sum('1h')",
    "stddev('1h')",
    "mean(3)",
    "stddev(5)",
    "mean('1h', '1h')",
    "stddev('24h')",
    "stddev('10m', '2h')",
    // Next to nothing is rounded otherwise, too.
    "slope('1h') + 1",
    "line('1h', '10m') + 1e7",
    "max(line_stddev(20), 0.01)",
];

/// A number of the language, but for sums.
fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-5..20_i32).prop_map(|number| number.to_string()),
        proptest::sample::select(vec![
            "value",
            "previous",
            "rate()",
            "hour()",
            "minute()",
            "weekday()",
            "ewma(5)",
            "ew_stddev(5)",
            "count('10m')",
            "min('1h')",
            "max('10m')",
            "median('1h')",
            "mad('1h')",
            "quantile(0.9, '1h')",
            "median(20)",
            "max(20)",
            "mad(20)",
            "count(7)",
            "max('10m', '1h')",
            "median('1h', '10m')",
            "mad('24h')",
            "max('24h')",
            "min('20h', '4h')",
            "detector('d').score",
            "series('s').value",
            "(age() / '1m')",
            "quantile(0, '10m')",
            "quantile(1, 9)",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let condition = condition(inner.clone());
        prop_oneof![
            (
                inner.clone(),
                proptest::sample::select(vec!["+", "-", "*", "/", "%"]),
                inner.clone()
            )
                .prop_map(|(left, sign, right)| format!("({left} {sign} {right})")),
            (
                proptest::sample::select(vec!["abs", "log", "exp", "sqrt", "floor", "ceil", "round", "-"]),
                inner.clone()
            )
                .prop_map(|(function, inner)| format!("{function}({inner})")),
            (
                proptest::sample::select(vec!["min", "max", "pow"]),
                inner.clone(),
                inner.clone()
            )
                .prop_map(|(function, left, right)| format!("{function}({left}, {right})")),
            (condition, inner.clone(), inner)
                .prop_map(|(condition, then, otherwise)| format!("(if {condition} then {then} else {otherwise})")),
        ]
    })
}

/// A condition on such numbers.
fn condition(number: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> {
    let comparison = (
        number.clone(),
        proptest::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]),
        number.clone(),
    )
        .prop_map(|(left, sign, right)| format!("({left} {sign} {right})"));
    let leaf = prop_oneof![
        6 => comparison,
        1 => (number.clone(), number.clone(), number.clone()).prop_map(|(of, low, high)| format!("({of} not in {low}..{high} + 0)")),
        1 => (number.clone(), number.clone(), number.clone()).prop_map(|(of, one, other)| format!("({of} in [{one}, {other}])")),
        1 => number.prop_map(|of| format!("known({of})")),
        1 => Just("detector('d').anomalous".to_owned()),
        1 => Just("(node(1) == 'x')".to_owned()),
        1 => Just("(age() > '2m')".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} and {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} or {right})")),
            inner.prop_map(|inner| format!("not {inner}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn a_program_over_a_window_comes_to_what_the_tree_does_over_all_samples(
        number in number(),
        sum in proptest::sample::select(SUMS.to_vec()),
        points in points(),
        score in prop_oneof![Just(UNKNOWN), 0.0..2.0_f64],
        other in any::<bool>(),
    ) {
        let model = number_of(&format!("let x = {sum}; {number} + x * 1"));
        let point = other.then_some(Point { timestamp: 1_700_000_000, value: 3.5 });
        compare(&model, &points, Neighbours { score, point });
    }

    #[test]
    fn what_was_saved_goes_on_to_the_bit(
        points in points(),
        at in 0.0..1.0_f64,
        source in proptest::sample::select(vec![
            "mean('1h')", "stddev('24h')", "mad('1h')", "max('1h', '1h')", "min(9)", "ewma(9)", "quantile(0.9, '2h')",
            "mean('1h') + max('1h') + median('20h', '4h')", "ew_stddev(3) + previous + sum(7)", "min('24h') + mad('24h')",
            "slope('1h') + line('2h') + line_stddev('1h', '1h')",
        ]),
    ) {
        let model = number_of(source);
        let term = model.score.clone().unwrap();
        let program = Program::new(&[], &term).unwrap();
        let mut scratch = Scratch::default();
        let mut window = Window::new(SPAN_S);
        let mut past = Past::new(&model, |_| Some("x"));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
        let at = (at * points.len() as f64) as usize;
        let mut again: Option<(Window, Past)> = None;
        let answer = |past: &mut Past, window: &Window| program.run(&mut live(&model, past, window, &mut Vec::new()));
        for (place, &point) in points.iter().enumerate() {
            window.push(point, &mut scratch, |_| {}).unwrap();
            past.follow(&model, &window);
            if let Some((window, past)) = &mut again {
                window.push(point, &mut scratch, |_| {}).unwrap();
                past.follow(&model, window);
            }
            if place == at {
                let (mut bytes, mut window_bytes) = (Vec::new(), Vec::new());
                crate::save::Save::save(&past, &mut bytes);
                window.save(&mut window_bytes);
                let loaded_window = Window::load(&mut crate::save::Saved::new(&window_bytes), SPAN_S).unwrap();
                let mut loaded: Past = crate::save::Save::load(&mut crate::save::Saved::new(&bytes)).unwrap();
                loaded.revive(&model, |_| Some("x"), &loaded_window).unwrap();
                let other = number_of("mean('1h') + mean('2h') + ewma(1) + ewma(2)");
                prop_assert!(loaded.revive(&other, |_| Some("x"), &loaded_window).is_err());
                again = Some((loaded_window, loaded));
            }
            if let Some((loaded_window, loaded)) = &mut again {
                let (here, there) = (answer(&mut past, &window), answer(loaded, loaded_window));
                prop_assert_eq!(here.to_bits(), there.to_bits());
                let (mut here, mut there) = (Vec::new(), Vec::new());
                crate::save::Save::save(&past, &mut here);
                crate::save::Save::save(&*loaded, &mut there);
                prop_assert_eq!(here, there);
            }
        }
    }
}

#[test]
fn what_is_not_known_spreads_as_far_as_it_matters() {
    let point = Point {
        timestamp: 1_700_000_000,
        value: 4.0,
    };
    let cases = [
        ("previous > 1", None),
        ("false and previous > 1", Some(false)),
        ("previous > 1 and false", Some(false)),
        ("true and previous > 1", None),
        ("true or previous > 1", Some(true)),
        ("previous > 1 or true", Some(true)),
        ("previous > 1 or false", None),
        ("not (previous > 1)", None),
        ("known(previous)", Some(false)),
        ("known(value) and not known(value / 0)", Some(true)),
        ("value / 0 > 1", None),
        ("value % 0 > 1", None),
        ("sqrt(-value) > 0", None),
        ("log(0) < 0", None),
        ("exp(1000) > 0", None),
        ("pow(previous, 0) == 1", None),
        ("mean(2) > 0", None),
        ("count(2) == 1", Some(true)),
        ("stddev('1h') == 0", None),
        ("if previous > 1 then true else true", None),
        ("if known(previous) then previous > 1 else value > 3", Some(true)),
        ("value in [previous, 4]", Some(true)),
        ("value in [previous, 5]", None),
        ("value not in 3..5", Some(false)),
        ("value in 3..4", Some(false)),
        ("detector('d').anomalous", None),
        ("series('s').age > '5m'", None),
        (
            "-value % 3 == -1 and 2 + 3 * 4 == 14 and 7 - 2 - 1 == 4 and -2 * -3 == 6",
            Some(true),
        ),
        ("age() < '5m'", None),
    ];
    for (source, expected) in cases {
        let model = model(source);
        let mut window = Window::new(SPAN_S);
        window.push(point, &mut Scratch::default(), |_| {}).unwrap();
        let mut past = Past::new(&model, |_| None);
        past.follow(&model, &window);
        let value = model
            .program
            .run(&mut live(&model, &mut past, &window, &mut Vec::new()));
        let known = (!value.is_nan()).then_some(is_true(value));
        assert_eq!(known, expected, "{source}");
    }
}

#[test]
fn clocks_read_what_they_show() {
    // Tuesday, 14 November 2023, 22:13:20.
    let point = Point {
        timestamp: 1_700_000_000,
        value: 0.0,
    };
    compare(
        &number_of("hour() * 10000 + minute() * 100 + weekday()"),
        &[point],
        NOBODY,
    );
    let sunday = Point {
        timestamp: -4 * 86_400 - 1,
        value: 0.0,
    };
    compare(
        &number_of("hour() * 10000 + minute() * 100 + weekday()"),
        &[sunday],
        NOBODY,
    );
}
