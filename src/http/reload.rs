//! `POST /-/reload`: the way from a client to whoever can make the relay go by another configuration, and the answer.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::Sources;

/// Somebody wants the configuration to be read again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Where the answer goes; whoever asked may be gone.
    pub answer: oneshot::Sender<Result<ReloadReport, ReloadRefused>>,
}

/// The way to whoever can do it. Full: somebody is at it, and others wait already.
pub type ReloadRequests = mpsc::Sender<ReloadRequest>;

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadReport {
    /// Settings that are others now, as in `window.max_series`, and sections.
    pub changed: Vec<&'static str>,
    /// Settings that are others in the file; the relay goes by the old ones until it is started again.
    pub needs_restart: Vec<&'static str>,
    /// Addresses for senders.
    pub listeners: Differences,
    /// Upstreams, by their names.
    pub upstreams: Differences,
    /// What has become of each detector, those that are gone included.
    pub detectors: Vec<DetectorFate>,
    /// What is odd about the configuration, as `skyrelay check` has it.
    pub warnings: Vec<String>,
}

/// Things that have names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those whose settings are others.
    pub changed: Vec<String>,
}

/// What has become of a detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorFate {
    /// Its name.
    pub name: String,
    /// `kept`, `begun anew`, `new` or `gone`.
    pub memory: &'static str,
}

/// Why everything is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadRefused {
    /// What is wrong with the configuration, a line for each mistake.
    #[error("{0}")]
    Configuration(String),
    /// What the system does not give.
    #[error("{0}")]
    System(String),
    /// There is no file.
    #[error("the relay was started without a configuration file: there is nothing to read again")]
    NoFile,
}

impl ReloadReport {
    /// Is nothing different from what it was?
    pub fn is_empty(&self) -> bool {
        let Self {
            changed,
            needs_restart,
            listeners,
            upstreams,
            detectors,
            // They say nothing of what was before.
            warnings: _,
        } = self;
        let kept = detectors.iter().all(|detector| detector.memory == "kept");
        changed.is_empty() && needs_restart.is_empty() && listeners.is_empty() && upstreams.is_empty() && kept
    }
}

impl Differences {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Answers when the relay goes by the new configuration, or has refused it.
pub(super) async fn reload(State(sources): State<Sources>) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = sources.reload.send(ReloadRequest { answer }).await;
    let answer = match asked {
        Ok(()) => answered.await.ok(),
        Err(_) => None,
    };
    match answer {
        Some(Ok(report)) => Json(report).into_response(),
        Some(Err(refused)) => {
            let status = match refused {
                ReloadRefused::Configuration(_) => StatusCode::UNPROCESSABLE_ENTITY,
                ReloadRefused::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
                ReloadRefused::NoFile => StatusCode::CONFLICT,
            };
            error(status, &refused.to_string())
        }
        None => error(StatusCode::SERVICE_UNAVAILABLE, "the relay is stopping"),
    }
}

fn error(status: StatusCode, error: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error }))).into_response()
}
