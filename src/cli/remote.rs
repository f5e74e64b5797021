//! Commands that speak to a running relay: silences, acknowledgements and feedback.
//!
//! Where it is, and who may ask, comes from the configuration unless it is said; so on the relay's own machine nothing needs
//! to be said.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use ureq::http::{Method, Request};

use super::{EXIT_CONFIGURATION, EXIT_FAILED, fail, print};
use crate::{clock, config::Config, graphite::time, report, secret::Secret};

/// How long a relay may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest answer (bytes).
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What is not to be told.
#[derive(Debug, Subcommand)]
pub(super) enum SilenceCommand {
    /// Tell nobody of anomalies of these series for a time
    Add(AddArgs),
    /// Show silences that are in force, or to come
    List(ListArgs),
    /// End a silence now
    End(EndArgs),
}

/// Where the relay is, and who asks.
#[derive(Args, Debug)]
pub(super) struct Remote {
    /// Configuration file of the relay, for its address and user [default: embedded defaults]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The relay [default: http.listen of the configuration]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Who asks [default: `SKYRELAY_USER`, or http.user of the configuration]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the password [default: `SKYRELAY_PASSWORD`, or as the configuration has it]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What goes with whatever somebody says.
#[derive(Args, Debug)]
struct Said {
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who says so [default: `USER`]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// Series, as carbon globs: `servers.web1.**`
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,
    /// For how long, such as 2h
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    lasts: Option<String>,
    /// Until when, as Graphite writes it (20240131, `18:00_20240131`)
    #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
    until: Option<String>,
    /// From when on [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only anomalies that this detector finds
    #[arg(long = "detector", value_name = "NAME")]
    detectors: Vec<String>,
    /// Only show what it would hit
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Show those that are over as well
    #[arg(long)]
    all: bool,
    /// So many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
pub(super) struct EndArgs {
    /// Its number, as `silence list` shows it
    id: u64,
    #[command(flatten)]
    remote: Remote,
}

/// An anomaly that somebody has seen.
#[derive(Args, Debug)]
pub(super) struct AcknowledgeArgs {
    /// Its number
    id: u64,
    /// Take it back
    #[arg(long)]
    take_back: bool,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    remote: Remote,
}

/// Something that is no anomaly.
#[derive(Args, Debug)]
pub(super) struct FeedbackArgs {
    /// The series
    series: String,
    /// The detector that has found it
    #[arg(long, value_name = "NAME", default_value = "default")]
    detector: String,
    /// For how long the like of it is not told, such as 7d
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "take_back")]
    lasts: Option<String>,
    /// The anomaly that it is about [default: the newest]
    #[arg(long, value_name = "ID")]
    anomaly: Option<u64>,
    /// How much further the like of it may go [default: 25%]
    #[arg(long, value_name = "PERCENTAGE")]
    margin: Option<String>,
    /// Take it back
    #[arg(long)]
    take_back: bool,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    remote: Remote,
}

/// Why there is no answer: the exit code, and a message.
pub(super) type Failed = (u8, String);

/// A relay that can be asked.
pub(super) struct Relay {
    url: String,
    authorization: Option<String>,
    json: bool,
}

/// Runs `silence add`, `list` or `end`.
pub(super) fn silence(command: SilenceCommand) -> ExitCode {
    match command {
        SilenceCommand::Add(args) => finish(add(args)),
        SilenceCommand::List(args) => finish(list(&args)),
        SilenceCommand::End(args) => finish(end(&args)),
    }
}

/// Runs `acknowledge`.
pub(super) fn acknowledge(args: AcknowledgeArgs) -> ExitCode {
    let AcknowledgeArgs {
        id,
        take_back,
        said,
        remote,
    } = args;
    let path = format!("/api/v1/anomalies/{id}/acknowledge");
    let acknowledge = || {
        let relay = remote.relay()?;
        let answer = if take_back {
            relay.ask(Method::DELETE, &path, None)?
        } else {
            relay.ask(Method::POST, &path, Some(Value::Object(said.into_body())))?
        };
        Ok(relay.show(&answer, |answer| {
            let what = if take_back {
                "is not acknowledged any more"
            } else {
                "is acknowledged"
            };
            format!("{} {} {what}\n", text(&answer["id"]), text(&answer["series"]))
        }))
    };
    finish(acknowledge())
}

/// Runs `feedback`.
pub(super) fn feedback(args: FeedbackArgs) -> ExitCode {
    let FeedbackArgs {
        series,
        detector,
        lasts,
        anomaly,
        margin,
        take_back,
        said,
        remote,
    } = args;
    let feedback = || {
        let relay = remote.relay()?;
        if take_back {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("series", &series)
                .append_pair("detector", &detector)
                .finish();
            relay.ask(Method::DELETE, &format!("/api/v1/feedback?{query}"), None)?;
            return Ok(String::new());
        }
        let mut body = said.into_body();
        body.insert("series".to_owned(), json!(series));
        body.insert("detector".to_owned(), json!(detector));
        body.insert("for".to_owned(), json!(lasts));
        for (key, value) in [
            ("anomaly", anomaly.map(Value::from)),
            ("margin", margin.map(Value::from)),
        ] {
            body.extend(value.map(|value| (key.to_owned(), value)));
        }
        let answer = relay.ask(Method::POST, "/api/v1/feedback", Some(Value::Object(body)))?;
        Ok(relay.show(&answer, |answer| {
            let floor = &answer["floor"];
            let height = match (&floor["direction"], &floor["deviation"]) {
                (Value::String(direction), deviation) => format!("up to {deviation} {direction} what is expected"),
                _ => format!("up to a score of {}", floor["score"]),
            };
            let until = time_of(&floor["until"]);
            format!(
                "{} is not told of by {} {height}, until {until}\n",
                text(&answer["series"]),
                text(&answer["detector"])
            )
        }))
    };
    finish(feedback())
}

fn add(args: AddArgs) -> Result<String, Failed> {
    let AddArgs {
        patterns,
        lasts,
        until,
        from,
        detectors,
        preview,
        said,
        remote,
    } = args;
    let relay = remote.relay()?;
    let now = clock::now();
    let at = |option: &str, text: Option<String>| -> Result<Option<i64>, Failed> {
        let parse = |text: String| {
            let time = time::parse(&text, now, &time::utc());
            time.map_err(|error| (super::EXIT_USAGE, format!("--{option}: {error}")))
        };
        text.map(parse).transpose()
    };
    let mut body = said.into_body();
    body.insert("match".to_owned(), json!(patterns));
    body.insert("detectors".to_owned(), json!(detectors));
    let rest = [
        ("for", lasts.map(Value::from)),
        ("until", at("until", until)?.map(Value::from)),
        ("from", at("from", from)?.map(Value::from)),
    ];
    body.extend(
        rest.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    let body = Some(Value::Object(body));
    if preview {
        let answer = relay.ask(Method::POST, "/api/v1/silences/preview", body)?;
        return Ok(relay.show(&answer, |answer| {
            let mut out = format!("{} series, {} open anomalies\n", answer["series"], answer["anomalies"]);
            for series in answer["examples"].as_array().into_iter().flatten() {
                let _ = writeln!(out, "  {}", text(series));
            }
            out
        }));
    }
    let answer = relay.ask(Method::POST, "/api/v1/silences", body)?;
    Ok(relay.show(&answer, row))
}

fn list(args: &ListArgs) -> Result<String, Failed> {
    let relay = args.remote.relay()?;
    let state = if args.all { "all" } else { "active" };
    let path = format!("/api/v1/silences?state={state}&limit={}", args.limit);
    let answer = relay.ask(Method::GET, &path, None)?;
    Ok(relay.show(&answer, |answer| {
        answer["silences"].as_array().into_iter().flatten().map(row).collect()
    }))
}

fn end(args: &EndArgs) -> Result<String, Failed> {
    let relay = args.remote.relay()?;
    let answer = relay.ask(Method::DELETE, &format!("/api/v1/silences/{}", args.id), None)?;
    Ok(relay.show(&answer, row))
}

/// A silence, as a line.
fn row(silence: &Value) -> String {
    let all = |key: &str| {
        let values = silence[key].as_array().into_iter().flatten().map(text);
        values.collect::<Vec<_>>().join(",")
    };
    let detectors = match all("detectors") {
        none if none.is_empty() => "any".to_owned(),
        some => some,
    };
    format!(
        "{}\t{}\t{}\t{}\t{}\t{detectors}\t{}\t{}\n",
        text(&silence["id"]),
        text(&silence["state"]),
        time_of(&silence["from"]),
        time_of(&silence["until"]),
        all("match"),
        text(&silence["author"]),
        text(&silence["reason"]),
    )
}

pub(super) fn time_of(seconds: &Value) -> String {
    let time = seconds
        .as_i64()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.to_string())
}

/// A text without its quotes, and without what a terminal would obey.
pub(super) fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let seen = |character: char| {
        if report::is_unseen(character) {
            character.escape_unicode().collect::<String>()
        } else {
            character.to_string()
        }
    };
    text.chars().map(seen).collect()
}

pub(super) fn finish(outcome: Result<String, Failed>) -> ExitCode {
    match outcome {
        Ok(text) => print(&text),
        Err((code, message)) => fail(code, &message),
    }
}

impl Said {
    fn into_body(self) -> Map<String, Value> {
        let author = self.author.or_else(|| std::env::var("USER").ok());
        let mut body = Map::new();
        for (key, value) in [("author", author), ("reason", self.reason)] {
            body.extend(value.map(|value| (key.to_owned(), Value::from(value))));
        }
        body
    }
}

impl Remote {
    /// The relay that is meant.
    pub(super) fn relay(&self) -> Result<Relay, Failed> {
        let config = self
            .config
            .as_deref()
            .map_or_else(|| Ok(Config::default()), Config::load);
        let config = config.map_err(|error| (EXIT_CONFIGURATION, error.to_string()))?;
        let url = match (&self.url, config.http) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(address)) => format!("http://{}", reachable(address)),
            (None, None) => {
                let why = "the relay serves no HTTP (http.listen is off): it cannot be asked";
                return Err((EXIT_CONFIGURATION, why.to_owned()));
            }
        };
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let configured = config.guard.user;
        let user = self.user.clone().or_else(|| variable("SKYRELAY_USER"));
        let user = user.or_else(|| configured.as_ref().map(|user| user.name.clone()));
        let password = match (&self.password_file, variable("SKYRELAY_PASSWORD"), configured) {
            (Some(path), _, _) => Some(Secret::File(path.clone())),
            (None, Some(password), _) => Some(Secret::Text(password)),
            (None, None, configured) => configured.map(|user| user.password),
        };
        let authorization = match (user, password) {
            (Some(user), Some(password)) => {
                let password = password.reveal().map_err(|error| (EXIT_FAILED, error.to_string()))?;
                Some(format!(
                    "Basic {}",
                    BASE64_STANDARD.encode(format!("{user}:{password}"))
                ))
            }
            _ => None,
        };
        Ok(Relay {
            url,
            authorization,
            json: self.json,
        })
    }
}

/// Where one who listens there is reached from this machine.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

impl Relay {
    /// The answer to a request; `null` where there is none but that it was done.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failed> {
        let url = format!("{}{path}", self.url);
        let failed = |why: String| (EXIT_FAILED, format!("{url}: {why}"));
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .http_status_as_error(false);
        let agent = ureq::Agent::new_with_config(config.build());
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let answered = match body {
            Some(body) => {
                let request = request
                    .header("Content-Type", "application/json")
                    .body(body.to_string());
                agent.run(request.map_err(|error| failed(error.to_string()))?)
            }
            None => agent.run(request.body(()).map_err(|error| failed(error.to_string()))?),
        };
        let mut answer = answered.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| failed(error.to_string()))?;
        if text.is_empty() && status.is_success() {
            return Ok(Value::Null);
        }
        let value: Value =
            serde_json::from_str(&text).map_err(|_| failed(format!("{status}, and no answer of a relay")))?;
        if status.is_success() {
            return Ok(value);
        }
        Err((
            EXIT_FAILED,
            value["error"].as_str().unwrap_or(status.as_str()).to_owned(),
        ))
    }

    /// The answer as it was asked for.
    fn show(&self, answer: &Value, row: impl FnOnce(&Value) -> String) -> String {
        if self.json { shown(answer) } else { row(answer) }
    }
}

/// An answer as JSON.
pub(super) fn shown(answer: &Value) -> String {
    let mut out = Vec::new();
    report::write_json(&mut out, answer).expect("it was JSON, and a Vec takes everything");
    out.push(b'\n');
    String::from_utf8(out).expect("JSON is UTF-8")
}
