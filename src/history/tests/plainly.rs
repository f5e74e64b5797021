//! Searches against a plain filter over all that was ever written.

use proptest::prelude::*;

use super::*;

/// Something that happens to an anomaly; restarts come in between.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// To the anomaly with this number, at this time.
    Happens(u64, Timestamp),
    /// As it is after a crash: what was closed may be open again.
    Again(u64),
    Restart,
}

/// What is asked for, as numbers.
type Question = (u64, bool, Timestamp, Timestamp, usize);

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (1..200_u64, 0..1000_i64).prop_map(|(id, at)| Step::Happens(id, at)),
        2 => (1..200_u64).prop_map(Step::Again),
        1 => Just(Step::Restart),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    (0..6_u64, any::<bool>(), 0..1000_i64, 0..1000_i64, 1..40_usize)
}

/// The series of an anomaly.
fn series(id: u64) -> String {
    format!("s{}.x", id % 5)
}

/// All that was written, in order, as somebody would who has paper and time.
#[derive(Default)]
struct Paper {
    records: Vec<Entry>,
}

impl Paper {
    /// Whether the newest record of an anomaly says that it is open, and when it has opened; `None`: there is none.
    fn newest(&self, id: u64) -> Option<&Entry> {
        self.records.iter().rev().find(|entry| entry.anomaly.id == id)
    }

    fn matching(&self, wanted: &Wanted) -> Vec<u64> {
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for entry in self.records.iter().rev() {
            let anomaly = &entry.anomaly;
            if seen.contains(&anomaly.id) {
                continue;
            }
            seen.push(anomaly.id);
            let opened_at = anomaly.opened.timestamp;
            let ended_at = anomaly.closed.as_ref().map_or(opened_at, |closed| closed.timestamp);
            if wanted.series.matches(&anomaly.series)
                && wanted
                    .detector
                    .as_deref()
                    .is_none_or(|detector| detector == &*anomaly.detector)
                && opened_at <= wanted.until
                && ended_at >= wanted.from
            {
                found.push(anomaly.id);
            }
        }
        found
    }
}

/// What is written when something happens to an anomaly: it opens, or closes, or closes without having opened.
fn happens(paper: &Paper, id: u64, at: Timestamp) -> Entry {
    let before = paper.newest(id);
    let opened_at = before.map_or(at, |before| before.anomaly.opened.timestamp);
    let of = |what, closed_at| entry(what, anomaly(id, &series(id), opened_at, closed_at));
    match before {
        None if !id.is_multiple_of(7) => of(What::Opened, None),
        _ => of(What::Closed, Some(opened_at.max(at))),
    }
}

#[track_caller]
fn check(store: &Store, paper: &Paper, (which, by_detector, from, until, limit): Question) {
    let pattern = if which == 5 {
        "**".to_owned()
    } else {
        format!("s{which}.*")
    };
    let wanted = Wanted {
        series: Glob::new(&pattern).unwrap(),
        detector: by_detector.then(|| "third".to_owned()),
        from: from.min(until),
        until: from.max(until),
        limit,
        before: None,
    };
    let expected = paper.matching(&wanted);
    // Page by page.
    let (mut got, mut next) = (Vec::new(), None);
    loop {
        let page = Wanted {
            before: next,
            ..wanted.clone()
        };
        let found = search(store, &page, Timestamp::MIN);
        assert!(found.anomalies.len() <= limit);
        got.extend(ids(&found));
        next = found.next;
        let Some(place) = next else { break };
        assert_eq!(place.to_string().parse(), Ok(place));
    }
    assert_eq!(got, expected, "{wanted:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_a_plain_filter_finds(
        steps in prop::collection::vec(step(), 0..900),
        questions in prop::collection::vec(question(), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let mut paper = Paper::default();
        for step in steps {
            let written = match step {
                Step::Happens(id, at) => Some(happens(&paper, id, at)),
                // Of what is known to be open there is no record once more.
                Step::Again(id) if !lock(store.index()).is_open(id) => {
                    let opened_at = paper.newest(id).map_or(500, |entry| entry.anomaly.opened.timestamp);
                    Some(entry(What::Resumed, anomaly(id, &series(id), opened_at, None)))
                }
                Step::Again(_) => None,
                Step::Restart => {
                    store = open(folder.path());
                    None
                }
            };
            if let Some(entry) = written {
                append(&mut store, std::slice::from_ref(&entry), 5, ROOM);
                paper.records.push(entry);
            }
        }
        for question in questions {
            check(&store, &paper, question);
            check(&open(folder.path()), &paper, question);
        }
    }
}
