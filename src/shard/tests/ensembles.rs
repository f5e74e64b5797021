//! Detectors that go by others.

use super::*;
use crate::detect::{
    Kind, ensemble,
    threshold::{self, Bounds},
};

fn above(name: &str, bound: f64) -> Definition {
    Definition {
        name: name.into(),
        kind: Kind::Threshold(threshold::Settings::new(Bounds::Above(bound))),
    }
}

fn at_least(needed: u32, name: &str, of: &[&str]) -> Definition {
    Definition {
        name: name.into(),
        kind: Kind::Ensemble(ensemble::Settings {
            needed,
            of: of.iter().map(|&name| name.into()).collect(),
            severity: None,
        }),
    }
}

/// Ensembles ahead of their members, of which the watch names some.
fn ensembles(heard: &[usize]) -> Settings {
    Settings {
        detectors: vec![
            at_least(2, "outer", &["inner", "ten"]),
            at_least(1, "inner", &["thirty", "twenty"]),
            above("ten", 10.0),
            above("twenty", 20.0),
            above("thirty", 30.0),
            above("other", 0.0),
        ],
        watches: vec![watch("**", heard)],
        ..Settings::default()
    }
}

fn bench(heard: &[usize], verbosity: Verbosity) -> Bench {
    Bench::judging(ensembles(heard), verbosity, &Arc::default())
}

/// Sends values at one in ten seconds. Gives who told what at which place.
fn told(bench: &mut Bench, begin: Timestamp, values: &[u32]) -> Vec<(String, Option<Change>, i64)> {
    for (time, value) in (begin..).step_by(10).zip(values) {
        bench.send(time, &format!("a {value} {time}\n"));
    }
    let short = |(_, detector, change, time)| (detector, change, (time - begin) / 10);
    bench.told().into_iter().map(short).collect()
}

fn tells(detector: &str, change: Change, place: i64) -> (String, Option<Change>, i64) {
    (detector.to_owned(), Some(change), place)
}

#[test]
fn members_are_asked_first_and_tell_nobody_by_themselves() {
    use Change::{Again, Closed, Opened};
    let mut bench = bench(&[0], Verbosity::Changes);
    assert_eq!(
        told(&mut bench, NOW, &[5, 15, 25, 35, 15, 5]),
        [
            tells("outer", Opened, 2),
            tells("outer", Again, 3),
            tells("outer", Closed, 4)
        ]
    );
    let SeriesState::Watched { detectors, .. } = bench.look_up("a").unwrap().0.state else {
        panic!("it is watched");
    };
    let heard: Vec<_> = detectors.iter().map(|judge| (&*judge.detector, judge.heard)).collect();
    assert_eq!(
        heard,
        [
            ("thirty", false),
            ("twenty", false),
            ("inner", false),
            ("ten", false),
            ("outer", true)
        ]
    );
}

#[test]
fn members_that_the_watch_names_are_heard() {
    use Change::{Again, Closed, Opened};
    let mut bench = bench(&[3, 1], Verbosity::Changes);
    assert_eq!(
        told(&mut bench, NOW, &[5, 25, 35, 5]),
        [
            tells("twenty", Opened, 1),
            tells("inner", Opened, 1),
            tells("inner", Again, 2),
            tells("twenty", Closed, 3),
            tells("inner", Closed, 3),
        ]
    );
}

#[test]
fn with_every_sample_only_those_are_shown_that_are_heard() {
    let mut bench = bench(&[1, 5], Verbosity::EverySample);
    let told = told(&mut bench, NOW, &[5, 25]);
    let names: Vec<_> = told.iter().map(|(detector, ..)| &**detector).collect();
    assert_eq!(names, ["inner", "other", "inner", "other"]);
}

#[test]
fn what_an_ensemble_says_is_of_this_sample_and_this_series() {
    let mut settings = ensembles(&[1]);
    settings.watches.insert(0, watch("b", &[3]));
    let mut bench = Bench::judging(settings, Verbosity::Changes, &Arc::default());
    // What others said of b's sample must not be heard of a's.
    bench.send(NOW, &format!("a 5 {NOW}\nb 99 {NOW}\na 5 {}\n", NOW + 10));
    assert_eq!(bench.told().len(), 1);
    bench.send(NOW + 20, &format!("a 99 {}\n", NOW + 20));
    let votes = bench.events[0].verdict.votes.clone();
    assert_eq!(bench.told()[0].1, "inner");
    let statistics: Vec<_> = votes.iter().map(|vote| vote.finding.statistic.unwrap()).collect();
    assert!(
        (statistics[0] - 3.3).abs() < 1e-9 && (statistics[1] - 4.95).abs() < 1e-9,
        "{statistics:?}"
    );
}

#[test]
fn ensembles_go_on_after_a_restart() {
    let values = [5, 15, 25, 35, 25, 15, 5, 25, 5];
    for cut in 1..values.len() {
        let mut before = bench(&[0, 1], Verbosity::Changes);
        let mut expected = bench(&[0, 1], Verbosity::Changes);
        let all = told(&mut expected, NOW, &values);
        let mut both = told(&mut before, NOW, &values[..cut]);
        let mut portion = Portion::default();
        let next = before.shard.save(Place::Awake(0), 10, usize::MAX, NOW, &mut portion);
        assert_eq!(next, Some(Place::Dormant(0)));
        let mut after = bench(&[0, 1], Verbosity::Changes);
        let settings = ensembles(&[0, 1]);
        let heirs = Origin::new(&settings).heirs(&settings);
        let mut loaded = Loaded::default();
        for saved in portion.pieces() {
            after.shard.load(saved, hash(b"a"), &heirs, NOW, &mut loaded);
        }
        assert_eq!((loaded.series, loaded.begun_anew), (1, vec![0; 6]));
        let cut_at = i64::try_from(cut).unwrap();
        let rest = told(&mut after, NOW + 10 * cut_at, &values[cut..]);
        both.extend(
            rest.into_iter()
                .map(|(detector, change, place)| (detector, change, place + cut_at)),
        );
        assert_eq!(both, all, "cut at {cut}");
    }
}

#[test]
fn what_is_not_heard_any_more_is_not_open_any_more() {
    let mut before = bench(&[0, 3], Verbosity::Changes);
    told(&mut before, NOW, &[25]);
    let mut portion = Portion::default();
    before.shard.save(Place::Awake(0), 10, usize::MAX, NOW, &mut portion);
    let settings = ensembles(&[0]);
    let mut after = bench(&[0], Verbosity::Changes);
    let heirs = Origin::new(&settings).heirs(&settings);
    let mut loaded = Loaded::default();
    after
        .shard
        .load(portion.pieces().next().unwrap(), hash(b"a"), &heirs, NOW, &mut loaded);
    assert_eq!(loaded.open, [("a".into(), 0)], "the snapshot closes that of the other");
}

#[test]
fn the_newest_sample_of_a_series_goes_to_those_who_follow_it() {
    let shared = Arc::<Shared>::default();
    let (watched, unwatched) = (shared.elsewhere.follow("a"), shared.elsewhere.follow("quiet"));
    let mut settings = settings();
    settings.watches = vec![watch("quiet", &[]), watch("**", &[0])];
    settings.watches[1].reading = Reading::Rate;
    let mut bench = Bench::beside(settings, &shared);
    bench.send(NOW, &format!("a 100 {NOW}\nquiet 7 {NOW}\nb 1 {NOW}\n"));
    assert_eq!(
        (watched.get(), unwatched.get().map(|point| point.value)),
        (None, Some(7.0))
    );
    bench.send(NOW, &format!("a 150 {}\n", NOW + 10));
    let rate = Point {
        timestamp: NOW + 10,
        value: 5.0,
    };
    assert_eq!(watched.get(), Some(rate), "what it is read as");
}
