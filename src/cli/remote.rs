//! What commands that speak to a running relay have in common.
//!
//! Where it is, and who may ask, comes from the configuration unless it is said; so on the relay's own machine nothing needs
//! to be said.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::Args;
use serde_json::{Map, Value};
use ureq::http::{Method, Request};

use super::{EXIT_CONFIGURATION, EXIT_FAILED, fail, print};
use crate::{config::Config, report, secret::Secret};

/// The variable of the environment that says who asks.
pub(super) const USER: &str = "SKYRELAY_USER";

/// The variable with that user's password.
pub(super) const PASSWORD: &str = "SKYRELAY_PASSWORD";

/// How long a relay may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest answer (bytes).
const ANSWER_BYTES_MAX: u64 = 64 << 20;

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
pub(super) struct Said {
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who says so [default: `USER`, `LOGNAME`, or the number of the user]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

/// Why there is no answer: the exit code, and a message.
pub(super) type Failed = (u8, String);

/// A relay that can be asked.
pub(super) struct Relay {
    url: String,
    authorization: Option<String>,
    json: bool,
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
    /// As the relay wants it.
    pub(super) fn into_body(self) -> Map<String, Value> {
        let author = self.author.unwrap_or_else(user);
        let mut body = Map::new();
        for (key, value) in [("author", Some(author)), ("reason", self.reason)] {
            body.extend(value.map(|value| (key.to_owned(), Value::from(value))));
        }
        body
    }
}

/// Who runs this, as far as that is known.
fn user() -> String {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    let mut named = named.filter(|name| !name.trim().is_empty());
    named
        .next()
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
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
        let user = self.user.clone().or_else(|| variable(USER));
        let user = user.or_else(|| configured.as_ref().map(|user| user.name.clone()));
        let password = match (&self.password_file, variable(PASSWORD), configured) {
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
        let mut answer = answered.map_err(|error| match error {
            ureq::Error::Io(error) => failed(format!("{error}: does a relay run there? --config or --url says where")),
            error => failed(error.to_string()),
        })?;
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
    pub(super) fn show(&self, answer: &Value, row: impl FnOnce(&Value) -> String) -> String {
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
