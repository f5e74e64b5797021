//! Collects what is wrong while the files are read and checked, and turns places into lines and columns.
//!
//! * Checking goes on after a mistake, so that one run shows them all.
//! * What is kept is bounded, whatever the files hold.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    ops::Range,
    path::PathBuf,
};

use super::{
    error::{ConfigError, Position, Problem},
    excerpt,
};

/// Mistakes that are kept; those beyond are counted.
const PROBLEMS_MAX: usize = 100;

/// Names that a wrong one is compared with.
const CANDIDATES_MAX: usize = 500;

/// Longest piece of a file that a message shows (characters).
const QUOTED_CHARS_MAX: usize = 60;

/// What stands for names in the forms of sections.
pub(super) const NAME: &str = "NAME";

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the file.
    pub(super) file: usize,
    /// Byte of its text; `None`: the file as a whole.
    pub(super) offset: Option<usize>,
}

/// Something that was read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A file that takes part in the configuration.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// What it holds; empty when it could not be read.
    pub(super) text: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    files: Vec<File>,
    problems: RefCell<Vec<Noted>>,
    /// What may be meant so, and is odd.
    warnings: RefCell<Vec<Noted>>,
    unkept: Cell<usize>,
    unknown_keys: RefCell<Vec<UnknownKey>>,
    /// Every key that was asked for: the section, as `detector.NAME.grubbs`, and the key.
    known_keys: RefCell<BTreeSet<(String, &'static str)>>,
}

/// A mistake.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Noted {
    place: Place,
    message: String,
    /// Where what is meant ends, for mistakes within a text (byte of the file).
    ends: Option<usize>,
}

/// A key that nobody asked for.
#[derive(Debug)]
struct UnknownKey {
    place: Place,
    /// The form of the section, as `detector.NAME`.
    form: String,
    /// The section, as `detector.classic`.
    section: String,
    key: String,
    siblings: Vec<&'static str>,
}

/// Keys and sections of later versions, with the section they are in.
const PLANNED: [(&str, &str); 1] = [("alert", "repeat")];

impl Report {
    /// Adds a file, and gives its index.
    pub(super) fn add_file(&mut self, file: File) -> usize {
        self.files.push(file);
        self.files.len() - 1
    }

    /// Notes a mistake.
    pub(super) fn say(&self, place: Place, message: impl Into<String>) {
        self.note(place, None, message.into());
    }

    /// Notes a mistake within the text that is written at `place`: in the bytes `at` of what the text says.
    pub(super) fn say_within(&self, place: Place, at: &Range<usize>, message: String) {
        let Some(offset) = place.offset else {
            return self.say(place, message);
        };
        let written = excerpt::bytes_of(&self.files[place.file].text, offset, at);
        let place = Place {
            offset: Some(written.start),
            ..place
        };
        self.note(place, Some(written.end), message);
    }

    /// Notes something that may be meant so, but is odd.
    pub(super) fn warn(&self, place: Place, message: String) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < PROBLEMS_MAX {
            let ends = None;
            warnings.push(Noted { place, message, ends });
        }
    }

    fn note(&self, place: Place, ends: Option<usize>, message: String) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < PROBLEMS_MAX {
            problems.push(Noted { place, message, ends });
        } else {
            self.unkept.set(self.unkept.get() + 1);
        }
    }

    /// Has a mistake been noted?
    pub(super) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Are further messages dropped? Then they need not be worded.
    fn is_full(&self) -> bool {
        self.problems.borrow().len() >= PROBLEMS_MAX
    }

    /// Notes that `section` has `key`.
    pub(super) fn know(&self, section: &str, key: &'static str) {
        let mut known = self.known_keys.borrow_mut();
        known.insert((section.to_owned(), key));
    }

    /// Notes a key that nobody asked for, in a section of this form where `siblings` are known.
    pub(super) fn unknown_key(&self, place: Place, form: &str, section: String, key: &str, siblings: &[&'static str]) {
        let mut unknown = self.unknown_keys.borrow_mut();
        if unknown.len() < PROBLEMS_MAX {
            unknown.push(UnknownKey {
                place,
                form: form.to_owned(),
                section,
                key: key.to_owned(),
                siblings: siblings.to_vec(),
            });
        } else {
            self.unkept.set(self.unkept.get() + 1);
        }
    }

    /// Every key that was asked for, with its section.
    #[cfg(test)]
    pub(super) fn known_keys(&self) -> BTreeSet<(String, &'static str)> {
        self.known_keys.borrow().clone()
    }

    /// A question that names the candidate most like `name`, led by a semicolon; empty when none is like it.
    pub(super) fn suggestion<'a>(&self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
        if self.is_full() {
            return String::new();
        }
        match most_similar(name, candidates) {
            Some(candidate) => format!("; did you mean {}?", quoted(candidate)),
            None => String::new(),
        }
    }

    /// `path:line:column` of a place, for messages that point at a second one.
    pub(super) fn show(&self, place: Place) -> String {
        if self.is_full() {
            return String::new();
        }
        let file = &self.files[place.file];
        match place.offset {
            Some(offset) => format!("{}:{}", file.path.display(), position(&file.text, offset)),
            None => file.path.display().to_string(),
        }
    }

    /// All that was found wrong, as an error; when nothing was, what is odd, in the order of the files.
    pub(super) fn finish(&self) -> Result<Vec<Problem>, ConfigError> {
        for unknown in self.unknown_keys.take() {
            self.say(unknown.place, self.describe_unknown(&unknown));
        }
        let mut problems = self.shown(self.problems.take());
        if self.unkept.get() > 0
            && let Some(first) = self.files.first()
        {
            problems.push(Problem {
                path: first.path.clone(),
                position: None,
                message: format!("{} more mistakes are not shown", self.unkept.get()),
                excerpt: None,
            });
        }
        match ConfigError::new(problems) {
            Some(error) => Err(error),
            None => Ok(self.shown(self.warnings.take())),
        }
    }

    /// What was noted, each thing once, in the order of the files.
    fn shown(&self, mut noted: Vec<Noted>) -> Vec<Problem> {
        noted.sort();
        noted.dedup();
        let show = |Noted { place, message, ends }| {
            let File { path, text } = &self.files[place.file];
            Problem {
                path: path.clone(),
                position: place.offset.map(|offset| position(text, offset)),
                message,
                excerpt: place.offset.zip(ends).map(|(begin, end)| excerpt::of(text, begin..end)),
            }
        };
        noted.into_iter().map(show).collect()
    }

    fn describe_unknown(&self, unknown: &UnknownKey) -> String {
        let UnknownKey {
            form,
            section,
            key,
            siblings,
            ..
        } = unknown;
        if PLANNED.contains(&(form, key)) {
            return format!("{} is planned, but this version does not have it", quoted(key));
        }
        let place = if section.is_empty() {
            "at the top".to_owned()
        } else {
            format!("in [{section}]")
        };
        let known = self.known_keys.borrow();
        let home = known
            .iter()
            .find(|(_, known)| known == key)
            .map(|(home, _)| home.as_str());
        let hint = match (self.suggestion(key, siblings.iter().copied()), home) {
            (suggestion, _) if !suggestion.is_empty() => suggestion,
            (_, Some("")) => "; it belongs at the top of the file, before the first [section]".to_owned(),
            (_, Some(home)) => format!("; it belongs in [{}]", named_as(form, section, home)),
            (_, None) => format!(", expected {}", any_of(siblings)),
        };
        format!("unknown key {} {place}{hint}", quoted(key))
    }
}

/// `home`, with the name in it that `section` of this `form` has, where both are of the same kind of table.
fn named_as(form: &str, section: &str, home: &str) -> String {
    let own = form.split_once(NAME).zip(home.split_once(NAME));
    let name = own.and_then(|((before, after), (home_before, home_after))| {
        let name = section.strip_prefix(before)?.strip_suffix(after)?;
        (before == home_before).then(|| format!("{before}{name}{home_after}"))
    });
    name.unwrap_or_else(|| home.to_owned())
}

/// `name` as it stands in a message: in ticks, on one line, and not too long.
pub(super) fn quoted(name: &str) -> String {
    let mut out = String::from("`");
    for (index, character) in name.chars().enumerate() {
        if index == QUOTED_CHARS_MAX {
            out.push('…');
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out.push('`');
    out
}

/// `a`, `b` or `c`.
pub(super) fn any_of(names: &[&str]) -> String {
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push_str(if index + 1 == names.len() { " or " } else { ", " });
        }
        out.push_str(&quoted(name));
    }
    out
}

/// Line and column of a byte of `text`.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    // A byte that begins no character continues one that is counted already.
    let characters = before[line_start..].iter().filter(|&&byte| byte & 0xc0 != 0x80);
    Position {
        line,
        column: characters.count() + 1,
    }
}

/// The candidate that takes the fewest edits to make of `name`, unless it takes too many.
fn most_similar<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits_max = (name.chars().take(QUOTED_CHARS_MAX).count() / 3).max(1);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .map(|candidate| (edits(name, candidate, edits_max), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Characters to replace, insert, take out or swap with the next one to make `to` of `from` (the optimal string
/// alignment distance); more than `limit` when the lengths alone show that, or when the texts are long.
fn edits(from: &str, to: &str, limit: usize) -> usize {
    if from.len().max(to.len()) > QUOTED_CHARS_MAX || from.len().abs_diff(to.len()) > 4 * limit {
        return limit + 1;
    }
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    // Each row is for one more character of `from`, each column for one more of `to`.
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut row = vec![i + 1];
        for j in 0..to.len() {
            let replaced = above[j] + usize::from(from[i] != to[j]);
            let mut edits = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let text = "é = 1\nλλ = \"x\"\n";
        let of = |needle: &str| position(text, text.find(needle).unwrap()).to_string();
        assert_eq!(of("é"), "1:1");
        assert_eq!(of("= 1"), "1:3");
        assert_eq!(of("λλ"), "2:1");
        assert_eq!(of("= \"x\""), "2:4");
        assert_eq!(position(text, text.len()).to_string(), "3:1");
        assert_eq!(position(text, usize::MAX).to_string(), "3:1");
    }

    #[test]
    fn names_a_slip_away_are_suggested() {
        let names = ["grubbs", "ks_test", "least_squares"];
        assert_eq!(most_similar("grubs", names), Some("grubbs"));
        assert_eq!(most_similar("kstest", names), Some("ks_test"));
        assert_eq!(most_similar("gurbbs", names), Some("grubbs"));
        assert_eq!(edits("dorp", "drop", 9), 1);
        assert_eq!(edits("kitten", "sitting", 9), 3);
        assert_eq!(edits("", "abc", 9), 3);
        assert_eq!(most_similar("least-squares", names), Some("least_squares"));
        assert_eq!(most_similar("holt", names), None);
        assert_eq!(most_similar("", names), None);
        assert_eq!(most_similar(&"x".repeat(1 << 20), names), None);
    }

    #[test]
    fn quoted_text_stays_on_one_line_and_short() {
        assert_eq!(quoted("a\nb\u{1b}"), "`a\\nb\\u{1b}`");
        assert!(quoted(&"x".repeat(1 << 20)).len() < 100);
    }
}
