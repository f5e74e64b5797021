//! The segment that is being written, and the bounds on all of them.
//!
//! What a call has written survives the end of the process, and a power cut after [`Store::sync`]. Room is made before it is
//! used, so that the files are never larger than the bound. When the disk takes a part of what it is given, that part is cut off again.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{
    Entry,
    files::{self, Access, Found, SEGMENT_BYTES_MAX, WRITE_BYTES},
    index::{Index, Noted},
    record,
};
use crate::line::Timestamp;

/// A segment is at most such a part of all there may be, in size and in age, so that what is too much goes bit by bit.
const PARTS: u64 = 16;

/// How much may be kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Size of all files (bytes).
    pub(super) bytes_max: u64,
    /// Time from when a record was written (seconds); `None`: as long as there is room.
    pub(super) age_max_s: Option<i64>,
}

/// What became of some records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Records that the disk has, from the first on.
    pub(super) records: usize,
    /// Those of them that it was not given, because they are too long.
    pub(super) too_long: usize,
    /// Segments that have gone to make room.
    pub(super) removed: u64,
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Store {
    directory: Arc<Path>,
    index: Arc<Mutex<Index>>,
    /// `None`: the last segment is full, or there is none.
    file: Option<File>,
    /// A write has failed, and what it has left could not be cut off.
    is_torn: bool,
    /// Something may not be on the disk yet.
    is_unsynced: bool,
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().expect("nobody panics with the lock held")
}

impl Bounds {
    /// When a record is too old that was written before.
    pub(super) fn since(&self, now: Timestamp) -> Timestamp {
        self.age_max_s.map_or(Timestamp::MIN, |age| now.saturating_sub(age))
    }

    fn segment_bytes(&self) -> u64 {
        (self.bytes_max / PARTS).clamp(WRITE_BYTES as u64, SEGMENT_BYTES_MAX)
    }

    fn segment_age_s(&self) -> i64 {
        self.age_max_s
            .map_or(i64::MAX, |age| (age / PARTS.cast_signed()).max(1))
    }
}

impl Store {
    /// Reads what is in the directory, and is ready for more.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Found)> {
        let directory: Arc<Path> = directory.into();
        let mut index = Index::new(Arc::clone(&directory));
        let mut found = Found::default();
        for number in files::numbers(&directory)? {
            files::take_in(&mut index, number, Access::Ours, &mut found);
        }
        // What is at the end of the last one is none of ours, or it cannot be read: the next one is begun.
        let file = index.segments.back().and_then(|last| {
            let path = files::path(&directory, last.number);
            let file = File::options().append(true).open(path).ok()?;
            let size = file.metadata().ok()?.len();
            (size == last.bytes && found.ends_whole).then_some(file)
        });
        let store = Self {
            directory,
            index: Arc::new(Mutex::new(index)),
            file,
            is_torn: false,
            is_unsynced: false,
        };
        Ok((store, found))
    }

    /// May something be lost when power fails?
    pub(super) fn is_unsynced(&self) -> bool {
        self.is_unsynced
    }

    pub(super) fn index(&self) -> &Arc<Mutex<Index>> {
        &self.index
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    /// Writes records, as far as the disk takes them: those before the first that it does not take.
    pub(super) fn append(&mut self, entries: &[Entry], now: Timestamp, bounds: Bounds) -> (Written, io::Result<()>) {
        let mut written = Written::default();
        while written.records < entries.len() {
            let mut out = Vec::new();
            let mut noted = Vec::new();
            let mut taken = 0;
            let mut too_long = 0;
            for entry in &entries[written.records..] {
                let begins = out.len() as u64;
                if record::put(entry, now, &mut out) {
                    noted.push((begins, entry.noted(now)));
                } else {
                    too_long += 1;
                }
                taken += 1;
                if out.len() >= WRITE_BYTES {
                    break;
                }
            }
            if let Err(error) = self.write(&out, &noted, now, bounds, &mut written.removed) {
                return (written, Err(error));
            }
            written.records += taken;
            written.too_long += too_long;
        }
        (written, Ok(()))
    }

    fn write(
        &mut self,
        out: &[u8],
        noted: &[(u64, Noted)],
        now: Timestamp,
        bounds: Bounds,
        removed: &mut u64,
    ) -> io::Result<()> {
        self.mend()?;
        *removed += self.make_room(out.len() as u64, now, bounds)?;
        let directory = Arc::clone(&self.directory);
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let number = lock(&self.index).next_number();
                let file = files::create(&directory, number)?;
                lock(&self.index).begin(number);
                none.insert(file)
            }
        };
        if let Err(error) = file.write_all(out) {
            self.is_torn = true;
            // If that fails as well, it is tried again before the next write.
            let _ = self.mend();
            return Err(error);
        }
        self.is_unsynced = true;
        let mut index = self.lock();
        let begins = index.segments.back().map_or(0, |last| last.bytes);
        for (offset, noted) in noted {
            index.note(begins + offset, *noted);
        }
        if let Some(last) = index.segments.back_mut() {
            last.bytes += out.len() as u64;
        }
        Ok(())
    }

    /// Cuts off what a write that has failed has left.
    fn mend(&mut self) -> io::Result<()> {
        if !self.is_torn {
            return Ok(());
        }
        let bytes = self.lock().segments.back().map_or(0, |last| last.bytes);
        if let Some(file) = &self.file {
            file.set_len(bytes)?;
        }
        self.is_torn = false;
        Ok(())
    }

    /// Ends the segment that is full or old, and removes what is too much once there are `more` bytes, or too old. Gives how
    /// many segments.
    ///
    /// # Errors
    /// When the disk does not do it.
    pub(super) fn make_room(&mut self, more: u64, now: Timestamp, bounds: Bounds) -> io::Result<u64> {
        let is_done = self.lock().segments.back().is_some_and(|last| {
            let is_full = last.bytes + more > bounds.segment_bytes();
            let is_old = last.first_at < now.saturating_sub(bounds.segment_age_s());
            last.records > 0 && (is_full && more > 0 || is_old)
        });
        if is_done && self.file.is_some() {
            self.sync()?;
            self.file = None;
        }
        let since = bounds.since(now);
        let mut removed = 0;
        loop {
            let mut index = self.lock();
            let is_too_much = index.bytes() + more > bounds.bytes_max;
            // The one that is being written stays.
            let may_go = index.segments.len() > usize::from(self.file.is_some());
            let goes = may_go
                && index
                    .segments
                    .front()
                    .is_some_and(|oldest| is_too_much || oldest.is_over(since));
            let Some(number) = goes.then(|| index.forget_oldest()).flatten() else {
                return Ok(removed);
            };
            drop(index);
            files::remove(&self.directory, number)?;
            removed += 1;
        }
    }

    /// Has the disk take what was written.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.is_unsynced) {
            file.sync_data()?;
        }
        self.is_unsynced = false;
        Ok(())
    }
}
