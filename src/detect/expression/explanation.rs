//! What decided, in words: the source, with values behind what has one.
//!
//! Worked out by walking the tree, when somebody asks.

use super::{
    model::Model,
    syntax::Comparison,
    term::{Binary, Facts, Operation, Term, Type, UNKNOWN, Unary, is_true},
};
use crate::detect::words::number;

/// The score of what is true, or false, without a distance from the boundary.
const TRUE_SCORE: f64 = 2.0;

/// A model at one sample.
pub(super) struct Explanation<'a, F> {
    model: &'a Model,
    /// The value of each `let`, and where that is true or false, how far it is from the other.
    bound: Vec<f64>,
    margins: Vec<f64>,
    facts: F,
}

impl<'a, F: Facts> Explanation<'a, F> {
    pub(super) fn new(model: &'a Model, mut facts: F) -> Self {
        let bound = model.bound(&mut facts);
        let mut explanation = Self {
            model,
            bound,
            margins: Vec::new(),
            facts,
        };
        for term in &model.bindings {
            let margin = explanation.margin(term);
            explanation.margins.push(margin);
        }
        explanation
    }

    /// The value of a term; `None` where it is not known.
    pub(super) fn value(&mut self, term: Option<&Term>) -> Option<f64> {
        let value = self.evaluate(term?);
        (!value.is_nan()).then_some(value)
    }

    /// The score that is written, or else how far the condition is from its boundary. `None`: not known.
    pub(super) fn score(&mut self) -> Option<f64> {
        let model = self.model;
        if model.score.is_some() {
            return self.value(model.score.as_ref());
        }
        let margin = self.margin(&model.when);
        (!margin.is_nan()).then(|| if margin.is_infinite() { TRUE_SCORE } else { margin })
    }

    /// What decided.
    pub(super) fn reason(&mut self) -> String {
        let model = self.model;
        if self.evaluate(&model.when).is_nan() {
            return format!("no opinion: {}", self.unknown(&model.when));
        }
        self.decided_by(&model.when)
    }

    /// The name, type and value of each `let`.
    pub(super) fn named_values(&self) -> impl Iterator<Item = (&str, Type, f64)> {
        let model = self.model;
        let names = model.names();
        names.map(move |(name, place)| (name, model.bindings[place].kind, self.bound[place]))
    }

    fn evaluate(&mut self, term: &Term) -> f64 {
        term.evaluate(&self.bound, &mut self.facts)
    }

    /// How far a condition is from its boundary: 1 or more where it holds. Of a comparison of what is above zero, that is
    /// the ratio; where there is no such thing, infinity if it holds, and 0 if not. A chain of conditions is as far from
    /// its boundary as the part that would have to change.
    fn margin(&mut self, term: &Term) -> f64 {
        let holds = self.evaluate(term);
        if holds.is_nan() || term.kind != Type::Boolean {
            return UNKNOWN;
        }
        let plain = if is_true(holds) { f64::INFINITY } else { 0.0 };
        let margin = match &term.what {
            Operation::And(terms) => {
                let [left, right] = terms.each_ref().map(|term| self.margin(term));
                // What is not known matters no more once the other is false.
                left.min(right)
            }
            Operation::Or(terms) => {
                let [left, right] = terms.each_ref().map(|term| self.margin(term));
                left.max(right)
            }
            Operation::Bound(place) => self.margins.get(*place).copied().unwrap_or(plain),
            Operation::Binary(Binary::Comparison(comparison), terms) => {
                let [left, right] = terms.each_ref().map(|term| self.evaluate(term));
                let (more, less) = match comparison {
                    Comparison::Greater | Comparison::GreaterOrEqual => (left, right),
                    Comparison::Less | Comparison::LessOrEqual => (right, left),
                    Comparison::Equal | Comparison::Unequal => return plain,
                };
                if more >= 0.0 && less > 0.0 { more / less } else { plain }
            }
            _ => plain,
        };
        // At the boundary itself rounding may not speak against the answer.
        if is_true(holds) {
            margin.max(1.0)
        } else {
            margin.min(1.0_f64.next_down())
        }
    }

    fn decided_by(&mut self, term: &Term) -> String {
        let holds = is_true(self.evaluate(term));
        match &term.what {
            Operation::And(terms) if holds => self.all_of(&**terms),
            Operation::Or(terms) if !holds => self.all_of(&**terms),
            Operation::And(terms) => self.one_of(&**terms, false),
            Operation::Or(terms) => self.one_of(&**terms, true),
            Operation::Unary(Unary::Not, inner)
                if !matches!(inner.what, Operation::Within(_) | Operation::Among(..)) && !is_unequal_text(term) =>
            {
                self.decided_by(inner)
            }
            Operation::Binary(Binary::Comparison(comparison), terms) => {
                let [left, right] = terms.each_ref().map(|term| self.side(term));
                let not = if holds { "" } else { "not: " };
                format!("{not}{left} {} {right}", comparison.sign())
            }
            _ => {
                let not = if holds { "" } else { "not: " };
                format!("{not}{}", self.with_values(term))
            }
        }
    }

    fn all_of(&mut self, terms: &[Term]) -> String {
        let reasons: Vec<String> = terms.iter().map(|term| self.decided_by(term)).collect();
        reasons.join(" and ")
    }

    /// The first that is `holds` has decided.
    fn one_of(&mut self, terms: &[Term], holds: bool) -> String {
        let mut terms = terms.iter();
        let decisive = terms.find(|term| {
            let value = self.evaluate(term);
            !value.is_nan() && is_true(value) == holds
        });
        decisive.map_or_else(String::new, |term| self.decided_by(term))
    }

    /// One side of a comparison: as it is written, with values, and what comes of it.
    fn side(&mut self, term: &Term) -> String {
        let written = self.with_values(term);
        match &term.what {
            Operation::Constant(_) | Operation::Fact(_) | Operation::Bound(_) => written,
            Operation::Unary(Unary::Negative, inner) if matches!(inner.what, Operation::Constant(_)) => written,
            _ => format!("{written} = {}", number(self.evaluate(term))),
        }
    }

    /// The source of a term, with its value behind each name and function.
    fn with_values(&mut self, term: &Term) -> String {
        let model = self.model;
        let source = model.sources().when.as_str();
        let mut values = Vec::new();
        self.collect(term, &mut values);
        values.sort_by_key(|(end, _)| *end);
        let mut out = String::new();
        let mut begin = term.at.start;
        for (end, value) in values {
            out.push_str(source.get(begin..end).unwrap_or_default());
            out.push(' ');
            out.push_str(&value);
            begin = end;
        }
        out.push_str(source.get(begin..term.at.end).unwrap_or_default());
        let words: Vec<&str> = out.split_whitespace().collect();
        words.join(" ")
    }

    /// Where names and functions end, and what their values are.
    fn collect(&mut self, term: &Term, values: &mut Vec<(usize, String)>) {
        match &term.what {
            Operation::Constant(_) => {}
            _ if matches!(term.what, Operation::Fact(_) | Operation::Bound(_)) || is_unequal_text(term) => {
                let value = self.evaluate(term);
                let value = match term.kind {
                    _ if value.is_nan() => "unknown".to_owned(),
                    Type::Boolean => if is_true(value) { "(true)" } else { "(false)" }.to_owned(),
                    Type::Number => number(value),
                    Type::Duration => format!("{}s", number(value)),
                };
                values.push((term.at.end, value));
            }
            _ => term.parts().into_iter().for_each(|part| self.collect(part, values)),
        }
    }

    /// The first value that is not known.
    fn unknown(&mut self, term: &Term) -> String {
        let mut found = None;
        self.find_unknown(term, &mut found);
        match found {
            Some(source) => format!("{source} is not known"),
            None => "a value is out of range".to_owned(),
        }
    }

    fn find_unknown(&mut self, term: &Term, found: &mut Option<String>) {
        if found.is_some() || !self.evaluate(term).is_nan() {
            return;
        }
        let model = self.model;
        match &term.what {
            Operation::Constant(_) => {}
            Operation::Fact(_) | Operation::Bound(_) => {
                let source = model.sources().when.get(term.at.clone()).unwrap_or_default();
                *found = Some(source.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            _ => term.parts().into_iter().for_each(|part| self.find_unknown(part, found)),
        }
        if found.is_none() {
            // All its parts are known: a division by zero, or the like.
            *found = Some(self.with_values(term));
        }
    }
}

/// Is it `node(2) != 'test'`, which is written as one and checked as `not` of the other?
fn is_unequal_text(term: &Term) -> bool {
    match &term.what {
        Operation::Unary(Unary::Not, inner) => inner.at == term.at && matches!(inner.what, Operation::Fact(_)),
        _ => false,
    }
}
