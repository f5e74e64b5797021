//! From a tree of words to one in which every name leads somewhere and every type fits.
//!
//! | file | holds |
//! | --- | --- |
//! | `operators` | what signs and words between operands are, by the types of these |
//! | `functions` | what is called |
//! | `names` | what stands alone, and what is behind a dot |
//! | `vocabulary` | all names of the language, and how they are used |

mod functions;
mod names;
mod operators;
mod vocabulary;

use std::ops::Range;

pub(super) use vocabulary::figure_name;
use vocabulary::is_known;

use super::{
    mistake::Mistake,
    syntax::{Named, Script, Syntax, What},
    term::{Needs, Operation, Term, TextTerm, Type, Unary},
};
use crate::units;

/// Parts of a window, means, tests of texts, detectors or series that one model may ask for: each costs memory and time.
const NEEDS_MAX: usize = 64;
/// Names that one model may give.
const BINDINGS_MAX: usize = 64;

/// Checks one source after the other; later ones may use the names of earlier ones.
#[derive(Debug)]
pub(super) struct Checker {
    /// How far windows reach back (seconds).
    span_s: i64,
    pub(super) needs: Needs,
    /// The value of each `let`; `None` of texts.
    pub(super) bindings: Vec<Term>,
    /// The source of each of these.
    pub(super) bound_in: Vec<&'static str>,
    pub(super) names: Vec<(String, Bound)>,
    /// The source that is checked.
    pub(super) source: &'static str,
    /// Where each of the detectors that are needed is named first: source, and bytes of it.
    pub(super) mentions: Vec<(&'static str, Range<usize>)>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    /// The value with that place.
    Term(usize),
    Text(TextTerm),
}

/// What something turned out to be.
enum Checked {
    Term(Term),
    Text(TextTerm),
}

impl Type {
    fn show(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Duration => "a time",
            Self::Boolean => "true or false",
        }
    }
}

impl Checked {
    fn show(&self) -> &'static str {
        match self {
            Self::Term(term) => term.kind.show(),
            Self::Text(_) => "a text",
        }
    }
}

impl Checker {
    /// For windows that reach back `span_s` seconds.
    pub(super) fn new(span_s: i64) -> Self {
        Self {
            span_s,
            needs: Needs::default(),
            bindings: Vec::new(),
            bound_in: Vec::new(),
            names: Vec::new(),
            source: "",
            mentions: Vec::new(),
        }
    }

    /// The result of `script`, which has to be of type `kind`.
    pub(super) fn script(&mut self, script: &Script, kind: Type) -> Result<Term, Mistake> {
        for binding in &script.bindings {
            self.bind(&binding.name, &binding.value)?;
        }
        let result = self.term(&script.result)?;
        if result.kind == kind {
            return Ok(result);
        }
        let hint = match (kind, result.kind) {
            (Type::Boolean, Type::Number) => ", such as `value > 10`",
            (Type::Number, Type::Boolean) => "; `if a then 1 else 0` makes one",
            _ => "",
        };
        let message = format!("this is {}, expected {}{hint}", result.kind.show(), kind.show());
        Err(Mistake::new(script.result.at.clone(), message))
    }

    fn bind(&mut self, name: &Named, value: &Syntax) -> Result<(), Mistake> {
        let text = name.text.as_str();
        if self.names.iter().any(|(other, _)| other == text) {
            return Err(Mistake::new(name.at.clone(), format!("`{text}` is given twice")));
        }
        if is_known(text) {
            let message = format!("`{text}` is a name of the language, expected one of your own after `let`");
            return Err(Mistake::new(name.at.clone(), message));
        }
        if self.names.len() >= BINDINGS_MAX {
            let message = format!("more than {BINDINGS_MAX} names are given");
            return Err(Mistake::new(name.at.clone(), message));
        }
        let bound = match self.check(value)? {
            Checked::Text(text) => Bound::Text(text),
            Checked::Term(term) => {
                self.bindings.push(term);
                self.bound_in.push(self.source);
                Bound::Term(self.bindings.len() - 1)
            }
        };
        self.names.push((text.to_owned(), bound));
        Ok(())
    }

    fn check(&mut self, syntax: &Syntax) -> Result<Checked, Mistake> {
        let at = syntax.at.clone();
        let (kind, what) = match &syntax.what {
            What::Number(number) => (Type::Number, Operation::Constant(*number)),
            What::Text(text) => return Ok(Checked::Text(TextTerm::Literal(text.clone()))),
            What::Name(name) => return self.name(name, at),
            What::Call { name, arguments } => return self.call(name, arguments, at),
            What::Member { of, name } => self.member(of, name)?,
            What::Not(inner) => {
                let inner = self.of_type(inner, Type::Boolean, "behind `not`")?;
                (Type::Boolean, Operation::Unary(Unary::Not, Box::new(inner)))
            }
            What::Negative(inner) => {
                let inner = self.term(inner)?;
                if inner.kind == Type::Boolean {
                    return Err(Mistake::new(
                        inner.at,
                        "this is true or false, which has no negative; write `not`",
                    ));
                }
                (inner.kind, Operation::Unary(Unary::Negative, Box::new(inner)))
            }
            What::Arithmetic(arithmetic, operands) => self.arithmetic(*arithmetic, operands, &at)?,
            What::Comparison(comparison, operands) => self.comparison(*comparison, operands, &at)?,
            What::And(operands) => {
                let operands = self.conditions(operands, "and")?;
                (Type::Boolean, Operation::And(operands))
            }
            What::Or(operands) => {
                let operands = self.conditions(operands, "or")?;
                (Type::Boolean, Operation::Or(operands))
            }
            What::If(parts) => self.choice(parts)?,
            What::In { subject, set, negated } => {
                let inner = self.membership(subject, set, &at)?;
                let inner = Term {
                    at: at.clone(),
                    kind: Type::Boolean,
                    what: inner,
                };
                if !*negated {
                    return Ok(Checked::Term(inner));
                }
                (Type::Boolean, Operation::Unary(Unary::Not, Box::new(inner)))
            }
        };
        Ok(Checked::Term(Term { at, kind, what }))
    }

    /// What is no text.
    fn term(&mut self, syntax: &Syntax) -> Result<Term, Mistake> {
        match self.check(syntax)? {
            Checked::Term(term) => Ok(term),
            Checked::Text(_) => Err(Mistake::new(
                syntax.at.clone(),
                "this is a text, expected a number, a time, or what is true or false",
            )),
        }
    }

    fn of_type(&mut self, syntax: &Syntax, kind: Type, place: &str) -> Result<Term, Mistake> {
        let term = match self.check(syntax)? {
            Checked::Text(TextTerm::Literal(text)) if kind == Type::Duration => duration(&text, &syntax.at)?,
            Checked::Term(term) if term.kind == kind => term,
            other => {
                let message = format!("this is {}, expected {} {place}", other.show(), kind.show());
                return Err(Mistake::new(syntax.at.clone(), message));
            }
        };
        Ok(term)
    }

    fn conditions(&mut self, operands: &[Syntax; 2], word: &str) -> Result<Box<[Term; 2]>, Mistake> {
        let place = format!("beside `{word}`");
        let [left, right] = operands;
        let left = self.of_type(left, Type::Boolean, &place)?;
        Ok(Box::new([left, self.of_type(right, Type::Boolean, &place)?]))
    }

    fn choice(&mut self, parts: &[Syntax; 3]) -> Result<(Type, Operation), Mistake> {
        let [condition, then, otherwise] = parts;
        let condition = self.of_type(condition, Type::Boolean, "behind `if`")?;
        let then = self.term(then)?;
        let otherwise = self.of_type(otherwise, then.kind, "behind `else`, as behind `then`")?;
        Ok((then.kind, Operation::If(Box::new([condition, then, otherwise]))))
    }

    /// A text that is written down, here or by `let`.
    fn literal(&mut self, syntax: &Syntax, expected: &str) -> Result<String, Mistake> {
        if let What::Text(_) | What::Name(_) = syntax.what
            && let Checked::Text(TextTerm::Literal(text)) = self.check(syntax)?
        {
            return Ok(text);
        }
        Err(Mistake::new(syntax.at.clone(), format!("expected {expected}")))
    }
}

/// The place of what `find` finds; if that is nothing, it is `make`d.
fn place_of<T>(
    list: &mut Vec<T>,
    find: impl FnMut(&T) -> bool,
    make: impl FnOnce() -> T,
    what: &str,
    at: &Range<usize>,
) -> Result<u8, Mistake> {
    let place = list.iter().position(find).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    });
    let small = u8::try_from(place).ok().filter(|_| place < NEEDS_MAX);
    small.ok_or_else(|| Mistake::new(at.clone(), format!("more than {NEEDS_MAX} {what} are asked for")))
}

fn duration(text: &str, at: &Range<usize>) -> Result<Term, Mistake> {
    let duration = units::duration(text).map_err(|expected| Mistake::new(at.clone(), expected))?;
    Ok(Term {
        at: at.clone(),
        kind: Type::Duration,
        what: Operation::Constant(duration.as_secs_f64()),
    })
}
