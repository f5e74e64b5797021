//! Forecasts of the labelled series against the simplest there is: that each hour will be like the same hour of the day before.
//!
//! Each series is cut every so many hours from the ninth day on, and the 24 hours behind the cut are foretold from what lies before it by
//! the detector of the product. *Mean absolute scaled error*: the mean error, over that of the same hour the day before; below 1 is
//! better than that. *Held*: how many of the hours lie within their interval of 90 %.

use std::collections::BTreeMap;

use skyrelay::{
    detect::{Context, Definition, Elsewhere, Engine, Kind, Outlook, State, Subject, forecast::Settings},
    window::{Point, Scratch, Window},
};

use crate::labelled::{Series, Set};

const HOUR_S: i64 = 3600;
/// Hours that are learnt before the first cut.
const LEARNT: i64 = 8 * 24;

/// How the hours of a series, or of several, were foretold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Foretold {
    pub(crate) hours: usize,
    /// Mean absolute scaled error, against the same hour of the day before, and of the week before.
    pub(crate) by_day: f64,
    pub(crate) by_week: f64,
    /// The same of the next hour alone, by the day.
    pub(crate) next: f64,
    /// Part of the hours within their interval.
    pub(crate) held: f64,
}

/// A mean.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    fn get(self) -> f64 {
        self.sum / self.count
    }
}

/// The means of hours, of the samples that a window takes.
fn hours(points: &[(i64, f64)]) -> BTreeMap<i64, f64> {
    let mut means = BTreeMap::<i64, Mean>::new();
    let mut last = i64::MIN;
    for &(timestamp, value) in points {
        if timestamp > last {
            means.entry(timestamp.div_euclid(HOUR_S)).or_default().add(value);
            last = timestamp;
        }
    }
    means.into_iter().map(|(hour, mean)| (hour, mean.get())).collect()
}

/// Foretells `series` from a cut every `every` hours; `None`: it never changes, or is too short.
fn of_series(series: &Series, every: i64) -> Option<Foretold> {
    let came = hours(&series.points);
    let definition = Definition {
        name: "forecast".into(),
        kind: Kind::Forecast(Settings {
            confidence: 0.9,
            ..Settings::default()
        }),
    };
    let mut engine = Engine::all(&[definition], &Elsewhere::default()).remove(0);
    let mut state: State = engine.new_state(Subject::new(&series.name));
    let (mut window, mut scratch) = (Window::new(86_400), Scratch::default());
    let [
        mut error,
        mut day,
        mut week,
        mut of_week,
        mut next,
        mut next_day,
        mut held,
    ] = [Mean::default(); 7];
    let first = series.points.first()?.0.div_euclid(HOUR_S);
    let mut cut = first + LEARNT;
    for &(timestamp, value) in &series.points {
        if window.push(Point { timestamp, value }, &mut scratch, |_| {}).is_err() {
            continue;
        }
        let sample = Context {
            window: &window,
            now: timestamp,
            said: &[],
        };
        engine.learn(&mut state, &sample);
        if timestamp.div_euclid(HOUR_S) < cut {
            continue;
        }
        cut = timestamp.div_euclid(HOUR_S) + every;
        let Some(Outlook { ahead, .. }) = engine.outlook(&state, &window) else {
            continue;
        };
        for (place, ahead) in ahead.iter().enumerate() {
            let hour = ahead.timestamp.div_euclid(HOUR_S);
            let (Some(value), Some(day_before)) = (came.get(&hour), came.get(&(hour - 24))) else {
                continue;
            };
            let off = (value - ahead.expected).abs();
            error.add(off);
            day.add((value - day_before).abs());
            held.add(f64::from(u8::from(ahead.lower <= *value && *value <= ahead.upper)));
            if place == 0 {
                next.add(off);
                next_day.add((value - day_before).abs());
            }
            if let Some(week_before) = came.get(&(hour - 168)) {
                of_week.add(off);
                week.add((value - week_before).abs());
            }
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of hours"
    )]
    let hours = error.count as usize;
    (hours > 0 && day.get() > 0.0).then(|| Foretold {
        hours,
        by_day: error.get() / day.get(),
        by_week: of_week.get() / week.get(),
        next: next.get() / next_day.get(),
        held: held.get(),
    })
}

/// The series of `set` by name, and how they were foretold: those that change.
pub(crate) fn of_set(set: &Set, every: i64) -> Vec<(&str, Foretold)> {
    let of = |series| Some((of_series(series, every)?, series));
    let all = set.series.iter().filter_map(of);
    all.map(|(foretold, series)| (series.name.as_str(), foretold)).collect()
}

/// The means over series, each of which counts the same.
pub(crate) fn mean(all: &[(&str, Foretold)]) -> Foretold {
    let mean = |figure: fn(&Foretold) -> f64| {
        let mut mean = Mean::default();
        all.iter()
            .map(|(_, foretold)| figure(foretold))
            .for_each(|figure| mean.add(figure));
        mean.get()
    };
    Foretold {
        hours: all.iter().map(|(_, foretold)| foretold.hours).sum(),
        by_day: mean(|foretold| foretold.by_day),
        by_week: mean(|foretold| foretold.by_week),
        next: mean(|foretold| foretold.next),
        held: mean(|foretold| foretold.held),
    }
}
