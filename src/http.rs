//! HTTP: metrics, health, the API that answers what is open, and why a series is analysed or not, and Graphite's reads.
//!
//! Every request passes the [`Guard`], which knows who may change something. Names of series are hostile text; they leave as
//! JSON alone. Answers are bounded by `limit`, so none grows with the number of series; connections are bounded in
//! number and time.

mod answer;
mod api;
mod connections;
mod feed;
mod graphite;
mod guard;
mod history;
mod page;
mod relay;
mod reload;
mod said;
mod search;
mod series;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use answer::Refusal;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
pub use feed::Feed;
pub use guard::{Guard, GuardSettings, Protect, User};
pub use page::PageSettings;
pub use relay::{Counted, InForce};
pub use reload::{DetectorFate, Differences, ReloadRefused, ReloadReport, ReloadRequest, ReloadRequests};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    analysis::Analysis,
    anomaly::{Anomaly, Board},
    clock,
    history::History,
    intake::Sorter,
    metrics::Metrics,
    silence::{Marks, Silences},
};

/// What answers are made from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// All metrics.
    pub metrics: Metrics,
    /// What is open, and what was.
    pub board: Arc<Board>,
    /// The shards.
    pub analysis: Arc<Analysis>,
    /// Knows the shard of a series.
    pub sorter: Sorter,
    /// Notices as they come.
    pub feed: Arc<Feed>,
    /// True from when the listeners are bound until the relay is to stop.
    pub ready: Arc<AtomicBool>,
    /// Takes requests for another configuration.
    pub reload: ReloadRequests,
    /// Lets requests in, or does not.
    pub guard: Arc<Guard>,
    /// The configuration in force.
    pub in_force: watch::Receiver<InForce>,
    /// How many series there are in which condition.
    pub counted: Arc<Counted>,
    /// What people have said of anomalies.
    pub silences: Arc<Silences>,
    /// What was.
    pub history: Arc<History>,
}

impl Sources {
    /// What people have said of `anomaly`.
    fn marks(&self, anomaly: &Anomaly) -> Marks {
        self.silences
            .marks(anomaly.id, &anomaly.series, &anomaly.detector, clock::now())
    }
}

/// Serves until `stop`; answers that are being given then are given whole.
///
/// # Errors
/// When the socket does not listen. Attempts to accept that fail otherwise are made again.
pub async fn serve(listener: TcpListener, sources: Sources, stop: CancellationToken) -> io::Result<()> {
    let door = guard::Door {
        guard: Arc::clone(&sources.guard),
        on_loopback: listener.local_addr()?.ip().is_loopback(),
    };
    connections::serve(listener, router(sources, door), connections::Bounds::default(), stop).await
}

impl Sources {
    /// Brings gauges up to date that nobody keeps so.
    fn refresh_gauges(&self) {
        let gauges = &self.metrics.analysis;
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        gauges.series.set(gauge(self.analysis.series_count()));
        gauges.series_dormant.set(gauge(self.analysis.dormant_count()));
        gauges.queued.set(gauge(self.analysis.queued_weight()));
    }
}

fn router(sources: Sources, door: guard::Door) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/page/{name}", get(page::asset))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload::reload))
        .nest("/api/v1", api::router().merge(said::router()))
        .merge(graphite::router())
        .fallback(nothing_there)
        .method_not_allowed_fallback(not_that_way)
        .with_state(sources)
        .layer(DefaultBodyLimit::max(guard::BODY_BYTES_MAX))
        .layer(from_fn_with_state(door, guard::guard))
        .layer(map_response(secure))
}

async fn nothing_there(uri: Uri) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("there is nothing at {:?}", uri.path()))
}

async fn not_that_way(method: Method, uri: Uri) -> Refusal {
    let why = format!("{method} is not for {:?}; see the header Allow", uri.path());
    Refusal(StatusCode::METHOD_NOT_ALLOWED, why)
}

async fn metrics(State(sources): State<Sources>) -> Response {
    sources.refresh_gauges();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        sources.metrics.encode(),
    )
        .into_response()
}

async fn ready(State(sources): State<Sources>) -> Response {
    if sources.ready.load(Ordering::Relaxed) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// Answers are data for this origin: not to be sniffed, framed, or fetched for from elsewhere.
async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The page says otherwise.
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
