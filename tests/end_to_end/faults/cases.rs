//! The faults, one by one.

use super::{
    disk::SmallDisk,
    ledger::Ledger,
    load::{Lines, Load},
    recorder::Manners,
    stage::{Outcome, Scale, Stage, drain, spool_in},
};
use crate::harness::{SOON, carbon_cache::CarbonCache, skyrelay::Skyrelay, unix_now};
use rustix::process::Signal;
use std::{
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Bytes of a line of the load, about.
const LINE_BYTES: u64 = 27;

/// Is there room for everything?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    TooLittle,
}

/// A fault, and what may come of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) room: Room,
    /// How long it lasts where there is time.
    pub(crate) at_length: Duration,
    act: fn(Scale) -> Outcome,
}

/// All of them.
pub(crate) const CASES: [Case; 15] = [
    Case {
        name: "upstream killed, and away",
        room: Room::Enough,
        at_length: Duration::from_secs(60),
        act: away,
    },
    Case {
        name: "upstream killed and started, again and again",
        room: Room::Enough,
        at_length: Duration::from_secs(60),
        act: again_and_again,
    },
    Case {
        name: "upstream stopped by SIGSTOP",
        room: Room::Enough,
        at_length: Duration::from_secs(36),
        act: stopped,
    },
    Case {
        name: "upstream reads 1 KB/s, then is replaced",
        room: Room::Enough,
        at_length: Duration::from_secs(30),
        act: slow,
    },
    Case {
        name: "upstream accepts and reads nothing, then is replaced",
        room: Room::Enough,
        at_length: Duration::from_secs(30),
        act: deaf,
    },
    Case {
        name: "upstream closes after each 5,000 lines",
        room: Room::Enough,
        at_length: Duration::from_secs(20),
        act: closing,
    },
    Case {
        name: "skyrelay killed by kill -9 while it spools, its senders at rest",
        room: Room::Enough,
        at_length: Duration::from_secs(20),
        act: relay_killed,
    },
    Case {
        name: "skyrelay killed by kill -9 while its spool drains",
        room: Room::Enough,
        at_length: Duration::from_secs(20),
        act: relay_killed_while_it_drains,
    },
    Case {
        name: "SIGTERM while the upstream is away",
        room: Room::Enough,
        at_length: Duration::from_secs(20),
        act: relay_restarted,
    },
    Case {
        name: "reloads without an end, the upstream killed and started in between",
        room: Room::Enough,
        at_length: Duration::from_secs(30),
        act: reloaded,
    },
    Case {
        name: "spool full, senders are paused",
        room: Room::Enough,
        at_length: Duration::from_secs(20),
        act: spool_full_pausing,
    },
    Case {
        name: "spool full, the oldest are dropped",
        room: Room::TooLittle,
        at_length: Duration::from_secs(20),
        act: spool_full_dropping,
    },
    Case {
        name: "disk full, senders are paused",
        room: Room::Enough,
        at_length: Duration::from_secs(20),
        act: disk_full_pausing,
    },
    Case {
        name: "disk full, the oldest are dropped",
        room: Room::TooLittle,
        at_length: Duration::from_secs(20),
        act: disk_full_dropping,
    },
    Case {
        name: "the real carbon-cache killed, and away, at a tenth of the rate",
        room: Room::Enough,
        at_length: Duration::from_secs(60),
        act: carbon_cache_away,
    },
];

impl Case {
    /// `None`, and a word on stderr, where the machine does not permit it.
    #[track_caller]
    pub(crate) fn run(&self, scale: Scale) -> Option<Outcome> {
        if self.name.starts_with("disk full")
            && let Err(why) = SmallDisk::mount(1 << 20)
        {
            eprintln!(
                "NO CASE \"{}\": MOUNTING A tmpfs IS NOT PERMITTED HERE, RUN IT AS ROOT: {why}",
                self.name
            );
            return None;
        }
        Some((self.act)(scale))
    }

    /// Expects of the outcome what there was room for.
    #[track_caller]
    pub(crate) fn check(&self, outcome: &Outcome) {
        match self.room {
            Room::Enough => outcome.assert_nothing_lost(),
            Room::TooLittle => outcome.assert_no_more_lost_than_said(),
        }
    }
}

fn away(scale: Scale) -> Outcome {
    let mut stage = Stage::begin(scale, "", "");
    stage.upstream.kill();
    sleep(scale.fault);
    stage.upstream.start_again(Manners::Good);
    stage.finish()
}

fn again_and_again(scale: Scale) -> Outcome {
    const TIMES: u32 = 12;
    let mut stage = Stage::begin(scale, "", "");
    for _ in 0..TIMES {
        let next = Instant::now() + scale.fault / TIMES;
        stage.upstream.start_again(Manners::Good);
        sleep(next.saturating_duration_since(Instant::now()));
    }
    stage.finish()
}

fn stopped(scale: Scale) -> Outcome {
    let stage = Stage::begin(scale, "", "");
    stage.upstream.signal(Signal::STOP);
    sleep(scale.fault);
    stage.upstream.signal(Signal::CONT);
    stage.finish()
}

fn slow(scale: Scale) -> Outcome {
    sick(scale, Manners::Slow(1000))
}

fn deaf(scale: Scale) -> Outcome {
    sick(scale, Manners::Deaf)
}

fn closing(scale: Scale) -> Outcome {
    sick(scale, Manners::Closing(5_000))
}

/// An upstream with bad manners, replaced by one with good ones. What the kernels of both sides hold for it by then was never
/// read, and is sent again.
fn sick(scale: Scale, manners: Manners) -> Outcome {
    let mut stage = Stage::begin(scale, "write_timeout = \"2s\"", "");
    stage.upstream.start_again(manners);
    sleep(scale.fault);
    stage.upstream.start_again(Manners::Good);
    stage.finish()
}

fn relay_killed(scale: Scale) -> Outcome {
    let mut stage = Stage::begin(scale, "", "");
    stage.upstream.kill();
    sleep(scale.fault);
    stage.rest();
    // What is still in memory by then goes to disk within a moment.
    stage.wait_until_spooled();
    stage.kill_relay();
    stage.upstream.start_again(Manners::Good);
    stage.finish()
}

fn relay_killed_while_it_drains(scale: Scale) -> Outcome {
    let drained = scale.rate / 2;
    let mut stage = Stage::begin(scale, "", &format!("drain_lines_per_second = {drained}"));
    stage.upstream.kill();
    sleep(scale.fault / 2);
    stage.rest();
    stage.wait_until_spooled();
    stage.upstream.start_again(Manners::Good);
    for _ in 0..3 {
        sleep(scale.fault / 12);
        stage.kill_relay();
    }
    stage.finish_now()
}

fn relay_restarted(scale: Scale) -> Outcome {
    let mut stage = Stage::begin(scale, "", "");
    stage.upstream.kill();
    sleep(scale.fault);
    stage.rest();
    stage.restart_relay();
    stage.upstream.start_again(Manners::Good);
    stage.finish()
}

/// Each reload changes the upstream's settings and a detector, so that all series begin anew with it.
fn reloaded(scale: Scale) -> Outcome {
    const TIMES: u32 = 20;
    let mut stage = Stage::begin(scale, "", "");
    for number in 1..=TIMES {
        let next = Instant::now() + scale.fault / TIMES;
        stage.reload(
            &format!("resend_bytes = \"{number} MiB\""),
            &format!("[detector.default]\nkind = \"adaptive\"\nsensitivity = {number}.5"),
        );
        match number % 8 {
            3 => stage.upstream.kill(),
            5 => stage.upstream.start_again(Manners::Good),
            _ => {}
        }
        sleep(next.saturating_duration_since(Instant::now()));
    }
    stage.upstream.start_again(Manners::Good);
    stage.finish()
}

/// Bytes for half of what comes during the fault, and no less than the relay can do with.
fn half(scale: Scale) -> u64 {
    (scale.rate * LINE_BYTES * scale.fault.as_secs() / 2).max(1 << 20)
}

fn spool_full_pausing(scale: Scale) -> Outcome {
    spool_full(scale, "pause-senders")
}

fn spool_full_dropping(scale: Scale) -> Outcome {
    spool_full(scale, "drop-oldest")
}

fn spool_full(scale: Scale, when_full: &str) -> Outcome {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let spool = spool_in(directory.path(), &format!("max_bytes = \"{} B\"", half(scale)));
    full(scale, directory, when_full, &spool)
}

fn disk_full_pausing(scale: Scale) -> Outcome {
    disk_full(scale, "pause-senders")
}

fn disk_full_dropping(scale: Scale) -> Outcome {
    disk_full(scale, "drop-oldest")
}

fn disk_full(scale: Scale, when_full: &str) -> Outcome {
    let disk = SmallDisk::mount(half(scale)).unwrap_or_else(|why| panic!("{why}"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    full(scale, directory, when_full, &spool_in(disk.path(), ""))
}

/// An upstream that is not there from the first line on, so that nothing is on its way to it when it goes.
fn full(scale: Scale, directory: TempDir, when_full: &str, spool: &str) -> Outcome {
    let settings = format!("when_full = \"{when_full}\"\nqueue = \"1 MiB\"\n{spool}");
    let mut stage = Stage::set(directory, &settings);
    stage.upstream.kill();
    stage.begin_load(scale);
    sleep(scale.fault);
    stage.upstream.start_again(Manners::Good);
    stage.finish()
}

/// The real one, at a tenth of the rate. What it had taken and not written before it was killed is lost with it; all lines
/// from then on have to come to its files.
fn carbon_cache_away(scale: Scale) -> Outcome {
    const CARBON: &str = "carbon-cache";
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut carbon = CarbonCache::start();
    let settings = spool_in(directory.path(), "");
    let mut relay = Skyrelay::start(&[(CARBON, carbon.port)], &settings);
    let lines = Lines {
        series: 25,
        start: unix_now() - 3 * 3600,
    };
    let load = Load::start(relay.port, scale.rate / 10, lines);
    sleep(Duration::from_secs(3));
    carbon.kill();
    let before = load.sent();
    sleep(scale.fault);
    carbon.restart();
    sleep(Duration::from_secs(2));
    let sent = load.stop();
    let (metrics, books) = drain(&relay, CARBON, || 0);
    let numbers = std::array::from_fn(|sender| before[sender]..sent[sender]);
    let ledger = || Ledger::of_points(&carbon.points(lines.start), lines, &numbers);
    let mut found = ledger();
    let deadline = Instant::now() + 3 * SOON;
    while found.lost > 0 && Instant::now() < deadline {
        sleep(Duration::from_secs(1));
        found = ledger();
    }
    let peak_bytes = relay.peak_bytes();
    let _status = relay.terminate(2 * SOON);
    Outcome {
        sent: found.arrived + found.lost,
        ledger: found,
        dropped: metrics.by_label("skyrelay_lines_dropped_total", "reason"),
        books,
        peak_bytes,
    }
}
