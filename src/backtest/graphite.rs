//! Series as a Graphite has them, over HTTP: which there are by `/metrics/find`, and their points by `/render`.
//!
//! * Patterns are those of watches, `**` included: the tree is walked node by node, and each series asked for by its name.
//!   What is written as a function is given to Graphite as it is, which names what comes of it.
//! * A question has 200 targets at most, and fewer where series have many points; two are on their way at a time. One
//!   whose answer is too much, or takes too long, is asked in halves.
//! * Points come as Graphite has them for that time: of several archives it gives the one that reaches back far enough.
//! * All or nothing: when a part cannot be had, there is no backtest.

mod client;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use client::{Client, Trouble, excerpt};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::tape::{Tape, Wanted};
use crate::{
    glob::Glob,
    graphite::target::{is_call, nodes},
    line::Timestamp,
};

/// Targets in a question.
const TARGETS_MAX: usize = 200;

/// Targets in the first question, which shows how many points a series has.
const TARGETS_FIRST: usize = 10;

/// Points that an answer is meant to have.
const POINTS_PER_ANSWER: usize = 1_000_000;

/// Questions on their way at a time.
const IN_FLIGHT: usize = 2;

/// Series over all targets.
const SERIES_MAX: usize = 100_000;

/// Branches of the tree that are looked at.
const BRANCHES_MAX: usize = 100_000;

/// Time that is asked for when none is wanted, as Graphite has it.
const FROM_DEFAULT: &str = "-24h";

/// A Graphite, and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graphite {
    client: client::Settings,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// A name, or a pattern.
    Pattern(Glob),
    /// A function.
    Call(String),
}

/// A series, as `/render` shows it.
#[derive(Deserialize)]
struct Rendered<'a> {
    target: String,
    /// Value and time. As text: infinity is written `1e9999`.
    #[serde(borrow)]
    datapoints: Vec<(&'a RawValue, &'a RawValue)>,
}

/// The answer of `/metrics/find?format=completer`.
#[derive(Deserialize)]
struct Found {
    metrics: Vec<FoundNode>,
}

/// A node; one with others below it ends in a dot.
#[derive(Deserialize)]
struct FoundNode {
    path: String,
}

/// A series that has been had.
struct Fetched {
    name: String,
    points: Vec<(Timestamp, f64)>,
}

/// Where the walk goes on: a branch that is there, and the nodes wanted below it.
#[derive(Clone, Debug)]
struct Branch<'a> {
    /// Up to the last dot, that included.
    path: String,
    rest: &'a [&'a str],
    glob: &'a Glob,
}

impl Graphite {
    /// The Graphite at `url`, of which `targets` are wanted. `headers` are sent with each question, as in `X-Org: 1`, and
    /// `authorization`, if there is one.
    ///
    /// # Errors
    /// When one of these is not what it should be: which, and why.
    pub fn new(
        url: &str,
        targets: &[String],
        headers: &[String],
        authorization: Option<String>,
    ) -> Result<Self, String> {
        let target = |target: &String| {
            if is_call(target) {
                return Ok(Target::Call(target.clone()));
            }
            let glob = Glob::new(target).map_err(|error| format!("--target {target:?}: {error}"))?;
            let braces = nodes(target).into_iter().find(|node| node.contains('.'));
            match braces {
                Some(braces) => Err(format!(
                    "--target {target:?}: a dot within {braces} is more than Graphite knows; give a --target for each"
                )),
                None => Ok(Target::Pattern(glob)),
            }
        };
        Ok(Self {
            client: client::Settings::new(url, headers, authorization)?,
            targets: targets.iter().map(target).collect::<Result<_, _>>()?,
        })
    }

    /// Where it is, without what is secret.
    pub fn shown(&self) -> &str {
        self.client.base()
    }

    /// The points that are wanted, of all series. `progress` is told of how many series there are points, and of how many
    /// they are wanted.
    ///
    /// # Errors
    /// When they cannot be had, or there are none.
    pub(super) fn record(&self, wanted: Wanted, progress: &mut dyn FnMut(usize, usize)) -> io::Result<Tape> {
        let mut tape = Tape::default();
        self.fetch(wanted, progress, &mut tape).map_err(io::Error::other)?;
        tape.sort();
        Ok(tape)
    }

    fn fetch(&self, wanted: Wanted, progress: &mut dyn FnMut(usize, usize), tape: &mut Tape) -> Result<(), String> {
        let client = Client::new(&self.client)?;
        let names = self.names(&client)?;
        let all = names.len();
        progress(0, all);
        let first = TARGETS_FIRST.min(all);
        let fetched_first = ask_in_parts(&client, &names[..first], wanted)?;
        let points_most = fetched_first.iter().map(|fetched| fetched.points.len()).max();
        let targets = (POINTS_PER_ANSWER / points_most.unwrap_or(0).max(1)).clamp(1, TARGETS_MAX);
        let (mut done, mut none) = (0, true);
        let mut record = |questioned: usize, fetched: Vec<Fetched>| -> Result<(), String> {
            done += questioned;
            for Fetched { name, points } in fetched {
                if points.is_empty() {
                    tape.skip(&name, "it has no points in that time");
                } else {
                    none = false;
                    tape.add(&name, points, wanted).map_err(|error| error.to_string())?;
                }
            }
            progress(done, all);
            Ok(())
        };
        record(first, fetched_first)?;
        let questions: Vec<&[String]> = names[first..].chunks(targets).collect();
        // Kept back until all are there, so that they come in the same order whichever answer comes first.
        let mut answers = BTreeMap::new();
        let mut next = 0;
        two_at_a_time(
            &questions,
            |names| ask_in_parts(&client, names, wanted),
            &mut |place, fetched| {
                answers.insert(place, fetched);
                while let Some(fetched) = answers.remove(&next) {
                    record(questions[next].len(), fetched)?;
                    next += 1;
                }
                Ok(())
            },
        )?;
        if none {
            let targets: Vec<_> = self.targets.iter().map(Target::as_str).collect();
            return Err(format!("it has no points of {} in that time", targets.join(", ")));
        }
        Ok(())
    }

    /// The names of all series that are wanted, and the functions.
    fn names(&self, client: &Client) -> Result<Vec<String>, String> {
        let (mut names, mut calls) = (BTreeSet::new(), BTreeSet::new());
        for target in &self.targets {
            match target {
                Target::Call(call) => {
                    calls.insert(call.clone());
                }
                Target::Pattern(glob) => walk(client, glob, &mut names)?,
            }
            if names.len() > SERIES_MAX {
                return Err(format!("more than {SERIES_MAX} series match: give narrower targets"));
            }
        }
        if names.is_empty() && calls.is_empty() {
            let targets: Vec<_> = self.targets.iter().map(Target::as_str).collect();
            return Err(format!("it has no series that matches {}", targets.join(", ")));
        }
        Ok(names.into_iter().chain(calls).collect())
    }
}

impl Target {
    fn as_str(&self) -> &str {
        match self {
            Self::Pattern(glob) => glob.as_str(),
            Self::Call(call) => call,
        }
    }
}

/// Adds the names of the series that match, level by level.
fn walk(client: &Client, glob: &Glob, names: &mut BTreeSet<String>) -> Result<(), String> {
    let pattern = nodes(glob.as_str());
    let mut level = vec![Branch {
        path: String::new(),
        rest: &pattern,
        glob,
    }];
    let mut looked_at = 0;
    while !level.is_empty() {
        // What is written out is there, or is not asked for.
        for branch in &mut level {
            while let [node, rest @ ..] = branch.rest
                && !is_wild(node)
            {
                branch.path.push_str(node);
                if !rest.is_empty() {
                    branch.path.push('.');
                }
                branch.rest = rest;
            }
        }
        let (open, whole): (Vec<_>, Vec<_>) = level.into_iter().partition(|branch| !branch.rest.is_empty());
        names.extend(whole.into_iter().map(|branch| branch.path));
        looked_at += open.len();
        if looked_at > BRANCHES_MAX || names.len() > SERIES_MAX {
            return Err(format!("{} is too wide: give narrower targets", glob.as_str()));
        }
        let mut below = Vec::new();
        two_at_a_time(&open, |branch| branch.children(client), &mut |_, (leaves, branches)| {
            names.extend(leaves);
            below.extend(branches);
            Ok(())
        })?;
        level = below;
    }
    Ok(())
}

fn is_wild(node: &str) -> bool {
    node.contains(['*', '?', '[', '{'])
}

impl<'a> Branch<'a> {
    /// The series that match right below it, and where to look further.
    fn children(&self, client: &Client) -> Result<(Vec<String>, Vec<Branch<'a>>), String> {
        let [node, rest @ ..] = self.rest else {
            return Ok((Vec::new(), Vec::new()));
        };
        let any_depth = node.contains("**");
        let asked = if any_depth { "*" } else { node };
        let query = format!("{}{asked}", self.path);
        let answer = client.find(&query).map_err(|trouble| trouble.to_string())?;
        let found: Found = serde_json::from_slice(&answer).map_err(|error| no_answer(&answer, &error))?;
        let glob = Glob::new(asked).map_err(|error| error.to_string())?;
        let (mut leaves, mut branches) = (Vec::new(), Vec::new());
        for FoundNode { path } in found.metrics {
            let (name, is_branch) = match path.strip_suffix('.') {
                Some(name) => (name, true),
                None => (path.as_str(), false),
            };
            // Graphite completes what is typed, which may be more than the pattern.
            let is_right_below = name
                .strip_prefix(&self.path)
                .is_some_and(|node| !node.contains('.') && glob.matches(node));
            if !is_right_below {
                continue;
            }
            match (is_branch, any_depth) {
                (true, _) => branches.push(Branch {
                    path: format!("{name}."),
                    rest: if any_depth { self.rest } else { rest },
                    glob: self.glob,
                }),
                (false, true) if self.glob.matches(name) => leaves.push(name.to_owned()),
                (false, false) if rest.is_empty() => leaves.push(name.to_owned()),
                (false, _) => {}
            }
        }
        // Without a node behind the last there is nothing to look for below.
        if rest.is_empty() && !any_depth {
            branches.clear();
        }
        Ok((leaves, branches))
    }
}

/// The points of these, by halves where that is too much at once.
fn ask_in_parts(client: &Client, targets: &[String], wanted: Wanted) -> Result<Vec<Fetched>, String> {
    match client.render(&question(targets, wanted)) {
        Ok(answer) => read(&answer),
        Err(Trouble::TooMuch(_)) if targets.len() > 1 => {
            let (first, second) = targets.split_at(targets.len() / 2);
            let mut fetched = ask_in_parts(client, first, wanted)?;
            fetched.extend(ask_in_parts(client, second, wanted)?);
            Ok(fetched)
        }
        Err(trouble) => Err(trouble.to_string()),
    }
}

fn question(targets: &[String], wanted: Wanted) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("format", "json").append_pair("noNullPoints", "true");
    // Graphite leaves out the point at `from` itself.
    let from = wanted.from.map(|from| (from - 1).to_string());
    form.append_pair("from", from.as_deref().unwrap_or(FROM_DEFAULT));
    if let Some(until) = wanted.until {
        form.append_pair("until", &until.to_string());
    }
    for target in targets {
        form.append_pair("target", target);
    }
    form.finish()
}

fn read(answer: &[u8]) -> Result<Vec<Fetched>, String> {
    let rendered: Vec<Rendered<'_>> = serde_json::from_slice(answer).map_err(|error| no_answer(answer, &error))?;
    let series = |Rendered { target, datapoints }| {
        let points = datapoints.into_iter().filter_map(|(value, time)| {
            // `null` is none.
            let value = value.get().parse::<f64>().ok().filter(|value| !value.is_nan())?;
            Some((seconds(time.get())?, value))
        });
        Fetched {
            name: target,
            points: points.collect(),
        }
    };
    Ok(rendered.into_iter().map(series).collect())
}

/// Some write times with a fraction.
fn seconds(text: &str) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "fractions are cut off, as carbon does")]
    let cut_off = |seconds: f64| seconds.is_finite().then_some(seconds as Timestamp);
    text.parse().ok().or_else(|| cut_off(text.parse().ok()?))
}

fn no_answer(answer: &[u8], error: &serde_json::Error) -> String {
    format!("its answer is not what Graphite gives ({error}): {}", excerpt(answer))
}

/// Has `run` do all of `jobs`, two at a time, and gives what comes of each to `take`, with its place. The first error ends
/// it.
fn two_at_a_time<J: Sync, T: Send>(
    jobs: &[J],
    run: impl Fn(&J) -> Result<T, String> + Sync,
    take: &mut dyn FnMut(usize, T) -> Result<(), String>,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        // Whoever is ahead waits.
        let (give, taken) = sync_channel(1);
        for _ in 0..IN_FLIGHT.min(jobs.len()) {
            let (give, next, run) = (give.clone(), &next, &run);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { return };
                    // Nobody takes any more after an error.
                    if give.send((place, run(job))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(give);
        let outcome = taken.iter().try_for_each(|(place, outcome)| take(place, outcome?));
        drop(taken);
        outcome
    })
}

#[cfg(test)]
mod tests;
