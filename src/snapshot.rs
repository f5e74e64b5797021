//! The snapshot: what the relay remembers, on disk, so that it comes back from a restart with its memory.
//!
//! Knows the shards and the board, a file and a clock, and no socket. One thread does it all: it loads the snapshot at the
//! start, writes one now and then, and the last when the relay stops. The stream does not stop for it.
//!
//! ```text
//!  shard 0 ─┐  a few series at a time,         ┌───────────┐  checksums   FILE.tmp ─ fsync ─▶ rename ─▶ FILE
//!  shard 1 ─┼─ between two batches of lines ──▶│ this thread│────────────▶
//!  board ───┘  what is open                    └───────────┘
//! ```
//!
//! * A shard copies its bytes and goes on; it never waits for the disk. A portion is asked for when the one before it is
//!   written, so the queue is one portion long.
//! * While a snapshot is loaded, lines are taken and forwarded, and wait for analysis in its queue, which sheds or makes
//!   senders wait when it is full, as at any time. So what comes is always younger than what is loaded.
//! * There is one file, and it is whole: the next is written aside and takes its name when the disk has it. What is torn or
//!   damaged all the same is put aside under another name; the series before the damage, each with its checksum, are used.
//! * Series are saved one after the other while time goes on, so a snapshot is of a moment for each series, not for all.

mod anomalies;
mod format;
mod load;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use settings::Settings;
use tokio::sync::oneshot;
use tracing::{info, warn};
use write::{Draft, Summary, WriteError};

use crate::{
    analysis::{Analysis, HeadStart, Sink},
    anomaly::Board,
    clock,
    disk::{beside, directory},
    intake::Sorter,
    metrics::SnapshotMetrics,
    shard,
};

/// Pause before a snapshot is begun again.
const A_MOMENT: Duration = Duration::from_millis(10);

/// What is saved, and what it is loaded into.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The shards.
    pub analysis: Arc<Analysis>,
    /// What is open.
    pub board: Arc<Board>,
    /// What the shards were started with.
    pub shard: Arc<shard::Settings>,
    /// Knows the shard of a series.
    pub sorter: Sorter,
    /// What is counted.
    pub metrics: SnapshotMetrics,
}

/// The thread, and the way to it.
#[derive(Debug)]
pub struct Snapshots {
    commands: Sender<Command>,
    /// To be heard between two portions.
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    settled: Option<Sender<()>>,
}

/// What the thread is to do.
#[derive(Debug)]
enum Command {
    /// One in every so long from now on.
    Every(Option<Duration>),
    /// A snapshot now.
    Write,
    /// The last one.
    Last {
        /// To be told when the shards are not needed any more.
        saved: oneshot::Sender<()>,
        /// Tells that the board knows all that the shards have found.
        settled: Receiver<()>,
    },
}

/// What the thread works with.
struct Worker {
    file: PathBuf,
    every: Option<Duration>,
    sources: Sources,
    stopping: Arc<AtomicBool>,
}

impl Snapshots {
    /// Starts the thread, which loads the snapshot before anything else; shards begin when it has. `sink` is told of
    /// anomalies that nobody could close any more. `None`: there is no file to keep.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        settings: Settings,
        sources: Sources,
        head_start: HeadStart,
        sink: impl Sink,
    ) -> io::Result<Option<Self>> {
        let Settings {
            file: Some(file),
            every,
        } = settings
        else {
            return Ok(None);
        };
        let (commands, inbox) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            file,
            every,
            sources,
            stopping: Arc::clone(&stopping),
        };
        let thread = thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || worker.run(&inbox, head_start, sink))?;
        Ok(Some(Self {
            commands,
            stopping,
            thread,
            settled: None,
        }))
    }

    /// Is the thread there?
    pub fn is_at_work(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Has a snapshot written now, or after the one that is being written.
    pub fn write(&self) {
        // It has ended only when the relay does.
        let _ = self.commands.send(Command::Write);
    }

    /// Has one written in every so long from now on; `None`: only when it is asked for.
    pub fn set_every(&self, every: Option<Duration>) {
        let _ = self.commands.send(Command::Every(every));
    }

    /// Begins the last snapshot, behind all that the shards have been given. False when its series are not saved within
    /// `deadline`; then the one before stays.
    pub async fn save_last(&mut self, deadline: Duration) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        let (saved, all_saved) = oneshot::channel();
        let (settle, settled) = channel();
        self.settled = Some(settle);
        let sent = self.commands.send(Command::Last { saved, settled });
        sent.is_ok() && matches!(tokio::time::timeout(deadline, all_saved).await, Ok(Ok(())))
    }

    /// Ends the last snapshot, now that the board knows all that the shards have found. False when it is not done within
    /// `deadline`.
    pub async fn finish(mut self, deadline: Duration) -> bool {
        if let Some(settled) = self.settled.take() {
            let _ = settled.send(());
        }
        let ended = async {
            while !self.thread.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(deadline, ended).await.is_ok()
    }
}

impl Worker {
    fn run(mut self, commands: &Receiver<Command>, head_start: HeadStart, sink: impl Sink) {
        if !load::load(&self.file, &self.sources, head_start, sink, &self.stopping) {
            return;
        }
        let mut next = self.every.map(|every| Instant::now() + every);
        loop {
            let left = next.map_or(Duration::MAX, |next| next.saturating_duration_since(Instant::now()));
            match commands.recv_timeout(left) {
                Ok(Command::Write) | Err(RecvTimeoutError::Timeout) => {
                    self.conclude(self.write());
                    // From the end of this one, so that a slow disk is not written to all the time.
                    next = self.every.map(|every| Instant::now() + every);
                }
                Ok(Command::Every(every)) => {
                    self.every = every;
                    next = every.map(|every| Instant::now() + every);
                }
                Ok(Command::Last { saved, settled }) => return self.conclude(self.write_last(saved, &settled)),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&self) -> Result<Summary, WriteError> {
        self.draft(Some(&self.stopping))?.finish()
    }

    /// A snapshot with all series in it, begun again when other settings have come in between.
    fn draft(&self, stopping: Option<&AtomicBool>) -> Result<Draft<'_>, WriteError> {
        loop {
            let mut draft = Draft::begin(&self.file, &self.sources)?;
            match draft.series(stopping) {
                Ok(()) => return Ok(draft),
                Err(WriteError::Overtaken) => thread::sleep(A_MOMENT),
                Err(error) => return Err(error),
            }
        }
    }

    fn write_last(&self, saved: oneshot::Sender<()>, settled: &Receiver<()>) -> Result<Summary, WriteError> {
        let draft = self.draft(None)?;
        let _ = saved.send(());
        settled.recv().map_err(|_| WriteError::Interrupted)?;
        draft.finish()
    }

    fn conclude(&self, outcome: Result<Summary, WriteError>) {
        let metrics = &self.sources.metrics;
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match outcome {
            Ok(summary) => {
                let Summary {
                    series,
                    open,
                    closed,
                    bytes,
                    took,
                    longest_pause,
                } = summary;
                let seconds = i64::try_from(took.as_secs()).unwrap_or(i64::MAX);
                metrics.last_success.set(clock::now().saturating_sub(seconds));
                metrics.duration.set(took.as_secs_f64());
                metrics.longest_pause.set(longest_pause.as_secs_f64());
                metrics.bytes.set(whole(bytes));
                metrics.series.set(whole(series));
                info!(series, open, closed, bytes, ?took, ?longest_pause, "wrote a snapshot");
            }
            // The last one is on its way.
            Err(WriteError::Interrupted) => {}
            Err(error) => {
                metrics.failures.inc();
                warn!(file = %self.file.display(), %error, "the snapshot cannot be written; the one before stays");
            }
        }
    }
}
