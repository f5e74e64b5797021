//! Lines that wait on disk for one upstream: segment files, read in the order in which they were written.
//!
//! ```text
//!   read() ◀── 4294967296.segment · 4294967297.segment · 4294967298.segment ◀── append()
//!   commit() goes behind: what is before `position` was delivered, and its segments are removed
//! ```
//!
//! Knows neither queues nor connections. One thread owns it, and blocks on the disk.
//!
//! * What was appended is there after a restart, however the process ended; after a power cut, what was synced is.
//! * Lines leave in the order in which they came. After a restart those come again that were read and not committed.
//! * A record that was torn by a crash is dropped alone. Of a segment that is damaged, what is in front of the damage is
//!   used; the file is then renamed to `*.damaged` instead of being removed.
//! * Files take `bytes_max` at most, and leave `keep_free_bytes` of the disk to others.

mod format;
mod place;
mod position;
mod segment;

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufReader, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::PathBuf,
};

use bytes::Bytes;
use tracing::{info, warn};

use crate::disk;

pub use self::place::SpoolError;
pub(super) use self::{
    format::Count,
    place::{Place, left_over},
    position::Mark,
};
use self::{
    format::{END_BYTES, Entry, Fault, HEAD_BYTES, Reader},
    position::Position,
    segment::Segment,
};

/// Number of the first segment; there is room before it for what has to go in front.
const FIRST: u64 = 1 << 32;
const EXTENSION: &str = "segment";
/// Segments are a part of the whole, as the oldest gives way as a whole: that of this many, within bounds (bytes).
const SEGMENTS: u64 = 32;
const SEGMENT_BYTES_MIN: u64 = 256 << 10;
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Bytes that are written between two looks at the free space of the disk.
const LOOK_BYTES: u64 = 1 << 20;
const READ_BYTES: usize = 1 << 20;

/// Bounds of a spool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Size of all files (bytes).
    pub(super) bytes_max: u64,
    /// Space of the disk that is left to others (bytes).
    pub(super) keep_free_bytes: u64,
    /// Are names of files to survive a power cut, as what is synced has to?
    pub(super) sync_names: bool,
}

/// The lines of one upstream on disk.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    bounds: Bounds,
    /// Of the next segment: above that of every segment there was, so that no position is taken for its.
    next_number: u64,
    /// By their numbers. The last one is written to while there is a writer.
    segments: VecDeque<Segment>,
    writer: Option<File>,
    /// Reads the segment with this number.
    reader: Option<(u64, Reader<BufReader<File>>)>,
    position: Position,
    /// What it says.
    committed: Option<Mark>,
    /// Of all files.
    bytes: u64,
    /// Not read.
    unread: Count,
    /// Written since the last look at the free space; `None`: there is to be one before the next write.
    bytes_since_look: Option<u64>,
    /// Bytes that fit on the disk, those of this spool included, when it was last looked at.
    room: u64,
    is_synced: bool,
    mishaps: Mishaps,
    buffer: Vec<u8>,
}

/// Lines that were read, and what is to be committed once they are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) lines: Bytes,
    pub(super) count: Count,
    pub(super) mark: Mark,
}

/// Why lines were not appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("the spool is full")]
    Full,
    #[error("the disk is full")]
    DiskFull,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What was found to be wrong with files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mishaps {
    /// Segments whose last record was cut off.
    pub(super) torn: u64,
    /// Segments that were set aside.
    pub(super) damaged: u64,
    /// Lines in them that are not used: those that were counted, and at the start, of a segment that was not finished, those
    /// that could be made out.
    pub(super) lines_lost: u64,
}

impl Spool {
    /// Takes what an earlier process left in `place`. Reads through segments that were not finished: the last one, after
    /// a crash.
    pub(super) fn open(place: &Place, bounds: Bounds) -> io::Result<Self> {
        let (position, committed) = Position::open(&place.directory().join("position"))?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(place.directory())? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            if let Some(number) = number.filter(|_| path.extension().is_some_and(|end| end == EXTENSION)) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        let used = numbers.last().copied().max(committed.map(|mark| mark.segment));
        let mut spool = Self {
            directory: place.directory().to_owned(),
            bounds,
            next_number: used.map_or(FIRST, |used| used + 1),
            segments: VecDeque::new(),
            writer: None,
            reader: None,
            position,
            committed,
            bytes: 0,
            unread: Count::default(),
            bytes_since_look: None,
            room: u64::MAX,
            is_synced: true,
            mishaps: Mishaps::default(),
            buffer: Vec::new(),
        };
        for number in numbers {
            let read = committed.filter(|mark| mark.segment == number);
            spool.recover(number, read)?;
        }
        // Those before the one that was read in part were put in front of it.
        if let Some(mark) = committed {
            let ahead = spool.segments.partition_point(|segment| segment.number < mark.segment);
            if spool
                .segments
                .get(ahead)
                .is_some_and(|segment| segment.number == mark.segment)
            {
                spool
                    .segments
                    .iter_mut()
                    .take(ahead)
                    .for_each(|segment| segment.is_prepended = true);
            }
        }
        Ok(spool)
    }

    /// Takes the segment `number`, of which what is before `read` has been delivered.
    fn recover(&mut self, number: u64, read: Option<Mark>) -> io::Result<()> {
        let mut segment = Segment::recover(&self.path(number), number, read, &mut self.mishaps)?;
        let lines = (segment.count.fresh + segment.count.again).saturating_sub(segment.lines_read);
        if segment.read_to >= segment.end || lines == 0 {
            return self.discard(&segment);
        }
        segment.unread.fresh = lines;
        self.unread.fresh += lines;
        self.bytes += segment.bytes;
        self.segments.push_back(segment);
        Ok(())
    }

    /// Lines that are still to be read.
    pub(super) fn unread(&self) -> Count {
        self.unread
    }

    /// Is there nothing to be read?
    pub(super) fn is_drained(&self) -> bool {
        // They are read one after the other.
        self.segments.back().is_none_or(|last| last.read_to >= last.end)
    }

    /// Is there no file?
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Size of all files (bytes).
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes lines behind all others.
    pub(super) fn append<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a [u8]>,
        count: Count,
    ) -> Result<(), AppendError> {
        let mut record = std::mem::take(&mut self.buffer);
        record.clear();
        format::put_record(lines, count, &mut record);
        let appended = self.append_record(&record, count);
        self.buffer = record;
        appended.map_err(|error| match error {
            AppendError::Io(error) if is_full(&error) => AppendError::DiskFull,
            other => other,
        })
    }

    fn append_record(&mut self, record: &[u8], count: Count) -> Result<(), AppendError> {
        let bytes = record.len() as u64;
        self.check_room(bytes + HEAD_BYTES + END_BYTES)?;
        let segment_bytes = self.segment_bytes();
        if self.writer.is_some()
            && let Some(last) = self.segments.back()
            && last.end + bytes + END_BYTES > segment_bytes
            && last.end > HEAD_BYTES
        {
            self.finish_segment()?;
        }
        if self.writer.is_none() {
            let number = self.next_number;
            self.writer = Some(self.create(number)?);
            self.next_number += 1;
            self.segments.push_back(Segment::new(number));
            self.bytes += HEAD_BYTES;
        }
        let (Some(file), Some(segment)) = (&self.writer, self.segments.back_mut()) else {
            unreachable!("a writer writes the last segment");
        };
        if let Err(error) = file.write_all_at(record, segment.end) {
            // What was written of it is overwritten by the next; if there is none, it is a torn end.
            let _ = file.set_len(segment.end);
            if segment.end == HEAD_BYTES {
                self.take_back();
            }
            return Err(error.into());
        }
        segment.add(bytes, count);
        self.bytes += bytes;
        self.unread.add(count);
        self.bytes_since_look = self.bytes_since_look.map(|written| written + bytes);
        self.is_synced = false;
        Ok(())
    }

    /// Removes the last segment, in which there is nothing: it would hide that there is something to be read before it.
    fn take_back(&mut self) {
        self.writer = None;
        if let Some(last) = self.segments.pop_back() {
            self.bytes -= last.bytes;
            let _ = fs::remove_file(self.path(last.number));
        }
    }

    /// Writes records in front of all that is to be read, and gives what is to be committed once each is delivered. For
    /// what had not been on disk and is older than what is. It may go beyond the bounds by a little.
    pub(super) fn prepend(&mut self, records: &[(Vec<Bytes>, Count)]) -> io::Result<Vec<Mark>> {
        let first = self.segments.front().map_or(self.next_number, |first| first.number);
        // Nor is a position taken for that of one in front.
        let number = self.committed.map_or(first, |mark| mark.segment.min(first)) - 1;
        let mut segment = Segment::new(number);
        segment.is_prepended = true;
        let mut bytes = format::head();
        let mut marks = Vec::new();
        for (lines, count) in records {
            let begins = bytes.len();
            format::put_record(lines.iter().map(|piece| &piece[..]), *count, &mut bytes);
            segment.add((bytes.len() - begins) as u64, *count);
            marks.push(segment.mark_at(segment.end, segment.count.sum()));
        }
        bytes.extend(format::end(segment.count));
        segment.bytes = bytes.len() as u64;
        let file = self.create(number)?;
        if let Err(error) = file.write_all_at(&bytes, 0) {
            let _ = fs::remove_file(self.path(number));
            return Err(error);
        }
        if self.bounds.sync_names {
            file.sync_data()?;
        }
        self.bytes += segment.bytes;
        self.unread.add(segment.count);
        self.segments.push_front(segment);
        Ok(marks)
    }

    /// Takes what was put in front, up to `mark`, for read: it is still in memory.
    pub(super) fn skip_to(&mut self, mark: Mark) {
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.number == mark.segment) else {
            return;
        };
        if segment.read_to < mark.offset && mark.offset == segment.end {
            self.unread.take(segment.unread);
            segment.read_to = segment.end;
            segment.lines_read = mark.lines;
            segment.unread = Count::default();
        }
    }

    /// The oldest lines that were not read, if there are any. What turns out to be damaged is left out.
    pub(super) fn read(&mut self) -> Option<Record> {
        loop {
            let index = self.segments.iter().position(|segment| segment.read_to < segment.end)?;
            match self.read_from(index) {
                Ok(record) => return Some(record),
                Err(fault) => {
                    let path = self.path(self.segments[index].number);
                    if index + 1 == self.segments.len() {
                        self.writer = None;
                    }
                    let segment = &mut self.segments[index];
                    warn!(file = %path.display(), %fault, lines_lost = segment.unread.fresh, "a segment is damaged: what is behind is not used");
                    self.mishaps.damaged += 1;
                    self.mishaps.lines_lost += segment.unread.fresh;
                    self.unread.take(segment.unread);
                    segment.is_damaged = true;
                    segment.end = segment.read_to;
                    segment.unread = Count::default();
                    self.reader = None;
                }
            }
        }
    }

    fn read_from(&mut self, index: usize) -> Result<Record, Fault> {
        let number = self.segments[index].number;
        let (read_to, end) = (self.segments[index].read_to, self.segments[index].end);
        let reader = match &mut self.reader {
            Some((open, reader)) if *open == number && reader.at() == read_to => reader,
            _ => {
                let mut file = File::open(self.path(number))?;
                // Another file under that name is found out before it is used.
                Reader::begin(&mut file, end)?;
                file.seek(SeekFrom::Start(read_to))?;
                let from = BufReader::with_capacity(READ_BYTES, file);
                &mut self.reader.insert((number, Reader::resume(from, read_to, end))).1
            }
        };
        reader.grow(end);
        let Entry::Record(lines, mut count) = reader.next()? else {
            return Err(Fault::Torn(read_to));
        };
        let at = reader.at();
        let segment = &mut self.segments[index];
        if segment.is_recovered {
            count = Count {
                fresh: count.sum(),
                again: 0,
            };
        }
        segment.read_to = at;
        segment.lines_read += count.sum();
        segment.unread.take(count);
        self.unread.take(count);
        let mark = segment.mark_at(segment.read_to, segment.lines_read);
        Ok(Record { lines, count, mark })
    }

    /// Forgets what was read up to `mark`.
    pub(super) fn commit(&mut self, mark: Mark) -> io::Result<()> {
        while let Some(first) = self.segments.front()
            && (first.number < mark.segment || (first.number == mark.segment && mark.offset >= first.end))
            && first.read_to >= first.end
        {
            self.remove_first()?;
        }
        // One in front would hide how far the next had been read, so it is read again from its beginning.
        let first = self.segments.front();
        if first.is_some_and(|first| first.number == mark.segment && !first.is_prepended) {
            self.position.write(mark)?;
            self.committed = Some(mark);
        }
        Ok(())
    }

    /// Gives up the oldest segment, and the lines of it that were not read; `None` when there is no segment.
    pub(super) fn drop_oldest(&mut self) -> io::Result<Option<Count>> {
        let Some(unread) = self.segments.front().map(|first| first.unread) else {
            return Ok(None);
        };
        self.remove_first()?;
        self.unread.take(unread);
        Ok(Some(unread))
    }

    fn remove_first(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.pop_front() else {
            return Ok(());
        };
        if self.segments.is_empty() {
            self.writer = None;
        }
        if self.reader.as_ref().is_some_and(|(number, _)| *number == first.number) {
            self.reader = None;
        }
        self.bytes -= first.bytes;
        self.bytes_since_look = None;
        self.discard(&first)
    }

    /// Removes the file of a segment that is of no more use, or sets it aside.
    fn discard(&self, segment: &Segment) -> io::Result<()> {
        let path = self.path(segment.number);
        if segment.is_damaged {
            let aside = path.with_extension(format!("{EXTENSION}.damaged"));
            info!(file = %aside.display(), "set aside");
            fs::rename(&path, aside)
        } else {
            fs::remove_file(&path)
        }
    }

    /// Has the disk take what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.writer.as_ref().filter(|_| !self.is_synced) {
            file.sync_data()?;
        }
        self.is_synced = true;
        Ok(())
    }

    /// Is there something that the disk may not have?
    pub(super) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Finishes the segment that is being written, so that the next start need not read through it.
    pub(super) fn finish_segment(&mut self) -> io::Result<()> {
        if let (Some(file), Some(segment)) = (&self.writer, self.segments.back_mut()) {
            file.write_all_at(&format::end(segment.count), segment.end)?;
            segment.bytes += END_BYTES;
            self.bytes += END_BYTES;
            if self.bounds.sync_names {
                file.sync_data()?;
            }
            self.is_synced = true;
            self.writer = None;
        }
        Ok(())
    }

    /// Lines that an earlier process has left, those that are lost to damage included.
    pub(super) fn recovered(&self) -> u64 {
        self.unread.fresh + self.mishaps.lines_lost
    }

    /// What was found to be wrong since the last time.
    pub(super) fn take_mishaps(&mut self) -> Mishaps {
        std::mem::take(&mut self.mishaps)
    }

    fn segment_bytes(&self) -> u64 {
        (self.bounds.bytes_max.min(self.room) / SEGMENTS).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    fn check_room(&mut self, bytes: u64) -> Result<(), AppendError> {
        if self.bytes + bytes > self.bounds.bytes_max {
            return Err(AppendError::Full);
        }
        if self.bytes_since_look.is_none_or(|written| written >= LOOK_BYTES) {
            let disk = rustix::fs::statvfs(&self.directory).map_err(io::Error::from)?;
            let free = disk.f_bavail * disk.f_frsize;
            self.room = self.bytes + free.saturating_sub(self.bounds.keep_free_bytes);
            if free < self.bounds.keep_free_bytes + LOOK_BYTES.min(self.bounds.keep_free_bytes) {
                self.bytes_since_look = None;
                return Err(AppendError::DiskFull);
            }
            self.bytes_since_look = Some(0);
        }
        Ok(())
    }

    fn create(&self, number: u64) -> io::Result<File> {
        let path = self.path(number);
        let file = disk::ours(File::options().write(true).create(true).truncate(true), &path)?;
        file.write_all_at(&format::head(), 0).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        if self.bounds.sync_names {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(file)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number}.{EXTENSION}"))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
    )
}

#[cfg(test)]
mod tests;
