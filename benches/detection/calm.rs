//! Series that have no trouble, from their first sample on: how often is something told, and how much of it is said to be routine?
//!
//! Each is judged by the product's own detector as it is when nothing is set. What most of them have is what makes people switch alarms
//! off: jobs at night, office hours, weekends, counts, noise that goes far, disks that fill.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "counts are small"
)]

use skyrelay::{
    detect::{
        Severity,
        adaptive::{Engine, Settings, State},
    },
    window::{Point, Scratch, Window},
};

use crate::paces::{BEGIN, Dice};

const DAY_S: i64 = 86_400;
/// Days that each is watched for.
pub(crate) const DAYS: usize = 42;

/// What series are like.
pub(crate) const SHAPES: [Shape; 15] = [
    Shape::Level,
    Shape::Day,
    Shape::Office,
    Shape::Ramps,
    Shape::Visitors,
    Shape::Wild,
    Shape::Lasting,
    Shape::Slow,
    Shape::Counts,
    Shape::Rare,
    Shape::Saw,
    Shape::Nightly,
    Shape::Weekly,
    Shape::Grows,
    Shape::Idle,
];

/// What a series is like, besides its noise of a hundredth to a tenth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// About a level of its own.
    Level,
    /// A wave over the day, by three tenths up and down.
    Day,
    /// Twice as much from 8 to 18 h on work days, from one minute to the next.
    Office,
    /// Four times as much on work days, in mornings and evenings of two hours, and less at noon.
    Ramps,
    /// Counts with a wave over the day, of which three to eight tenths are left at weekends.
    Visitors,
    /// Goes far now and then (Student's t, four degrees of freedom).
    Wild,
    /// Eight tenths of the noise are that of the sample before.
    Lasting,
    /// Most of the noise is that of the last two hours.
    Slow,
    /// Whole numbers by chance (Poisson): one in ten seconds to a hundred a second.
    Counts,
    /// Zero, but for one to three now and then: once in 16 hours to once a minute.
    Rare,
    /// Rises by a third and falls back, each seven hours.
    Saw,
    /// A job of 5 to 60 minutes each night, two minutes sooner or later, with twice to three times as much.
    Nightly,
    /// The same, on one day of the week.
    Weekly,
    /// Grows by a hundredth a day, with a fifth of that as noise.
    Grows,
    /// Hundred per cent less what is in use, by day more than by night.
    Idle,
}

/// Anomalies that were told of, of all series of a shape.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) series: usize,
    /// On each day since the first sample: all, and those that are no routine.
    pub(crate) days: [(usize, usize); DAYS],
}

impl Told {
    /// Anomalies a series and day in some days: all, and those that are no routine.
    pub(crate) fn a_day(&self, days: std::ops::Range<usize>) -> (f64, f64) {
        let series_days = (self.series * days.len()) as f64;
        let days = &self.days[days];
        let sum = |count: fn(&(usize, usize)) -> usize| days.iter().map(count).sum::<usize>() as f64;
        (sum(|day| day.0) / series_days, sum(|day| day.1) / series_days)
    }
}

/// What is told of `series` series of a `shape`, with a sample each `step_s` seconds; on all cores.
pub(crate) fn told(shape: Shape, step_s: i64, series: usize) -> Told {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut all = Told {
        series,
        days: [(0, 0); DAYS],
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let mut days = [(0, 0); DAYS];
                    (worker..series)
                        .step_by(threads)
                        .for_each(|series| watch(shape, step_s, series, &mut days));
                    days
                })
            })
            .collect();
        for worker in workers {
            let days = worker.join().expect("a series is judged");
            for (sum, day) in all.days.iter_mut().zip(days) {
                *sum = (sum.0 + day.0, sum.1 + day.1);
            }
        }
    });
    all
}

/// Counts what is told of one series, by days since its first sample.
fn watch(shape: Shape, step_s: i64, series: usize, days: &mut [(usize, usize); DAYS]) {
    let (mut engine, mut state) = (Engine::new(Settings::default()), State::default());
    let mut generated = Generated::new(shape, series as u64);
    // On any day of the week, at any time.
    let begin = BEGIN + series as i64 * (DAY_S + 977);
    for timestamp in (begin..begin + DAYS as i64 * DAY_S).step_by(step_s as usize) {
        let point = Point {
            timestamp,
            value: generated.next(timestamp, step_s),
        };
        let observation = engine.observe(&mut state, point);
        if observation.changed && observation.anomalous {
            let mut window = Window::new(step_s);
            let pushed = window.push(point, &mut Scratch::default(), |_| {});
            pushed.expect("an empty window takes it");
            let verdict = engine.explain(&state, &window, observation);
            let day = &mut days[((timestamp - begin) / DAY_S) as usize];
            day.0 += 1;
            day.1 += usize::from(verdict.severity > Some(Severity::Info));
        }
    }
}

/// A series as it comes.
struct Generated {
    shape: Shape,
    level: f64,
    /// As a part of the level.
    noise: f64,
    /// Events a second.
    rate: f64,
    /// Of something, three to eight tenths.
    part: f64,
    /// When a job begins, for how long it runs, and on which day of the week.
    job_s: i64,
    runs_s: i64,
    job_day: i64,
    /// Of the noise that lasts.
    last: f64,
    seed: u64,
    dice: Dice,
}

impl Generated {
    fn new(shape: Shape, seed: u64) -> Self {
        let mut dice = Dice::new(1000 * shape as u64 + seed);
        Self {
            shape,
            level: 10.0_f64.powf(1.0 + 4.0 * dice.uniform()),
            noise: 0.01 + 0.09 * dice.uniform(),
            rate: 10.0_f64.powf(3.0 * dice.uniform() - 1.0),
            part: 0.3 + 0.5 * dice.uniform(),
            job_s: (dice.uniform() * DAY_S as f64) as i64,
            runs_s: 300 + (dice.uniform() * 3300.0) as i64,
            job_day: (dice.uniform() * 7.0) as i64,
            last: 0.0,
            seed,
            dice,
        }
    }

    fn next(&mut self, timestamp: i64, step_s: i64) -> f64 {
        let second = timestamp.rem_euclid(DAY_S);
        let (hour, step) = (second as f64 / 3600.0, step_s as f64);
        // The first day of 1970 was a Thursday.
        let day_of_week = (timestamp.div_euclid(DAY_S) + 3).rem_euclid(7);
        let is_work_day = day_of_week < 5;
        let wave = (std::f64::consts::TAU * (hour - 8.0) / 24.0).sin();
        let noise = self.noise;
        match self.shape {
            Shape::Level => self.about(1.0),
            Shape::Day => self.about(1.0 + 0.3 * wave),
            Shape::Office => self.about(if is_work_day && (8.0..18.0).contains(&hour) {
                2.0
            } else {
                1.0
            }),
            Shape::Ramps => {
                let (up, down) = (1.0 + (-2.5 * (hour - 8.5)).exp(), 1.0 + (2.0 * (hour - 17.5)).exp());
                let noon = 1.0 - 0.25 * (-((hour - 12.5) / 0.6).powi(2)).exp();
                self.about(0.3 + if is_work_day { noon } else { 0.08 } / (up * down))
            }
            Shape::Visitors => {
                let part = if is_work_day { 1.0 } else { self.part };
                poisson(&mut self.dice, self.rate * step * (1.0 + 0.6 * wave) * part)
            }
            Shape::Wild => {
                let dice = &mut self.dice;
                let far = ((0..4).map(|_| dice.normal().powi(2)).sum::<f64>() / 4.0).sqrt();
                self.level * (1.0 + noise * dice.normal() / far)
            }
            Shape::Lasting => self.level * (1.0 + noise * self.lasting(0.8)),
            Shape::Slow => {
                let slow = self.lasting((-step / 7200.0).exp());
                self.level * (1.0 + noise * (slow + 0.2 * self.dice.normal()))
            }
            Shape::Counts => poisson(&mut self.dice, self.rate * step),
            Shape::Rare => {
                let comes = self.dice.uniform() < self.rate * step / 6000.0;
                if comes {
                    (1.0 + 3.0 * self.dice.uniform()).floor()
                } else {
                    0.0
                }
            }
            Shape::Saw => {
                let since = (timestamp + self.job_s).rem_euclid(7 * 3600);
                self.about(1.0 + since as f64 / (3.0 * 7.0 * 3600.0))
            }
            Shape::Nightly | Shape::Weekly => {
                let late = Dice::new(self.seed ^ timestamp.div_euclid(DAY_S) as u64).normal() * 120.0;
                let since = (second - self.job_s - late as i64).rem_euclid(DAY_S);
                let runs = since < self.runs_s && (self.shape == Shape::Nightly || day_of_week == self.job_day);
                self.about(if runs { 1.0 + 3.0 * self.part } else { 1.0 })
            }
            Shape::Grows => {
                let days = (timestamp - BEGIN) as f64 / DAY_S as f64;
                self.level * (1.0 + 0.01 * days + 0.002 * self.dice.normal())
            }
            Shape::Idle => {
                let in_use = (1.0 + wave) * (3.0 + 2.0 * self.lasting(0.7).abs());
                (100.0 - in_use).clamp(0.0, 100.0)
            }
        }
    }

    /// That many times the level, with noise.
    fn about(&mut self, usual: f64) -> f64 {
        self.level * usual * (1.0 + self.noise * self.dice.normal())
    }

    /// Noise with a deviation of 1, of which so much is that of the sample before.
    fn lasting(&mut self, part: f64) -> f64 {
        self.last = part * self.last + (1.0 - part * part).sqrt() * self.dice.normal();
        self.last
    }
}

/// How many come of something that comes `mean` times on average; by the normal distribution where that is close.
fn poisson(dice: &mut Dice, mean: f64) -> f64 {
    if mean > 50.0 {
        return (mean + mean.sqrt() * dice.normal()).round().max(0.0);
    }
    let (mut count, mut chance, end) = (0.0, dice.uniform(), (-mean).exp());
    while chance > end {
        chance *= dice.uniform();
        count += 1.0;
    }
    count
}
