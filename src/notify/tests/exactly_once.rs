//! Whatever happens, each channel hears of an anomaly first that it has opened, and once that it is over.

use proptest::prelude::*;

use super::{
    super::{Quiet, Span},
    *,
};

#[derive(Clone, Debug)]
enum Step {
    Opens(u8),
    GoesOn(u8),
    Closes(u8),
    Waits(i64),
    Silences(u8, bool),
    Acknowledges(u8, bool),
    GoesDown(usize, bool),
    Refuses(usize),
    Restarts,
    Reloads(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let series = 0..6_u8;
    let step = prop_oneof![
        6 => series.clone().prop_map(Step::Opens),
        2 => series.clone().prop_map(Step::GoesOn),
        5 => series.clone().prop_map(Step::Closes),
        4 => (1..90_i64).prop_map(Step::Waits),
        1 => (300..4000_i64).prop_map(Step::Waits),
        1 => (series.clone(), any::<bool>()).prop_map(|(series, on)| Step::Silences(series, on)),
        1 => (series, any::<bool>()).prop_map(|(series, on)| Step::Acknowledges(series, on)),
        2 => (0..3_usize, any::<bool>()).prop_map(|(channel, down)| Step::GoesDown(channel, down)),
        1 => (0..3_usize).prop_map(Step::Refuses),
        1 => Just(Step::Restarts),
        1 => (0..2_usize).prop_map(Step::Reloads),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Two sets of routes that have little in common.
fn route_sets() -> [Vec<Alert>; 2] {
    let quiet = Quiet {
        spans: vec![Span::parse("12:20-12:50").unwrap()],
        ..Quiet::default()
    };
    [
        vec![
            Alert {
                group_wait_s: 30,
                repeat_s: Some(600),
                goes_on: true,
                ..route("first", "s{0,1,2}", &[0])
            },
            Alert {
                quiet,
                ..route("second", "**", &[1, 2])
            },
        ],
        vec![route("third", "**", &[2, 0])],
    ]
}

fn run(steps: &[Step], bounds: Bounds) {
    let routes = route_sets();
    let mut current = 0;
    let mut office = Office::new(routes[0].clone(), 3);
    office
        .mailboxes
        .iter_mut()
        .for_each(|mailbox| mailbox.set_bounds(bounds));
    let name = |series: u8| format!("s{series}");
    for step in steps {
        match step {
            Step::Opens(series) => {
                let name = name(*series);
                if office
                    .board
                    .of_series(&name, 1)
                    .iter()
                    .all(|anomaly| anomaly.closed.is_some())
                {
                    // One after the other: an anomaly is known by when it has opened.
                    office.wait(1);
                    office.opens(&name);
                }
            }
            Step::GoesOn(series) => office.goes_on(&name(*series)),
            Step::Closes(series) => office.closes(&name(*series)),
            Step::Waits(seconds) if *seconds < 100 => office.wait(*seconds),
            Step::Waits(seconds) => office.leap(*seconds),
            Step::Silences(series, on) => set(&office.desk.silenced, &name(*series), *on),
            Step::Acknowledges(series, on) => set(&office.desk.acknowledged, &name(*series), *on),
            Step::GoesDown(channel, true) => drop(office.down.insert(*channel)),
            Step::GoesDown(channel, false) => drop(office.down.remove(channel)),
            Step::Refuses(channel) => {
                office.mailboxes[*channel].take(1);
                office.mailboxes[*channel].refuse(office.now);
            }
            Step::Restarts => office.restart(routes[current].clone()),
            Step::Reloads(set) => {
                current = *set;
                let to = Routes {
                    alerts: routes[current].clone(),
                    links: LinkSettings::default(),
                    channels: 3,
                };
                office.router.change(to, office.now);
            }
        }
    }
    // In the end all is over, and everybody hears.
    (0..6).for_each(|series| office.closes(&name(series)));
    office.down.clear();
    office.leap(7200);
    let lost = |office: &Office, place| {
        [Loss::Full, Loss::Refused]
            .map(|loss| office.lost(place, loss))
            .iter()
            .sum::<u64>()
    };
    for place in 0..3 {
        let mut of_each: HashMap<&str, Vec<Status>> = HashMap::new();
        for heard in office.heard[place]
            .iter()
            .filter(|heard| heard.message.status != Status::Summary)
        {
            of_each
                .entry(&heard.message.fingerprint)
                .or_default()
                .push(heard.message.status);
        }
        for (key, statuses) in &of_each {
            let told = format!("channel {place}, {key}: {statuses:?}");
            let count = |status: Status| statuses.iter().filter(|other| **other == status).count();
            assert_eq!((statuses[0], count(Status::Firing)), (Status::Firing, 1), "{told}");
            let ends = count(Status::Resolved);
            assert!(ends == 1 || ends == 0 && lost(&office, place) > 0, "{told}");
            assert!(ends == 0 || statuses.last() == Some(&Status::Resolved), "{told}");
        }
        assert_eq!(office.mailboxes[place].told().count(), 0, "nothing is left over");
    }
    assert_eq!(office.router.held(), 0);
}

fn set(names: &RefCell<HashSet<String>>, name: &str, on: bool) {
    if on {
        names.borrow_mut().insert(name.to_owned());
    } else {
        names.borrow_mut().remove(name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn each_beginning_that_is_told_has_one_end(steps in steps()) {
        run(&steps, unbounded());
    }

    #[test]
    fn nor_does_a_limit_or_a_full_mailbox_change_that(steps in steps(), messages in 1..6_usize, bytes_max in 700..4000_u64) {
        let rate_limit = Some(RateLimit { messages, per_s: 300 });
        run(&steps, Bounds { bytes_max, rate_limit, ..unbounded() });
    }
}
