//! One pass over a chunk: where its lines and their names are, and which lines are poison.
//!
//! This is what every byte costs before it is forwarded, so the usual line (ASCII, single blanks, a timestamp of digits)
//! costs two searches and a look at its last bytes; all others take the careful way, which the tests hold against the
//! usual one.

use std::ops::Range;

use memchr::{memchr_iter, memchr2};

use super::{is_blank, parse::has_unbounded_timestamp};

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

/// Calls `each` for every line of `chunk`, in order. The chunk ends with a newline; what stands behind its last one is
/// not looked at.
pub fn scan(chunk: &[u8], max_line_bytes: usize, mut each: impl FnMut(Scanned)) {
    let plain = is_plain(chunk);
    let mut start = 0;
    for end in memchr_iter(b'\n', chunk) {
        let line = &chunk[start..end];
        each(if line.len() > max_line_bytes {
            Scanned::Poison(start..end, Poison::TooLong)
        } else {
            let usual = if plain { usual_name(line) } else { None };
            match usual.map_or_else(|| careful_name(line), Ok) {
                Ok(name) => Scanned::Line(Line {
                    span: start..end,
                    name: start + name.start..start + name.end,
                }),
                Err(poison) => Scanned::Poison(start..end, poison),
            }
        });
        start = end + 1;
    }
}

/// Is the chunk made of printable ASCII, blanks, carriage returns and newlines only?
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch, so that it is done many bytes at a time"
)]
fn is_plain(chunk: &[u8]) -> bool {
    let odd = |byte: u8| (byte >= 0x7f) | ((byte < 0x20) & (byte != b'\n') & (byte != b'\r'));
    !chunk.iter().fold(false, |found, &byte| found | odd(byte))
}

/// The name of a plain line that begins with it and ends in a blank and digits: its timestamp is finite, or it does not
/// have three fields.
fn usual_name(line: &[u8]) -> Option<Range<usize>> {
    let name_end = memchr2(b' ', b'\r', line).filter(|&end| end > 0)?;
    let body = line.strip_suffix(b"\r").unwrap_or(line);
    let digits = body.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    // 300 digits and more make an infinity.
    let finite = (1..=18).contains(&digits) && body.len() > digits && body[body.len() - digits - 1] == b' ';
    finite.then_some(0..name_end)
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
        fn the_usual_way_agrees_with_the_careful_one(line in r"[ab. \r0-9nif-]{0,30}") {
            if let Some(name) = usual_name(line.as_bytes()) {
                prop_assert_eq!(careful_name(line.as_bytes()), Ok(name));
            }
        }

        #[test]
        fn any_bytes_are_cut_at_their_newlines(chunk in proptest::collection::vec(any::<u8>(), 0..300)) {
            let count = scanned(&chunk).len();
            prop_assert_eq!(count, memchr_iter(b'\n', &chunk).count());
        }
    }
}
