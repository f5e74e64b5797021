//! What is wrong with a source, and where.

use std::ops::Range;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes of the source that it is about.
    pub at: Range<usize>,
    /// What is wrong and what was expected, in lower case, without a full stop.
    pub message: String,
    /// A name that is not known, and those that are.
    pub meant: Option<Meant>,
}

/// A name that is not known, and those that are: one of these may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// As it was written.
    pub name: String,
    /// What there is.
    pub known: Vec<String>,
}

impl Mistake {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            meant: None,
        }
    }

    /// The same, where one of `known` may have been meant by `name`.
    pub(super) fn meant(self, name: &str, known: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            meant: Some(Meant {
                name: name.to_owned(),
                known: known.into_iter().map(Into::into).collect(),
            }),
            ..self
        }
    }
}
