//! The history of anomalies, on disk: what has opened and closed, for as long as there is room.
//!
//! Knows anomalies, a directory and a clock, and nobody who asks. One thread writes; whoever asks reads the files himself.
//!
//! ```text
//!  board ─▶ keeper ──(queue, bounded)──▶ this thread ──▶ 00000000000000000007.segment   a line for each that opens or closes
//!                                                        00000000000000000006.segment   ... until the oldest goes
//! ```
//!
//! * A line is a checksum, a time, what has happened, and JSON, see `record`. `kill -9` costs what the queue holds, and a
//!   power cut a second or so. A line that was torn is cut off; a segment that is damaged is set aside, and what is whole of it is
//!   used; both are counted.
//! * Of the records of an anomaly the newest counts, whatever restarts lie between them, see `index`.
//! * Segments go, the oldest first, when all together take more than [`Settings::bytes_max`], or are older than allowed.
//! * Whoever tells of an anomaly never waits: what the queue does not take, while the disk is full or slow, is lost, and counted.
//! * A search looks at the newest first, at so much at a time, and says where to go on.
//!
//! At the start all of it is read once; meanwhile there is no answer.

mod files;
mod index;
mod record;
mod search;
mod store;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use files::Access;
pub use index::Place;
use index::{Index, Noted};
use record::What;
use search::View;
pub use search::{Found, Wanted};
use store::Bounds;
use worker::Worker;

use crate::{anomaly::Anomaly, clock, disk, line::Timestamp, metrics::HistoryMetrics, shard::Change, silence::Marks};

/// Records that wait to be written. One more is lost, and counted.
const QUEUE_RECORDS: usize = 10_000;

/// How often it is looked whether the thread has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Settings of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is; `None`: there is none.
    pub directory: Option<PathBuf>,
    /// Size of all files (bytes, 1 MiB to 16 GiB).
    pub bytes_max: u64,
    /// How long a record is kept (seconds, 1 or more); `None`: as long as there is room.
    pub age_max_s: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            directory: None,
            bytes_max: 256 << 20,
            age_max_s: Some(365 * 86_400),
        }
    }
}

impl Settings {
    fn bounds(&self) -> Bounds {
        Bounds {
            bytes_max: self.bytes_max,
            age_max_s: self.age_max_s,
        }
    }
}

/// The history, and the way to it.
#[derive(Debug)]
pub struct History {
    /// `None`: there is none.
    kept: Option<Kept>,
    metrics: HistoryMetrics,
}

/// A history that there is.
#[derive(Debug)]
struct Kept {
    /// `None`: nothing more is to be written.
    orders: Mutex<Option<SyncSender<Order>>>,
    thread: Mutex<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// The highest number of an anomaly in the newest segment, at the start.
    last_id: u64,
    /// Nobody else writes there.
    _lock: File,
}

/// What the thread and those who ask have in common.
#[derive(Debug)]
struct Shared {
    bounds: Mutex<Bounds>,
    /// What is known of the files, once they have been read.
    index: OnceLock<Arc<Mutex<Index>>>,
    /// Does the board have what was open before the start?
    is_resumed: AtomicBool,
    stopping: AtomicBool,
}

/// What the thread is to do.
#[derive(Debug)]
enum Order {
    Write(Entry),
    /// These are open after a restart: those of which no record says so get one.
    Resume(Vec<(Arc<Anomaly>, Marks)>),
}

/// What is to be written of an anomaly.
#[derive(Clone, Debug)]
struct Entry {
    what: What,
    anomaly: Arc<Anomaly>,
    marks: Marks,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Nobody keeps a history.
    #[error("no history is kept")]
    NotKept,
    /// It is being read, or cannot be.
    #[error("the history is still being read; ask again in a moment")]
    NotReady,
}

impl History {
    /// Takes the directory, and starts the thread, which reads what is there first.
    ///
    /// # Errors
    /// When the directory cannot be used, or the thread not be started.
    pub fn start(settings: &Settings, metrics: HistoryMetrics) -> io::Result<Self> {
        let Some(directory) = &settings.directory else {
            return Ok(Self { kept: None, metrics });
        };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
        let lock = disk::claim(directory).map_err(named)?.ok_or_else(|| {
            let taken = io::Error::new(io::ErrorKind::ResourceBusy, "another process keeps its history there");
            named(taken)
        })?;
        let last_id = last_id(directory).map_err(named)?;
        let shared = Arc::new(Shared {
            bounds: Mutex::new(settings.bounds()),
            index: OnceLock::new(),
            is_resumed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let (orders, inbox) = sync_channel(QUEUE_RECORDS);
        let worker = Worker {
            directory: directory.clone(),
            shared: Arc::clone(&shared),
            metrics: metrics.clone(),
            burst: Vec::new(),
            fails: false,
        };
        let thread = thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || worker.run(&inbox))?;
        let kept = Kept {
            orders: Mutex::new(Some(orders)),
            thread: Mutex::new(thread),
            shared,
            last_id,
            _lock: lock,
        };
        Ok(Self {
            kept: Some(kept),
            metrics,
        })
    }

    /// Is there one?
    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Goes by other bounds from now on; the directory stays.
    pub fn change(&self, settings: &Settings) {
        if let Some(kept) = &self.kept {
            *lock(&kept.shared.bounds) = settings.bounds();
        }
    }

    /// The highest number of an anomaly that there was at the start, so that it is not given again; 0: there was none.
    pub fn last_id(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.last_id)
    }

    /// Writes down an anomaly that has opened or closed. Does not wait.
    pub fn note(&self, change: Change, anomaly: &Arc<Anomaly>, marks: &Marks) {
        if self.kept.is_none() {
            return;
        }
        let what = match change {
            Change::Opened => What::Opened,
            Change::Again => return,
            Change::Closed => What::Closed,
        };
        let entry = Entry {
            what,
            anomaly: Arc::clone(anomaly),
            marks: marks.clone(),
        };
        self.give(Order::Write(entry), 1);
    }

    /// Takes in what is open after a restart. Does not wait.
    pub fn resume(&self, open: Vec<(Arc<Anomaly>, Marks)>) {
        if let Some(kept) = &self.kept {
            let records = open.len() as u64;
            self.give(Order::Resume(open), records);
            kept.shared.is_resumed.store(true, Ordering::Relaxed);
        }
    }

    fn give(&self, order: Order, records: u64) {
        let Some(kept) = &self.kept else { return };
        let given = lock(&kept.orders)
            .as_ref()
            .is_some_and(|orders| orders.try_send(order).is_ok());
        if !given {
            self.metrics.queue_full.inc_by(records);
        }
    }

    /// Anomalies that are `wanted`, the newest first. Reads files. `is_open` knows what goes on.
    ///
    /// # Errors
    /// When there is nothing to read, or not yet.
    pub fn search(&self, wanted: &Wanted, is_open: impl Fn(u64, &str) -> bool) -> Result<Found, SearchError> {
        let kept = self.kept.as_ref().ok_or(SearchError::NotKept)?;
        let shared = &kept.shared;
        let index = lock(shared.index.get().ok_or(SearchError::NotReady)?).clone();
        let is_resumed = shared.is_resumed.load(Ordering::Relaxed);
        let view = View {
            index: &index,
            since: shared.bounds().since(clock::now()),
            is_open: &|id, series| !is_resumed || is_open(id, series),
        };
        let found = view.search(wanted);
        self.metrics.failures.inc_by(found.unreadable);
        Ok(found)
    }

    /// Is the thread there?
    pub fn is_at_work(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| !lock(&kept.thread).is_finished())
    }

    /// Waits up to `deadline` for what is still to be written. False when some of it is not.
    pub fn stop(&self, deadline: Duration) -> bool {
        let Some(kept) = &self.kept else { return true };
        let end = Instant::now() + deadline;
        drop(lock(&kept.orders).take());
        kept.shared.stopping.store(true, Ordering::Relaxed);
        let thread = lock(&kept.thread);
        thread.thread().unpark();
        while !thread.is_finished() {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }
}

/// A history that is read without the relay that keeps it, which may be writing at the same time.
#[derive(Debug)]
pub struct OnDisk {
    index: Index,
}

impl OnDisk {
    /// Looks at what is there.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let mut index = Index::new(directory.into());
        let mut found = files::Found::default();
        for number in files::numbers(directory)? {
            files::take_in(&mut index, number, Access::ReadOnly, &mut found);
        }
        Ok(Self { index })
    }

    /// Anomalies that are `wanted`, the newest first. Those whose end is not there may go on.
    pub fn search(&self, wanted: &Wanted) -> Found {
        let view = View {
            index: &self.index,
            since: Timestamp::MIN,
            is_open: &|_, _| true,
        };
        view.search(wanted)
    }
}

impl Shared {
    fn bounds(&self) -> Bounds {
        *lock(&self.bounds)
    }
}

impl Entry {
    fn noted(&self, at: Timestamp) -> Noted {
        Noted {
            what: self.what,
            id: self.anomaly.id,
            opened_at: self.anomaly.opened.timestamp,
            closed_at: self.anomaly.closed.as_ref().map(|closed| closed.timestamp),
            at,
        }
    }
}

/// The highest number of an anomaly in the newest segment that has any.
fn last_id(directory: &Path) -> io::Result<u64> {
    for number in files::numbers(directory)?.into_iter().rev() {
        let mut found = files::Found::default();
        let mut index = Index::new(directory.into());
        files::take_in(&mut index, number, Access::ReadOnly, &mut found);
        if found.records > 0 {
            return Ok(found.last_id);
        }
    }
    Ok(0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with the lock held")
}
