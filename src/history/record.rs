//! One line of the history: `1f2e3d4c 1700000000 closed {"id":…}`.
//!
//! A CRC-32 of all that is behind it, in hexadecimal digits; when it was written, by the wall clock; what has happened; and the
//! anomaly as the API shows it. So `cut -d' ' -f4-` makes JSON lines of a file.

use std::{borrow::Cow, io::Write as _};

use serde::Deserialize;

use super::Entry;
use crate::{line::Timestamp, report};

/// Digits of a checksum.
const SUM_DIGITS: usize = 8;

/// Longest line, with its end (bytes): names, reasons and votes are far shorter.
pub(super) const LINE_BYTES_MAX: usize = 256 << 10;

/// What has happened to an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It has opened.
    Opened,
    /// It was open before a restart, and is after it, although there is no record that says so, or one that says otherwise.
    Resumed,
    /// It has closed.
    Closed,
}

/// A line that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// When it was written.
    pub(super) at: Timestamp,
    /// `None`: something that this version does not know.
    pub(super) what: Option<What>,
    pub(super) json: &'a str,
}

/// What a search looks at.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Head<'a> {
    pub(super) id: u64,
    pub(super) opened_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
    #[serde(borrow)]
    pub(super) series: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) detector: Cow<'a, str>,
}

impl What {
    const ALL: [Self; 3] = [Self::Opened, Self::Resumed, Self::Closed];

    fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resumed => "resumed",
            Self::Closed => "closed",
        }
    }
}

impl<'a> Line<'a> {
    /// What a line, without its end, holds; `None`: it is damaged.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (sum, rest) = line.split_at_checked(SUM_DIGITS)?;
        let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
        let rest = rest.strip_prefix(b" ")?;
        if crc32fast::hash(rest) != sum {
            return None;
        }
        let (at, rest) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
        let (what, json) = rest.split_once(' ')?;
        Some(Self {
            at: at.parse().ok()?,
            what: What::ALL.into_iter().find(|known| known.name() == what),
            json,
        })
    }

    /// What has happened to which anomaly; `None`: nothing that this version knows.
    pub(super) fn told(&self) -> Option<(What, Head<'a>)> {
        Some((self.what?, serde_json::from_str(self.json).ok()?))
    }
}

/// Appends the line of `entry`. False, and nothing is appended: it would be too long.
pub(super) fn put(entry: &Entry, at: Timestamp, out: &mut Vec<u8>) -> bool {
    const TAKES_IT: &str = "an anomaly can be told as JSON, and a Vec takes everything";
    let Entry { what, anomaly, marks } = entry;
    let begins = out.len();
    out.extend_from_slice(&[b'0'; SUM_DIGITS]);
    write!(out, " {at} {} ", what.name()).expect(TAKES_IT);
    report::write_json(out, &anomaly.report(marks.clone())).expect(TAKES_IT);
    let sum = crc32fast::hash(&out[begins + SUM_DIGITS + 1..]);
    out[begins..begins + SUM_DIGITS].copy_from_slice(format!("{sum:08x}").as_bytes());
    out.push(b'\n');
    let fits = out.len() - begins <= LINE_BYTES_MAX;
    if !fits {
        out.truncate(begins);
    }
    fits
}
