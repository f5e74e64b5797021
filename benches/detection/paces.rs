//! Trends against series whose future is known: how often does the interval about the expected time hold the true one?
//!
//! Each series is a line that reaches a value after so many hours, and what is added to hide it: noise of its own or noise that lasts,
//! wild values, steps, days, weeks, and disks whose logs are rotated. The detector of the product is shown the hours before.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and hours are small"
)]

use skyrelay::{
    detect::{
        Context, Definition, Elsewhere, Engine, Kind, Outlook, Subject,
        trend::{Direction, Settings},
    },
    window::{Point, Scratch, Window},
};

/// Series, by what hides the line.
pub(crate) const SHAPES: [Shape; 14] = [
    Shape::Noise(0.0),
    Shape::Noise(0.5),
    Shape::Noise(0.8),
    Shape::Noise(0.95),
    Shape::TwoNoises,
    Shape::Wild,
    Shape::Quiet,
    Shape::Step,
    Shape::TwoSteps,
    Shape::Gaps,
    Shape::Day,
    Shape::Week,
    Shape::Rotated,
    Shape::Unsteady,
];

/// What hides the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Noise, of which so much is that of the hour before.
    Noise(f64),
    /// Noise that lasts, and noise of its own on top.
    TwoNoises,
    /// One value in twenty is far too high.
    Wild,
    /// Hardly any noise.
    Quiet,
    /// It falls once, in the middle third.
    Step,
    /// It falls, and rises later.
    TwoSteps,
    /// Every fifth day is missing, and every tenth hour.
    Gaps,
    /// Days, six times the noise.
    Day,
    /// Weekends as well.
    Week,
    /// It falls back every 15 to 30 hours, and grows by the ends of its teeth.
    Rotated,
    /// The same at a height, not at a time, growing at another speed each time.
    Unsteady,
}

/// A series, and when it reaches what.
struct Case {
    /// Means of hours.
    hours: Vec<Option<f64>>,
    slope: f64,
    target: f64,
    /// Hours from the end of the past, the first and the last that are right.
    reached: (f64, f64),
}

/// How it went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) series: usize,
    /// Intervals about the time that hold the true one.
    pub(crate) time: usize,
    /// Intervals about the pace that do.
    pub(crate) pace: usize,
    /// Those with an end.
    pub(crate) sure: usize,
    /// Middle length of the interval of time (hours).
    pub(crate) hours: f64,
    /// Middle half width of the interval about the pace, of the pace.
    pub(crate) width: f64,
}

impl Held {
    pub(crate) fn share(&self, count: usize) -> f64 {
        count as f64 / self.series as f64
    }
}

/// Random numbers, the same for the same seed.
pub(crate) struct Dice {
    state: u64,
    spare: Option<f64>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = Self { state, spare: None };
        (0..5).for_each(|_| {
            dice.uniform();
        });
        dice
    }

    /// From 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let size = (-2.0 * self.uniform().max(1e-300).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(size * sin);
        size * cos
    }
}

/// Adds noise with a deviation of `size`, of which the part `lasting` is that of the hour before.
fn add_noise(hours: &mut [f64], lasting: f64, size: f64, dice: &mut Dice) {
    let mut noise = size * dice.normal();
    for hour in hours {
        *hour += noise;
        noise = lasting * noise + (1.0 - lasting * lasting).sqrt() * size * dice.normal();
    }
}

const SLOPE: f64 = 0.05;
const LEVEL: f64 = 20.0;
/// Pieces of an hour, of which its mean is made.
const PIECES: usize = 10;
/// Height of a tooth.
const TOOTH: f64 = 20.0;

fn case(shape: Shape, count: usize, dice: &mut Dice) -> Case {
    let mut hours: Vec<f64> = (0..count).map(|hour| LEVEL + SLOPE * (hour as f64 + 0.5)).collect();
    let (mut lift, mut late) = (0.0, 0.0);
    let mut season = Vec::new();
    match shape {
        Shape::Noise(lasting) => add_noise(&mut hours, lasting, 2.0, dice),
        Shape::TwoNoises => {
            add_noise(&mut hours, 0.9, 1.5, dice);
            add_noise(&mut hours, 0.0, 1.5, dice);
        }
        Shape::Wild => {
            add_noise(&mut hours, 0.0, 1.0, dice);
            for hour in &mut hours {
                *hour += if dice.uniform() < 0.05 { 30.0 } else { 0.0 };
            }
        }
        Shape::Quiet => add_noise(&mut hours, 0.3, 0.02, dice),
        Shape::Step => {
            add_noise(&mut hours, 0.3, 1.0, dice);
            let at = count / 3 + (dice.uniform() * count as f64 / 3.0) as usize;
            hours[at..].iter_mut().for_each(|hour| *hour -= 15.0);
            lift = -15.0;
        }
        Shape::TwoSteps => {
            add_noise(&mut hours, 0.3, 1.0, dice);
            hours[count / 4..].iter_mut().for_each(|hour| *hour -= 15.0);
            hours[count * 2 / 3..].iter_mut().for_each(|hour| *hour += 12.0);
            lift = -3.0;
        }
        Shape::Gaps => add_noise(&mut hours, 0.5, 2.0, dice),
        Shape::Day | Shape::Week => {
            add_noise(&mut hours, 0.3, 1.0, dice);
            season = (0..168)
                .map(|hour| {
                    let day = 6.0 * (f64::from(hour) * std::f64::consts::TAU / 24.0).sin();
                    let week = if shape == Shape::Week && hour / 24 >= 5 {
                        -4.0
                    } else {
                        0.0
                    };
                    day + week
                })
                .collect();
            for (hour, value) in hours.iter_mut().enumerate() {
                *value += season[hour % 168];
            }
        }
        Shape::Rotated | Shape::Unsteady => {
            let period = 15.0 + 15.0 * dice.uniform();
            let (mut tooth, mut speed) = (dice.uniform(), 1.0);
            for hour in &mut hours {
                for _ in 0..PIECES {
                    tooth += speed / period / PIECES as f64;
                    if tooth >= 1.0 {
                        tooth -= 1.0;
                        speed = if shape == Shape::Unsteady {
                            0.6 + 0.8 * dice.uniform()
                        } else {
                            1.0
                        };
                    }
                    *hour += TOOTH * tooth / PIECES as f64;
                }
            }
            add_noise(&mut hours, 0.3, 0.3, dice);
            // The end of any tooth from then on, the next being less than a tooth away.
            (lift, late) = (TOOTH, period);
        }
    }
    let ahead = count as f64 / 4.0;
    let level = LEVEL + SLOPE * count as f64 + lift;
    let target = level + SLOPE * ahead;
    let reached = if season.is_empty() {
        (ahead, ahead + late)
    } else {
        let value = |hour: usize| level + SLOPE * hour as f64 + season[(count + hour) % 168];
        let first = (0..100_000).find(|&hour| value(hour) >= target).expect("it rises");
        (first as f64, first as f64)
    };
    let is_missing = |hour: usize| shape == Shape::Gaps && (hour / 24 % 5 == 4 || hour % 10 == 7);
    let hours = hours.into_iter().enumerate();
    Case {
        hours: hours
            .map(|(hour, value)| (!is_missing(hour)).then_some(value))
            .collect(),
        slope: SLOPE,
        target,
        reached,
    }
}

/// A Monday.
pub(crate) const BEGIN: i64 = 1_699_833_600;

/// What the detector makes of a case; `None`: nothing, which holds nothing.
fn outlook(case: &Case) -> Option<Outlook> {
    let count = i64::try_from(case.hours.len()).expect("they are few");
    let settings = Settings {
        direction: Direction::Up,
        over_s: 3600 * count,
        min_history_s: 3600,
        ..Settings::new(case.target)
    };
    let definition = Definition {
        name: "trend".into(),
        kind: Kind::Trend(settings),
    };
    let mut engine = Engine::all(&[definition], &Elsewhere::default()).remove(0);
    let mut state = engine.new_state(Subject::new("a"));
    let (mut window, mut scratch) = (Window::new(86_400), Scratch::default());
    let mut now = BEGIN + 1800;
    for hour in case.hours.iter().chain([&Some(0.0)]) {
        if let &Some(value) = hour {
            let point = Point { timestamp: now, value };
            window.push(point, &mut scratch, |_| {}).expect("time goes on");
            let sample = Context {
                window: &window,
                now,
                said: &[],
            };
            if now < BEGIN + 3600 * count {
                engine.learn(&mut state, &sample);
            } else {
                engine.observe(&mut state, &sample);
            }
        }
        now += 3600;
    }
    engine.outlook(&state, &window)
}

/// Shows the detector so many series of `hours` hours.
pub(crate) fn held(shape: Shape, hours: usize, series: usize) -> Held {
    let mut held = Held {
        series,
        ..Held::default()
    };
    let (mut lengths, mut widths) = (Vec::new(), Vec::new());
    // Other noise for each shape.
    let first = SHAPES.iter().position(|other| *other == shape).unwrap_or_default() << 32;
    for seed in 0..series {
        let mut dice = Dice::new((seed + first) as u64);
        let case = case(shape, hours, &mut dice);
        let Some(outlook) = outlook(&case) else {
            continue;
        };
        let number = |wanted| {
            let mut numbers = outlook.numbers.iter();
            numbers.find(|(name, _)| *name == wanted).map(|(_, number)| *number)
        };
        let hours_until = |name| {
            let end = BEGIN as f64 + 3600.0 * hours as f64;
            number(name).map(|time| (time - end) / 3600.0)
        };
        let (pace, margin) = (
            number("per_hour").expect("a pace"),
            number("per_hour_margin").expect("a margin"),
        );
        held.pace += usize::from((pace - case.slope).abs() <= margin);
        let earliest = hours_until("earliest_at").unwrap_or(f64::INFINITY);
        let latest = hours_until("latest_at").unwrap_or(f64::INFINITY);
        held.time += usize::from(earliest <= case.reached.1 && case.reached.0 <= latest);
        held.sure += usize::from(latest.is_finite());
        lengths.push(if latest.is_finite() {
            latest - earliest
        } else {
            f64::INFINITY
        });
        widths.push(margin / case.slope);
    }
    for values in [&mut lengths, &mut widths] {
        values.sort_by(f64::total_cmp);
    }
    (held.hours, held.width) = (lengths[lengths.len() / 2], widths[widths.len() / 2]);
    held
}
