//! The faults, each for two seconds.

use crate::faults::{CASES, Scale};
use std::time::Duration;

/// Long enough for the relay to notice.
const SHORT: Duration = Duration::from_secs(2);

#[track_caller]
fn run(words: &str) {
    let mut found = CASES.iter().filter(|case| case.name.contains(words));
    let case = found.next().expect("there is such a case");
    assert!(found.next().is_none(), "{words} says which");
    let scale = Scale {
        rate: 40_000,
        fault: SHORT.min(case.at_length),
    };
    if let Some(outcome) = case.run(scale) {
        eprintln!("{}: {}", case.name, outcome.cells());
        case.check(&outcome);
    }
}

#[test]
fn an_upstream_that_is_killed_and_away() {
    run("upstream killed, and away");
}

#[test]
fn an_upstream_that_is_killed_again_and_again() {
    run("again and again");
}

#[test]
fn an_upstream_that_is_stopped() {
    run("SIGSTOP");
}

#[test]
fn a_slow_upstream() {
    run("1 KB/s");
}

#[test]
fn a_black_hole() {
    run("reads nothing");
}

#[test]
fn an_upstream_that_closes() {
    run("closes after");
}

#[test]
fn kill_9_while_it_spools() {
    run("while it spools");
}

#[test]
fn kill_9_while_it_drains() {
    run("drains");
}

#[test]
fn sigterm_while_the_upstream_is_away() {
    run("SIGTERM");
}

#[test]
fn reloads_under_load() {
    run("reloads");
}

#[test]
fn a_full_spool_that_pauses_senders() {
    run("spool full, senders");
}

#[test]
fn a_full_spool_that_drops_the_oldest() {
    run("spool full, the oldest");
}

#[test]
fn a_full_disk_that_pauses_senders() {
    run("disk full, senders");
}

#[test]
fn a_full_disk_that_drops_the_oldest() {
    run("disk full, the oldest");
}
