//! Files that are whole, torn, damaged, of another version, or anything; and relays before and after.

use std::{
    fs,
    io::Cursor,
    path::Path,
    sync::{LazyLock, Mutex},
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    format::{End, FORMAT, Kind, ReadError, Reader, Writer},
    *,
};
use crate::{
    analysis,
    anomaly::{Anomaly, Which, groups},
    detect::{Definition, Kind as Detector, Severity, absence, skyline},
    glob::Glob,
    intake::ForwardInvalid,
    line::Timestamp,
    metrics::Metrics,
    save::{Save, put_bytes},
    shard::{Batch, Census, Change, Event, LineRef, Tally},
    window::Point,
};

const SOON: Duration = Duration::from_secs(60);

/// What shards and loading have told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Sink for Told {
    fn events(&mut self, events: &mut Vec<Event>) {
        self.0.lock().unwrap().append(events);
    }

    fn tally(&mut self, _: &Tally) {}

    fn census(&mut self, _: Census) {}
}

/// A relay without senders and upstreams.
struct Relay {
    sources: Sources,
    told: Told,
}

/// The nine, which two votes are enough for.
fn settings() -> shard::Settings {
    shard::Settings {
        detectors: vec![Definition {
            name: "nine".into(),
            kind: Detector::Skyline(skyline::Settings {
                consensus: 4,
                ..skyline::Settings::default()
            }),
        }],
        ..shard::Settings::default()
    }
}

impl Relay {
    /// Starts with what is in `file`. Gives what [`load::load`] has, too.
    fn start(settings: shard::Settings, file: &Path, stopping: bool) -> (Self, bool) {
        let told = Told::default();
        let shard = Arc::new(settings);
        let threads = analysis::Settings {
            shards: 2,
            ..analysis::Settings::default()
        };
        let (analysis, head_start) = Analysis::start_behind(threads, &shard, || told.clone()).unwrap();
        let metrics = Metrics::new();
        let sources = Sources {
            analysis: Arc::new(analysis),
            board: Arc::new(Board::new(10, groups::Settings::default(), metrics.anomaly.clone())),
            shard,
            sorter: Sorter::new(2, 1000, ForwardInvalid::Forward),
            metrics: metrics.snapshot,
        };
        let done = load::load(file, &sources, head_start, told.clone(), &AtomicBool::new(stopping));
        (Self { sources, told }, done)
    }

    fn start_from(file: &Path) -> Self {
        Self::start(settings(), file, false).0
    }

    /// Takes in a sample, and what is found goes to the board.
    fn send(&self, name: &str, value: f64, timestamp: Timestamp) {
        let line = format!("{name} {value} {timestamp}");
        let (hash, shard) = self.sources.sorter.place(name.as_bytes());
        let batch = Batch {
            lines: vec![LineRef::new(hash, &(0..name.len()), line.len())],
            chunk: Bytes::from(line),
            received: clock::now(),
        };
        let events = self.ask(shard, move |shard| {
            let mut events = Vec::new();
            shard.apply(&batch, &mut events, &mut Tally::default());
            events
        });
        for event in events {
            self.sources.board.record(event);
        }
    }

    fn ask<T: Send + 'static>(&self, shard: usize, ask: impl FnOnce(&mut shard::Shard) -> T + Send + 'static) -> T {
        self.sources.analysis.ask_and_wait(shard, ask).unwrap()
    }

    fn points(&self, name: &'static str) -> Option<Vec<Point>> {
        let (hash, shard) = self.sources.sorter.place(name.as_bytes());
        self.ask(shard, move |shard| shard.look_up(hash, name))
            .map(|(_, points)| points)
    }

    /// Numbers of what is open.
    fn open(&self) -> Vec<u64> {
        let open = self.sources.board.select(Which::Open, &Glob::everything(), 10);
        open.anomalies.iter().map(|anomaly| anomaly.id).collect()
    }

    fn write(&self, file: &Path) -> Result<Summary, WriteError> {
        let mut draft = Draft::begin(file, &self.sources)?;
        draft.series(None)?;
        draft.finish()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Ends the threads; nobody waits for them.
        let analysis = Arc::clone(&self.sources.analysis);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(analysis.stop(SOON));
    }
}

/// Three series, of which one has an anomaly that is open, and another one that was.
fn three_series(relay: &Relay) -> Timestamp {
    let begin = clock::now() - 10_000;
    for step in 0..400 {
        let wave = f64::from(step % 7);
        let timestamp = begin + 10 * Timestamp::from(step);
        relay.send("a", if step >= 398 { 500.0 } else { wave }, timestamp);
        relay.send("b", if step == 300 { 500.0 } else { wave }, timestamp);
        relay.send("c", wave, timestamp);
    }
    begin + 4000
}

/// A good file of three series.
fn good() -> &'static [u8] {
    static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("snapshot");
        let relay = Relay::start_from(&file);
        three_series(&relay);
        assert_eq!(relay.write(&file).unwrap().series, 3);
        fs::read(&file).unwrap()
    });
    &GOOD
}

#[test]
fn a_relay_comes_back_with_its_memory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let before = Relay::start_from(&file);
    let next = three_series(&before);
    assert_eq!(before.open(), [2], "the anomaly of `b` was the first, and is over");
    let summary = before.write(&file).unwrap();
    assert_eq!((summary.series, summary.open, summary.closed), (3, 1, 1));
    assert_eq!(summary.bytes, fs::metadata(&file).unwrap().len());
    assert_eq!(names(&directory), ["snapshot"], "nothing is left beside it");

    let after = Relay::start_from(&file);
    for name in ["a", "b", "c"] {
        assert!(after.points(name).is_some_and(|points| points.len() == 400));
        assert_eq!(after.points(name), before.points(name));
    }
    assert_eq!(after.open(), [2]);
    let over = |relay: &Relay| relay.sources.board.closed_last(10);
    assert_eq!(over(&before).len(), 1);
    for (restored, saved) in over(&after).iter().zip(over(&before)) {
        assert_eq!((restored.id, &restored.series), (1, &saved.series));
        let by = |anomaly: &Anomaly| {
            anomaly
                .closed
                .as_ref()
                .map(|verdict| (verdict.timestamp, verdict.reason.clone()))
        };
        assert_eq!(by(restored), by(&saved));
        assert_eq!(restored.rank.to_bits(), saved.rank.to_bits());
    }
    assert_eq!(after.sources.metrics.loaded.get(), 3);
    for relay in [&before, &after] {
        for step in 0..5 {
            relay.send("a", 3.0, next + 10 * step);
            relay.send("c", if step == 4 { 500.0 } else { 3.0 }, next + 10 * step);
        }
        assert_eq!(relay.open(), [3], "the old one is over, and numbers go on");
    }
    let closed = |relay: &Relay| relay.sources.board.of_series("a", 10)[0].clone();
    assert_eq!(closed(&after).id, 2);
    assert_eq!(closed(&after).closed, closed(&before).closed);
    assert_eq!(closed(&after).opened.reason, closed(&before).opened.reason);
    assert!(after.told.0.lock().unwrap().is_empty(), "nobody is told twice");
    assert_eq!(names(&directory), ["snapshot"]);
}

#[test]
fn a_pattern_that_is_silent_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let settings = shard::Settings {
        detectors: vec![Definition {
            name: "backups".into(),
            kind: Detector::Absence(absence::Settings {
                after: absence::After::Stated(60),
                of: vec![Glob::new("backups.**").unwrap()],
                severity: Severity::Critical,
            }),
        }],
        watches: Vec::new(),
        ..shard::Settings::default()
    };
    let (before, _) = Relay::start(settings.clone(), &file, false);
    let begin = clock::now() - 1000;
    let told = |relay: &Relay| -> Vec<Event> {
        // What a shard was given before is done when it answers.
        (0..2).for_each(|shard| relay.ask(shard, |_| ()));
        std::mem::take(&mut *relay.told.0.lock().unwrap())
    };
    for after_s in [0, 100] {
        before.sources.analysis.sweep(begin + after_s);
    }
    for event in told(&before) {
        before.sources.board.record(event);
    }
    assert_eq!(before.open(), [1]);
    before.write(&file).unwrap();

    let (after, _) = Relay::start(settings, &file, false);
    assert_eq!(after.open(), [1]);
    after.sources.analysis.sweep(clock::now() + 1000);
    assert!(told(&after).is_empty(), "it is told of once, and is not over");
    assert_eq!(names(&directory), ["snapshot"], "the file is good");
}

#[test]
fn an_anomaly_that_nobody_could_close_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    fs::write(&file, good()).unwrap();
    let mut other = settings();
    other.detectors[0].kind = Detector::Skyline(skyline::Settings::default());
    let (after, _) = Relay::start(other, &file, false);
    assert_eq!(after.open(), [2], "people know of it");
    let told = std::mem::take(&mut *after.told.0.lock().unwrap());
    assert_eq!(told.len(), 1);
    assert_eq!((&*told[0].series, told[0].change), ("a", Some(Change::Closed)));
    assert!(
        told[0].verdict.reason.contains("no memory"),
        "{}",
        told[0].verdict.reason
    );
    after.sources.board.record(told[0].clone()).expect("it was open");
    assert_eq!(after.open(), [0; 0]);
    assert!(
        after.points("a").is_some_and(|points| points.len() == 400),
        "windows stay"
    );
}

#[test]
fn without_a_file_there_is_no_past() {
    let directory = tempfile::tempdir().unwrap();
    let relay = Relay::start_from(&directory.path().join("snapshot"));
    assert_eq!(relay.sources.analysis.series_count(), 0);
    assert_eq!(names(&directory), [""; 0]);
}

#[test]
fn one_that_is_interrupted_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    fs::write(&file, good()).unwrap();
    let (relay, done) = Relay::start(settings(), &file, true);
    assert!(!done);
    drop(relay);
    assert_eq!(fs::read(&file).unwrap(), good());
}

#[test]
fn a_power_cut_at_any_byte_leaves_whole_series_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let whole = good().len();
    let mut seen = std::collections::BTreeSet::new();
    // Every byte of the last series, of the anomaly and of the end; before, one of each few.
    let last = last_series(good());
    assert!(last < whole - 800, "{last} of {whole}");
    let lengths = (last..whole).chain((0..last).step_by(61));
    for length in lengths {
        fs::write(&file, &good()[..length]).unwrap();
        let relay = Relay::start_from(&file);
        let there: Vec<usize> = ["a", "b", "c"]
            .into_iter()
            .filter_map(|name| relay.points(name))
            .map(|points| points.len())
            .collect();
        assert!(there.iter().all(|&points| points == 400), "{length} bytes: {there:?}");
        assert_eq!(relay.sources.analysis.series_count(), there.len());
        assert!(relay.open().len() <= 1);
        seen.insert(there.len());
        assert_eq!(names(&directory), ["snapshot.rejected"], "{length} bytes");
        assert_eq!(
            fs::metadata(directory.path().join("snapshot.rejected")).unwrap().len(),
            length as u64
        );
        fs::remove_file(directory.path().join("snapshot.rejected")).unwrap();
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

/// Where the last series of a good file begins.
fn last_series(bytes: &[u8]) -> usize {
    let mut reader = Reader::begin(bytes, bytes.len() as u64).unwrap();
    let (mut content, mut last) = (Vec::new(), 0);
    while !reader.is_at_end() {
        let begins = reader.at();
        if reader.record(&mut content).unwrap() == Kind::Series {
            last = usize::try_from(begins).unwrap();
        }
    }
    last
}

#[test]
fn of_those_put_aside_the_last_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    for bad in ["first", "second", "third", "fourth"] {
        fs::write(&file, bad).unwrap();
        Relay::start_from(&file);
    }
    assert_eq!(
        names(&directory),
        ["snapshot.rejected", "snapshot.rejected.1", "snapshot.rejected.2"]
    );
    let texts = names(&directory)
        .into_iter()
        .map(|name| fs::read_to_string(directory.path().join(name)).unwrap());
    assert_eq!(texts.collect::<Vec<_>>(), ["fourth", "third", "second"]);
}

#[test]
fn another_version_is_put_aside_with_its_name() {
    let mut newer = b"skyrelay".to_vec();
    (FORMAT + 1).save(&mut newer);
    put_bytes(b"9.1.0", &mut newer);
    crc32fast::hash(&newer).save(&mut newer);
    newer.extend_from_slice(b"what nobody knows yet");
    let error = Reader::begin(&newer[..], newer.len() as u64).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "it was written by skyrelay 9.1.0 in format {}, and this version reads format {FORMAT}",
            FORMAT + 1
        )
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    fs::write(&file, &newer).unwrap();
    let relay = Relay::start_from(&file);
    assert_eq!(relay.sources.analysis.series_count(), 0);
    assert_eq!(names(&directory), ["snapshot.rejected"]);
    relay.write(&file).unwrap();
    assert_eq!(names(&directory), ["snapshot", "snapshot.rejected"]);
}

#[test]
fn what_cannot_be_written_leaves_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    fs::write(&file, good()).unwrap();
    let relay = Relay::start_from(&file);
    fs::create_dir(directory.path().join("snapshot.tmp")).unwrap();
    let error = relay.write(&file).unwrap_err();
    assert!(error.to_string().contains("snapshot.tmp"), "{error}");
    fs::remove_dir(directory.path().join("snapshot.tmp")).unwrap();
    // One that is given up leaves nothing behind either.
    let mut draft = Draft::begin(&file, &relay.sources).unwrap();
    assert!(matches!(
        draft.series(Some(&AtomicBool::new(true))),
        Err(WriteError::Interrupted)
    ));
    assert_eq!(names(&directory), ["snapshot", "snapshot.tmp"]);
    drop(draft);
    assert_eq!(names(&directory), ["snapshot"]);
    assert_eq!(fs::read(&file).unwrap(), good());
}

#[test]
fn the_thread_writes_now_and_then_when_asked_and_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let (relay, _) = Relay::start(settings(), &directory.path().join("none"), false);
    let (_, head_start) =
        Analysis::start_behind(analysis::Settings::default(), &relay.sources.shard, Told::default).unwrap();
    let mut snapshots = Snapshots::start(
        Settings {
            file: Some(file.clone()),
            every: Some(Duration::from_millis(1)),
        },
        relay.sources.clone(),
        head_start,
        Told::default(),
    )
    .unwrap()
    .expect("there is a file");
    let metrics = &relay.sources.metrics;
    let series_reach = |wanted: i64| {
        let end = Instant::now() + SOON;
        while metrics.series.get() != wanted {
            assert!(Instant::now() < end, "{} series", metrics.series.get());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    three_series(&relay);
    series_reach(3);
    assert!((clock::now() - 100..=clock::now()).contains(&metrics.last_success.get()));
    relay.send("d", 1.0, 1);
    snapshots.write();
    series_reach(4);
    relay.send("e", 1.0, 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    assert!(runtime.block_on(snapshots.save_last(SOON)));
    // Too late: the shards have been asked.
    relay.send("f", 1.0, 1);
    assert!(runtime.block_on(snapshots.finish(SOON)));
    assert_eq!((metrics.series.get(), metrics.failures.get()), (5, 0));
    assert_eq!(fs::metadata(&file).unwrap().len(), metrics.bytes.get().unsigned_abs());
}

fn names(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Reads records until something is wrong. Gives them, and what is wrong.
fn read_all(bytes: &[u8]) -> (Vec<(Kind, Vec<u8>)>, Option<ReadError>) {
    let mut records = Vec::new();
    let mut reader = match Reader::begin(Cursor::new(bytes), bytes.len() as u64) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    let mut content = Vec::new();
    while !reader.is_at_end() {
        match reader.record(&mut content) {
            Ok(kind) => records.push((kind, content.clone())),
            Err(error) => return (records, Some(error)),
        }
        // Nothing is allocated that is not there.
        assert!(
            content.capacity() <= 2 * bytes.len() + 64,
            "{} for {}",
            content.capacity(),
            bytes.len()
        );
    }
    (records, None)
}

#[test]
fn records_come_back_in_their_order() {
    let mut writer = Writer::begin(Vec::new()).unwrap();
    writer.record(Kind::Series, b"one").unwrap();
    writer.record(Kind::End, b"").unwrap();
    let (bytes, count) = writer.written();
    assert_eq!(bytes.len() as u64, count);
    let (records, error) = read_all(bytes);
    assert_eq!(records, [(Kind::Series, b"one".to_vec()), (Kind::End, Vec::new())]);
    assert!(error.is_none(), "{error:?}");
    let (records, error) = read_all(good());
    assert!(error.is_none(), "{error:?}");
    let end = End::load(&mut crate::save::Saved::new(&records.last().unwrap().1)).unwrap();
    assert_eq!((end.series, end.open, end.closed, end.last_id), (3, 1, 1, 2));
}

#[test]
fn a_length_that_is_not_there_allocates_nothing() {
    let mut bytes = Vec::new();
    Writer::begin(&mut bytes).unwrap();
    (1_u32 << 30).save(&mut bytes);
    bytes.extend_from_slice(&[0; 20]);
    let (records, error) = read_all(&bytes);
    assert!(
        records.is_empty() && matches!(error, Some(ReadError::Torn(_))),
        "{error:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_bit_that_has_flipped_is_noticed(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = good().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let (whole, _) = read_all(good());
        let (records, error) = read_all(&bytes);
        prop_assert!(error.is_some(), "byte {place}, bit {bit}");
        prop_assert_eq!(&records[..], &whole[..records.len()]);
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500), head in 0..40_usize) {
        let mut all = good()[..head.min(good().len())].to_vec();
        all.extend_from_slice(&bytes);
        read_all(&all);
    }
}
