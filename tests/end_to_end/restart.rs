//! A restart with a snapshot: the program goes on as if it had never ended, and one that was killed goes back to the
//! snapshot before.

use crate::harness::{
    SOON,
    dice::Dice,
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use serde_json::Value;
use std::{io::Write, path::Path};

pub(crate) const STEP: u64 = 60;

/// Samples of each series.
pub(crate) const SAMPLES: u64 = 1500;

/// Enough for the nine to judge.
pub(crate) const SERIES: [&str; 3] = ["shop.orders", "shop.carts", "shop.visits"];

/// Settings with a snapshot in `file`, written when the program ends and when it is asked.
fn settings(file: &Path) -> String {
    format!(
        "{NINE_ALGORITHMS}\n[snapshot]\nfile = \"{}\"\nevery = \"off\"\n",
        file.display()
    )
}

/// Lines of noise, sample by sample, with giants that come and go.
pub(crate) fn story() -> Vec<String> {
    let start = unix_now() - SAMPLES * STEP;
    let mut dice = Dice::new(7);
    let mut sample = |number: u64| -> String {
        let line = |(place, series): (u64, &&str)| {
            let giant = matches!((place, number), (0, 700..704 | 998..1004) | (1, 1200..1210));
            let value = if giant { 5000.0 } else { 20.0 + dice.fraction() };
            format!("{series} {value:.3} {}\n", start + number * STEP)
        };
        (0..).zip(&SERIES).map(line).collect()
    };
    (0..SAMPLES).map(&mut sample).collect()
}

/// Sends some of the story, and waits until it is judged and forwarded; `before` samples came earlier to this process.
pub(crate) fn feed(relay: &Skyrelay, story: &[String], before: usize) {
    relay
        .connect()
        .write_all(story.concat().as_bytes())
        .expect("the relay reads on");
    let lines = (before + story.len()) * SERIES.len();
    let metrics = relay.wait_until_through(lines as u64, &["sink"]);
    assert_eq!(metrics.analysed(), lines as u64, "{metrics:?}");
}

/// What is told of all but the number of the anomaly's group, which depends on when it was heard of.
pub(crate) fn told(relay: &Skyrelay) -> Vec<String> {
    let shown = |event: &Value| {
        let of = |key: &str| event[key].to_string();
        ["event", "series", "timestamp", "value", "score", "reason", "votes"]
            .map(of)
            .join(" ")
    };
    relay.events().iter().map(shown).collect()
}

fn start(upstream: &Sink, file: &Path) -> Skyrelay {
    Skyrelay::start(&[("sink", upstream.port)], &settings(file))
}

/// Waits until what was in the snapshot is there again.
fn wait_until_loaded(relay: &Skyrelay) {
    wait_for("series of the snapshot", SOON, || {
        match relay.metrics().sum("skyrelay_snapshot_loaded_series", &[]) {
            3 => Ok(()),
            other => Err(format!("{other} series")),
        }
    });
}

#[test]
fn after_a_restart_the_same_is_told_as_without() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let upstream = Sink::start();
    let story = story();
    let straight = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    feed(&straight, &story, 0);
    let mut before = start(&upstream, &file);
    // An anomaly is open when it ends.
    let (first, second) = story.split_at(1000);
    feed(&before, first, 0);
    let open = wait_for("an open anomaly", SOON, || {
        let open = before.api("/api/v1/anomalies");
        if open["total"].as_u64() == Some(1) {
            Ok(open)
        } else {
            Err(open.to_string())
        }
    });
    let status = before.terminate(SOON);
    assert_eq!(status.code(), Some(0), "{status}: {:?}", before.stderr());
    let after = start(&upstream, &file);
    wait_until_loaded(&after);
    let open_again = after.api("/api/v1/anomalies");
    assert_eq!(
        open_again["anomalies"][0]["id"], open["anomalies"][0]["id"],
        "{open_again}"
    );
    feed(&after, second, 0);
    assert!(!told(&before).is_empty(), "something was told before");
    // What is judged may be on its way still.
    wait_for("the same to be told", SOON, || {
        let mut expected = told(&straight);
        let mut got = told(&before);
        got.extend(told(&after));
        // Shards tell in an order of their own.
        expected.sort();
        got.sort();
        if expected.len() >= 6 && got == expected {
            Ok(())
        } else {
            Err(format!("{got:#?} instead of {expected:#?}"))
        }
    });
}

#[test]
fn one_that_was_killed_goes_back_to_the_snapshot_before() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let upstream = Sink::start();
    let story = story();
    let mut relay = start(&upstream, &file);
    feed(&relay, &story[..400], 0);
    relay.ask_for_snapshot();
    wait_for("snapshot", SOON, || {
        match relay.metrics().sum("skyrelay_snapshot_series", &[]) {
            3 => Ok(()),
            other => Err(format!("{other} series")),
        }
    });
    let bytes = std::fs::read(&file).unwrap();
    feed(&relay, &story[400..600], 400);
    relay.kill();
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    // As if it had been killed while it wrote the next one.
    std::fs::write(directory.path().join("snapshot.tmp"), &bytes[..bytes.len() / 2]).unwrap();
    let mut after = start(&upstream, &file);
    wait_until_loaded(&after);
    let series = after.api("/api/v1/series?match=shop.orders");
    assert_eq!(series["series"][0]["samples"].as_u64(), Some(400), "{series}");
    // It goes on from there; and what is no snapshot costs the memory, and is kept.
    feed(&after, &story[400..500], 0);
    assert!(after.terminate(SOON).success());
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let torn = start(&upstream, &file);
    wait_until_loaded(&torn);
    wait_for("warning", SOON, || {
        let said = torn.stderr();
        let warned = |line: &String| line.contains("snapshot.rejected") && line.contains("torn off");
        said.iter().any(warned).then_some(()).ok_or(format!("{said:?}"))
    });
    assert_eq!(
        std::fs::read(directory.path().join("snapshot.rejected")).unwrap().len(),
        bytes.len() - 1
    );
}

#[test]
fn lines_are_forwarded_while_a_snapshot_is_read_and_judged_when_it_has_been() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    // Whoever reads it waits for somebody who writes: a snapshot that takes as long as we like.
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    let upstream = Sink::start();
    let relay = start(&upstream, &file);
    let lines = story()[..20].concat();
    relay.connect().write_all(lines.as_bytes()).unwrap();
    upstream.wait_for_exactly(lines.as_bytes());
    let metrics = relay.metrics();
    assert_eq!((metrics.received(), metrics.analysed()), (60, 0), "{metrics:?}");
    // It is empty, which is no snapshot; what has waited is judged.
    drop(std::fs::OpenOptions::new().write(true).open(&file).unwrap());
    let metrics = relay.wait_until_through(60, &["sink"]);
    assert_eq!(metrics.analysed(), 60, "{metrics:?}");
}
