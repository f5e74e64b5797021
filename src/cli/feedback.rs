//! `skyrelay feedback`: tells a running relay that something is no anomaly.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use super::remote::{Remote, Said, finish, text, time_of};

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

/// Runs `feedback`.
pub(super) fn run(args: FeedbackArgs) -> ExitCode {
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
