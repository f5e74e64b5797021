//! A source as a tree in which every name leads somewhere and every type fits: what is evaluated.
//!
//! Everything is a number: truth is 1, falsehood 0, a time its seconds. What is not known is `NaN`, and spreads: a sum with
//! it, or a comparison, is not known either. No operation gives an infinity: that, too, is not known.

use std::{cell::Cell, ops::Range, sync::Arc};

use super::syntax::{Arithmetic, Comparison};
use crate::detect::statistics::student_t::upper_quantile;

/// What is not known.
pub(super) const UNKNOWN: f64 = f64::NAN;

/// A part of a source that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// The bytes of the source that it is.
    pub(super) at: Range<usize>,
    pub(super) kind: Type,
    pub(super) what: Operation,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Number,
    /// Seconds.
    Duration,
    /// 1 or 0.
    Boolean,
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Constant(f64),
    Fact(Fact),
    /// The value of a `let`, by its place.
    Bound(usize),
    Unary(Unary, Box<Term>),
    Binary(Binary, Box<[Term; 2]>),
    And(Box<[Term; 2]>),
    Or(Box<[Term; 2]>),
    /// Condition, what then, and what else.
    If(Box<[Term; 3]>),
    /// Is the first at least the second and below the third?
    Within(Box<[Term; 3]>),
    /// Is it one of these?
    Among(Box<Term>, Vec<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Negative,
    Absolute,
    Logarithm,
    Exponential,
    Root,
    Floor,
    Ceiling,
    Round,
    Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Arithmetic(Arithmetic),
    Comparison(Comparison),
    Power,
    /// Of Student's t: share, and degrees of freedom.
    StudentQuantile,
    Smaller,
    Larger,
}

/// Something that a series, its past, the clock or somebody else says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fact {
    Value,
    Previous,
    /// Time since the sample before (seconds).
    Age,
    /// Change since the sample before, for each second.
    Rate,
    Hour,
    Minute,
    /// 1 is Monday, 7 Sunday.
    Weekday,
    /// Of the part of the window with that place.
    Windowed(u8, Statistic),
    /// Exponentially weighted mean.
    Smooth(u8),
    /// Exponentially weighted standard deviation.
    SmoothDeviation(u8),
    /// Whether the test of texts with that place holds.
    Text(u8),
    /// Of the detector with that place.
    Vote(u8, Figure),
    /// The last value of the series with that place.
    OtherValue(u8),
    /// Time since then (seconds).
    OtherAge(u8),
}

/// What is asked about a part of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Count,
    Sum,
    Mean,
    /// With ddof 1.
    Deviation,
    Smallest,
    Largest,
    Median,
    /// The share of the samples that are no larger (0 to 1).
    Quantile(f64),
    /// Median distance from the median.
    MedianDeviation,
    /// Of the straight line through them (least squares): change per second.
    Slope,
    /// Where that line is at the newest sample of the series.
    Line,
    /// Standard deviation of the samples about it (ddof 0).
    LineDeviation,
}

/// What is asked about another detector's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Score,
    Anomalous,
    Expected,
    Lower,
    Upper,
}

/// A part of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) reach: Reach,
    /// It ends so long before the newest sample (seconds).
    pub(super) ago_s: i64,
}

/// How far a part of a window reaches back from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Samples(u32),
    Seconds(i64),
}

/// A part of a window, and all that is asked about it.
#[derive(Clone, Debug)]
pub(super) struct PartNeeds {
    pub(super) part: Part,
    pub(super) statistics: Vec<Statistic>,
}

/// A text that is known once a series has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextTerm {
    Literal(String),
    /// A node of the name: 1 is the first, -1 the last.
    Node(i32),
}

/// Is a text one of some others?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextTest {
    pub(super) text: TextTerm,
    pub(super) others: Vec<TextTerm>,
}

/// What terms ask for, by place.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    pub(super) parts: Vec<PartNeeds>,
    /// Centres of mass (samples).
    pub(super) smooths: Vec<f64>,
    pub(super) texts: Vec<TextTest>,
    pub(super) detectors: Vec<Arc<str>>,
    pub(super) series: Vec<Arc<str>>,
}

/// Where facts come from.
pub(super) trait Facts {
    /// The fact, `NaN` where it is not known; never infinite.
    fn fact(&mut self, fact: Fact) -> f64;
}

/// Truth as a number.
pub(super) fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Is it true, rather than false or not known?
pub(super) fn is_true(value: f64) -> bool {
    value > 0.0
}

/// `value`, if it is finite.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { UNKNOWN }
}

impl Unary {
    pub(super) fn of(self, value: f64) -> f64 {
        match self {
            Self::Not => 1.0 - value,
            Self::Negative => -value,
            Self::Absolute => value.abs(),
            Self::Logarithm => finite(value.ln()),
            Self::Exponential => finite(value.exp()),
            Self::Root => value.sqrt(),
            Self::Floor => value.floor(),
            Self::Ceiling => value.ceil(),
            Self::Round => value.round(),
            Self::Known => truth(!value.is_nan()),
        }
    }
}

impl Binary {
    pub(super) fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Arithmetic(arithmetic) => finite(match arithmetic {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide => left / right,
                Arithmetic::Remainder => left % right,
            }),
            _ if left.is_nan() || right.is_nan() => UNKNOWN,
            Self::Power => finite(left.powf(right)),
            Self::StudentQuantile => student_quantile(left, right),
            Self::Smaller => left.min(right),
            Self::Larger => left.max(right),
            #[expect(clippy::float_cmp, reason = "what is asked is whether they are the same")]
            Self::Comparison(comparison) => truth(match comparison {
                Comparison::Equal => left == right,
                Comparison::Unequal => left != right,
                Comparison::Less => left < right,
                Comparison::LessOrEqual => left <= right,
                Comparison::Greater => left > right,
                Comparison::GreaterOrEqual => left >= right,
            }),
        }
    }
}

/// Quantiles that each thread remembers: half a microsecond is long, and most often the same is asked again.
const QUANTILES_KEPT: usize = 64;

thread_local! {
    /// Share, degrees of freedom, and quantile.
    static QUANTILES: [Cell<(f64, f64, f64)>; QUANTILES_KEPT] =
        const { [const { Cell::new((UNKNOWN, UNKNOWN, UNKNOWN)) }; QUANTILES_KEPT] };
}

/// The t that a Student's t variable with `degrees` (1 or more) degrees of freedom stays below with probability `share` (above 0,
/// below 1).
fn student_quantile(share: f64, degrees: f64) -> f64 {
    if !(share > 0.0 && share < 1.0 && degrees >= 1.0) {
        return UNKNOWN;
    }
    let mixed = (share.to_bits() ^ degrees.to_bits().rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    QUANTILES.with(|kept| {
        let place = &kept[usize::try_from(mixed >> 58).expect("six bits count to 64")];
        let (of_share, of_degrees, quantile) = place.get();
        if (of_share.to_bits(), of_degrees.to_bits()) == (share.to_bits(), degrees.to_bits()) {
            return quantile;
        }
        let quantile = finite(if share > 0.5 {
            upper_quantile(1.0 - share, degrees)
        } else {
            -upper_quantile(share, degrees)
        });
        place.set((share, degrees, quantile));
        quantile
    })
}

/// Are both true? Not known where that hangs on what is not known.
pub(super) fn both(left: f64, right: f64) -> f64 {
    if left == 0.0 || right == 0.0 {
        0.0
    } else {
        // Both are 1, or not known.
        left * right
    }
}

/// Is either true? Not known where that hangs on what is not known.
pub(super) fn either(left: f64, right: f64) -> f64 {
    1.0 - both(1.0 - left, 1.0 - right)
}

/// Is `value` at least `low`, and below `high`?
pub(super) fn within(value: f64, low: f64, high: f64) -> f64 {
    let above = Binary::Comparison(Comparison::GreaterOrEqual).of(value, low);
    both(above, Binary::Comparison(Comparison::Less).of(value, high))
}

impl Term {
    /// What it is made of.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match &self.what {
            Operation::Constant(_) | Operation::Fact(_) | Operation::Bound(_) => Vec::new(),
            Operation::Unary(_, term) => vec![term],
            Operation::Binary(_, terms) | Operation::And(terms) | Operation::Or(terms) => terms.iter().collect(),
            Operation::If(terms) | Operation::Within(terms) => terms.iter().collect(),
            Operation::Among(subject, others) => std::iter::once(&**subject).chain(others).collect(),
        }
    }

    /// Does it ask for a fact of which `is_such` holds, and not through a `let`?
    pub(super) fn asks(&self, is_such: &impl Fn(Fact) -> bool) -> bool {
        match &self.what {
            Operation::Fact(fact) => is_such(*fact),
            _ => self.parts().into_iter().any(|part| part.asks(is_such)),
        }
    }

    /// Its value by walking the tree, where `bound` are the values of each `let`: what the program has to come to as well,
    /// and how an explanation is worked out.
    pub(super) fn evaluate(&self, bound: &[f64], facts: &mut impl Facts) -> f64 {
        match &self.what {
            Operation::Constant(value) => *value,
            Operation::Fact(fact) => facts.fact(*fact),
            Operation::Bound(place) => bound[*place],
            Operation::Unary(unary, term) => unary.of(term.evaluate(bound, facts)),
            Operation::Binary(binary, terms) => {
                let [left, right] = terms.each_ref().map(|term| term.evaluate(bound, facts));
                binary.of(left, right)
            }
            Operation::And(terms) => {
                let [left, right] = terms.each_ref().map(|term| term.evaluate(bound, facts));
                both(left, right)
            }
            Operation::Or(terms) => {
                let [left, right] = terms.each_ref().map(|term| term.evaluate(bound, facts));
                either(left, right)
            }
            Operation::If(terms) => {
                let [condition, then, otherwise] = terms.each_ref().map(|term| term.evaluate(bound, facts));
                if condition.is_nan() {
                    UNKNOWN
                } else if condition == 0.0 {
                    otherwise
                } else {
                    then
                }
            }
            Operation::Within(terms) => {
                let [value, low, high] = terms.each_ref().map(|term| term.evaluate(bound, facts));
                within(value, low, high)
            }
            Operation::Among(subject, others) => {
                let value = subject.evaluate(bound, facts);
                let equal = Binary::Comparison(Comparison::Equal);
                let mut found = 0.0;
                for other in others {
                    found = either(found, equal.of(value, other.evaluate(bound, facts)));
                }
                found
            }
        }
    }
}
