//! A fleet of 10,000 series, and incidents that touch 300 of them: what becomes of what the detector tells?
//!
//! Each series is judged by the product's own detector, sample by sample, and what it tells is handed to the product's own board, in the
//! order of time, as a relay does. An incident is of one rack, all of whose series change their level at once, for an hour. A group
//! with one of its anomalies is the incident, and any other is false. The first day is a Monday, the third that the series see: at 8 and
//! 18 h many of those with office hours are told of, although they are where the time of the week has them.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "counts are small"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use skyrelay::{
    anomaly::{Board, groups},
    detect::{
        Verdict,
        adaptive::{Engine, Settings, State},
    },
    metrics::Metrics,
    shard::{Census, Change, Event},
    window::{Point, Scratch, Window},
};

use crate::paces::{BEGIN, Dice};

/// Racks of [`RACK`] series; the last has fewer.
pub(crate) const SERIES: usize = 10_000;
const RACK: usize = 300;
const HOST: usize = 30;
/// Between samples (seconds).
pub(crate) const STEPS_S: [i64; 2] = [60, 300];
const DAY_S: i64 = 86_400;
/// Days that the fleet has been known for.
const KNOWN_DAYS: i64 = 16;
/// Days with an incident each.
pub(crate) const DAYS: i64 = 6;
const LASTS_S: i64 = 3600;

/// What a series is like, besides its noise of a hundredth to a tenth.
const SHAPES: [Shape; 7] = [
    Shape::Level,
    Shape::Day,
    Shape::Office,
    Shape::Wild,
    Shape::Lasting,
    Shape::Counts,
    Shape::Saw,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// About a level of its own.
    Level,
    /// A wave over the day, by three tenths up and down.
    Day,
    /// Twice as much from 8 to 18 h on work days.
    Office,
    /// Goes far now and then.
    Wild,
    /// Eight tenths of the noise are that of the sample before.
    Lasting,
    /// Whole numbers, about a hundred, by chance.
    Counts,
    /// Rises by a third and falls back, each seven hours at a time of its own.
    Saw,
}

/// How it went, over all days with an incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Series that the incidents touch, those of them that an anomaly is told of, and those in the largest group of theirs.
    pub(crate) touched: usize,
    pub(crate) told: usize,
    pub(crate) members: usize,
    /// The same, of the incident of which the smallest part is in a group.
    pub(crate) least: f64,
    /// Groups that are incidents, and others.
    pub(crate) groups: usize,
    pub(crate) false_groups: usize,
    /// Of the members of groups that are incidents, those that are not touched.
    pub(crate) strangers: usize,
    /// Anomalies that no incident brings.
    pub(crate) false_alarms: usize,
    /// Told more than ten minutes after the incident began.
    pub(crate) late: usize,
}

/// An anomaly begins or ends.
struct Turn {
    at: i64,
    series: usize,
    verdict: Verdict,
}

/// Has the fleet watched, with samples each `step_s` seconds.
pub(crate) fn watched(step_s: i64) -> Found {
    let names: Vec<Arc<str>> = (0..SERIES).map(name).collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut turns: Vec<Turn> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| scope.spawn(move || judged(worker, threads, step_s)))
            .collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().expect("a series is judged"));
        joined.flatten().collect()
    });
    turns.sort_by_key(|turn| (turn.at, turn.series));
    told(&names, turns)
}

/// The turns of every `of`th series from `first` on, in the days with incidents.
fn judged(first: usize, of: usize, step_s: i64) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut engine = Engine::new(Settings::default());
    for series in (first..SERIES).step_by(of) {
        let mut generated = Generated::new(series);
        let mut state = State::default();
        for timestamp in (BEGIN - KNOWN_DAYS * DAY_S..BEGIN + DAYS * DAY_S).step_by(step_s as usize) {
            let point = Point {
                timestamp,
                value: generated.next(timestamp),
            };
            let observation = engine.observe(&mut state, point);
            if observation.changed && timestamp >= BEGIN {
                let mut window = Window::new(step_s);
                let pushed = window.push(point, &mut Scratch::default(), |_| {});
                pushed.expect("an empty window takes it");
                turns.push(Turn {
                    at: timestamp,
                    series,
                    verdict: engine.explain(&state, &window, observation),
                });
            }
        }
    }
    turns
}

/// What a board makes of the turns.
fn told(names: &[Arc<str>], turns: Vec<Turn>) -> Found {
    let board = Board::new(10 * SERIES, groups::Settings::default(), Metrics::new().anomaly);
    board.count(&census());
    let mut found = Found {
        least: 1.0,
        ..Found::default()
    };
    // Each with its series, and the incident that it is of.
    let mut anomalies = Vec::new();
    for Turn { at, series, verdict } in turns {
        let opens = verdict.anomalous;
        let event = Event {
            series: Arc::clone(&names[series]),
            detector: "default".into(),
            change: Some(if opens { Change::Opened } else { Change::Closed }),
            verdict,
        };
        // What was open before the first day ends unheard.
        let Some(notice) = board.record(event) else { continue };
        if opens {
            let day = (at - BEGIN) / DAY_S;
            let (rack, begins) = incident(day);
            let is_of = rack == series / RACK && (begins..begins + LASTS_S).contains(&at);
            found.false_alarms += usize::from(!is_of);
            found.late += usize::from(is_of && at > begins + 600);
            anomalies.push((notice.anomaly, series, is_of.then_some(day)));
        }
    }
    let mut by_group = BTreeMap::<u64, (BTreeSet<(i64, usize)>, BTreeSet<usize>)>::new();
    for (anomaly, series, day) in &anomalies {
        if let Some(group) = anomaly.group.group() {
            let (touched, strangers) = by_group.entry(group).or_default();
            match day {
                Some(day) => touched.insert((*day, *series)),
                None => strangers.insert(*series),
            };
        }
    }
    for (touched, strangers) in by_group.values() {
        if touched.is_empty() {
            found.false_groups += 1;
        } else {
            found.groups += 1;
            let others = strangers
                .iter()
                .filter(|&&series| touched.iter().all(|&(_, other)| other != series));
            found.strangers += others.count();
        }
    }
    for day in 0..DAYS {
        let of_day = |touched: &BTreeSet<(i64, usize)>| touched.iter().filter(|(of, _)| *of == day).count();
        let members = by_group
            .values()
            .map(|(touched, _)| of_day(touched))
            .max()
            .unwrap_or_default();
        let told: BTreeSet<usize> = anomalies
            .iter()
            .filter(|(_, _, of)| *of == Some(day))
            .map(|(_, series, _)| *series)
            .collect();
        found.touched += RACK;
        found.told += told.len();
        found.members += members;
        found.least = found.least.min(members as f64 / RACK as f64);
    }
    found
}

/// The rack of the incident of a day, and when it begins.
fn incident(day: i64) -> (usize, i64) {
    let mut dice = Dice::new(1_000_000 + day as u64);
    let rack = (dice.uniform() * (SERIES / RACK) as f64) as usize;
    // On a full minute, at any time of the day, but so that it ends with it.
    let minute = (dice.uniform() * 22.0 * 60.0) as i64;
    (rack, BEGIN + day * DAY_S + 60 * minute)
}

fn name(series: usize) -> Arc<str> {
    let (rack, host, metric) = (series / RACK, series % RACK / HOST, series % HOST);
    let (group, part) = (["cpu", "disk", "net", "memory", "service"][metric / 6], metric % 6);
    format!("servers.rack{rack:02}.host{host:02}.{group}.m{part}").into()
}

/// What is known of the fleet's names.
fn census() -> Census {
    let racks = (0..SERIES.div_ceil(RACK)).map(|rack| {
        let series = RACK.min(SERIES - rack * RACK);
        (format!("servers.rack{rack:02}").into(), series as i64)
    });
    Census {
        series: SERIES as i64,
        subtrees: racks.chain([("servers".into(), SERIES as i64)]).collect(),
    }
}

/// A series as it comes.
struct Generated {
    shape: Shape,
    level: f64,
    /// As a part of the level.
    noise: f64,
    phase_s: i64,
    lasting: f64,
    rack: usize,
    /// What the incident of each day makes of it.
    factors: [f64; DAYS as usize],
    dice: Dice,
}

impl Generated {
    fn new(series: usize) -> Self {
        let mut dice = Dice::new(series as u64);
        let shape = SHAPES[(dice.uniform() * SHAPES.len() as f64) as usize];
        let level = if shape == Shape::Counts {
            100.0
        } else {
            10.0_f64.powf(1.0 + 4.0 * dice.uniform())
        };
        let noise = 0.01 + 0.09 * dice.uniform();
        let factors = std::array::from_fn(|_| if dice.uniform() < 0.5 { 0.4 } else { 1.6 });
        Self {
            shape,
            level,
            noise,
            phase_s: (dice.uniform() * 7.0 * 3600.0) as i64,
            lasting: 0.0,
            rack: series / RACK,
            factors,
            dice,
        }
    }

    fn next(&mut self, timestamp: i64) -> f64 {
        let second = timestamp.rem_euclid(DAY_S) as f64;
        let hour = second / 3600.0;
        let dice = &mut self.dice;
        let noise = match self.shape {
            Shape::Wild => dice.normal() / ((0..4).map(|_| dice.normal().powi(2)).sum::<f64>() / 4.0).sqrt(),
            Shape::Lasting => {
                self.lasting = 0.8 * self.lasting + 0.6 * dice.normal();
                self.lasting
            }
            _ => dice.normal(),
        };
        let usual = match self.shape {
            Shape::Level | Shape::Wild | Shape::Lasting | Shape::Counts => 1.0,
            Shape::Day => 1.0 + 0.3 * (std::f64::consts::TAU * hour / 24.0).sin(),
            Shape::Office => {
                // The first day of 1970 was a Thursday.
                let is_work_day = (timestamp.div_euclid(DAY_S) + 3).rem_euclid(7) < 5;
                if is_work_day && (8.0..18.0).contains(&hour) {
                    2.0
                } else {
                    1.0
                }
            }
            Shape::Saw => 1.0 + (timestamp + self.phase_s).rem_euclid(7 * 3600) as f64 / (3.0 * 7.0 * 3600.0),
        };
        let factor = if (0..DAYS * DAY_S).contains(&(timestamp - BEGIN)) {
            let day = (timestamp - BEGIN) / DAY_S;
            let (rack, begins) = incident(day);
            if rack == self.rack && (begins..begins + LASTS_S).contains(&timestamp) {
                self.factors[day as usize]
            } else {
                1.0
            }
        } else {
            1.0
        };
        let mean = factor * self.level * usual;
        match self.shape {
            // About as many as come by chance (Poisson), by the normal distribution that is close to it.
            Shape::Counts => (mean + mean.sqrt() * noise).round().max(0.0),
            _ => mean * (1.0 + self.noise * noise),
        }
    }
}
