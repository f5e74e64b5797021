//! A journal: records by key, in a file, so that they are there again after the process has ended, however it has.
//!
//! Knows nothing of messages: a record is JSON under a key. What is written last under a key counts, and what was taken away
//! is gone. A line is `CHECKSUM KEY JSON`, or `CHECKSUM KEY` for one that is taken away: people can read it. Lines are only
//! added; when most of the file is of the past, its owner has it written anew.
//!
//! * What a call has written survives the end of the process. After [`Journal::sync`] it survives a power cut.
//! * A line that a crash has cut off, or that is damaged, is passed over and counted; the others hold.
//! * Written anew, the file is whole at any time: the new one takes the place of the old one when the disk has it.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::disk;

/// Records that are to be written in one go.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

/// The file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// What was in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Was there a file?
    pub(super) existed: bool,
    /// Keys, and the JSON that was written last under each; in the order in which keys were first written.
    pub(super) records: Vec<(String, String)>,
    /// Lines that cannot be read.
    pub(super) damaged: usize,
}

impl Records {
    /// `value` is what counts under `key`, which has no white space. Gives the bytes that it takes.
    pub(super) fn put(&mut self, key: &str, value: &impl Serialize) -> usize {
        let mut line = format!("{key} ").into_bytes();
        serde_json::to_writer(&mut line, value).expect("records are JSON, and a Vec takes them");
        self.add(&line);
        line.len()
    }

    /// Nothing counts under `key` any more.
    pub(super) fn remove(&mut self, key: &str) {
        self.add(key.as_bytes());
    }

    fn add(&mut self, line: &[u8]) {
        self.0.extend(format!("{:08x} ", crc32fast::hash(line)).into_bytes());
        self.0.extend(line);
        self.0.push(b'\n');
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Journal {
    /// What is in the file at `path`; nothing when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(path: &Path) -> io::Result<Found> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
            Err(error) => return Err(error),
        };
        Ok(parse(&bytes))
    }

    /// Begins the file anew, with `records` in it.
    ///
    /// # Errors
    /// When it cannot be written; then the one before is there still.
    pub(super) fn begin(path: &Path, records: &Records) -> io::Result<Self> {
        let mut aside: OsString = path.into();
        aside.push(".tmp");
        let mut file = disk::ours(
            File::options().write(true).create(true).truncate(true),
            Path::new(&aside),
        )?;
        file.write_all(&records.0)?;
        file.sync_data()?;
        fs::rename(&aside, path)?;
        if let Some(directory) = path.parent() {
            // Without it a power cut may bring the old file back, which was whole as well.
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(Self {
            path: path.to_owned(),
            file: OpenOptions::new().append(true).open(path)?,
            bytes: records.0.len() as u64,
        })
    }

    /// Adds `records`.
    ///
    /// # Errors
    /// When the disk does not take them. Some may be there all the same, the last one cut off: begin anew.
    pub(super) fn write(&mut self, records: &Records) -> io::Result<()> {
        self.file.write_all(&records.0)?;
        self.bytes += records.0.len() as u64;
        Ok(())
    }

    /// Waits until the disk has what was written.
    ///
    /// # Errors
    /// When it does not take it.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Size of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the file.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn parse(bytes: &[u8]) -> Found {
    let mut found = Found {
        existed: true,
        ..Found::default()
    };
    let mut by_key: HashMap<String, (usize, String)> = HashMap::new();
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    // Behind the last newline there is nothing, or what a crash has left of a line.
    let rest = lines.pop().unwrap_or_default();
    found.damaged += usize::from(!rest.is_empty());
    for (number, line) in lines.into_iter().enumerate() {
        match record(line) {
            Some((key, Some(json))) => {
                let first = by_key.get(key).map_or(number, |(first, _)| *first);
                by_key.insert(key.to_owned(), (first, json.to_owned()));
            }
            Some((key, None)) => drop(by_key.remove(key)),
            None => found.damaged += 1,
        }
    }
    let mut records: Vec<_> = by_key.into_iter().collect();
    records.sort_by_key(|(_, (first, _))| *first);
    found.records = records.into_iter().map(|(key, (_, json))| (key, json)).collect();
    found
}

/// The key of a line, and what counts under it from there on.
fn record(line: &[u8]) -> Option<(&str, Option<&str>)> {
    let line = std::str::from_utf8(line).ok()?;
    let (sum, rest) = line.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32fast::hash(rest.as_bytes())).then(|| match rest.split_once(' ') {
        Some((key, json)) => (key, Some(json)),
        None => (rest, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lines: &[(&str, Option<&str>)]) -> Records {
        let mut records = Records::default();
        for (key, value) in lines {
            match value {
                Some(value) => drop(records.put(key, value)),
                None => records.remove(key),
            }
        }
        records
    }

    fn found(lines: &[(&str, &str)], damaged: usize) -> Found {
        let line = |(key, value): &(&str, &str)| ((*key).to_owned(), format!("{value:?}"));
        Found {
            existed: true,
            records: lines.iter().map(line).collect(),
            damaged,
        }
    }

    #[test]
    fn what_was_written_last_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        assert_eq!(Journal::read(&path).unwrap(), Found::default());
        let first = records(&[("a", Some("1")), ("b", Some("2 and\nmore"))]);
        let mut journal = Journal::begin(&path, &first).unwrap();
        let both = &[("a", "1"), ("b", "2 and\nmore")];
        assert_eq!(Journal::read(&path).unwrap(), found(both, 0));
        let more = [("c", Some("3")), ("b", None), ("a", Some("4")), ("d", None)];
        journal.write(&records(&more)).unwrap();
        journal.sync().unwrap();
        assert_eq!(Journal::read(&path).unwrap(), found(&[("a", "4"), ("c", "3")], 0));
        assert_eq!(journal.bytes(), fs::metadata(&path).unwrap().len());
        // What is written behind a new beginning is in the new file.
        let mut journal = Journal::begin(&path, &records(&[("z", Some("0"))])).unwrap();
        journal.write(&records(&[("y", Some("1"))])).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), found(&[("z", "0"), ("y", "1")], 0));
        journal.remove().unwrap();
        assert_eq!(Journal::read(&path).unwrap(), Found::default());
    }

    #[test]
    fn a_crash_at_any_byte_costs_what_was_not_written_whole() {
        let all = records(&[("a", Some("1")), ("b", Some("2")), ("a", None)]).0;
        let lengths: Vec<usize> = all.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::len).collect();
        for end in 0..=all.len() {
            let whole = (0..=3)
                .rev()
                .find(|&count| lengths[..count].iter().sum::<usize>() <= end)
                .unwrap();
            let expected: &[(&str, &str)] = match whole {
                0 => &[],
                1 => &[("a", "1")],
                2 => &[("a", "1"), ("b", "2")],
                _ => &[("b", "2")],
            };
            let torn = lengths[..whole].iter().sum::<usize>() < end;
            assert_eq!(parse(&all[..end]), found(expected, torn.into()), "{end}");
        }
    }

    #[test]
    fn damage_costs_the_line_that_it_is_in() {
        let good = records(&[("a", Some("1")), ("b", Some("2"))]).0;
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 4;
            let Found { records, damaged, .. } = parse(&bad);
            assert!(damaged > 0 && records.len() < 2, "{place}");
            for (key, json) in records {
                assert!(
                    [("a", "\"1\""), ("b", "\"2\"")].contains(&(&*key, &*json)),
                    "{key} {json}"
                );
            }
        }
    }
}
