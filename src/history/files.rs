//! The files: what they are called, what is whole in them, and what becomes of the rest.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    index::{Index, Noted},
    record::{LINE_BYTES_MAX, Line},
};
use crate::{clock, disk};

/// What a segment is called behind its number.
const EXTENSION: &str = "segment";

/// What is damaged is called behind that.
const ASIDE: &str = "damaged";

/// Size beyond which another segment is begun (bytes). A search reads a segment whole.
pub(super) const SEGMENT_BYTES_MAX: u64 = 4 << 20;

/// Bytes that are written at once, and so most that a segment may be larger; one line more or less.
pub(super) const WRITE_BYTES: usize = 64 << 10;

/// Bytes that are read of a file: no segment is larger.
const READ_BYTES_MAX: u64 = SEGMENT_BYTES_MAX + WRITE_BYTES as u64 + LINE_BYTES_MAX as u64;

/// What reading all of them has come across.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) records: u64,
    /// The highest number of an anomaly.
    pub(super) last_id: u64,
    /// Segments whose end a crash had cut off.
    pub(super) torn: u64,
    /// Lines that are no records any more.
    pub(super) damaged: u64,
    /// Files that cannot be read at all.
    pub(super) unreadable: u64,
    /// Is the file that was read last whole, as it is on disk?
    pub(super) ends_whole: bool,
}

/// May what is found be put right?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It is ours.
    Ours,
    /// Somebody else may be writing.
    ReadOnly,
}

/// What is whole in the bytes of a file.
struct Survey {
    /// Where the last line ends (bytes).
    lines_end: usize,
    damaged: u64,
}

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.{EXTENSION}"))
}

/// Begins a segment.
pub(super) fn create(directory: &Path, number: u64) -> io::Result<File> {
    let file = disk::ours(OpenOptions::new().append(true).create(true), &path(directory, number))?;
    // An attempt before this one may have failed half way.
    file.set_len(0)?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}

/// Removes a segment, and what of it was set aside.
pub(super) fn remove(directory: &Path, number: u64) -> io::Result<()> {
    let segment = path(directory, number);
    for file in [disk::beside(&segment, ASIDE), segment] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The numbers of the segments that are there, the lowest first. What is called otherwise is not ours.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| {
            let digits = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
            let is_number = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| is_number)
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The lines in `bytes` that are whole, and where each begins.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Line<'_>)> {
    let mut begins = 0;
    bytes.split_inclusive(|&byte| byte == b'\n').filter_map(move |line| {
        let at = begins;
        begins += line.len();
        let line = line.strip_suffix(b"\n").filter(|line| line.len() < LINE_BYTES_MAX)?;
        Some((at, Line::parse(line)?))
    })
}

/// The last line, without its end, where it begins, and what lies before it. What lies behind the last end is none.
pub(super) fn last_line(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = memchr::memrchr(b'\n', bytes)?;
    let begins = memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |place| place + 1);
    Some((begins, &bytes[begins..end]))
}

/// The first bytes of a segment, `max` of them; `None`: it has gone.
pub(super) fn read(directory: &Path, number: u64, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path(directory, number)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(max.min(READ_BYTES_MAX)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Puts the segment with this number behind those that `index` has, with what is whole in it.
pub(super) fn take_in(index: &mut Index, number: u64, access: Access, found: &mut Found) {
    let directory = index.directory.clone();
    let segment = path(&directory, number);
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    index.begin(number);
    let mut size_bytes = size(&segment);
    let changed_at = fs::metadata(&segment).and_then(|metadata| metadata.modified());
    index.date(changed_at.map_or(0, clock::seconds));
    found.ends_whole = false;
    let Ok(Some(mut bytes)) = read(&directory, number, u64::MAX) else {
        found.unreadable += 1;
        set_sizes(index, size_bytes, 0);
        return;
    };
    let Survey { lines_end, damaged } = survey(&bytes);
    // What no segment of ours could hold was never written by us.
    let oversize = u64::from(size_bytes > READ_BYTES_MAX);
    found.damaged += damaged + oversize;
    if lines_end < bytes.len() {
        found.torn += 1;
        bytes.truncate(lines_end);
    }
    if access == Access::Ours {
        let mended = if damaged + oversize > 0 {
            set_aside(&segment, &bytes).map(|whole| bytes = whole)
        } else if (bytes.len() as u64) < size_bytes {
            cut(&segment, bytes.len() as u64)
        } else {
            Ok(())
        };
        // Otherwise it is read as it is, and what is not whole is passed over again.
        if mended.is_ok() {
            found.ends_whole = true;
            size_bytes = bytes.len() as u64;
        }
    }
    for (offset, line) in lines(&bytes) {
        let Some((what, head)) = line.told() else { continue };
        found.records += 1;
        found.last_id = found.last_id.max(head.id);
        index.note(offset as u64, Noted::new(what, &head, line.at));
    }
    set_sizes(index, size_bytes, size(&disk::beside(&segment, ASIDE)));
}

fn set_sizes(index: &mut Index, bytes: u64, aside_bytes: u64) {
    let segment = index.segments.back_mut().expect("it was put there");
    segment.bytes = bytes;
    segment.aside_bytes = aside_bytes;
}

fn survey(bytes: &[u8]) -> Survey {
    let lines_end = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
    let all = memchr::memchr_iter(b'\n', &bytes[..lines_end]).count();
    let whole = lines(&bytes[..lines_end]).count();
    Survey {
        lines_end,
        damaged: (all - whole) as u64,
    }
}

/// Cuts a file off.
pub(super) fn cut(segment: &Path, bytes: u64) -> io::Result<()> {
    OpenOptions::new().write(true).open(segment)?.set_len(bytes)
}

/// Puts what is whole in place of a segment that is damaged, which is kept under another name. Gives what is whole.
fn set_aside(segment: &Path, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    for (begins, _) in lines(bytes) {
        let rest = &bytes[begins..];
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        whole.extend_from_slice(&rest[..end]);
    }
    let aside = disk::beside(segment, ASIDE);
    // Another name for the same file, so that at any time there is one with all that is whole.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::hard_link(segment, &aside)?,
    }
    disk::replace(segment, &whole)?;
    Ok(whole)
}
