//! From the shards to the file: a few series at a time, written aside, and put in place when all is on the disk.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Sources,
    anomalies::SavedAnomaly,
    format::{End, Kind, Writer},
};
use crate::{
    analysis::Stopped,
    anomaly::Which,
    clock, disk,
    glob::Glob,
    save::Save,
    shard::{Origin, Place, Portion, Settings},
};

/// What a shard is asked for at a time (bytes): some milliseconds of its time.
const PORTION_BYTES: usize = 2 << 20;

/// Slots that a shard looks at for it.
const PORTION_SLOTS: usize = 10_000;

/// Anomalies that are over, of which no more are saved: some megabytes.
const CLOSED_MAX: usize = 10_000;

/// Why there is no new snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("{path}: {error}", path = .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Analysis(#[from] Stopped),
    #[error("the relay is stopping")]
    Interrupted,
    #[error("the shards go by other settings than when it was begun")]
    Overtaken,
}

/// A snapshot that is being written. Dropped, it leaves nothing behind.
pub(super) struct Draft<'a> {
    sources: &'a Sources,
    /// What the shards went by when it was begun.
    settings: Arc<Settings>,
    file: &'a Path,
    aside: PathBuf,
    writer: Writer<BufWriter<File>>,
    begun: Instant,
    done: bool,
    patterns: u64,
    summary: Summary,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    pub(super) series: u64,
    pub(super) open: u64,
    pub(super) closed: u64,
    pub(super) bytes: u64,
    pub(super) took: Duration,
    /// The longest that a shard was kept from its samples.
    pub(super) longest_pause: Duration,
}

impl<'a> Draft<'a> {
    /// Begins a file beside `file`.
    pub(super) fn begin(file: &'a Path, sources: &'a Sources) -> Result<Self, WriteError> {
        let begun = Instant::now();
        let aside = super::beside(file, "tmp");
        let mut origin = Vec::new();
        let settings = sources.analysis.settings();
        Origin::new(&settings).save(&mut origin);
        let create = || {
            let mut writer = Writer::begin(BufWriter::with_capacity(
                PORTION_BYTES,
                disk::ours(File::options().write(true).create(true).truncate(true), &aside)?,
            ))?;
            writer.record(Kind::Origin, &origin)?;
            Ok(writer)
        };
        let writer = create().map_err(|error| failed(&aside, error))?;
        Ok(Self {
            sources,
            settings,
            file,
            aside,
            writer,
            begun,
            done: false,
            patterns: 0,
            summary: Summary::default(),
        })
    }

    /// Writes the series of all shards, and the patterns, unless it is told to stop.
    pub(super) fn series(&mut self, stopping: Option<&AtomicBool>) -> Result<(), WriteError> {
        for shard in 0..self.sources.analysis.shards() {
            let mut place = Some(Place::Awake(0));
            while let Some(from) = place {
                if stopping.is_some_and(|stopping| stopping.load(Ordering::Relaxed)) {
                    return Err(WriteError::Interrupted);
                }
                // One portion is on its way at a time: a shard waits for nobody, and memory for no more than this.
                let (portion, next, settings, pause) = self.sources.analysis.ask_and_wait(shard, move |shard| {
                    let begun = Instant::now();
                    let mut portion = Portion::default();
                    let next = shard.save(from, PORTION_SLOTS, PORTION_BYTES, clock::now(), &mut portion);
                    (portion, next, shard.settings(), begun.elapsed())
                })?;
                if !Arc::ptr_eq(&settings, &self.settings) {
                    return Err(WriteError::Overtaken);
                }
                place = next;
                self.summary.longest_pause = self.summary.longest_pause.max(pause);
                for series in portion.pieces() {
                    self.summary.series += 1;
                    self.record(Kind::Series, series)?;
                }
            }
            let (patterns, settings) = self.sources.analysis.ask_and_wait(shard, |shard| {
                let mut portion = Portion::default();
                shard.save_patterns(clock::now(), &mut portion);
                (portion, shard.settings())
            })?;
            if !Arc::ptr_eq(&settings, &self.settings) {
                return Err(WriteError::Overtaken);
            }
            for pattern in patterns.pieces() {
                self.patterns += 1;
                self.record(Kind::Pattern, pattern)?;
            }
        }
        Ok(())
    }

    /// Writes what is over and what is open, and puts the file in place.
    pub(super) fn finish(mut self) -> Result<Summary, WriteError> {
        let mut record = Vec::new();
        // First, so that one that closes in between is not both.
        for anomaly in self.sources.board.closed_last(CLOSED_MAX) {
            record.clear();
            SavedAnomaly::from(&*anomaly).save(&mut record);
            self.summary.closed += 1;
            self.record(Kind::Closed, &record)?;
        }
        let open = self.sources.board.select(Which::Open, &Glob::everything(), usize::MAX);
        for anomaly in &open.anomalies {
            record.clear();
            SavedAnomaly::from(&**anomaly).save(&mut record);
            self.summary.open += 1;
            self.record(Kind::Open, &record)?;
        }
        record.clear();
        let end = End {
            series: self.summary.series,
            patterns: self.patterns,
            open: self.summary.open,
            closed: self.summary.closed,
            last_id: self.sources.board.last_id(),
        };
        end.save(&mut record);
        self.record(Kind::End, &record)?;
        self.summary.bytes = self.put_in_place().map_err(|error| failed(&self.aside, error))?;
        self.summary.took = self.begun.elapsed();
        self.done = true;
        Ok(self.summary)
    }

    fn record(&mut self, kind: Kind, content: &[u8]) -> Result<(), WriteError> {
        let written = self.writer.record(kind, content);
        written.map_err(|error| failed(&self.aside, error))
    }

    /// The disk has it before it gets the name of the one before, and the directory has the name before anybody is told.
    fn put_in_place(&mut self) -> io::Result<u64> {
        let (buffer, bytes) = self.writer.written();
        buffer.flush()?;
        buffer.get_ref().sync_all()?;
        fs::rename(&self.aside, self.file)?;
        File::open(super::directory(self.file))?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.done {
            // What stays is overwritten by the next one.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

fn failed(path: &Path, error: io::Error) -> WriteError {
    WriteError::Io {
        path: path.to_owned(),
        error,
    }
}
