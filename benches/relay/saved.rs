//! A snapshot's file, as its format is described: a head, and records with their checksums.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::Path,
};

/// Bytes in front of a record's content: its length, a checksum, its kind.
const RECORD_HEAD_BYTES: usize = 9;
/// Bytes read and written at a time.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;

/// The kind of the record that says under which settings the rest was saved.
pub(crate) const ORIGIN: u8 = 1;
/// That of a series.
pub(crate) const SERIES: u8 = 2;
/// That of the end, with the number of series first, and of four other things.
pub(crate) const END: u8 = 4;

/// The records of a file that a relay has written, one after the other.
pub(crate) struct Records {
    file: BufReader<File>,
    left: u64,
    /// What stands before them.
    pub(crate) head: Vec<u8>,
}

impl Records {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        // A name, the format, the version with its length before it, a checksum.
        let mut head = vec![0; 16];
        file.read_exact(&mut head)?;
        let version_bytes = number(&head[12..]);
        head.resize(head.len() + version_bytes + 4, 0);
        file.read_exact(&mut head[16..])?;
        Ok(Self {
            file,
            left: size - head.len() as u64,
            head,
        })
    }

    /// Reads the next one into `content`. Gives its kind; `None`: there are no more.
    pub(crate) fn next(&mut self, content: &mut Vec<u8>) -> io::Result<Option<u8>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut head = [0; RECORD_HEAD_BYTES];
        self.file.read_exact(&mut head)?;
        content.resize(number(&head), 0);
        self.file.read_exact(content)?;
        self.left -= (head.len() + content.len()) as u64;
        Ok(Some(head[RECORD_HEAD_BYTES - 1]))
    }
}

/// Writes a record.
pub(crate) fn write(out: &mut impl Write, kind: u8, content: &[u8]) -> io::Result<()> {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&[kind]);
    checksum.update(content);
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&checksum.finalize().to_le_bytes())?;
    out.write_all(&[kind])?;
    out.write_all(content)
}

/// The name of a series, and what is behind it.
pub(crate) fn split_name(content: &[u8]) -> (&[u8], &[u8]) {
    content[4..].split_at(number(content))
}

/// Of four bytes.
fn number(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[..4].try_into().expect("four")) as usize
}
