//! What a shard does with lines, told exactly: one thread, no clock.

mod changing;
mod dormant;
mod ensembles;
mod failing;
mod floors;
mod limits;
mod reading;
mod saving;
mod silence;
mod verdicts;

use bytes::Bytes;

use super::*;
use crate::{detect::Definition, glob::Glob, line::Scanned};

/// When lines arrive, unless a test says otherwise.
const NOW: Timestamp = 1_700_000_000;

/// A shard, and all that it has told.
struct Bench {
    shard: Shard,
    events: Vec<Event>,
    tally: Tally,
}

impl Bench {
    /// A shard by itself. Its detectors do not vote: values above [`crate::detect::scripted::BOUND`] are anomalous.
    fn new(settings: Settings) -> Self {
        Self::beside(settings, &Arc::default())
    }

    /// A shard beside others.
    fn beside(settings: Settings, shared: &Arc<Shared>) -> Self {
        let mut bench = Self::judging(settings, Verbosity::Changes, shared);
        bench.shard.script();
        bench
    }

    /// A shard with the detectors that the settings name.
    fn judging(settings: Settings, verbosity: Verbosity, shared: &Arc<Shared>) -> Self {
        Self {
            shard: Shard::new(Arc::new(settings), verbosity, Arc::clone(shared)),
            events: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Sends whole lines, all in one batch.
    fn send(&mut self, received: Timestamp, lines: &str) {
        let batch = batch(received, lines);
        self.shard.apply(&batch, &mut self.events, &mut self.tally);
    }

    fn sweep(&mut self, now: Timestamp) {
        let everywhere = self.shard.slot_count();
        self.shard.sweep(now, everywhere, &mut self.events);
    }

    /// Events since the last call: series, detector, change and time.
    fn told(&mut self) -> Vec<(String, String, Option<Change>, i64)> {
        let short = |event: Event| {
            let Event {
                series,
                detector,
                change,
                verdict,
            } = event;
            (series.to_string(), detector.to_string(), change, verdict.timestamp)
        };
        self.events.drain(..).map(short).collect()
    }

    fn look_up(&self, name: &str) -> Option<(SeriesReport, Vec<Point>)> {
        self.shard.look_up(hash(name.as_bytes()), name)
    }

    fn knows(&self, name: &str) -> bool {
        self.look_up(name).is_some()
    }
}

/// The lines of `text` as a shard gets them.
fn batch(received: Timestamp, text: &str) -> Batch {
    let chunk = Bytes::copy_from_slice(text.as_bytes());
    let mut lines = Vec::new();
    line::scan(&chunk, 1000, |scanned| match scanned {
        Scanned::Line(line) => {
            let hash = hash(&chunk[line.name.clone()]);
            lines.push(LineRef::new(hash, &line.name, line.span.end));
        }
        Scanned::Poison(..) => panic!("a shard never sees poison: {text:?}"),
    });
    Batch { chunk, received, lines }
}

/// Few values, so that series share them and names decide.
fn hash(name: &[u8]) -> u64 {
    name.iter().map(|&byte| u64::from(byte)).sum::<u64>() % 8
}

/// Every series watched by one detector called `bound`.
fn settings() -> Settings {
    Settings {
        detectors: vec![detector("bound")],
        ..Settings::default()
    }
}

fn detector(name: &str) -> Definition {
    Definition {
        name: name.into(),
        ..Definition::default()
    }
}

fn watch(pattern: &str, detectors: &[usize]) -> Watch {
    Watch {
        globs: vec![Glob::new(pattern).unwrap()],
        detectors: detectors.to_vec(),
        reading: Reading::Value,
    }
}

fn opened(series: &str, timestamp: i64) -> (String, String, Option<Change>, i64) {
    (series.to_owned(), "bound".to_owned(), Some(Change::Opened), timestamp)
}

fn closed(series: &str, timestamp: i64) -> (String, String, Option<Change>, i64) {
    (series.to_owned(), "bound".to_owned(), Some(Change::Closed), timestamp)
}
