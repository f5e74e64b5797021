//! `/metrics` as the real Prometheus sees it.

use crate::harness::{
    SOON,
    prometheus::{Prometheus, promtool_check},
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use std::{collections::BTreeSet, io::Write};

/// One line of each kind, so that each counter has something to show.
fn mixed_lines() -> Vec<u8> {
    let now = unix_now();
    let mut lines = format!(
        "shop.sales 12 {now}\nshop.sales 13 {now}\nshop.sales 14 {}\nshop.rate nan {now}\nshop.ratio inf {now}\n\
         shop.hole 1\nshop.word many {now}\nshop.when 1 noon\n\nshop.never 1 nan\nshop.past 1 0\n",
        now - 10,
    )
    .into_bytes();
    lines.extend_from_slice(format!("shop.caf\u{e9} 1 {now}\n").as_bytes());
    lines.extend_from_slice(b"shop.caf\xe9 1 1\n");
    lines
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    promtool_check(&relay.metrics_text()).unwrap();

    relay.connect().write_all(&mixed_lines()).unwrap();
    relay.wait_until_through(13, &["sink"]);
    let text = relay.metrics_text();
    promtool_check(&text).unwrap();
    // The check does check: a counter without `_total` and help is a finding.
    let spoilt = format!("{text}# TYPE skyrelay_spoilt counter\nskyrelay_spoilt 1\n");
    assert!(promtool_check(&spoilt).unwrap_err().contains("skyrelay_spoilt"));

    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut count = 0;
    for name in names {
        count += 1;
        assert!(
            name.starts_with("skyrelay_") || name.starts_with("process_"),
            "{name} lacks the prefix"
        );
        assert!(text.contains(&format!("# HELP {name} ")), "{name} lacks its help text");
    }
    assert!(count >= 10, "only {count} metrics:\n{text}");
}

#[test]
fn the_readme_names_each_reason_that_a_metric_gives() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let text = relay.metrics_text();
    let reasons: BTreeSet<&str> = text
        .split("reason=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    let readme = include_str!("../../README.md");
    let unnamed: Vec<_> = reasons
        .iter()
        .filter(|reason| !readme.contains(&format!("`{reason}`")))
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

#[test]
fn prometheus_scrapes_and_answers() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let prometheus = Prometheus::start(relay.http_port);
    relay.connect().write_all(&mixed_lines()).unwrap();

    wait_for("scrape by Prometheus", 2 * SOON, || {
        for (query, want) in [
            ("up{job=\"skyrelay\"}", 1.0),
            ("skyrelay_lines_received_total", 13.0),
            ("skyrelay_lines_forwarded_total{upstream=\"sink\"}", 11.0),
            ("skyrelay_lines_quarantined_total{reason=\"not_utf8\"}", 1.0),
            ("skyrelay_lines_quarantined_total{reason=\"timestamp_not_finite\"}", 1.0),
            ("sum(skyrelay_lines_rejected_total)", 4.0),
        ] {
            let got = prometheus.query(query)?;
            if (got - want).abs() > 0.0 {
                return Err(format!("{query} is {got} in place of {want}"));
            }
        }
        Ok(())
    });
}
