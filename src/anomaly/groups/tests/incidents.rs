//! Fleets of 10,000 series, each of which has a false alarm in ten days, and one incident that touches up to 300 of them: it
//! becomes one group, with nearly all of its members and few others, and hardly any group is false.

use std::collections::{BTreeMap, BTreeSet};

use super::{fleet::*, *};

/// Days that a fleet is watched for, from the first on.
pub(super) const DAYS: i64 = if cfg!(debug_assertions) { 3 } else { 6 };
pub(super) const INCIDENT_AT: i64 = (DAYS - 1) * DAY_S + 37_000;

/// The alarms of an incident that touches up to 300 of these series, over `within` seconds.
fn incident(touched: Vec<usize>, within: i64, dice: &mut Dice) -> Vec<Alarm> {
    let mut touched = touched;
    while touched.len() > 300 {
        touched.swap_remove(dice.index(touched.len()));
    }
    let alarm = |series| {
        // Some detectors take their time.
        let at = BEGIN + INCIDENT_AT + dice.below(within).min(dice.below(within));
        Alarm {
            series,
            at,
            seen: at + dice.below(120),
            closes: BEGIN + INCIDENT_AT + within + 600 + dice.wait(1200.0),
            is_incident: true,
        }
    };
    touched.into_iter().map(alarm).collect()
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Found {
    /// Groups with members of the incident.
    pub(super) groups: usize,
    /// The place of the largest of them.
    place: String,
    pub(super) recall: f64,
    pub(super) precision: f64,
    /// Other groups, by day.
    false_by_day: Vec<usize>,
    rank: f64,
    highest_false_rank: f64,
}

impl Found {
    pub(super) fn false_per_day(&self) -> f64 {
        let all: usize = self.false_by_day.iter().sum();
        f64::from(u32::try_from(all).unwrap()) / f64::from(i32::try_from(DAYS).unwrap())
    }
}

pub(super) fn run(names: &[String], mut alarms: Vec<Alarm>) -> Found {
    let series = census(names);
    let names: Vec<Arc<str>> = names.iter().map(|name| name.as_str().into()).collect();
    alarms.sort_by_key(|alarm| alarm.seen);
    let mut groups = Groups::new(Settings::default());
    let mut closing = BTreeMap::<(i64, usize), Tag>::new();
    let mut tags = Vec::new();
    let mut open = BTreeSet::new();
    for (number, alarm) in alarms.iter().enumerate() {
        while let Some(entry) = closing.first_entry()
            && entry.key().0 <= alarm.seen
        {
            let ((at, closed), tag) = entry.remove_entry();
            let series: usize = alarms[closed].series;
            open.remove(&series);
            if let Some(group) = tag.group() {
                groups.close(&names[series], at, group);
            }
        }
        let tag = Tag::default();
        tags.push(tag.clone());
        // What is open does not open.
        if open.insert(alarm.series) {
            let opening = Opening {
                series: Arc::clone(&names[alarm.series]),
                at: alarm.at,
                score: 1.5,
                severity: None,
                tag: tag.clone(),
            };
            groups.open(opening, &series);
            closing.insert((alarm.closes, number), tag);
        }
    }
    let mut members = BTreeMap::<u64, (BTreeSet<usize>, BTreeSet<usize>)>::new();
    for (alarm, tag) in alarms.iter().zip(&tags) {
        if let Some(group) = tag.group() {
            let of_group = members.entry(group).or_default();
            if alarm.is_incident {
                of_group.0.insert(alarm.series);
            } else {
                of_group.1.insert(alarm.series);
            }
        }
    }
    let incident: BTreeSet<usize> = alarms
        .iter()
        .filter(|alarm| alarm.is_incident)
        .map(|alarm| alarm.series)
        .collect();
    let (reports, _) = groups.report(true, true, usize::MAX, 0);
    let mut found = Found {
        groups: 0,
        place: String::new(),
        recall: 0.0,
        precision: 0.0,
        false_by_day: vec![0; usize::try_from(DAYS).unwrap() + 1],
        rank: 0.0,
        highest_false_rank: 0.0,
    };
    let share =
        |part: usize, whole: usize| f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap());
    for report in reports {
        let summary = report.summary();
        let Some((of_incident, strangers)) = members.get(&summary.id) else {
            continue;
        };
        // A member that alarms by itself at the time belongs to the incident as well.
        let strangers = strangers.difference(&incident).count();
        if of_incident.is_empty() {
            let day = usize::try_from((summary.since - BEGIN) / DAY_S).unwrap();
            found.false_by_day[day] += 1;
            found.highest_false_rank = found.highest_false_rank.max(summary.rank);
            continue;
        }
        found.groups += 1;
        let recall = share(of_incident.len(), incident.len());
        if recall > found.recall {
            found.recall = recall;
            found.precision = share(of_incident.len(), of_incident.len() + strangers);
            found.place = summary.place.to_string();
            found.rank = summary.rank;
        }
    }
    found
}

/// Has an incident happen to the series that match, under each background, and looks at what is found of it.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the figures, for whoever asks for them with --nocapture"
)]
fn becomes_one_group(names: &[String], globs: &[&str], within_s: i64) {
    let touched = matching(names, globs);
    assert!(touched.len() >= 40, "{globs:?}");
    for kind in FALSE_ALARMS {
        let seeds = if cfg!(debug_assertions) { 1..2 } else { 1..6 };
        for seed in seeds {
            let mut dice = Dice(seed);
            let mut alarms = false_alarms(kind, names, DAYS, &mut dice);
            alarms.extend(incident(touched.clone(), within_s, &mut dice));
            let found = run(names, alarms);
            println!(
                "{kind:?} {globs:?} {seed}: {found:?} {:.2} a day",
                found.false_per_day()
            );
            assert_eq!(found.groups, 1, "{kind:?}, {seed}: {found:?}");
            assert!(found.recall > 0.9, "{kind:?}, {seed}: {found:?}");
            assert!(found.precision > 0.85, "{kind:?}, {seed}: {found:?}");
            assert!(found.false_per_day() < 3.0, "{kind:?}, {seed}: {found:?}");
        }
    }
}

#[test]
fn a_host() {
    becomes_one_group(&hosts(), &["servers.web042.**"], 600);
    becomes_one_group(&large_hosts(), &["containers.node07.**"], 600);
}

#[test]
fn some_hosts() {
    let hosts_of_a_switch = [
        "web012",
        "db003",
        "cache011",
        "web077",
        "db021",
        "rack7-030",
        "web001",
        "cache002",
    ];
    let globs = hosts_of_a_switch.map(|host| format!("servers.{host}.**"));
    becomes_one_group(&hosts(), &globs.each_ref().map(String::as_str), 600);
    becomes_one_group(&tagged(), &["**;host=web04[0-3]"], 600);
}

#[test]
fn a_rack() {
    becomes_one_group(&hosts(), &["servers.rack7-00[1-8].**"], 300);
}

#[test]
fn a_service_in_two_trees() {
    let globs = ["stats.timers.checkout.**", "stats.checkout.**", "servers.checkout*.**"];
    becomes_one_group(&hosts(), &globs, 600);
    becomes_one_group(&large_hosts(), &["containers.*.app12.**"], 600);
}

#[test]
fn a_metric_of_many_hosts() {
    becomes_one_group(&hosts(), &["servers.*.disk.sda.util", "servers.*.disk.sda.await"], 600);
    becomes_one_group(&large_hosts(), &["containers.*.*.errors"], 600);
    becomes_one_group(&tagged(), &["disk.used*;**"], 600);
    becomes_one_group(&flat(), &["orders_*"], 300);
}

#[test]
fn the_whole_site() {
    for names in [hosts(), large_hosts(), tagged(), flat()] {
        becomes_one_group(&names, &["**"], 120);
    }
}
