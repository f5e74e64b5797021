use super::{Example, minutely, together};

const DAY: u32 = 1440;

/// Two days of a shop: errors by night and by day, logins that fail to come on the second noon, and requests that stay away
/// while failures do not.
pub(super) fn example() -> Example {
    let errors = (0..DAY).map(|minute| match minute {
        180..200 => 60.0,
        600..610 => 30.0,
        660..670 => 9.0,
        _ => f64::from(4 + minute % 3),
    });
    let noon = DAY + 720;
    let logins = (0..2 * DAY).map(|minute| match minute % DAY {
        _ if (noon..noon + 40).contains(&minute) => 30.0,
        0..360 => 20.0,
        _ => 100.0,
    });
    let requests = (0..DAY).map(|minute| if (300..320).contains(&minute) { 20.0 } else { 200.0 });
    let failures = (0..DAY).map(|_| 4.0);
    Example {
        name: "expressions",
        lines: together([
            minutely("shop.requests", requests),
            minutely("shop.failures", failures),
            minutely("shop.checkout.errors", errors),
            minutely("app.logins", logins),
        ]),
        told: vec![
            "300 opens failure-rate shop.failures",
            "320 closes failure-rate shop.failures",
            "600 opens checkout-errors shop.checkout.errors",
            "610 closes checkout-errors shop.checkout.errors",
            // Eleven of fifteen minutes at 30 instead of 100.
            "2170 opens logins app.logins",
            "2204 closes logins app.logins",
        ],
    }
}
