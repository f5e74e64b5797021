//! Channel `icinga2`: anomalies as passive check results, over Icinga's API.
//!
//! Several anomalies may be about one service, so its state is that of the worst that is open, and it is well when none is.
//! What is open is said again after `refresh`, so that a restart on either side is made up for, and a service that minds its
//! freshness stays fresh.
//!
//! Icinga answers 500 with no results when a filter matches nothing, and 404 when a name does, or when the user may not see
//! what it names. Neither is a reason to try again: it is said, and the message counted as refused.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value as Json, json};

use super::{
    Cause, Channel, Failure, Message, Retry, Status,
    http_client::{Answer, HttpSettings},
    peer::{Login, Peer},
    states::{State, States},
    template::{Mistake, Revealed, Template},
};

/// Output of a check unless set.
pub const OUTPUT: &str = "{{ headline }}{% if status != 'resolved' %} ({{ reason }}){% endif %}";

/// Longest output (characters).
const OUTPUT_CHARS: usize = 4000;

/// Where Icinga is, and which of its objects an anomaly is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Icinga, without /v1.
    pub url: String,
    /// Who the relay says that it is.
    pub login: Login,
    /// What an anomaly is about.
    pub target: Target,
    /// What is said of it.
    pub output: Template,
    /// States of a service with an open anomaly.
    pub states: States,
    /// Time after which what is open is said again (1 second to 1 day); `None`: never.
    pub refresh: Option<Duration>,
    /// How Icinga is spoken to.
    pub http: HttpSettings,
}

/// Which of Icinga's objects an anomaly is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The host called so.
    Host(Template),
    /// The service called so, of the host called so.
    Service {
        /// Name of the host.
        host: Template,
        /// Name of the service.
        service: Template,
    },
    /// All that an expression of Icinga's matches.
    Filter {
        /// "Host" or "Service".
        kind: &'static str,
        /// The expression. It is no template: what is hostile in a name comes as a variable.
        filter: String,
        /// Variables that the expression can use.
        variables: Vec<(String, Template)>,
    },
}

/// Icinga.
#[derive(Debug)]
pub(super) struct Icinga2 {
    url: String,
    settings: Settings,
    peer: Peer,
    /// What anomalies are open about, as Icinga is asked for it.
    subjects: HashMap<String, Subject>,
    /// Has it heard what was open before it was there?
    has_beaten: bool,
}

/// A host or service, or what a filter matches.
#[derive(Clone, Debug)]
struct Subject {
    /// How Icinga is asked for it.
    about: Map<String, Json>,
    /// What is open, by fingerprint.
    open: BTreeMap<String, Arc<Message>>,
}

/// Time after which a channel that is new says what is open.
const FIRST_BEAT: Duration = Duration::from_secs(1);

impl Icinga2 {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            url: format!("{}/v1/actions/process-check-result", settings.url.trim_end_matches('/')),
            peer: Peer::new(&settings.http, Some(&settings.login)),
            settings,
            subjects: HashMap::new(),
            has_beaten: false,
        }
    }

    /// Says how what `message` is about is, once the message is taken in.
    fn tell(&mut self, message: &Arc<Message>) -> Result<(), Failure> {
        let (key, mut subject) = self.subject(message)?;
        match message.status {
            Status::Firing | Status::Again => {
                subject.open.insert(message.fingerprint.clone(), Arc::clone(message));
            }
            Status::Resolved => {
                subject.open.remove(&message.fingerprint);
            }
            // It is about no object.
            Status::Summary => return Ok(()),
        }
        self.post(&subject, message)?;
        if subject.open.is_empty() {
            self.subjects.remove(&key);
        } else {
            self.subjects.insert(key, subject);
        }
        Ok(())
    }

    /// What `message` is about, with what is open of it.
    fn subject(&self, message: &Arc<Message>) -> Result<(String, Subject), Failure> {
        let about = self.about(message).map_err(|mistake| unsaid(&mistake))?;
        let key = Json::Object(about.clone()).to_string();
        let known = self.subjects.get(&key).cloned();
        let subject = known.unwrap_or_else(|| Subject {
            about,
            open: BTreeMap::new(),
        });
        Ok((key, subject))
    }

    /// Says how `subject` is: as the worst of what is open of it, or else as `last` says.
    fn post(&mut self, subject: &Subject, last: &Arc<Message>) -> Result<(), Failure> {
        let worst = subject
            .open
            .values()
            .max_by_key(|message| self.settings.states.of(message));
        let worst = worst.unwrap_or(last);
        let mut output = self
            .settings
            .output
            .render(std::slice::from_ref(worst), &Revealed::default())
            .map_err(|mistake| unsaid(&mistake))?;
        if let Some(more) = subject.open.len().checked_sub(1).filter(|more| *more > 0) {
            output = format!("{output}, and {more} more");
        }
        let mut body = subject.about.clone();
        let is_host = body.get("type") == Some(&"Host".into());
        let status = match (self.settings.states.of(worst), is_host) {
            (State::Ok, _) => 0,
            (State::Warning, _) | (_, true) => 1,
            (State::Critical, false) => 2,
            (State::Unknown, false) => 3,
        };
        body.insert("exit_status".to_owned(), status.into());
        body.insert(
            "plugin_output".to_owned(),
            output.chars().take(OUTPUT_CHARS).collect::<String>().into(),
        );
        body.insert("check_source".to_owned(), "skyrelay".into());
        let answer = self
            .peer
            .post_json(&self.url, Json::Object(body).to_string().as_bytes())?;
        judge(&answer)
    }

    /// What Icinga is to look for.
    fn about(&self, message: &Arc<Message>) -> Result<Map<String, Json>, Mistake> {
        let said = |template: &Template| template.render(std::slice::from_ref(message), &Revealed::default());
        let about = match &self.settings.target {
            Target::Host(host) => json!({"type": "Host", "host": said(host)?}),
            Target::Service { host, service } => {
                json!({"type": "Service", "service": format!("{}!{}", said(host)?, said(service)?)})
            }
            Target::Filter {
                kind,
                filter,
                variables,
            } => {
                let variables = variables
                    .iter()
                    .map(|(name, template)| Ok((name.clone(), said(template)?.into())));
                let variables: Map<String, Json> = variables.collect::<Result<_, Mistake>>()?;
                json!({"type": kind, "filter": filter, "filter_vars": variables})
            }
        };
        match about {
            Json::Object(about) => Ok(about),
            _ => unreachable!("they are objects"),
        }
    }
}

fn unsaid(mistake: &Mistake) -> Failure {
    Failure::lasting(Cause::Refused, format!("a template: {mistake}"))
}

/// What Icinga means by its answer.
fn judge(answer: &Answer) -> Result<(), Failure> {
    let json: Json = serde_json::from_str(&answer.body).unwrap_or_default();
    let results = json["results"].as_array();
    let refused = |detail: String| Err(Failure::lasting(Cause::Refused, detail));
    match (answer.status, results) {
        (500, Some(results)) if results.is_empty() => {
            refused("nothing in Icinga matches the filter (answered 500 without results)".to_owned())
        }
        (404, _) => refused(
            "there is no such host or service in Icinga, or the user may not process its check results (answered 404)"
                .to_owned(),
        ),
        (_, Some(results)) => {
            let wrong = |result: &&Json| {
                !result["code"]
                    .as_f64()
                    .is_some_and(|code| (200.0..300.0).contains(&code))
            };
            match results.iter().find(wrong) {
                None if (200..300).contains(&answer.status) => Ok(()),
                None => answer.check(),
                Some(result) => {
                    let status = result["status"].as_str().unwrap_or("no reason given");
                    let said = Answer {
                        status: result["code"].as_f64().map_or(answer.status, |code| {
                            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
                            let code = code as u16;
                            code
                        }),
                        body: status.to_owned(),
                        retry_after: answer.retry_after,
                    };
                    // It is about one of its objects: that is not to hold up what is about others.
                    said.check().map_err(|failure| match said.status {
                        400..500 => Failure {
                            retry: Retry::Never,
                            ..failure
                        },
                        _ => failure,
                    })
                }
            }
        }
        _ => answer.check(),
    }
}

impl Channel for Icinga2 {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        for (count, message) in messages.iter().enumerate() {
            self.tell(message).map_err(|failure| failure.delivered(count))?;
        }
        Ok(())
    }

    fn batch_max(&self) -> usize {
        1
    }

    fn beat_every(&self) -> Option<Duration> {
        if self.has_beaten {
            self.settings.refresh
        } else {
            Some(FIRST_BEAT)
        }
    }

    fn beat(&mut self, open: &[Arc<Message>]) -> Result<(), Failure> {
        self.has_beaten = true;
        let before = std::mem::take(&mut self.subjects);
        for message in open {
            let (key, mut subject) = self.subject(message)?;
            subject.open.insert(message.fingerprint.clone(), Arc::clone(message));
            self.subjects.insert(key, subject);
        }
        let mut said = Vec::new();
        // What is not open any more, though nobody could be told so, is over.
        for (key, subject) in before {
            let last = subject.open.into_values().next_back();
            if let Some(last) = last.filter(|_| !self.subjects.contains_key(&key)) {
                let over = Message {
                    status: Status::Resolved,
                    ..Message::clone(&last)
                };
                let about = Subject {
                    about: subject.about,
                    open: BTreeMap::new(),
                };
                said.push((about, Arc::new(over)));
            }
        }
        for subject in self.subjects.values() {
            said.extend(
                subject
                    .open
                    .values()
                    .next()
                    .map(|last| (subject.clone(), Arc::clone(last))),
            );
        }
        let mut refused = None;
        for (subject, last) in said {
            match self.post(&subject, &last) {
                Ok(()) => {}
                // It is about this one alone.
                Err(failure) if failure.retry == Retry::Never => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        refused.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn judged(status: u16, body: &str) -> Result<(), Failure> {
        judge(&Answer {
            status,
            body: body.to_owned(),
            retry_after: None,
        })
    }

    #[test]
    fn what_icinga_answers_is_understood() {
        // As 2.13 answers.
        let fine =
            r#"{"results":[{"code":200,"status":"Successfully processed check result for object 'web1!load'."}]}"#;
        assert_eq!(judged(200, fine), Ok(()));
        let is_refused = |status: u16, body: &str, why: &str| {
            let failure = judged(status, body).unwrap_err();
            assert_eq!(
                (failure.cause, failure.retry),
                (Cause::Refused, Retry::Never),
                "{failure}"
            );
            assert!(failure.detail.contains(why), "{failure}");
        };
        is_refused(500, r#"{"results":[]}"#, "matches the filter");
        is_refused(
            404,
            r#"{"error":404,"status":"No objects found."}"#,
            "no such host or service",
        );
        is_refused(
            400,
            r#"{"results":[{"code":400,"status":"Parameter 'exit_status' is required."}]}"#,
            "answered 400: Parameter 'exit_status' is required.",
        );
        // Somebody can put that right.
        let stranger = judged(
            401,
            r#"{"error":401,"status":"Unauthorized. Please check your user credentials."}"#,
        );
        assert_eq!(stranger.unwrap_err().retry, Retry::Soon);
        // Some were told, and some not.
        is_refused(
            202,
            r#"{"results":[{"code":200,"status":"a"},{"code":409.0,"status":"b"}]}"#,
            "answered 409: b",
        );
        is_refused(
            200,
            r#"{"results":[{"code":404,"status":"gone"}]}"#,
            "answered 404: gone",
        );
        for (status, body) in [
            (503, r#"{"results":[{"code":503,"status":"Icinga is reloading."}]}"#),
            (503, r#"{"error":503,"status":"Icinga is reloading"}"#),
            (502, "<html>Bad gateway</html>"),
            (500, "out of order"),
        ] {
            let failure = judged(status, body).unwrap_err();
            assert_eq!(
                (failure.cause, failure.retry),
                (Cause::Trouble, Retry::Soon),
                "{failure}"
            );
        }
    }
}
