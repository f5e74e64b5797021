//! One file of a spool: what is known of it, and how that is found out again after a restart.

use std::{
    fs::File,
    io::{self, BufReader, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
};

use tracing::warn;

use super::{
    Mishaps, READ_BYTES,
    format::{Count, END_BYTES, END_SIZE, Entry, Fault, HEAD_BYTES, RECORD_HEAD_BYTES, Reader},
    position::Mark,
};

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Where reading goes on.
    pub(super) read_to: u64,
    /// Where records end.
    pub(super) end: u64,
    /// Lines before `read_to`, fresh ones and others.
    pub(super) lines_read: u64,
    /// All lines.
    pub(super) count: Count,
    pub(super) unread: Count,
    /// Was it there at the start? All its lines are fresh to this process then.
    pub(super) is_recovered: bool,
    /// Does it stand in front of one that had been read in part?
    pub(super) is_prepended: bool,
    pub(super) is_damaged: bool,
    /// Size of the file.
    pub(super) bytes: u64,
}

impl Segment {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            read_to: HEAD_BYTES,
            end: HEAD_BYTES,
            lines_read: 0,
            count: Count::default(),
            unread: Count::default(),
            is_recovered: false,
            is_prepended: false,
            is_damaged: false,
            bytes: HEAD_BYTES,
        }
    }

    pub(super) fn add(&mut self, bytes: u64, count: Count) {
        self.end += bytes;
        self.bytes += bytes;
        self.count.add(count);
        self.unread.add(count);
    }

    pub(super) fn mark_at(&self, offset: u64, lines: u64) -> Mark {
        Mark {
            segment: self.number,
            offset,
            lines,
        }
    }

    /// What an earlier process left at `path`, of which what is before `read` has been delivered. Reads through a segment
    /// that was not finished: the last one, after a crash.
    pub(super) fn recover(path: &Path, number: u64, read: Option<Mark>, mishaps: &mut Mishaps) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let read_to = read.map_or(HEAD_BYTES, |mark| mark.offset.max(HEAD_BYTES));
        let mut segment = Self {
            number,
            read_to,
            end: bytes.saturating_sub(END_BYTES).max(HEAD_BYTES),
            lines_read: read.map_or(0, |mark| mark.lines),
            count: Count::default(),
            unread: Count::default(),
            is_recovered: true,
            is_prepended: false,
            is_damaged: false,
            bytes,
        };
        if let Some(count) = finished(&file, bytes) {
            segment.count = count;
        } else {
            match scan(file, bytes) {
                Ok((end, count)) => (segment.end, segment.count) = (end, count),
                Err((end, count, fault)) => {
                    (segment.end, segment.count) = (end, count);
                    let is_torn = match &fault {
                        Fault::Torn(_) => true,
                        Fault::Damaged(_, behind) => !behind.is_some_and(|behind| holds_record(path, behind, bytes)),
                        Fault::Stranger | Fault::Io(_) => false,
                    };
                    if is_torn {
                        mishaps.torn += 1;
                        let file = File::open(path)?;
                        let lines = newlines(&file, end, bytes)?;
                        warn!(file = %path.display(), bytes = bytes - end, lines, "dropped what a crash had left of the last record");
                        if end > HEAD_BYTES {
                            File::options().write(true).open(path)?.set_len(end)?;
                            segment.bytes = end;
                        }
                    } else {
                        // What is in front of `read_to` was delivered.
                        let from = end.max(read_to);
                        let lines_lost = match fault {
                            Fault::Stranger | Fault::Io(_) => 0,
                            Fault::Torn(_) | Fault::Damaged(..) => lines_behind(path, from, bytes).unwrap_or(0),
                        };
                        mishaps.damaged += 1;
                        mishaps.lines_lost += lines_lost;
                        segment.is_damaged = true;
                        let bytes = bytes.saturating_sub(from);
                        warn!(file = %path.display(), %fault, bytes, lines_lost, "a segment is damaged: what is behind is not used");
                    }
                }
            }
        }
        Ok(segment)
    }
}

/// The end of a segment of `bytes` bytes that was finished.
fn finished(file: &File, bytes: u64) -> Option<Count> {
    let at = bytes.checked_sub(END_BYTES).filter(|&at| at >= HEAD_BYTES)?;
    let mut end = [0; END_SIZE];
    file.read_exact_at(&mut end, at).ok()?;
    match Reader::resume(&end[..], 0, END_BYTES).next() {
        Ok(Entry::End(count)) => Some(count),
        _ => None,
    }
}

/// Reads through a segment: where its records end, and what is in them; on a fault, where and what is before it.
fn scan(file: File, bytes: u64) -> Result<(u64, Count), (u64, Count, Fault)> {
    let mut sums = Count::default();
    let mut reader = Reader::begin(BufReader::with_capacity(READ_BYTES, file), bytes)
        .map_err(|fault| (HEAD_BYTES.min(bytes), sums, fault))?;
    loop {
        let at = reader.at();
        match reader.next() {
            Ok(Entry::Record(_, count)) => sums.add(count),
            Ok(Entry::End(_) | Entry::Nothing) => return Ok((at, sums)),
            Err(fault) => return Err((at, sums, fault)),
        }
    }
}

/// Lines behind byte `at`, where an entry begins, of a segment of `bytes` bytes that is damaged: those that its records say
/// they have, and what ends like a line in those that cannot be read.
fn lines_behind(path: &Path, mut at: u64, bytes: u64) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut lines = 0;
    loop {
        let mut from = &file;
        from.seek(SeekFrom::Start(at))?;
        let mut reader = Reader::resume(BufReader::with_capacity(READ_BYTES, from), at, bytes);
        let fault = loop {
            match reader.next() {
                Ok(Entry::Record(_, count)) => lines += count.sum(),
                Ok(Entry::End(_) | Entry::Nothing) => return Ok(lines),
                Err(fault) => break fault,
            }
        };
        let damaged_at = reader.at();
        match fault {
            Fault::Damaged(_, Some(behind)) if behind == bytes || holds_record(path, behind, bytes) => {
                lines += newlines(&file, damaged_at + RECORD_HEAD_BYTES as u64, behind)?;
                at = behind;
            }
            // Where the next record begins is not known.
            _ => return Ok(lines + newlines(&file, damaged_at, bytes)?),
        }
    }
}

fn newlines(file: &File, mut from: u64, to: u64) -> io::Result<u64> {
    let mut buffer = vec![0; READ_BYTES];
    let mut count = 0;
    while from < to {
        let left = usize::try_from(to - from).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let read = file.read_at(&mut buffer[..room], from)?;
        if read == 0 {
            break;
        }
        count += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
        from += read as u64;
    }
    Ok(count)
}

/// Does an entry begin at byte `at` of a segment of `bytes` bytes?
fn holds_record(path: &Path, at: u64, bytes: u64) -> bool {
    let look = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Reader::resume(BufReader::new(file), at, bytes).next()
    };
    at + RECORD_HEAD_BYTES as u64 <= bytes && matches!(look(), Ok(Entry::Record(..) | Entry::End(_)))
}
