//! What signs and words between operands are, by the types of these.

use std::ops::Range;

use super::{
    super::{
        mistake::Mistake,
        syntax::{Arithmetic, Comparison, Set, Syntax},
        term::{Binary, Fact, Operation, Term, TextTerm, TextTest, Type, Unary},
    },
    Checked, Checker, duration, place_of,
};

impl Checker {
    pub(super) fn arithmetic(
        &mut self,
        arithmetic: Arithmetic,
        operands: &[Syntax; 2],
        at: &Range<usize>,
    ) -> Result<(Type, Operation), Mistake> {
        let [left, right] = self.operands(operands)?;
        let sign = arithmetic.sign();
        let (Checked::Term(left), Checked::Term(right)) = (&left, &right) else {
            let message = format!("{} and {} have no `{sign}`", left.show(), right.show());
            return Err(Mistake::new(at.clone(), message));
        };
        let kind = match (arithmetic, left.kind, right.kind) {
            (_, Type::Number, Type::Number) | (Arithmetic::Divide, Type::Duration, Type::Duration) => Type::Number,
            (Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Remainder, Type::Duration, Type::Duration)
            | (Arithmetic::Multiply, Type::Number, Type::Duration)
            | (Arithmetic::Multiply | Arithmetic::Divide, Type::Duration, Type::Number) => Type::Duration,
            (_, left, right) => {
                let message = format!("{} and {} have no `{sign}`", left.show(), right.show());
                return Err(Mistake::new(at.clone(), message));
            }
        };
        let both = Box::new([left.clone(), right.clone()]);
        Ok((kind, Operation::Binary(Binary::Arithmetic(arithmetic), both)))
    }

    pub(super) fn comparison(
        &mut self,
        comparison: Comparison,
        operands: &[Syntax; 2],
        at: &Range<usize>,
    ) -> Result<(Type, Operation), Mistake> {
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
        let what = match self.operands(operands)? {
            [Checked::Text(left), Checked::Text(right)] if is_equality => {
                let test = self.text_test(left, vec![right], at)?;
                match comparison {
                    Comparison::Equal => test.what,
                    _ => Operation::Unary(Unary::Not, Box::new(test)),
                }
            }
            [Checked::Term(left), Checked::Term(right)]
                if left.kind == right.kind && (is_equality || left.kind != Type::Boolean) =>
            {
                Operation::Binary(Binary::Comparison(comparison), Box::new([left, right]))
            }
            [left, right] => {
                let hint = match (&left, &right) {
                    (Checked::Term(term), _) | (_, Checked::Term(term)) if term.kind == Type::Duration => {
                        "; a time is compared with one such as '5m'"
                    }
                    _ => "",
                };
                let sign = comparison.sign();
                let message = format!("{} and {} have no `{sign}`{hint}", left.show(), right.show());
                return Err(Mistake::new(at.clone(), message));
            }
        };
        Ok((Type::Boolean, what))
    }

    /// Both operands; a text beside a time is a time.
    fn operands(&mut self, operands: &[Syntax; 2]) -> Result<[Checked; 2], Mistake> {
        let [left_syntax, right_syntax] = operands;
        let (left, right) = (self.check(left_syntax)?, self.check(right_syntax)?);
        Ok(match (left, right) {
            (Checked::Text(TextTerm::Literal(text)), Checked::Term(right)) if right.kind == Type::Duration => {
                [Checked::Term(duration(&text, &left_syntax.at)?), Checked::Term(right)]
            }
            (Checked::Term(left), Checked::Text(TextTerm::Literal(text))) if left.kind == Type::Duration => {
                [Checked::Term(left), Checked::Term(duration(&text, &right_syntax.at)?)]
            }
            (left, right) => [left, right],
        })
    }

    pub(super) fn membership(&mut self, subject: &Syntax, set: &Set, at: &Range<usize>) -> Result<Operation, Mistake> {
        let checked = self.check(subject)?;
        let text = match (checked, set) {
            (Checked::Text(text), Set::List(_)) => text,
            (Checked::Text(_), Set::Range(_)) => {
                let message = "this is a text, which is looked for in a list, such as ['a', 'b']";
                return Err(Mistake::new(subject.at.clone(), message));
            }
            (Checked::Term(subject), Set::Range(ends)) => {
                let [low, high] = &**ends;
                let low = self.of_type(low, subject.kind, "at this end, as before `in`")?;
                let high = self.of_type(high, subject.kind, "at this end, as before `in`")?;
                if let (Operation::Constant(low), Operation::Constant(high)) = (&low.what, &high.what)
                    && low >= high
                {
                    let message = format!(
                        "nothing is in {low}..{high}, which ends before {high}; round the clock write `not in {high}..{low}`"
                    );
                    return Err(Mistake::new(at.clone(), message));
                }
                return Ok(Operation::Within(Box::new([subject, low, high])));
            }
            (Checked::Term(subject), Set::List(list)) => {
                let list = list.iter();
                let list = list.map(|element| self.of_type(element, subject.kind, "in this list, as before `in`"));
                let list = list.collect::<Result<_, _>>()?;
                return Ok(Operation::Among(Box::new(subject), list));
            }
        };
        let Set::List(list) = set else {
            unreachable!("ranges of texts are refused above")
        };
        let mut others = Vec::new();
        for element in list {
            match self.check(element)? {
                Checked::Text(text) => others.push(text),
                Checked::Term(term) => {
                    let message = format!(
                        "this is {}, expected a text in this list, as before `in`",
                        term.kind.show()
                    );
                    return Err(Mistake::new(element.at.clone(), message));
                }
            }
        }
        Ok(self.text_test(text, others, at)?.what)
    }

    fn text_test(&mut self, text: TextTerm, others: Vec<TextTerm>, at: &Range<usize>) -> Result<Term, Mistake> {
        let wanted = TextTest { text, others };
        let place = place_of(
            &mut self.needs.texts,
            |other| *other == wanted,
            || wanted.clone(),
            "tests of texts",
            at,
        )?;
        Ok(Term {
            at: at.clone(),
            kind: Type::Boolean,
            what: Operation::Fact(Fact::Text(place)),
        })
    }
}
