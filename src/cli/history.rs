//! `skyrelay history`: what was, from a running relay, or from the files themselves.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use super::{
    EXIT_FAILED, EXIT_USAGE,
    remote::{Failed, Relay, Remote, finish, shown, text, time_of},
};
use crate::{
    clock,
    config::Config,
    glob::Glob,
    graphite::time,
    history::{OnDisk, Wanted},
    line::Timestamp,
};

/// Anomalies that are asked for at a time.
const PAGE: usize = 1000;

/// Anomalies that were.
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    /// Series, as a carbon glob: `servers.web1.**`
    #[arg(value_name = "PATTERN", default_value = "**")]
    pattern: String,
    /// Only anomalies that this detector has found
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Only those that were open at some time from then on, as Graphite writes it (-7d, 20240131, `18:00_20240131`)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Only those that were open at some time up to then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// So many at most, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// Read the files in this directory, whether a relay runs or not, and ask nobody
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["url", "user", "password_file"])]
    directory: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// A part of the answer.
struct Page {
    anomalies: Vec<Value>,
    /// Where to go on.
    next: Option<String>,
    source: String,
}

/// Runs `history`.
pub(super) fn history(args: &HistoryArgs) -> ExitCode {
    finish(look(args))
}

fn look(args: &HistoryArgs) -> Result<String, Failed> {
    let now = clock::now();
    let at = |option: &str, text: &Option<String>| -> Result<Option<Timestamp>, Failed> {
        let parse = |text: &String| {
            let time = time::parse(text, now, &time::utc());
            time.map_err(|error| (EXIT_USAGE, format!("--{option}: {error}")))
        };
        text.as_ref().map(parse).transpose()
    };
    let (from, until) = (at("from", &args.from)?, at("until", &args.until)?);
    let series = Glob::new(&args.pattern).map_err(|error| (EXIT_USAGE, format!("{}: {error}", args.pattern)))?;
    let all = match &args.directory {
        Some(directory) => {
            let wanted = Wanted {
                series,
                detector: args.detector.clone(),
                from: from.unwrap_or(Timestamp::MIN),
                until: until.unwrap_or(Timestamp::MAX),
                limit: 0,
                before: None,
            };
            from_disk(directory, &wanted, args.limit)?
        }
        None => from_relay(args, from, until)?,
    };
    if all.source == "memory" {
        eprintln!("no history is kept on disk: these are the ones that the relay still remembers");
    }
    if args.remote.json {
        let Page {
            anomalies,
            next,
            source,
        } = all;
        return Ok(shown(&json!({"anomalies": anomalies, "next": next, "source": source})));
    }
    Ok(all.anomalies.iter().map(row).collect())
}

/// Page by page, until there are enough or no more.
fn collect(limit: usize, mut ask: impl FnMut(usize, Option<String>) -> Result<Page, Failed>) -> Result<Page, Failed> {
    let mut all = ask(limit.clamp(1, PAGE), None)?;
    while all.anomalies.len() < limit
        && let Some(next) = all.next.take()
    {
        let page = ask((limit - all.anomalies.len()).min(PAGE), Some(next))?;
        all.anomalies.extend(page.anomalies);
        all.next = page.next;
    }
    all.anomalies.truncate(limit);
    Ok(all)
}

fn from_disk(directory: &Path, wanted: &Wanted, limit: usize) -> Result<Page, Failed> {
    let failed = |error: std::io::Error| (EXIT_FAILED, format!("{}: {error}", directory.display()));
    let history = OnDisk::open(directory).map_err(failed)?;
    collect(limit, |limit, before| {
        let before = before.map(|before| before.parse().expect("it was a place"));
        let found = history.search(&Wanted {
            limit,
            before,
            ..wanted.clone()
        });
        let anomalies = found.anomalies.iter().map(|json| serde_json::from_str(json.get()));
        Ok(Page {
            anomalies: anomalies.collect::<Result<_, _>>().expect("it is JSON"),
            next: found.next.map(|place| place.to_string()),
            source: "disk".to_owned(),
        })
    })
}

fn from_relay(args: &HistoryArgs, from: Option<Timestamp>, until: Option<Timestamp>) -> Result<Page, Failed> {
    let relay = args.remote.relay()?;
    collect(args.limit, |limit, before| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("match", &args.pattern)
            .append_pair("limit", &limit.to_string());
        let rest = [
            ("detector", args.detector.clone()),
            ("from", from.map(|from| from.to_string())),
            ("until", until.map(|until| until.to_string())),
            ("before", before),
        ];
        for (key, value) in rest {
            if let Some(value) = value {
                query.append_pair(key, &value);
            }
        }
        let mut answer = ask(args, &relay, &format!("/api/v1/history?{}", query.finish()))?;
        Ok(Page {
            anomalies: answer["anomalies"]
                .as_array_mut()
                .map(std::mem::take)
                .unwrap_or_default(),
            next: answer["next"].as_str().map(str::to_owned),
            source: text(&answer["source"]),
        })
    })
}

/// The answer of the relay; when there is none, it is said how to do without.
fn ask(args: &HistoryArgs, relay: &Relay, path: &str) -> Result<Value, Failed> {
    relay.ask(Method::GET, path, None).map_err(|(code, mut why)| {
        let config = args.remote.config.as_deref().and_then(|path| Config::load(path).ok());
        if let Some(directory) = config.and_then(|config| config.history.directory) {
            let directory = directory.display();
            let _ = write!(why, "\nwithout a relay: skyrelay history --directory '{directory}'");
        }
        (code, why)
    })
}

/// An anomaly, as a line.
fn row(anomaly: &Value) -> String {
    let or_none = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        value => text(value),
    };
    let closed_at = match (&anomaly["closed_at"], anomaly["state"].as_str()) {
        (Value::Null, Some("open")) => "open".to_owned(),
        // Nobody was there to see it.
        (Value::Null, _) => "?".to_owned(),
        (closed_at, _) => time_of(closed_at),
    };
    let mut said = String::new();
    if anomaly["silenced"].is_array() {
        said.push_str("silenced ");
    }
    if let Some(author) = anomaly["acknowledged"].get("author") {
        let _ = write!(said, "acknowledged by {} ", text(author));
    }
    format!(
        "{}\t{}\t{closed_at}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
        text(&anomaly["id"]),
        time_of(&anomaly["opened_at"]),
        text(&anomaly["series"]),
        text(&anomaly["detector"]),
        or_none(&anomaly["severity"]),
        or_none(&anomaly["value"]),
        or_none(&anomaly["expected"]),
        text(&anomaly["reason"]),
        said.trim_end(),
    )
}
