//! A fleet of generated series, judged by the adaptive detector: an incident that touches 3 % of them is one group with nearly all
//! of its members, and hardly any group is false.

use super::{
    fleet::*,
    incidents::{DAYS, INCIDENT_AT, run},
};
use crate::{
    detect::adaptive::{Engine, Settings, State},
    window::Point,
};

const STEP_S: i64 = 300;
/// How long the series have been known for.
const KNOWN_S: i64 = 8 * DAY_S;
const LASTS_S: i64 = 3600;
const SIZE: usize = 1000;

/// A series about a level of its own, with or without a day's swing, and noise of a hundredth to a tenth of it: of a normal
/// distribution, or for one in five of one that goes far now and then.
struct Generated {
    level: f64,
    swing: f64,
    noise: f64,
    is_wild: bool,
    /// What the incident makes of it.
    factor: f64,
}

impl Generated {
    fn new(is_touched: bool, dice: &mut Dice) -> Self {
        let level = 10.0 + 990.0 * dice.fraction();
        let factor = if dice.below(2) == 0 { 0.4 } else { 1.6 };
        Self {
            level,
            swing: if dice.below(2) == 0 { 0.0 } else { 0.3 * level },
            noise: (0.01 + 0.09 * dice.fraction()) * level,
            is_wild: dice.below(5) == 0,
            factor: if is_touched { factor } else { 1.0 },
        }
    }

    fn at(&self, timestamp: i64, dice: &mut Dice) -> f64 {
        let wild = if self.is_wild {
            ((0..4).map(|_| dice.normal().powi(2)).sum::<f64>() / 4.0).sqrt()
        } else {
            1.0
        };
        let day = f64::from(i32::try_from(timestamp.rem_euclid(DAY_S)).unwrap()) / 86_400.0;
        let well = self.level + self.swing * (std::f64::consts::TAU * day).sin() + self.noise * dice.normal() / wild;
        let is_incident = (INCIDENT_AT..INCIDENT_AT + LASTS_S).contains(&(timestamp - BEGIN));
        if is_incident { self.factor * well } else { well }
    }
}

/// The anomalies of one series, from `BEGIN` on.
fn judged(series: usize, generated: &Generated, is_touched: bool, dice: &mut Dice) -> Vec<Alarm> {
    let (mut engine, mut state) = (Engine::new(Settings::default()), State::default());
    let (mut alarms, end) = (Vec::<Alarm>::new(), BEGIN + DAYS * DAY_S);
    for timestamp in (BEGIN - KNOWN_S..end).step_by(usize::try_from(STEP_S).unwrap()) {
        let value = generated.at(timestamp, dice);
        let observation = engine.observe(&mut state, Point { timestamp, value });
        if !observation.changed || timestamp < BEGIN {
            continue;
        }
        if observation.anomalous {
            let is_then = (INCIDENT_AT..INCIDENT_AT + LASTS_S).contains(&(timestamp - BEGIN));
            alarms.push(Alarm {
                series,
                at: timestamp,
                seen: timestamp,
                closes: end,
                is_incident: is_touched && is_then,
            });
        } else if let Some(last) = alarms.last_mut() {
            last.closes = timestamp;
        }
    }
    alarms
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures, for whoever asks for them with --nocapture"
)]
fn an_incident_in_a_fleet_is_one_group() {
    let names = &hosts()[..SIZE];
    // Of one host nearly all: three in a hundred.
    let touched = |series: usize| series < 30;
    let mut dice = Dice(11);
    let mut alarms = Vec::new();
    for series in 0..SIZE {
        let generated = Generated::new(touched(series), &mut dice);
        alarms.extend(judged(series, &generated, touched(series), &mut dice));
    }
    let of_incident = alarms.iter().filter(|alarm| alarm.is_incident).count();
    let is_late = |alarm: &&Alarm| alarm.is_incident && alarm.at > BEGIN + INCIDENT_AT + 600;
    let late = alarms.iter().filter(is_late).count();
    let (all, touched) = (alarms.len(), SIZE * 3 / 100);
    let found = run(names, alarms);
    let share = |part: usize| f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(touched).unwrap());
    println!("{of_incident} of {touched} are told of, {late} of them late, {all} anomalies in {DAYS} days; {found:?}");
    assert_eq!(found.groups, 1, "{found:?}");
    assert!(
        found.recall * share(of_incident) > 0.9,
        "{of_incident} of {touched}: {found:?}"
    );
    assert!(found.precision > 0.9, "{found:?}");
    assert!(found.false_per_day() < 3.0, "{found:?}");
}
