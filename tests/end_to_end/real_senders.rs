//! collectd and statsd through the relay into carbon-cache, compared with what a second carbon-cache makes of the same
//! bytes when it gets them directly.

use crate::harness::{
    SOON,
    carbon_cache::{CarbonCache, Points, points_of_stream, same_points},
    collectd::{Collectd, SERIES_PREFIX},
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    statsd::Statsd,
    tee::Tee,
    unix_now, wait_for,
};
use std::{collections::BTreeMap, time::Duration};

/// Points that each series compared has at least.
const POINTS: usize = 6;

#[test]
fn whisper_files_behind_the_relay_hold_the_points_of_those_without_it() {
    let started = unix_now();
    let (behind_relay, direct) = (CarbonCache::start(), CarbonCache::start());
    let relay = Skyrelay::start(&[("carbon-cache", behind_relay.port)], NINE_ALGORITHMS);
    let from_collectd = Tee::start([relay.port, direct.port]);
    let from_statsd = Tee::start([relay.port, direct.port]);
    let mut collectd = Collectd::start(from_collectd.port);
    let mut statsd = Statsd::start(from_statsd.port);

    let load = format!("{SERIES_PREFIX}load.load.shortterm");
    wait_for("stream of collectd and statsd", 3 * SOON, || {
        statsd.count("shop.checkout", 3);
        statsd.time("shop.render", 12.5);
        let collectd_points = points_of_stream(&whole_lines(from_collectd.bytes()));
        let statsd_points = points_of_stream(&whole_lines(from_statsd.bytes()));
        has_points(&collectd_points, &load)?;
        has_points(&statsd_points, "stats.counters.shop.checkout.count")?;
        has_points(&statsd_points, "stats.timers.shop.render.upper_90")
    });
    assert!(collectd.stop().success(), "collectd stops in good order");
    statsd.stop();
    let stream = [from_collectd.finish(), from_statsd.finish()].concat();
    assert!(
        stream.windows(2).any(|pair| pair == b"\r\n"),
        "collectd ends its lines with CRLF"
    );

    let lines = count_lines(&stream);
    let metrics = relay.wait_until_through(lines, &["carbon-cache"]);
    let nan_lines = stream.split(|&byte| byte == b'\n').filter(|line| is_nan(line)).count();
    assert!(nan_lines > 0, "collectd's first rates are nan");
    assert_eq!(metrics.not_analysed("nan"), u64::try_from(nan_lines).unwrap());
    assert_eq!(metrics.quarantined() + metrics.dropped("carbon-cache"), 0);
    // Two flushes of statsd may fall into one second; everything else is new and finite, so it is judged.
    let repeated = metrics.not_analysed("duplicate") + metrics.not_analysed("late");
    assert_eq!(metrics.analysed() + repeated + metrics.not_analysed("nan"), lines);
    assert!(
        metrics.analysed() > lines / 2,
        "{} of {lines} lines analysed",
        metrics.analysed()
    );

    // Three accounts of one stream: as sent, as carbon got it directly, as carbon got it through the relay.
    let sent = points_of_stream(&stream);
    for (which, carbon) in [("direct", direct), ("relay", behind_relay)] {
        wait_for(
            &format!("point of each second in the whisper files ({which})"),
            SOON,
            || {
                std::thread::sleep(Duration::from_millis(200)); // each look starts a Python
                same_points(&carbon.points(started - 60), &sent)
            },
        );
    }
    assert!(sent.len() > 30, "only {} series: {:?}", sent.len(), sent.keys());
}

fn has_points(points: &Points, series: &str) -> Result<(), String> {
    let count = points.get(series).map_or(0, BTreeMap::len);
    if count >= POINTS {
        Ok(())
    } else {
        Err(format!("{series} has {count} points; there are {:?}", points.keys()))
    }
}

/// Without the beginning of a line at the end.
fn whole_lines(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    bytes.truncate(end);
    bytes
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|_| 1).sum()
}

fn is_nan(line: &[u8]) -> bool {
    let mut fields = line.split(u8::is_ascii_whitespace);
    fields.nth(1).is_some_and(|value| value.eq_ignore_ascii_case(b"nan"))
}
