//! Patterns, from a file or a query string: each is refused with its reason, or matches what it says, in no time.

use std::collections::BTreeSet;

use proptest::prelude::*;
use skyrelay::glob::{Glob, GlobError};

use crate::{
    changes::text,
    harness::{Allowed, Turn, none},
};

/// What a compiled pattern and its use may take.
const ALLOWED: Allowed = Allowed {
    heap_bytes: 48 << 20,
    panics: none,
};

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "*",
        "**",
        "***",
        "?",
        "a",
        "b",
        "c",
        ".",
        "{",
        "}",
        ",",
        "{a,b}",
        "{a*,.b}",
        "{,a}",
        "[ab]",
        "[!ab]",
        "[a-c]",
        "[!a-c]",
        "[c-a]",
        "[]",
        "[!]",
        "[",
        "]",
        "!",
        "-",
        "[-a]",
        "[a-]",
        "[--a]",
        "[a--]",
        "[a-b-c]",
        "[+--]",
        "[a&&b]",
        "[a~~b]",
        "[[:alpha:]]",
        "[^a]",
        "[\\]",
        "^",
        "$",
        "\\",
        "\\d",
        "(",
        ")",
        "|",
        "+",
        "(?i)",
        "\n",
        "\u{e9}",
        "[\u{e9}-\u{ef}]",
        " ",
        "\0",
    ])
}

#[test]
fn patterns() {
    let turn = Turn::take();
    let short = prop::collection::vec(token(), 0..8).prop_map(|tokens| tokens.concat());
    let patterns = prop_oneof![6 => short, 1 => text("[*?a.{},!\\[\\]-]{0,12}"), 1 => text("\\PC{0,8}")];
    let names = text("[abc.]{0,8}|[abcdefg.\\-+!^&~,\u{e9} \n\\[\\]{}\\\\]{0,5}");
    let names = prop::collection::vec(names, 1..6);
    turn.fuzz("patterns", ALLOWED, &(patterns, names), |(pattern, names)| {
        match (Glob::new(pattern), Plain::new(pattern)) {
            (Ok(glob), Ok(plain)) => {
                for name in names {
                    prop_assert_eq!(glob.matches(name), plain.matches(name), "{:?}", name);
                }
            }
            (Err(error), Err(plain)) => prop_assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&plain)),
            (glob, plain) => {
                return Err(TestCaseError::fail(format!(
                    "{:?}, and plainly {:?}",
                    glob.err(),
                    plain.err()
                )));
            }
        }
        Ok(())
    });
}

/// Long ones, such that a matcher that tries one way after the other would try for ever.
#[test]
fn long_patterns() {
    let turn = Turn::take();
    let pieces = (
        prop::collection::vec(token(), 1..5),
        1..300_usize,
        prop::collection::vec(token(), 0..3),
    );
    let names = (text("[ab.]{1,3}"), 1..400_usize, text("[abc.]{0,3}"));
    turn.fuzz(
        "long patterns",
        ALLOWED,
        &(pieces, names),
        |((piece, count, end), (name, times, last))| {
            let pattern = piece.concat().repeat(*count) + &end.concat();
            let name = name.repeat(*times) + last;
            match Glob::new(&pattern) {
                Ok(glob) => {
                    glob.matches(&name);
                }
                Err(error) => prop_assert!(error == GlobError::TooLarge || Plain::new(&pattern).is_err(), "{error}"),
            }
            Ok(())
        },
    );
}

/// A pattern read plainly: a list of choices, each a list of pieces.
#[derive(Debug)]
struct Plain(Vec<Vec<Piece>>);

#[derive(Debug)]
enum Piece {
    Any { dots: bool },
    One,
    Of { ranges: Vec<(char, char)>, negated: bool },
    Same(char),
    Choice(Plain),
}

impl Plain {
    fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.is_empty() {
            return Err(GlobError::Empty);
        }
        let characters: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let plain = Self::choices(&characters, &mut at, false)?;
        assert_eq!(at, characters.len());
        Ok(plain)
    }

    fn choices(pattern: &[char], at: &mut usize, inside: bool) -> Result<Self, GlobError> {
        let mut choices = vec![Vec::new()];
        while let Some(&character) = pattern.get(*at) {
            *at += 1;
            let piece = match character {
                '*' => {
                    let begin = *at;
                    while pattern.get(*at) == Some(&'*') {
                        *at += 1;
                    }
                    Piece::Any { dots: *at > begin }
                }
                '?' => Piece::One,
                '[' => Self::set(pattern, at)?,
                '{' => Piece::Choice(Self::choices(pattern, at, true)?),
                '}' if inside => return Ok(Self(choices)),
                '}' => return Err(GlobError::Unopened),
                ',' if inside => {
                    choices.push(Vec::new());
                    continue;
                }
                other => Piece::Same(other),
            };
            choices.last_mut().unwrap().push(piece);
        }
        if inside {
            Err(GlobError::Unclosed('{'))
        } else {
            Ok(Self(choices))
        }
    }

    fn set(pattern: &[char], at: &mut usize) -> Result<Piece, GlobError> {
        let length = pattern[*at..]
            .iter()
            .position(|&character| character == ']')
            .ok_or(GlobError::Unclosed('['))?;
        let mut members = &pattern[*at..*at + length];
        *at += length + 1;
        let negated = members.first() == Some(&'!');
        members = &members[usize::from(negated)..];
        let bad = || GlobError::BadSet(members.iter().collect());
        let mut ranges = Vec::new();
        let mut rest = members;
        loop {
            rest = match *rest {
                [] => break,
                [from, '-', to, ref rest @ ..] => {
                    if from > to {
                        return Err(bad());
                    }
                    ranges.push((from, to));
                    rest
                }
                [one, ref rest @ ..] => {
                    ranges.push((one, one));
                    rest
                }
            };
        }
        if ranges.is_empty() {
            return Err(bad());
        }
        Ok(Piece::Of { ranges, negated })
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.ends(&name, &BTreeSet::from([0])).contains(&name.len())
    }

    /// Where it may end in `name` when it begins at one of `begins`.
    fn ends(&self, name: &[char], begins: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut ends = BTreeSet::new();
        for choice in &self.0 {
            let last = choice
                .iter()
                .fold(begins.clone(), |begins, piece| piece.ends(name, &begins));
            ends.extend(last);
        }
        ends
    }
}

impl Piece {
    fn ends(&self, name: &[char], begins: &BTreeSet<usize>) -> BTreeSet<usize> {
        let one = |takes: &dyn Fn(char) -> bool| {
            begins
                .iter()
                .filter(|&&at| name.get(at).is_some_and(|&character| takes(character)))
                .map(|at| at + 1)
                .collect()
        };
        match self {
            Self::Any { dots } => {
                let mut ends = begins.clone();
                for at in begins {
                    let run = name[*at..]
                        .iter()
                        .take_while(|&&character| *dots || character != '.')
                        .count();
                    ends.extend(*at..=at + run);
                }
                ends
            }
            Self::One => one(&|character| character != '.'),
            Self::Of { ranges, negated } => one(&|character| {
                let is_in = ranges.iter().any(|&(from, to)| (from..=to).contains(&character));
                if *negated { !is_in && character != '.' } else { is_in }
            }),
            Self::Same(same) => one(&|character| character == *same),
            Self::Choice(choice) => choice.ends(name, begins),
        }
    }
}
