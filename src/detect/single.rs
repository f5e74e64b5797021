//! Single precision, where the seven digits that it has are more than a statistic is worth.

/// `value` in single precision, and the nearest that there is where it has no room.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what it is for")]
pub(super) fn single(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}
