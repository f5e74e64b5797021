//! Parts of a model that can have one value only, whatever comes: each is a slip of somebody who meant something else.
//!
//! * Comparisons of what does not change, divisions by zero, hours, minutes and weekdays that there are not, and names of nodes
//!   and series that nothing is called.
//! * `true` and `false` stand for themselves: who writes them means them.
//! * A slip behind a `let` is told where the `let` is.

use std::ops::RangeInclusive;

use super::{
    mistake::Mistake,
    model::Model,
    syntax::{Arithmetic, Comparison},
    term::{Binary, Fact, Facts, Operation, Term, TextTerm, TextTest, Type, UNKNOWN, is_true},
};

/// Nothing is known.
struct Nothing;

impl Facts for Nothing {
    fn fact(&mut self, _: Fact) -> f64 {
        UNKNOWN
    }
}

/// What a clock shows.
struct Clock {
    name: &'static str,
    shows: RangeInclusive<i32>,
}

/// Looks for slips in one source.
struct Search<'a> {
    model: &'a Model,
    /// The value of each `let` that depends on nothing; of others it means nothing.
    bound: Vec<f64>,
    /// Does it depend on nothing?
    is_fixed: Vec<bool>,
    found: Vec<Mistake>,
}

/// All slips of `model`, each with the name of its source.
pub(super) fn search(model: &Model) -> Vec<(&'static str, Mistake)> {
    let mut search = Search {
        model,
        bound: model.bound(&mut Nothing),
        is_fixed: Vec::new(),
        found: Vec::new(),
    };
    for binding in &model.bindings {
        search.is_fixed.push(search.is_constant(binding));
    }
    let mut all = Vec::new();
    for (source, term) in model.terms() {
        search.look(term);
        all.extend(search.found.drain(..).map(|mistake| (source, mistake)));
    }
    all
}

impl Search<'_> {
    fn look(&mut self, term: &Term) {
        if let Some(mistake) = self.slip(term) {
            // What is within it would be told twice.
            self.found.push(mistake);
            return;
        }
        for part in term.parts() {
            self.look(part);
        }
    }

    fn slip(&self, term: &Term) -> Option<Mistake> {
        let say = |at: &Term, message: String| Some(Mistake::new(at.at.clone(), message));
        match &term.what {
            Operation::Binary(Binary::Arithmetic(Arithmetic::Divide | Arithmetic::Remainder), terms)
                if self.constant(&terms[1]) == Some(0.0) =>
            {
                say(
                    &terms[1],
                    "nothing can be divided by 0: what comes of it is never known".to_owned(),
                )
            }
            Operation::Fact(Fact::Text(place)) => {
                let message = slip_of_texts(&self.model.needs.texts[usize::from(*place)])?;
                say(term, message)
            }
            Operation::Fact(Fact::OtherValue(place) | Fact::OtherAge(place)) => {
                let name = &self.model.needs.series[usize::from(*place)];
                let message = match what_is_wrong_with(name)? {
                    "is a pattern" => format!("`{name}` is a pattern, expected the name of one series"),
                    wrong => format!("`{name}` {wrong}, which no series has in its name"),
                };
                say(term, message)
            }
            Operation::Binary(Binary::Comparison(comparison), terms) => {
                let [left, right] = &**terms;
                let (clock, number, is_left) = match (self.clock(left), self.clock(right)) {
                    (Some(clock), None) => (clock, self.constant(right)?, true),
                    (None, Some(clock)) => (clock, self.constant(left)?, false),
                    _ => return self.never_changes(term),
                };
                say(term, clock.slip(*comparison, number, is_left)?)
            }
            Operation::Within(terms) => {
                let [subject, low, high] = &**terms;
                let Some(clock) = self.clock(subject) else {
                    return self.never_changes(term);
                };
                let (begin, end) = (*clock.shows.start(), *clock.shows.end());
                let is_off = |end: &Term, range: RangeInclusive<i32>| {
                    self.constant(end)
                        .is_some_and(|number| number < f64::from(*range.start()) || number > f64::from(*range.end()))
                };
                let off = [(low, begin..=end), (high, begin..=end + 1)];
                let (off, _) = off.into_iter().find(|(end, range)| is_off(end, range.clone()))?;
                let message = format!(
                    "{clock}, expected a range of that, such as {begin}..{} for all of it",
                    end + 1
                );
                say(off, message)
            }
            Operation::Among(subject, others) => {
                let Some(clock) = self.clock(subject) else {
                    return self.never_changes(term);
                };
                let off = others.iter().find(|other| {
                    self.constant(other)
                        .is_some_and(|number| clock.slip(Comparison::Equal, number, true).is_some())
                })?;
                say(off, format!("{clock}, and never this"))
            }
            _ => None,
        }
    }

    /// What is wrong with a condition that depends on nothing.
    fn never_changes(&self, term: &Term) -> Option<Mistake> {
        debug_assert!(term.kind == Type::Boolean, "it is a condition");
        let value = self.constant(term)?;
        let message = match value {
            unknown if unknown.is_nan() => "this is never known, whatever comes",
            value if is_true(value) => "this always holds, whatever comes",
            _ => "this never holds, whatever comes",
        };
        Some(Mistake::new(term.at.clone(), message))
    }

    /// Its value, if it depends on nothing.
    fn constant(&self, term: &Term) -> Option<f64> {
        self.is_constant(term).then(|| term.evaluate(&self.bound, &mut Nothing))
    }

    fn is_constant(&self, term: &Term) -> bool {
        match &term.what {
            Operation::Fact(_) => false,
            Operation::Bound(place) => self.is_fixed[*place],
            _ => term.parts().into_iter().all(|part| self.is_constant(part)),
        }
    }

    /// The clock that it reads, and nothing else, here or through a `let`.
    fn clock(&self, term: &Term) -> Option<Clock> {
        let (name, shows) = match &term.what {
            Operation::Fact(Fact::Hour) => ("hour()", 0..=23),
            Operation::Fact(Fact::Minute) => ("minute()", 0..=59),
            Operation::Fact(Fact::Weekday) => ("weekday()", 1..=7),
            Operation::Bound(place) => return self.clock(&self.model.bindings[*place]),
            _ => return None,
        };
        Some(Clock { name, shows })
    }
}

impl Clock {
    /// What is wrong with comparing it with `number`, if something is: it never holds, or it always does and the number is none
    /// that the clock shows or comes to next, as in `hour() < 24`.
    fn slip(&self, comparison: Comparison, number: f64, is_left: bool) -> Option<String> {
        let holds = |shown: i32| {
            let (left, right) = if is_left {
                (f64::from(shown), number)
            } else {
                (number, f64::from(shown))
            };
            is_true(Binary::Comparison(comparison).of(left, right))
        };
        let (begin, end) = (*self.shows.start(), *self.shows.end());
        let is_near = number >= f64::from(begin) && number <= f64::from(end + 1);
        if !self.shows.clone().any(holds) {
            Some(format!("{self}: this never holds"))
        } else if self.shows.clone().all(holds) && (!is_near || comparison == Comparison::Unequal) {
            Some(format!("{self}: this always holds"))
        } else {
            None
        }
    }
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, shows } = self;
        let (begin, end) = (shows.start(), shows.end());
        if *begin == 1 {
            write!(f, "{name} is 1 (Monday) to 7 (Sunday)")
        } else {
            write!(f, "{name} is {begin} to {end}")
        }
    }
}

/// What is wrong with a comparison of texts, if something is.
fn slip_of_texts(test: &TextTest) -> Option<String> {
    let texts = || std::iter::once(&test.text).chain(&test.others);
    if !texts().any(|text| matches!(text, TextTerm::Node(_))) {
        return Some("these texts are both written down here: their comparison never changes".to_owned());
    }
    let mut literals = texts().filter_map(|text| match text {
        TextTerm::Literal(literal) => Some(literal),
        TextTerm::Node(_) => None,
    });
    literals.find_map(|literal| {
        let wrong = match what_is_wrong_with(literal) {
            // Of a name such as `a..b` it is one.
            Some("is empty") => return None,
            None if literal.contains('.') => "has a dot, which is what parts nodes",
            wrong => wrong?,
        };
        Some(match wrong {
            "is a pattern" => {
                format!("`{literal}` is a pattern, expected a whole node; patterns stand in `match` of a [[watch]]")
            }
            wrong => format!("`{literal}` {wrong}, and no node is called so"),
        })
    })
}

/// Why nothing is called so, if nothing can be.
fn what_is_wrong_with(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name
        .chars()
        .any(|character| character.is_whitespace() || character.is_control())
    {
        Some("has a blank")
    } else if name.contains(['*', '?', '[', ']', '{', '}']) {
        Some("is a pattern")
    } else {
        None
    }
}
