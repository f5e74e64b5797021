//! A table of the configuration, read key by key into checked values.
//!
//! Each reader takes the default, gives it back when the key is absent, and notes a mistake (giving the default)
//! when the value is not what it should be. A key that no reader asked for is noted when the section is left.

mod secrets;
mod values;

use std::{collections::HashMap, hash::Hash};

pub(super) use self::secrets::{NAMED_SECRET, SecretKeys, secret_keys};
pub(super) use self::values::Bounds;
use super::{
    report::{At, NAME, Place, Report, quoted},
    tree::{Node, Table, Value},
};

/// Elements of one array: a bound on the time that checking takes.
const ELEMENTS_MAX: usize = 10_000;

/// Longest name of an upstream, detector or channel (bytes).
const NAME_BYTES_MAX: usize = 200;

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    report: &'a Report,
    /// As in `detector.classic.grubbs`; empty at the top.
    path: String,
    /// The path with NAME for names, as in `detector.NAME.grubbs`.
    kind: String,
    place: Place,
    /// `None`: there is no such table in any file.
    table: Option<&'a Table>,
    asked: Vec<&'static str>,
    ignores_rest: bool,
    /// Tables in it that nobody asked for by name were read.
    has_others: bool,
}

impl<'a> Section<'a> {
    /// Reads the whole configuration.
    pub(super) fn top<T>(report: &'a Report, table: &'a Table, read: impl FnOnce(&mut Self) -> T) -> T {
        let place = Place { file: 0, offset: None };
        let mut section = Self {
            report,
            path: String::new(),
            kind: String::new(),
            place,
            table: Some(table),
            asked: Vec::new(),
            ignores_rest: false,
            has_others: false,
        };
        let out = read(&mut section);
        section.leave();
        out
    }

    /// Reads the table `key`, or an empty one where it is absent.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let mut inner = self.inner(key, key, self.place, None);
        if let Some(node) = self.get(key) {
            inner.place = node.place;
            match &node.value {
                Value::Table(table) => inner.table = Some(table),
                _ => self.wrong(key, node, &format!("expected a table, [{}]", inner.name())),
            }
        }
        let out = read(&mut inner);
        inner.leave();
        out
    }

    /// Reads each `[[key]]` in the order of the files; `None` where the key is absent.
    pub(super) fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> T) -> Option<Vec<T>> {
        let node = self.get(key)?;
        let expected = format!("expected a [[{key}]] for each");
        let mut out = Vec::new();
        for node in self.array(key, node, &expected) {
            if let Value::Table(table) = &node.value {
                let mut inner = self.inner(key, key, node.place, Some(table));
                out.push(read(&mut inner));
                inner.leave();
            } else {
                self.wrong(key, node, &expected);
            }
        }
        Some(out)
    }

    /// Reads each `[key.NAME]` in the order of the files.
    pub(super) fn named<T>(&mut self, key: &'static str, mut read: impl FnMut(At<&'a str>, &mut Self) -> T) -> Vec<T> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Value::Table(table) = &node.value else {
            self.wrong(key, node, &format!("expected a table for each, such as [{key}.NAME]"));
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.key);
        let mut out = Vec::new();
        for (name, entry) in entries {
            let path = format!("{key}.{name}");
            if let Value::Table(table) = &entry.node.value {
                self.check_name(name, entry.key, key);
                let mut inner = self.inner(&path, &format!("{key}.{NAME}"), entry.node.place, Some(table));
                let name = At {
                    value: name.as_str(),
                    place: entry.key,
                };
                out.push(read(name, &mut inner));
                inner.leave();
            } else {
                let message = format!(
                    "{} is {}, expected a table such as [{key}.NAME]",
                    shown_path(&path),
                    found(&entry.node)
                );
                self.report.say(entry.key, message);
            }
        }
        out
    }

    /// Reads each table in this one that no key asked for so far is of, in the order of the files: `[THIS.NAME]`.
    pub(super) fn others<T>(&mut self, mut read: impl FnMut(At<&'a str>, &mut Self) -> T) -> Vec<T> {
        self.has_others = true;
        let Some(table) = self.table else { return Vec::new() };
        let others = table
            .iter()
            .filter(|(name, _)| !self.asked.iter().any(|asked| asked == name));
        let mut others: Vec<_> = others.collect();
        others.sort_by_key(|(_, entry)| entry.key);
        let mut out = Vec::new();
        for (name, entry) in others {
            if let Value::Table(table) = &entry.node.value {
                self.check_name(name, entry.key, &self.name());
                let mut inner = self.inner(name, NAME, entry.node.place, Some(table));
                let name = At {
                    value: name.as_str(),
                    place: entry.key,
                };
                out.push(read(name, &mut inner));
                inner.leave();
            }
        }
        out
    }

    fn inner(&self, path: &str, kind: &str, place: Place, table: Option<&'a Table>) -> Self {
        let join = |before: &str, after: &str| match before {
            "" => after.to_owned(),
            before => format!("{before}.{after}"),
        };
        Self {
            report: self.report,
            path: join(&self.path, path),
            kind: join(&self.kind, kind),
            place,
            table,
            asked: Vec::new(),
            ignores_rest: false,
            has_others: false,
        }
    }

    /// Does not look for unknown keys here: nothing is known about this section.
    pub(super) fn ignore_rest(&mut self) {
        self.ignores_rest = true;
    }

    fn leave(self) {
        let Some(table) = self.table else { return };
        if self.ignores_rest {
            return;
        }
        for (key, entry) in table {
            let is_other = self.has_others && matches!(entry.node.value, Value::Table(_));
            if !is_other && !self.asked.iter().any(|asked| asked == key) {
                self.report
                    .unknown_key(entry.key, &self.kind, self.name(), key, &self.asked);
            }
        }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
            self.report.know(&self.kind, key);
        }
        self.table?.get(key).map(|entry| &entry.node)
    }

    /// Is there such a section in any file?
    pub(super) fn is_given(&self) -> bool {
        self.table.is_some()
    }

    /// Is `key` given?
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Elements of the array that `key` is given, right ones and wrong ones; `None`: there is no such array.
    pub(super) fn elements(&self, key: &str) -> Option<usize> {
        match &self.table?.get(key)?.node.value {
            Value::Array(array) => Some(array.len()),
            _ => None,
        }
    }

    /// Is `key` given, and an array without elements?
    pub(super) fn is_empty(&self, key: &str) -> bool {
        self.elements(key) == Some(0)
    }

    /// Where the value of `key` is; where the section is, when the key is absent.
    pub(super) fn place(&self, key: &str) -> Place {
        let entry = self.table.and_then(|table| table.get(key));
        entry.map_or(self.place, |entry| entry.node.place)
    }

    /// Where the section begins.
    pub(super) fn start(&self) -> Place {
        self.place
    }

    /// What collects mistakes.
    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// The path of the section, as messages show it.
    pub(super) fn name(&self) -> String {
        shown_path(&self.path)
    }

    /// The path of `key`, as messages show it.
    pub(super) fn path(&self, key: &str) -> String {
        match self.name() {
            top if top.is_empty() => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    /// Notes that the value of `key` is not what was expected.
    pub(super) fn wrong(&self, key: &str, node: &Node, expected: &str) {
        let message = format!("{} is {}, {expected}", self.path(key), found(node));
        self.report.say(node.place, message);
    }

    /// The elements of an array, none when it is something else or holds too many.
    fn array(&self, key: &str, node: &'a Node, expected: &str) -> &'a [Node] {
        match &node.value {
            Value::Array(array) if array.len() <= ELEMENTS_MAX => array,
            Value::Array(array) => {
                let message = format!(
                    "{} holds {} entries, expected at most {ELEMENTS_MAX}",
                    self.path(key),
                    array.len()
                );
                self.report.say(node.place, message);
                &[]
            }
            _ => {
                self.wrong(key, node, expected);
                &[]
            }
        }
    }

    /// Notes the values of a list that occur twice.
    pub(super) fn check_distinct<T: Eq + Hash>(&self, key: &str, list: &[At<T>], show: impl Fn(&T) -> String) {
        self.check_distinct_in(&self.path(key), list, show);
    }

    /// The same, for a list that messages call `what`.
    pub(super) fn check_distinct_in<T: Eq + Hash>(&self, what: &str, list: &[At<T>], show: impl Fn(&T) -> String) {
        let mut seen = HashMap::new();
        for At { value, place } in list {
            if let Some(first) = seen.insert(value, *place) {
                let message = format!(
                    "{what} has {} twice, first at {}",
                    quoted(&show(value)),
                    self.report.show(first)
                );
                self.report.say(*place, message);
            }
        }
    }

    /// Notes a name that would garble logs and metrics.
    pub(super) fn check_name(&self, name: &str, place: Place, what: &str) {
        let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        if !fits {
            let message = format!(
                "{} is no name for {what}, expected 1 to {NAME_BYTES_MAX} bytes without control characters",
                quoted(name)
            );
            self.report.say(place, message);
        }
    }
}

/// `path`, cut where it is too long for a message.
fn shown_path(path: &str) -> String {
    quoted(path).trim_matches('`').to_owned()
}

/// What a value is, for messages.
fn found(node: &Node) -> String {
    match &node.value {
        Value::String(text) => quoted(text),
        Value::Integer(Some(number)) => number.to_string(),
        Value::Integer(None) => "a number beyond 64 bits".to_owned(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Datetime => "a date".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}
