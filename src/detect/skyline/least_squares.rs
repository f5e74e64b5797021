//! `least_squares`: is the mean of the last three residuals of a straight-line fit larger than three standard deviations
//! (ddof 0) of all residuals?
//!
//! The original also wants both, rounded to whole numbers, to differ from zero. So a series whose residuals stay below a
//! half never triggers, whatever its scale; `min_residual` is that half. No vote below three samples.

use super::{
    super::{Finding, Outcome},
    LeastSquares,
    facts::Facts,
};
use crate::window::{LineFit, TAIL_LEN, Window};

pub(super) fn find(settings: &LeastSquares, window: &Window, _facts: &Facts) -> Finding {
    let Some((fit, residual)) = fit(window) else {
        return Finding::UNDEFINED;
    };
    let mut finding = Finding::above(Some(residual.abs()), Some(settings.sigmas * fit.residual_deviation));
    if residual.abs() < settings.min_residual || fit.residual_deviation < settings.min_residual {
        finding.outcome = Outcome::False;
    }
    finding
}

pub(super) fn details(window: &Window) -> Vec<(&'static str, Option<f64>)> {
    let fitted = fit(window);
    vec![
        ("slope", window.line_fit().map(|fit| fit.slope)),
        ("residual", fitted.map(|(_, residual)| residual)),
        ("deviation", fitted.map(|(fit, _)| fit.residual_deviation)),
    ]
}

/// The line, and the mean of the last three residuals.
fn fit(window: &Window) -> Option<(LineFit, f64)> {
    let [third, second, first]: [_; TAIL_LEN] = window.tail().try_into().ok()?;
    let fit = window.line_fit()?;
    let residual = (fit.residual(first) + fit.residual(second) + fit.residual(third)) / 3.0;
    Some((fit, residual))
}
