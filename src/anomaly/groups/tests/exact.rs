//! Single anomalies, one after the other, on a fleet of which two days are known.

use std::collections::BTreeMap;

use super::{fleet::*, *};

/// When the days that are known are over.
const NOW: Timestamp = BEGIN + 2 * DAY_S + 7200;

/// Groups that have seen two days of a fleet.
struct Bench {
    groups: Groups,
    subtrees: Subtrees,
    tags: BTreeMap<String, Tag>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let names = hosts();
        let mut bench = Self {
            groups: Groups::new(settings),
            subtrees: census(&names),
            tags: BTreeMap::new(),
        };
        let mut alarms = false_alarms(FalseAlarms::Poisson, &names, 2, &mut Dice(7));
        alarms.sort_by_key(|alarm| alarm.at);
        for alarm in alarms {
            bench.open(&names[alarm.series], alarm.at);
        }
        assert_eq!(bench.ids(), [] as [u64; 0], "chance makes no groups");
        bench.tags.clear();
        bench
    }

    /// An anomaly opens. Gives its rank.
    fn open(&mut self, series: &str, at: Timestamp) -> f64 {
        let tag = Tag::default();
        self.tags.insert(series.to_owned(), tag.clone());
        let opening = Opening {
            series: series.into(),
            at,
            score: 1.0,
            severity: None,
            tag,
        };
        self.groups.open(opening, &self.subtrees)
    }

    fn open_all(&mut self, series: impl IntoIterator<Item = String>, at: Timestamp) {
        for (number, series) in (0..).zip(series) {
            self.open(&series, at + number);
        }
    }

    fn close(&mut self, series: &str, at: Timestamp) {
        let group = self.tags[series].group().expect("it is in a group");
        self.groups.close(series, at, group);
    }

    fn group_of(&self, series: &str) -> Option<GroupSummary> {
        self.groups.summary(self.tags[series].group()?)
    }

    /// Numbers of all groups, open or over.
    fn ids(&self) -> Vec<u64> {
        let (reports, total) = self.groups.report(true, true, 1000, 0);
        assert_eq!(reports.len(), total);
        reports.iter().map(|report| report.summary().id).collect()
    }
}

fn cpus(host: &str) -> impl Iterator<Item = String> {
    (0..4).map(move |cpu| format!("servers.{host}.cpu.{cpu}.user"))
}

fn disks(host: &str) -> impl Iterator<Item = String> {
    ["sda.util", "sda.await", "sdb.util", "sdb.await"]
        .into_iter()
        .map(move |disk| format!("servers.{host}.disk.{disk}"))
}

#[test]
fn a_few_at_once_on_one_host_are_a_group_and_the_first_come_to_it_later() {
    let mut bench = Bench::new();
    let series: Vec<String> = disks("web042").collect();
    bench.open(&series[0], NOW);
    bench.open(&series[1], NOW + 20);
    assert_eq!(bench.ids(), [] as [u64; 0]);
    bench.open(&series[2], NOW + 40);
    bench.open(&series[3], NOW + 50);
    let group = bench.group_of(&series[3]).expect("it is a group by now");
    assert_eq!((group.since, group.members), (NOW, 4));
    assert_eq!(&*group.place, "servers.web042.disk.**");
    assert!(
        series
            .iter()
            .all(|series| bench.group_of(series).as_ref() == Some(&group))
    );
    assert!(group.rank > 3.0, "{group:?}");
}

#[test]
fn what_is_scattered_or_far_apart_in_time_is_no_group() {
    let mut bench = Bench::new();
    for (number, host) in (0..).zip(["web001", "db002", "cache003", "web044", "db015"]) {
        bench.open(&format!("servers.{host}.load.1"), NOW + 100 * number);
    }
    for (number, series) in (1..).zip(disks("web042")) {
        bench.open(&series, NOW + 3600 * number);
    }
    assert_eq!(bench.ids(), [] as [u64; 0]);
}

#[test]
fn one_series_that_comes_and_goes_is_one_member() {
    let mut bench = Bench::new();
    for number in 0..20 {
        bench.open("servers.web042.load.1", NOW + 20 * number);
    }
    assert_eq!(bench.ids(), [] as [u64; 0], "one is no group, however often it comes");
    bench.open_all(disks("web042"), NOW + 400);
    bench.open_all(cpus("web042"), NOW + 410);
    bench.open("servers.web042.disk.sda.util", NOW + 420);
    bench.open("servers.web042.load.1", NOW + 430);
    let group = bench.group_of("servers.web042.disk.sda.util").unwrap();
    assert_eq!(group.members, 9);
    assert_eq!(bench.group_of("servers.web042.load.1").as_ref(), Some(&group));
}

#[test]
fn a_group_spreads_from_a_device_to_its_host_and_to_the_rack() {
    let mut bench = Bench::new();
    let place = |bench: &Bench, series: &str| bench.group_of(series).unwrap().place.to_string();
    bench.open_all(disks("rack7-003"), NOW);
    assert!(place(&bench, "servers.rack7-003.disk.sda.util").starts_with("servers.rack7-003."));
    bench.open_all(cpus("rack7-003"), NOW + 60);
    assert_eq!(place(&bench, "servers.rack7-003.cpu.3.user"), "servers.rack7-003.**");
    for (number, host) in (1..).zip(["rack7-011", "rack7-024", "rack7-037", "rack7-042"]) {
        bench.open_all(cpus(host).take(2), NOW + 60 + 20 * number);
    }
    assert_eq!(place(&bench, "servers.rack7-042.cpu.1.user"), "servers.rack7-*.**");
    assert_eq!(bench.ids().len(), 1);
    assert_eq!(bench.group_of("servers.rack7-003.disk.sda.util").unwrap().members, 16);
}

#[test]
fn who_is_late_comes_to_a_group_that_is_open_for_six_windows() {
    let late = |minutes: i64, are_open: bool| {
        let mut bench = Bench::new();
        let members: Vec<String> = cpus("web042").chain(disks("web042")).collect();
        bench.open_all(members.clone(), NOW);
        if !are_open {
            for series in &members {
                bench.close(series, NOW + 300);
            }
        }
        bench.open("servers.web042.load.1", NOW + 60 * minutes);
        bench.open("servers.web007.load.1", NOW + 60 * minutes);
        assert_eq!(bench.group_of("servers.web007.load.1"), None, "on another host");
        bench.group_of("servers.web042.load.1").map(|group| group.members)
    };
    assert_eq!([15, 45, 59].map(|minutes| late(minutes, true)), [Some(9); 3]);
    assert_eq!([late(62, true), late(15, false)], [None; 2]);
}

#[test]
fn where_chance_brings_more_few_members_wait_for_less_long() {
    let late = |members: i64, minutes: i64| {
        let mut bench = Bench::new();
        bench.open_all((1..=members).map(|host| format!("servers.web{host:03}.swap.used")), NOW);
        let group = bench.group_of("servers.web001.swap.used").expect("it is a group");
        assert_eq!(&*group.place, "servers.*.swap.**");
        bench.open("servers.web080.swap.used", NOW + 60 * minutes);
        bench.group_of("servers.web080.swap.used").is_some()
    };
    assert!(late(7, 15) && !late(7, 59) && late(20, 59));
}

#[test]
fn groups_that_begin_together_are_one_and_others_are_not() {
    let mut bench = Bench::new();
    bench.open_all(disks("web042"), NOW);
    bench.open_all(disks("db007"), NOW + 100);
    let (web, db) = ("servers.web042.disk.sda.util", "servers.db007.disk.sda.util");
    assert_eq!(bench.group_of(web), bench.group_of(db));
    assert_eq!(
        (bench.group_of(web).unwrap().members, bench.groups.counters().merged),
        (8, 1)
    );
    bench.open_all(disks("cache009"), NOW + 7200);
    let cache = "servers.cache009.disk.sda.util";
    assert_ne!(
        bench.group_of(cache).map(|group| group.id),
        bench.group_of(web).map(|group| group.id)
    );
    bench.open_all(cpus("web042"), NOW + 14_400);
    assert_eq!(
        bench.group_of("servers.web042.cpu.0.user").map(|group| group.members),
        Some(4),
        "not the same again"
    );
}

#[test]
fn a_group_is_over_when_its_members_have_closed() {
    let mut bench = Bench::new();
    let series: Vec<String> = disks("web042").collect();
    bench.open_all(series.iter().cloned(), NOW);
    let open = |bench: &Bench| bench.groups.report(true, false, 10, 10).1;
    for (number, series) in (0..).zip(&series) {
        assert_eq!(open(&bench), 1);
        bench.close(series, NOW + 100 + number);
    }
    assert_eq!((open(&bench), bench.groups.counters().open), (0, 0));
    // Somebody who comes at once still comes to it, and opens it again.
    bench.open("servers.web042.load.1", NOW + 200);
    assert_eq!(
        (
            open(&bench),
            bench.group_of("servers.web042.load.1").map(|group| group.members)
        ),
        (1, Some(5))
    );
    bench.close("servers.web042.load.1", NOW + 300);
    for number in 0..5 {
        bench.open(
            &format!("batch.job{:04}.seconds", 9990 + number),
            NOW + 3600 + 700 * number,
        );
    }
    bench.open("servers.web042.load.5", NOW + 7000);
    assert_eq!(bench.group_of("servers.web042.load.5"), None, "later it does not");
    assert_eq!((open(&bench), bench.ids().len()), (0, 1));
}

#[test]
fn a_group_that_nothing_happens_to_is_over_even_with_open_members() {
    let mut bench = Bench::new();
    bench.open_all(disks("web042"), NOW);
    for number in 1..=5 {
        bench.open(&format!("batch.job{:04}.seconds", 9990 + number), NOW + 3600 * number);
    }
    assert_eq!(bench.groups.report(true, false, 10, 0).1, 1, "not before");
    for number in 1..=3 {
        bench.open(
            &format!("batch.job{:04}.seconds", 9980 + number),
            NOW + 5 * 3600 + number,
        );
    }
    assert_eq!(
        (bench.groups.report(true, false, 10, 0).1, bench.groups.counters().open),
        (0, 0)
    );
}

#[test]
fn members_come_in_any_order() {
    let mut bench = Bench::new();
    let delays = [240, 0, 180, 60, 120, 30, 210, 90];
    for (series, delay) in disks("web042").chain(cpus("web042")).zip(delays) {
        bench.open(&series, NOW - delay);
    }
    let group = bench.group_of("servers.web042.cpu.3.user").unwrap();
    assert_eq!((group.members, group.since), (8, NOW - 240));
}

#[test]
fn a_wrong_clock_neither_makes_groups_nor_hides_them() {
    for wrong in [-50_000, -2000, 2000, 3600] {
        let mut bench = Bench::new();
        let mut others = disks("web042").chain(cpus("web042"));
        for number in 0..8 {
            bench.open(&format!("servers.db00{}.load.1", number + 1), NOW + wrong);
            bench.open(&others.next().unwrap(), NOW + 10 * number);
        }
        let group = bench
            .group_of("servers.web042.cpu.3.user")
            .unwrap_or_else(|| panic!("{wrong}"));
        assert_eq!((group.members, group.since), (8, NOW), "{wrong}: {group:?}");
    }
}

#[test]
fn a_stream_that_begins_again_earlier_makes_groups_as_well() {
    let mut bench = Bench::new();
    bench.open_all(disks("web042"), NOW - DAY_S);
    assert_eq!(
        bench
            .group_of("servers.web042.disk.sda.util")
            .map(|group| group.members),
        Some(4)
    );
}

#[test]
fn after_a_long_silence_chance_makes_no_groups_either() {
    let mut bench = Bench::new();
    let names = hosts();
    let mut alarms = false_alarms(FalseAlarms::Poisson, &names, 1, &mut Dice(8));
    alarms.sort_by_key(|alarm| alarm.at);
    for alarm in alarms {
        bench.open(&names[alarm.series], alarm.at + 400 * DAY_S);
    }
    assert_eq!(bench.ids(), [] as [u64; 0]);
}

#[test]
fn more_members_and_rarer_ones_rank_higher() {
    let mut bench = Bench::new();
    bench.open_all(disks("web042"), NOW);
    let few = bench.group_of("servers.web042.disk.sda.util").unwrap();
    bench.open_all(cpus("web042"), NOW + 10);
    let more = bench.group_of("servers.web042.disk.sda.util").unwrap();
    assert!(more.rank > few.rank + 1.0, "{few:?} {more:?}");
    bench.open_all(disks("db003"), NOW + 7200);
    let (reports, total) = bench.groups.report(true, true, 1, 3);
    assert_eq!((total, reports.len(), reports[0].series().count()), (2, 1, 3));
    assert_eq!(reports[0].summary().id, more.id, "the highest rank first");
    // A series that alarms all day matters less than one that never did.
    let mut rank = 0.0;
    for number in 0..48 {
        rank = bench.open("servers.web001.load.1", NOW + DAY_S + 1800 * number);
    }
    assert!(bench.open("servers.web002.load.1", NOW + 2 * DAY_S) > rank + 0.5);
}

#[test]
fn a_storm_stays_within_its_bounds() {
    let mut bench = Bench::new();
    let mut dice = Dice(3);
    // Within a minute.
    let storm: u32 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    for number in 0..storm {
        let series = format!("storm.host{:04}.{}.m{number}", dice.below(3000), dice.below(20));
        bench.open(&series, NOW + Timestamp::from(60 * number / storm));
    }
    let expected = storm as usize * 95 / 100;
    let counters = bench.groups.counters();
    assert!(
        counters.places <= background::PLACES_TRACKED_MAX && counters.places_evicted > 10_000,
        "{counters:?}"
    );
    assert!(bench.groups.recent.len() <= RECENT_MAX && bench.groups.by_series.len() <= RECENT_MAX);
    assert!(bench.groups.live.len() <= LIVE_MAX && bench.groups.past.len() <= PAST_MAX);
    let (reports, total) = bench.groups.report(true, true, usize::MAX, usize::MAX);
    let largest = &reports[0];
    assert!(
        largest.summary().members > expected,
        "{total} groups: {:?}",
        largest.summary()
    );
    let listed = largest.series().count();
    assert!(
        (1000..1100).contains(&listed),
        "members are listed up to a bound: {listed}"
    );
    let listed: usize = reports.iter().map(|report| report.series().count()).sum();
    assert!(listed <= MEMBERS_LISTED_MAX, "{listed}");
    assert!(counters.unlisted > u64::from(storm) * 9 / 10);
}
