//! What is told of too much, too late, or to nobody.

use super::*;

fn limited(messages: usize, per_s: i64) -> Bounds {
    Bounds {
        rate_limit: Some(RateLimit { messages, per_s }),
        ..unbounded()
    }
}

#[test]
fn what_is_beyond_the_limit_is_summed_up() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.mailboxes[0].set_bounds(limited(2, 60));
    for series in ["a", "b", "c", "d", "e"] {
        office.opens(series);
        office.wait(1);
    }
    office.goes_on("a");
    office.closes("a");
    office.closes("d");
    office.says(0, &["0 firing a", "1 firing b", "5 resolved a"]);
    office.wait(57);
    let summary = office.heard[0].pop().unwrap();
    office.says(0, &[]);
    assert_eq!((summary.at - NOON, summary.message.status), (62, Status::Summary));
    assert_eq!(
        summary.message.reason,
        "3 more anomalies were not told one by one, as there were too many; 1 of them are over; among them c, d, e"
    );
    let counts = summary
        .message
        .summary
        .as_ref()
        .map(|summary| (summary.opened, summary.closed));
    assert_eq!(counts, Some((3, 1)));
    // Who is not told that it has opened is not told that it is over, unless it is told that it goes on.
    office.closes("c");
    office.goes_on("e");
    office.closes("e");
    office.closes("b");
    office.says(0, &["62 firing e", "62 resolved e", "62 resolved b"]);
    assert_eq!(channel_metrics(&office.metrics, 0).withheld.get(), 4);
}

#[test]
fn when_it_is_full_what_matters_least_goes_first() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.opens("told");
    office.down.insert(0);
    for series in ["over", "open"] {
        office.opens(series);
    }
    office.goes_on("told");
    office.closes("over");
    office.mailboxes[0].gauge(NOON);
    let waiting = channel_metrics(&office.metrics, 0).queued_bytes.get();
    let full = Bounds {
        bytes_max: waiting.unsigned_abs(),
        ..unbounded()
    };
    office.mailboxes[0].set_bounds(full);
    // What goes on, and what is over and untold, makes room for what opens.
    office.opens("new");
    assert_eq!(office.lost(0, Loss::Full), 3);
    for number in 0..50 {
        office.opens(&format!("more{number}"));
    }
    let waiting = office.mailboxes[0].len();
    assert!(waiting > 2, "{waiting}");
    assert_eq!(office.lost(0, Loss::Full), 3 + 52 - waiting as u64);
    // That something told is over is told at the cost of the newest.
    office.closes("told");
    office.down.clear();
    office.wait(1);
    let first: Vec<String> = office.heard[0]
        .iter()
        .take(3)
        .map(|heard| heard.message.series.to_string())
        .collect();
    assert_eq!(first, ["told", "open", "new"]);
    let last = office.heard[0].last().unwrap().message.clone();
    assert_eq!((&*last.series, last.status), ("told", Status::Resolved));
    // What was lost is not told to be over.
    office.heard[0].clear();
    for number in 0..50 {
        office.closes(&format!("more{number}"));
    }
    assert!(office.heard[0].len() < waiting, "{:?}", office.heard[0].len());
}

#[test]
fn what_is_refused_is_not_told_to_be_over() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.down.insert(0);
    for series in ["a", "b"] {
        office.opens(series);
    }
    office.goes_on("a");
    office.closes("a");
    let mailbox = &mut office.mailboxes[0];
    assert_eq!(mailbox.take(10).len(), 4);
    mailbox.refuse(NOON);
    // All of that anomaly is given up.
    assert_eq!((mailbox.len(), office.lost(0, Loss::Refused)), (1, 3));
    office.down.clear();
    office.wait(1);
    office.closes("b");
    office.says(0, &["1 firing b", "1 resolved b"]);
}

#[test]
fn what_has_waited_for_too_long_is_given_up() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.opens("told");
    office.down.insert(0);
    office.opens("late");
    office.wait(10);
    office.closes("told");
    office.leap(24 * 3600 - 10);
    assert_eq!((office.mailboxes[0].len(), office.lost(0, Loss::Expired)), (1, 1));
    office.down.clear();
    office.closes("late");
    office.says(0, &["0 firing told", "86400 resolved told"]);
}

#[test]
fn one_that_is_in_the_way_steps_back_with_all_that_is_of_it() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.down.insert(0);
    for series in ["a", "b"] {
        office.opens(series);
    }
    office.goes_on("a");
    office.closes("b");
    office.mailboxes[0].take(1);
    office.mailboxes[0].step_back();
    office.down.clear();
    office.wait(1);
    office.says(0, &["1 firing b", "1 resolved b", "1 firing a", "1 again a"]);
}

#[test]
fn what_is_delivered_and_open_is_told_again_to_those_who_forget() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    let open = |office: &Office| -> Vec<(String, Status)> {
        let messages = office.mailboxes[0].delivered();
        messages
            .iter()
            .map(|message| (message.series.to_string(), message.status))
            .collect()
    };
    for series in ["b", "a", "c"] {
        office.opens(series);
        office.wait(1);
    }
    office.goes_on("b");
    office.closes("a");
    office.down.insert(0);
    office.opens("d");
    assert_eq!(
        open(&office),
        [("b".to_owned(), Status::Again), ("c".to_owned(), Status::Firing)]
    );
    office.down.clear();
    office.wait(1);
    assert_eq!(open(&office).len(), 3);
}
