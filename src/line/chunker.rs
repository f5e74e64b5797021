//! From bytes as they are read to chunks of whole lines.
//!
//! A sender's bytes are cut anywhere. The chunker keeps the beginning of a line that is not whole yet, so that a reader
//! can put it in front of what it reads next and hand on one buffer of whole lines without touching them.
//!
//! * It keeps at most one line's worth of bytes, and no buffer at all while its sender pauses between lines.
//! * A line that grows beyond the bound is given up at once: reported one time, and its bytes skipped up to its newline.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memrchr};

/// Cuts one sender's bytes into chunks.
#[derive(Debug)]
pub struct Chunker {
    /// The beginning of a line; its newline has not been read.
    begun: Vec<u8>,
    /// Are the bytes up to the next newline the rest of a line that was given up?
    skipping: bool,
    max_line_bytes: usize,
}

/// What became of the bytes that were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Whole lines, newlines included; absent when there are none.
    pub chunk: Option<Bytes>,
    /// The beginning of a line that has just been given up because it is too long.
    pub given_up: Option<Bytes>,
}

impl Chunker {
    /// A chunker that gives up lines of more than `max_line_bytes`.
    pub fn new(max_line_bytes: usize) -> Self {
        Self {
            begun: Vec::new(),
            skipping: false,
            max_line_bytes,
        }
    }

    /// Bytes that a reader has to have room for in front of what it reads.
    pub fn begun_bytes(&self) -> usize {
        self.begun.len()
    }

    /// Puts the begun line at the end of `buffer`. What is read behind it is to be given to [`Self::cut`] with it.
    pub fn put_begun(&self, buffer: &mut BytesMut) {
        buffer.extend_from_slice(&self.begun);
    }

    /// Takes what [`Self::put_begun`] wrote, and the bytes read behind it.
    pub fn cut(&mut self, mut filled: Bytes) -> Cut {
        let mut cut = Cut::default();
        if self.skipping {
            let Some(end) = memchr(b'\n', &filled) else {
                return cut;
            };
            self.skipping = false;
            filled = filled.slice(end + 1..);
        }
        let whole = memrchr(b'\n', &filled).map_or(0, |end| end + 1);
        let rest = &filled[whole..];
        if rest.len() > self.max_line_bytes {
            cut.given_up = Some(filled.slice(whole..));
            self.skipping = true;
            self.begun = Vec::new();
        } else if rest.is_empty() {
            // Given back: thousands of senders pause here, and most of them for long.
            self.begun = Vec::new();
        } else {
            self.begun.clear();
            // No more than it takes: thousands of senders may be in the middle of a line, for as long as they like.
            self.begun.reserve_exact(rest.len());
            self.begun.extend_from_slice(rest);
        }
        if whole > 0 {
            cut.chunk = Some(filled.slice(..whole));
        }
        cut
    }

    /// Bytes of a last line that never got its newline, now that its sender is gone.
    pub fn fragment(&self) -> &[u8] {
        &self.begun
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `pieces` and gives back all whole lines and the number of those given up.
    fn feed(chunker: &mut Chunker, pieces: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut lines = Vec::new();
        let mut given_up = 0;
        for piece in pieces {
            let mut buffer = BytesMut::new();
            chunker.put_begun(&mut buffer);
            buffer.extend_from_slice(piece);
            let cut = chunker.cut(buffer.freeze());
            lines.extend_from_slice(&cut.chunk.unwrap_or_default());
            given_up += usize::from(cut.given_up.is_some());
        }
        (lines, given_up)
    }

    #[test]
    fn a_line_cut_in_three_comes_out_whole() {
        let mut chunker = Chunker::new(20);
        assert_eq!(feed(&mut chunker, &[b"a 1", b" ", b"2\nb"]), (b"a 1 2\n".to_vec(), 0));
        assert_eq!(chunker.fragment(), b"b");
    }

    #[test]
    fn a_line_that_never_ends_is_given_up_once() {
        let mut chunker = Chunker::new(4);
        let pieces: [&[u8]; 5] = [b"a\nbbbb", b"b", b"bbbbbbbbbb", b"b\nc\nd", b"\n"];
        assert_eq!(feed(&mut chunker, &pieces), (b"a\nc\nd\n".to_vec(), 1));
        assert_eq!(chunker.fragment(), b"");
    }

    #[test]
    fn a_line_of_just_the_bound_is_kept() {
        let mut chunker = Chunker::new(4);
        assert_eq!(feed(&mut chunker, &[b"aaaa", b"\n"]), (b"aaaa\n".to_vec(), 0));
    }

    #[test]
    fn no_more_is_held_than_what_is_begun() {
        let mut chunker = Chunker::new(1000);
        feed(&mut chunker, &[&[b'a'; 400], &[b'a'; 401]]);
        assert!(chunker.begun.capacity() <= 801, "{}", chunker.begun.capacity());
    }

    #[test]
    fn nothing_is_held_between_lines() {
        let mut chunker = Chunker::new(100);
        feed(&mut chunker, &[b"half a li", b"ne\n"]);
        assert_eq!(chunker.begun.capacity(), 0);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(lines in proptest::collection::vec("[a-z ]{0,12}", 0..20), cuts in proptest::collection::vec(1_usize..9, 0..60)) {
            let whole = lines.iter().fold(String::new(), |all, line| all + line + "\n");
            let mut rest = whole.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            let mut chunker = Chunker::new(12);
            prop_assert_eq!(feed(&mut chunker, &pieces), (whole.clone().into_bytes(), 0));
        }

        #[test]
        fn long_lines_cost_their_neighbours_nothing(lines in proptest::collection::vec("[a-z]{0,9}", 0..20), size in 1_usize..9) {
            let whole = lines.iter().fold(String::new(), |all, line| all + line + "\n");
            let pieces: Vec<_> = whole.as_bytes().chunks(size).collect();
            let mut chunker = Chunker::new(4);
            let (out, given_up) = feed(&mut chunker, &pieces);
            let short: Vec<_> = out.split_inclusive(|&byte| byte == b'\n').filter(|line| line.len() <= 5).collect();
            let expected: Vec<_> = whole.as_bytes().split_inclusive(|&byte| byte == b'\n').filter(|line| line.len() <= 5).collect();
            prop_assert_eq!(short, expected);
            let long = lines.iter().filter(|line| line.len() > 4).count();
            let passed = out.split_inclusive(|&byte| byte == b'\n').filter(|line| line.len() > 5).count();
            prop_assert_eq!(passed + given_up, long);
        }
    }
}
