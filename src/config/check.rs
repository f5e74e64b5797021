//! From the tree of values to a [`Config`] in which everything holds.

mod addresses;
mod detector;
mod guard;
mod notify;
mod routes;

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Anomalies, Checked, Config, ConfigError, Log, names,
    report::any_of,
    section::{Bounds, Section},
    source::RawConfig,
};
use crate::{
    analysis,
    anomaly::{groups, own_series},
    forward::{SpoolSettings, Sync},
    history,
    http::PageSettings,
    notify::{self as telling, LinkSettings},
    shard::{self, Limits},
    silence, snapshot, units,
};

/// Longest time that can be set: ten years, so that sums of times stay far from any bound.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

/// From a millisecond to an hour: how long to wait for somebody.
const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

impl TryFrom<RawConfig> for Checked {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        if raw.report.has_problems() {
            raw.report.finish()?;
        }
        let config = Section::top(&raw.report, &raw.root, read);
        let warnings = raw.report.finish()?;
        Ok(Self { config, warnings })
    }
}

/// Reads everything; what cannot be used is noted, and its default taken.
pub(super) fn read(top: &mut Section<'_>) -> Config {
    let default = Config::default();
    let shutdown_deadline = top.duration(
        "shutdown_deadline",
        default.shutdown_deadline,
        Duration::ZERO..=*WAIT.end(),
    );
    let forward_invalid = top.choice("forward_invalid", default.forward_invalid, &names::FORWARD_INVALID);
    let (listen, mut claims) = top.section("listen", addresses::listen);
    let (http, guard, page, url) = top.section("http", |section| {
        let http = addresses::http(section, &mut claims);
        (http, guard::guard(section), page(section), page_url(section))
    });
    addresses::check_claims(top.report(), &claims);
    let forwards = addresses::forwards(top, &listen);
    let spool = top.section("spool", spool);

    let mut shard = shard::Settings {
        detectors: Vec::new(),
        watches: Vec::new(),
        ..default.shard
    };
    top.section("window", |section| window(section, &mut shard));
    shard.limits = top.section("limits", limits);
    let mut patterns = routes::Patterns::new();
    let detectors = detector::read(top, &shard, &mut patterns);
    shard.watches = routes::watches(top, &detectors, &mut patterns);
    detectors.check_named(top.report(), &shard.watches);
    let notify = telling::Settings {
        links: LinkSettings {
            page: url,
            graph: page.graph_url.clone(),
        },
        ..routes::notify(top, &detectors, &mut patterns)
    };
    shard.detectors = detectors.into_definitions();

    Config {
        listen,
        forwards,
        spool,
        forward_invalid,
        analysis: top.section("analysis", analysis),
        shard,
        notify,
        http,
        guard,
        page,
        log: top.section("log", log),
        anomalies: top.section("anomalies", anomalies),
        groups: top.section("groups", groups_settings),
        own_series: top.section("own_series", own_series_settings),
        snapshot: top.section("snapshot", snapshot),
        history: top.section("history", history_settings),
        silences: top.section("silences", silences),
        shutdown_deadline,
    }
}

fn analysis(section: &mut Section<'_>) -> analysis::Settings {
    let default = analysis::Settings::default();
    analysis::Settings {
        when_behind: section.choice("when_behind", default.when_behind, &names::WHEN_BEHIND),
        queue_lines_max: section.count("queue_lines", default.queue_lines_max, 1000..=1_000_000_000),
        shards: section.count("shards", default.shards, 1..=256),
        memory_bytes_max: section.optional_size("max_memory", default.memory_bytes_max, 64 << 20..=1 << 50),
    }
}

fn window(section: &mut Section<'_>, shard: &mut shard::Settings) {
    shard.span_s = seconds(section, "span", shard.span_s, MINUTE);
    shard.max_series = section.count("max_series", shard.max_series, 1..=1_000_000_000);
    shard.expire_after_s = seconds(section, "expire_after", shard.expire_after_s, MINUTE);
    let default = shard.forget_after_s.max(shard.expire_after_s);
    shard.forget_after_s = seconds(section, "forget_after", default, MINUTE);
    if shard.forget_after_s < shard.expire_after_s {
        let message = format!(
            "window.forget_after is too short: expected window.expire_after, {}, or more",
            units::show_duration(from_seconds(shard.expire_after_s))
        );
        section.report().say(section.place("forget_after"), message);
    }
}

fn limits(section: &mut Section<'_>) -> Limits {
    let default = Limits::default();
    Limits {
        max_age_s: optional_seconds(section, "max_age", default.max_age_s),
        max_ahead_s: optional_seconds(section, "max_ahead", default.max_ahead_s),
    }
}

fn page(section: &mut Section<'_>) -> PageSettings {
    let expected =
        "expected an address such as \"http://graphite/render?target={series}&from={from}&until={until}\", or \"off\"";
    let read = |text: &str| match text {
        "off" => Ok(None),
        text => PageSettings::check(text)
            .map(|()| Some(text.to_owned()))
            .map_err(|wrong| format!("{wrong}; {expected}")),
    };
    PageSettings {
        graph_url: section.parsed("graph_url", None, expected, read),
    }
}

/// Where people reach the page.
fn page_url(section: &mut Section<'_>) -> Option<String> {
    let expected =
        "expected the address at which people reach the page, such as \"https://relay.example.com\", or \"off\"";
    section.parsed("url", None, expected, |text| {
        let is_url = ["http://", "https://"]
            .iter()
            .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        match text {
            "off" => Ok(None),
            text if is_url && !text.contains(char::is_whitespace) => Ok(Some(text.trim_end_matches('/').to_owned())),
            _ => Err(expected.to_owned()),
        }
    })
}

fn log(section: &mut Section<'_>) -> Log {
    let default = Log::default();
    Log {
        level: section.choice("level", default.level, &names::LOG_LEVEL),
        format: section.choice("format", default.format, &names::LOG_FORMAT),
    }
}

fn anomalies(section: &mut Section<'_>) -> Anomalies {
    let default = Anomalies::default();
    Anomalies {
        history: section.count("history", default.history, 0..=1_000_000),
    }
}

fn own_series_settings(section: &mut Section<'_>) -> own_series::Settings {
    const PREFIX: &str = "expected nodes of letters, digits, `_` and `-`, such as \"skyrelay\" or \"relays.one\"";
    let is_node = |node: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        !node.is_empty() && node.bytes().all(is_plain)
    };
    let prefix = |text: &str| match text.len() {
        1..=200 if text.split('.').all(is_node) => Ok(text.to_owned()),
        _ => Err(PREFIX.to_owned()),
    };
    let default = own_series::Settings::default();
    own_series::Settings {
        every: section.optional_duration("every", default.every, SECOND..=DAY),
        prefix: section.parsed("prefix", default.prefix, PREFIX, prefix),
        anomaly_rate: section.flag("anomaly_rate", default.anomaly_rate),
        anomalies: section.flag("anomalies", default.anomalies),
    }
}

fn groups_settings(section: &mut Section<'_>) -> groups::Settings {
    const CHANCES: Bounds = Bounds {
        text: "a number above 0 and at most 100",
        hold: |number| number > 0.0 && number <= 100.0,
    };
    let default = groups::Settings::default();
    let window = section.duration("window", from_seconds(default.window_s), MINUTE..=DAY);
    check_whole(section, "window", window);
    groups::Settings {
        window_s: to_seconds(window),
        min_members: section.count("min_members", default.min_members, 2..=1000),
        chance_per_day: section.number("chance_per_day", default.chance_per_day, &CHANCES),
        quiet_s: seconds(section, "quiet", default.quiet_s, MINUTE),
    }
}

fn snapshot(section: &mut Section<'_>) -> snapshot::Settings {
    let default = snapshot::Settings::default();
    let file = section.text("file", "expected the path of a file");
    if let Some(path) = &file {
        section.check_name(path.value, path.place, "a file");
    }
    snapshot::Settings {
        file: file.map(|path| path.value.into()),
        every: section.optional_duration("every", default.every, 10 * SECOND..=LONGEST),
    }
}

fn history_settings(section: &mut Section<'_>) -> history::Settings {
    let default = history::Settings::default();
    let directory = section.text("directory", "expected the path of a directory");
    if let Some(path) = &directory {
        section.check_name(path.value, path.place, "a directory");
    }
    let bytes_max = usize::try_from(default.bytes_max).unwrap_or(usize::MAX);
    history::Settings {
        directory: directory.map(|path| path.value.into()),
        bytes_max: section.size("max_bytes", bytes_max, 1 << 20..=16 << 30) as u64,
        age_max_s: optional_seconds(section, "max_age", default.age_max_s),
    }
}

fn silences(section: &mut Section<'_>) -> silence::Settings {
    let keep = from_seconds(silence::Settings::default().keep_s);
    let keep = section.duration("keep", keep, Duration::ZERO..=LONGEST);
    check_whole(section, "keep", keep);
    silence::Settings {
        file: section.path_of_file("file"),
        keep_s: to_seconds(keep),
    }
}

fn spool(section: &mut Section<'_>) -> Option<SpoolSettings> {
    let directory = section.text("directory", "expected the path of a directory");
    if let Some(path) = &directory {
        section.check_name(path.value, path.place, "a directory");
    }
    let default = SpoolSettings::new(directory.as_ref().map_or("", |path| path.value));
    let settings = SpoolSettings {
        bytes_max: size(section, "max_bytes", default.bytes_max, 1 << 20),
        keep_free_bytes: size(section, "keep_free", default.keep_free_bytes, 0),
        sync: sync(section, default.sync),
        drain_lines_per_second: section.optional_count("drain_lines_per_second", None, 1..=1_000_000_000),
        ..default
    };
    if directory.is_none() && section.is_given() {
        let message = "[spool] has no directory, expected one such as \"/var/lib/skyrelay/spool\"";
        section.report().say(section.start(), message);
    }
    directory.map(|_| settings)
}

fn size(section: &mut Section<'_>, key: &'static str, default: u64, least: u64) -> u64 {
    let default = usize::try_from(default).unwrap_or(usize::MAX);
    section.size(key, default, least..=1 << 50) as u64
}

fn sync(section: &mut Section<'_>, default: Sync) -> Sync {
    let expected = "expected \"never\", \"always\", or a time from 1ms to 1h, such as \"1s\"";
    section.parsed("sync", default, expected, |text| match text {
        "never" => Ok(Sync::Never),
        "always" => Ok(Sync::Always),
        text => {
            let every = units::duration(text).ok().filter(|every| WAIT.contains(every));
            every.map(Sync::Every).ok_or_else(|| expected.to_owned())
        }
    })
}

/// Which of the kinds that there are the section is of. What else is in one of another kind, or of none, is neither
/// right nor wrong.
fn kind(section: &mut Section<'_>, there_are: &[&'static str], planned: &[&str]) -> Option<&'static str> {
    let expected = match there_are {
        [one] => format!("expected kind = \"{one}\""),
        all => format!("expected kind to be {}", any_of(all)),
    };
    let report = section.report();
    if !section.has("kind") {
        report.say(section.start(), format!("{} has no kind, {expected}", section.name()));
    }
    let kind = section.parsed("kind", None, &expected, |kind| {
        if let Some(known) = there_are.iter().find(|known| **known == kind) {
            Ok(Some(*known))
        } else if planned.contains(&kind) {
            Err(format!(
                "which is planned, but this version does not have it, {expected}"
            ))
        } else {
            Err(format!(
                "{expected}{}",
                report.suggestion(kind, there_are.iter().copied())
            ))
        }
    });
    if kind.is_none() {
        section.ignore_rest();
    }
    kind
}

/// Whole seconds, `least` or more.
fn seconds(section: &mut Section<'_>, key: &'static str, default: i64, least: Duration) -> i64 {
    let duration = section.duration(key, from_seconds(default), least..=LONGEST);
    check_whole(section, key, duration);
    to_seconds(duration)
}

/// Whole seconds, one or more, or "off".
fn optional_seconds(section: &mut Section<'_>, key: &'static str, default: Option<i64>) -> Option<i64> {
    let duration = section.optional_duration(key, default.map(from_seconds), SECOND..=LONGEST)?;
    check_whole(section, key, duration);
    Some(to_seconds(duration))
}

fn check_whole(section: &Section<'_>, key: &str, duration: Duration) {
    if duration.subsec_nanos() != 0 {
        let message = format!("{} is not a number of whole seconds", section.path(key));
        section.report().say(section.place(key), message);
    }
}

fn to_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn from_seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}
