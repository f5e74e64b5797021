//! A source as a tree, whose names and types nobody has looked at yet.

use std::ops::Range;

/// A part of a source, and the bytes that it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Syntax {
    pub(super) at: Range<usize>,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Number(f64),
    Text(String),
    Name(String),
    Call {
        name: Named,
        arguments: Vec<Syntax>,
    },
    /// `of.name`.
    Member {
        of: Box<Syntax>,
        name: Named,
    },
    Not(Box<Syntax>),
    Negative(Box<Syntax>),
    Arithmetic(Arithmetic, Box<[Syntax; 2]>),
    Comparison(Comparison, Box<[Syntax; 2]>),
    And(Box<[Syntax; 2]>),
    Or(Box<[Syntax; 2]>),
    /// Condition, what then, and what else.
    If(Box<[Syntax; 3]>),
    In {
        subject: Box<Syntax>,
        set: Set,
        negated: bool,
    },
}

/// A name, and the bytes that it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// What something is looked for in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Set {
    /// From the first up to, and without, the second.
    Range(Box<[Syntax; 2]>),
    List(Vec<Syntax>),
}

/// What two numbers make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `let name = value;`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub(super) name: Named,
    pub(super) value: Syntax,
}

/// A whole source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    pub(super) bindings: Vec<Binding>,
    pub(super) result: Syntax,
}

impl Arithmetic {
    /// As it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl Comparison {
    /// As it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}
