//! The file: a head that every version can read, and records with their checksums.
//!
//! Little-endian.
//!
//! ```text
//! head     "skyrelay" · format (4) · version of the program, with its length before it (4 + n) · CRC-32 of all this (4)
//! record   length of the content (4) · CRC-32 of kind and content (4) · kind (1) · content
//!          ┌ origin  under which settings the rest was saved     first
//!   kinds ─┼ series  one of them                                 any number
//!          ├ closed  an anomaly that is over                     any number, in the order in which they have closed
//!          ├ open    an anomaly that is open                     any number
//!          └ end     how many there were of each                 last, or the file is torn
//! ```
//!
//! A length is held against what is left of the file before anything is allocated for it.

use std::io::{self, Read, Write};

use crate::save::{Damaged, Save, Saved, put_bytes};

/// To be raised when what this version writes is something that the version before would misread: records, or what is in
/// them. States of detectors have a number of their own.
pub(super) const FORMAT: u32 = 8;

const MAGIC: [u8; 8] = *b"skyrelay";

/// Longest version of a program (bytes).
const VERSION_BYTES_MAX: u32 = 256;

/// Longest content of a record (bytes): a window of 50 million samples.
const RECORD_BYTES_MAX: u32 = 1 << 30;

/// Bytes of a record before its content.
const RECORD_HEAD_BYTES: usize = 9;

/// Content is read in pieces of this size, so that what is allocated is there (bytes).
const PIECE_BYTES: usize = 1 << 20;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Origin = 1,
    Series = 2,
    Open = 3,
    End = 4,
    Closed = 5,
    Pattern = 6,
}

/// How many records there were, and the number of the last anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) series: u64,
    pub(super) patterns: u64,
    pub(super) open: u64,
    pub(super) closed: u64,
    pub(super) last_id: u64,
}
crate::save::fields!(End {
    series,
    patterns,
    open,
    closed,
    last_id
});

/// Why a file is not a whole snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It begins like something else.
    #[error("it is no snapshot of skyrelay")]
    Stranger,
    /// This version does not know the format.
    #[error("it was written by skyrelay {version} in format {format}, and this version reads format {FORMAT}")]
    OtherFormat {
        /// Its format.
        format: u32,
        /// The version that wrote it.
        version: String,
    },
    /// It is too short.
    #[error("it is torn off at byte {0}")]
    Torn(u64),
    /// It was changed.
    #[error("it is damaged at byte {0}: the checksum is another")]
    Checksum(u64),
    /// What it says cannot be.
    #[error("it is damaged at byte {0}: {1}")]
    Damaged(u64, Damaged),
}

/// Writes a snapshot.
#[derive(Debug)]
pub(super) struct Writer<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the head.
    pub(super) fn begin(mut out: W) -> io::Result<Self> {
        let mut head = MAGIC.to_vec();
        FORMAT.save(&mut head);
        put_bytes(env!("CARGO_PKG_VERSION").as_bytes(), &mut head);
        crc32fast::hash(&head).save(&mut head);
        out.write_all(&head)?;
        Ok(Self {
            out,
            bytes: head.len() as u64,
        })
    }

    /// Writes a record.
    pub(super) fn record(&mut self, kind: Kind, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len())
            .ok()
            .filter(|&length| length <= RECORD_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other("a record is too long"))?;
        let mut head = Vec::with_capacity(RECORD_HEAD_BYTES);
        length.save(&mut head);
        checksum(kind as u8, content).save(&mut head);
        (kind as u8).save(&mut head);
        self.out.write_all(&head)?;
        self.out.write_all(content)?;
        self.bytes += (head.len() + content.len()) as u64;
        Ok(())
    }

    /// What is written to, and how much was (bytes).
    pub(super) fn written(&mut self) -> (&mut W, u64) {
        (&mut self.out, self.bytes)
    }
}

/// Reads a snapshot.
#[derive(Debug)]
pub(super) struct Reader<R> {
    from: R,
    /// Where it reads.
    at: u64,
    /// Bytes of the file.
    size: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file of `size` bytes.
    pub(super) fn begin(from: R, size: u64) -> Result<Self, ReadError> {
        let mut reader = Self { from, at: 0, size };
        let mut head = Vec::new();
        let is_short = |error| match error {
            ReadError::Torn(_) => ReadError::Stranger,
            other => other,
        };
        reader.read(MAGIC.len(), &mut head).map_err(is_short)?;
        if head != MAGIC {
            return Err(ReadError::Stranger);
        }
        reader.read(2 * size_of::<u32>(), &mut head)?;
        let mut numbers = Saved::new(&head[MAGIC.len()..]);
        let torn = |_| ReadError::Torn(size);
        let format = u32::load(&mut numbers).map_err(torn)?;
        let length = u32::load(&mut numbers).map_err(torn)?;
        if length > VERSION_BYTES_MAX {
            return Err(ReadError::Damaged(reader.at, Damaged("a version is too long")));
        }
        let begins = head.len();
        reader.read(length as usize, &mut head)?;
        let version = String::from_utf8_lossy(&head[begins..]).into_owned();
        let mut sum = Vec::new();
        reader.read(size_of::<u32>(), &mut sum)?;
        if sum != crc32fast::hash(&head).to_le_bytes() {
            return Err(ReadError::Checksum(0));
        }
        if format == FORMAT {
            Ok(reader)
        } else {
            Err(ReadError::OtherFormat { format, version })
        }
    }

    /// Reads the next record: its kind and, in place of what `content` held, its content.
    pub(super) fn record(&mut self, content: &mut Vec<u8>) -> Result<Kind, ReadError> {
        let begins = self.at;
        content.clear();
        self.read(RECORD_HEAD_BYTES, content)?;
        let mut head = Saved::new(content);
        let torn = |_| ReadError::Torn(begins);
        let length = u32::load(&mut head).map_err(torn)?;
        let sum = u32::load(&mut head).map_err(torn)?;
        let number = u8::load(&mut head).map_err(torn)?;
        content.clear();
        if length > RECORD_BYTES_MAX {
            return Err(ReadError::Damaged(begins, Damaged("a record is too long")));
        }
        self.read(length as usize, content)?;
        if sum != checksum(number, content) {
            return Err(ReadError::Checksum(begins));
        }
        let kinds = [
            Kind::Origin,
            Kind::Series,
            Kind::Open,
            Kind::End,
            Kind::Closed,
            Kind::Pattern,
        ];
        let kind = kinds.into_iter().find(|&kind| kind as u8 == number);
        kind.ok_or(ReadError::Damaged(begins, Damaged("a record is of an unknown kind")))
    }

    /// Where the next record begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Is all of the file read?
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.size
    }

    /// Appends the next `count` bytes.
    fn read(&mut self, count: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if count as u64 > self.size - self.at {
            return Err(ReadError::Torn(self.at));
        }
        let mut left = count;
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            let begins = out.len();
            out.resize(begins + piece, 0);
            match self.from.read_exact(&mut out[begins..]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ReadError::Torn(self.at)),
                Err(error) => return Err(error.into()),
            }
            left -= piece;
        }
        self.at += count as u64;
        Ok(())
    }
}

fn checksum(kind: u8, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(content);
    hasher.finalize()
}
