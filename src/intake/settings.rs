//! Settings of the intake.

/// What happens to lines that carbon logs and drops: too few fields, text for a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardInvalid {
    /// They go upstream like any other: a relay is not stricter than what it replaces.
    #[default]
    Forward,
    /// They stay here, counted.
    Drop,
}
