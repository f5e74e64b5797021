//! Generated fleets: names as operators have them, and false alarms as detectors give them.

use std::collections::BTreeMap;

use crate::{
    anomaly::subtrees::Subtrees,
    shard::{Census, subtrees},
};

pub(super) const DAY_S: i64 = 86_400;
pub(super) const BEGIN: i64 = 1_700_000_000;
pub(super) const SERIES: usize = 10_000;

/// A small generator (`SplitMix64`).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Of a normal distribution (Box and Muller 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let (far, turn) = (1.0 - self.fraction(), self.fraction());
        (-2.0 * far.max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    }

    pub(super) fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length as u64).unwrap()
    }

    #[expect(clippy::cast_possible_truncation, reason = "seconds")]
    pub(super) fn wait(&mut self, mean_s: f64) -> i64 {
        (-(1.0 - self.fraction()).max(1e-12).ln() * mean_s) as i64
    }
}

/// An anomaly of a generated fleet: the number of its series, when its sample was, when it is seen, and when it closes.
#[derive(Clone, Copy)]
pub(super) struct Alarm {
    pub(super) series: usize,
    pub(super) at: i64,
    pub(super) seen: i64,
    pub(super) closes: i64,
    pub(super) is_incident: bool,
}

/// How false alarms come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FalseAlarms {
    /// By themselves.
    Poisson,
    /// Three at a time on the average, on one host within two minutes.
    OnHosts,
    /// Half of them in two hours of each day.
    Diurnal,
    /// Half of them from a hundredth of the series.
    Chatty,
}

pub(super) const FALSE_ALARMS: [FalseAlarms; 4] = [
    FalseAlarms::Poisson,
    FalseAlarms::OnHosts,
    FalseAlarms::Diurnal,
    FalseAlarms::Chatty,
];

pub(super) fn hosts() -> Vec<String> {
    let mut names = Vec::new();
    let roles = [("web", 80), ("db", 30), ("cache", 30), ("rack7-", 50), ("checkout", 10)];
    for (role, count) in roles {
        for number in 1..=count {
            let host = format!("servers.{role}{number:03}");
            for cpu in 0..4 {
                for kind in ["user", "system", "iowait"] {
                    names.push(format!("{host}.cpu.{cpu}.{kind}"));
                }
            }
            for disk in ["sda", "sdb"] {
                for kind in ["util", "await", "read_bytes", "write_bytes"] {
                    names.push(format!("{host}.disk.{disk}.{kind}"));
                }
            }
            for interface in ["eth0", "eth1"] {
                for kind in ["rx", "tx", "errors"] {
                    names.push(format!("{host}.net.{interface}.{kind}"));
                }
            }
            for single in [
                "load.1",
                "load.5",
                "load.15",
                "memory.used",
                "memory.free",
                "memory.cached",
                "swap.used",
                "uptime",
            ] {
                names.push(format!("{host}.{single}"));
            }
            for kind in [
                "established",
                "time_wait",
                "close_wait",
                "retransmits",
                "resets",
                "opens",
            ] {
                names.push(format!("{host}.tcp.{kind}"));
            }
        }
    }
    for service in [
        "checkout", "search", "cart", "login", "mail", "images", "prices", "stock", "ads", "feed",
    ] {
        for endpoint in ["get", "put", "list", "delete", "index"] {
            for kind in ["mean_90", "upper_90", "count", "sum", "lower"] {
                names.push(format!("stats.timers.{service}.{endpoint}.{kind}"));
            }
            for kind in ["ok", "failed", "retried"] {
                names.push(format!("stats.{service}.{endpoint}.{kind}"));
            }
        }
    }
    while names.len() < SERIES {
        names.push(format!("batch.job{:04}.seconds", names.len()));
    }
    names.truncate(SERIES);
    names
}

/// Few hosts with many series each.
pub(super) fn large_hosts() -> Vec<String> {
    let mut names = Vec::new();
    for host in 0..25 {
        for container in 0..40 {
            for kind in [
                "cpu",
                "memory",
                "rx",
                "tx",
                "restarts",
                "threads",
                "latency",
                "errors",
                "queue",
                "open_files",
            ] {
                names.push(format!("containers.node{host:02}.app{container:02}.{kind}"));
            }
        }
    }
    names
}

pub(super) fn tagged() -> Vec<String> {
    let mut names = Vec::new();
    for host in 0..125 {
        let dc = ["north", "south"][host % 2];
        for kind in 0..40 {
            for device in 0..2 {
                let metric = ["disk.used", "disk.io", "net.rx", "net.tx", "cpu.user"][kind % 5];
                names.push(format!(
                    "{metric}{};dc={dc};device=d{device};host=web{host:03}",
                    kind / 5
                ));
            }
        }
    }
    names
}

pub(super) fn flat() -> Vec<String> {
    (0..SERIES)
        .map(|number| format!("{}_{number:05}", ["orders", "users", "mails", "jobs"][number % 4]))
        .collect()
}

/// What an alarm of a host has in common with others: its first two nodes, or its last tag.
fn host_of(name: &str) -> &str {
    match name.rsplit_once(";host=") {
        Some((_, host)) => host,
        None => subtrees(name)[1].or(subtrees(name)[0]).unwrap_or(name),
    }
}

pub(super) fn false_alarms(kind: FalseAlarms, names: &[String], days: i64, dice: &mut Dice) -> Vec<Alarm> {
    let mut by_host = BTreeMap::<&str, Vec<usize>>::new();
    for (number, name) in names.iter().enumerate() {
        by_host.entry(host_of(name)).or_default().push(number);
    }
    let per_day = i64::try_from(names.len() / 10).unwrap();
    let mut alarms = Vec::new();
    let mut alarm = |series: usize, at: i64, dice: &mut Dice| {
        alarms.push(Alarm {
            series,
            at: BEGIN + at,
            seen: BEGIN + at + dice.below(120),
            closes: BEGIN + at + 120 + dice.wait(900.0),
            is_incident: false,
        });
    };
    let chatty: Vec<usize> = (0..names.len() / 100).map(|_| dice.index(names.len())).collect();
    for day in 0..days {
        let mut left = per_day;
        while left > 0 {
            let at = day * DAY_S + dice.below(DAY_S);
            let any = dice.index(names.len());
            left -= 1;
            match kind {
                FalseAlarms::OnHosts => {
                    let others = &by_host[host_of(&names[any])];
                    alarm(any, at, dice);
                    while dice.below(3) != 0 {
                        let other = others[dice.index(others.len())];
                        let later = at + dice.below(120);
                        alarm(other, later, dice);
                        left -= 1;
                    }
                }
                FalseAlarms::Diurnal if left % 2 == 0 => alarm(any, day * DAY_S + 10_000 + dice.below(7200), dice),
                FalseAlarms::Chatty if left % 2 == 0 => alarm(chatty[dice.index(chatty.len())], at, dice),
                FalseAlarms::Poisson | FalseAlarms::Diurnal | FalseAlarms::Chatty => alarm(any, at, dice),
            }
        }
    }
    alarms
}

pub(super) fn matching(names: &[String], globs: &[&str]) -> Vec<usize> {
    let globs: Vec<_> = globs.iter().map(|glob| crate::glob::Glob::new(glob).unwrap()).collect();
    let numbers = names.iter().enumerate();
    numbers
        .filter(|(_, name)| globs.iter().any(|glob| glob.matches(name)))
        .map(|(number, _)| number)
        .collect()
}

/// What is known of a fleet with these names.
pub(super) fn census(names: &[String]) -> Subtrees {
    let mut census = Census::default();
    for name in names {
        census.series += 1;
        for subtree in subtrees(name).into_iter().flatten() {
            *census.subtrees.entry(subtree.into()).or_default() += 1;
        }
    }
    let mut subtrees = Subtrees::default();
    subtrees.count(&census);
    subtrees
}
