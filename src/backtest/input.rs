//! Inputs as they are read: packed or not, for the first time or again, and how far.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{
    Input,
    tape::{is_for_tape, size_of_files},
};

/// What is read, and how far it has been.
pub(super) trait Reel: Read {
    /// How much has been read, in bytes of what lies on the disk.
    fn done(&self) -> u64;
}

/// Counts what is read.
pub(super) struct Counted<R> {
    reader: R,
    bytes: u64,
}

/// A file with carbon lines.
pub(super) enum LineFile {
    Plain(Counted<File>),
    Packed(Box<MultiGzDecoder<Counted<File>>>),
}

/// Writes down what is read.
pub(super) struct Tee<R> {
    reader: R,
    copy: Option<BufWriter<File>>,
}

impl Input {
    /// Are these carbon lines, which are judged as they come?
    pub fn has_lines(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::File(path) => path.is_file() && !is_for_tape(path),
            Self::Graphite(_) => false,
        }
    }

    /// Bytes on the disk, as far as that can be known.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::File(path) if is_for_tape(path) => size_of_files(path).ok(),
            Self::File(path) => {
                let metadata = fs::metadata(path).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Self::Stdin | Self::Graphite(_) => None,
        }
    }
}

impl<R: Read> Counted<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, bytes: 0 }
    }
}

impl LineFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = Counted::new(File::open(path)?);
        let is_packed = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        Ok(if is_packed {
            Self::Packed(Box::new(MultiGzDecoder::new(file)))
        } else {
            Self::Plain(file)
        })
    }
}

impl<R: Read> Tee<R> {
    pub(super) fn new(reader: R, copy: Option<File>) -> Self {
        Self {
            reader,
            copy: copy.map(BufWriter::new),
        }
    }

    /// What was read.
    pub(super) fn end(self) -> io::Result<Option<File>> {
        self.copy.map(|copy| Ok(copy.into_inner()?)).transpose()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

impl Read for LineFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(decoder) => decoder.read(buffer),
        }
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..read])?;
        }
        Ok(read)
    }
}

impl<R: Read> Reel for Counted<R> {
    fn done(&self) -> u64 {
        self.bytes
    }
}

impl Reel for LineFile {
    fn done(&self) -> u64 {
        match self {
            Self::Plain(file) => file.bytes,
            Self::Packed(decoder) => decoder.get_ref().bytes,
        }
    }
}

impl<R: Reel + ?Sized> Reel for &mut R {
    fn done(&self) -> u64 {
        (**self).done()
    }
}

impl<R: Reel> Reel for Tee<R> {
    fn done(&self) -> u64 {
        self.reader.done()
    }
}
