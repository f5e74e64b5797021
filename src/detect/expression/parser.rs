//! Tokens as a tree: precedence climbing (Pratt).
//!
//! From loose to tight: `or`, `and`, `not`, comparisons and `in` (which do not chain), `+ -`, `* / %`, and `-x`.
//! `if a then b else c` takes in all that follows. Depth and length are bounded, whatever the source.

use std::ops::Range;

use super::{
    lexer::{FOREIGN, Token, TokenKind, tokens},
    mistake::Mistake,
    syntax::{Arithmetic, Binding, Comparison, Named, Script, Set, Syntax, What},
};

/// Longest source (bytes).
pub(super) const SOURCE_BYTES_MAX: usize = 4096;
/// Parts within parts.
const DEPTH_MAX: usize = 32;
/// Operands in all: what is done with a tree goes as deep as a chain of operators is long.
const OPERANDS_MAX: usize = 500;

/// Words that are no names.
const RESERVED: [&str; 10] = ["let", "if", "then", "else", "and", "or", "not", "in", "true", "false"];

/// How tightly operators bind.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const SIGN: u8 = 7;

/// What stands between two operands.
#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Comparison(Comparison),
    In,
    NotIn,
    Arithmetic(Arithmetic),
}

struct Parser<'a> {
    tokens: &'a [Token],
    place: usize,
    depth: usize,
    operands: usize,
}

/// The tree of `source`.
pub(super) fn parse(source: &str) -> Result<Script, Mistake> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!(
            "the source is {} bytes long, expected {SOURCE_BYTES_MAX} at most",
            source.len()
        );
        return Err(Mistake::new(0..0, message));
    }
    let tokens = tokens(source)?;
    let mut parser = Parser {
        tokens: &tokens,
        place: 0,
        depth: 0,
        operands: 0,
    };
    let mut bindings = Vec::new();
    while parser.take_word("let") {
        bindings.push(parser.binding()?);
    }
    let result = parser.expression(0)?;
    parser.end()?;
    Ok(Script { bindings, result })
}

impl Parser<'_> {
    fn token(&self) -> &Token {
        // The last token is the end, and nobody goes beyond it.
        &self.tokens[self.place.min(self.tokens.len() - 1)]
    }

    fn advance(&mut self) -> Token {
        let token = self.token().clone();
        self.place += 1;
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token().kind, TokenKind::Word(other) if other == word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token().kind, TokenKind::Sign(other) if other == sign)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        self.place += usize::from(is_there);
        is_there
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_there = self.is_sign(sign);
        self.place += usize::from(is_there);
        is_there
    }

    /// Where the token before this one ends.
    fn ended(&self) -> usize {
        self.tokens[..self.place.min(self.tokens.len())]
            .last()
            .map_or(0, |token| token.at.end)
    }

    fn expect_sign(&mut self, sign: &'static str, after: &str) -> Result<(), Mistake> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}` {after}")))
    }

    fn expect_word(&mut self, word: &str, after: &str) -> Result<(), Mistake> {
        if self.take_word(word) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{word}` {after}")))
    }

    fn unexpected(&self, expected: &str) -> Mistake {
        let token = self.token();
        let at = match token.kind {
            TokenKind::End => self.ended()..self.ended(),
            _ => token.at.clone(),
        };
        let written = match &token.kind {
            TokenKind::Sign(sign) => sign,
            TokenKind::Word(word) => word.as_str(),
            _ => "",
        };
        let foreign = FOREIGN.into_iter().find(|(other, _)| *other == written);
        let message = match foreign {
            Some((_, instead)) => format!("`{written}` means nothing here, {instead}"),
            None => format!("{} stands here, expected {expected}", token.kind.show()),
        };
        Mistake::new(at, message)
    }

    fn end(&self) -> Result<(), Mistake> {
        match self.token().kind {
            TokenKind::End => Ok(()),
            TokenKind::Sign(";") => Err(Mistake::new(
                self.token().at.clone(),
                "`;` only ends a `let`; the result comes last, without one",
            )),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    /// What follows `let`.
    fn binding(&mut self) -> Result<Binding, Mistake> {
        let token = self.token().clone();
        let text = match token.kind {
            TokenKind::Word(word) if !RESERVED.contains(&word.as_str()) => word,
            TokenKind::Word(word) => {
                let message = format!("`{word}` is a word of the language, expected a name of your own after `let`");
                return Err(Mistake::new(token.at, message));
            }
            _ => return Err(self.unexpected("a name after `let`")),
        };
        self.place += 1;
        let name = Named { at: token.at, text };
        self.expect_sign("=", "after the name, as in `let m = median('1h'); value > 3 * m`")?;
        let value = self.expression(0)?;
        self.expect_sign(";", "after the value of a `let`")?;
        Ok(Binding { name, value })
    }

    /// All that binds tighter than `least`.
    fn expression(&mut self, least: u8) -> Result<Syntax, Mistake> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} parts within parts; name some of them by `let`");
            return Err(Mistake::new(self.token().at.clone(), message));
        }
        let mut left = self.operand()?;
        while let Some((operator, binds)) = self.operator().filter(|(_, binds)| *binds > least) {
            let sign = self.token().at.clone();
            self.place += 1 + usize::from(matches!(operator, Operator::NotIn));
            left = self.operation(left, operator, binds)?;
            if binds == COMPARISON
                && let Some((_, COMPARISON)) = self.operator()
            {
                return Err(self.chained(sign));
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operation(&mut self, left: Syntax, operator: Operator, binds: u8) -> Result<Syntax, Mistake> {
        if matches!(operator, Operator::In | Operator::NotIn) {
            let set = self.set()?;
            return Ok(Syntax {
                at: left.at.start..self.ended(),
                what: What::In {
                    subject: Box::new(left),
                    set,
                    negated: matches!(operator, Operator::NotIn),
                },
            });
        }
        let right = self.expression(binds)?;
        let at = left.at.start..right.at.end;
        let both = Box::new([left, right]);
        let what = match operator {
            Operator::Or => What::Or(both),
            Operator::And => What::And(both),
            Operator::Comparison(comparison) => What::Comparison(comparison, both),
            Operator::Arithmetic(arithmetic) => What::Arithmetic(arithmetic, both),
            Operator::In | Operator::NotIn => unreachable!("sets are read above"),
        };
        Ok(Syntax { at, what })
    }

    fn chained(&self, first: Range<usize>) -> Mistake {
        let at = first.start..self.token().at.end;
        Mistake::new(at, "comparisons do not chain; write `a < b and b < c`, or `b in a..c`")
    }

    /// The operator that stands here, if one does, and how tightly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        let operator = match &self.token().kind {
            TokenKind::Word(word) => match word.as_str() {
                "or" => (Operator::Or, OR),
                "and" => (Operator::And, AND),
                "in" => (Operator::In, COMPARISON),
                "not" => {
                    let next = self.tokens.get(self.place + 1)?;
                    let is_in = matches!(&next.kind, TokenKind::Word(word) if word == "in");
                    return is_in.then_some((Operator::NotIn, COMPARISON));
                }
                _ => return None,
            },
            TokenKind::Sign(sign) => {
                let comparison = |comparison| (Operator::Comparison(comparison), COMPARISON);
                match *sign {
                    "==" => comparison(Comparison::Equal),
                    "!=" => comparison(Comparison::Unequal),
                    "<" => comparison(Comparison::Less),
                    "<=" => comparison(Comparison::LessOrEqual),
                    ">" => comparison(Comparison::Greater),
                    ">=" => comparison(Comparison::GreaterOrEqual),
                    "+" => (Operator::Arithmetic(Arithmetic::Add), SUM),
                    "-" => (Operator::Arithmetic(Arithmetic::Subtract), SUM),
                    "*" => (Operator::Arithmetic(Arithmetic::Multiply), PRODUCT),
                    "/" => (Operator::Arithmetic(Arithmetic::Divide), PRODUCT),
                    "%" => (Operator::Arithmetic(Arithmetic::Remainder), PRODUCT),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(operator)
    }

    /// What follows `in`.
    fn set(&mut self) -> Result<Set, Mistake> {
        if self.take_sign("[") {
            return self.list("]", "of the list").map(Set::List);
        }
        let low = self.expression(COMPARISON)?;
        self.expect_sign(
            "..",
            "after the lower end, as in `8..20`, or a list, as in `['a', 'b']`",
        )?;
        let high = self.expression(COMPARISON)?;
        Ok(Set::Range(Box::new([low, high])))
    }

    /// Expressions parted by commas, up to and with `end`.
    fn list(&mut self, end: &'static str, of: &str) -> Result<Vec<Syntax>, Mistake> {
        let mut elements = Vec::new();
        if self.take_sign(end) {
            return Ok(elements);
        }
        loop {
            elements.push(self.expression(0)?);
            if self.take_sign(end) {
                return Ok(elements);
            }
            if !self.take_sign(",") {
                return Err(self.unexpected(&format!("`,` or the `{end}` {of}")));
            }
        }
    }

    /// What stands before and between operators, with its signs.
    fn operand(&mut self) -> Result<Syntax, Mistake> {
        let begins = self.token().at.start;
        self.operands += 1;
        if self.operands > OPERANDS_MAX {
            let message = format!("more than {OPERANDS_MAX} values and names stand up to here, expected fewer");
            return Err(Mistake::new(self.token().at.clone(), message));
        }
        if self.take_word("not") {
            let inner = self.expression(NOT - 1)?;
            return Ok(Syntax {
                at: begins..inner.at.end,
                what: What::Not(Box::new(inner)),
            });
        }
        if self.take_sign("-") {
            let inner = self.expression(SIGN)?;
            return Ok(Syntax {
                at: begins..inner.at.end,
                what: What::Negative(Box::new(inner)),
            });
        }
        if self.take_word("if") {
            let condition = self.expression(0)?;
            self.expect_word("then", "after the condition")?;
            let then = self.expression(0)?;
            self.expect_word("else", "and what holds otherwise")?;
            let otherwise = self.expression(0)?;
            return Ok(Syntax {
                at: begins..otherwise.at.end,
                what: What::If(Box::new([condition, then, otherwise])),
            });
        }
        let mut operand = self.atom()?;
        if self.take_sign(".") {
            let token = self.token().clone();
            let TokenKind::Word(text) = token.kind else {
                return Err(self.unexpected("a name after the `.`, such as `score`"));
            };
            self.place += 1;
            operand = Syntax {
                at: begins..token.at.end,
                what: What::Member {
                    of: Box::new(operand),
                    name: Named { at: token.at, text },
                },
            };
        }
        Ok(operand)
    }

    fn atom(&mut self) -> Result<Syntax, Mistake> {
        const EXPECTED: &str = "a value, such as `value`, `median('1h')` or a number";
        let token = self.token().clone();
        let begins = token.at.start;
        let what = match token.kind {
            TokenKind::Number(number) => What::Number(number),
            TokenKind::Text(text) => What::Text(text),
            TokenKind::Word(text) if text == "let" => {
                return Err(Mistake::new(
                    token.at,
                    "each `let` stands at the beginning, and ends with `;`",
                ));
            }
            TokenKind::Word(text) if RESERVED.contains(&text.as_str()) && text != "true" && text != "false" => {
                return Err(self.unexpected(EXPECTED));
            }
            TokenKind::Word(text) => {
                self.place += 1;
                if !self.take_sign("(") {
                    return Ok(Syntax {
                        at: token.at,
                        what: What::Name(text),
                    });
                }
                let arguments = self.list(")", &format!("of {text}()"))?;
                return Ok(Syntax {
                    at: begins..self.ended(),
                    what: What::Call {
                        name: Named { at: token.at, text },
                        arguments,
                    },
                });
            }
            TokenKind::Sign("(") => {
                self.place += 1;
                let inner = self.expression(0)?;
                self.expect_sign(")", "to match the `(` before")?;
                return Ok(Syntax {
                    at: begins..self.ended(),
                    what: inner.what,
                });
            }
            TokenKind::Sign("[") => {
                return Err(Mistake::new(token.at, "a list only stands behind `in`"));
            }
            TokenKind::Sign(_) | TokenKind::End => return Err(self.unexpected(EXPECTED)),
        };
        self.advance();
        Ok(Syntax { at: token.at, what })
    }
}
