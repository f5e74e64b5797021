//! An incident that touches many series comes over TCP: it is one group in the log, at the API and in the metrics, and it is
//! over when they are well again.

use crate::harness::{SOON, dice::Dice, skyrelay::Skyrelay, unix_now, wait_for};
use serde_json::Value;
use std::{fmt::Write as _, io::Write};

const SETTINGS: &str = r#"
[limits]
max_age = "48h"
[detector.default]
kind = "skyline"
"#;

/// Seconds between two samples of a series.
const STEP: u64 = 60;
const HISTORY: u64 = 300;
const HOSTS: u64 = 20;
const METRICS: [&str; 6] = [
    "cpu.0.user",
    "cpu.1.user",
    "disk.sda.util",
    "disk.sdb.util",
    "load.1",
    "memory.used",
];
const TOUCHED: &str = "servers.web07.";

/// One sample of every series; those of one host leap while something is wrong there.
fn samples(at: u64, wrong: bool, dice: &mut Dice) -> Vec<u8> {
    let mut lines = String::new();
    for host in 0..HOSTS {
        for metric in METRICS {
            let name = format!("servers.web{host:02}.{metric}");
            let value = if wrong && name.starts_with(TOUCHED) {
                900.0
            } else {
                50.0 + 5.0 * dice.fraction()
            };
            writeln!(lines, "{name} {value:.3} {at}").expect("a String takes it");
        }
    }
    lines.into_bytes()
}

#[test]
fn an_incident_is_one_group_wherever_one_looks() {
    let relay = Skyrelay::start(&[], SETTINGS);
    let mut connection = relay.connect();
    let mut dice = Dice::new(5);
    let start = unix_now() - (HISTORY + 20) * STEP;
    let mut lines = 0;
    let mut send = |from: u64, to: u64, wrong: bool| {
        for number in from..to {
            connection
                .write_all(&samples(start + number * STEP, wrong, &mut dice))
                .expect("the relay reads on");
            lines += HOSTS * METRICS.len() as u64;
        }
        relay.wait_until_through(lines, &[]);
    };
    send(0, HISTORY, false);
    let subtree = relay.api("/api/v1/subtrees?match=servers.web07.**")["subtrees"][0].clone();
    assert_eq!(
        (&subtree["series"], &subtree["anomalous"]),
        (&6.into(), &0.into()),
        "{subtree}"
    );
    send(HISTORY, HISTORY + 1, true);

    let since = start + HISTORY * STEP;
    let group = wait_for("a group at the API", SOON, || {
        let answer = relay.api("/api/v1/groups?members=100");
        match &answer["groups"].as_array().expect("a list")[..] {
            [group] if group["members"] == METRICS.len() => Ok(group.clone()),
            _ => Err(answer.to_string()),
        }
    });
    assert_eq!(
        (&group["state"], &group["since"]),
        (&"open".into(), &since.into()),
        "{group}"
    );
    let place = group["place"].as_str().expect("a glob").to_owned();
    assert!(place.contains("web07"), "{group}");
    let members = group["series"].as_array().expect("a list");
    assert_eq!(members.len(), METRICS.len());
    assert!(
        members
            .iter()
            .all(|member| member["series"].as_str().is_some_and(|name| name.starts_with(TOUCHED)))
    );
    assert!(group["rank"].as_f64() > Some(3.0), "{group}");

    // The anomalies point at it, those that came first as well.
    let anomalies = relay.api("/api/v1/anomalies");
    let anomalies = anomalies["anomalies"].as_array().expect("a list");
    assert_eq!(anomalies.len(), METRICS.len());
    for anomaly in anomalies {
        assert_eq!(anomaly["group"], group["id"], "{anomaly}");
        assert!(anomaly["rank"].as_f64() > Some(0.0), "{anomaly}");
    }
    // Its place is a glob for the API.
    let below = relay.api(&format!("/api/v1/anomalies?match={place}"));
    assert_eq!(below["total"], METRICS.len(), "{place}");

    // The log has it from the anomaly on that made it a group.
    let events = wait_for("events", SOON, || {
        let events = relay.events();
        if events.len() == METRICS.len() {
            Ok(events)
        } else {
            Err(format!("{events:?}"))
        }
    });
    let told: Vec<&Value> = events
        .iter()
        .map(|event| &event["group"])
        .filter(|group| !group.is_null())
        .collect();
    assert!(told.len() >= 3, "{events:?}");
    let last = told[told.len() - 1];
    for key in ["id", "since", "members", "place", "rank"] {
        assert_eq!(last[key], group[key], "{key}: {last}");
    }

    let metrics = relay.metrics();
    assert_eq!(metrics.sum("skyrelay_groups_open", &[]), 1);
    assert_eq!(metrics.sum("skyrelay_groups_opened_total", &[]), 1);
    assert_eq!(metrics.sum("skyrelay_series_anomalous", &[]), METRICS.len() as u64);
    let subtree = relay.api("/api/v1/subtrees?match=servers.web07.**")["subtrees"][0].clone();
    assert_eq!(
        (&subtree["anomalous"], &subtree["opened_hour"]),
        (&6.into(), &6.into()),
        "{subtree}"
    );

    send(HISTORY + 1, HISTORY + 15, false);
    wait_for("the end of the group", SOON, || {
        let (open, over) = (relay.api("/api/v1/groups"), relay.api("/api/v1/groups?state=closed"));
        let is_over = open["total"] == 0 && over["groups"][0]["id"] == group["id"];
        if is_over { Ok(()) } else { Err(format!("{open} {over}")) }
    });
    assert_eq!(relay.metrics().sum("skyrelay_groups_open", &[]), 0);
}
