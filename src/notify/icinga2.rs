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
    template::{Mistake, Revealed, Template},
};
use crate::detect::Severity;

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

/// State of a service by the severity of the worst anomaly. Hosts are up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States {
    /// Of severity `info`.
    pub info: State,
    /// Of severity `warning`, or none.
    pub warning: State,
    /// Of severity `critical`.
    pub critical: State,
}

/// State of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// Worth a look.
    Warning,
    /// Nobody knows.
    Unknown,
    /// Worth getting up for.
    Critical,
}

impl Default for States {
    fn default() -> Self {
        Self {
            info: State::Warning,
            warning: State::Warning,
            critical: State::Critical,
        }
    }
}

/// Icinga.
#[derive(Debug)]
pub(super) struct Icinga2 {
    url: String,
    settings: Settings,
    peer: Peer,
    /// What is open, by what it is about.
    open: HashMap<String, OfTarget>,
}

/// What is open, by fingerprint.
type OfTarget = BTreeMap<String, Arc<Message>>;

impl Icinga2 {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            url: format!("{}/v1/actions/process-check-result", settings.url.trim_end_matches('/')),
            peer: Peer::new(&settings.http, Some(&settings.login)),
            settings,
            open: HashMap::new(),
        }
    }

    /// Says how what `message` is about is, once the message is taken in.
    fn tell(&mut self, message: &Arc<Message>) -> Result<(), Failure> {
        let about = self.about(message).map_err(|mistake| unsaid(&mistake))?;
        let key = Json::Object(about.clone()).to_string();
        let mut of_target = self.open.get(&key).cloned().unwrap_or_default();
        match message.status {
            Status::Firing | Status::Again => {
                of_target.insert(message.fingerprint.clone(), Arc::clone(message));
            }
            Status::Resolved => {
                of_target.remove(&message.fingerprint);
            }
            // It is about no object.
            Status::Summary => return Ok(()),
        }
        let worst = Arc::clone(self.worst(&of_target).unwrap_or(message));
        self.post(about, &worst, of_target.len())?;
        if of_target.is_empty() {
            self.open.remove(&key);
        } else {
            self.open.insert(key, of_target);
        }
        Ok(())
    }

    /// Says that what `about` names is as the worst of the `count` that are open says.
    fn post(&mut self, about: Map<String, Json>, worst: &Arc<Message>, count: usize) -> Result<(), Failure> {
        let mut output = self
            .settings
            .output
            .render(std::slice::from_ref(worst), &Revealed::default())
            .map_err(|mistake| unsaid(&mistake))?;
        if count > 1 {
            output = format!("{output}, and {} more", count - 1);
        }
        let is_host = about.get("type") == Some(&"Host".into());
        let status = match (self.state(worst), is_host) {
            (State::Ok, _) => 0,
            (State::Warning, _) | (_, true) => 1,
            (State::Critical, false) => 2,
            (State::Unknown, false) => 3,
        };
        let mut body = about;
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

    fn worst<'a>(&self, of_target: &'a OfTarget) -> Option<&'a Arc<Message>> {
        of_target.values().max_by_key(|message| self.state(message))
    }

    fn state(&self, message: &Message) -> State {
        let States {
            info,
            warning,
            critical,
        } = self.settings.states;
        if !message.is_open() {
            return State::Ok;
        }
        match message.severity {
            Some(Severity::Info) => info,
            Some(Severity::Warning) | None => warning,
            Some(Severity::Critical) => critical,
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
                    said.check()
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
        self.settings.refresh
    }

    fn beat(&mut self, open: &[Arc<Message>]) -> Result<(), Failure> {
        let mut by_target: HashMap<String, (Map<String, Json>, OfTarget)> = HashMap::new();
        for message in open {
            let about = self.about(message).map_err(|mistake| unsaid(&mistake))?;
            let key = Json::Object(about.clone()).to_string();
            let (_, of_target) = by_target.entry(key).or_insert_with(|| (about, OfTarget::new()));
            of_target.insert(message.fingerprint.clone(), Arc::clone(message));
        }
        self.open.clear();
        let mut refused = None;
        for (key, (about, of_target)) in by_target {
            let worst = self.worst(&of_target).cloned();
            let count = of_target.len();
            self.open.insert(key, of_target);
            match worst.map_or(Ok(()), |worst| self.post(about, &worst, count)) {
                Ok(()) => {}
                // It is about this one alone.
                Err(failure) if failure.retry == Retry::Never => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        refused.map_or(Ok(()), Err)
    }
}
