//! Readers for each type of value.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use super::{ELEMENTS_MAX, Section, found};
use crate::{
    config::{
        report::{At, any_of},
        tree::{Node, Value},
    },
    units,
};

/// What a number with a fraction may be.
#[derive(Debug)]
pub(in crate::config) struct Bounds {
    /// For people, as in "a number above 0".
    pub(in crate::config) text: &'static str,
    /// The same for numbers.
    pub(in crate::config) hold: fn(f64) -> bool,
}

impl<'a> Section<'a> {
    /// The text of `key`.
    pub(in crate::config) fn text(&mut self, key: &'static str, expected: &str) -> Option<At<&'a str>> {
        let node = self.get(key)?;
        if let Value::String(text) = &node.value {
            return Some(At {
                value: text,
                place: node.place,
            });
        }
        self.wrong(key, node, expected);
        None
    }

    /// What `parse` makes of the text of `key`. What it expected completes the message.
    pub(in crate::config) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(node) = self.get(key) else {
            return default;
        };
        let result = match &node.value {
            Value::String(text) => parse(text),
            _ => Err(expected.to_owned()),
        };
        result.unwrap_or_else(|expected| {
            self.wrong(key, node, &expected);
            default
        })
    }

    /// One of `options`.
    pub(in crate::config) fn choice<T: Copy>(&mut self, key: &'static str, default: T, options: &[(&str, T)]) -> T {
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        let expected = format!("expected {}", any_of(&names));
        let report = self.report;
        self.parsed(key, default, &expected, |text| {
            let option = options.iter().find(|(name, _)| *name == text);
            option.map(|(_, value)| *value).ok_or_else(|| {
                let suggestion = report.suggestion(text, names.iter().copied());
                format!("{expected}{suggestion}")
            })
        })
    }

    /// `true` or `false`.
    pub(in crate::config) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.get(key) {
            None => default,
            Some(Node {
                value: Value::Boolean(value),
                ..
            }) => *value,
            Some(node) => {
                self.wrong(key, node, "expected true or false, without quotes");
                default
            }
        }
    }

    /// A whole number in `range`.
    pub(in crate::config) fn count<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let Some(node) = self.get(key) else {
            return default;
        };
        if let Value::Integer(number) = node.value
            && let Some(Ok(number)) = number.map(T::try_from)
            && range.contains(&number)
        {
            return number;
        }
        let expected = format!("expected a whole number from {} to {}", range.start(), range.end());
        self.wrong(key, node, &expected);
        default
    }

    /// A whole number in `range`, or "off".
    pub(in crate::config) fn optional_count<T>(
        &mut self,
        key: &'static str,
        default: Option<T>,
        range: RangeInclusive<T>,
    ) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        match &self.get(key)?.value {
            Value::String(text) if text == "off" => None,
            _ => Some(self.count(key, default.unwrap_or(*range.start()), range)),
        }
    }

    /// A number, with or without a fraction.
    pub(in crate::config) fn number(&mut self, key: &'static str, default: f64, bounds: &Bounds) -> f64 {
        let Some(node) = self.get(key) else {
            return default;
        };
        match number(&node.value) {
            Some(number) if (bounds.hold)(number) => number,
            _ => {
                self.wrong(key, node, &format!("expected {}", bounds.text));
                default
            }
        }
    }

    /// Two numbers, the smaller one first; `None` where the key is absent, or is something else.
    pub(in crate::config) fn range(&mut self, key: &'static str) -> Option<(f64, f64)> {
        let node = self.get(key)?;
        let numbers: Vec<f64> = match &node.value {
            Value::Array(nodes) => nodes.iter().filter_map(|node| number(&node.value)).collect(),
            _ => Vec::new(),
        };
        match (numbers.as_slice(), self.elements(key)) {
            (&[low, high], Some(2)) if low < high => Some((low, high)),
            _ => {
                self.wrong(
                    key,
                    node,
                    "expected two numbers, the smaller one first, such as [10, 90]",
                );
                None
            }
        }
    }

    /// A number, or what `parse` makes of a text.
    pub(in crate::config) fn number_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        bounds: &Bounds,
        number: impl FnOnce(f64) -> T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let is_text = matches!(
            self.get(key),
            Some(Node {
                value: Value::String(_),
                ..
            })
        );
        if is_text {
            self.parsed(key, default, bounds.text, parse)
        } else if self.has(key) {
            number(self.number(key, 0.0, bounds))
        } else {
            default
        }
    }

    /// Whole numbers, 0 or more; empty when the value is something else, and `None` where the key is absent.
    pub(in crate::config) fn whole_numbers(&mut self, key: &'static str) -> Option<Vec<u32>> {
        let whole = |node: &Node| match node.value {
            Value::Integer(Some(number)) => u32::try_from(number).ok(),
            _ => None,
        };
        match &self.get(key)?.value {
            Value::Array(nodes) => nodes.iter().map(whole).collect::<Option<_>>().or(Some(Vec::new())),
            _ => Some(Vec::new()),
        }
    }

    /// There is such a key, whether it has a value that is of use or not.
    pub(in crate::config) fn knows(&mut self, key: &'static str) {
        self.get(key);
    }

    /// A time in `range`.
    pub(in crate::config) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(node) = self.get(key) else {
            return default;
        };
        duration_in(&node.value, &range).unwrap_or_else(|expected| {
            self.wrong(key, node, &expected);
            default
        })
    }

    /// A time in `range`; `None`: the word that may stand in its place does, or nothing.
    pub(in crate::config) fn duration_or(
        &mut self,
        key: &'static str,
        word: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let node = self.get(key)?;
        match duration_in(&node.value, &range) {
            _ if matches!(&node.value, Value::String(text) if text == word) => None,
            Ok(duration) => Some(duration),
            Err(expected) => {
                self.wrong(key, node, &format!("{expected}, or \"{word}\""));
                None
            }
        }
    }

    /// A time in `range`, or "off".
    pub(in crate::config) fn optional_duration(
        &mut self,
        key: &'static str,
        default: Option<Duration>,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let node = self.get(key);
        match node {
            None => default,
            Some(Node {
                value: Value::String(text),
                ..
            }) if text == "off" => None,
            Some(node) => duration_in(&node.value, &range).map_or_else(
                |expected| {
                    self.wrong(key, node, &format!("{expected}, or \"off\""));
                    default
                },
                Some,
            ),
        }
    }

    /// A size in `range` (bytes).
    pub(in crate::config) fn size(&mut self, key: &'static str, default: usize, range: RangeInclusive<u64>) -> usize {
        let Some(node) = self.get(key) else {
            return default;
        };
        size_in(&node.value, &range).unwrap_or_else(|expected| {
            self.wrong(key, node, &expected);
            default
        })
    }

    /// A size in `range` (bytes), or "off".
    pub(in crate::config) fn optional_size(
        &mut self,
        key: &'static str,
        default: Option<usize>,
        range: RangeInclusive<u64>,
    ) -> Option<usize> {
        match self.get(key) {
            None => default,
            Some(Node {
                value: Value::String(text),
                ..
            }) if text == "off" => None,
            Some(node) => size_in(&node.value, &range).map_or_else(
                |expected| {
                    self.wrong(key, node, &format!("{expected}, or \"off\""));
                    default
                },
                Some,
            ),
        }
    }

    /// What `parse` makes of each text of an array; `None` where the key is absent. `array` and `element` say what
    /// was expected of either.
    pub(in crate::config) fn list<T>(
        &mut self,
        key: &'static str,
        array: &str,
        element: &str,
        mut parse: impl FnMut(&'a str) -> Result<T, String>,
    ) -> Option<Vec<At<T>>> {
        let node = self.get(key)?;
        let mut out = Vec::new();
        for node in self.array(key, node, array) {
            let result = match &node.value {
                Value::String(text) => parse(text),
                _ => Err(element.to_owned()),
            };
            match result {
                Ok(value) => out.push(At {
                    value,
                    place: node.place,
                }),
                Err(expected) => {
                    let message = format!("{} has {}, {expected}", self.path(key), found(node));
                    self.report.say(node.place, message);
                }
            }
        }
        Some(out)
    }

    /// Names and texts of the table `key`, in the order of the files.
    pub(in crate::config) fn texts(&mut self, key: &'static str, expected: &str) -> Vec<(At<&'a str>, At<&'a str>)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Value::Table(table) = &node.value else {
            self.wrong(key, node, expected);
            return Vec::new();
        };
        if table.len() > ELEMENTS_MAX {
            let message = format!(
                "{} has too many entries, expected at most {ELEMENTS_MAX}",
                self.path(key)
            );
            self.report.say(node.place, message);
            return Vec::new();
        }
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.key);
        let mut texts = Vec::new();
        for (name, entry) in entries {
            self.check_name(name, entry.key, "an entry");
            if let Value::String(text) = &entry.node.value {
                let name = At {
                    value: name.as_str(),
                    place: entry.key,
                };
                let text = At {
                    value: text.as_str(),
                    place: entry.node.place,
                };
                texts.push((name, text));
            } else {
                let message = format!("{} holds {}, {expected}", self.path(key), found(&entry.node));
                self.report.say(entry.node.place, message);
            }
        }
        texts
    }
}

fn size_in(value: &Value, range: &RangeInclusive<u64>) -> Result<usize, String> {
    let bytes = match value {
        Value::String(text) => units::size(text)?,
        Value::Integer(Some(number)) if *number >= 0 => {
            return Err(format!(
                "expected a size with its unit, such as \"{number} KiB\" or \"{number} MiB\""
            ));
        }
        _ => return Err("expected a size with its unit, such as \"64 KiB\" or \"4 GiB\"".to_owned()),
    };
    let bytes_in_range = Some(bytes).filter(|bytes| range.contains(bytes));
    let (least, most) = (units::show_size(*range.start()), units::show_size(*range.end()));
    bytes_in_range
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("expected {least} to {most}"))
}

/// A finite number; whole ones up to 2^53, beyond which not all are there.
fn number(value: &Value) -> Option<f64> {
    match *value {
        Value::Float(number) => Some(number).filter(|number| number.is_finite()),
        #[expect(clippy::cast_precision_loss, reason = "up to 2^53 there is none")]
        Value::Integer(Some(number)) if number.unsigned_abs() <= 1 << 53 => Some(number as f64),
        _ => None,
    }
}

fn duration_in(value: &Value, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = match value {
        Value::String(text) => units::duration(text)?,
        Value::Integer(Some(number)) if *number >= 0 => {
            return Err(format!(
                "expected a time with its unit, such as \"{number}s\" or \"{number}h\""
            ));
        }
        _ => return Err("expected a time with its unit, such as \"10s\" or \"24h\"".to_owned()),
    };
    if range.contains(&duration) {
        Ok(duration)
    } else {
        let (least, most) = (units::show_duration(*range.start()), units::show_duration(*range.end()));
        Err(format!("expected {least} to {most}"))
    }
}
