//! Who is told, and when.

use super::{
    super::{Quiet, Span},
    *,
};
use crate::shard::Census;

#[test]
fn the_first_route_that_matches_decides_unless_it_leads_on() {
    let mut office = Office::new(
        vec![
            Alert {
                severity: Severity::Critical,
                ..route("pager", "**", &[0])
            },
            Alert {
                goes_on: true,
                ..route("web", "web.*", &[1])
            },
            Alert {
                detectors: vec!["other".to_owned()],
                ..route("other", "**", &[0])
            },
            route("rest", "**", &[2, 1]),
            route("never", "**", &[0]),
        ],
        3,
    );
    office.opens("web.a");
    office.opens("db.a");
    office.happens("db.b", Change::Opened, Some(Severity::Critical));
    office.says(0, &["0 firing db.b"]);
    // Both routes lead to it, and it is told once.
    office.says(1, &["0 firing web.a", "0 firing db.a"]);
    assert_eq!(office.heard[2][0].message.route, "rest".into());
    office.says(2, &["0 firing web.a", "0 firing db.a"]);
    // One that gets worse takes the route that it now matches as well.
    office.wait(1);
    office.happens("db.a", Change::Again, Some(Severity::Critical));
    office.wait(1);
    for series in ["web.a", "db.a", "db.b"] {
        office.closes(series);
    }
    office.says(0, &["1 firing db.a", "2 resolved db.a", "2 resolved db.b"]);
    office.says(2, &["1 again db.a", "2 resolved web.a", "2 resolved db.a"]);
}

#[test]
fn what_opens_together_is_told_together_and_what_is_over_by_then_is_not() {
    let mut office = Office::new(
        vec![Alert {
            group_wait_s: 30,
            ..route("ops", "**", &[0])
        }],
        1,
    );
    office.opens("a");
    office.wait(10);
    office.opens("b");
    office.opens("brief");
    office.wait(15);
    office.closes("brief");
    office.goes_on("a");
    office.wait(4);
    office.says(0, &[]);
    office.wait(1);
    office.says(0, &["30 firing a", "30 firing b"]);
    // The next begins another wait.
    office.wait(5);
    office.opens("c");
    office.wait(30);
    office.closes("b");
    office.says(0, &["65 firing c", "65 resolved b"]);
}

#[test]
fn what_comes_and_goes_again_and_again_is_told() {
    let mut office = Office::new(
        vec![Alert {
            group_wait_s: 30,
            ..route("ops", "**", &[0])
        }],
        1,
    );
    for _ in 0..6 {
        office.opens("flaps");
        office.wait(20);
        office.closes("flaps");
        office.wait(40);
    }
    office.says(
        0,
        &[
            "140 firing flaps",
            "140 resolved flaps",
            "320 firing flaps",
            "320 resolved flaps",
        ],
    );
}

fn quiet_at_noon() -> Quiet {
    Quiet {
        spans: vec![Span::parse("12:10-13:00").unwrap()],
        ..Quiet::default()
    }
}

#[test]
fn in_quiet_hours_nobody_is_told_and_afterwards_of_what_is_still_open() {
    let quiet = quiet_at_noon();
    let mut office = Office::new(
        vec![
            Alert {
                quiet,
                repeat_s: Some(1800),
                goes_on: true,
                ..route("ops", "**", &[0, 1])
            },
            route("log", "**", &[1]),
        ],
        2,
    );
    office.opens("before");
    office.opens("lasting");
    office.leap(600);
    office.opens("brief");
    office.opens("still");
    office.goes_on("lasting");
    office.leap(600);
    office.closes("brief");
    office.closes("before");
    office.leap(2399);
    office.says(0, &["0 firing before", "0 firing lasting"]);
    office.leap(1);
    office.says(0, &["3600 again lasting", "3600 firing still", "3600 resolved before"]);
    // Who is told by another route as well has heard of it all at once.
    office.says(
        1,
        &[
            "0 firing before",
            "0 firing lasting",
            "600 firing brief",
            "600 firing still",
            "600 again lasting",
            "1200 resolved brief",
            "1200 resolved before",
            "3600 again lasting",
        ],
    );
}

#[test]
fn people_are_told_again_of_what_is_still_open() {
    let mut office = Office::new(
        vec![Alert {
            repeat_s: Some(3600),
            resolved: false,
            ..route("ops", "**", &[0])
        }],
        1,
    );
    office.opens("a");
    office.leap(1800);
    // That it is told of anyhow counts.
    office.goes_on("a");
    office.leap(3599);
    office.says(0, &["0 firing a", "1800 again a"]);
    office.leap(1);
    office.leap(3600);
    office.says(0, &["5400 again a", "9000 again a"]);
    office.desk.acknowledged.borrow_mut().insert("a".to_owned());
    office.leap(7200);
    office.goes_on("a");
    office.says(0, &[]);
    office.desk.acknowledged.borrow_mut().clear();
    office.leap(5);
    office.says(0, &["16205 again a"]);
    // Here nobody wants to know that it is over.
    office.closes("a");
    office.leap(7200);
    office.says(0, &[]);
}

#[test]
fn what_is_silenced_is_told_when_it_is_not_any_more() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.opens("told");
    for series in ["told", "held", "brief"] {
        office.desk.silenced.borrow_mut().insert(series.to_owned());
    }
    for series in ["held", "brief"] {
        office.opens(series);
    }
    office.goes_on("told");
    office.wait(60);
    office.closes("brief");
    // Whoever was told of it is told that it is over.
    office.closes("told");
    office.says(0, &["0 firing told", "60 resolved told"]);
    assert_eq!(office.router.held(), 1);
    assert_eq!(office.held_back(0), [0, 3, 0], "each once, however long it takes");
    office.desk.silenced.borrow_mut().clear();
    office.wait(5);
    office.says(0, &["65 firing held"]);
    assert_eq!((office.router.held(), office.held_back(0)), (0, [0, 3, 0]));
}

#[test]
fn what_is_held_back_is_counted_once_for_each_message_and_channel() {
    let quiet = quiet_at_noon();
    let mut office = Office::new(
        vec![
            Alert {
                quiet,
                repeat_s: Some(600),
                goes_on: true,
                ..route("ops", "**", &[0, 1])
            },
            Alert {
                repeat_s: Some(1200),
                ..route("log", "**", &[1, 2])
            },
        ],
        3,
    );
    office.opens("a");
    office.desk.acknowledged.borrow_mut().insert("a".to_owned());
    for channel in 0..3 {
        office.says(channel, &["0 firing a"]);
    }
    // It is quiet from 600 on: what ops is not told there, log tells its channels.
    office.leap(660);
    office.opens("b");
    office.goes_on("b");
    office.says(0, &[]);
    office.says(1, &["660 firing b", "660 again b"]);
    office.says(2, &["660 firing b", "660 again b"]);
    assert_eq!(office.held_back(0), [2, 0, 0], "that a goes on, and b");
    assert_eq!(
        office.held_back(1),
        [1, 0, 0],
        "that a goes on, which is a matter of each route"
    );
    assert_eq!(office.held_back(2), [0, 0, 0]);
    // That a goes on is told nobody who was told of it, for one reason or the other.
    office.leap(540);
    assert_eq!(
        [office.held_back(0), office.held_back(1), office.held_back(2)],
        [[2, 0, 0], [1, 0, 1], [0, 0, 1]]
    );
    office.desk.acknowledged.borrow_mut().clear();
    office.leap(5);
    office.says(1, &["1205 again a"]);
    office.says(2, &["1205 again a"]);
    // What is held back next is counted anew.
    office.desk.silenced.borrow_mut().insert("a".to_owned());
    office.goes_on("a");
    office.leap(1200);
    office.leap(5);
    assert_eq!(office.held_back(2), [0, 2, 1]);
    assert_eq!(
        office.held_back(1),
        [1, 2, 1],
        "two routes lead there, and it is one message"
    );
}

#[test]
fn one_that_goes_on_is_told_once_where_several_routes_lead() {
    let leading_on = Alert {
        goes_on: true,
        ..route("ops", "**", &[0])
    };
    let mut office = Office::new(vec![leading_on, route("log", "**", &[1, 0])], 2);
    office.opens("a");
    office.goes_on("a");
    office.says(0, &["0 firing a", "0 again a"]);
    office.says(1, &["0 firing a", "0 again a"]);
}

#[test]
fn a_message_says_what_people_have_said() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    let marks = |office: &Office, place: usize| {
        let message = &office.heard[0][place].message;
        let author = message.acknowledged.as_ref().map(|said| said.author.clone());
        (message.silenced.clone(), author)
    };
    office.opens("a");
    assert_eq!(marks(&office, 0), (Vec::new(), None));
    office.desk.acknowledged.borrow_mut().insert("a".to_owned());
    office.desk.silenced.borrow_mut().insert("a".to_owned());
    office.closes("a");
    assert_eq!(marks(&office, 1), (vec!["5".to_owned()], Some("kim".to_owned())));
    office.says(0, &["0 firing a", "0 resolved a"]);
    // Somebody knew of it before others are told.
    office.desk.acknowledged.borrow_mut().insert("b".to_owned());
    office.opens("b");
    assert_eq!(marks(&office, 0), (Vec::new(), Some("kim".to_owned())));
}

#[test]
fn a_group_that_has_grown_takes_its_own_route() {
    let mut office = Office::new(
        vec![
            Alert {
                members: 3,
                ..route("incident", "**", &[0])
            },
            route("rest", "**", &[1]),
        ],
        2,
    );
    // Fifteen series of one host, and elsewhere nothing: a group of the board's own making.
    let subtrees = [("dc", 10_000), ("dc.web1", 20)];
    office.board.count(&Census {
        series: 10_000,
        subtrees: subtrees.map(|(prefix, count)| (prefix.into(), count)).into(),
    });
    for number in 0..15 {
        office.opens(&format!("dc.web1.cpu{number}"));
        office.wait(1);
        let groups = office.board.groups(Which::Open, 10, 0).0;
        for group in groups {
            let summary = group.summary().clone();
            office.desk.groups.borrow_mut().insert(summary.id, summary);
        }
    }
    office.wait(1);
    let told: HashSet<Arc<str>> = office.heard[0]
        .iter()
        .map(|heard| Arc::clone(&heard.message.series))
        .collect();
    assert_eq!(
        (told.len(), office.heard[0].len()),
        (15, 15),
        "those that came before it was a group as well"
    );
    let last = &office.heard[0][14].message;
    assert!(last.group.as_ref().is_some_and(|group| group.members >= 3), "{last:?}");
    assert!(office.heard[1].len() < 15, "once it is one, they take this route alone");
}

#[test]
fn other_routes_hold_for_what_comes() {
    let mut office = Office::new(vec![route("ops", "**", &[0])], 2);
    office.opens("a");
    let to = |place: usize| Routes {
        alerts: vec![Alert {
            group_wait_s: 60,
            repeat_s: Some(600),
            ..route("new", "**", &[place])
        }],
        links: LinkSettings::default(),
        channels: 2,
    };
    office.router.change(to(1), office.now);
    office.opens("b");
    office.wait(30);
    // What waits begins to wait anew, on the route that there is now.
    office.router.change(to(1), office.now);
    office.wait(60);
    office.says(0, &["0 firing a"]);
    office.says(1, &["90 firing b"]);
    // It was told before, elsewhere; here it is news.
    office.leap(540);
    office.says(1, &["630 firing a"]);
    for series in ["a", "b"] {
        office.closes(series);
    }
    office.says(0, &["630 resolved a"]);
    office.says(1, &["630 resolved a", "630 resolved b"]);
}
