use super::{Example, minutely};

const DAY: u32 = 1440;

/// Five weeks of orders: more at noon, fewer on weekends; on the last Wednesday half of them are missing for two hours, and the day
/// before a good hour was told to nobody.
pub(super) fn example() -> Example {
    let wobble = |minute: u32| f64::from(minute * 7919 % 101) / 101.0 - 0.5;
    // It begins on a Wednesday.
    let wednesday = 35 * DAY;
    let orders = (0..36 * DAY).map(|minute| {
        let noon = (1.0 - (f64::from(minute) * std::f64::consts::TAU / f64::from(DAY)).cos()) / 2.0;
        let weekend = if [3, 4].contains(&(minute / DAY % 7)) { 0.6 } else { 1.0 };
        let usual = (200.0 + 300.0 * noon) * weekend + 40.0 * wobble(minute);
        match minute {
            _ if (wednesday + 600..wednesday + 720).contains(&minute) => usual / 2.0,
            _ if (wednesday - DAY + 600..wednesday - DAY + 660).contains(&minute) => usual * 1.6,
            _ => usual,
        }
    });
    Example {
        name: "forecast",
        lines: minutely("shop.orders", orders)
            .into_iter()
            .map(|(_, line)| line)
            .collect(),
        told: vec!["51015 opens orders shop.orders", "51120 closes orders shop.orders"],
    }
}
