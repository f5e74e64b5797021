//! What people say of anomalies: `/api/v1/silences`, acknowledgements, and `/api/v1/feedback`.
//!
//! What changes something is kept on disk before it is answered, off the threads that serve others. Times are seconds of the
//! wall clock, but for the end of a floor, which is in the samples' own time.

mod acknowledgements;
mod feedback;
mod silences;

use std::sync::Arc;

use axum::{Router, body::Bytes, extract::rejection::BytesRejection, http::StatusCode};
use serde::de::DeserializeOwned;

use super::{
    Sources,
    answer::Refusal,
    guard::{Asker, BODY_BYTES_MAX},
};
use crate::{
    anomaly::Anomaly,
    silence::{LONGEST_S, Refused, Silences},
    units,
};

pub(super) fn router() -> Router<Sources> {
    Router::new()
        .merge(silences::router())
        .merge(acknowledgements::router())
        .merge(feedback::router())
}

/// Has what people have said changed, where that may wait for the disk.
async fn change<T: Send + 'static>(
    sources: &Sources,
    change: impl FnOnce(&Silences) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refusal> {
    let silences = Arc::clone(&sources.silences);
    let changed = tokio::task::spawn_blocking(move || change(&silences)).await;
    let changed = changed.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(changed?)
}

/// What the body of a request says.
fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let why = format!("expected {} KiB at most", BODY_BYTES_MAX >> 10);
            Refusal(StatusCode::PAYLOAD_TOO_LARGE, why)
        }
        status => Refusal(status, "the body of the request breaks off".to_owned()),
    })?;
    serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string()))
}

/// Who says it: the one that is named, or else the one who asks.
fn author(named: String, asker: &Asker) -> Result<String, Refusal> {
    match (named.trim().is_empty(), &asker.0) {
        (false, _) => Ok(named),
        (true, Some(who)) => Ok(who.to_string()),
        (true, None) => Err(Refusal::bad("author: who says so?")),
    }
}

/// A time of at least a second and at most ten years, in seconds.
fn lasting(text: &str) -> Result<i64, Refusal> {
    let duration = units::duration(text).map_err(|expected| Refusal::bad(format!("for: {expected}")))?;
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    if (1..=LONGEST_S).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Refusal::bad("for: expected 1s to ten years"))
    }
}

/// The number of something.
fn number(what: &str, text: &str) -> Result<u64, Refusal> {
    let unknown = || Refusal(StatusCode::NOT_FOUND, format!("there is no {what} {text:?}"));
    text.parse().map_err(|_| unknown())
}

fn anomaly(sources: &Sources, id: u64) -> Result<Arc<Anomaly>, Refusal> {
    let unknown = || {
        let why = format!("there is no anomaly {id}, or it was over too long ago");
        Refusal(StatusCode::NOT_FOUND, why)
    };
    sources.board.find(id).ok_or_else(unknown)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Wrong(_) => StatusCode::BAD_REQUEST,
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::Full(_) => StatusCode::CONFLICT,
            Refused::Disk { .. } => StatusCode::INSUFFICIENT_STORAGE,
        };
        Self(status, refused.to_string())
    }
}
