//! The files as one tree of values, each with its place.
//!
//! Later files win: tables are merged key by key, arrays of tables are appended, anything else is replaced.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::report::Place;

/// Tables within tables; the deepest key of a configuration, `detector.NAME.grubbs.alpha`, needs four.
const DEPTH_MAX: usize = 16;

/// Keys and values.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where the key is.
    pub(super) key: Place,
    pub(super) node: Node,
}

/// A value, and where it is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    String(String),
    /// `None`: a number beyond 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

/// A place in the tables of a file that goes deeper than any configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep(pub(super) Place);

/// What a file holds.
pub(super) fn from_toml(file: usize, table: &DeTable<'_>) -> Result<Table, TooDeep> {
    convert_table(file, table, 0)
}

fn convert_table(file: usize, table: &DeTable<'_>, depth: usize) -> Result<Table, TooDeep> {
    let mut out = Table::new();
    for (key, value) in table {
        let entry = Entry {
            key: Place {
                file,
                offset: Some(key.span().start),
            },
            node: convert(file, value, depth + 1)?,
        };
        out.insert(key.get_ref().to_string(), entry);
    }
    Ok(out)
}

fn convert(file: usize, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, TooDeep> {
    let place = Place {
        file,
        offset: Some(value.span().start),
    };
    if depth > DEPTH_MAX {
        return Err(TooDeep(place));
    }
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::Integer(integer(number)),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(array) => Value::Array(
            array
                .iter()
                .map(|value| convert(file, value, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => Value::Table(convert_table(file, table, depth)?),
    };
    Ok(Node { place, value })
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Puts the keys of a later file over those of the earlier ones.
pub(super) fn merge(into: &mut Table, later: Table) {
    for (key, entry) in later {
        match into.get_mut(&key) {
            Some(earlier) => merge_entry(earlier, entry),
            None => {
                into.insert(key, entry);
            }
        }
    }
}

fn merge_entry(earlier: &mut Entry, later: Entry) {
    match (&mut earlier.node.value, later.node.value) {
        (Value::Table(into), Value::Table(table)) => merge(into, table),
        (Value::Array(into), Value::Array(array)) if holds_tables(into) || holds_tables(&array) => {
            into.extend(array);
        }
        (_, value) => {
            *earlier = Entry {
                key: later.key,
                node: Node {
                    place: later.node.place,
                    value,
                },
            };
        }
    }
}

fn holds_tables(array: &[Node]) -> bool {
    array.iter().any(|node| matches!(node.value, Value::Table(_)))
}
