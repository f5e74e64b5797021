//! Which series goes to which detectors, and which anomaly to which channel.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::{
    LONGEST, MINUTE, WAIT, check_whole,
    detector::{Detectors, adaptive::timezone},
    from_seconds, notify, to_seconds,
};
use crate::{
    config::{
        names,
        report::{At, Place, Report, quoted},
        section::Section,
    },
    glob::Glob,
    notify::{Alert, Quiet, Settings, Span},
    shard::{Reading, Watch},
};

/// What may be spent on patterns: compiled, they take some 500 times the memory of their text.
#[derive(Debug)]
pub(super) struct Patterns {
    count_left: usize,
    bytes_left: usize,
}

const PATTERNS_MAX: usize = 10_000;
const PATTERN_BYTES_MAX: usize = 256 << 10;

impl Patterns {
    /// All that there is.
    pub(super) fn new() -> Self {
        Self {
            count_left: PATTERNS_MAX,
            bytes_left: PATTERN_BYTES_MAX,
        }
    }

    /// Is there enough left for `pattern`?
    fn spend(&mut self, pattern: &str) -> bool {
        let left = self
            .count_left
            .checked_sub(1)
            .zip(self.bytes_left.checked_sub(pattern.len()));
        if let Some((count_left, bytes_left)) = left {
            *self = Self { count_left, bytes_left };
        }
        left.is_some()
    }
}

/// Reads each `[[watch]]`; when there is none, everything is watched.
pub(super) fn watches(top: &mut Section<'_>, detectors: &Detectors, patterns: &mut Patterns) -> Vec<Watch> {
    let mut catch_all = None;
    let watches = top.tables("watch", |section| {
        let globs = globs(section, "watch", patterns);
        check_reachable(section, "series", catch_all);
        if globs.iter().any(is_everything) {
            catch_all = catch_all.or(Some(section.start()));
        }
        let names = detector_names(section, "watch", detectors);
        for name in names.iter().flatten() {
            detectors.check_watchable(section.report(), name);
        }
        let detectors = match names {
            Some(names) => names.iter().filter_map(|name| detectors.find(name.value)).collect(),
            None => implied(
                detectors,
                section.report(),
                "say which of them in `detectors`",
                Some(section.start()),
            ),
        };
        let reading = section.choice("as", Reading::default(), &names::READING);
        Watch {
            globs,
            detectors,
            reading,
        }
    });
    watches.unwrap_or_else(|| {
        let advice = "say in a [[watch]] which of them judges what";
        vec![Watch {
            globs: vec![Glob::everything()],
            detectors: implied(detectors, top.report(), advice, None),
            reading: Reading::default(),
        }]
    })
}

/// The detector that is meant where none is named.
fn implied(detectors: &Detectors, report: &Report, advice: &str, place: Option<Place>) -> Vec<usize> {
    match detectors.implied() {
        Ok(detector) => vec![detector],
        Err(first) => {
            let message = format!("several detectors are declared, and none of them is called `default`: {advice}");
            report.say(place.unwrap_or(first), message);
            Vec::new()
        }
    }
}

/// Reads each `[notify.NAME]` and `[[alert]]`.
pub(super) fn notify(top: &mut Section<'_>, detectors: &Detectors, patterns: &mut Patterns) -> Settings {
    let settings = top.section("notify", notify::read);
    let channels = &settings.channels;
    let all: Vec<usize> = (0..channels.len()).collect();
    let by_name: HashMap<&str, usize> = channels
        .iter()
        .enumerate()
        .map(|(index, channel)| (channel.name.as_str(), index))
        .collect();

    let default = Alert::everything("everything", Vec::new());
    let mut catch_all = None;
    let mut number = 0;
    let mut given = Vec::new();
    let alerts = top.tables("alert", |section| {
        let name = alert_name(section, &mut number, &mut given);
        let globs = globs(section, "alert", patterns);
        check_reachable(section, "anomaly", catch_all);
        let names = detector_names(section, "alert", detectors).unwrap_or_default();
        let any_detector = !section.has("detectors") || section.is_empty("detectors");
        let goes_on = section.flag("continue", default.goes_on);
        let severity = section.choice("severity", default.severity, &names::SEVERITY);
        let members = section.count("min_members", default.members, 1..=1000);
        let any = any_detector && severity == default.severity && members == default.members;
        if any && !goes_on && globs.iter().any(is_everything) {
            catch_all = catch_all.or(Some(section.start()));
        }
        let to = section.list("to", CHANNEL_NAMES, CHANNEL_NAME, Ok).map(|names| {
            section.check_distinct("to", &names, |name| (*name).to_owned());
            let found = names.iter().filter_map(|name| {
                let channel = by_name.get(name.value).copied();
                if channel.is_none() {
                    unknown(
                        section.report(),
                        &name.clone(),
                        "alert.to",
                        "notify",
                        by_name.keys().copied(),
                    );
                }
                channel
            });
            found.collect()
        });
        Alert {
            name,
            globs,
            detectors: names.into_iter().map(|name| name.value.to_owned()).collect(),
            severity,
            members,
            to: to.unwrap_or_else(|| all.clone()),
            goes_on,
            resolved: section.flag("resolved", default.resolved),
            repeat_s: repeat(section),
            group_wait_s: group_wait(section, default.group_wait_s),
            quiet: quiet(section),
        }
    });
    top.check_distinct("alert", &given, |name| format!("name = {name:?}"));
    let alerts = alerts.unwrap_or_else(|| vec![Alert::everything(&default.name, all)]);
    Settings { alerts, ..settings }
}

/// The name that an alert is given, or one by its number.
fn alert_name(section: &mut Section<'_>, number: &mut usize, given: &mut Vec<At<String>>) -> Arc<str> {
    *number += 1;
    let Some(name) = section.text("name", "expected a name") else {
        return format!("alert-{number}").into();
    };
    section.check_name(name.value, name.place, "an alert");
    given.push(At {
        value: name.value.to_owned(),
        place: name.place,
    });
    name.value.into()
}

fn repeat(section: &mut Section<'_>) -> Option<i64> {
    let repeat = section.optional_duration("repeat", None, MINUTE..=LONGEST)?;
    check_whole(section, "repeat", repeat);
    Some(to_seconds(repeat))
}

fn group_wait(section: &mut Section<'_>, default: i64) -> i64 {
    let wait = section.duration("group_wait", from_seconds(default), Duration::ZERO..=*WAIT.end());
    check_whole(section, "group_wait", wait);
    to_seconds(wait)
}

fn quiet(section: &mut Section<'_>) -> Quiet {
    let array = "expected an array of times, such as [\"mon-fri 18:00-08:00\", \"sat-sun\"]";
    let spans = section.list(
        "quiet_hours",
        array,
        "expected a time such as \"22:00-07:00\"",
        Span::parse,
    );
    Quiet {
        spans: spans.unwrap_or_default().into_iter().map(|span| span.value).collect(),
        zone: timezone(section, TimeZone::UTC),
    }
}

const CHANNEL_NAMES: &str = "expected an array of channels, such as [\"stdout\"]";
const CHANNEL_NAME: &str = "expected the name of a channel";

/// The patterns of a watch or alert, of which there has to be one.
fn globs(section: &mut Section<'_>, what: &str, patterns: &mut Patterns) -> Vec<Glob> {
    if !section.has("match") || section.is_empty("match") {
        let message = format!("this [[{what}]] has nothing to match, expected match = [\"**\"] for everything");
        section.report().say(section.place("match"), message);
    }
    self::patterns(section, "match", patterns)
}

/// The patterns under `key`.
pub(super) fn patterns(section: &mut Section<'_>, key: &'static str, patterns: &mut Patterns) -> Vec<Glob> {
    let array = "expected an array of patterns, such as [\"servers.*.load\"]";
    let element = "expected a pattern such as \"servers.*.load\"";
    let mut all_fit = true;
    let globs = section.list(key, array, element, |text| {
        all_fit &= patterns.spend(text);
        if !all_fit {
            return Ok(None);
        }
        let glob = Glob::new(text).map_err(|error| format!("which is no pattern: {error}"))?;
        Ok(Some(glob))
    });
    if !all_fit {
        let kibibytes = PATTERN_BYTES_MAX >> 10;
        let message = format!(
            "there are too many patterns, expected {PATTERNS_MAX} in {kibibytes} KiB at most, in all watches and alerts"
        );
        section.report().say(section.place(key), message);
    }
    globs
        .unwrap_or_default()
        .into_iter()
        .filter_map(|glob| glob.value)
        .collect()
}

/// The detectors that a watch or alert names, those that exist.
fn detector_names<'a>(section: &mut Section<'a>, what: &str, detectors: &Detectors) -> Option<Vec<At<&'a str>>> {
    let array = "expected an array of detectors, such as [\"default\"]";
    let mut names = section.list("detectors", array, "expected the name of a detector", Ok)?;
    section.check_distinct("detectors", &names, |name| (*name).to_owned());
    names.retain(|name| {
        let known = detectors.find(name.value).is_some();
        if !known {
            let key = format!("{what}.detectors");
            unknown(section.report(), name, &key, "detector", detectors.names());
        }
        known
    });
    Some(names)
}

/// Notes a name that is not declared.
fn unknown<'a>(report: &Report, name: &At<&str>, key: &str, section: &str, names: impl IntoIterator<Item = &'a str>) {
    report.say(name.place, does_not_exist(report, name.value, key, section, names));
}

/// What is said of a name that is not declared.
pub(super) fn does_not_exist<'a>(
    report: &Report,
    name: &str,
    key: &str,
    section: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> String {
    let suggestion = match report.suggestion(name, names) {
        none if none.is_empty() => format!("; declare it as [{section}.{}]", quoted(name).trim_matches('`')),
        suggestion => suggestion,
    };
    format!("{key} names {}, which does not exist{suggestion}", quoted(name))
}

/// Notes a watch or alert that comes after one that matches everything.
fn check_reachable(section: &Section<'_>, what: &str, catch_all: Option<Place>) {
    if let Some(place) = catch_all {
        let message = format!(
            "no {what} gets here: the first match wins, and the one at {} matches everything",
            section.report().show(place)
        );
        section.report().say(section.start(), message);
    }
}

/// Is this two stars, or more of them?
fn is_everything(glob: &Glob) -> bool {
    glob.as_str().len() > 1 && glob.as_str().bytes().all(|byte| byte == b'*')
}
