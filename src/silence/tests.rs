//! What people say holds, survives, and ends.

use std::fs;

use super::*;
use crate::metrics::Metrics;

const NOW: Timestamp = 1_700_000_000;

fn metrics() -> SilenceMetrics {
    Metrics::new().silence
}

fn kept_in(file: &std::path::Path) -> Silences {
    let settings = Settings {
        file: Some(file.to_owned()),
        ..Settings::default()
    };
    Silences::start(settings, metrics())
}

fn nowhere() -> Silences {
    Silences::start(Settings::default(), metrics())
}

fn silence(pattern: &str) -> Silence {
    Silence {
        id: 0,
        patterns: vec![pattern.to_owned()],
        detectors: Vec::new(),
        reason: "maintenance".to_owned(),
        author: "alice".to_owned(),
        from: NOW,
        until: NOW + 3600,
    }
}

fn acknowledgement(anomaly: u64) -> Acknowledgement {
    Acknowledgement {
        anomaly,
        series: "a.b".to_owned(),
        detector: "default".to_owned(),
        author: "bob".to_owned(),
        reason: String::new(),
        at: NOW,
    }
}

fn feedback(series: &str) -> Feedback {
    Feedback {
        series: series.to_owned(),
        detector: "default".to_owned(),
        anomaly: 7,
        author: "carol".to_owned(),
        reason: "a backup".to_owned(),
        at: NOW,
        ends: NOW + 600,
        floor: crate::shard::Floor {
            height: crate::shard::Height::Above(2.5),
            until: NOW + 500,
        }
        .into(),
    }
}

fn silenced(silences: &Silences, series: &str, detector: &str, now: Timestamp) -> usize {
    silences.marks(1, series, detector, now).silenced.len()
}

#[track_caller]
fn refuses(silences: &Silences, silence: Silence, why: &str) {
    let refused = silences.silence(silence, NOW).unwrap_err().to_string();
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn a_silence_is_about_its_series_detectors_and_time() {
    let silences = nowhere();
    let from_later = Silence {
        from: NOW + 10,
        detectors: vec!["disk".to_owned()],
        patterns: vec!["web.*.disk".to_owned(), "db.**".to_owned()],
        ..silence("")
    };
    let first = silences.silence(from_later, NOW).unwrap();
    assert_eq!(silences.silences(&[SilenceState::Pending], NOW + 9, 1).1, 1);
    for (series, detector, now, is) in [
        ("web.1.disk", "disk", NOW + 10, 1),
        ("db.a.b", "disk", NOW + 3599, 1),
        ("web.1.disk", "disk", NOW + 9, 0),
        ("web.1.disk", "disk", NOW + 3600, 0),
        ("web.1.disk", "default", NOW + 10, 0),
        ("web.1.load", "disk", NOW + 10, 0),
    ] {
        assert_eq!(
            silenced(&silences, series, detector, now),
            is,
            "{series} {detector} {now}"
        );
    }
    let second = silences.silence(silence("**"), NOW).unwrap();
    assert!(second.id > first.id);
    let marks = silences.marks(1, "web.1.disk", "disk", NOW + 10);
    assert_eq!(marks.silenced, [first.id.to_string(), second.id.to_string()]);
    assert_eq!(silences.end(second.id, NOW + 20).unwrap().until, NOW + 20);
    assert_eq!(silenced(&silences, "web.1.disk", "disk", NOW + 20), 1);
    // One that has not begun never does, and one that is over stays as it is.
    let later = silences
        .silence(
            Silence {
                from: NOW + 50,
                ..silence("a")
            },
            NOW,
        )
        .unwrap();
    let ended = silences.end(later.id, NOW + 20).unwrap();
    assert_eq!((ended.from, ended.until), (NOW + 20, NOW + 20));
    assert_eq!(silences.end(later.id, NOW + 90).unwrap(), ended);
    assert!(matches!(silences.end(1, NOW), Err(Refused::Unknown(_))));
    let ids = |states: &[SilenceState], now| -> Vec<u64> {
        let (found, total) = silences.silences(states, now, 10);
        assert_eq!(found.len(), total);
        found.iter().map(|silence| silence.id).collect()
    };
    assert_eq!(ids(&[SilenceState::Active], NOW + 30), [first.id]);
    assert_eq!(ids(&[SilenceState::Expired], NOW + 30), [later.id, second.id]);
    assert_eq!(silences.silences(&[SilenceState::Expired], NOW + 30, 1).1, 2);
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_reason() {
    let silences = nowhere();
    let patterns = |patterns: &[&str]| Silence {
        patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
        ..silence("")
    };
    refuses(&silences, patterns(&[]), "1 to 100 patterns");
    refuses(&silences, patterns(&["a"; 101]), "1 to 100 patterns");
    refuses(&silences, patterns(&["a", "[b"]), "`[` is opened but not closed");
    refuses(&silences, patterns(&[""]), "the pattern is empty");
    refuses(&silences, patterns(&[&"a".repeat(1025)]), "1024 bytes");
    refuses(
        &silences,
        Silence {
            reason: " ".to_owned(),
            ..silence("a")
        },
        "reason",
    );
    refuses(
        &silences,
        Silence {
            reason: "a\u{1b}".to_owned(),
            ..silence("a")
        },
        "control characters",
    );
    refuses(
        &silences,
        Silence {
            author: String::new(),
            ..silence("a")
        },
        "author",
    );
    refuses(
        &silences,
        Silence {
            detectors: vec![String::new()],
            ..silence("a")
        },
        "detectors",
    );
    refuses(
        &silences,
        Silence {
            until: NOW,
            ..silence("a")
        },
        "over already",
    );
    refuses(
        &silences,
        Silence {
            from: NOW + 9999,
            ..silence("a")
        },
        "before it begins",
    );
    refuses(
        &silences,
        Silence {
            until: i64::MAX,
            ..silence("a")
        },
        "ten years",
    );
    refuses(
        &silences,
        Silence {
            from: i64::MIN,
            ..silence("a")
        },
        "ten years",
    );
    assert_eq!(silences.silences(&[SilenceState::Active], NOW, 10).1, 0);
}

#[test]
fn there_are_so_many_at_most() {
    let silences = nowhere();
    let long = Silence {
        patterns: vec!["a".repeat(1000); 65],
        ..silence("")
    };
    refuses(
        &silences,
        Silence {
            patterns: vec!["a".repeat(1000); 66],
            ..long.clone()
        },
        "more than 64 KiB",
    );
    let long = silences.silence(long, NOW).unwrap();
    refuses(
        &silences,
        Silence {
            patterns: vec!["a".repeat(1000)],
            ..silence("")
        },
        "more than 64 KiB",
    );
    silences.end(long.id, NOW).unwrap();
    for _ in 0..SILENCES_MAX {
        silences.silence(silence("a"), NOW).unwrap();
    }
    refuses(&silences, silence("a"), "there are 1000 silences");
    // Those that are over do not count, and are forgotten when there are too many.
    for (ended, _) in (0..SILENCES_MAX).zip(0..) {
        let (active, _) = silences.silences(&[SilenceState::Active], NOW, 1);
        silences.end(active[0].id, NOW).unwrap();
        assert!(ended < SILENCES_MAX);
    }
    silences.silence(silence("a"), NOW).unwrap();
    silences.tidy(NOW, |_| false);
    assert_eq!(silences.silences(&[SilenceState::Expired], NOW, 1).1, SILENCES_MAX);
    assert_eq!(silenced(&silences, "a", "d", NOW), 1);
}

#[test]
fn what_was_said_survives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("silences");
    let before = kept_in(&file);
    let kept = before.silence(silence("a.**"), NOW).unwrap();
    before.acknowledge(acknowledgement(5)).unwrap();
    before.acknowledge(acknowledgement(6)).unwrap();
    before.take_back(6).unwrap();
    before.feed_back(feedback("x")).unwrap();
    before.feed_back(feedback("y")).unwrap();
    before.take_feedback_back("y", "default").unwrap();
    assert!(matches!(
        before.take_feedback_back("y", "default"),
        Err(Refused::Unknown(_))
    ));
    assert!(matches!(before.take_back(6), Err(Refused::Unknown(_))));
    drop(before);
    let after = kept_in(&file);
    let marks = after.marks(5, "a.b", "default", NOW);
    assert_eq!(marks.silenced, [kept.id.to_string()]);
    assert_eq!(*marks.acknowledged.unwrap(), acknowledgement(5));
    assert!(after.marks(6, "a.b", "default", NOW).acknowledged.is_none());
    let (said, total) = after.feedback(|_| true, 10);
    assert_eq!((total, &*said[0]), (1, &feedback("x")));
    let floor = said[0].floor.floor().unwrap();
    assert_eq!(
        (floor.height, floor.until),
        (crate::shard::Height::Above(2.5), NOW + 500)
    );
    // No number comes twice.
    assert!(after.silence(silence("a"), NOW - 100).unwrap().id > kept.id);
}

#[test]
fn a_file_that_cannot_be_used_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("silences");
    kept_in(&file).silence(silence("a"), NOW).unwrap();
    let good = fs::read_to_string(&file).unwrap();
    let torn = &good[..good.len() / 2];
    let newer = good.replace("\"version\":1", "\"version\":2");
    for bad in ["", torn, newer.as_str(), "[]", "{\"version\":1,\"silences\":3}"] {
        fs::write(&file, bad).unwrap();
        let metrics = metrics();
        let settings = Settings {
            file: Some(file.clone()),
            ..Settings::default()
        };
        let silences = Silences::start(settings, metrics.clone());
        assert_eq!(metrics.failures.get(), 1, "{bad:?}");
        assert_eq!(
            fs::read_to_string(folder.path().join("silences.rejected")).unwrap(),
            bad
        );
        silences.silence(silence("b"), NOW).unwrap();
        assert_eq!(silenced(&kept_in(&file), "b", "d", NOW), 1);
    }
}

#[test]
fn what_the_disk_does_not_take_is_not_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("silences");
    let silences = kept_in(&file);
    let kept = silences.silence(silence("a"), NOW).unwrap();
    fs::create_dir(folder.path().join("silences.tmp")).unwrap();
    let refused = silences.silence(silence("b"), NOW).unwrap_err();
    assert!(matches!(refused, Refused::Disk { .. }), "{refused}");
    assert!(matches!(silences.end(kept.id, NOW), Err(Refused::Disk { .. })));
    assert_eq!(
        (silenced(&silences, "a", "d", NOW), silenced(&silences, "b", "d", NOW)),
        (1, 0)
    );
}

#[test]
fn what_is_over_is_forgotten_after_a_while() {
    let silences = nowhere();
    silences.keep_for(100);
    let over = silences.silence(silence("a"), NOW).unwrap();
    silences.acknowledge(acknowledgement(5)).unwrap();
    silences.acknowledge(acknowledgement(6)).unwrap();
    silences.feed_back(feedback("x")).unwrap();
    let is_open = |said: &Acknowledgement| said.anomaly == 6;
    silences.tidy(NOW + 99, is_open);
    assert!(silences.marks(5, "", "", NOW).acknowledged.is_some());
    silences.tidy(NOW + 100, is_open);
    assert!(silences.marks(5, "", "", NOW).acknowledged.is_none());
    assert!(silences.marks(6, "", "", NOW).acknowledged.is_some());
    let known = |now| {
        silences.tidy(now, is_open);
        let states = [SilenceState::Active, SilenceState::Expired];
        (silences.silences(&states, now, 1).1, silences.feedback(|_| true, 1).1)
    };
    assert_eq!(known(NOW + 599), (1, 1));
    assert_eq!(known(NOW + 600), (1, 0));
    assert_eq!(known(over.until + 99), (1, 0));
    assert_eq!(known(over.until + 100), (0, 0));
    // A silence that is in force is not, however short the rest is kept.
    silences.keep_for(0);
    silences
        .silence(
            Silence {
                until: NOW + 9000,
                ..silence("a")
            },
            NOW,
        )
        .unwrap();
    assert_eq!(known(NOW + 8999), (1, 0));
}

#[test]
fn the_gauges_say_what_is_in_force() {
    let metrics = metrics();
    let silences = Silences::start(Settings::default(), metrics.clone());
    silences.silence(silence("a"), NOW).unwrap();
    silences
        .silence(
            Silence {
                from: NOW + 100,
                ..silence("a")
            },
            NOW,
        )
        .unwrap();
    silences.acknowledge(acknowledgement(1)).unwrap();
    silences.feed_back(feedback("x")).unwrap();
    silences.count(NOW);
    assert_eq!(
        (metrics.active.get(), metrics.acknowledged.get(), metrics.feedback.get()),
        (1, 1, 1)
    );
    silences.count(NOW + 100);
    assert_eq!(metrics.active.get(), 2);
}
