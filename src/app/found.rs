//! From the shards to the board, and from there to the channels and to whoever follows.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    analysis::Sink,
    anomaly::{Anomaly, Board},
    clock,
    http::Feed,
    metrics::AnalysisMetrics,
    notify::Notifier,
    shard::{Census, Event, Tally},
    silence::Silences,
};

/// Time for the channels to take what they are still to tell.
const LAST_NOTICES: Duration = Duration::from_secs(5);

/// What a shard tells the board.
pub(super) enum Found {
    Event(Event),
    Census(Census),
    /// The board holds what was open before a restart.
    Resumed,
}

/// The sink of one shard.
pub(super) struct ToBoard {
    pub(super) found: mpsc::Sender<Found>,
    pub(super) metrics: AnalysisMetrics,
}

impl Sink for ToBoard {
    fn events(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            // Without a board the relay is at its end, and nobody is told any more.
            let _ = self.found.blocking_send(Found::Event(event));
        }
    }

    fn census(&mut self, census: Census) {
        let _ = self.found.blocking_send(Found::Census(census));
    }

    fn resumed(&mut self) {
        let _ = self.found.blocking_send(Found::Resumed);
    }

    fn tally(&mut self, tally: &Tally) {
        self.metrics.add(tally);
    }
}

/// Keeps the board until no shard is left, and then waits for the channels.
pub(super) async fn keep(
    mut found: mpsc::Receiver<Found>,
    board: Arc<Board>,
    notifier: Arc<Notifier>,
    feed: Arc<Feed>,
    silences: Arc<Silences>,
) {
    while let Some(found) = found.recv().await {
        match found {
            Found::Census(census) => board.count(&census),
            Found::Resumed => notifier.resume(),
            Found::Event(event) => {
                if let Some(mut notice) = board.record(event) {
                    let Anomaly {
                        id, series, detector, ..
                    } = &*notice.anomaly;
                    notice.marks = silences.marks(*id, series, detector, clock::now());
                    let notice = Arc::new(notice);
                    feed.tell(Arc::clone(&notice));
                    notifier.tell(&notice);
                }
            }
        }
    }
    let told = tokio::task::spawn_blocking(move || notifier.stop(LAST_NOTICES)).await;
    if !matches!(told, Ok(true)) {
        warn!("a channel has not taken all that it was to be told");
    }
}
