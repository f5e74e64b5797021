//! From the shards to the board, and from there to the channels and to whoever follows.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};
use tracing::warn;

use crate::{
    analysis::Sink,
    anomaly::{Anomaly, Board, Which},
    clock,
    glob::Glob,
    history::History,
    http::Feed,
    metrics::AnalysisMetrics,
    notify::Notifier,
    shard::{Census, Event, Tally},
    silence::{Marks, Silences},
};

/// Time for the channels to take what they are still to tell.
const LAST_NOTICES: Duration = Duration::from_secs(5);

/// Time for the disk to take what is still to be written.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// What a shard tells the board.
pub(super) enum Found {
    Event(Event),
    Census(Census),
    /// The board holds what was open before a restart.
    Resumed,
}

/// Whom the board is kept for.
pub(super) struct Keeper {
    pub(super) board: Arc<Board>,
    pub(super) notifier: Arc<Notifier>,
    pub(super) feed: Arc<Feed>,
    pub(super) silences: Arc<Silences>,
    pub(super) history: Arc<History>,
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

impl Keeper {
    /// Begins to keep the board. With a snapshot somebody will say when it has been loaded.
    pub(super) fn start(self, found: mpsc::Receiver<Found>, with_snapshot: bool) -> JoinHandle<()> {
        if !with_snapshot {
            self.resume();
        }
        tokio::spawn(self.keep(found))
    }

    /// Keeps the board until no shard is left, and then waits for the channels and for the disk.
    async fn keep(self, mut found: mpsc::Receiver<Found>) {
        while let Some(found) = found.recv().await {
            match found {
                Found::Census(census) => self.board.count(&census),
                Found::Resumed => self.resume(),
                Found::Event(event) => {
                    if let Some(mut notice) = self.board.record(event) {
                        notice.marks = self.marks(&notice.anomaly);
                        self.history.note(notice.change, &notice.anomaly, &notice.marks);
                        let notice = Arc::new(notice);
                        self.feed.tell(Arc::clone(&notice));
                        self.notifier.tell(&notice);
                    }
                }
            }
        }
        let Self { notifier, history, .. } = self;
        let told = tokio::task::spawn_blocking(move || notifier.stop(LAST_NOTICES));
        let written = tokio::task::spawn_blocking(move || history.stop(LAST_RECORDS));
        if !matches!(told.await, Ok(true)) {
            warn!("a channel has not taken all that it was to be told");
        }
        if !matches!(written.await, Ok(true)) {
            warn!("the disk has not taken the end of the history");
        }
    }

    /// The board holds what was open before a restart: has the channels and the history know.
    fn resume(&self) {
        self.notifier.resume();
        if self.history.is_kept() {
            let open = self.board.select(Which::Open, &Glob::everything(), usize::MAX);
            let open = open.anomalies.into_iter().map(|anomaly| {
                let marks = self.marks(&anomaly);
                (anomaly, marks)
            });
            self.history.resume(open.collect());
        }
    }

    /// What people have said of it by now.
    fn marks(&self, anomaly: &Anomaly) -> Marks {
        let Anomaly {
            id, series, detector, ..
        } = anomaly;
        self.silences.marks(*id, series, detector, clock::now())
    }
}
