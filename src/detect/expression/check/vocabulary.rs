//! All names of the language, and how they are used.

use super::super::term::{Fact, Figure, Statistic, Type, Unary};

/// The names that stand alone.
pub(super) const NAMES: [&str; 5] = ["value", "previous", "expected", "lower", "upper"];
/// Functions of a part of the window; all take how far it reaches, and how long ago it ends.
pub(super) const WINDOWED: [(&str, Statistic); 11] = [
    ("count", Statistic::Count),
    ("sum", Statistic::Sum),
    ("mean", Statistic::Mean),
    ("stddev", Statistic::Deviation),
    ("min", Statistic::Smallest),
    ("max", Statistic::Largest),
    ("median", Statistic::Median),
    ("mad", Statistic::MedianDeviation),
    ("slope", Statistic::Slope),
    ("line", Statistic::Line),
    ("line_stddev", Statistic::LineDeviation),
];
/// Functions of nothing.
pub(super) const MOMENTARY: [(&str, Fact, Type); 5] = [
    ("age", Fact::Age, Type::Duration),
    ("rate", Fact::Rate, Type::Number),
    ("hour", Fact::Hour, Type::Number),
    ("minute", Fact::Minute, Type::Number),
    ("weekday", Fact::Weekday, Type::Number),
];
/// Functions of a number.
pub(super) const UNARY: [(&str, Unary); 7] = [
    ("abs", Unary::Absolute),
    ("log", Unary::Logarithm),
    ("exp", Unary::Exponential),
    ("sqrt", Unary::Root),
    ("floor", Unary::Floor),
    ("ceil", Unary::Ceiling),
    ("round", Unary::Round),
];
/// Functions of other forms.
pub(super) const SPECIAL: [&str; 9] = [
    "quantile",
    "ewma",
    "ew_stddev",
    "pow",
    "t_quantile",
    "known",
    "node",
    "detector",
    "series",
];
/// What a detector is asked.
pub(super) const FIGURES: [(&str, Figure, Type); 5] = [
    ("score", Figure::Score, Type::Number),
    ("anomalous", Figure::Anomalous, Type::Boolean),
    ("expected", Figure::Expected, Type::Number),
    ("lower", Figure::Lower, Type::Number),
    ("upper", Figure::Upper, Type::Number),
];

/// The detector that `expected`, `lower` and `upper` are of.
pub(super) const DEFAULT_DETECTOR: &str = "default";

/// All names of the language.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
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

pub(super) fn is_known(name: &str) -> bool {
    known().any(|known| known == name)
}

/// What stands for a figure behind a dot.
pub(in super::super) fn figure_name(figure: Figure) -> &'static str {
    let named = FIGURES.iter().find(|(_, other, _)| *other == figure);
    named.map(|(name, ..)| *name).expect("each figure has a name")
}

/// How a function is called.
pub(super) fn usage(function: &str) -> String {
    match function {
        "quantile" => {
            "quantile(0.99, '6h'), or quantile(0.99, '1h', '23h') for the hour that ended 23 hours ago".to_owned()
        }
        "ewma" | "ew_stddev" => format!("{function}(50), where 50 is its centre of mass in samples"),
        "pow" => "pow(x, y)".to_owned(),
        "t_quantile" => "t_quantile(0.99, degrees of freedom)".to_owned(),
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
pub(super) fn list_of<const N: usize>(names: [&str; N]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
