//! Channel `alertmanager`: anomalies as alerts, over version 2 of Alertmanager's API.
//!
//! Alertmanager forgets an alert that it does not hear of for `resolve_timeout`, so what is open is posted again and again;
//! one that is over is posted once more, with its end. Labels are what an alert is known by: when those of an open anomaly
//! change (its severity, as a rule), the alert of before is ended, and another one begins.
//!
//! What is silenced or acknowledged is posted as over, with an annotation that says why, and not posted again while that is
//! so: Alertmanager has reminders of its own, and nobody is to be reminded.
//!
//! The members of a cluster do not hand alerts on to each other, so every one of them is told. One that takes them is
//! enough: the others hear of it with the next post.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tracing::warn;

use super::{
    Cause, Channel, Failure, Message, Retry, Status, Surroundings,
    channel::MarksOf,
    http_client::HttpSettings,
    peer::{self, Login, Peer},
    template::{Mistake, Revealed, Template},
    words::rfc3339,
};
use crate::{clock, line::Timestamp, report::plain};

/// Alerts of a request.
const BATCH_MAX: usize = 256;

/// Labels unless set: names, and templates.
pub const LABELS: [(&str, &str); 4] = [
    ("alertname", "SeriesAnomalous"),
    ("series", "{{ series }}"),
    ("detector", "{{ detector }}"),
    ("severity", "{{ severity or 'warning' }}"),
];

/// Annotations unless set.
pub const ANNOTATIONS: [(&str, &str); 3] = [
    ("summary", "{{ headline }}"),
    ("description", "{{ reason }}"),
    ("graph", "{{ links.graph }}"),
];

/// Where Alertmanager is, and how it knows an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Every member of the cluster, without /api/v2/alerts (1 or more).
    pub urls: Vec<String>,
    /// Time after which open anomalies are posted again (1 second to 1 hour); below `resolve_timeout` at Alertmanager.
    pub resend: Duration,
    /// Labels: names, and templates of their values. An empty value is no label.
    pub labels: Vec<(String, Template)>,
    /// Annotations, likewise.
    pub annotations: Vec<(String, Template)>,
    /// Who the relay says that it is, if Alertmanager asks.
    pub login: Option<Login>,
    /// How Alertmanager is spoken to.
    pub http: HttpSettings,
}

type Labels = BTreeMap<String, String>;

/// Says why an alert is over although its anomaly is open.
const HELD_BACK: &str = "held_back";

/// Alertmanager, or a cluster of them.
pub(super) struct Alertmanager {
    settings: Settings,
    marks: Option<MarksOf>,
    members: Vec<Member>,
    posted: Posted,
    /// Has it heard what was open before it was there?
    has_beaten: bool,
}

/// Time after which a channel that is new posts what is open.
const FIRST_BEAT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Member {
    url: String,
    peer: Peer,
    is_away: bool,
}

/// What is posted and open: by fingerprint, and how many go by the same labels.
#[derive(Clone, Debug, Default)]
struct Posted {
    labels: HashMap<String, Arc<Labels>>,
    counts: HashMap<Arc<Labels>, usize>,
}

/// As the API has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Arc<Labels>,
    annotations: Labels,
    starts_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

impl Alertmanager {
    pub(super) fn new(settings: Settings, surroundings: &Surroundings) -> Self {
        let member = |url: &String| Member {
            url: format!("{}/api/v2/alerts", url.trim_end_matches('/')),
            peer: Peer::new(&settings.http, settings.login.as_ref()),
            is_away: false,
        };
        Self {
            members: settings.urls.iter().map(member).collect(),
            settings,
            marks: surroundings.marks.clone(),
            posted: Posted::default(),
            has_beaten: false,
        }
    }

    /// Posts `messages`, and remembers them once that is done.
    fn tell(&mut self, messages: &[Arc<Message>], now: Timestamp) -> Result<(), Failure> {
        let mut posted = self.posted.clone();
        let mut alerts = Vec::new();
        for message in messages {
            alerts.extend(self.alerts(message, &mut posted, now).map_err(|mistake| {
                Failure::lasting(
                    Cause::Refused,
                    format!("the template of a label or annotation: {mistake}"),
                )
            })?);
        }
        self.post(&alerts)?;
        self.posted = posted;
        Ok(())
    }

    /// What is to be posted for one message.
    fn alerts(&self, message: &Arc<Message>, posted: &mut Posted, now: Timestamp) -> Result<Vec<Alert>, Mistake> {
        let said = |templates| said(templates, message);
        let labels = Arc::new(said(&self.settings.labels)?);
        let starts_at = message.opened_at.min(now);
        let alert = Alert {
            labels: Arc::clone(&labels),
            annotations: said(&self.settings.annotations)?,
            starts_at: rfc3339(starts_at),
            ends_at: None,
            generator_url: message.links.page.clone().or_else(|| message.links.graph.clone()),
        };
        let ended = |labels, at: Timestamp| Alert {
            labels,
            ends_at: Some(rfc3339(at.clamp(starts_at, now))),
            ..alert.clone()
        };
        let before = posted.take(&message.fingerprint);
        let mut alerts = Vec::new();
        match message.status {
            Status::Firing | Status::Again if let Some(why) = self.held_back(message) => {
                if let Some(before) = before.filter(|before| !posted.has(before)) {
                    let mut alert = ended(before, now);
                    alert.annotations.insert(HELD_BACK.to_owned(), why);
                    alerts.push(alert);
                }
            }
            Status::Firing | Status::Again => {
                posted.put(&message.fingerprint, Arc::clone(&labels));
                if let Some(before) = before.filter(|before| !posted.has(before)) {
                    alerts.push(ended(before, now));
                }
                alerts.push(alert);
            }
            Status::Resolved => {
                let labels = before.unwrap_or(labels);
                // Others may go by the same labels: those are not over.
                if !posted.has(&labels) {
                    alerts.push(ended(labels, message.closed_at.unwrap_or(now)));
                }
            }
            // It ends by itself, as nothing is open by its name.
            Status::Summary => alerts.push(alert),
        }
        Ok(alerts)
    }

    /// Why nobody is to be told of it, although it is open.
    fn held_back(&self, message: &Message) -> Option<String> {
        let marks = self.marks.as_ref()?(message);
        if !marks.silenced.is_empty() {
            return Some("it is still open, and silenced".to_owned());
        }
        let seen = marks.acknowledged?;
        let why = if seen.reason.is_empty() { "" } else { ": " };
        Some(plain(&format!(
            "it is still open, and seen by {}{why}{}",
            seen.author, seen.reason
        )))
    }

    /// Posts to every member. One that takes it is enough.
    fn post(&mut self, alerts: &[Alert]) -> Result<(), Failure> {
        if alerts.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_vec(alerts).expect("texts are JSON");
        let several = self.members.len() > 1;
        let mut failures = Vec::new();
        for member in &mut self.members {
            let answer = member
                .peer
                .post_json(&member.url, &body)
                .and_then(|answer| answer.check());
            if several {
                member.note(answer.as_ref().err());
            }
            failures.extend(answer.err());
        }
        if failures.len() < self.members.len() {
            return Ok(());
        }
        // Whichever may yet change its mind.
        let hopeful = failures.iter().position(|failure| failure.retry != Retry::Never);
        Err(failures.swap_remove(hopeful.unwrap_or(0)))
    }
}

impl Member {
    /// Tells when it goes away and when it is back: the others still hear everything.
    fn note(&mut self, failure: Option<&Failure>) {
        let is_away = failure.is_some();
        if is_away != self.is_away {
            let why = failure.map_or_else(|| "it takes alerts again".to_owned(), ToString::to_string);
            warn!(url = self.url, "a member of the Alertmanager cluster: {why}");
        }
        self.is_away = is_away;
    }
}

impl Posted {
    fn put(&mut self, fingerprint: &str, labels: Arc<Labels>) {
        *self.counts.entry(Arc::clone(&labels)).or_default() += 1;
        self.labels.insert(fingerprint.to_owned(), labels);
    }

    fn take(&mut self, fingerprint: &str) -> Option<Arc<Labels>> {
        let labels = self.labels.remove(fingerprint)?;
        if let Some(count) = self.counts.get_mut(&labels) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&labels);
            }
        }
        Some(labels)
    }

    fn has(&self, labels: &Arc<Labels>) -> bool {
        self.counts.contains_key(labels)
    }
}

fn said(templates: &[(String, Template)], message: &Arc<Message>) -> Result<Labels, Mistake> {
    let said = templates.iter().map(|(name, template)| {
        let value = template.render(std::slice::from_ref(message), &Revealed::default())?;
        Ok((name.clone(), value))
    });
    let mut said: Labels = said.collect::<Result<_, _>>()?;
    said.retain(|_, value| !value.is_empty());
    Ok(said)
}

impl Channel for Alertmanager {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let now = clock::now();
        peer::one_by_one(messages, |messages| self.tell(messages, now))
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn beat_every(&self) -> Option<Duration> {
        Some(if self.has_beaten {
            self.settings.resend
        } else {
            FIRST_BEAT.min(self.settings.resend)
        })
    }

    fn beat(&mut self, open: &[Arc<Message>]) -> Result<(), Failure> {
        self.has_beaten = true;
        let now = clock::now();
        open.chunks(BATCH_MAX).try_for_each(|open| self.tell(open, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detect::Severity,
        notify::{
            message::tests::message,
            template::{Format, Values},
        },
        silence::Marks,
    };

    const NOW: Timestamp = 1_700_001_000;

    fn alertmanager(labels: &[(&str, &str)]) -> Alertmanager {
        let templates = |sources: &[(&str, &str)]| {
            let template = |source| Template::checked(source, Format::Text, &Values::default(), 1).unwrap();
            sources
                .iter()
                .map(|(name, source)| ((*name).to_owned(), template(source)))
                .collect()
        };
        let settings = Settings {
            urls: vec!["http://127.0.0.1:1/am/".to_owned()],
            resend: Duration::from_secs(60),
            labels: templates(labels),
            annotations: templates(&ANNOTATIONS),
            login: None,
            http: HttpSettings::default(),
        };
        Alertmanager::new(settings, &Surroundings::default())
    }

    fn alerts(alertmanager: &mut Alertmanager, message: &Message) -> Vec<Alert> {
        let mut posted = std::mem::take(&mut alertmanager.posted);
        let alerts = alertmanager
            .alerts(&Arc::new(message.clone()), &mut posted, NOW)
            .unwrap();
        alertmanager.posted = posted;
        alerts
    }

    #[test]
    fn an_anomaly_is_an_alert_from_its_beginning_to_its_end() {
        let mut alertmanager = alertmanager(&LABELS);
        assert_eq!(alertmanager.members[0].url, "http://127.0.0.1:1/am/api/v2/alerts");
        let hostile = "a\"{{b}}<script>";
        let [alert] = &alerts(&mut alertmanager, &message(Status::Firing, hostile))[..] else {
            panic!("one alert");
        };
        let labels = [
            ("alertname", "SeriesAnomalous"),
            ("series", hostile),
            ("detector", "default"),
            ("severity", "warning"),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(*alert.labels, labels);
        assert_eq!(
            (alert.starts_at.as_str(), &alert.ends_at),
            ("2023-11-14T22:13:20Z", &None)
        );
        assert_eq!(
            alert.generator_url.as_deref(),
            Some("https://relay.example.com/#/series/a")
        );
        assert!(!alert.annotations.contains_key("graph"), "an empty annotation is none");
        let [over] = &alerts(&mut alertmanager, &message(Status::Resolved, hostile))[..] else {
            panic!("one alert");
        };
        assert_eq!(over.labels, alert.labels);
        assert_eq!(over.ends_at.as_deref(), Some("2023-11-14T22:23:20Z"));
    }

    #[test]
    fn an_alert_that_gets_worse_is_ended_and_another_begins() {
        let mut alertmanager = alertmanager(&LABELS);
        alerts(&mut alertmanager, &message(Status::Firing, "a"));
        let worse = Message {
            severity: Some(Severity::Critical),
            ..message(Status::Again, "a")
        };
        let [before, now] = &alerts(&mut alertmanager, &worse)[..] else {
            panic!("two alerts");
        };
        assert_eq!(
            (before.labels["severity"].as_str(), before.ends_at.is_some()),
            ("warning", true)
        );
        assert_eq!((now.labels["severity"].as_str(), &now.ends_at), ("critical", &None));
        // It is over under the labels that it went by last.
        let [over] = &alerts(&mut alertmanager, &message(Status::Resolved, "a"))[..] else {
            panic!("one alert");
        };
        assert_eq!(
            (over.labels["severity"].as_str(), over.ends_at.is_some()),
            ("critical", true)
        );
        assert!(alertmanager.posted.counts.is_empty() && alertmanager.posted.labels.is_empty());
    }

    #[test]
    fn what_is_silenced_is_over_until_it_is_not_silenced_any_more() {
        use std::sync::atomic::{AtomicBool, Ordering};

        let is_silenced = Arc::new(AtomicBool::new(false));
        let mut alertmanager = alertmanager(&LABELS);
        let asked = Arc::clone(&is_silenced);
        alertmanager.marks = Some(Arc::new(move |_| Marks {
            silenced: asked
                .load(Ordering::Relaxed)
                .then(|| "5".to_owned())
                .into_iter()
                .collect(),
            acknowledged: None,
        }));
        let told = message(Status::Firing, "a");
        assert_eq!(alerts(&mut alertmanager, &told)[0].ends_at, None);
        is_silenced.store(true, Ordering::Relaxed);
        let [over] = &alerts(&mut alertmanager, &told)[..] else {
            panic!("one alert");
        };
        assert_eq!(over.ends_at.as_deref(), Some(&*rfc3339(NOW)));
        assert_eq!(over.annotations[HELD_BACK], "it is still open, and silenced");
        assert!(alerts(&mut alertmanager, &told).is_empty(), "that is said once");
        is_silenced.store(false, Ordering::Relaxed);
        let again = &alerts(&mut alertmanager, &told)[0];
        assert!(again.ends_at.is_none() && !again.annotations.contains_key(HELD_BACK));
    }

    #[test]
    fn an_alert_that_several_share_is_over_with_the_last_of_them() {
        let mut alertmanager = alertmanager(&[("host", "{{ nodes[0] }}")]);
        for series in ["web.load", "web.disk"] {
            let told = Message {
                fingerprint: series.to_owned(),
                ..message(Status::Firing, series)
            };
            assert_eq!(alerts(&mut alertmanager, &told).len(), 1);
        }
        for (series, ends) in [("web.load", 0), ("web.disk", 1)] {
            let told = Message {
                fingerprint: series.to_owned(),
                ..message(Status::Resolved, series)
            };
            assert_eq!(alerts(&mut alertmanager, &told).len(), ends, "{series}");
        }
    }

    #[test]
    fn a_clock_that_is_ahead_ends_no_alert_before_it_began() {
        let mut alertmanager = alertmanager(&LABELS);
        let ahead = Message {
            opened_at: NOW + 500,
            ..message(Status::Firing, "a")
        };
        assert_eq!(alerts(&mut alertmanager, &ahead)[0].starts_at, rfc3339(NOW));
        let over = Message {
            opened_at: NOW + 500,
            closed_at: Some(NOW + 700),
            ..message(Status::Resolved, "a")
        };
        assert_eq!(
            alerts(&mut alertmanager, &over)[0].ends_at.as_deref(),
            Some(&*rfc3339(NOW))
        );
    }
}
