//! Looking into the past: from the newest record back, so much at a time.
//!
//! A search reads files and holds nobody up: it goes by what was known of them when it began. What closes while somebody reads
//! on is at the top, for who begins again.

use serde_json::value::RawValue;

use super::{
    files,
    index::{Index, Noted, Place},
    record::{Line, What},
};
use crate::{glob::Glob, line::Timestamp};

/// What one search looks at (bytes of files), so that an answer does not take long.
const LOOK_BYTES_MAX: u64 = 32 << 20;

/// JSON that one search gives (bytes).
const FOUND_BYTES_MAX: usize = 900_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Pattern of the series.
    pub series: Glob,
    /// Name of the detector; `None`: any.
    pub detector: Option<String>,
    /// Only what was open at some time from this on, by the samples' own time.
    pub from: Timestamp,
    /// Only what was open at some time up to this.
    pub until: Timestamp,
    /// So many at most.
    pub limit: usize,
    /// Only what lies before this place.
    pub before: Option<Place>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// As the API shows them: the newest first, those that are over by their end, others by their beginning.
    pub anomalies: Vec<Box<RawValue>>,
    /// Where to go on; `None`: all has been looked at.
    pub next: Option<Place>,
    /// Records that were looked at.
    pub looked_at: u64,
    /// There may be more, but this was enough for one search.
    pub is_cut_short: bool,
    /// Files that could not be read.
    pub unreadable: u64,
}

/// What a search goes by.
pub(super) struct View<'a> {
    pub(super) index: &'a Index,
    /// Records that were written before are too old.
    pub(super) since: Timestamp,
    /// Is an anomaly open that was never seen to end?
    pub(super) is_open: &'a dyn Fn(u64, &str) -> bool,
}

impl View<'_> {
    /// Looks from the newest record back, or from where it is to go on.
    pub(super) fn search(&self, wanted: &Wanted) -> Found {
        let mut found = Found::default();
        let (mut read_bytes, mut given_bytes) = (0, 0);
        // Whether they go on is known by who asks; they may match whatever time is asked for.
        let mut with_open: Vec<u64> = self.index.open().map(|(_, segment)| segment).collect();
        with_open.sort_unstable();
        for segment in self.index.segments.iter().rev() {
            let end = match wanted.before {
                Some(before) if segment.number > before.segment => continue,
                Some(before) if segment.number == before.segment => before.offset.min(segment.bytes),
                _ => segment.bytes,
            };
            let holds_open = with_open.binary_search(&segment.number).is_ok();
            let is_of_another_time = segment.from > wanted.until || (segment.until < wanted.from && !holds_open);
            if end == 0 || is_of_another_time || segment.is_over(self.since) {
                continue;
            }
            let place = |offset| Place {
                segment: segment.number,
                offset,
            };
            if read_bytes > 0 && read_bytes + end > LOOK_BYTES_MAX {
                found.next = Some(place(end));
                found.is_cut_short = true;
                return found;
            }
            read_bytes += end;
            let bytes = match files::read(&self.index.directory, segment.number, end) {
                Ok(Some(bytes)) => bytes,
                // It was too old, or too much.
                Ok(None) => continue,
                Err(_) => {
                    found.unreadable += 1;
                    continue;
                }
            };
            let mut rest = &bytes[..];
            while let Some((begins, line)) = files::last_line(rest) {
                let anomaly = self.look(line, place(begins as u64), wanted);
                given_bytes += anomaly.as_ref().map_or(0, |anomaly| anomaly.get().len());
                let is_full = given_bytes > FOUND_BYTES_MAX && !found.anomalies.is_empty();
                if found.anomalies.len() >= wanted.limit || is_full {
                    found.next = Some(place(rest.len() as u64));
                    return found;
                }
                found.looked_at += 1;
                found.anomalies.extend(anomaly);
                rest = &rest[..begins];
            }
        }
        found
    }

    /// The anomaly that a line tells of, if it is wanted and no later line tells more.
    fn look(&self, line: &[u8], place: Place, wanted: &Wanted) -> Option<Box<RawValue>> {
        let line = Line::parse(line)?;
        let (what, head) = line.told()?;
        let Noted {
            id,
            opened_at,
            closed_at,
            at,
            ..
        } = Noted::new(what, &head, line.at);
        if at < self.since || opened_at > wanted.until {
            return None;
        }
        let is_wanted = wanted.detector.as_ref().is_none_or(|wanted| *wanted == head.detector)
            && wanted.series.matches(&head.series)
            && self.index.is_newest(what, id, place);
        if !is_wanted {
            return None;
        }
        let goes_on = what != What::Closed && (self.is_open)(id, &head.series);
        let ended_at = if goes_on {
            Timestamp::MAX
        } else {
            closed_at.unwrap_or(opened_at)
        };
        if ended_at < wanted.from {
            return None;
        }
        let mut json = line.json.to_owned();
        if what != What::Closed && !goes_on {
            // It is over, and nobody saw its end. The state comes before any text that somebody else has written.
            json = json.replacen(r#""state":"open""#, r#""state":"closed""#, 1);
        }
        RawValue::from_string(json).ok()
    }
}
