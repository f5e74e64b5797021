//! Another configuration while everything runs: what is the same goes on as if nothing had happened.

use crate::{
    harness::{
        SOON, assert_same_bytes,
        net::{connect, free_port},
        sink::Sink,
        skyrelay::{NINE_ALGORITHMS, Skyrelay},
        unix_now, wait_for,
    },
    restart::{SERIES, feed, story, told},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Nobody judges anything.
const NOTHING: &str = "[[watch]]\nmatch = [\"**\"]\ndetectors = []\n";

/// Waits until the log has a line with all of these words.
#[track_caller]
fn wait_for_log(relay: &Skyrelay, words: &[&str]) {
    wait_for("word in the log", SOON, || {
        let said = relay.stderr();
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        said.iter().any(has_all).then_some(()).ok_or(format!("{said:#?}"))
    });
}

fn last_reload_was_good(relay: &Skyrelay) -> bool {
    relay.metrics().sum("skyrelay_config_last_reload_successful", &[]) == 1
}

#[test]
fn an_added_watch_judges_series_that_are_there_and_new_ones() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NOTHING);
    let now = unix_now();
    let mut sender = relay.connect();
    writeln!(sender, "old.series 1 {}", now - 30).unwrap();
    let metrics = relay.wait_until_through(1, &["sink"]);
    assert_eq!((metrics.analysed(), metrics.not_analysed("unwatched")), (0, 1));
    relay.reconfigure(relay.port, &[("sink", upstream.port)], NINE_ALGORITHMS);
    let (status, answer) = relay.reload();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["changed"], json!(["limits", "detector", "watch"]));
    assert_eq!(
        answer["detectors"],
        json!([{"name": "classic", "memory": "new"}, {"name": "default", "memory": "kept"}])
    );
    assert_eq!(answer["needs_restart"], json!([]));
    wait_for_log(&relay, &["every series goes by the new configuration"]);
    // Over the connection that was there before.
    writeln!(sender, "old.series 1 {}\nnew.series 1 {0}", now - 20).unwrap();
    let metrics = relay.wait_until_through(3, &["sink"]);
    assert_eq!(metrics.analysed(), 2, "{metrics:?}");
    relay.reconfigure(relay.port, &[("sink", upstream.port)], NOTHING);
    relay.hang_up();
    wait_for_log(&relay, &["classic", "gone"]);
    wait_for("last series", SOON, || {
        let series = relay.api("/api/v1/series?match=new.series");
        (series["series"][0]["state"] == "unwatched")
            .then_some(())
            .ok_or(series.to_string())
    });
    writeln!(sender, "old.series 1 {}", now - 10).unwrap();
    assert_eq!(relay.wait_until_through(4, &["sink"]).analysed(), 2);
}

#[test]
fn what_is_odd_is_in_the_answer_and_in_the_log() {
    let relay = Skyrelay::start(&[], NOTHING);
    let (_, answer) = relay.reload();
    // The default detector is there without being asked for: of detectors only what is written is odd.
    let idle = answer["warnings"].as_array().unwrap();
    let idle: Vec<&str> = idle.iter().filter_map(Value::as_str).collect();
    assert!(
        idle.len() == 2 && idle[0].starts_with("there is no [[forward]]") && idle[1].starts_with("no [[watch]]"),
        "{answer}"
    );
    relay.reconfigure(
        relay.port,
        &[],
        &format!("{NOTHING}[detector.spare]\nkind = \"skyline\"\n"),
    );
    let (status, answer) = relay.reload();
    assert_eq!(
        (status, answer["warnings"].as_array().map(Vec::len)),
        (200, Some(3)),
        "{answer}"
    );
    let warning = answer["warnings"][0].as_str().unwrap();
    assert!(warning.contains(": nothing names the detector `spare`"), "{warning}");
    wait_for_log(&relay, &["nothing names the detector `spare`"]);
    let shown = relay.api("/api/v1/config");
    assert_eq!(shown["last_reload"]["changes"]["warnings"][0], *warning, "{shown}");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    assert!(last_reload_was_good(&relay));
    relay.reconfigure(free_port(), &[], "[window]\nspam = \"1h\"\n");
    let (status, answer) = relay.reload();
    assert_eq!(status, 422, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(
        error.contains("skyrelay.toml:") && error.contains("unknown key `spam` in [window]"),
        "{error}"
    );
    assert!(!last_reload_was_good(&relay));
    relay.hang_up();
    wait_for("second refusal", SOON, || {
        let log = relay.stderr();
        let refused = log
            .iter()
            .filter(|line| line.contains("stays as it was") && line.contains("unknown key `spam`"));
        (refused.count() == 2).then_some(()).ok_or_else(|| log.join("\n"))
    });
    relay.empty_configuration();
    let (status, answer) = relay.reload();
    assert_eq!(status, 422, "{answer}");
    assert!(
        answer["error"].as_str().unwrap().contains("the file is empty"),
        "{answer}"
    );
    // An address that cannot be had is found out before anything has changed.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    relay.reconfigure(taken.local_addr().unwrap().port(), &[], NOTHING);
    let (status, answer) = relay.reload();
    assert_eq!(status, 500, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("is taken"), "{answer}");
    let lines = format!("a.b 1 {}\n", unix_now());
    relay.connect().write_all(lines.as_bytes()).unwrap();
    upstream.wait_for_exactly(lines.as_bytes());
    assert_eq!(relay.wait_until_through(1, &["sink"]).analysed(), 1);
    relay.reconfigure(relay.port, &[("sink", upstream.port)], NINE_ALGORITHMS);
    assert_eq!(relay.reload().0, 200);
    assert!(last_reload_was_good(&relay));
}

#[test]
fn listeners_move_and_connections_stay() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let now = unix_now();
    let (mut before, moved) = (relay.connect(), free_port());
    writeln!(before, "a.b 1 {now}").unwrap();
    upstream.wait_for_bytes(1);
    relay.reconfigure(moved, &[("sink", upstream.port)], NINE_ALGORITHMS);
    let (status, answer) = relay.reload();
    assert_eq!(status, 200, "{answer}");
    let address = |port: u16| json!([format!("TCP 127.0.0.1:{port}"), format!("UDP 127.0.0.1:{port}")]);
    assert_eq!(answer["listeners"]["added"], address(moved));
    assert_eq!(answer["listeners"]["removed"], address(relay.port));
    assert_eq!(answer["upstreams"], json!({"added": [], "removed": [], "changed": []}));
    writeln!(before, "a.b 2 {}", now + 1).unwrap();
    connect(moved).write_all(format!("c.d 1 {now}\n").as_bytes()).unwrap();
    relay.wait_until_through(3, &["sink"]);
    wait_for("end of the old address", SOON, || {
        TcpStream::connect(("127.0.0.1", relay.port)).map_or(Ok(()), |_| Err("it still answers".to_owned()))
    });
    let (status, answer) = relay.reload();
    assert_eq!(
        (status, &answer["listeners"]["added"]),
        (200, &json!([])),
        "the same again: {answer}"
    );
}

#[test]
fn upstreams_come_and_go_under_load_and_nothing_is_lost() {
    let (steady, guest) = (Sink::start(), Sink::start());
    let mut relay = Skyrelay::start(&[("steady", steady.port)], NOTHING);
    let enough = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let mut connection = relay.connect();
        let enough = &enough;
        let sender = scope.spawn(move || {
            let mut sent = Vec::new();
            for piece in 0_u64.. {
                let lines = (0..50).map(|line| format!("load.series{line} {piece} 1700000000\n"));
                let lines: String = lines.collect();
                connection.write_all(lines.as_bytes()).unwrap();
                sent.extend_from_slice(lines.as_bytes());
                if enough.load(Ordering::Relaxed) {
                    return sent;
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            unreachable!("it is told when it is enough");
        });
        steady.wait_for_bytes(100_000);
        for _ in 0..3 {
            let (had, has) = (guest.bytes().len(), steady.bytes().len());
            relay.reconfigure(relay.port, &[("guest", guest.port), ("steady", steady.port)], NOTHING);
            let (status, answer) = relay.reload();
            assert_eq!(
                (status, &answer["upstreams"]["added"]),
                (200, &json!(["guest"])),
                "{answer}"
            );
            guest.wait_for_bytes(had + 100_000);
            relay.reconfigure(relay.port, &[("steady", steady.port)], NOTHING);
            let (status, answer) = relay.reload();
            assert_eq!(
                (status, &answer["upstreams"]["removed"]),
                (200, &json!(["guest"])),
                "{answer}"
            );
            steady.wait_for_bytes(has + 200_000);
        }
        enough.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    let lines = memchr::memchr_iter(b'\n', &sent).count() as u64;
    relay.wait_until_through(lines, &["steady"]);
    wait_for("an end of the guest's metrics", SOON, || {
        let connected = relay.metrics().by_label("skyrelay_upstream_connected", "upstream");
        let names: Vec<_> = connected.into_keys().collect();
        (names == ["steady"]).then_some(()).ok_or(format!("{names:?}"))
    });
    let status = relay.terminate(SOON);
    assert_eq!(status.code(), Some(0), "{:?}", relay.stderr());
    steady.wait_for_exactly(&sent);
    assert_eq!(steady.connections().len(), 1, "it was not touched");
    // Each time it was there, the guest got a part of the stream without a hole.
    let visits = guest.connections();
    assert_eq!(visits.len(), 3);
    for visit in visits {
        let first = visit.split_inclusive(|byte| *byte == b'\n').next().unwrap();
        let begins = memchr::memmem::find(&sent, first).unwrap();
        assert!(visit.ends_with(b"\n"));
        assert_same_bytes("guest", &visit, &sent[begins..begins + visit.len()]);
    }
}

#[test]
fn what_is_open_stays_open_and_what_was_learnt_stays_learnt() {
    let upstream = Sink::start();
    let story = story();
    let straight = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    feed(&straight, &story, 0);
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    feed(&relay, &story[..1000], 0);
    let open = relay.api("/api/v1/anomalies");
    assert_eq!(open["total"].as_u64(), Some(1), "{open}");
    // Other watches for the same detector.
    let split = NINE_ALGORITHMS.replace(
        "[[watch]]",
        "[[watch]]\nmatch = [\"shop.carts\"]\ndetectors = [\"classic\"]\n[[watch]]",
    );
    relay.reconfigure(relay.port, &[("sink", upstream.port)], &split);
    let (status, answer) = relay.reload();
    assert_eq!(status, 200, "{answer}");
    let memory = |answer: &Value| answer["detectors"][0]["memory"].clone();
    assert_eq!(
        (&answer["changed"], memory(&answer)),
        (&json!(["watch"]), json!("kept"))
    );
    wait_for_log(&relay, &["every series goes by the new configuration"]);
    assert_eq!(relay.api("/api/v1/anomalies")["anomalies"], open["anomalies"]);
    feed(&relay, &story[1000..], 1000);
    let mut expected = told(&straight);
    expected.sort();
    assert!(expected.len() >= 6, "{expected:#?}");
    // What is judged is told a moment later.
    let got = wait_for("what is told", SOON, || {
        let mut got = told(&relay);
        got.sort();
        if got.len() >= expected.len() {
            Ok(got)
        } else {
            Err(format!("{} of {}", got.len(), expected.len()))
        }
    });
    assert_eq!(got, expected);
    let state = |relay: &Skyrelay| relay.api("/api/v1/series?match=shop.orders")["series"][0]["state"].clone();
    assert_eq!(state(&relay), state(&straight));
}

#[test]
fn a_detector_whose_settings_are_others_begins_anew_from_the_windows() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    feed(&relay, &story()[..1000], 0);
    let open = relay.api("/api/v1/anomalies");
    assert_eq!(open["total"].as_u64(), Some(1), "{open}");
    let other = NINE_ALGORITHMS.replace("consensus = 6", "consensus = 9")
        + "\n[analysis]\nshards = 7\n[snapshot]\nfile = \"x\"\n";
    relay.reconfigure(relay.port, &[("sink", upstream.port)], &other);
    let (status, answer) = relay.reload();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["detectors"][0],
        json!({"name": "classic", "memory": "begun anew"})
    );
    assert_eq!(answer["needs_restart"], json!(["analysis.shards", "snapshot.file"]));
    wait_for_log(&relay, &["need a restart", "analysis.shards"]);
    wait_for_log(&relay, &["every series goes by the new configuration"]);
    wait_for("end of the anomaly", SOON, || {
        let open = relay.api("/api/v1/anomalies");
        (open["total"].as_u64() == Some(0))
            .then_some(())
            .ok_or(open.to_string())
    });
    let closed = relay.events().pop().unwrap();
    assert_eq!(
        (&closed["event"], &closed["series"]),
        (&json!("close"), &open["anomalies"][0]["series"])
    );
    assert!(
        closed["reason"]
            .as_str()
            .unwrap()
            .contains("the configuration has changed"),
        "{closed}"
    );
    // Windows are kept: each has its thousand samples.
    for series in SERIES {
        let report = relay.api(&format!("/api/v1/series?match={series}"));
        assert_eq!(report["series"][0]["samples"].as_u64(), Some(1000), "{report}");
    }
}
