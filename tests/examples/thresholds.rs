use super::{Example, minutely, together};

/// A disk with a backup and then trouble, a room with a sensor that sends nonsense, and a queue that runs dry.
pub(super) fn example() -> Example {
    // 89 is not above 90: first it has to stay above for a quarter of an hour.
    let disk = (0..120).map(|minute| match minute {
        20..30 => 93.0,
        50..70 => 91.0,
        70..100 => [91.0, 89.0][minute % 2],
        100.. => 84.0,
        _ => 70.0,
    });
    let room = (0..120).map(|minute| match minute {
        10 => -60.0,
        60..80 => 28.0,
        _ => 21.0,
    });
    let queue = (0..120).map(|minute| if minute < 80 { 5.0 + f64::from(minute % 3) } else { 0.0 });
    Example {
        name: "thresholds",
        lines: together([
            minutely("servers.db1.disk.data.percent", disk),
            minutely("rooms.cellar.temperature", room),
            minutely("queues.mail.rate", queue),
        ]),
        told: vec![
            "62 opens room rooms.cellar.temperature",
            "65 opens disk-full servers.db1.disk.data.percent",
            "82 closes room rooms.cellar.temperature",
            "100 closes disk-full servers.db1.disk.data.percent",
            "110 opens idle queues.mail.rate",
        ],
    }
}
