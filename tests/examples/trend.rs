use super::{Example, minutely, together};

const DAY: u32 = 1440;

/// Two weeks of a disk that fills until somebody makes room, of one with logs that are rotated, and of a memory that leaks on the
/// last day, until the server is started again.
pub(super) fn example() -> Example {
    let wobble = |minute: u32| f64::from(minute * 7919 % 101) / 101.0 - 0.5;
    let hours = |minute: u32| f64::from(minute) / 60.0;
    // 95 after 320 hours; room is made after 310.
    let full = (0..14 * DAY).map(|minute| match minute {
        0..18_600 => 15.0 + 0.25 * hours(minute) + wobble(minute),
        _ => 40.0 + 0.25 * (hours(minute) - 310.0) + wobble(minute),
    });
    let rotated = (0..14 * DAY).map(|minute| 60.0 + 30.0 * hours(minute % DAY) / 24.0 + wobble(minute));
    // 4 GB are gone after five hours, and back after four.
    let (leak, restart) = (13 * DAY, 13 * DAY + 240);
    let free = (0..14 * DAY).map(|minute| match minute {
        _ if (leak..restart).contains(&minute) => 4e9 - 8e8 * hours(minute - leak) + 1e7 * wobble(minute),
        _ => 4e9 + 1e7 * wobble(minute),
    });
    Example {
        name: "trend",
        lines: together([
            minutely("servers.db1.disk.data.percent", full),
            minutely("servers.db1.disk.logs.percent", rotated),
            minutely("servers.web1.memory.free", free),
        ]),
        told: vec![
            // A day before 19200.
            "17762 opens disk-full servers.db1.disk.data.percent",
            // Two hours after room was made.
            "18720 closes disk-full servers.db1.disk.data.percent",
            // Less than two hours before 19020.
            "18911 opens leak servers.web1.memory.free",
            "18966 closes leak servers.web1.memory.free",
        ],
    }
}
