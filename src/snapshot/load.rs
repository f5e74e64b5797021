//! From the file to the shards: one thread reads and checks, all shards take in series at the same time.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Instant,
};

use tracing::{info, warn};

use super::{
    Sources,
    anomalies::SavedAnomaly,
    format::{End, Kind, ReadError, Reader},
};
use crate::{
    analysis::{HeadStart, Sink},
    clock,
    detect::Verdict,
    line::Timestamp,
    save::{Damaged, Save, Saved},
    shard::{Change, Event, Heirs, Loaded, Origin},
};

/// Bytes of series that a shard is given at a time.
const BATCH_BYTES: usize = 1 << 20;

/// Files put aside that are kept.
const REJECTED_MAX: u32 = 3;

/// What is read from the file at a time (bytes).
const READ_BYTES: usize = 1 << 20;

/// Series on their way to a shard.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Where each ends, and the hash of its name.
    series: Vec<(usize, u64)>,
}

/// What a file has given.
#[derive(Default)]
struct Content {
    loaded: Loaded,
    open: Vec<SavedAnomaly>,
    closed: Vec<SavedAnomaly>,
    end: End,
}

/// A snapshot that is being read.
struct Loading<'a> {
    sources: &'a Sources,
    head_start: &'a HeadStart,
    heirs: Arc<Heirs>,
    now: Timestamp,
    batches: Vec<Batch>,
    /// Batches that a shard is done with: memory that the kernel has handed over is used again.
    spent: (Sender<Batch>, Receiver<Batch>),
    results: Sender<Loaded>,
}

/// Loads the snapshot, if there is one, and tells of anomalies that cannot go on. False when it was told to stop.
pub(super) fn load(
    file: &Path,
    sources: &Sources,
    head_start: HeadStart,
    mut sink: impl Sink,
    stopping: &AtomicBool,
) -> bool {
    let begun = Instant::now();
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            info!(file = %file.display(), "there is no snapshot yet: beginning without a past");
            sink.resumed();
            return true;
        }
        Err(error) => {
            warn!(file = %file.display(), %error, "the snapshot cannot be read: beginning without a past");
            sink.resumed();
            return true;
        }
    };
    sources.metrics.loading.set(1);
    let (content, outcome) = read(&opened, sources, &head_start, stopping);
    drop(opened);
    let Content {
        loaded,
        open,
        closed,
        end,
    } = content;
    let stopped = stopping.load(Ordering::Relaxed);
    let Loaded { series, dormant, .. } = loaded;
    for anomaly in closed {
        sources.board.recall(anomaly.into());
    }
    let resumed = resume(sources, &loaded, open, end, &mut sink);
    sink.resumed();
    drop(head_start);
    sources.metrics.loading.set(0);
    sources.metrics.loaded.set(i64::try_from(series).unwrap_or(i64::MAX));
    if stopped {
        warn!(file = %file.display(), "stopped while the snapshot was being loaded; it stays as it is");
        return false;
    }
    tell(sources, &loaded);
    if let Err(error) = outcome {
        let aside = put_aside(file);
        warn!(
            file = %file.display(),
            aside = %aside.map_or_else(|error| format!("nowhere: {error}"), |aside| aside.display().to_string()),
            %error,
            series,
            "the snapshot cannot be used as it is: it is put aside, and the relay goes on with the series that could be read"
        );
    }
    info!(
        series,
        dormant,
        open = resumed,
        seconds = begun.elapsed().as_secs_f32(),
        "loaded the snapshot"
    );
    true
}

/// Reads all there is, up to what is wrong.
fn read(
    file: &File,
    sources: &Sources,
    head_start: &HeadStart,
    stopping: &AtomicBool,
) -> (Content, Result<(), ReadError>) {
    let mut content = Content::default();
    let (results, result) = channel();
    let outcome = read_records(file, sources, head_start, results, stopping, &mut content);
    // Shards that have been given something answer; then nobody can any more.
    for loaded in result {
        content.loaded.add(loaded);
    }
    let outcome = outcome.and_then(|at| match content.loaded.damage {
        Some(damage) => Err(ReadError::Damaged(at, damage)),
        None => Ok(()),
    });
    (content, outcome)
}

/// Reads the records, and gives the series to the shards. Gives the place of the end.
fn read_records(
    file: &File,
    sources: &Sources,
    head_start: &HeadStart,
    results: Sender<Loaded>,
    stopping: &AtomicBool,
    content: &mut Content,
) -> Result<u64, ReadError> {
    let size = file.metadata()?.len();
    let mut reader = Reader::begin(BufReader::with_capacity(READ_BYTES, file), size)?;
    let mut record = Vec::new();
    let begins = reader.at();
    let damaged = |damage| ReadError::Damaged(begins, damage);
    if reader.record(&mut record)? != Kind::Origin {
        return Err(damaged(Damaged("it does not begin with its origin")));
    }
    let origin = whole::<Origin>(&record).map_err(damaged)?;
    let mut loading = Loading {
        heirs: Arc::new(origin.heirs(&sources.shard)),
        now: clock::now(),
        batches: (0..sources.analysis.shards()).map(|_| Batch::default()).collect(),
        spent: channel(),
        sources,
        head_start,
        results,
    };
    let outcome = loading.go_through(&mut reader, &mut record, stopping, content);
    for shard in 0..loading.batches.len() {
        loading.flush(shard);
    }
    outcome
}

impl Loading<'_> {
    fn go_through(
        &mut self,
        reader: &mut Reader<impl io::Read>,
        record: &mut Vec<u8>,
        stopping: &AtomicBool,
        content: &mut Content,
    ) -> Result<u64, ReadError> {
        let (mut series, mut patterns) = (0, 0);
        loop {
            let begins = reader.at();
            let damaged = |damage| ReadError::Damaged(begins, damage);
            match reader.record(record)? {
                Kind::Origin => return Err(damaged(Damaged("it begins twice"))),
                Kind::Series => {
                    series += 1;
                    self.take(record).map_err(damaged)?;
                }
                Kind::Pattern => {
                    patterns += 1;
                    self.give_pattern(record);
                }
                Kind::Open => content.open.push(whole(record).map_err(damaged)?),
                Kind::Closed => content.closed.push(whole(record).map_err(damaged)?),
                Kind::End => {
                    content.end = whole(record).map_err(damaged)?;
                    let End {
                        series: of_series,
                        patterns: of_patterns,
                        open,
                        closed,
                        last_id: _,
                    } = content.end;
                    let counts = [series, patterns, content.open.len() as u64, content.closed.len() as u64];
                    if [of_series, of_patterns, open, closed] != counts {
                        return Err(damaged(Damaged("records are missing")));
                    }
                    if !reader.is_at_end() {
                        return Err(damaged(Damaged("it goes on behind its end")));
                    }
                    return Ok(begins);
                }
            }
            if stopping.load(Ordering::Relaxed) {
                return Ok(begins);
            }
        }
    }

    /// Gives a pattern to all shards, of which one tells of it.
    fn give_pattern(&self, record: &[u8]) {
        let record: Arc<[u8]> = record.into();
        for shard in 0..self.batches.len() {
            let (record, heirs, now) = (Arc::clone(&record), Arc::clone(&self.heirs), self.now);
            let results = self.results.clone();
            let errand = move |shard: &mut crate::shard::Shard| {
                let mut loaded = Loaded::default();
                shard.load_pattern(&record, &heirs, now, &mut loaded);
                let _ = results.send(loaded);
            };
            // A shard that has ended loads nothing.
            let _ = self.head_start.give(shard, errand);
        }
    }

    /// Puts a series on its way to its shard.
    fn take(&mut self, record: &[u8]) -> Result<(), Damaged> {
        let (hash, shard) = self.sources.sorter.place(Saved::new(record).text()?.as_bytes());
        let batch = &mut self.batches[shard];
        batch.bytes.extend_from_slice(record);
        batch.series.push((batch.bytes.len(), hash));
        if batch.bytes.len() >= BATCH_BYTES {
            self.flush(shard);
        }
        Ok(())
    }

    fn flush(&mut self, shard: usize) {
        let next = self.spent.1.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batches[shard], next);
        let (heirs, now) = (Arc::clone(&self.heirs), self.now);
        let (results, spent) = (self.results.clone(), self.spent.0.clone());
        let errand = move |shard: &mut crate::shard::Shard| {
            let mut loaded = Loaded::default();
            let mut begins = 0;
            for (end, hash) in batch.series.drain(..) {
                shard.load(&batch.bytes[begins..end], hash, &heirs, now, &mut loaded);
                begins = end;
            }
            batch.bytes.clear();
            // Whoever reads may be at the end, and waits for all results.
            let _ = spent.send(batch);
            let _ = results.send(loaded);
        };
        // A shard that has ended loads nothing.
        let _ = self.head_start.give(shard, errand);
    }
}

/// Puts the anomalies that are still open on the board, and closes those that nobody could close any more. Gives how many
/// are open.
fn resume(sources: &Sources, loaded: &Loaded, saved: Vec<SavedAnomaly>, end: End, sink: &mut impl Sink) -> usize {
    let board = &sources.board;
    board.go_on_after(end.last_id);
    let name = |detector: usize| &sources.shard.detectors[detector].name;
    let named = |(series, detector): &(Arc<str>, usize)| (Arc::clone(series), Arc::clone(name(*detector)));
    let mut open: HashSet<(Arc<str>, Arc<str>)> = loaded.open.iter().map(named).collect();
    let mut orphans = Vec::new();
    for anomaly in saved {
        let SavedAnomaly {
            id,
            series,
            detector,
            opened,
            again,
            closed: _,
            rank: _,
        } = anomaly;
        let key = (Arc::clone(&series), Arc::clone(&detector));
        board.resume(Some(id), series, detector, opened, again);
        if !open.remove(&key) {
            orphans.push(closing(key));
        }
    }
    // Those that the board had not heard of yet, or not any more, while the snapshot was taken.
    for (series, detector) in open {
        let opened = Verdict {
            timestamp: clock::now(),
            anomalous: true,
            reason: "it was open when the snapshot was taken".to_owned(),
            ..Verdict::default()
        };
        board.resume(None, series, detector, opened, None);
    }
    if !orphans.is_empty() {
        sink.events(&mut orphans);
    }
    loaded.open.len()
}

/// Closes an anomaly whose detector does not judge the series any more.
fn closing((series, detector): (Arc<str>, Arc<str>)) -> Event {
    let verdict = Verdict {
        timestamp: clock::now(),
        reason: "the relay was started again, and this detector has no memory of the series".to_owned(),
        ..Verdict::default()
    };
    Event {
        series,
        detector,
        change: Some(Change::Closed),
        verdict,
    }
}

/// Says what has not come back as it was.
fn tell(sources: &Sources, loaded: &Loaded) {
    let Loaded {
        series: _,
        dormant: _,
        too_old,
        over_max_series,
        unwatched,
        read_otherwise,
        damaged,
        damage: _,
        begun_anew,
        open: _,
    } = loaded;
    if too_old + over_max_series + unwatched + read_otherwise + damaged > 0 {
        warn!(
            too_old,
            over_max_series, unwatched, read_otherwise, damaged, "series of the snapshot were left out"
        );
    }
    for (detector, &series) in sources.shard.detectors.iter().zip(begun_anew) {
        if series > 0 {
            warn!(
                detector = %detector.name,
                series,
                "this detector is not what it was: it has begun anew, from the windows"
            );
        }
    }
}

/// All of `record`.
fn whole<T: Save>(record: &[u8]) -> Result<T, Damaged> {
    let mut from = Saved::new(record);
    let value = T::load(&mut from)?;
    from.end()?;
    Ok(value)
}

/// Renames a file that is no good, so that it is there for whoever asks why, and not in the way. Those put aside before
/// get a number, and the oldest goes, so that a disk that damages all is not filled as well.
fn put_aside(file: &Path) -> io::Result<PathBuf> {
    let aside = |age| match age {
        0 => super::beside(file, "rejected"),
        age => super::beside(file, &format!("rejected.{age}")),
    };
    for age in (1..REJECTED_MAX).rev() {
        match fs::rename(aside(age - 1), aside(age)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(file, aside(0))?;
    Ok(aside(0))
}
