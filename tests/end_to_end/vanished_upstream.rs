//! Upstreams that are not where they were: a name that gets another address or none, and a host that falls silent without a
//! word, as one does whose power or cable is gone.

use crate::{
    faults::recorder::{Host, Recorder},
    harness::{
        SOON,
        metrics::Metrics,
        net::free_port,
        process::{can_have_hosts, find_peer},
        sink::Sink,
        skyrelay::{Circumstances, Skyrelay},
        unix_now, wait_for,
    },
};
use std::{fs, io::Write, net::Ipv4Addr, ops::Range, process::Command};

const NAME: &str = "carbon.skyrelay.test";
const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn lines(numbers: Range<u32>) -> String {
    let now = unix_now();
    numbers.fold(String::new(), |lines, number| {
        lines + &format!("moved.series {number} {now}\n")
    })
}

#[track_caller]
fn wait_for_failures(relay: &Skyrelay, reason: &str, more_than: u64) -> Metrics {
    wait_for(&format!("an upstream that fails: {reason}"), 3 * SOON, || {
        let metrics = relay.metrics();
        match metrics.sum("skyrelay_upstream_failures_total", &[("reason", reason)]) {
            few if few <= more_than => Err(format!("{few}")),
            _ => Ok(metrics),
        }
    })
}

#[test]
fn a_name_is_looked_up_again_when_its_host_moves() {
    if !can_have_hosts() {
        // Past the harness, which keeps what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no namespace for mounts may be had here, so no process can be given another /etc/hosts"
        );
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hosts = directory.path().join("hosts");
    // Written in place: the relay sees this very file.
    let name_is_at = |address: Ipv4Addr| fs::write(&hosts, format!("{address} {NAME}\n")).expect("ours");
    let port = free_port();
    name_is_at(HERE);
    let mut here = Sink::start_at(HERE, port);
    let there = Sink::start_at(THERE, port);
    let circumstances = Circumstances {
        hosts: Some(&hosts),
        ..Circumstances::default()
    };
    let upstream = format!("[[forward]]\nname = \"moving\"\naddress = \"{NAME}:{port}\"\nmax_backoff = \"200ms\"\n");
    let relay = Skyrelay::start_under(circumstances, &[], &upstream);
    let mut sender = relay.connect();

    let first = lines(0..100);
    sender.write_all(first.as_bytes()).unwrap();
    here.wait_for_exactly(first.as_bytes());
    assert!(there.bytes().is_empty());

    name_is_at(THERE);
    here.go_away();
    let second = lines(100..200);
    sender.write_all(second.as_bytes()).unwrap();
    there.wait_for_exactly(second.as_bytes());

    // A name that nobody knows for a while costs nothing but time.
    fs::write(&hosts, "").expect("ours");
    let mut there = there;
    there.go_away();
    let third = lines(200..300);
    sender.write_all(third.as_bytes()).unwrap();
    wait_for_failures(&relay, "lookup", 1);
    here.come_back();
    name_is_at(HERE);
    here.wait_for_exactly([first, third].concat().as_bytes());
    relay.wait_until_through(300, &["moving"]);
}

/// A host of its own, whose answers can be swallowed. Dropping it takes it down.
struct Far(Host);

impl Far {
    const NEAR_SIDE: &str = "198.18.77.1";
    const FAR_SIDE: &str = "198.18.77.2";

    /// `None` where networks may not be made.
    fn start() -> Option<Self> {
        let name = format!("skyrelay-{}", std::process::id());
        let (near, far) = (format!("sn{}", std::process::id()), format!("sf{}", std::process::id()));
        if !ip(&format!("netns add {name}")) {
            return None;
        }
        let far_host = Self(Host {
            name: name.clone(),
            address: Self::FAR_SIDE.to_owned(),
        });
        let ways = [
            format!("link add {near} type veth peer name {far} netns {name}"),
            format!("addr add {}/30 dev {near}", Self::NEAR_SIDE),
            format!("link set {near} up"),
            format!("-n {name} addr add {}/30 dev {far}", Self::FAR_SIDE),
            format!("-n {name} link set {far} up"),
        ];
        ways.iter().all(|way| ip(way)).then_some(far_host)
    }

    /// Nothing that it sends arrives any more; it notices nothing.
    fn falls_silent(&self) {
        assert!(ip(&format!(
            "-n {} route add blackhole {}",
            self.0.name,
            Self::NEAR_SIDE
        )));
    }

    fn speaks_again(&self) {
        assert!(ip(&format!(
            "-n {} route del blackhole {}",
            self.0.name,
            Self::NEAR_SIDE
        )));
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        // The cable goes with it.
        ip(&format!("netns del {}", self.0.name));
    }
}

fn ip(words: &str) -> bool {
    let mut command = Command::new(find_peer("ip"));
    command
        .args(words.split(' '))
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn a_host_that_falls_silent_is_given_up_and_gets_everything_when_it_is_back() {
    let Some(far) = Far::start() else {
        // Past the harness, which keeps what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no network namespace may be had here, so no host can vanish"
        );
        return;
    };
    let recorder = Recorder::start_on(Some(far.0.clone()));
    let upstream = format!(
        "[[forward]]\nname = \"far\"\naddress = \"{}:{}\"\nwrite_timeout = \"2s\"\nconnect_timeout = \"1s\"\nmax_backoff = \"200ms\"\n",
        far.0.address, recorder.port
    );
    let relay = Skyrelay::start(&[], &upstream);
    let mut sender = relay.connect();
    let first = lines(0..100);
    sender.write_all(first.as_bytes()).unwrap();
    wait_for("the first lines", SOON, || match recorder.bytes() {
        all if all == first.len() as u64 => Ok(()),
        some => Err(format!("{some} bytes")),
    });

    // Nothing is sent that it would have to acknowledge.
    far.falls_silent();
    wait_for_failures(&relay, "timeout", 0);
    far.speaks_again();
    let second = lines(100..200);
    sender.write_all(second.as_bytes()).unwrap();
    let metrics = relay.wait_until_through(200, &["far"]);

    // And now while it is sent to.
    far.falls_silent();
    let before = metrics.sum("skyrelay_upstream_failures_total", &[("reason", "timeout")]);
    let third = lines(200..300);
    sender.write_all(third.as_bytes()).unwrap();
    wait_for_failures(&relay, "timeout", before);
    far.speaks_again();
    wait_for("every line", SOON, || {
        let came: String = recorder
            .files()
            .iter()
            .map(|file| fs::read_to_string(file).unwrap_or_default())
            .collect();
        let missing = [&first, &second, &third]
            .into_iter()
            .flat_map(|lines| lines.lines())
            .find(|&line| !came.contains(line));
        missing.map_or(Ok(()), |line| Err(format!("{line} is missing")))
    });
    assert_eq!(relay.wait_until_through(300, &["far"]).dropped("far"), 0);
}
