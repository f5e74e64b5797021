use super::{Example, minutely, together};

const DAY: u32 = 1440;

/// When things go wrong: at midnight, on the ninth day.
const TROUBLE: u32 = 9 * DAY;
const ORDERS_BACK: u32 = TROUBLE + 13;

/// Ten days of a login service that is slow every noon, and one night; and of a shop.
pub(super) fn example() -> Example {
    let wobble = |minute: u32| f64::from(minute * 7919 % 101) / 101.0;
    let login = (0..10 * DAY).map(|minute| {
        let noon = (1.0 - (f64::from(minute) * std::f64::consts::TAU / f64::from(DAY)).cos()) / 2.0;
        let slow = if (TROUBLE..TROUBLE + 30).contains(&minute) {
            0.5
        } else {
            0.0
        };
        0.2 + 0.4 * noon + 0.02 * wobble(minute) + slow
    });
    let orders = (0..10 * DAY).map(|minute| match minute {
        TROUBLE..ORDERS_BACK => 20.0,
        _ => 500.0 + 50.0 * wobble(minute),
    });
    Example {
        name: "ensembles",
        lines: together([minutely("login.web1.seconds", login), minutely("shop.orders", orders)]),
        told: vec![
            "12960 opens money shop.orders",
            "12965 opens slow-and-unusual login.web1.seconds",
            // When there are orders again: `unusual` looks for what is above the expected, and the way back is not.
            "12973 closes money shop.orders",
            "12990 closes slow-and-unusual login.web1.seconds",
        ],
    }
}
