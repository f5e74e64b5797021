//! Trends over two months: how often is something told that does not come, and how long before what does?
//!
//! Each series has a story whose end is known, and is watched all the time, sample by sample, as a relay does. *False* is what opens
//! although the value is not reached within twice the time that is told ahead; and what opens again while it stands at the value.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and hours are small"
)]

use skyrelay::{
    detect::{
        Context, Definition, Elsewhere, Engine, Kind, Subject,
        trend::{Direction, Settings},
    },
    window::{Point, Scratch, Window},
};

use crate::paces::{BEGIN, Dice};

/// What a series does in two months; 95 is what it may reach.
pub(crate) const STORIES: [Story; 14] = [
    Story::Noise(0.0),
    Story::Noise(0.95),
    Story::Seasons,
    Story::Steps,
    Story::Teeth { hours: 24.0, rise: 0.0 },
    Story::Teeth { hours: 19.0, rise: 0.0 },
    Story::Teeth { hours: 24.0, rise: 1.0 },
    Story::Teeth { hours: 19.0, rise: 1.0 },
    Story::Fills(0.1),
    Story::Fills(0.5),
    Story::Fills(1.0),
    Story::Fills(2.0),
    Story::Fills(5.0),
    Story::Accelerates,
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Story {
    /// Noise about 80, of which so much is that of the sample before.
    Noise(f64),
    /// Days and weekends, up to 90.
    Seasons,
    /// Up or down by some each few days, up to 94.
    Steps,
    /// Falls back each so many hours, from 94 at the end of the first month, and rises by so much a day.
    Teeth { hours: f64, rise: f64 },
    /// Still for a month and then so much an hour, up to 100, where it stays.
    Fills(f64),
    /// Faster and faster.
    Accelerates,
}

/// How it went, over all series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) series: usize,
    pub(crate) falsely: usize,
    /// Series that reached the value, and were told of before.
    pub(crate) reached: usize,
    pub(crate) ahead: usize,
    /// How long before (hours), shortest first.
    pub(crate) hours: Vec<f64>,
}

const STEP_S: i64 = 600;
const DAYS: f64 = 60.0;
const VALUE: f64 = 95.0;
/// Deviation of samples from the story.
const NOISE: f64 = 0.4;

impl Story {
    fn values(self, dice: &mut Dice) -> Vec<f64> {
        let count = (DAYS * 144.0) as usize;
        let begin = 24.0 * (25.0 + 10.0 * dice.uniform());
        let (mut lasting, mut level) = (0.0, 80.0);
        let value = |place: usize| {
            let hour = place as f64 / 6.0;
            let story = match self {
                Self::Noise(part) => {
                    lasting = part * lasting + (1.0 - part * part).sqrt() * dice.normal();
                    return 80.0 + 3.0 * lasting;
                }
                Self::Seasons => {
                    let weekend = if hour / 24.0 % 7.0 < 5.0 { 0.0 } else { -8.0 };
                    80.0 + 9.0 * (hour * std::f64::consts::TAU / 24.0).sin() + weekend
                }
                Self::Steps => {
                    if dice.uniform() < 1.0 / (4.0 * 144.0) {
                        level = 50.0 + 43.0 * dice.uniform();
                    }
                    level
                }
                Self::Teeth { hours, rise } => 64.0 + 29.0 * (hour % hours / hours) + rise * (hour / 24.0 - 30.0),
                Self::Fills(pace) => (50.0 + pace * (hour - begin).max(0.0)).min(100.0),
                Self::Accelerates => (95.0 * ((hour - 2.0 * begin.min(24.0 * 29.0)) / 300.0).exp()).min(100.0),
            };
            story + NOISE * dice.normal()
        };
        (0..count).map(value).collect()
    }
}

/// Watches so many series.
pub(crate) fn told(story: Story, series: usize) -> Told {
    let mut told = Told {
        series,
        ..Told::default()
    };
    for seed in 0..series {
        let values = story.values(&mut Dice::new(seed as u64 + 1000));
        // Of the middle of three, as a single value may be noise.
        let is_beyond = |at: usize| {
            values[at..values.len().min(at + 3)]
                .iter()
                .filter(|value| **value >= VALUE)
                .count()
                > 1
        };
        let reached = (0..values.len()).find(|&at| is_beyond(at));
        let opened = opened(&values);
        let ahead = opened
            .iter()
            .filter(|&&at| reached.is_some_and(|reached| at < reached && reached - at <= 48 * 6))
            .min();
        told.falsely += opened.len() - usize::from(reached.is_some() && !opened.is_empty());
        told.reached += usize::from(reached.is_some());
        if let (Some(reached), Some(at)) = (reached, ahead) {
            told.ahead += 1;
            told.hours.push((reached - at) as f64 / 6.0);
        }
    }
    told.hours.sort_by(f64::total_cmp);
    told
}

/// The places at which something is told.
fn opened(values: &[f64]) -> Vec<usize> {
    let definition = Definition {
        name: "trend".into(),
        kind: Kind::Trend(Settings {
            direction: Direction::Up,
            ..Settings::new(VALUE)
        }),
    };
    let mut engine = Engine::all(&[definition], &Elsewhere::default()).remove(0);
    let mut state = engine.new_state(Subject::new("a"));
    let (mut window, mut scratch) = (Window::new(86_400), Scratch::default());
    let mut opened = Vec::new();
    let mut now = BEGIN;
    for (at, &value) in values.iter().enumerate() {
        let point = Point { timestamp: now, value };
        window.push(point, &mut scratch, |_| {}).expect("time goes on");
        let sample = Context {
            window: &window,
            now,
            said: &[],
        };
        if engine.observe(&mut state, &sample).alert {
            opened.push(at);
        }
        now += STEP_S;
    }
    opened
}
