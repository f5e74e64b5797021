//! Numbers and times for people.

/// `value` to four digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = [1000.0, 100.0, 10.0, 1.0]
        .iter()
        .take_while(|&&least| size < least)
        .count();
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `seconds` in the largest unit of which there are two.
pub(crate) fn duration(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7200.. => format!("{}h", seconds / 3600),
        120.. => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (12.0, "12"),
            (1.5, "1.5"),
            (-0.123_456, "-0.1235"),
            (123.456, "123.5"),
            (123_456.7, "123457"),
            (1e-9, "1.000e-9"),
            (2.5e12, "2.500e12"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(
            [59, 120, 7199, 7200, 86_400, 172_800].map(duration),
            ["59s", "2m", "119m", "2h", "24h", "2 days"]
        );
    }
}
