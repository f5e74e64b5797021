//! How many series there are, and how they go.

use super::*;

#[test]
fn shards_share_the_count_of_series() {
    let mut settings = settings();
    settings.max_series = 3;
    settings.expire_after_s = 60;
    let shared = Arc::<Shared>::default();
    let mut left = Bench::beside(settings.clone(), &shared);
    let mut right = Bench::beside(settings, &shared);
    left.send(NOW, &format!("a 1 {NOW}\nb 1 {NOW}\n"));
    right.send(NOW, &format!("c 1 {NOW}\nd 1 {NOW}\n"));
    assert_eq!(right.tally.unanalysed(Unanalysed::OverMaxSeries), 1);
    left.send(NOW + 30, &format!("e 1 {t}\na 2 {t}\n", t = NOW + 30));
    assert_eq!(left.tally.unanalysed(Unanalysed::OverMaxSeries), 1);
    assert_eq!(left.tally.analysed, 3, "those that are there go on");
    assert_eq!(shared.series_count(), 3);

    // b expires on the left, and that makes room on the right.
    left.sweep(NOW + 61);
    assert_eq!((left.shard.series_count(), shared.series_count()), (1, 2));
    right.send(NOW + 62, &format!("d 1 {t}\nf 1 {t}\n", t = NOW + 62));
    assert_eq!((right.shard.series_count(), shared.series_count()), (2, 3));
    assert!(right.knows("d") && !right.knows("f"));
    assert_eq!(right.tally.unanalysed(Unanalysed::OverMaxSeries), 2);
}

#[test]
fn a_series_goes_once_it_has_been_silent_for_longer_than_agreed() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("a 1 {NOW}\n"));
    bench.sweep(NOW + 60);
    assert!(bench.knows("a"), "a minute is not longer than a minute");
    bench.sweep(NOW + 61);
    assert!(!bench.knows("a"));
    assert_eq!(bench.told(), [], "nothing was open");
    bench.send(NOW + 70, &format!("a 2 {}\n", NOW - 500));
    assert_eq!(bench.tally.analysed, 2, "it begins anew, whatever its time was before");
}

#[test]
fn silence_is_by_arrival_and_not_by_the_samples_own_time() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("replayed 1 {}\nahead 1 {}\n", NOW - 86_400, NOW + 250));
    bench.sweep(NOW + 50);
    assert_eq!(bench.shard.series_count(), 2);
    // A line that is not analysed is a sign of life, too.
    bench.send(NOW + 50, &format!("replayed 1 {}\n", NOW - 90_000));
    assert_eq!(bench.tally.unanalysed(Unanalysed::Late), 1);
    bench.sweep(NOW + 100);
    assert!(bench.knows("replayed") && !bench.knows("ahead"));
}

#[test]
fn an_anomaly_that_is_open_closes_when_its_series_falls_silent() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("a 500 {NOW}\nb 1 {NOW}\na 501 {}\n", NOW + 10));
    assert_eq!(bench.told(), [opened("a", NOW)]);
    bench.shard.sweep(NOW + 100, 2, &mut bench.events);
    let event = bench.events[0].clone();
    assert_eq!(
        event.verdict.reason,
        "the series has fallen silent, and is given up after 60s"
    );
    assert!(!event.verdict.anomalous && !event.verdict.alert);
    assert_eq!(bench.told(), [closed("a", NOW + 10 + 60)]);
    assert_eq!(bench.shard.series_count(), 0);
    bench.sweep(NOW + 200);
    assert_eq!(bench.told(), [], "it closes once");
}

#[test]
fn by_samples_a_series_goes_as_it_would_have_gone_live() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    settings.limits.max_age_s = None;
    let mut bench = Bench::new(settings);
    bench.shard = bench.shard.by_samples();
    // Whenever its lines are read, and in whatever order series stand: b's time is its own, and c's end is that of all.
    let lines = |name: &str, value: u32, times: &[i64]| -> String {
        let line = |time: &i64| format!("{name} {value} {}\n", NOW + time);
        times.iter().map(line).collect()
    };
    bench.send(NOW + 9_000, &lines("a", 500, &[0, 60, 120]));
    assert_eq!(bench.told(), [opened("a", NOW)]);
    bench.send(NOW + 9_000, &lines("b", 500, &[0, 30]));
    assert_eq!(bench.told(), [opened("b", NOW)]);
    bench.send(NOW + 9_000, &lines("a", 500, &[181]));
    assert_eq!(bench.told(), [closed("a", NOW + 180), opened("a", NOW + 181)]);
    let (report, points) = bench.look_up("a").unwrap();
    assert_eq!((points.len(), report.received), (1, NOW + 181), "it has begun anew");
    // A late line does not take its time back.
    bench.send(NOW + 9_000, &lines("a", 500, &[100, 240]));
    assert_eq!(bench.told(), []);
    bench.send(NOW + 9_000, &lines("c", 1, &[300]));
    bench.shard.end(&mut bench.events);
    assert_eq!(bench.told(), [closed("b", NOW + 90)]);
    assert_eq!(bench.shard.series_count(), 3, "they can be looked at");
}

#[test]
fn sweeps_in_pieces_come_round_to_every_slot() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    let mut bench = Bench::new(settings);
    for number in 0..10 {
        bench.send(NOW, &format!("s.{number} 1 {NOW}\n"));
    }
    for left in [7, 4, 1, 0] {
        bench.shard.sweep(NOW + 61, 3, &mut bench.events);
        assert_eq!(bench.shard.series_count(), left);
    }
}

#[test]
fn an_unwatched_series_counts_and_goes_like_any_other() {
    let mut settings = settings();
    settings.max_series = 1;
    settings.expire_after_s = 60;
    settings.watches = vec![watch("quiet", &[]), watch("**", &[0])];
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("quiet 1 {NOW}\na 1 {NOW}\n"));
    assert_eq!(bench.tally.unanalysed(Unanalysed::OverMaxSeries), 1);
    bench.sweep(NOW + 61);
    bench.send(NOW + 61, &format!("a 1 {}\n", NOW + 61));
    assert_eq!(bench.tally.analysed, 1);
}
