//! A relay under load, in front of a recorder, with a spool; and the account at the end.

use super::{
    ledger::Ledger,
    load::{Lines, Load, SENDERS},
    recorder::Recorder,
};
use crate::harness::{SOON, metrics::Metrics, skyrelay::Skyrelay, unix_now, wait_for};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Name of the upstream.
const UPSTREAM: &str = "recorder";

/// What is given up for lost when nothing has moved for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Lines a second.
    pub(crate) rate: u64,
    /// How long the fault lasts.
    pub(crate) fault: Duration,
}

/// How one case has ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) ledger: Ledger,
    /// Lines that the relay says are lost, by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// `Err` when the relay's own account does not come out even.
    pub(crate) books: Result<(), String>,
    /// The most memory that the relay had (bytes).
    pub(crate) peak_bytes: u64,
}

/// What every case begins with.
pub(crate) struct Stage {
    pub(crate) relay: Skyrelay,
    pub(crate) upstream: Recorder,
    load: Option<Load>,
    /// Of each sender, once the load has come to its end.
    sent: [u64; SENDERS],
    lines: Lines,
    peak_bytes: u64,
    settings: String,
    _spool: TempDir,
}

/// Keys for `[spool]` in `directory`.
pub(crate) fn spool_in(directory: &Path, more: &str) -> String {
    format!(
        "[spool]\ndirectory = \"{}\"\nkeep_free = \"0 B\"\n{more}\n",
        directory.display()
    )
}

impl Stage {
    /// A relay with these keys of `[[forward]]`, that spools in a directory of its own with these of `[spool]`, a second
    /// after the load has begun.
    #[track_caller]
    pub(crate) fn begin(scale: Scale, forward: &str, spool: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings = format!("{forward}\n{}", spool_in(directory.path(), spool));
        let mut stage = Self::set(directory, &settings);
        stage.begin_load(scale);
        stage
    }

    /// The same with these settings behind `[[forward]]`, that need `directory`, and without a load yet.
    #[track_caller]
    pub(crate) fn set(directory: TempDir, settings: &str) -> Self {
        let upstream = Recorder::start();
        let relay = Skyrelay::start(&[(UPSTREAM, upstream.port)], settings);
        let lines = Lines {
            series: 250,
            start: unix_now() - 24 * 3600,
        };
        Self {
            relay,
            upstream,
            load: None,
            sent: [0; SENDERS],
            lines,
            peak_bytes: 0,
            settings: settings.to_owned(),
            _spool: directory,
        }
    }

    /// Begins the load, and lets it go on for a second.
    pub(crate) fn begin_load(&mut self, scale: Scale) {
        self.load = Some(Load::start(self.relay.port, scale.rate, self.lines));
        std::thread::sleep(Duration::from_secs(1));
    }

    fn end_load(&mut self) {
        if let Some(load) = self.load.take() {
            self.sent = load.stop();
        }
    }

    /// Ends the load, and waits until the relay has received all of it.
    #[track_caller]
    pub(crate) fn rest(&mut self) {
        self.end_load();
        let lines: u64 = self.sent.iter().sum();
        wait_for("receipt of what was sent", 3 * SOON, || {
            match self.relay.metrics().received() {
                received if received == lines => Ok(()),
                received => Err(format!("{received} of {lines}")),
            }
        });
    }

    /// Waits until no line waits in memory.
    #[track_caller]
    pub(crate) fn wait_until_spooled(&self) {
        wait_for("lines on disk alone", 3 * SOON, || {
            let metrics = self.relay.metrics();
            match (metrics.queued(UPSTREAM), metrics.spooled(UPSTREAM)) {
                (0, 1..) => Ok(()),
                other => Err(format!("{other:?} in memory and on disk")),
            }
        });
    }

    /// Ends the relay as `kill -9` does, and starts it again with the same settings.
    #[track_caller]
    pub(crate) fn kill_relay(&mut self) {
        self.peak_bytes = self.peak_bytes.max(self.relay.peak_bytes());
        self.relay.kill();
        self.relay.start_again();
    }

    /// Has the relay read its settings again, with these keys of `[[forward]]` in front of what it had and these sections
    /// behind it.
    #[track_caller]
    pub(crate) fn reload(&self, forward: &str, more: &str) {
        let settings = format!("{forward}\n{}\n{more}", self.settings);
        self.relay
            .reconfigure(self.relay.port, &[(UPSTREAM, self.upstream.port)], &settings);
        let (status, answer) = self.relay.reload();
        assert_eq!(status, 200, "{answer}");
    }

    /// Asks the relay to stop, which it has to do without a loss, and starts it again with the same settings.
    #[track_caller]
    pub(crate) fn restart_relay(&mut self) {
        self.peak_bytes = self.peak_bytes.max(self.relay.peak_bytes());
        let status = self.relay.terminate(3 * SOON);
        assert_eq!(status.code(), Some(0), "{:?}", self.relay.stderr());
        self.relay.start_again();
    }

    /// Lets the load go on for two more seconds, waits until everything has gone its way, and draws the account.
    #[track_caller]
    pub(crate) fn finish(self) -> Outcome {
        std::thread::sleep(Duration::from_secs(2));
        self.finish_now()
    }

    /// The same without more load.
    #[track_caller]
    pub(crate) fn finish_now(mut self) -> Outcome {
        self.end_load();
        let sent = self.sent;
        let (metrics, books) = drain(&self.relay, UPSTREAM, || self.upstream.bytes());
        let ledger = Ledger::read(&self.upstream, self.lines, &sent);
        let peak_bytes = self.peak_bytes.max(self.relay.peak_bytes());
        let _status = self.relay.terminate(2 * SOON);
        Outcome {
            sent: sent.iter().sum(),
            ledger,
            dropped: metrics.by_label("skyrelay_lines_dropped_total", "reason"),
            books,
            peak_bytes,
        }
    }
}

/// Waits until nothing waits for `upstream` any more, to which so many bytes have come, or until nothing moves. Gives the
/// account of the relay.
pub(crate) fn drain(relay: &Skyrelay, upstream: &str, arrived: impl Fn() -> u64) -> (Metrics, Result<(), String>) {
    let mut moved = (Instant::now(), (0, 0));
    loop {
        let metrics = relay.metrics();
        let queued = metrics.queued(upstream);
        let spooled = metrics.spooled(upstream);
        let balance = metrics.books_balance(&[upstream]);
        let books = balance.and_then(|()| match (queued, spooled) {
            (0, 0) => Ok(()),
            _ => Err(format!("{queued} lines still queued, {spooled} spooled")),
        });
        let by_now = (metrics.forwarded(upstream), arrived());
        if moved.1 != by_now {
            moved = (Instant::now(), by_now);
        }
        let rest = if books.is_ok() {
            Duration::from_secs(1)
        } else {
            PATIENCE
        };
        if moved.0.elapsed() > rest {
            return (metrics, books);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Outcome {
    /// Everything has arrived, in order.
    #[track_caller]
    pub(crate) fn assert_nothing_lost(&self) {
        self.assert_even();
        assert_eq!(self.ledger.lost, 0, "{self:?}");
        assert_eq!(self.dropped_lines(), 0, "{self:?}");
    }

    /// What has not arrived was dropped, and the relay says so.
    #[track_caller]
    pub(crate) fn assert_no_more_lost_than_said(&self) {
        self.assert_even();
        assert!(self.ledger.lost > 0, "there was no room for all: {self:?}");
        assert_eq!(self.ledger.lost, self.dropped_lines(), "{self:?}");
    }

    #[track_caller]
    fn assert_even(&self) {
        assert_eq!(self.books, Ok(()), "{self:?}");
        assert!(self.sent > 0);
        assert_eq!(self.ledger.damaged, 0, "{self:?}");
        assert!(self.ledger.is_in_order(), "{self:?}");
    }

    fn dropped_lines(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// A row of the table, behind the name of the case.
    pub(crate) fn cells(&self) -> String {
        let Ledger {
            arrived, lost, damaged, ..
        } = &self.ledger;
        let mut said = String::new();
        for (reason, lines) in self.dropped.iter().filter(|(_, lines)| **lines > 0) {
            write!(said, "{lines} {reason} ").expect("a String takes it");
        }
        let said = if said.is_empty() { "0" } else { said.trim_end() };
        let books = match &self.books {
            Ok(()) => "even",
            Err(why) => why,
        };
        // Files of whisper do not show it.
        let shown = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        let repeated = shown(self.ledger.repeated);
        let order = match (self.ledger.out_of_order, damaged) {
            (Some(0), 0) => "kept".to_owned(),
            (late, 0) => shown(late),
            (late, damaged) => format!("{} late, {damaged} damaged", shown(late)),
        };
        let peak_mib = self.peak_bytes >> 20;
        format!(
            "{} | {arrived} | {lost} | {said} | {repeated} | {order} | {books} | {peak_mib} MiB",
            self.sent
        )
    }
}
