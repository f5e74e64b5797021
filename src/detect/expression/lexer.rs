//! A source as tokens.
//!
//! White space and what follows a `#` up to the end of the line part tokens, and mean nothing else.

use std::ops::Range;

use super::mistake::Mistake;

/// A token, and the bytes of the source that it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// Finite.
    Number(f64),
    /// What is in quotes.
    Text(String),
    /// A name, or a word of the language.
    Word(String),
    /// An operator, or punctuation.
    Sign(&'static str),
    End,
}

/// The longest first, so that none hides another.
const SIGNS: [&str; 23] = [
    "==", "!=", "<=", ">=", "..", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", ";", ".", "=", "&&",
    "||", "!",
];

/// What other languages write, and this one writes otherwise.
pub(super) const FOREIGN: [(&str, &str); 6] = [
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("!", "write `not`"),
    ("=", "to compare, write `==`"),
    ("AND", "write `and`"),
    ("OR", "write `or`"),
];

impl TokenKind {
    /// For messages.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Number(number) => format!("the number {number}"),
            Self::Text(text) => format!("the text '{text}'"),
            Self::Word(word) => format!("`{word}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// All tokens of `source`; the last is the end.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Mistake> {
    let mut tokens = Vec::new();
    let mut rest = source;
    loop {
        rest = skip_space(rest);
        let begins = source.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token {
                kind: TokenKind::End,
                at: begins..begins,
            });
            return Ok(tokens);
        };
        let (kind, length) = match first {
            '0'..='9' => number(rest, begins)?,
            '\'' | '"' => text(rest, first, begins)?,
            _ if first.is_alphabetic() || first == '_' => {
                let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_');
                let word = &rest[..end.unwrap_or(rest.len())];
                (TokenKind::Word(word.to_owned()), word.len())
            }
            _ => sign(rest, first, begins)?,
        };
        tokens.push(Token {
            kind,
            at: begins..begins + length,
        });
        rest = &rest[length..];
    }
}

fn skip_space(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start();
        if !rest.starts_with('#') {
            return rest;
        }
        rest = rest.find('\n').map_or("", |newline| &rest[newline..]);
    }
}

/// Digits, and where digits follow, a fraction and an exponent: `8..20` begins with 8.
fn number(rest: &str, begins: usize) -> Result<(TokenKind, usize), Mistake> {
    let bytes = rest.as_bytes();
    let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let digits = |mut place: usize| {
        while is_digit(place) || bytes.get(place) == Some(&b'_') {
            place += 1;
        }
        place
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && is_digit(end + 1) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if is_digit(end + 1 + sign) {
            end = digits(end + 1 + sign);
        }
    }
    let unit = rest[end..].find(|next: char| !next.is_alphanumeric() && next != '_' && next != '%');
    let unit_end = unit.map_or(rest.len(), |length| end + length);
    let unit = &rest[end..unit_end];
    if unit.starts_with(|next: char| next.is_alphabetic() || next == '_') {
        let written = &rest[..unit_end];
        return Err(Mistake::new(
            begins..begins + unit_end,
            format!("`{written}` is no number; a time is written in quotes, such as '{written}'"),
        ));
    }
    let number: f64 = rest[..end].replace('_', "").parse().unwrap_or(f64::INFINITY);
    if number.is_finite() {
        Ok((TokenKind::Number(number), end))
    } else {
        Err(Mistake::new(begins..begins + end, "the number is too large"))
    }
}

fn text(rest: &str, quote: char, begins: usize) -> Result<(TokenKind, usize), Mistake> {
    let inside = &rest[1..];
    let end = inside
        .find([quote, '\n'])
        .filter(|&end| inside[end..].starts_with(quote));
    let end = end.ok_or_else(|| {
        Mistake::new(
            begins..begins + 1,
            format!("the text that begins here has no {quote} at its end"),
        )
    })?;
    Ok((TokenKind::Text(inside[..end].to_owned()), end + 2))
}

fn sign(rest: &str, first: char, begins: usize) -> Result<(TokenKind, usize), Mistake> {
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((TokenKind::Sign(sign), sign.len()));
    }
    let hint = match first {
        '^' => "; a power is written pow(x, y)",
        '<' | '>' => "; not equal is written `!=`",
        '|' => "; write `or`, or abs(x)",
        '&' => "; write `and`",
        '?' | ':' => "; a choice is written `if a then b else c`",
        '{' | '}' => "; a list is written [a, b]",
        _ => "",
    };
    Err(Mistake::new(
        begins..begins + first.len_utf8(),
        format!("`{}` means nothing here{hint}", first.escape_debug()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> Vec<String> {
        let tokens = tokens(source).unwrap();
        tokens.iter().map(|token| token.kind.show()).collect()
    }

    #[test]
    fn tokens_are_told_apart() {
        assert_eq!(
            shown("a>=1.5e3 # why\n in 8..20,'x y'"),
            [
                "`a`",
                "`>=`",
                "the number 1500",
                "`in`",
                "the number 8",
                "`..`",
                "the number 20",
                "`,`",
                "the text 'x y'",
                "the end"
            ]
        );
        assert_eq!(shown("1_000 .5"), ["the number 1000", "`.`", "the number 5", "the end"]);
        assert_eq!(shown("\"it's\""), ["the text 'it's'", "the end"]);
    }

    #[test]
    fn places_are_bytes_of_the_source() {
        let tokens = tokens("größe > 'é'").unwrap();
        assert_eq!(
            tokens.iter().map(|token| token.at.clone()).collect::<Vec<_>>(),
            [0..7, 8..9, 10..14, 14..14]
        );
    }
}
