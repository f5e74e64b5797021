//! A trial: a made-up anomaly is told through the channels of a route, first that it has opened and then that it is over.
//!
//! Nothing of a running relay takes part: channels are opened anew, and what fails is not tried again but said.

use std::sync::Arc;

use super::{Alert, Channel, Failure, Message, Settings, Status, Surroundings, Votes, fingerprint};
use crate::{clock, line::Timestamp};

/// Value that the made-up series has, and that was expected of it.
const VALUE: f64 = 100.0;
const EXPECTED: f64 = 10.0;

/// What came of telling one channel.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The route.
    pub route: &'a Alert,
    /// The channel's name.
    pub channel: &'a str,
    /// What was told, and what came of it; a message behind one that failed is not told.
    pub outcomes: Vec<(Status, Result<(), Failure>)>,
}

impl Trial<'_> {
    /// Was everything told?
    pub fn succeeded(&self) -> bool {
        self.outcomes.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

/// The routes that an anomaly which `detector` finds on `series` can take, in their order: those up to the first that it
/// takes whatever its severity and group, and that does not lead on.
pub fn routes<'a>(settings: &'a Settings, series: &str, detector: &str) -> Vec<&'a Alert> {
    let mut routes = Vec::new();
    for route in settings.alerts.iter().filter(|route| route.is_about(series, detector)) {
        routes.push(route);
        let takes_all = route.severity == crate::detect::Severity::Info && route.members <= 1;
        if takes_all && !route.goes_on {
            break;
        }
    }
    routes
}

/// Tells each channel of `route`, one after the other.
pub fn run<'a>(
    settings: &'a Settings,
    route: &'a Alert,
    series: &'a str,
    detector: &'a str,
) -> impl Iterator<Item = Trial<'a>> {
    route.to.iter().map(move |&place| {
        let channel = &settings.channels[place];
        let mut open = channel.kind.open(&Surroundings::default());
        let outcomes = tell(&mut *open, settings, route, [series, detector], clock::now());
        Trial {
            route,
            channel: &channel.name,
            outcomes,
        }
    })
}

fn tell(
    channel: &mut dyn Channel,
    settings: &Settings,
    route: &Alert,
    names: [&str; 2],
    now: Timestamp,
) -> Vec<(Status, Result<(), Failure>)> {
    let mut outcomes = Vec::new();
    let both = [Status::Firing, Status::Resolved].into_iter();
    for status in both.filter(|status| *status == Status::Firing || route.resolved) {
        let mut message = made_up(status, route, names, now);
        message.links = settings.links.of(&message);
        let outcome = channel.deliver(&[Arc::new(message)]);
        // Nobody reads counters here: one recipient of several who is not told is worth saying.
        let outcome = outcome.and_then(|()| channel.take_failures_aside().into_iter().next().map_or(Ok(()), Err));
        let failed = outcome.is_err();
        outcomes.push((status, outcome));
        if failed {
            break;
        }
    }
    outcomes
}

/// A message on an anomaly that there is not.
fn made_up(status: Status, route: &Alert, [series, detector]: [&str; 2], now: Timestamp) -> Message {
    let is_over = status == Status::Resolved;
    let reason = if is_over {
        "the test is over: this was no anomaly"
    } else {
        "this is a test by skyrelay test-alert: there is no anomaly"
    };
    Message {
        status,
        test: true,
        route: Arc::clone(&route.name),
        id: 0,
        // The same for both, and another than that of any anomaly.
        fingerprint: fingerprint(series, &format!("test of {detector}"), now - 60),
        opened_at: now - 60,
        closed_at: is_over.then_some(now),
        rank: 1.0,
        group: None,
        silenced: Vec::new(),
        acknowledged: None,
        series: series.into(),
        timestamp: if is_over { now } else { now - 60 },
        value: if is_over { EXPECTED } else { VALUE },
        detector: detector.into(),
        score: if is_over { 0.0 } else { 2.0 },
        severity: Some(route.severity.max(crate::detect::Severity::Warning)),
        expected: Some(EXPECTED),
        lower: Some(0.0),
        upper: Some(2.0 * EXPECTED),
        reason: reason.to_owned(),
        votes: Votes::default(),
        links: super::Links::default(),
        summary: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{detect::Severity, glob::Glob};

    #[test]
    fn routes_are_listed_up_to_the_one_that_takes_all() {
        let route = |name: &str, pattern: &str| Alert {
            globs: vec![Glob::new(pattern).unwrap()],
            ..Alert::everything(name, vec![0])
        };
        let settings = Settings {
            alerts: vec![
                Alert {
                    severity: Severity::Critical,
                    ..route("pager", "web.**")
                },
                Alert {
                    members: 5,
                    ..route("incidents", "**")
                },
                Alert {
                    detectors: vec!["full".to_owned()],
                    ..route("disks", "**")
                },
                Alert {
                    goes_on: true,
                    ..route("log", "**")
                },
                route("rest", "**"),
                route("never", "**"),
            ],
            ..Settings::default()
        };
        let names = |series: &str, detector: &str| -> Vec<&str> {
            routes(&settings, series, detector)
                .into_iter()
                .map(|route| &*route.name)
                .collect()
        };
        assert_eq!(names("web.a", "default"), ["pager", "incidents", "log", "rest"]);
        assert_eq!(names("db.a", "full"), ["incidents", "disks"]);
    }

    #[test]
    fn a_test_is_told_and_is_told_to_be_over_and_says_that_it_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("told");
        let mut settings = Settings::default();
        settings.channels[0].kind =
            crate::notify::ChannelKind::JsonLines(super::super::json_lines::Settings::File(path.clone()));
        settings.links.page = Some("https://relay".to_owned());
        let trials: Vec<Trial<'_>> = run(&settings, &settings.alerts[0], "a;b=c", "default").collect();
        assert!(
            trials.len() == 1 && trials[0].succeeded() && trials[0].outcomes.len() == 2,
            "{trials:?}"
        );
        let told = std::fs::read_to_string(&path).unwrap();
        let told: Vec<Message> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [first, second] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((first.status, second.status), (Status::Firing, Status::Resolved));
        assert!(first.test && second.test && first.fingerprint == second.fingerprint);
        assert_eq!(first.links.page.as_deref(), Some("https://relay/#/series/a%3Bb%3Dc"));

        // Nobody is told of the end of what was not told, or where ends are not.
        std::fs::remove_file(&path).unwrap();
        settings.alerts[0].resolved = false;
        assert_eq!(
            run(&settings, &settings.alerts[0], "a", "d")
                .next()
                .unwrap()
                .outcomes
                .len(),
            1
        );
        settings.alerts[0].resolved = true;
        std::fs::create_dir_all(directory.path().join("x")).unwrap();
        let nowhere = super::super::json_lines::Settings::File(directory.path().join("x"));
        settings.channels[0].kind = crate::notify::ChannelKind::JsonLines(nowhere);
        let trial = run(&settings, &settings.alerts[0], "a", "d").next().unwrap();
        assert!(!trial.succeeded() && trial.outcomes.len() == 1, "{trial:?}");
    }
}
