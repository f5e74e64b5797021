//! Tables (CSV): rows of a time and a value, as scripts, spreadsheets and Graphite write them.
//!
//! * Fields are apart by commas, tabs or semicolons: by what the first line has, in this order.
//! * The first row may name the columns: when its first field does not begin like a time. It may name more than two; those
//!   after the value are not read.
//! * Rows of a name, a time and a value, as Graphite writes them (`format=csv`), hold a series for each name.
//! * Times are seconds since 1970, or dates with a time of day: of UTC, where they do not say which.
//! * A value that is empty, `None`, `null`, `nan` or `NA` is a sample that is missing. Anything else is refused, with its line.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
};

use jiff::civil::DateTime;

use crate::line::Timestamp;

/// Times beyond are no seconds (the year 5138): somebody counts in milliseconds.
const SECONDS_MAX: Timestamp = 100_000_000_000;

/// Points of one name, which is empty where the table has none.
#[derive(Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(Timestamp, f64)>,
}

/// The series of a table.
///
/// # Errors
/// What is wrong with it, and in which line.
pub(super) fn read(reader: impl Read) -> Result<Vec<Series>, String> {
    let mut reader = BufReader::new(reader);
    let delimiter = delimiter(reader.fill_buf().map_err(|error| error.to_string())?);
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(reader);
    let mut table: Vec<Series> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut fields_max = 2;
    for (place, row) in rows.records().enumerate() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let fields: Vec<&str> = row.iter().collect();
        let sample = match *fields.as_slice() {
            [name, time, value] if seconds(name).is_none() && seconds(time).is_some() => Some((name, time, value)),
            [time, value, ..] if fields.len() <= fields_max => Some(("", time, value)),
            _ => None,
        };
        let read = sample.and_then(|(name, time, value)| Some((name, seconds(time)?, number(value)?)));
        match read {
            Some((_, timestamp, _)) if timestamp.abs() > SECONDS_MAX => {
                return Err(format!(
                    "line {line}: {timestamp} is no time in seconds; are these milliseconds?"
                ));
            }
            Some((name, timestamp, value)) => {
                let place = places.get(name).copied().unwrap_or_else(|| {
                    places.insert(name.to_owned(), table.len());
                    table.push(Series {
                        name: name.to_owned(),
                        points: Vec::new(),
                    });
                    table.len() - 1
                });
                table[place].points.extend(value.map(|value| (timestamp, value)));
            }
            None if place == 0 && !begins_like_a_time(&row[0]) => fields_max = fields.len().max(2),
            None => {
                let shown = fields.iter().take(4).map(|field| format!("{field:?}"));
                let shown = shown.collect::<Vec<_>>().join(", ");
                return Err(format!("line {line}: {shown} is not a time and a value"));
            }
        }
    }
    Ok(table)
}

fn delimiter(text: &[u8]) -> u8 {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_there = |delimiter: &u8| line.contains(delimiter);
    b"\t,;".iter().copied().find(is_there).unwrap_or(b',')
}

fn begins_like_a_time(field: &str) -> bool {
    field.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '+')
}

/// `None`: it is no number. `Some(None)`: it is missing.
#[expect(clippy::option_option, reason = "what is missing is read, and what is wrong is not")]
fn number(text: &str) -> Option<Option<f64>> {
    let missing = ["", "none", "null", "nan", "na"];
    if missing.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(None);
    }
    text.parse().ok().map(Some)
}

/// Seconds since 1970, from those or from a date with a time of day.
fn seconds(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "fractions are cut off, as carbon does")]
        return seconds.is_finite().then_some(seconds as Timestamp);
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_second());
    }
    let date: DateTime = text.parse().ok()?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<(Timestamp, f64)> {
        let mut table = read(text.as_bytes()).unwrap();
        assert_eq!(table.len(), 1, "{table:?}");
        let series = table.pop().unwrap();
        assert_eq!(series.name, "");
        series.points
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        assert_eq!(read(text.as_bytes()).unwrap_err(), why);
    }

    #[test]
    fn rows_are_a_time_and_a_value() {
        let expected = [(1_700_000_000, 1.5), (1_700_000_060, -2.0)];
        for text in [
            "1700000000,1.5\n1700000060,-2\n",
            "timestamp,value\n1700000000,1.5\n1700000060,-2\n",
            "timestamp;value\n1700000000;1.5\n1700000060;-2\n",
            "1700000000\t1.5\r\n1700000060\t-2\r\n",
            "time, value, label\n1700000000.9, 1.5, 0\n1700000060, -2, 1\n",
            "2023-11-14 22:13:20,1.5\n2023-11-14T22:14:20,-2\n",
            "2023-11-14T22:13:20Z,1.5\n2023-11-14T23:14:20+01:00,-2\n",
        ] {
            assert_eq!(points(text), expected, "{text}");
        }
    }

    #[test]
    fn samples_may_be_missing() {
        assert_eq!(
            points("10,1\n20,\n30,None\n40,null\n50,NaN\n60,6\n"),
            [(10, 1.0), (60, 6.0)]
        );
    }

    #[test]
    fn graphite_names_the_series_of_each_row() {
        let table = read("a.b,2023-11-14 22:13:20,1\na.b,2023-11-14 22:14:20,\nc,2023-11-14 22:13:20,3\n".as_bytes());
        let series = |name: &str, value| Series {
            name: name.to_owned(),
            points: vec![(1_700_000_000, value)],
        };
        assert_eq!(table.unwrap(), [series("a.b", 1.0), series("c", 3.0)]);
    }

    #[test]
    fn what_is_something_else_is_refused_with_its_line() {
        refused("1,2\nx,y\n", "line 2: \"x\", \"y\" is not a time and a value");
        refused("1700000000|1\n", "line 1: \"1700000000|1\" is not a time and a value");
        refused(
            "1700000000,\"1,5\"\n",
            "line 1: \"1700000000\", \"1,5\" is not a time and a value",
        );
        refused(
            "1700000000,1,000\n",
            "line 1: \"1700000000\", \"1\", \"000\" is not a time and a value",
        );
        refused(
            "time,value\n1700000000,1,5\n",
            "line 2: \"1700000000\", \"1\", \"5\" is not a time and a value",
        );
        refused(
            "timestamp,value\n1700000000000,1\n",
            "line 2: 1700000000000 is no time in seconds; are these milliseconds?",
        );
    }
}
