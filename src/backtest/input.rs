//! Inputs as they are read: packed or not, for the first time or again, and how far.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Chain, Cursor, Read, Write},
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

/// Carbon lines, packed or not.
pub(super) enum Lines<R> {
    Plain(Begun<R>),
    Packed(Box<MultiGzDecoder<Begun<R>>>),
}

/// Its first bytes have been looked at.
type Begun<R> = Chain<Cursor<Vec<u8>>, Counted<R>>;

/// How gzip begins; no line does, as this is not UTF-8.
const PACKED: [u8; 2] = [0x1f, 0x8b];

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

impl<R: Read> Lines<R> {
    /// Looks whether what `reader` gives is packed.
    pub(super) fn new(reader: R) -> io::Result<Self> {
        let (mut reader, mut first) = (Counted::new(reader), Vec::new());
        reader.by_ref().take(PACKED.len() as u64).read_to_end(&mut first)?;
        let is_packed = first == PACKED;
        let begun = Cursor::new(first).chain(reader);
        Ok(if is_packed {
            Self::Packed(Box::new(MultiGzDecoder::new(begun)))
        } else {
            Self::Plain(begun)
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

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(begun) => begun.read(buffer),
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

impl<R: Read> Reel for Lines<R> {
    fn done(&self) -> u64 {
        let begun = match self {
            Self::Plain(begun) => begun,
            Self::Packed(decoder) => decoder.get_ref(),
        };
        begun.get_ref().1.bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `bytes`, and how much of them counts as read then.
    fn read(bytes: &[u8]) -> (io::Result<String>, u64) {
        let mut lines = Lines::new(bytes).unwrap();
        let mut text = String::new();
        let outcome = lines.read_to_string(&mut text);
        (outcome.map(|_| text), lines.done())
    }

    #[test]
    fn packed_lines_are_known_by_how_they_begin() {
        let pack = |text: &str| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(text.as_bytes()).unwrap();
            packer.finish().unwrap()
        };
        for text in ["", "a", "ab", "a 1 2\nb 3 4\n", "a 1 2"] {
            assert_eq!(read(text.as_bytes()).0.unwrap(), text);
            assert_eq!(read(text.as_bytes()).1, text.len() as u64);
        }
        let packed = pack("a 1 2\n");
        let (text, done) = read(&packed);
        assert_eq!((text.unwrap().as_str(), done), ("a 1 2\n", packed.len() as u64));
        let twice = [packed.clone(), pack("b 3 4\n")].concat();
        assert_eq!(read(&twice).0.unwrap(), "a 1 2\nb 3 4\n");
        assert!(read(&packed[..packed.len() - 9]).0.is_err(), "it is torn");
    }
}
