//! What was told before a restart, and what comes of it after.

use std::path::Path;

use super::*;

/// Puts mailboxes on disk in the place of those in memory, or what is on disk after the process was killed.
fn on_disk(office: &mut Office, directory: &Path) {
    for place in 0..office.mailboxes.len() {
        let metrics = channel_metrics(&office.metrics, place);
        office.mailboxes[place] =
            Mailbox::open(&directory.join(format!("{place}.journal")), unbounded(), metrics).unwrap();
    }
}

fn open_numbers(office: &Office) -> Vec<u64> {
    let open = office.board.select(Which::Open, &Glob::everything(), 100).anomalies;
    open.iter().map(|anomaly| anomaly.id).collect()
}

#[test]
fn what_was_told_is_not_told_again_and_its_end_is() {
    let directory = tempfile::tempdir().unwrap();
    let routes = || {
        vec![Alert {
            repeat_s: Some(3600),
            ..route("ops", "**", &[0])
        }]
    };
    let mut office = Office::new(routes(), 2);
    on_disk(&mut office, directory.path());
    office.mailboxes.iter_mut().for_each(Mailbox::begin);
    office.opens("told");
    office.opens("over_soon");
    office.desk.silenced.borrow_mut().insert("held".to_owned());
    office.opens("held");
    office.wait(600);
    office.down.insert(0);
    office.opens("waiting");
    office.says(0, &["0 firing told", "0 firing over_soon"]);
    // Killed, and started again with the same board.
    on_disk(&mut office, directory.path());
    assert_eq!(office.mailboxes[0].len(), 1);
    office.restart(routes());
    office.closes("over_soon");
    office.down.clear();
    office.desk.silenced.borrow_mut().clear();
    office.leap(10);
    office.says(0, &["610 firing waiting", "610 resolved over_soon", "610 firing held"]);
    // It is told again when it would have been.
    office.leap(2989);
    office.says(0, &[]);
    office.leap(1);
    office.says(0, &["3600 again told"]);
}

#[test]
fn what_is_gone_after_a_restart_is_told_to_be_over_unless_it_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let routes = || vec![route("ops", "**", &[0])];
    let mut office = Office::new(routes(), 1);
    on_disk(&mut office, directory.path());
    office.mailboxes.iter_mut().for_each(Mailbox::begin);
    office.opens("gone");
    office.opens("back");
    let known_as = office.heard[0][1].message.fingerprint.clone();
    office.heard[0].clear();
    // Killed, and there was no snapshot: the board knows nothing.
    on_disk(&mut office, directory.path());
    office.board = Board::new(100, groups::Settings::default(), office.metrics.anomaly.clone());
    office.restart(routes());
    office.wait(100);
    office.opens("back");
    office.leap(799);
    office.says(0, &[]);
    office.leap(1);
    assert!(office.heard[0][0].message.reason.contains("before a restart"));
    office.says(0, &["900 resolved gone"]);
    // To those who were told it is the anomaly that they know.
    office.goes_on("back");
    office.closes("back");
    for heard in &office.heard[0] {
        assert_eq!((&heard.message.fingerprint, heard.message.opened_at), (&known_as, NOON));
    }
    office.says(0, &["900 again back", "900 resolved back"]);
}

#[test]
fn without_a_directory_what_is_open_after_a_restart_counts_as_told() {
    let routes = || vec![route("ops", "**", &[0])];
    let mut office = Office::new(routes(), 1);
    office.opens("a");
    office.heard[0].clear();
    office.mailboxes[0] = Mailbox::in_memory(unbounded(), channel_metrics(&office.metrics, 0));
    office.restart(routes());
    office.wait(1);
    office.says(0, &[]);
    office.opens("b");
    office.closes("a");
    office.says(0, &["1 firing b", "1 resolved a"]);
}

#[test]
fn notices_that_were_missed_are_made_up_for() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.opens("closes_unseen");
    office.opens("stays");
    for (series, change) in [("opens_unseen", Change::Opened), ("closes_unseen", Change::Closed)] {
        office.board.record(Office::event(series, change, None, NOON)).unwrap();
    }
    office.reconcile();
    office.says(
        0,
        &[
            "0 firing closes_unseen",
            "0 firing stays",
            "0 resolved closes_unseen",
            "0 firing opens_unseen",
        ],
    );
    assert_eq!(open_numbers(&office).len(), 2);
    for series in ["stays", "opens_unseen"] {
        office.closes(series);
    }
    office.says(0, &["0 resolved stays", "0 resolved opens_unseen"]);
}

#[test]
fn a_journal_says_the_same_at_any_time_and_does_not_grow() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0.journal");
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    on_disk(&mut office, directory.path());
    office.mailboxes.iter_mut().for_each(Mailbox::begin);
    for round in 0..60 {
        office.down = if round % 3 == 0 { [0].into() } else { HashSet::new() };
        for number in 0..20 {
            let name = format!("s{number}");
            if (number + round) % 4 == 0 {
                office.closes(&name);
            } else if (number + round) % 4 == 1 {
                office.opens(&name);
            } else {
                office.goes_on(&name);
            }
        }
        office.wait(1);
        let metrics = channel_metrics(&office.metrics, 0);
        let copy = directory.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        let mut read = Mailbox::open(&copy, unbounded(), metrics).unwrap();
        let told = |mailbox: &Mailbox| mailbox.delivered();
        assert_eq!(told(&read), told(&office.mailboxes[0]));
        assert_eq!(read.len(), office.mailboxes[0].len());
        let waiting = office.mailboxes[0].take(1000);
        assert_eq!(read.take(1000), waiting);
        office.mailboxes[0].done(0, office.now);
    }
    assert!(std::fs::metadata(&path).unwrap().len() < 3 << 20);
}

#[test]
fn a_journal_that_cannot_be_written_costs_what_it_would_have_kept() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    on_disk(&mut office, &inner);
    // A journal whose directory is gone cannot be written anew; what is open goes on.
    for number in 0..3000 {
        office.opens(&format!("series.with.a.long.name.{number}"));
        if number == 100 {
            std::fs::remove_dir_all(&inner).unwrap();
        }
        office.closes(&format!("series.with.a.long.name.{number}"));
    }
    assert_eq!(office.heard[0].len(), 6000);
    assert!(channel_metrics(&office.metrics, 0).journal_failures.get() > 0);
    std::fs::create_dir(&inner).unwrap();
    office.leap(61);
    office.opens("last");
    let metrics = channel_metrics(&office.metrics, 0);
    let again = Mailbox::open(&inner.join("0.journal"), unbounded(), metrics).unwrap();
    assert_eq!(again.told().count(), 1);
}

#[test]
fn a_route_that_was_quiet_before_a_restart_is_told_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let routes = || {
        let quiet = super::super::Quiet {
            spans: vec![super::super::Span::parse("12:00-12:10").unwrap()],
            ..super::super::Quiet::default()
        };
        vec![
            Alert {
                goes_on: true,
                ..route("log", "**", &[0])
            },
            Alert {
                quiet,
                ..route("ops", "**", &[1])
            },
        ]
    };
    let mut office = Office::new(routes(), 2);
    on_disk(&mut office, directory.path());
    office.mailboxes.iter_mut().for_each(Mailbox::begin);
    office.opens("a");
    on_disk(&mut office, directory.path());
    office.restart(routes());
    office.leap(600);
    office.says(0, &["0 firing a"]);
    office.says(1, &["600 firing a"]);
    // What the board puts in the place of another ends that.
    office.opens("a");
    office.says(0, &["600 resolved a", "600 firing a"]);
    office.says(1, &["600 resolved a", "600 firing a"]);
}
