//! What is saved comes back: to the bit, as a whole, and into other settings.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::{
    detect::{Definition, Kind, adaptive, skyline},
    save::{Damaged, Saved},
};

/// Hours that windows of these tests reach back.
const SPAN_S: i64 = 6 * 3600;

/// Everything judged by the nine, over a window that is full soon.
pub(super) fn judged() -> Settings {
    let nine = skyline::Settings {
        first_hour_average: skyline::FirstHourAverage {
            sigmas: 3.0,
            older_than_s: SPAN_S - 3600,
        },
        consensus: 2,
        ..skyline::Settings::default()
    };
    Settings {
        span_s: SPAN_S,
        limits: Limits {
            max_age_s: None,
            max_ahead_s: None,
        },
        detectors: vec![Definition {
            name: "nine".into(),
            kind: Kind::Skyline(nine),
        }],
        ..Settings::default()
    }
}

/// The same judged by the adaptive detector as well, which is not silent for long.
pub(super) fn judged_twice() -> Settings {
    let mut settings = judged();
    settings.detectors.push(Definition {
        name: "adaptive".into(),
        kind: Kind::Adaptive(adaptive::Settings {
            silent_for_s: 0,
            ..adaptive::Settings::default()
        }),
    });
    settings.watches[0].detectors = vec![0, 1];
    settings
}

pub(super) fn nine(definition: &mut Definition) -> &mut skyline::Settings {
    match &mut definition.kind {
        Kind::Skyline(nine) => nine,
        _ => panic!("it is of another kind"),
    }
}

/// Some hours of two series: swings, noise, steps, gaps, a giant.
pub(super) fn story() -> Vec<String> {
    let mut lines = Vec::new();
    let mut timestamp = NOW;
    let mut random = 1_u64;
    for place in 0..5000_u32 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let noise = f64::from(u32::try_from(random >> 40).unwrap()) / f64::from(1 << 24);
        timestamp += match place {
            1700 => 5000,
            3100 => 9,
            // A day later the window is empty, and a week is begun.
            3700 => 100_000,
            _ => 10,
        };
        let swing = 10.0 * (f64::from(place) / 300.0).sin();
        let value = match place {
            900..910 | 2600..2640 => 80.0,
            2300..2600 | 4300..4900 if place % 100 < 4 => 500.0,
            300 => 1e30,
            4000.. => 55.0 + swing + noise,
            _ => 20.0 + swing + noise,
        };
        lines.push(format!("a {value:.3} {timestamp}\nb {noise} {timestamp}\n"));
    }
    lines
}

/// All that `shard` has, in portions of a series each.
pub(super) fn save(shard: &Shard) -> Vec<Vec<u8>> {
    let (mut place, mut saved) = (Some(Place::Awake(0)), Vec::new());
    while let Some(from) = place {
        let mut portion = Portion::default();
        place = shard.save(from, 3, 1, NOW, &mut portion);
        saved.extend(portion.pieces().map(<[u8]>::to_vec));
    }
    saved
}

/// Loads what was saved under the settings `before`.
pub(super) fn load(bench: &mut Bench, before: &Settings, saved: &[Vec<u8>], now: Timestamp) -> Loaded {
    let heirs = Origin::new(before).heirs(&bench.shard.settings);
    let mut loaded = Loaded::default();
    for series in saved {
        let name = Saved::new(series).text().unwrap_or_default().to_owned();
        bench
            .shard
            .load(series, hash(name.as_bytes()), &heirs, now, &mut loaded);
    }
    loaded
}

/// A relay that judges under `settings`, and tells of every sample.
pub(super) fn judging(settings: &Settings) -> Bench {
    Bench::judging(settings.clone(), Verbosity::EverySample, &Arc::default())
}

/// The same relay after a restart.
pub(super) fn restart(before: &Bench, settings: &Settings) -> (Bench, Loaded) {
    let mut after = judging(settings);
    let loaded = load(&mut after, &before.shard.settings, &save(&before.shard), NOW);
    (after, loaded)
}

#[test]
fn with_restarts_in_between_every_verdict_is_the_same() {
    let settings = judged_twice();
    let (mut straight, mut restarted) = (judging(&settings), judging(&settings));
    let mut anomalous = [0, 0];
    // To explain all is slow: until the giant has left the window, and others have come.
    for (place, lines) in story()[..2700].iter().enumerate() {
        straight.send(NOW, lines);
        restarted.send(NOW, lines);
        assert_eq!(restarted.events, straight.events, "at sample {place}");
        for event in straight.events.iter().filter(|event| event.verdict.anomalous) {
            anomalous[usize::from(&*event.detector == "adaptive")] += 1;
        }
        straight.events.clear();
        restarted.events.clear();
        // Often, and at every place of a block.
        if place % 97 == 0 || place % 1024 < 3 {
            let (after, loaded) = restart(&restarted, &settings);
            assert_eq!(
                (loaded.series, loaded.damaged, &*loaded.begun_anew),
                (2, 0, &[0, 0][..]),
                "{loaded:?}"
            );
            restarted = after;
        }
    }
    assert!(
        anomalous.iter().all(|&verdicts| verdicts > 10),
        "{anomalous:?} verdicts were anomalous"
    );
    assert_eq!(straight.look_up("a").unwrap().1, restarted.look_up("a").unwrap().1);
    let fingerprints = |bench: &Bench| save(&bench.shard);
    assert_eq!(
        fingerprints(&straight),
        fingerprints(&restarted),
        "and so is what is remembered"
    );
}

/// Then little is explained, and most is decided by what the nine keep of the values, which is not saved.
#[test]
fn with_restarts_in_between_what_opens_and_closes_is_the_same() {
    let settings = judged_twice();
    let relay = || Bench::judging(settings.clone(), Verbosity::Changes, &Arc::default());
    let (mut straight, mut restarted) = (relay(), relay());
    for (place, lines) in story().iter().enumerate() {
        straight.send(NOW, lines);
        restarted.send(NOW, lines);
        assert_eq!(restarted.events, straight.events, "at sample {place}");
        if place % 211 == 0 {
            let saved = save(&restarted.shard);
            let events = std::mem::take(&mut restarted.events);
            restarted = relay();
            assert_eq!(load(&mut restarted, &settings, &saved, NOW).series, 2);
            restarted.events = events;
        }
    }
    for detector in ["nine", "adaptive"] {
        let of_it = |event: &&Event| &*event.detector == detector;
        assert!(straight.events.iter().filter(of_it).count() >= 2, "{detector}");
    }
}

#[test]
fn what_is_open_is_open_again_and_closes() {
    let mut before = Bench::new(settings());
    before.send(NOW, "a 200 1\nb 1 1\n");
    assert_eq!(before.told(), [opened("a", 1)]);
    let mut after = Bench::new(settings());
    let loaded = load(&mut after, &settings(), &save(&before.shard), NOW);
    assert_eq!(loaded.open, [("a".into(), 0)]);
    after.send(NOW, "a 200 2\nb 1 2\na 1 3\n");
    assert_eq!(after.told(), [closed("a", 3)]);
}

#[test]
fn another_detector_begins_anew_from_the_window() {
    let before = judged();
    let mut after = judged();
    nine(&mut after.detectors[0]).stddev_from_moving_average.com = 20.0;
    let story = story();
    let (mut old, mut straight) = (judging(&before), judging(&after));
    for lines in &story[..2500] {
        old.send(NOW, lines);
        straight.send(NOW, lines);
    }
    let (mut anew, loaded) = restart(&old, &after);
    assert_eq!((loaded.series, &*loaded.begun_anew), (2, &[2][..]));
    straight.events.clear();
    for lines in &story[2500..2900] {
        anew.send(NOW, lines);
        straight.send(NOW, lines);
    }
    // Both know the same window. Running sums that have seen other samples before may differ in their last digits.
    let votes = |bench: &Bench| -> Vec<_> {
        let verdicts = bench.events.iter().map(|event| &event.verdict);
        verdicts
            .map(|verdict| (verdict.timestamp, verdict.score.to_bits()))
            .collect()
    };
    assert_eq!(votes(&anew), votes(&straight));
}

#[test]
fn a_second_detector_learns_from_the_window_beside_the_first() {
    let before = judged();
    let mut after = judged();
    let mut second = after.detectors[0].clone();
    second.name = "second".into();
    nine(&mut second).grubbs.alpha = 0.01;
    after.detectors.insert(0, second);
    after.watches = vec![watch("**", &[0, 1])];
    let story = story();
    let (mut old, mut straight) = (judging(&before), judging(&after));
    for lines in &story[..3000] {
        old.send(NOW, lines);
        straight.send(NOW, lines);
    }
    let (mut anew, loaded) = restart(&old, &after);
    assert_eq!((loaded.series, &*loaded.begun_anew), (2, &[2, 0][..]));
    straight.events.clear();
    for lines in &story[3000..3400] {
        anew.send(NOW, lines);
        straight.send(NOW, lines);
    }
    for (left, right) in anew.events.iter().zip(&straight.events) {
        if &*left.detector == "nine" {
            assert_eq!(left, right);
        } else {
            assert_eq!(
                (left.verdict.score, &left.verdict.reason),
                (right.verdict.score, &right.verdict.reason)
            );
        }
    }
    assert_eq!(anew.events.len(), straight.events.len());
}

#[test]
fn another_span_and_a_detector_less() {
    let mut before = judged();
    let mut old = judging(&before);
    for lines in &story()[..3000] {
        old.send(NOW, lines);
    }
    let saved = save(&old.shard);
    let points = |bench: &Bench| bench.look_up("a").unwrap().1;
    let whole = points(&old);
    for span_s in [3600, 24 * 3600] {
        let mut anew = judging(&Settings { span_s, ..judged() });
        let loaded = load(&mut anew, &before, &saved, NOW);
        assert_eq!(
            (loaded.series, &*loaded.begun_anew),
            (2, &[2][..]),
            "the nine look at the whole window"
        );
        let last = whole.last().unwrap().timestamp;
        let expected: Vec<Point> = whole
            .iter()
            .copied()
            .filter(|point| point.timestamp > last - span_s)
            .collect();
        assert_eq!(points(&anew), expected);
    }
    before.watches = vec![watch("a", &[0]), watch("**", &[])];
    let mut anew = judging(&before);
    let loaded = load(&mut anew, &judged(), &saved, NOW);
    assert_eq!((loaded.series, loaded.unwatched), (1, 1));
    assert!(anew.knows("a") && !anew.knows("b"));
}

#[test]
fn rates_go_on_from_the_last_total() {
    let rates = |reading| {
        let mut settings = settings();
        settings.watches[0].reading = reading;
        settings
    };
    let mut before = Bench::new(rates(Reading::Rate));
    before.send(NOW, "a 0 0\na 10 10\n");
    let saved = save(&before.shard);
    let mut after = Bench::new(rates(Reading::Rate));
    assert_eq!(load(&mut after, &rates(Reading::Rate), &saved, NOW).series, 1);
    after.send(NOW, "a 30 20\n");
    let values: Vec<f64> = after.look_up("a").unwrap().1.iter().map(|point| point.value).collect();
    assert_eq!(values, [1.0, 2.0]);
    let mut after = Bench::new(rates(Reading::Value));
    let loaded = load(&mut after, &rates(Reading::Rate), &saved, NOW);
    assert_eq!(
        (loaded.series, loaded.read_otherwise),
        (0, 1),
        "a window holds the one or the other"
    );
}

#[test]
fn what_is_too_old_or_too_much_is_left_out() {
    let mut before = Bench::new(settings());
    before.send(NOW, "a 1 1\nb 1 1\n");
    before.send(NOW + 50, "c 1 1\nd 1 1\ne 1 1\n");
    let saved = save(&before.shard);
    let few = Settings {
        max_series: 2,
        expire_after_s: 60,
        ..settings()
    };
    let mut after = Bench::new(few);
    let loaded = load(&mut after, &settings(), &saved, NOW + 61);
    assert_eq!((loaded.series, loaded.too_old, loaded.over_max_series), (2, 2, 1));
    assert!(after.knows("c") && after.knows("d") && !after.knows("e"));
    after.send(NOW + 62, "f 1 1\n");
    assert_eq!(
        after.tally.unanalysed(Unanalysed::OverMaxSeries),
        1,
        "those that came back count"
    );
}

#[test]
fn a_series_is_there_once() {
    let mut before = Bench::new(settings());
    before.send(NOW, "a 1 1\n");
    let saved = save(&before.shard);
    let mut after = Bench::new(settings());
    let loaded = load(&mut after, &settings(), &[saved.clone(), saved].concat(), NOW);
    assert_eq!((loaded.series, loaded.damaged), (1, 1));
}

#[test]
fn what_is_not_judged_is_not_saved() {
    let mut before = Bench::new(Settings {
        watches: vec![watch("a", &[]), watch("**", &[0])],
        ..settings()
    });
    before.send(NOW, "a 1 1\nb 666 1\nc 1 1\n");
    assert_eq!(
        save(&before.shard).len(),
        1,
        "neither the unwatched one nor the one that has failed"
    );
}

/// A series of some blocks, saved.
fn one_series() -> (Settings, Vec<u8>) {
    static SAVED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bench = judging(&judged_twice());
        for lines in &story()[..1000] {
            bench.send(NOW, lines);
        }
        save(&bench.shard).swap_remove(0)
    });
    (judged_twice(), SAVED.clone())
}

/// Loads bytes that may be anything. A series is there afterwards, or nothing is, and no code has failed over them.
fn survives(settings: &Settings, bytes: &[u8]) -> bool {
    let mut after = judging(settings);
    let loaded = load(&mut after, settings, &[bytes.to_vec()], NOW);
    assert_ne!(loaded.damage, Some(Damaged("a detector has failed over it")));
    let there = loaded.series == 1;
    assert_eq!(after.shard.series_count(), usize::from(there));
    if there {
        // It goes on, too: a series whose name has changed is another one.
        after.send(NOW, "a 1 1700100000\nb 1 1700100000\n");
    }
    there
}

#[test]
fn a_torn_series_is_none() {
    let (settings, saved) = one_series();
    assert!(survives(&settings, &saved));
    for length in (0..saved.len()).rev().step_by(7).chain(saved.len() - 300..saved.len()) {
        assert!(
            !survives(&settings, &saved[..length]),
            "{length} of {} bytes",
            saved.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bits_that_have_flipped_do_no_harm(flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..20)) {
        let (settings, mut saved) = one_series();
        for (place, bit) in flips {
            let place = place.index(saved.len());
            saved[place] ^= 1 << bit;
        }
        survives(&settings, &saved);
    }

    #[test]
    fn bytes_that_are_anything_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        survives(&judged_twice(), &bytes);
    }
}
