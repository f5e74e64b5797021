//! What is wrong with a configuration, and where.

use std::{fmt, path::PathBuf};

/// Why a configuration was refused: every mistake that was found, in the order of the files.
///
/// Displayed as one line for each, with an excerpt below it where there is one, and without a newline at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    problems: Vec<Problem>,
}

/// One mistake, displayed as `path:line:column: message`, or as `path: message` when a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named on the command line or found in `conf.d`.
    pub path: PathBuf,
    /// Where in the file; `None`: the file as a whole.
    pub position: Option<Position>,
    /// What is wrong and what was expected, in lower case, without a full stop.
    pub message: String,
    /// The line that it is about, for mistakes within a text.
    pub excerpt: Option<Excerpt>,
}

/// A line of a file, and what of it is meant. Displayed with carets below that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Number of the line (1 or more).
    pub line: usize,
    /// What it holds, cut where it is long, without tabs.
    pub text: String,
    /// Characters before what is meant.
    pub before: usize,
    /// Characters that are meant (1 or more).
    pub width: usize,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line (1 or more).
    pub line: usize,
    /// Column (characters, 1 or more).
    pub column: usize,
}

impl ConfigError {
    /// The error made of `problems`; `None` when there are none.
    pub(super) fn new(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self { problems })
    }

    /// What was found, at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, "{position}:")?;
        }
        write!(f, " {}", self.message)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            text,
            before,
            width,
        } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, " {number} | {text}")?;
        write!(f, " {margin} | {}{}", " ".repeat(*before), "^".repeat(*width))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
