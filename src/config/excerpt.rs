//! Shows the line of a file that a mistake within a text is about.
//!
//! What a text says and how TOML writes it differ by quotes and escapes; places are turned from one to the other here.

use std::ops::Range;

use super::{error::Excerpt, report::position};

/// Longest piece of a line that is shown (characters).
const CHARS_MAX: usize = 120;

/// The line around the bytes `at` of `text`.
pub(super) fn of(text: &str, at: Range<usize>) -> Excerpt {
    let begin = floor(text, at.start);
    let end = floor(text, at.end.max(begin));
    let place = position(text, begin);
    let line_begins = text[..begin].rfind('\n').map_or(0, |newline| newline + 1);
    let line_ends = text[begin..].find('\n').map_or(text.len(), |newline| begin + newline);
    let before = place.column - 1;
    let width = text[begin..end.min(line_ends)].chars().count().max(1);
    // Of a long line, what is around the mistake.
    let cut = if before + width > CHARS_MAX {
        before.saturating_sub(CHARS_MAX / 2)
    } else {
        0
    };
    let shown = text[line_begins..line_ends]
        .trim_end()
        .chars()
        .skip(cut)
        .take(CHARS_MAX);
    Excerpt {
        line: place.line,
        text: shown
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect(),
        before: before - cut,
        width: width.min(CHARS_MAX),
    }
}

/// Where the bytes `at` of what a string says are written in `text`, in which the string begins at `begins`.
pub(super) fn bytes_of(text: &str, begins: usize, at: &Range<usize>) -> Range<usize> {
    let begin = written_at(text, begins, at.start);
    // The end is behind the last byte that is meant, not before the next one, which may be far.
    let end = match at.end.checked_sub(1) {
        Some(last) if at.end > at.start => written_at(text, begins, last) + 1,
        _ => begin,
    };
    begin..end.max(begin)
}

fn written_at(text: &str, begins: usize, at: usize) -> usize {
    let rest = &text[floor(text, begins)..];
    let (quotes, is_literal) = match rest.as_bytes() {
        [b'"', b'"', b'"', ..] => (3, false),
        [b'\'', b'\'', b'\'', ..] => (3, true),
        [b'"', ..] => (1, false),
        [b'\'', ..] => (1, true),
        _ => return begins,
    };
    let mut place = quotes;
    if quotes == 3 {
        let after = &rest[place..];
        // A newline right behind the quotes is not part of the string.
        place += ["\r\n", "\n"]
            .into_iter()
            .find(|newline| after.starts_with(newline))
            .map_or(0, str::len);
    }
    let mut said = 0;
    while said < at && place < rest.len() {
        let (bytes, says) = if is_literal {
            character(&rest[place..])
        } else {
            unescaped(&rest[place..])
        };
        place += bytes;
        said += says;
    }
    while !is_literal && is_continued(&rest[place..]) {
        place += unescaped(&rest[place..]).0;
    }
    begins + place
}

/// The bytes of the first character, twice.
fn character(rest: &str) -> (usize, usize) {
    let bytes = rest.chars().next().map_or(1, char::len_utf8);
    (bytes, bytes)
}

/// Does a backslash at the end of the line join the next one?
fn is_continued(rest: &str) -> bool {
    rest.strip_prefix('\\')
        .is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r']))
}

/// The bytes of the first character as it is written, and of what it says.
fn unescaped(rest: &str) -> (usize, usize) {
    let Some(escape) = rest.strip_prefix('\\') else {
        return character(rest);
    };
    if is_continued(rest) {
        return (1 + escape.len() - escape.trim_start().len(), 0);
    }
    let digits = match escape.as_bytes().first() {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => return (2, 1),
    };
    let code = escape
        .get(1..=digits)
        .and_then(|code| u32::from_str_radix(code, 16).ok());
    let says = code.and_then(char::from_u32).map_or(1, char::len_utf8);
    (2 + digits, says)
}

/// The beginning of the character that the byte is in.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset)
        .rev()
        .find(|&place| text.is_char_boundary(place))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `marked` is written in a file; «» are around what the string says between `from` and `to`.
    #[track_caller]
    fn is_written(marked: &str, says: &str, meant: &str) {
        let begin = marked.find('«').unwrap();
        let end = marked.find('»').unwrap() - '«'.len_utf8();
        let text = marked.replace(['«', '»'], "");
        let at = says.find(meant).unwrap();
        let begins = text.find(['"', '\'']).unwrap();
        assert_eq!(bytes_of(&text, begins, &(at..at + meant.len())), begin..end, "{text}");
    }

    #[test]
    fn places_are_found_behind_quotes_and_escapes() {
        is_written("a = \"x > «y»\"", "x > y", "y");
        is_written("a = 'x > «yy»'", "x > yy", "yy");
        is_written("a = \"\\\"é\\u00e9 \\\\ «y»\"", "\"éé \\ y", "y");
        is_written("a = \"\"\"\nx\n  > «y» and z\"\"\"", "x\n  > y and z", "y");
        is_written("a = '''\r\nx > «y»'''", "x > y", "y");
        is_written("a = \"\"\"x > \\\n    «y» z\"\"\"", "x > y z", "y");
    }

    #[test]
    fn the_line_is_shown_with_carets_below() {
        let text = "one\n\twhen = \"valu > 3\" # größer\nthree\n";
        let begin = text.find("valu").unwrap();
        let shown = of(text, begin..begin + 4).to_string();
        assert_eq!(shown, " 2 |  when = \"valu > 3\" # größer\n   |          ^^^^");
        let long = format!("{}x{}", "é".repeat(500), "y".repeat(500));
        let begin = long.find('x').unwrap();
        let excerpt = of(&long, begin..begin + 1);
        assert_eq!(excerpt.text.chars().count(), CHARS_MAX);
        assert_eq!(excerpt.text.chars().nth(excerpt.before), Some('x'));
        assert_eq!(of("", 5..9).text, "");
    }
}
