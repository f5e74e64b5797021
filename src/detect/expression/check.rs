//! From a tree of words to one in which every name leads somewhere and every type fits.

use std::{ops::Range, sync::Arc, time::Duration};

use super::{
    mistake::Mistake,
    syntax::{Arithmetic, Comparison, Named, Script, Set, Syntax, What},
    term::{
        Binary, Fact, Figure, Needs, Operation, Part, PartNeeds, Reach, Statistic, Term, TextTerm, TextTest, Type,
        Unary, truth,
    },
};
use crate::units;

/// The names that stand alone.
const NAMES: [&str; 5] = ["value", "previous", "expected", "lower", "upper"];
/// Functions of a part of the window; all take how far it reaches, and how long ago it ends.
const WINDOWED: [(&str, Statistic); 8] = [
    ("count", Statistic::Count),
    ("sum", Statistic::Sum),
    ("mean", Statistic::Mean),
    ("stddev", Statistic::Deviation),
    ("min", Statistic::Smallest),
    ("max", Statistic::Largest),
    ("median", Statistic::Median),
    ("mad", Statistic::MedianDeviation),
];
/// Functions of nothing.
const MOMENTARY: [(&str, Fact, Type); 5] = [
    ("age", Fact::Age, Type::Duration),
    ("rate", Fact::Rate, Type::Number),
    ("hour", Fact::Hour, Type::Number),
    ("minute", Fact::Minute, Type::Number),
    ("weekday", Fact::Weekday, Type::Number),
];
/// Functions of a number.
const UNARY: [(&str, Unary); 7] = [
    ("abs", Unary::Absolute),
    ("log", Unary::Logarithm),
    ("exp", Unary::Exponential),
    ("sqrt", Unary::Root),
    ("floor", Unary::Floor),
    ("ceil", Unary::Ceiling),
    ("round", Unary::Round),
];
/// Functions of other forms.
const SPECIAL: [&str; 8] = [
    "quantile",
    "ewma",
    "ew_stddev",
    "pow",
    "known",
    "node",
    "detector",
    "series",
];
/// What a detector is asked.
const FIGURES: [(&str, Figure, Type); 5] = [
    ("score", Figure::Score, Type::Number),
    ("anomalous", Figure::Anomalous, Type::Boolean),
    ("expected", Figure::Expected, Type::Number),
    ("lower", Figure::Lower, Type::Number),
    ("upper", Figure::Upper, Type::Number),
];

/// The detector that `expected`, `lower` and `upper` are of.
const DEFAULT_DETECTOR: &str = "default";

/// Parts of a window, means, tests of texts, detectors or series that one model may ask for: each costs memory and time.
const NEEDS_MAX: usize = 64;
/// Names that one model may give.
const BINDINGS_MAX: usize = 64;
/// Samples that a part of a window may be counted in.
const SAMPLES_MAX: u32 = 100_000;

/// Checks one source after the other; later ones may use the names of earlier ones.
#[derive(Debug)]
pub(super) struct Checker {
    /// How far windows reach back (seconds).
    span_s: i64,
    pub(super) needs: Needs,
    /// The value of each `let`; `None` of texts.
    pub(super) bindings: Vec<Term>,
    pub(super) names: Vec<(String, Bound)>,
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
            names: Vec::new(),
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

    fn arithmetic(
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

    fn comparison(
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

    fn membership(&mut self, subject: &Syntax, set: &Set, at: &Range<usize>) -> Result<Operation, Mistake> {
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

    fn name(&mut self, name: &str, at: Range<usize>) -> Result<Checked, Mistake> {
        if let Some((_, bound)) = self.names.iter().find(|(other, _)| other == name) {
            return Ok(match bound {
                Bound::Text(text) => Checked::Text(text.clone()),
                Bound::Term(place) => Checked::Term(Term {
                    at,
                    kind: self.bindings[*place].kind,
                    what: Operation::Bound(*place),
                }),
            });
        }
        let (kind, what) = match name {
            "true" | "false" => (Type::Boolean, Operation::Constant(truth(name == "true"))),
            "value" => (Type::Number, Operation::Fact(Fact::Value)),
            "previous" => (Type::Number, Operation::Fact(Fact::Previous)),
            "expected" => self.figure(DEFAULT_DETECTOR, Figure::Expected, &at)?,
            "lower" => self.figure(DEFAULT_DETECTOR, Figure::Lower, &at)?,
            "upper" => self.figure(DEFAULT_DETECTOR, Figure::Upper, &at)?,
            function if is_known(function) => {
                let message = format!(
                    "`{function}` is a function, expected its arguments: {}",
                    usage(function)
                );
                return Err(Mistake::new(at, message));
            }
            _ => {
                let message = format!("nothing is called `{name}`");
                let mut names: Vec<&str> = known().collect();
                names.extend(self.names.iter().map(|(own, _)| own.as_str()));
                return Err(Mistake::new(at, message).meant(name, names));
            }
        };
        Ok(Checked::Term(Term { at, kind, what }))
    }

    fn member(&mut self, of: &Syntax, name: &Named) -> Result<(Type, Operation), Mistake> {
        if let What::Call {
            name: function,
            arguments,
        } = &of.what
        {
            match (function.text.as_str(), arguments.as_slice()) {
                ("detector", [detector]) => {
                    let detector = self.literal(detector, "the name of a detector, in quotes")?;
                    let Some((_, figure, _)) = FIGURES.iter().find(|(known, ..)| *known == name.text) else {
                        let message = format!(
                            "a detector has no `{}`, but {}",
                            name.text,
                            list_of(FIGURES.map(|figure| figure.0))
                        );
                        let mistake = Mistake::new(name.at.clone(), message);
                        return Err(mistake.meant(&name.text, FIGURES.map(|figure| figure.0)));
                    };
                    return self.figure(&detector, *figure, &of.at);
                }
                ("series", [series]) => {
                    let series = self.literal(series, "the name of a series, in quotes")?;
                    let find = |other: &Arc<str>| **other == *series;
                    let place = place_of(&mut self.needs.series, find, || (*series).into(), "series", &of.at)?;
                    return match name.text.as_str() {
                        "value" => Ok((Type::Number, Operation::Fact(Fact::OtherValue(place)))),
                        "age" => Ok((Type::Duration, Operation::Fact(Fact::OtherAge(place)))),
                        other => {
                            let message = format!("a series has no `{other}`, but `value` or `age`");
                            Err(Mistake::new(name.at.clone(), message).meant(other, ["value", "age"]))
                        }
                    };
                }
                ("detector" | "series", _) => {
                    let message = format!("expected {}", usage(&function.text));
                    return Err(Mistake::new(of.at.clone(), message));
                }
                _ => {}
            }
        }
        let message = "only detector('…') and series('…') have anything behind a `.`";
        Err(Mistake::new(name.at.clone(), message))
    }

    fn figure(&mut self, detector: &str, figure: Figure, at: &Range<usize>) -> Result<(Type, Operation), Mistake> {
        let find = |other: &Arc<str>| **other == *detector;
        let place = place_of(&mut self.needs.detectors, find, || detector.into(), "detectors", at)?;
        let kind = FIGURES.iter().find(|(_, other, _)| *other == figure);
        let kind = kind.map_or(Type::Number, |(.., kind)| *kind);
        Ok((kind, Operation::Fact(Fact::Vote(place, figure))))
    }

    fn call(&mut self, name: &Named, arguments: &[Syntax], at: Range<usize>) -> Result<Checked, Mistake> {
        let function = name.text.as_str();
        let wrong = || Mistake::new(at.clone(), format!("expected {}", usage(function)));
        let fact = |kind, fact| {
            Checked::Term(Term {
                at: at.clone(),
                kind,
                what: Operation::Fact(fact),
            })
        };
        if let ("min" | "max", [left, right]) = (function, arguments)
            && !matches!(left.what, What::Text(_))
        {
            return self.extreme(function, left, right, at);
        }
        if let Some((_, statistic)) = WINDOWED.iter().find(|(known, _)| *known == function) {
            return self.windowed(*statistic, arguments, at.clone(), wrong);
        }
        if let Some((_, momentary, kind)) = MOMENTARY.iter().find(|(known, ..)| *known == function) {
            return if arguments.is_empty() {
                Ok(fact(*kind, *momentary))
            } else {
                Err(wrong())
            };
        }
        if let Some((_, unary)) = UNARY.iter().find(|(known, _)| *known == function) {
            let [argument] = arguments else { return Err(wrong()) };
            let argument = self.of_type(argument, Type::Number, &format!("in {function}()"))?;
            return Ok(Checked::Term(Term {
                at,
                kind: Type::Number,
                what: Operation::Unary(*unary, Box::new(argument)),
            }));
        }
        self.special(name, arguments, at)
    }

    /// A function of another form.
    fn special(&mut self, name: &Named, arguments: &[Syntax], at: Range<usize>) -> Result<Checked, Mistake> {
        let function = name.text.as_str();
        let wrong = || Mistake::new(at.clone(), format!("expected {}", usage(function)));
        let fact = |kind, fact| {
            Checked::Term(Term {
                at: at.clone(),
                kind,
                what: Operation::Fact(fact),
            })
        };
        match (function, arguments) {
            ("quantile", [share, rest @ ..]) => {
                let share = match share.what {
                    What::Number(share) if (0.0..=1.0).contains(&share) => share,
                    _ => {
                        return Err(Mistake::new(
                            share.at.clone(),
                            "expected a number from 0 to 1, such as 0.99",
                        ));
                    }
                };
                self.windowed(Statistic::Quantile(share), rest, at.clone(), wrong)
            }
            ("ewma" | "ew_stddev", [com]) => {
                let com = match com.what {
                    What::Number(com) if (0.0..=1e6).contains(&com) && com > 0.0 => com,
                    _ => {
                        let message = "expected how far the mean leans back: a number of samples above 0, such as 50";
                        return Err(Mistake::new(com.at.clone(), message));
                    }
                };
                #[expect(clippy::float_cmp, reason = "both were written down")]
                let place = place_of(
                    &mut self.needs.smooths,
                    |other| *other == com,
                    || com,
                    "weighted means",
                    &at,
                )?;
                let smooth = if function == "ewma" {
                    Fact::Smooth
                } else {
                    Fact::SmoothDeviation
                };
                Ok(fact(Type::Number, smooth(place)))
            }
            ("pow", [base, exponent]) => {
                let base = self.of_type(base, Type::Number, "in pow()")?;
                let exponent = self.of_type(exponent, Type::Number, "in pow()")?;
                Ok(Checked::Term(Term {
                    at,
                    kind: Type::Number,
                    what: Operation::Binary(Binary::Power, Box::new([base, exponent])),
                }))
            }
            ("known", [argument]) => {
                let argument = self.term(argument)?;
                Ok(Checked::Term(Term {
                    at,
                    kind: Type::Boolean,
                    what: Operation::Unary(Unary::Known, Box::new(argument)),
                }))
            }
            ("node", [node]) => Ok(Checked::Text(TextTerm::Node(node_number(node)?))),
            ("detector", [_]) => Err(Mistake::new(
                at,
                format!(
                    "say what of it: {} behind a `.`",
                    list_of(FIGURES.map(|figure| figure.0))
                ),
            )),
            ("series", [_]) => Err(Mistake::new(at, "say what of it: `value` or `age` behind a `.`")),
            _ if SPECIAL.contains(&function) => Err(wrong()),
            _ if NAMES.contains(&function) => {
                let message = format!("`{function}` is no function: leave out the parentheses");
                Err(Mistake::new(at, message))
            }
            _ => {
                let message = format!("there is no function `{function}`");
                Err(Mistake::new(name.at.clone(), message).meant(function, known()))
            }
        }
    }

    /// The smaller or the larger of two.
    fn extreme(&mut self, function: &str, left: &Syntax, right: &Syntax, at: Range<usize>) -> Result<Checked, Mistake> {
        let left = self.term(left)?;
        if left.kind == Type::Boolean {
            let message = format!("this is true or false, expected a number in {function}()");
            return Err(Mistake::new(left.at, message));
        }
        let right = self.of_type(right, left.kind, &format!("in {function}(), as before the comma"))?;
        let binary = if function == "min" {
            Binary::Smaller
        } else {
            Binary::Larger
        };
        Ok(Checked::Term(Term {
            at,
            kind: left.kind,
            what: Operation::Binary(binary, Box::new([left, right])),
        }))
    }

    fn windowed(
        &mut self,
        statistic: Statistic,
        arguments: &[Syntax],
        at: Range<usize>,
        wrong: impl FnOnce() -> Mistake,
    ) -> Result<Checked, Mistake> {
        let part = match arguments {
            [reach] => Part {
                reach: self.reach(reach)?,
                ago_s: 0,
            },
            [reach, ago] => {
                let reach = Reach::Seconds(self.seconds(reach)?);
                let ago_s = self.seconds(ago)?;
                Part { reach, ago_s }
            }
            _ => return Err(wrong()),
        };
        if let Reach::Seconds(seconds) = part.reach
            && seconds + part.ago_s > self.span_s
        {
            let span = units::show_duration(Duration::from_secs(self.span_s.unsigned_abs()));
            let message = format!("this reaches back further than window.span, which is {span}");
            return Err(Mistake::new(at, message));
        }
        let parts = &mut self.needs.parts;
        let place = place_of(
            parts,
            |needs| needs.part == part,
            || PartNeeds {
                part,
                statistics: Vec::new(),
            },
            "parts of the window",
            &at,
        )?;
        let statistics = &mut parts[usize::from(place)].statistics;
        if !statistics.contains(&statistic) {
            statistics.push(statistic);
        }
        Ok(Checked::Term(Term {
            at,
            kind: Type::Number,
            what: Operation::Fact(Fact::Windowed(place, statistic)),
        }))
    }

    /// How far a part of the window reaches: samples or a time.
    fn reach(&mut self, syntax: &Syntax) -> Result<Reach, Mistake> {
        if let What::Number(number) = syntax.what {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked"
            )]
            return if (1.0..=f64::from(SAMPLES_MAX)).contains(&number) && number.fract() == 0.0 {
                Ok(Reach::Samples(number as u32))
            } else {
                let message = format!("expected 1 to {SAMPLES_MAX} samples, or a time such as '1h'");
                Err(Mistake::new(syntax.at.clone(), message))
            };
        }
        self.seconds(syntax).map(Reach::Seconds)
    }

    /// A time of whole seconds that is written down.
    fn seconds(&mut self, syntax: &Syntax) -> Result<i64, Mistake> {
        let text = self.literal(syntax, "a time in quotes, such as '1h'")?;
        let duration = units::duration(&text).map_err(|expected| Mistake::new(syntax.at.clone(), expected))?;
        if duration.subsec_nanos() != 0 || duration < Duration::from_secs(1) {
            return Err(Mistake::new(syntax.at.clone(), "expected whole seconds, 1s or more"));
        }
        Ok(i64::try_from(duration.as_secs())
            .unwrap_or(i64::MAX / 4)
            .min(i64::MAX / 4))
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

fn node_number(syntax: &Syntax) -> Result<i32, Mistake> {
    let (number, sign) = match &syntax.what {
        What::Number(number) => (*number, 1.0),
        What::Negative(inner) => match inner.what {
            What::Number(number) => (number, -1.0),
            _ => (0.0, 1.0),
        },
        _ => (0.0, 1.0),
    };
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if (1.0..=1000.0).contains(&number) && number.fract() == 0.0 {
        Ok((sign * number) as i32)
    } else {
        let message = "expected which node of the name: 1 is the first, 2 the second, -1 the last";
        Err(Mistake::new(syntax.at.clone(), message))
    }
}

/// All names of the language.
fn known() -> impl Iterator<Item = &'static str> {
    let windowed = WINDOWED.iter().map(|(name, _)| *name);
    let momentary = MOMENTARY.iter().map(|(name, ..)| *name);
    let unary = UNARY.iter().map(|(name, _)| *name);
    NAMES
        .into_iter()
        .chain(windowed)
        .chain(momentary)
        .chain(unary)
        .chain(SPECIAL)
}

fn is_known(name: &str) -> bool {
    known().any(|known| known == name)
}

/// How a function is called.
fn usage(function: &str) -> String {
    match function {
        "quantile" => {
            "quantile(0.99, '6h'), or quantile(0.99, '1h', '23h') for the hour that ended 23 hours ago".to_owned()
        }
        "ewma" | "ew_stddev" => format!("{function}(50), where 50 is its centre of mass in samples"),
        "pow" => "pow(x, y)".to_owned(),
        "known" => "known(x)".to_owned(),
        "node" => "node(2), where 1 is the first node of the name and -1 the last".to_owned(),
        "detector" => "detector('name').score".to_owned(),
        "series" => "series('name').value".to_owned(),
        "min" | "max" => format!("{function}('1h'), {function}(3) for the last 3 samples, or {function}(x, y)"),
        _ if WINDOWED.iter().any(|(known, _)| *known == function) => format!(
            "{function}('1h'), {function}(3) for the last 3 samples, or {function}('1h', '23h') for the hour that ended 23 hours ago"
        ),
        _ if MOMENTARY.iter().any(|(known, ..)| *known == function) => format!("{function}()"),
        _ => format!("{function}(x)"),
    }
}

/// `a`, `b` or `c`.
fn list_of<const N: usize>(names: [&str; N]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
