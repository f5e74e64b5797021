//! `/api/v1/anomalies/ID/acknowledge`: that somebody has seen it.

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use tracing::info;

use super::super::{
    Sources,
    answer::{Json, Refusal},
    guard::Asker,
};
use super::{anomaly, author, change, number, read};
use crate::{clock, silence::Acknowledgement};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedAcknowledgement {
    #[serde(default)]
    author: String,
    #[serde(default)]
    reason: String,
}

pub(super) fn router() -> Router<Sources> {
    Router::new().route("/anomalies/{id}/acknowledge", post(acknowledge).delete(take_back))
}

async fn acknowledge(
    State(sources): State<Sources>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: WantedAcknowledgement = read(body)?;
    let found = anomaly(&sources, number("anomaly", &id)?)?;
    let said = Acknowledgement {
        anomaly: found.id,
        series: found.series.to_string(),
        detector: found.detector.to_string(),
        author: author(wanted.author, &asker)?,
        reason: wanted.reason,
        at: clock::now(),
    };
    let who = said.author.clone();
    change(&sources, move |silences| silences.acknowledge(said)).await?;
    info!(id = found.id, series = ?found.series, author = ?who, "an anomaly was acknowledged");
    Ok(Json(found.report(sources.marks(&found))).into_response())
}

async fn take_back(State(sources): State<Sources>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let found = anomaly(&sources, number("anomaly", &id)?)?;
    let id = found.id;
    change(&sources, move |silences| silences.take_back(id)).await?;
    Ok(Json(found.report(sources.marks(&found))).into_response())
}
