//! What is known of the segments without reading them: how large they are, which time they are of, and which records do not
//! count any more.
//!
//! An anomaly has a record when it opens, and another when it closes, which says all of it. So the first one counts only while
//! there is no second one. After a crash the relay goes back to its last snapshot: what had closed since then may be open again,
//! and closes again. Of all records of an anomaly the newest counts; those few that have others of their kind before them are
//! remembered by place.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    path::Path,
    str::FromStr,
    sync::Arc,
};

use super::record::{Head, What};
use crate::line::Timestamp;

/// A place in the history: where a record begins. What lies before it is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Bytes before it.
    pub(super) offset: u64,
}

/// What is known of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Bytes in it that are of use.
    pub(super) bytes: u64,
    /// Size of what was damaged, and is set aside.
    pub(super) aside_bytes: u64,
    pub(super) records: u64,
    /// From the first opening to the last end, by the samples' own time.
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// When its first and last records were written.
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
}

/// What is known of all.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) directory: Arc<Path>,
    /// The oldest first.
    pub(super) segments: VecDeque<Segment>,
    last_number: u64,
    /// Anomalies whose newest record says that they are open, and where it is.
    open: HashMap<u64, Place>,
    /// The newest record of anomalies that have more of a kind.
    again: HashMap<u64, Place>,
}

/// A record, as far as the index goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) what: What,
    pub(super) id: u64,
    pub(super) opened_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
    /// When it was written.
    pub(super) at: Timestamp,
}

impl Noted {
    pub(super) fn new(what: What, head: &Head<'_>, at: Timestamp) -> Self {
        Self {
            what,
            id: head.id,
            opened_at: head.opened_at,
            closed_at: head.closed_at,
            at,
        }
    }
}

impl Segment {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            bytes: 0,
            aside_bytes: 0,
            records: 0,
            from: Timestamp::MAX,
            until: Timestamp::MIN,
            first_at: Timestamp::MAX,
            last_at: Timestamp::MIN,
        }
    }

    /// Was everything in it written before `since`?
    pub(super) fn is_over(&self, since: Timestamp) -> bool {
        self.last_at < since
    }
}

impl Index {
    pub(super) fn new(directory: Arc<Path>) -> Self {
        Self {
            directory,
            segments: VecDeque::new(),
            last_number: 0,
            open: HashMap::new(),
            again: HashMap::new(),
        }
    }

    /// Size of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| segment.bytes + segment.aside_bytes)
            .sum()
    }

    /// Takes in the record at `offset` of the last segment.
    pub(super) fn note(&mut self, offset: u64, noted: Noted) {
        let Some(segment) = self.segments.back_mut() else {
            return;
        };
        let Noted {
            what,
            id,
            opened_at,
            closed_at,
            at,
        } = noted;
        segment.records += 1;
        segment.from = segment.from.min(opened_at);
        segment.until = segment.until.max(closed_at.unwrap_or(opened_at));
        segment.first_at = segment.first_at.min(at);
        segment.last_at = if segment.records == 1 {
            at
        } else {
            segment.last_at.max(at)
        };
        let place = Place {
            segment: segment.number,
            offset,
        };
        match what {
            What::Opened => {
                self.open.insert(id, place);
            }
            What::Resumed => {
                self.open.insert(id, place);
                self.again.insert(id, place);
            }
            What::Closed => {
                // Without a beginning it may have closed before.
                if self.open.remove(&id).is_none() || self.again.contains_key(&id) {
                    self.again.insert(id, place);
                }
            }
        }
    }

    /// Is there no newer record of that anomaly than the one at `place`?
    pub(super) fn is_newest(&self, what: What, id: u64, place: Place) -> bool {
        match what {
            What::Opened | What::Resumed => self.open.get(&id) == Some(&place),
            What::Closed => self.again.get(&id).is_none_or(|newest| *newest == place),
        }
    }

    /// Does the newest record of this anomaly say that it is open?
    pub(super) fn is_open(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    /// Anomalies whose newest record says that they are open, and the segment that it is in.
    pub(super) fn open(&self) -> impl Iterator<Item = (u64, u64)> {
        self.open.iter().map(|(id, place)| (*id, place.segment))
    }

    /// The number of the segment to come. None comes twice, even when all have gone: a place is of one segment for ever.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number + 1
    }

    /// Begins another segment.
    pub(super) fn begin(&mut self, number: u64) {
        self.last_number = number;
        self.segments.push_back(Segment::new(number));
    }

    /// When the last segment was written to, unless its records say so.
    pub(super) fn date(&mut self, at: Timestamp) {
        if let Some(segment) = self.segments.back_mut() {
            segment.last_at = at;
        }
    }

    /// Forgets the oldest segment. Gives its number.
    pub(super) fn forget_oldest(&mut self) -> Option<u64> {
        let number = self.segments.pop_front()?.number;
        for places in [&mut self.open, &mut self.again] {
            places.retain(|_, place| place.segment > number);
        }
        Some(number)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.segment, self.offset)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (segment, offset) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Self {
            segment: number(segment)?,
            offset: number(offset)?,
        })
    }
}
