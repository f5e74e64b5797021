//! What a shard tells of verdicts.

use std::fmt::Write as _;

use super::*;
use crate::detect::{Kind, skyline};

#[test]
fn an_anomaly_opens_and_closes_once() {
    let mut bench = Bench::new(settings());
    for (second, value) in [1, 500, 600, 1, 2, 700].into_iter().enumerate() {
        bench.send(NOW, &format!("a {value} {}\n", NOW + i64::try_from(second).unwrap()));
    }
    assert_eq!(
        bench.told(),
        [opened("a", NOW + 1), closed("a", NOW + 3), opened("a", NOW + 5)]
    );
    let SeriesState::Watched { detectors, .. } = bench.look_up("a").unwrap().0.state else {
        panic!("it is watched");
    };
    assert!(detectors[0].open, "the report says that it is open");
}

/// Two hours of noise at ten seconds with a spike of three samples every ten minutes.
fn spiky() -> String {
    let mut lines = String::new();
    for place in 0..720_i64 {
        let noise = (place * 7919 % 101 + place * 31 % 17) % 50;
        let value = if place % 60 >= 57 { 2000 + noise } else { 500 + noise };
        writeln!(lines, "a.spiky {value} {}", NOW + 10 * place).unwrap();
        writeln!(lines, "a.calm {} {}", 500 + noise, NOW + 10 * place).unwrap();
    }
    lines
}

#[test]
fn what_is_told_of_changes_is_what_every_sample_would_tell_with_all_votes() {
    use skyline::Algorithm;
    let few = [
        Algorithm::KsTest,
        Algorithm::MedianAbsoluteDeviation,
        Algorithm::StddevFromAverage,
        Algorithm::HistogramBins,
    ];
    let (mut compared, mut opened) = (0, 0);
    for (algorithms, consensus) in [(&Algorithm::ALL[..], 6), (&Algorithm::ALL[..], 4), (&few[..], 2)] {
        for published_votes in [false, true] {
            let kind = Kind::Skyline(skyline::Settings {
                consensus,
                algorithms: algorithms.to_vec(),
                published_votes,
                ..skyline::Settings::default()
            });
            let settings = Settings {
                detectors: vec![Definition {
                    name: "nine".into(),
                    kind,
                }],
                limits: Limits {
                    max_age_s: None,
                    max_ahead_s: None,
                },
                ..settings()
            };
            let events = |verbosity| {
                let mut bench = Bench::judging(settings.clone(), verbosity, &Arc::default());
                bench.send(NOW, &spiky());
                assert_eq!(bench.tally.analysed, 1440);
                bench.events
            };
            let changes = events(Verbosity::Changes);
            let mut every_sample = events(Verbosity::EverySample);
            assert_eq!(every_sample.len(), 1440);
            every_sample.retain(|event| event.change.is_some());
            assert_eq!(changes, every_sample);
            compared += changes.len();
            for event in changes.iter().filter(|event| event.change == Some(Change::Opened)) {
                opened += 1;
                let names = event.verdict.votes.iter().map(|vote| &*vote.name);
                assert!(
                    names.eq(algorithms.iter().map(|algorithm| algorithm.name())),
                    "{event:?}"
                );
                assert!(event.verdict.anomalous && event.verdict.alert && event.verdict.score >= 1.0);
            }
        }
    }
    assert!(opened > 20 && compared > 40, "{opened} opened, {compared} compared");
}

/// Three days at one sample a minute: a wave, spikes, and a level that shifts.
fn days() -> Vec<(i64, f64)> {
    (0..4320_i32)
        .map(|minute| {
            let day = f64::from(minute % 1440) / 1440.0;
            let noise = f64::from(minute * 7919 % 101) / 101.0;
            let spike = if minute % 500 == 499 { 80.0 } else { 0.0 };
            let shift = if minute > 3500 { 40.0 } else { 0.0 };
            let value = 100.0 + 20.0 * (std::f64::consts::TAU * day).sin() + 4.0 * noise + spike + shift;
            (NOW + 60 * i64::from(minute), value)
        })
        .collect()
}

fn adaptive() -> Settings {
    Settings {
        limits: Limits {
            max_age_s: None,
            max_ahead_s: None,
        },
        ..Settings::default()
    }
}

#[test]
fn the_adaptive_detector_tells_the_same_however_lines_arrive() {
    let lines: Vec<String> = days()
        .iter()
        .map(|(time, value)| format!("a {value} {time}\nb {value} {time}\n"))
        .collect();
    let told = |verbosity, batch: usize| {
        let mut bench = Bench::judging(adaptive(), verbosity, &Arc::default());
        for part in lines.chunks(batch) {
            bench.send(NOW, &part.concat());
        }
        bench.events.retain(|event| event.change.is_some());
        bench.events
    };
    let live = told(Verbosity::Changes, 1);
    assert_eq!(told(Verbosity::Changes, 1000), live);
    assert_eq!(told(Verbosity::EverySample, 37), live);
    let count = |change| live.iter().filter(|event| event.change == Some(change)).count();
    let (opened, closed) = (count(Change::Opened), count(Change::Closed));
    // The new level of each of the two is not usual yet.
    assert!(opened >= 6 && closed + 2 == opened, "{opened} opened, {closed} closed");
}

#[test]
fn what_the_adaptive_detector_tells_is_what_its_policy_says() {
    use crate::detect::adaptive;
    let mut bench = Bench::judging(adaptive(), Verbosity::Changes, &Arc::default());
    let mut engine = adaptive::Engine::new(adaptive::Settings::default());
    let mut state = adaptive::State::default();
    let mut expected = Vec::new();
    for (timestamp, value) in days() {
        bench.send(NOW, &format!("a {value} {timestamp}\n"));
        let point = Point { timestamp, value };
        expected.extend(engine.observe(&mut state, point).alert.then_some(timestamp));
    }
    let alerts = bench.events.iter().filter(|event| event.verdict.alert);
    assert_eq!(
        alerts.map(|event| event.verdict.timestamp).collect::<Vec<_>>(),
        expected
    );
    assert!(expected.len() > 3, "{expected:?}");
}

#[test]
fn a_series_that_is_being_learnt_says_so() {
    let mut bench = Bench::judging(adaptive(), Verbosity::Changes, &Arc::default());
    for (timestamp, value) in days().into_iter().take(37) {
        bench.send(NOW, &format!("a {value} {timestamp}\n"));
    }
    let SeriesState::Watched { detectors, .. } = bench.look_up("a").unwrap().0.state else {
        panic!("it is watched");
    };
    assert_eq!(detectors[0].standing.to_string(), "warming up: 37 of 150 samples");
}
