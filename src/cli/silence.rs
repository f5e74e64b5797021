//! `skyrelay silence`: has a running relay tell nobody of some anomalies for a time.

use std::{fmt::Write as _, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::Method;

use super::{
    EXIT_USAGE,
    remote::{Failed, Remote, Said, finish, text, time_of},
};
use crate::{clock, graphite::time};

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

/// Runs `silence add`, `list` or `end`.
pub(super) fn run(command: SilenceCommand) -> ExitCode {
    match command {
        SilenceCommand::Add(args) => finish(add(args)),
        SilenceCommand::List(args) => finish(list(&args)),
        SilenceCommand::End(args) => finish(end(&args)),
    }
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
            time.map_err(|error| (EXIT_USAGE, format!("--{option}: {error}")))
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
            let anomalies = if answer["anomalies"] == 1 {
                "anomaly"
            } else {
                "anomalies"
            };
            let mut out = format!(
                "{} series, {} open {anomalies}\n",
                answer["series"], answer["anomalies"]
            );
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
