//! What the tests stand on: the program and its peers as processes, a sink and a tee as threads, and waiting with a
//! deadline in place of sleeping. Everything listens on a free loopback port and ends with the test.

pub(crate) mod alertmanager;
pub(crate) mod carbon_c_relay;
pub(crate) mod carbon_cache;
pub(crate) mod certificates;
pub(crate) mod chromium;
pub(crate) mod collectd;
pub(crate) mod dice;
pub(crate) mod graphite_web;
pub(crate) mod icinga2;
pub(crate) mod metrics;
pub(crate) mod nagios;
pub(crate) mod net;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod receiver;
pub(crate) mod sink;
pub(crate) mod skyrelay;
pub(crate) mod smtp_sink;
pub(crate) mod statsd;
pub(crate) mod tee;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Enough for anything that should happen at once, on a machine that is busy with something else.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Asks `look` until it answers `Ok`, and fails the test with the last `Err` once `within` has passed.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) if Instant::now() >= deadline => panic!("no {what} within {within:?}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The clock as senders write it into their lines: whole seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.expect("the clock is past 1970").as_secs()
}

/// Compares byte streams, and shows the first line in which they differ rather than a megabyte of both.
#[track_caller]
pub(crate) fn assert_same_bytes(what: &str, got: &[u8], want: &[u8]) {
    if got == want {
        return;
    }
    let mut got_lines = got.split_inclusive(|&byte| byte == b'\n');
    let mut want_lines = want.split_inclusive(|&byte| byte == b'\n');
    for number in 1.. {
        let (got_line, want_line) = (got_lines.next(), want_lines.next());
        assert!(
            got_line == want_line,
            "{what}: {} bytes in place of {}; line {number} is {} in place of {}",
            got.len(),
            want.len(),
            shown(got_line),
            shown(want_line),
        );
    }
}

fn shown(line: Option<&[u8]>) -> String {
    line.map_or_else(
        || "absent".to_owned(),
        |line| format!("\"{}\"", line[..line.len().min(120)].escape_ascii()),
    )
}
