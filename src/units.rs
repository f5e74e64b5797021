//! Durations and sizes as people write them, `24h` and `4 GiB`, to and fro.

use std::time::Duration;

/// Units of time, the largest first (milliseconds).
const TIMES: [(&str, u64); 6] = [
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Units of size (bytes).
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// The duration that `text` says.
///
/// # Errors
/// What was expected, for the end of a message.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text).ok_or("expected a whole number and its unit, such as \"10s\" or \"24h\"")?;
    let millis = TIMES
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, millis)| *millis)
        .ok_or(
            "expected a unit out of `ms`, `s`, `m`, `h`, `d` and `w` after the number, such as \"10s\" or \"24h\"",
        )?;
    let millis = number.checked_mul(millis).ok_or("expected a shorter time")?;
    Ok(Duration::from_millis(millis))
}

/// The size that `text` says (bytes).
///
/// # Errors
/// What was expected, for the end of a message.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text).ok_or("expected a whole number and its unit, such as \"64 KiB\" or \"4 GiB\"")?;
    let bytes = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    let Some(bytes) = bytes else {
        let similar = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        return Err(match similar {
            Some((name, _)) => format!("expected a known unit; did you mean \"{number} {name}\"?"),
            None => {
                "expected a unit out of `B`, `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB` and `TB` after the number"
                    .to_owned()
            }
        });
    };
    Ok(number.checked_mul(bytes).ok_or("expected a smaller size")?)
}

/// The part of a whole that `text` says: `10%` is 0.1.
///
/// # Errors
/// What was expected, for the end of a message.
pub(crate) fn percentage(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').map(str::trim_end);
    let number = number.and_then(|number| number.parse::<f64>().ok());
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .map(|number| number / 100.0)
        .ok_or_else(|| "expected a percentage, such as \"10%\"".to_owned())
}

/// A number, and the rest of `text` without the white space about it.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.starts_with('_') || number.ends_with('_') {
        return None;
    }
    let number = number.replace('_', "").parse().ok()?;
    Some((number, unit.trim_start()))
}

/// `duration` in the largest unit that needs no fraction; below a millisecond it is cut off.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, factor) = TIMES
        .into_iter()
        // One day reads better as 24 hours, and nobody wants to be told of 4 weeks.
        .filter(|(unit, factor)| *unit != "w" && (*unit != "d" || millis > *factor))
        .find(|(_, factor)| millis.is_multiple_of(*factor))
        .filter(|_| millis > 0)
        .unwrap_or(("s", 1000));
    format!("{}{unit}", millis / factor)
}

/// `part` of a whole as a percentage that [`percentage`] reads back.
pub(crate) fn show_percentage(part: f64) -> String {
    // Times 100 may round: then the nearest that reads back is beside it.
    let number = part * 100.0;
    let candidates = [number, number.next_up(), number.next_down()];
    #[expect(clippy::float_cmp, reason = "what reads back is the same")]
    let exact = candidates.into_iter().find(|number| number / 100.0 == part);
    format!("{}%", exact.unwrap_or(number))
}

/// `bytes` in the largest binary unit that needs no fraction.
pub(crate) fn show_size(bytes: u64) -> String {
    let (unit, factor) = [
        ("TiB", 1_u64 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ]
    .into_iter()
    .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
    .unwrap_or(("B", 1));
    format!("{} {unit}", bytes / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn lasts(text: &str, millis: u64) {
        assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }

    #[track_caller]
    fn holds(text: &str, bytes: u64) {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(result: Result<T, String>, part: &str) {
        let message = result.unwrap_err();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn times() {
        lasts("500ms", 500);
        lasts("10s", 10_000);
        lasts("5m", 300_000);
        lasts("24h", 86_400_000);
        lasts("24 h", 86_400_000);
        lasts("7d", 604_800_000);
        lasts("2w", 1_209_600_000);
        lasts("0s", 0);
        lasts(" 86_400s ", 86_400_000);
    }

    #[test]
    fn sizes() {
        holds("512 B", 512);
        holds("64 KiB", 65_536);
        holds("64KiB", 65_536);
        holds("4 GiB", 4 << 30);
        holds("10 MB", 10_000_000);
        holds("1_000 KB", 1_000_000);
    }

    #[test]
    fn what_is_no_quantity_says_what_is() {
        refused(duration("24hours"), "`ms`, `s`");
        refused(duration("24"), "`ms`, `s`");
        refused(duration("1.5h"), "`ms`, `s`");
        refused(duration("1h30m"), "`ms`, `s`");
        refused(duration("-5s"), "a whole number");
        refused(duration("_5s"), "a whole number");
        refused(duration("h"), "a whole number");
        refused(duration(""), "a whole number");
        refused(duration("18446744073709551615w"), "a shorter time");
        refused(duration("99999999999999999999s"), "a whole number");
        refused(size("4 gib"), "did you mean \"4 GiB\"?");
        refused(size("4 G"), "`GiB`");
        refused(size("4"), "`GiB`");
        refused(size("much"), "a whole number");
        refused(size("18446744073709551615 TiB"), "a smaller size");
    }

    #[test]
    fn percentages() {
        assert_eq!(percentage("10%"), Ok(0.1));
        assert_eq!(percentage(" 2.5 % "), Ok(0.025));
        assert_eq!(show_percentage(0.1), "10%");
        for text in ["10", "-1%", "%", "ten%", "inf%", "nan%"] {
            refused(percentage(text), "such as \"10%\"");
        }
    }

    #[test]
    fn the_largest_unit_is_shown() {
        let shown = |seconds| show_duration(Duration::from_secs(seconds));
        assert_eq!(
            [0, 10, 300, 86_400, 90_000, 172_800].map(shown),
            ["0s", "10s", "5m", "24h", "25h", "2d"]
        );
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(
            [0, 1000, 16_384, 8 << 20].map(show_size),
            ["0 B", "1000 B", "16 KiB", "8 MiB"]
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(number: u64) {
            let time = Duration::from_millis(number);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
            prop_assert_eq!(size(&show_size(number)), Ok(number));
        }

        #[test]
        fn a_percentage_that_is_shown_reads_back(number in 0.0..1e6) {
            let part = number / 100.0;
            prop_assert_eq!(percentage(&show_percentage(part)), Ok(part));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (duration(&text), size(&text), percentage(&text));
        }
    }
}
