//! What is told of a series that leaps at times that are known.

use super::*;

const WEEK_S: i64 = 7 * DAY_S;
const WORK_DAYS: i64 = 5;

/// A place of work: when it is at 200 instead of 50, and how exact that is.
#[derive(Clone, Copy)]
struct Office {
    from_s: i64,
    until_s: i64,
    days: i64,
    /// An edge comes so much sooner or later at most (seconds).
    jitter_s: i64,
}

const OFFICE: Office = Office {
    from_s: 8 * 3600,
    until_s: 20 * 3600,
    days: WORK_DAYS,
    jitter_s: 0,
};

impl Office {
    /// The first sample is one of a Monday.
    fn at(self, seed: i64, timestamp: i64) -> f64 {
        let (day, within) = (timestamp.div_euclid(DAY_S), timestamp.rem_euclid(DAY_S));
        let late = |edge: i64| {
            let part = (noise(64 * (2 * day + edge) + seed) / 5.0 * 1000.0).round();
            #[expect(clippy::cast_possible_truncation, reason = "up to a thousand, either way")]
            let thousandths = part as i64;
            self.jitter_s * thousandths / 1000
        };
        let is_open = within >= self.from_s + late(0) && within < self.until_s + late(1);
        let level = if is_open && day % 7 < self.days { 200.0 } else { 50.0 };
        level + 4.0 * normal(seed, timestamp)
    }
}

/// Alerts of three such series from the fourth week to the end of the twenty-fifth: at their edges, and at other times.
fn told_of(office: Office, step_s: i64) -> (usize, usize) {
    let (mut at_edges, mut others) = (0, 0);
    for seed in 0..3 {
        let mut bench = Bench::new(Settings::default(), step_s);
        bench.show(3 * WEEK_S, |timestamp| office.at(seed, timestamp));
        for verdict in bench.show(22 * WEEK_S, |timestamp| office.at(seed, timestamp)) {
            let within = verdict.timestamp % DAY_S;
            let is_at = |edge: i64| (edge - 3600..edge + 3600).contains(&within);
            match (verdict.alert, is_at(office.from_s) || is_at(office.until_s)) {
                (false, _) => {}
                (true, true) => at_edges += 1,
                (true, false) => others += 1,
            }
        }
    }
    (at_edges, others)
}

#[test]
fn edges_that_are_known_are_not_told() {
    let twenty_past = Office {
        from_s: 30_000,
        until_s: 73_200,
        ..OFFICE
    };
    let an_hour = Office {
        until_s: 9 * 3600,
        ..OFFICE
    };
    for (office, step_s) in [
        (OFFICE, 300),
        (OFFICE, 600),
        (Office { days: 7, ..OFFICE }, 300),
        (twenty_past, 300),
        (an_hour, 300),
        (
            Office {
                jitter_s: 300,
                ..OFFICE
            },
            300,
        ),
        (
            Office {
                jitter_s: 300,
                ..twenty_past
            },
            300,
        ),
    ] {
        let (at_edges, others) = told_of(office, step_s);
        // Three series for five months: one a month of each is fifteen.
        let of = format!("{} to {} s, {} s", office.from_s, office.until_s, office.jitter_s);
        assert!(
            at_edges <= 2 && at_edges + others <= 15,
            "{of}: {at_edges} at edges, {others} others"
        );
    }
}

#[test]
fn a_morning_that_takes_two_hours_is_not_told() {
    let mut told = 0;
    for seed in 0..3 {
        let mut bench = Bench::new(Settings::default(), 60);
        let value = |timestamp: i64| {
            let hour = f64::from(i32::try_from(timestamp % DAY_S).unwrap()) / 3600.0;
            let (up, down) = (1.0 + (-2.5 * (hour - 8.5)).exp(), 1.0 + (2.0 * (hour - 17.5)).exp());
            let is_work_day = timestamp / DAY_S % 7 < WORK_DAYS;
            let usual = 0.3 + if is_work_day { 1.0 } else { 0.08 } / (up * down);
            1000.0 * usual * (1.0 + 0.03 * normal(seed, timestamp))
        };
        bench.show(2 * WEEK_S, value);
        told += bench
            .show(3 * WEEK_S, value)
            .iter()
            .filter(|verdict| verdict.alert)
            .count();
    }
    // One in three weeks of each; with steps counted from where slots have a line there were as many in three days.
    assert!(told <= 3, "{told}");
}

#[test]
fn an_edge_that_does_not_come_is_told() {
    for seed in 0..3 {
        let mut bench = Bench::new(Settings::default(), 300);
        bench.show(10 * WEEK_S, |timestamp| OFFICE.at(seed, timestamp));
        // Nobody comes on Wednesday, and somebody does on Sunday.
        for (day, value) in [(2, 50.0), (6, 200.0)] {
            bench.show(10 * WEEK_S + day * DAY_S + 7 * 3600 - bench.timestamp, |timestamp| {
                OFFICE.at(seed, timestamp)
            });
            let began = bench.timestamp + 3600;
            let odd = |timestamp: i64| {
                let is_work = (began..began + 12 * 3600).contains(&timestamp);
                (if is_work { value } else { 50.0 }) + 4.0 * normal(seed, timestamp)
            };
            let told = bench.show(17 * 3600, odd);
            assert!(told[0].alert && told[0].anomalous, "{told:?}");
            let after_s = told[0].timestamp - began;
            assert!((0..=1800).contains(&after_s), "after {after_s} s: {told:?}");
            assert_eq!(told.iter().filter(|verdict| verdict.alert).count(), 1, "{told:?}");
            assert!(!told.last().unwrap().anomalous, "{told:?}");
        }
        // The week after is like those before.
        let told = bench.show(WEEK_S, |timestamp| OFFICE.at(seed, timestamp));
        assert!(told.len() <= 2, "{told:?}");
    }
}

#[test]
fn about_an_edge_both_levels_are_usual() {
    let mut bench = Bench::new(Settings::default(), 300);
    bench.show(10 * WEEK_S + 8 * 3600, |timestamp| OFFICE.at(0, timestamp));
    for value in [198.0, 53.0] {
        let state = bench.state.clone();
        let verdict = bench.judge(value);
        assert!(verdict.score < 1.0 && !verdict.alert, "{verdict:?}");
        assert!((verdict.expected.unwrap() - value).abs() < 5.0, "{verdict:?}");
        (bench.state, bench.timestamp) = (state, bench.timestamp - 300);
    }
    for value in [20.0, 230.0] {
        let state = bench.state.clone();
        assert!(bench.judge(value).alert);
        (bench.state, bench.timestamp) = (state, bench.timestamp - 300);
    }
    let mut belief = bench.engine.belief(&bench.state);
    let [before, after] = [-1800, 1800].map(|apart| belief.at(10 * WEEK_S + 8 * 3600 + apart).unwrap().expected);
    assert!(
        (before - 50.0).abs() < 3.0 && (after - 200.0).abs() < 3.0,
        "{before}, {after}"
    );
}
