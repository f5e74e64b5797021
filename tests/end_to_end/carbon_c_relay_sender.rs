//! The real carbon-c-relay in front: a relay that is there already sends on to this one.

use crate::harness::{
    carbon_c_relay::CarbonCRelay,
    net::connect,
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now,
};
use std::io::Write;

#[test]
fn carbon_c_relay_forwards_into_skyrelay() {
    const LINES: u64 = 5_000; // well below its queue of 25,000, beyond which it drops
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let sender = CarbonCRelay::start(relay.port);

    let now = unix_now();
    let line = |number: u64| {
        format!(
            "servers.web{:03}.requests {number}.25 {}\n",
            number % 100,
            now - 60 + number / 100
        )
    };
    let lines: String = (0..LINES).map(line).collect();
    connect(sender.port).write_all(lines.as_bytes()).unwrap();

    upstream.wait_for_exactly(lines.as_bytes());
    let metrics = relay.wait_until_through(LINES, &["sink"]);
    assert_eq!(metrics.analysed(), LINES);
    assert_eq!(metrics.forwarded("sink"), LINES);
}
