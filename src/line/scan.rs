//! One pass over a chunk: where its lines and their names are, and which lines are poison.
//!
//! This is what every byte costs before it is forwarded, so the usual line (ASCII, single blanks, a timestamp of digits)
//! is told by a few bits of its [`Block`]s; all others take the careful way, which the tests hold against the usual one.

use std::ops::Range;

use super::{
    blocks::{self, Block},
    is_blank,
    parse::has_unbounded_timestamp,
};

/// What a line of a chunk turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// To be forwarded, and looked at.
    Line(Line),
    /// To be held back: carbon would hang up on it.
    Poison(Range<usize>, Poison),
}

/// Places of one line in its chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From its first byte to its newline, which is not part of it.
    pub span: Range<usize>,
    /// Its first field; empty when the line is.
    pub name: Range<usize>,
}

/// Why carbon would hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// A byte that is not UTF-8.
    NotUtf8,
    /// More bytes than a line may have.
    TooLong,
    /// A timestamp of `nan` or `inf`.
    TimestampNotFinite,
}

impl Poison {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NotUtf8, Self::TooLong, Self::TimestampNotFinite];

    /// What metrics and the log call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::TooLong => "too_long",
            Self::TimestampNotFinite => "timestamp_not_finite",
        }
    }
}

/// Calls `each` for every line of `chunk`, in order. The chunk ends with a newline; what stands behind its last one is
/// not looked at.
pub fn scan(chunk: &[u8], max_line_bytes: usize, mut each: impl FnMut(Scanned)) {
    let mut begun = Begun::default();
    blocks::for_each(chunk, |block| {
        let mut blanks = block.blanks;
        begun.is_odd |= block.is_odd;
        for (place, end) in newlines(&block) {
            begun.find_name(&block, blanks, end);
            let usual = begun.usual_name(&block, place);
            let span = begun.start..end;
            each(if span.len() > max_line_bytes {
                Scanned::Poison(span, Poison::TooLong)
            } else if let Some(name) = usual {
                Scanned::Line(Line { span, name })
            } else {
                match careful_name(&chunk[span.clone()]) {
                    Ok(name) => Scanned::Line(Line {
                        name: span.start + name.start..span.start + name.end,
                        span,
                    }),
                    Err(poison) => Scanned::Poison(span, poison),
                }
            });
            begun = Begun::at(end + 1, &block);
            blanks &= (u64::MAX << place) << 1;
        }
        begun.find_name(&block, blanks, usize::MAX);
    });
}

/// Gives the number of lines in `chunk`, as [`scan`] does, and calls `each` for those only that are poison, with the number
/// of lines before them. `max_line_bytes` is 64 or more: no line that begins and ends in one block is too long.
pub fn sift(chunk: &[u8], max_line_bytes: usize, mut each: impl FnMut(u64, Range<usize>, Poison)) -> u64 {
    let mut lines = 0;
    let mut begun = Begun::default();
    blocks::for_each(chunk, |block| {
        begun.is_odd |= block.is_odd;
        if block.newlines == 0 {
            return;
        }
        // Lines are longer than a block only when they begin before it.
        let first_bytes = block.begin + block.newlines.trailing_zeros() as usize - begun.start;
        if !begun.is_odd && block.newlines == block.behind_number && first_bytes <= max_line_bytes {
            lines += u64::from(block.newlines.count_ones());
            let last = block.begin + block.newlines.ilog2() as usize;
            begun = Begun::at(last + 1, &block);
            return;
        }
        for (_, end) in newlines(&block) {
            let span = begun.start..end;
            let poison = if span.len() > max_line_bytes {
                Some(Poison::TooLong)
            } else {
                careful_name(&chunk[span.clone()]).err()
            };
            if let Some(poison) = poison {
                each(lines, span, poison);
            }
            lines += 1;
            begun = Begun::at(end + 1, &block);
        }
    });
    lines
}

/// A line whose newline has not been reached.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    start: usize,
    /// Its first blank.
    name_end: Option<usize>,
    /// May it hold anything but plain ASCII?
    is_odd: bool,
}

impl Begun {
    /// The line that begins at `start`, in or right behind `block`.
    fn at(start: usize, block: &Block) -> Self {
        Self {
            start,
            name_end: None,
            is_odd: block.is_odd,
        }
    }

    /// Looks for the first blank, if it has not been found before, among `blanks` up to `end`.
    fn find_name(&mut self, block: &Block, blanks: u64, end: usize) {
        if self.name_end.is_none() && blanks != 0 {
            let blank = block.begin + blanks.trailing_zeros() as usize;
            self.name_end = (blank < end).then_some(blank);
        }
    }

    /// The name, if the line is plain, begins with it, and ends with the newline at `place` behind a number: its timestamp
    /// is finite, or it does not have three fields.
    fn usual_name(&self, block: &Block, place: u32) -> Option<Range<usize>> {
        let name_end = self.name_end.filter(|&end| end > self.start)?;
        (!self.is_odd && block.behind_number >> place & 1 == 1).then_some(self.start..name_end)
    }
}

/// The newlines of a block: their places in it, and in the chunk.
fn newlines(block: &Block) -> impl Iterator<Item = (u32, usize)> + use<> {
    let (begin, mut rest) = (block.begin, block.newlines);
    std::iter::from_fn(move || {
        let place = (rest != 0).then(|| rest.trailing_zeros())?;
        rest &= rest - 1;
        Some((place, begin + place as usize))
    })
}

/// The name of any line.
fn careful_name(line: &[u8]) -> Result<Range<usize>, Poison> {
    let text = std::str::from_utf8(line).map_err(|_| Poison::NotUtf8)?;
    if has_unbounded_timestamp(text) {
        return Err(Poison::TimestampNotFinite);
    }
    let named = text.trim_start_matches(is_blank);
    let start = text.len() - named.len();
    let length = named.find(is_blank).unwrap_or(named.len());
    Ok(start..start + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(chunk: &[u8]) -> Vec<Scanned> {
        let mut lines = Vec::new();
        scan(chunk, 100, |line| lines.push(line));
        lines
    }

    #[track_caller]
    fn names(chunk: &[u8], expected: &[&str]) {
        let names: Vec<_> = scanned(chunk)
            .into_iter()
            .map(|scanned| match scanned {
                Scanned::Line(line) => String::from_utf8(chunk[line.name].to_vec()).unwrap(),
                Scanned::Poison(_, poison) => format!("{poison:?}"),
            })
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn names_are_found_whatever_parts_the_fields() {
        names(b"a.b 1 2\nc 1 2\r\n", &["a.b", "c"]);
        names(b"  a\t1 2\n\nb\x0b1 2\n \r\n", &["a", "", "b", ""]);
        names("h\u{e9}\u{a0}1 2\n".as_bytes(), &["h\u{e9}"]);
        names(b"a\rb 1 2\n", &["a"]);
        names(b"alone\n", &["alone"]);
    }

    #[test]
    fn poison_is_told_from_its_neighbours() {
        names(b"a 1 2\n\xff 1 2\nb 1 2\n", &["a", "NotUtf8", "b"]);
        names(
            b"a 1 nan\nb 1 2\nc 1 -Inf\r\n",
            &["TimestampNotFinite", "b", "TimestampNotFinite"],
        );
        let mut long = vec![b'x'; 101];
        long.extend(b"\nb 1 2\n");
        names(&long, &["TooLong", "b"]);
        names(&[vec![b'x'; 100], b"\n".to_vec()].concat(), &["x".repeat(100).as_str()]);
    }

    #[test]
    fn spans_leave_the_newline_out() {
        let lines = scanned(b"a 1 2\nbc 3 4\nrest");
        let spans: Vec<_> = lines
            .iter()
            .map(|line| match line {
                Scanned::Line(line) => line.span.clone(),
                Scanned::Poison(span, _) => span.clone(),
            })
            .collect();
        assert_eq!(spans, [0..5, 6..12]);
    }

    proptest! {
        #[test]
        fn the_usual_way_agrees_with_the_careful_one(lines in proptest::collection::vec(r"[ab. \r0-9nifé-]{0,30}|[a-z.]{1,120} 1 [0-9]{10}\r?", 0..12)) {
            let chunk = lines.iter().fold(String::new(), |chunk, line| chunk + line + "\n");
            let mut start = 0;
            let expected: Vec<_> = lines.iter().map(|line| {
                let span = start..start + line.len();
                start = span.end + 1;
                if line.len() > 100 {
                    return Scanned::Poison(span, Poison::TooLong);
                }
                match careful_name(line.as_bytes()) {
                    Ok(name) => Scanned::Line(Line { name: span.start + name.start..span.start + name.end, span }),
                    Err(poison) => Scanned::Poison(span, poison),
                }
            }).collect();
            prop_assert_eq!(scanned(chunk.as_bytes()), expected);
        }

        #[test]
        fn sifting_finds_what_scanning_finds(chunk in proptest::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            Just(b"a.b 1 1700000000\n".to_vec()),
            Just(b"a 1 nan\r\n".to_vec()),
            Just(vec![b'a'; 90]),
        ], 0..60)) {
            let chunk = chunk.concat();
            let mut poison = Vec::new();
            let lines = sift(&chunk, 100, |before, span, kind| poison.push((before, Scanned::Poison(span, kind))));
            let scanned = scanned(&chunk);
            prop_assert_eq!(lines, scanned.len() as u64);
            let expected = (0..).zip(scanned).filter(|(_, scanned)| matches!(scanned, Scanned::Poison(..)));
            prop_assert_eq!(poison, expected.collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_cut_at_their_newlines(chunk in proptest::collection::vec(any::<u8>(), 0..300)) {
            let count = scanned(&chunk).len();
            prop_assert_eq!(count, memchr::memchr_iter(b'\n', &chunk).count());
        }
    }
}
