use super::{BEGIN, Example, minutely, together};

const DAY: i64 = 1440;

/// Three days: a host dies, a gateway pauses, a backup is not made, and once nothing comes at all.
pub(super) fn example() -> Example {
    let heard = |from: i64| 1.0 + f64::from(u8::from(from % 2 == 0));
    let mut series: Vec<Vec<(i64, String)>> = (0..10)
        .map(|host| minutely(&format!("servers.web{host}.heartbeat"), (0..3 * DAY).map(heard)))
        .collect();
    series[3].retain(|(minute, _)| *minute < 2000);
    let mut gateway = minutely("payments.gateway.rate", (0..3 * DAY).map(heard));
    gateway.retain(|(minute, _)| !(500..520).contains(minute));
    series.push(gateway);
    // Nothing comes for an hour.
    for series in &mut series {
        series.retain(|(minute, _)| !(1000..1060).contains(minute));
    }
    // At two in the morning, by turns, and not in the third night.
    let backup = |host: &str, minute: i64| (minute, format!("backups.{host}.bytes 5e9 {}\n", BEGIN + 60 * minute));
    series.push(vec![backup("web1", 120), backup("web2", 120 + DAY)]);
    Example {
        name: "absence",
        lines: together(series),
        told: vec![
            "504 opens gateway payments.gateway.rate",
            "520 closes gateway payments.gateway.rate",
            "1002 opens silent **",
            "1004 opens gateway **",
            "1060 closes silent **",
            "1060 closes gateway **",
            "2002 opens silent servers.web3.heartbeat",
            "3120 opens backups backups.*.bytes",
            "3439 closes silent servers.web3.heartbeat",
        ],
    }
}
