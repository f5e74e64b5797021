//! Snapshots that a disk, or somebody, has changed: the relay begins with what is good of them, and puts the rest aside.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use bytes::Bytes;
use proptest::{prelude::*, sample::Index};
use skyrelay::{
    analysis::{self, Analysis, Sink},
    anomaly::{Board, Which, groups},
    glob::Glob,
    intake::{ForwardInvalid, Sorter},
    line::Timestamp,
    metrics::Metrics,
    shard::{Batch, Census, Event, LineRef, Tally},
    silence::Marks,
    snapshot::{Settings, Snapshots, Sources},
    window::Point,
};
use tempfile::TempDir;

use crate::{
    changes::{self, Change, changes},
    harness::{Allowed, Turn, overflow},
    series,
};

/// What a relay without senders takes, with some ten kilobytes of series.
const ALLOWED: Allowed = Allowed {
    heap_bytes: 64 << 20,
    panics: overflow,
};

const CONFIG: &str = "[window]\nspan = \"6h\"\nexpire_after = \"520w\"\n[detector.default]\nkind = \"skyline\"\nconsensus = 4\n\
                      [detector.adaptive]\nkind = \"adaptive\"\nsilent_for = \"0s\"\n[[watch]]\nmatch = [\"**\"]\ndetectors = [\"default\", \"adaptive\"]\n";

/// Bytes of a record before its content: its length, the checksum, its kind.
const LENGTH: Range<usize> = 0..4;
const CHECKSUM: Range<usize> = 4..8;
const RECORD_HEAD_BYTES: usize = 9;

/// Nobody listens.
#[derive(Clone, Copy)]
struct Nobody;

impl Sink for Nobody {
    fn events(&mut self, events: &mut Vec<Event>) {
        events.clear();
    }

    fn tally(&mut self, _: &Tally) {}

    fn census(&mut self, _: Census) {}
}

/// A relay without senders and upstreams.
struct Relay {
    sources: Sources,
    snapshots: Option<Snapshots>,
}

impl Relay {
    /// Begins with what is in `file`.
    fn start(file: PathBuf) -> Self {
        static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
        let shard = series::settings(CONFIG);
        let threads = analysis::Settings {
            shards: 1,
            ..analysis::Settings::default()
        };
        let (analysis, head_start) = Analysis::start_behind(threads, &shard, || Nobody).unwrap();
        let sources = Sources {
            analysis: Arc::new(analysis),
            board: Arc::new(Board::new(10, groups::Settings::default(), METRICS.anomaly.clone())),
            shard,
            sorter: Sorter::new(1, 1000, ForwardInvalid::Forward),
            metrics: METRICS.snapshot.clone(),
        };
        let settings = Settings {
            file: Some(file),
            every: None,
        };
        let snapshots = Snapshots::start(settings, sources.clone(), head_start, Nobody).unwrap();
        Self { sources, snapshots }
    }

    /// Waits until the snapshot is loaded, and put aside if it is no good.
    fn wait(&mut self) {
        // Told nothing more, the thread ends.
        drop(self.snapshots.take());
        while Arc::strong_count(&self.sources.analysis) > 1 {
            thread::sleep(Duration::from_micros(20));
        }
    }

    fn send(&self, name: &str, value: f64, timestamp: Timestamp) {
        let line = format!("{name} {value} {timestamp}");
        let (hash, shard) = self.sources.sorter.place(name.as_bytes());
        let batch = Batch {
            lines: vec![LineRef::new(hash, &(0..name.len()), line.len())],
            chunk: Bytes::from(line),
            received: timestamp,
        };
        let events = self.sources.analysis.ask_and_wait(shard, move |shard| {
            let mut events = Vec::new();
            shard.apply(&batch, &mut events, &mut Tally::default());
            events
        });
        for event in events.unwrap() {
            self.sources.board.record(event);
        }
    }

    fn points(&self, name: &'static str) -> Option<Vec<Point>> {
        let (hash, shard) = self.sources.sorter.place(name.as_bytes());
        let found = self
            .sources
            .analysis
            .ask_and_wait(shard, move |shard| shard.look_up(hash, name));
        found.unwrap().map(|(_, points)| points)
    }
}

const NAMES: [&str; 3] = ["a", "b.c", "d"];

/// A snapshot as it should be: its head, its records, and the samples that are in them.
struct Good {
    head: Vec<u8>,
    records: Vec<Vec<u8>>,
    points: Vec<Vec<Point>>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("snapshot");
    let relay = Relay::start(file.clone());
    for step in 0..400_i32 {
        for name in NAMES {
            let is_odd = name == "a" && step >= 397 || name == "d" && step == 300;
            let value = if is_odd { 500.0 } else { f64::from(step % 7) };
            relay.send(name, value, 1_700_000_000 + 10 * Timestamp::from(step));
        }
    }
    assert!(relay.sources.board.select(Which::Open, &Glob::everything(), 10).total > 0);
    relay.snapshots.as_ref().unwrap().write();
    while !file.exists() {
        thread::sleep(Duration::from_millis(1));
    }
    let bytes = fs::read(&file).unwrap();
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    // The name, the format, the version with its length before it, and a checksum.
    let (head, mut rest) = bytes.split_at(8 + 4 + 4 + number(&bytes[12..]) + 4);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, behind) = rest.split_at(RECORD_HEAD_BYTES + number(rest));
        records.push(record.to_vec());
        rest = behind;
    }
    assert!(records.len() >= NAMES.len() + 3, "{} records", records.len());
    Good {
        head: head.to_vec(),
        records,
        points: NAMES.map(|name| relay.points(name).unwrap()).to_vec(),
    }
});

/// One change to a snapshot.
#[derive(Clone, Debug)]
enum Harm {
    /// The content of a record, whose length and checksum are mended.
    Content(Index, Vec<Change>),
    /// The kind of a record, whose checksum is mended.
    Kind(Index, u8),
    /// The length of a record, which it does not have.
    Length(Index, u32),
    /// A record goes.
    Drop(Index),
    /// A record comes a second time, elsewhere.
    Repeat(Index, Index),
    /// The bytes of the file.
    Bytes(Vec<Change>),
}

fn harm() -> impl Strategy<Value = Vec<Harm>> {
    let length = prop::sample::select(vec![0, 1, 8, 100, 10_000, 1 << 20, 1 << 30, (1 << 30) + 1, u32::MAX]);
    let harm = prop_oneof![
        5 => (any::<Index>(), changes(1..4)).prop_map(|(record, changes)| Harm::Content(record, changes)),
        1 => (any::<Index>(), 0..7_u8).prop_map(|(record, kind)| Harm::Kind(record, kind)),
        2 => (any::<Index>(), length).prop_map(|(record, length)| Harm::Length(record, length)),
        1 => any::<Index>().prop_map(Harm::Drop),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Harm::Repeat(from, to)),
        5 => changes(1..4).prop_map(Harm::Bytes),
    ];
    prop::collection::vec(harm, 1..4)
}

/// The file that comes of it.
fn harmed(harm: &[Harm]) -> Vec<u8> {
    let mut records = GOOD.records.clone();
    let mut bytes_changed = Vec::new();
    for harm in harm {
        let count = records.len();
        if count == 0 {
            break;
        }
        match harm {
            Harm::Content(record, changes) => {
                let record = &mut records[record.index(count)];
                let mut content = record.split_off(RECORD_HEAD_BYTES);
                changes::apply(changes, &mut content);
                record.append(&mut content);
                mend(record);
            }
            Harm::Kind(record, kind) => {
                let record = &mut records[record.index(count)];
                record[RECORD_HEAD_BYTES - 1] = *kind;
                mend(record);
            }
            Harm::Length(record, length) => records[record.index(count)][LENGTH].copy_from_slice(&length.to_le_bytes()),
            Harm::Drop(record) => drop(records.remove(record.index(count))),
            Harm::Repeat(from, to) => {
                let record = from.get(&records).clone();
                records.insert(to.index(count + 1), record);
            }
            Harm::Bytes(changes) => bytes_changed.push(changes),
        }
    }
    let mut file = [&GOOD.head[..], &records.concat()].concat();
    for changes in bytes_changed {
        changes::apply(changes, &mut file);
    }
    file
}

fn mend(record: &mut [u8]) {
    let length = u32::try_from(record.len() - RECORD_HEAD_BYTES).unwrap();
    record[LENGTH].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&record[RECORD_HEAD_BYTES - 1..]);
    record[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn snapshots() {
    let turn = Turn::take();
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    }
    .unwrap();
    assert!(check(&directory, &[]).is_ok());
    assert_eq!(names(&directory), ["snapshot"], "without harm it is good");
    turn.fuzz("snapshots", ALLOWED, &harm(), |harm| check(&directory, harm));
}

fn check(directory: &TempDir, harm: &[Harm]) -> Result<(), TestCaseError> {
    for name in names(directory) {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    let bytes = harmed(harm);
    let file = directory.path().join("snapshot");
    fs::write(&file, &bytes).unwrap();
    let mut relay = Relay::start(file);
    relay.wait();
    let files = names(directory);
    prop_assert_eq!(files.len(), 1, "{:?}", files);
    prop_assert_eq!(
        &fs::read(directory.path().join(&files[0])).unwrap(),
        &bytes,
        "it stays as it was"
    );
    let is_mended = harm
        .iter()
        .any(|harm| matches!(harm, Harm::Content(..) | Harm::Kind(..)));
    for (name, points) in NAMES.into_iter().zip(&GOOD.points) {
        match relay.points(name) {
            Some(loaded) if !is_mended => prop_assert_eq!(&loaded, points),
            Some(loaded) => prop_assert!(loaded.is_sorted_by_key(|point| point.timestamp)),
            None => prop_assert!(
                is_mended || files[0] != "snapshot",
                "{} is missing, and nobody says so",
                name
            ),
        }
    }
    for anomaly in relay
        .sources
        .board
        .select(Which::All, &Glob::everything(), usize::MAX)
        .anomalies
    {
        prop_assert!(serde_json::to_string(&anomaly.report(Marks::default())).is_ok());
    }
    Ok(())
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
