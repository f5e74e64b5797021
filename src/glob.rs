//! Carbon globs: patterns over dotted series names.
//!
//! * `*` stands for any run of characters within one node, `**` for any run at all, dots included.
//! * `?` stands for one character other than a dot, `[a-z]` for one of a set (`[!a-z]` for one not of it).
//! * `{a,b}` stands for either; the alternatives may hold the patterns above.
//! * Everything else stands for itself. A pattern matches the whole name.
//!
//! Patterns are compiled to one automaton: matching takes time linear in the name, whatever the pattern.

use regex::{Regex, RegexBuilder};

/// Upper bound on the memory of one compiled pattern (bytes): a pattern comes from a file or a query string.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// What does not stand for itself; `]`, `}` and `,` need not either.
const WILD: [char; 7] = ['*', '?', '[', ']', '{', '}', ','];

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    pattern: String,
    regex: Regex,
    /// How much of the pattern stands for itself, at its beginning and at its end (bytes): most names are told from it there.
    begins_bytes: usize,
    ends_bytes: usize,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// The pattern is the empty string, which no name matches.
    #[error("the pattern is empty")]
    Empty,
    /// A `[` or `{` without its end.
    #[error("`{0}` is opened but not closed")]
    Unclosed(char),
    /// A `}` without its beginning.
    #[error("`}}` closes nothing")]
    Unopened,
    /// `[]`, or a range that runs backwards.
    #[error("the set `{0}` holds nothing")]
    BadSet(String),
    /// The compiled pattern would be larger than its bound, or its braces are nested too deep.
    #[error("the pattern is too large")]
    TooLarge,
}

/// Patterns are equal when they are written the same.
impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Glob {}

impl Glob {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// When a bracket or brace is left open, a set is empty, or the pattern is too large.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let regex = RegexBuilder::new(&translate(pattern)?)
            .size_limit(COMPILED_BYTES_MAX)
            .dot_matches_new_line(true)
            .build()
            // Or nested too deep: nothing else can be wrong with what `translate` writes.
            .map_err(|_| GlobError::TooLarge)?;
        let is_wild = |character: char| WILD.contains(&character);
        Ok(Self {
            pattern: pattern.to_owned(),
            regex,
            begins_bytes: pattern.find(is_wild).unwrap_or(pattern.len()),
            ends_bytes: pattern.rfind(is_wild).map_or(0, |last| pattern.len() - last - 1),
        })
    }

    /// The pattern that every name matches: `**`.
    pub fn everything() -> Self {
        Self::new("**").expect("two stars are a pattern")
    }

    /// Does the whole of `name` match?
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name_bytes) = (self.pattern.as_bytes(), name.as_bytes());
        name_bytes.starts_with(&pattern[..self.begins_bytes])
            && name_bytes.ends_with(&pattern[pattern.len() - self.ends_bytes..])
            && self.regex.is_match(name)
    }

    /// Is it a name, which nothing else matches?
    pub fn is_name(&self) -> bool {
        !self.pattern.contains(['*', '?', '[', '{'])
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

/// The regular expression that matches what `pattern` matches.
fn translate(pattern: &str) -> Result<String, GlobError> {
    if pattern.is_empty() {
        return Err(GlobError::Empty);
    }
    let mut out = String::with_capacity(pattern.len() * 2 + 4);
    out.push_str("^(?:");
    let mut depth = 0_usize;
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '*' => {
                if rest.next_if_eq(&'*').is_some() {
                    while rest.next_if_eq(&'*').is_some() {}
                    out.push_str(".*");
                } else {
                    out.push_str("[^.]*");
                }
            }
            '?' => out.push_str("[^.]"),
            '[' => out.push_str(&translate_set(&mut rest)?),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' => {
                depth = depth.checked_sub(1).ok_or(GlobError::Unopened)?;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    if depth > 0 {
        return Err(GlobError::Unclosed('{'));
    }
    out.push_str(")$");
    Ok(out)
}

/// The rest of a set, its `[` already read.
fn translate_set(rest: &mut impl Iterator<Item = char>) -> Result<String, GlobError> {
    let mut members = String::new();
    loop {
        match rest.next() {
            None => return Err(GlobError::Unclosed('[')),
            Some(']') => break,
            Some(character) => members.push(character),
        }
    }
    let (negation, members) = match members.strip_prefix('!') {
        Some(members) => ("^.", members),
        None => ("", members.as_str()),
    };
    if members.is_empty() {
        return Err(GlobError::BadSet(format!("[{members}]")));
    }
    let mut set = format!("[{negation}");
    let escaped = |character: char| regex::escape(character.encode_utf8(&mut [0; 4]));
    let mut rest = members.chars();
    while let Some(from) = rest.next() {
        set.push_str(&escaped(from));
        // A hyphen between two characters makes a range, as in a shell; all else in a set stands for itself.
        let mut behind = rest.clone();
        if behind.next() == Some('-')
            && let Some(to) = behind.next()
        {
            if from > to {
                return Err(GlobError::BadSet(format!("[{members}]")));
            }
            set.push('-');
            set.push_str(&escaped(to));
            rest = behind;
        }
    }
    set.push(']');
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(pattern: &str, names: &[&str]) {
        let glob = Glob::new(pattern).unwrap();
        for name in names {
            assert!(glob.matches(name), "{pattern} should match {name}");
        }
    }

    #[track_caller]
    fn differs(pattern: &str, names: &[&str]) {
        let glob = Glob::new(pattern).unwrap();
        for name in names {
            assert!(!glob.matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_star_stays_within_a_node() {
        matches("servers.*.load", &["servers.web1.load", "servers..load"]);
        differs(
            "servers.*.load",
            &["servers.a.b.load", "servers.load", "xservers.a.load"],
        );
    }

    #[test]
    fn two_stars_cross_nodes() {
        matches("**", &["a", "a.b.c", ""]);
        matches("servers.**.load", &["servers.a.b.load"]);
        differs("servers.**", &["server.a"]);
    }

    #[test]
    fn sets_alternatives_and_single_characters() {
        matches("web[0-9]?.{cpu,mem*}", &["web1x.cpu", "web2y.memory"]);
        differs("web[0-9]?.{cpu,mem*}", &["web1.cpu", "weba1.cpu", "web11.disk"]);
        differs("web[!0-9]", &["web1", "web."]);
        matches("web[!0-9]", &["weba"]);
    }

    #[test]
    fn hyphens_in_sets_stand_for_ranges_only_between_two_characters() {
        matches("[-a]", &["-", "a"]);
        matches("[a-]", &["-", "a"]);
        matches("[a-b-d]", &["a", "b", "-", "d"]);
        differs("[a-b-d]", &["c"]);
        // The regular expression `[+--a]` is a set without another one.
        matches("[+--a]", &["+", ",", "-", "a"]);
        differs("[+--a]", &["."]);
        assert_eq!(Glob::new("[a--]"), Err(GlobError::BadSet("[a--]".to_owned())));
    }

    #[test]
    fn what_is_special_elsewhere_stands_for_itself() {
        matches("a+b(c)|d,e", &["a+b(c)|d,e"]);
        differs("a.b", &["axb"]);
    }

    #[test]
    fn a_name_is_told_from_a_pattern() {
        for (pattern, is_name) in [
            ("a.b+c(d)]", true),
            ("a.*", false),
            ("a?", false),
            ("[a]", false),
            ("{a,b}", false),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().is_name(), is_name, "{pattern}");
        }
    }

    #[test]
    fn broken_patterns_say_why() {
        assert_eq!(Glob::new("").unwrap_err(), GlobError::Empty);
        assert_eq!(Glob::new("a[b").unwrap_err(), GlobError::Unclosed('['));
        assert_eq!(Glob::new("a{b").unwrap_err(), GlobError::Unclosed('{'));
        assert_eq!(Glob::new("a}b").unwrap_err(), GlobError::Unopened);
        assert!(matches!(Glob::new("a[]"), Err(GlobError::BadSet(_))));
        assert!(matches!(Glob::new("a[z-a]"), Err(GlobError::BadSet(_))));
        let deep = "{".repeat(300) + &"}".repeat(300);
        assert_eq!(Glob::new(&deep), Err(GlobError::TooLarge));
    }
}
