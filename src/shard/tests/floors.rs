//! What people have said is no anomaly is not told, as long as it is no more than that.

use super::*;
use crate::detect::{
    Kind,
    threshold::{self, Bounds},
};

/// Every series judged by one detector, which finds values above 100 odd: 150 has a score of 1.5.
fn bench() -> Bench {
    let settings = Settings {
        detectors: vec![Definition {
            name: "bound".into(),
            kind: Kind::Threshold(threshold::Settings::new(Bounds::Above(100.0))),
        }],
        ..Settings::default()
    };
    Bench::judging(settings, Verbosity::Changes, &Arc::default())
}

fn up_to(score: f64, until: i64) -> Floor {
    Floor {
        height: Height::Score(score),
        until,
    }
}

impl Bench {
    /// Values of the series `a`, one a second from `from` on.
    fn values(&mut self, series: &str, from: i64, values: &[u32]) {
        for (second, value) in (from..).zip(values) {
            self.send(NOW, &format!("{series} {value} {second}\n"));
        }
    }

    fn raise(&mut self, series: &str, floor: Floor, close: Option<&str>) {
        let names = (&series.into(), &"bound".into());
        self.shard
            .raise_floor(hash(series.as_bytes()), names, floor, close, &mut self.events);
    }
}

#[test]
fn the_like_is_not_told_and_more_is() {
    let mut bench = bench();
    bench.values("a", NOW, &[1, 150]);
    assert_eq!(bench.told(), [opened("a", NOW + 1)]);
    bench.raise("a", up_to(1.8, NOW + 1000), Some("alice says so"));
    assert_eq!(bench.events[0].verdict.reason, "alice says so");
    assert_eq!(bench.told(), [closed("a", NOW + 1)]);
    // It goes on, ends, and comes back.
    bench.values("a", NOW + 2, &[150, 180, 1, 1, 180, 1]);
    assert_eq!(bench.told(), []);
    // More than that: at once, or while it lasts.
    bench.values("a", NOW + 20, &[181, 1, 150, 181, 150, 1]);
    let verdict = &bench.events[2].verdict;
    assert!(verdict.alert && verdict.anomalous && verdict.score > 1.8, "{verdict:?}");
    assert_eq!(
        bench.told(),
        [
            opened("a", NOW + 20),
            closed("a", NOW + 21),
            opened("a", NOW + 23),
            closed("a", NOW + 25)
        ]
    );
    // Nobody else is meant.
    bench.values("b", NOW + 30, &[150]);
    assert_eq!(bench.told(), [opened("b", NOW + 30)]);
}

#[test]
fn a_floor_ends_by_the_time_of_the_samples() {
    let mut bench = bench();
    // Before anything is known of the series.
    bench.raise("a", up_to(2.0, NOW + 10), None);
    bench.values("a", NOW, &[150, 150, 1]);
    bench.values("a", NOW + 8, &[150, 150, 150, 150]);
    assert_eq!(bench.told(), [opened("a", NOW + 10)]);
    bench.values("a", NOW + 20, &[1, 150]);
    assert_eq!(bench.told(), [closed("a", NOW + 20), opened("a", NOW + 21)]);
}

#[test]
fn what_is_held_down_is_told_when_that_is_taken_back() {
    let mut bench = bench();
    bench.values("a", NOW, &[150]);
    bench.raise("a", up_to(2.0, NOW + 1000), Some("no"));
    bench.values("a", NOW + 1, &[150]);
    assert_eq!(bench.told(), [opened("a", NOW), closed("a", NOW)]);
    bench.shard.lower_floor("a", "another");
    bench.values("a", NOW + 2, &[150]);
    assert_eq!(bench.told(), []);
    bench.shard.lower_floor("a", "bound");
    bench.values("a", NOW + 3, &[150, 150]);
    assert_eq!(bench.told(), [opened("a", NOW + 3)]);
}

#[test]
fn after_a_restart_what_is_open_is_looked_at_again() {
    let mut bench = bench();
    for (series, next, events) in [("covered", 150, 1), ("beyond", 300, 0), ("well", 1, 1)] {
        bench.values(series, NOW, &[150]);
        assert_eq!(bench.told(), [opened(series, NOW)]);
        bench.raise(series, up_to(2.0, NOW + 1000), None);
        assert_eq!(bench.told(), []);
        bench.values(series, NOW + 1, &[next, next]);
        let told = bench.told();
        assert_eq!(told, vec![closed(series, NOW + 1); events], "{series}");
    }
}

#[test]
fn what_is_held_down_stays_so_under_other_settings() {
    let mut bench = bench();
    bench.values("a", NOW, &[150]);
    bench.raise("a", up_to(2.0, NOW + 1000), Some("no"));
    assert_eq!(bench.told(), [opened("a", NOW), closed("a", NOW)]);
    let mut settings = Settings::clone(&bench.shard.settings());
    settings.detectors.push(detector("another"));
    bench.shard.change(Arc::new(settings), &mut bench.events);
    bench.shard.carry_over(1000, &mut bench.events);
    bench.values("a", NOW + 1, &[150, 250]);
    assert_eq!(bench.told(), [opened("a", NOW + 2)]);
}
