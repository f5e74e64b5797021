//! `skyrelay acknowledge`: tells a running relay that somebody has seen an anomaly.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use ureq::http::Method;

use super::remote::{Remote, Said, finish, text};

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

/// Runs `acknowledge`.
pub(super) fn run(args: AcknowledgeArgs) -> ExitCode {
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
