//! What becomes of each line: it counts once, as analysed or by the reason why not.

use super::*;

/// Sends `line` to a shard that has seen `known 1` at [`NOW`], and expects it to count for `reason` alone.
#[track_caller]
fn counts_as(reason: Unanalysed, line: &str) {
    let mut settings = settings();
    settings.limits = Limits {
        max_age_s: Some(600),
        max_ahead_s: Some(60),
    };
    settings.watches.insert(0, watch("unwatched.**", &[]));
    settings.max_series = 2;
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("known 1 {NOW}\nunwatched.a 1 {NOW}\n"));
    let before = bench.shard.series_count();
    bench.tally = Tally::default();
    bench.send(NOW, &format!("{line}\n"));
    let mut expected = Tally::default();
    expected.add_unanalysed(reason, 1);
    assert_eq!(bench.tally, expected, "{line}");
    assert_eq!(bench.shard.series_count(), before, "{line} begins no series");
    assert_eq!(bench.told(), []);
    let (_, points) = bench.look_up("known").unwrap();
    assert_eq!(points.len(), 1, "{line} goes into no window");
}

#[test]
fn each_reason_not_to_analyse() {
    use Unanalysed as Why;
    counts_as(Why::Empty, " \t ");
    counts_as(Why::Fields, "known 1");
    counts_as(Why::Fields, &format!("known 1 {NOW} more"));
    counts_as(Why::Value, &format!("known 0x10 {NOW}"));
    counts_as(Why::Timestamp, "known 1 yesterday");
    counts_as(Why::Nan, &format!("known NaN {NOW}"));
    counts_as(Why::Infinite, &format!("known -inf {NOW}"));
    counts_as(Why::Infinite, &format!("known 1e400 {NOW}"));
    counts_as(Why::Late, &format!("known 2 {}", NOW - 1));
    counts_as(Why::Duplicate, &format!("known 2 {NOW}"));
    counts_as(Why::Duplicate, "known 2 -1");
    counts_as(Why::TooOld, &format!("known 2 {}", NOW - 601));
    counts_as(Why::TooFarAhead, &format!("known 2 {}", NOW + 61));
    counts_as(Why::OverMaxSeries, &format!("new 1 {NOW}"));
    counts_as(Why::Unwatched, &format!("unwatched.a 1 {NOW}"));
}

#[test]
fn a_timestamp_at_either_limit_is_analysed() {
    let mut settings = settings();
    settings.limits = Limits {
        max_age_s: Some(600),
        max_ahead_s: Some(60),
    };
    let mut bench = Bench::new(settings);
    bench.send(NOW, &format!("a 1 {}\na 2 {}\n", NOW - 600, NOW + 60));
    assert_eq!(bench.tally.analysed, 2);
}

#[test]
fn without_limits_only_timestamps_that_are_nobodys_are_refused() {
    let mut settings = settings();
    settings.limits = Limits {
        max_age_s: None,
        max_ahead_s: None,
    };
    let mut bench = Bench::new(settings);
    let max = TIMESTAMP_MAX;
    bench.send(NOW, &format!("a 1 -{max}\nb 1 -2\nc 1 {max}\n"));
    assert_eq!(bench.tally.analysed, 3);
    bench.send(NOW, &format!("d 1 -{}\nd 1 {}\nd 1 1e300\n", max + 1, max + 1));
    assert_eq!(bench.tally.unanalysed(Unanalysed::TooOld), 1);
    assert_eq!(bench.tally.unanalysed(Unanalysed::TooFarAhead), 2);
}

#[test]
fn late_and_duplicate_are_by_series_and_leave_the_window_as_it_was() {
    let mut bench = Bench::new(settings());
    bench.send(
        NOW,
        &format!(
            "a 1 {t0}\na 2 {t2}\nb 9 {t0}\na 3 {t1}\na 4 {t2}\na 5 {t3}\n",
            t0 = NOW,
            t1 = NOW + 1,
            t2 = NOW + 2,
            t3 = NOW + 3
        ),
    );
    assert_eq!(bench.tally.analysed, 4);
    assert_eq!(bench.tally.unanalysed(Unanalysed::Late), 1);
    assert_eq!(bench.tally.unanalysed(Unanalysed::Duplicate), 1);
    let (_, points) = bench.look_up("a").unwrap();
    let points: Vec<_> = points
        .iter()
        .map(|point| (point.timestamp - NOW, point.value))
        .collect();
    assert_eq!(points, [(0, 1.0), (2, 2.0), (3, 5.0)]);
}

#[test]
fn a_late_or_duplicate_spike_opens_nothing() {
    let mut bench = Bench::new(settings());
    bench.send(NOW, &format!("a 1 {NOW}\na 500 {NOW}\na 500 {}\n", NOW - 1));
    assert_eq!(bench.told(), []);
}

#[test]
fn the_first_watch_that_matches_wins() {
    let mut settings = settings();
    settings.detectors = vec![detector("left"), detector("right")];
    settings.watches = vec![
        watch("a.*", &[1, 0]),
        watch("quiet.**", &[]),
        watch("a.**", &[0]),
        watch("quiet.b", &[0]),
    ];
    let mut bench = Bench::new(settings);
    let names = ["a.b", "a.b.c", "quiet.b", "other"];
    for name in names {
        bench.send(NOW, &format!("{name} 500 {NOW}\n"));
    }
    let told: Vec<_> = bench
        .told()
        .into_iter()
        .map(|(series, detector, change, _)| (series, detector, change))
        .collect();
    let open = |series: &str, detector: &str| (series.to_owned(), detector.to_owned(), Some(Change::Opened));
    assert_eq!(told, [open("a.b", "right"), open("a.b", "left"), open("a.b.c", "left")]);
    for name in &names[2..] {
        let (report, points) = bench.look_up(name).unwrap();
        assert_eq!(report.state, SeriesState::Unwatched, "{name}");
        assert_eq!(points, [], "{name} costs no window");
    }
    assert_eq!(bench.tally.analysed, 2);
    assert_eq!(bench.tally.unanalysed(Unanalysed::Unwatched), 2);
}

#[test]
fn minus_one_is_the_time_of_arrival() {
    let mut bench = Bench::new(settings());
    bench.send(NOW, "a 7 -1\n");
    let (report, points) = bench.look_up("a").unwrap();
    let seven = Point {
        timestamp: NOW,
        value: 7.0,
    };
    assert_eq!(points, [seven]);
    assert_eq!(report.received, NOW);
}

#[test]
fn looking_up_goes_by_the_whole_name() {
    let mut bench = Bench::new(settings());
    // The same hash, which is a sum here.
    bench.send(NOW, &format!("ab 1 {NOW}\nba 2 {NOW}\nab 3 {}\n", NOW + 10));
    assert_eq!(hash(b"ab"), hash(b"ba"));
    let (report, points) = bench.look_up("ab").unwrap();
    assert_eq!(&*report.name, "ab");
    assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, 3.0]);
    let SeriesState::Watched {
        samples,
        memory,
        last,
        detectors,
    } = report.state
    else {
        panic!("it is watched: {report:?}");
    };
    assert_eq!((samples, last), (2, points.last().copied()));
    assert!(memory.window.open_bytes > 2 * 8);
    assert!(memory.name_bytes > "ab".len() && memory.bytes() > memory.window.open_bytes + memory.name_bytes);
    let bound = JudgeReport {
        detector: "bound".into(),
        standing: crate::detect::Standing::Analysed,
        open: false,
        heard: true,
        outlook: None,
    };
    assert_eq!(detectors, [bound]);
    assert_eq!(bench.look_up("ba").unwrap().1[0].value.to_bits(), 2f64.to_bits());
    for other in ["a", "abc", "", "bb", "a b"] {
        assert!(!bench.knows(other), "{other}");
    }
}

#[test]
fn a_search_in_pieces_finds_every_series_once() {
    let mut settings = settings();
    settings.expire_after_s = 60;
    let mut bench = Bench::new(settings);
    let all = |kept: &str, count: usize| (0..count).map(|number| format!("{kept}.{number}")).collect::<Vec<_>>();
    for name in all("old", 50).iter().chain(&all("web", 30)) {
        bench.send(NOW, &format!("{name} 1 {NOW}\n"));
    }
    // Holes where the old ones were, some of them filled again.
    for name in all("web", 30) {
        bench.send(NOW + 100, &format!("{name} 1 {}\n", NOW + 100));
    }
    bench.sweep(NOW + 100);
    for name in all("new", 20) {
        bench.send(NOW + 100, &format!("{name} 1 {}\n", NOW + 100));
    }
    assert_eq!(bench.shard.slot_count(), 80, "slots are used again");
    for (pattern, mut expected) in [
        ("**", [all("web", 30), all("new", 20)].concat()),
        ("web.*", all("web", 30)),
        ("old.*", Vec::new()),
        ("new.1", vec!["new.1".to_owned()]),
    ] {
        expected.sort();
        let glob = Glob::new(pattern).unwrap();
        for budget in [1, 7, 80, 1000] {
            let listing = Listing {
                glob: glob.clone(),
                condition: None,
                after: None,
                limit: usize::MAX,
            };
            let (mut page, mut slot, mut steps) = (Page::default(), Some(0), 0);
            while let Some(from) = slot {
                slot = bench.shard.list(&listing, from, budget, &mut page);
                steps += 1;
            }
            assert_eq!(steps, 80usize.div_ceil(budget), "{budget} slots at a time");
            let names: Vec<_> = page.series.keys().map(ToString::to_string).collect();
            assert_eq!((page.total, page.next()), (expected.len(), None));
            assert_eq!(names, expected, "{pattern}, {budget} at a time");
        }
    }
}

#[test]
fn a_counter_is_judged_by_its_rate() {
    let mut settings = settings();
    let mut counters = watch("net.**", &[0]);
    counters.reading = Reading::Rate;
    settings.watches.insert(0, counters);
    let mut bench = Bench::new(settings);
    // Total and time: 500 a second at last is above the bound, and a total as large as that is not.
    let totals = [
        (5000, 0),
        (5100, 10),
        (5100, 10),
        (5050, 5),
        (20, 20),
        (1020, 30),
        (6020, 40),
        (6030, 50),
    ];
    for (total, second) in totals {
        bench.send(NOW, &format!("net.bytes {total} {}\n", NOW - 100 + second));
    }
    bench.send(NOW, &format!("plain 5000 {NOW}\n"));
    assert_eq!(
        bench.tally.unanalysed(Unanalysed::Priming),
        2,
        "the first, and that after the reset"
    );
    assert_eq!(bench.tally.unanalysed(Unanalysed::Duplicate), 1);
    assert_eq!(bench.tally.unanalysed(Unanalysed::Late), 1);
    assert_eq!((bench.tally.analysed, bench.tally.lines()), (5, 9));
    let at = |second| NOW - 100 + second;
    assert_eq!(
        bench.told(),
        [
            opened("net.bytes", at(40)),
            closed("net.bytes", at(50)),
            opened("plain", NOW)
        ]
    );
    let (_, points) = bench.look_up("net.bytes").unwrap();
    let rates: Vec<_> = points.iter().map(|point| (point.timestamp, point.value)).collect();
    assert_eq!(rates, [(at(10), 10.0), (at(30), 100.0), (at(40), 500.0), (at(50), 1.0)]);
}
