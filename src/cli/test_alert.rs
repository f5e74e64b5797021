//! `skyrelay test-alert`: tells people of an anomaly that there is not, and says what came of it.

use std::{fmt::Write as _, process::ExitCode};

use clap::Args;

use super::{Configured, EXIT_FAILED, EXIT_USAGE, fail, print};
use crate::{
    config::Config,
    detect::Severity,
    notify::{Alert, trial},
};

/// Detector of a test that is about none.
const NO_DETECTOR: &str = "test";

/// Series of a test that is about none.
const NO_SERIES: &str = "skyrelay.test";

#[derive(Args, Debug)]
pub(super) struct TestAlertArgs {
    #[command(flatten)]
    pub(super) configured: Configured,
    /// Only say which alerts a series takes, and tell nobody
    #[arg(long)]
    dry_run: bool,
    /// What is named is a series, although its name has no dot
    #[arg(long)]
    series: bool,
    /// Name of an alert, or of a series: then its channels are those of the alerts that it takes
    #[arg(value_name = "ROUTE|SERIES")]
    about: String,
}

pub(super) fn run(config: &Config, args: &TestAlertArgs) -> ExitCode {
    let alerts = &config.notify.alerts;
    if let Some(route) = alerts.iter().find(|alert| *alert.name == *args.about && !args.series) {
        let text = format!("alert {}: {}\n", route.name, channels(config, route));
        return print_then(&text, || tell(config, &[(route, NO_SERIES, NO_DETECTOR)], args.dry_run));
    }
    let series = args.about.as_str();
    // One that is no alert may be meant to be one, and people would be told by all channels.
    let is_series = !series.is_empty() && !series.contains(char::is_whitespace);
    if !is_series || !args.series && !series.contains('.') {
        let names: Vec<&str> = alerts.iter().map(|alert| &*alert.name).collect();
        let advice = if is_series {
            " (for a series whose name has no dot, say --series)"
        } else {
            ""
        };
        let message = format!(
            "{series:?} is neither an alert nor a series; there is {}{advice}",
            names.join(", ")
        );
        return fail(EXIT_USAGE, &message);
    }
    let (text, routes) = taken(config, series);
    print_then(&text, || tell(config, &routes, args.dry_run))
}

fn print_then(text: &str, then: impl FnOnce() -> ExitCode) -> ExitCode {
    let printed = print(text);
    if printed == ExitCode::SUCCESS { then() } else { printed }
}

/// What the alerts that a series can take are, in words, and each of them once.
fn taken<'a>(config: &'a Config, series: &'a str) -> (String, Vec<(&'a Alert, &'a str, &'a str)>) {
    let mut text = String::new();
    let mut all: Vec<(&Alert, &str, &str)> = Vec::new();
    let watch = config
        .shard
        .watches
        .iter()
        .find(|watch| watch.globs.iter().any(|glob| glob.matches(series)));
    let detectors = watch.map_or(&[][..], |watch| &watch.detectors);
    if detectors.is_empty() {
        let _ = writeln!(text, "no [[watch]] gives {series} a detector: nobody is told of it");
    }
    for &detector in detectors {
        let detector = &*config.shard.detectors[detector].name;
        let routes = trial::routes(&config.notify, series, detector);
        if routes.is_empty() {
            let _ = writeln!(text, "{series}, {detector}: no alert takes it, nobody is told");
        }
        for route in routes {
            let mut conditions = String::new();
            if route.severity > Severity::Info {
                let _ = write!(conditions, " from severity {} on", route.severity.name());
            }
            if route.members > 1 {
                let _ = write!(conditions, " in groups of {} or more", route.members);
            }
            let to = channels(config, route);
            let _ = writeln!(text, "{series}, {detector}: alert {}{conditions}: {to}", route.name);
            if !all.iter().any(|(other, ..)| std::ptr::eq(*other, route)) {
                all.push((route, series, detector));
            }
        }
    }
    (text, all)
}

/// The channels that an alert leads to, in words.
fn channels(config: &Config, route: &Alert) -> String {
    let names: Vec<&str> = route
        .to
        .iter()
        .map(|&place| config.notify.channels[place].name.as_str())
        .collect();
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}

fn tell(config: &Config, routes: &[(&Alert, &str, &str)], dry_run: bool) -> ExitCode {
    if dry_run {
        return ExitCode::SUCCESS;
    }
    // A series that nobody is told of is no success either.
    let mut all_told = !routes.is_empty();
    for &(route, series, detector) in routes {
        for trial in trial::run(&config.notify, route, series, detector) {
            all_told &= trial.succeeded();
            let outcomes = trial.outcomes.iter().map(|(status, outcome)| match outcome {
                Ok(()) => format!("{} told", status.name()),
                Err(failure) => format!("{} NOT told, {failure}", status.name()),
            });
            let outcomes: Vec<String> = outcomes.collect();
            let line = format!("{} -> {}: {}\n", route.name, trial.channel, outcomes.join("; "));
            if print(&line) != ExitCode::SUCCESS {
                return ExitCode::from(EXIT_FAILED);
            }
        }
    }
    if all_told {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    }
}
