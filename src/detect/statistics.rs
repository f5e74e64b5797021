//! Distributions and tests that detectors are made of, as plain functions of numbers.

pub(crate) mod adf;
pub(crate) mod kolmogorov;
pub(crate) mod median;
mod normal;
pub(crate) mod student_t;
