//! A detector that panics costs its series the analysis, and nobody else anything.

use super::*;
use crate::detect::scripted::{PANICS_IN_EXPLAIN, PANICS_IN_OBSERVE};

#[test]
fn a_panic_takes_out_one_series_and_the_rest_of_the_batch_is_judged() {
    let mut bench = Bench::new(settings());
    bench.send(NOW, &format!("bad 500 {NOW}\ngood 1 {NOW}\n"));
    assert_eq!(bench.told(), [opened("bad", NOW)]);
    bench.send(
        NOW,
        &format!(
            "good 2 {t}\nbad {PANICS_IN_OBSERVE} {t}\nbad 1 {later}\ngood 500 {later}\nno number\nnew 500 {t}\n",
            t = NOW + 10,
            later = NOW + 20
        ),
    );
    let event = bench.events[0].clone();
    assert_eq!(event.verdict.reason, "the analysis of the series has failed");
    assert_eq!(
        bench.told(),
        [
            closed("bad", NOW + 10),
            opened("good", NOW + 20),
            opened("new", NOW + 10)
        ],
    );
    let mut expected = Tally::default();
    expected.analysed = 5;
    expected.add_unanalysed(Unanalysed::Paused, 2);
    expected.add_unanalysed(Unanalysed::Fields, 1);
    assert_eq!(bench.tally, expected);
    assert_eq!(bench.tally.lines(), 8, "each line counts once");
    let (report, points) = bench.look_up("bad").unwrap();
    assert_eq!((report.state, points), (SeriesState::Paused, Vec::new()));
}

#[test]
fn a_panic_at_either_end_of_a_batch_loses_no_line() {
    let bad = |name: &str| format!("{name} {PANICS_IN_OBSERVE} {NOW}\n");
    let mut bench = Bench::new(settings());
    bench.send(NOW, &format!("{}a 1 {NOW}\n{}{}", bad("x"), bad("y"), bad("z")));
    assert_eq!(bench.tally.analysed, 1);
    assert_eq!(bench.tally.unanalysed(Unanalysed::Paused), 3);
    for name in ["x", "y", "z"] {
        assert_eq!(bench.look_up(name).unwrap().0.state, SeriesState::Paused, "{name}");
    }
    assert!(matches!(
        bench.look_up("a").unwrap().0.state,
        SeriesState::Watched { samples: 1, .. }
    ));
}

#[test]
fn an_anomaly_that_was_never_told_of_is_not_closed() {
    let mut bench = Bench::new(settings());
    bench.send(NOW, &format!("a {PANICS_IN_EXPLAIN} {NOW}\n"));
    assert_eq!(bench.told(), []);
    assert_eq!(bench.tally.unanalysed(Unanalysed::Paused), 1);
}

#[test]
fn an_anomaly_whose_end_cannot_be_explained_is_closed_once() {
    let mut settings = settings();
    settings.detectors = vec![detector("bound"), detector("other")];
    settings.watches = vec![watch("**", &[0, 1])];
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("a 500 {NOW}\n"));
    assert_eq!(bench.told().len(), 2);
    bench.send(NOW, &format!("a -{PANICS_IN_EXPLAIN} {}\n", NOW + 10));
    let detectors: Vec<_> = bench
        .told()
        .into_iter()
        .map(|(_, detector, change, _)| (detector, change))
        .collect();
    let over = |name: &str| (name.to_owned(), Some(Change::Closed));
    assert_eq!(detectors, [over("bound"), over("other")]);
}

#[test]
fn a_series_whose_analysis_failed_is_silent_until_it_expires_and_begins_anew() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("a {PANICS_IN_OBSERVE} {NOW}\n"));
    bench.send(NOW + 50, &format!("a 500 {}\n", NOW + 50));
    bench.sweep(NOW + 100);
    assert!(bench.knows("a"), "it is not silent");
    assert_eq!(bench.told(), []);
    bench.sweep(NOW + 111);
    assert_eq!(bench.shard.series_count(), 0);
    bench.send(NOW + 120, &format!("a 500 {}\n", NOW + 120));
    assert_eq!(bench.told(), [opened("a", NOW + 120)]);
}

#[test]
fn a_long_batch_is_judged_as_its_lines_one_by_one() {
    let mut lines = Vec::new();
    for place in 0..50 * super::super::GROUP_LINES {
        // New series, known ones twice in a row, spikes, panics and lines that are none, at no regular distance.
        let value = match place % 23 {
            5 | 6 => "500".to_owned(),
            17 if place % 5 == 0 => PANICS_IN_OBSERVE.to_string(),
            11 if place % 3 == 0 => PANICS_IN_EXPLAIN.to_string(),
            19 => "nothing".to_owned(),
            _ => "1".to_owned(),
        };
        let seconds = i64::try_from(place).unwrap();
        lines.push(format!("s.{} {value} {}\n", place / 2 % 37, NOW + seconds));
    }
    let (mut whole, mut one_by_one) = (Bench::new(settings()), Bench::new(settings()));
    whole.send(NOW, &lines.concat());
    for line in &lines {
        one_by_one.send(NOW, line);
    }
    assert_eq!(whole.tally, one_by_one.tally);
    assert_eq!(whole.events, one_by_one.events);
    assert_eq!(whole.tally.lines(), lines.len() as u64);
    let paused = (0..37).filter(|number| whole.look_up(&format!("s.{number}")).unwrap().0.state == SeriesState::Paused);
    let paused = paused.count();
    assert!(
        whole.events.len() > 30 && paused > 3 && paused < 37,
        "{} events, {paused} paused",
        whole.events.len()
    );
}
