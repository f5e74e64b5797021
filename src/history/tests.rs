//! What is written comes back, whatever happens to the files, and nothing comes twice.

mod bounds;
mod damage;
mod plainly;

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::{anomaly::groups::Tag, detect::Verdict, glob::Glob, metrics::Metrics};
use store::Store;

/// Plenty of room, for as long as there is.
const ROOM: Bounds = Bounds {
    bytes_max: 1 << 20,
    age_max_s: None,
};

/// Enough for a thread on a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(20);

fn anomaly(id: u64, series: &str, opened_at: Timestamp, closed_at: Option<Timestamp>) -> Arc<Anomaly> {
    let verdict = |timestamp| Verdict {
        timestamp,
        reason: "three of <b>nine</b>\u{202e}".to_owned(),
        ..Verdict::default()
    };
    Arc::new(Anomaly {
        id,
        series: series.into(),
        detector: if id.is_multiple_of(3) { "third" } else { "default" }.into(),
        opened: verdict(opened_at),
        again: None,
        closed: closed_at.map(verdict),
        rank: 1.5,
        group: Tag::default(),
    })
}

fn opened(id: u64, opened_at: Timestamp) -> Entry {
    entry(What::Opened, anomaly(id, "a.b", opened_at, None))
}

fn closed(id: u64, opened_at: Timestamp, closed_at: Timestamp) -> Entry {
    entry(What::Closed, anomaly(id, "a.b", opened_at, Some(closed_at)))
}

fn entry(what: What, anomaly: Arc<Anomaly>) -> Entry {
    Entry {
        what,
        anomaly,
        marks: Marks::default(),
    }
}

fn line(entry: &Entry, at: Timestamp) -> Vec<u8> {
    let mut line = Vec::new();
    assert!(record::put(entry, at, &mut line));
    line
}

fn everything() -> Wanted {
    Wanted {
        series: Glob::everything(),
        detector: None,
        from: Timestamp::MIN,
        until: Timestamp::MAX,
        limit: usize::MAX,
        before: None,
    }
}

fn open(directory: &Path) -> Store {
    Store::open(directory).unwrap().0
}

#[track_caller]
fn append(store: &mut Store, entries: &[Entry], now: Timestamp, bounds: Bounds) {
    let (written, outcome) = store.append(entries, now, bounds);
    outcome.unwrap();
    assert_eq!(written.records, entries.len());
}

/// What a search finds when none of what is not over goes on.
fn search(store: &Store, wanted: &Wanted, since: Timestamp) -> Found {
    let index = lock(store.index()).clone();
    let view = View {
        index: &index,
        since,
        is_open: &|_, _| false,
    };
    view.search(wanted)
}

fn ids(found: &Found) -> Vec<u64> {
    let values = found
        .anomalies
        .iter()
        .map(|json| serde_json::from_str(json.get()).unwrap());
    values.map(|value: Value| value["id"].as_u64().unwrap()).collect()
}

fn all_ids(store: &Store) -> Vec<u64> {
    ids(&search(store, &everything(), Timestamp::MIN))
}

#[test]
fn a_line_is_read_by_people_and_programs() {
    let entry = closed(7, 100, 160);
    let line = line(&entry, 1_700_000_000);
    let text = std::str::from_utf8(&line).unwrap();
    let (envelope, json) = text.split_at(text.find('{').unwrap());
    assert!(envelope.ends_with(" 1700000000 closed "), "{envelope}");
    let value: Value = serde_json::from_str(json).unwrap();
    assert_eq!((&value["id"], &value["state"]), (&7.into(), &"closed".into()));
    assert_eq!((&value["opened_at"], &value["closed_at"]), (&100.into(), &160.into()));
    // What a terminal would obey is not in it.
    assert!(text.is_ascii(), "{text}");
    let parsed = record::Line::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
    assert_eq!((parsed.at, parsed.what), (1_700_000_000, Some(What::Closed)));
    assert_eq!(parsed.told().unwrap().1.series, "a.b");
}

#[test]
fn a_name_may_hold_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let names = [
        "a\nb",
        "\",\"state\":\"open\"",
        "a b c",
        "\u{0}\u{1b}[2J\u{202e}",
        "größe",
        "{}",
    ];
    let entries: Vec<_> = (1..)
        .zip(names)
        .map(|(id, name)| entry(What::Opened, anomaly(id, name, 5, None)))
        .collect();
    append(&mut store, &entries, 9, ROOM);
    let store = open(folder.path());
    let found = search(&store, &everything(), Timestamp::MIN);
    assert_eq!(found.anomalies.len(), names.len());
    for (json, name) in found.anomalies.iter().rev().zip(names) {
        let value: Value = serde_json::from_str(json.get()).unwrap();
        assert_eq!(
            (value["series"].as_str(), value["state"].as_str()),
            (Some(name), Some("closed"))
        );
        assert!(!json.get().contains(char::is_control), "{json}");
    }
    let wanted = Wanted {
        series: Glob::new("a\nb").unwrap(),
        ..everything()
    };
    assert_eq!(ids(&search(&store, &wanted, Timestamp::MIN)), [1]);
}

#[test]
fn what_is_open_is_there_once_and_knows_whether_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    append(&mut store, &[opened(1, 10), opened(2, 20), closed(1, 10, 30)], 40, ROOM);
    let shown = |store: &Store, wanted: &Wanted, goes_on: bool| -> Vec<String> {
        let index = lock(store.index()).clone();
        let view = View {
            index: &index,
            since: Timestamp::MIN,
            is_open: &|id, series| goes_on && id == 2 && series == "a.b",
        };
        let shown = view.search(wanted).anomalies;
        let shown = shown
            .iter()
            .map(|json| serde_json::from_str::<Value>(json.get()).unwrap());
        shown
            .map(|value| format!("{} {} {}", value["id"], value["state"], value["closed_at"]))
            .collect()
    };
    for store in [&store, &open(folder.path())] {
        assert_eq!(
            shown(store, &everything(), true),
            ["1 \"closed\" 30", "2 \"open\" null"]
        );
        assert_eq!(
            shown(store, &everything(), false),
            ["1 \"closed\" 30", "2 \"closed\" null"]
        );
        let late = Wanted {
            from: 1000,
            ..everything()
        };
        assert_eq!(shown(store, &late, true), ["2 \"open\" null"]);
        assert_eq!(shown(store, &late, false), [""; 0]);
    }
}

#[test]
fn a_directory_has_one_writer_and_its_thread_writes_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("history");
    let settings = Settings {
        directory: Some(directory.clone()),
        ..Settings::default()
    };
    let metrics = Metrics::new().history;
    let history = History::start(&settings, metrics.clone()).unwrap();
    let taken = History::start(&settings, metrics.clone()).unwrap_err();
    assert!(taken.to_string().contains("another process"), "{taken}");
    for id in 1..=3000 {
        let (before, after) = (anomaly(id, "a.b", 1, None), anomaly(id, "a.b", 1, Some(2)));
        history.note(Change::Opened, &before, &Marks::default());
        history.note(Change::Again, &before, &Marks::default());
        history.note(Change::Closed, &after, &Marks::default());
    }
    // One is open after a restart that was closed, one that nobody has heard of, and one that is known to be.
    let last = anomaly(4000, "a.b", 1, None);
    history.note(Change::Opened, &last, &Marks::default());
    let open = [anomaly(7, "a.b", 1, None), anomaly(5000, "a.b", 1, None), last];
    history.resume(open.map(|open| (open, Marks::default())).into());
    assert!(history.is_at_work());
    assert!(history.stop(SOON));
    assert_eq!((metrics.written.get(), metrics.queue_full.get()), (6003, 0));
    let found = OnDisk::open(&directory).unwrap().search(&everything());
    let mut expected: Vec<u64> = (1..=3000).rev().filter(|id| *id != 7).collect();
    expected.splice(..0, [5000, 7, 4000]);
    assert_eq!((ids(&found), found.next), (expected, None));
    drop(history);
    let again = History::start(&settings, metrics).unwrap();
    assert_eq!(again.last_id(), 5000);
    assert!(again.stop(SOON));
}

#[test]
fn without_a_directory_there_is_none() {
    let history = History::start(&Settings::default(), Metrics::new().history).unwrap();
    assert!(!history.is_kept() && history.is_at_work());
    history.note(Change::Opened, &anomaly(1, "a", 1, None), &Marks::default());
    let refused = history.search(&everything(), |_, _| true).unwrap_err();
    assert!(matches!(refused, SearchError::NotKept), "{refused}");
    assert!(history.stop(SOON));
}
