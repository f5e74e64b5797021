//! What happens to a chunk: the program in forty lines.
//!
//! Forwarding comes first. A chunk goes to every upstream as it is, a reference count each, and only then to the shards,
//! which may be behind without anybody upstream noticing.

mod settings;
mod sorter;

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
pub use settings::*;
pub use sorter::{Quarantined, Sorted, Sorter};
use tracing::warn;

use crate::{
    analysis::Analysis,
    forward::Queue,
    line::{Poison, Timestamp},
    metrics::Metrics,
    shard::{Tally, Unanalysed},
};

/// Pause between two looks at who is still on the old routes.
const LOOK_EVERY: Duration = Duration::from_millis(1);

const NOBODY_PANICS: &str = "nobody panics with the lock held";

/// Time without a poison line that is shown, after which it is said how many were not (seconds).
const QUIET_S: i64 = 2;

/// Bytes of a poison line that are shown in the log.
const SHOWN_BYTES: usize = 120;

/// Where chunks go.
#[derive(Debug)]
pub struct Intake {
    routes: RwLock<Arc<Routes>>,
    analysis: Arc<Analysis>,
    metrics: Metrics,
    /// When a poison line was last shown in the log, and how many have not been since.
    shown_at: AtomicI64,
    unshown: AtomicU64,
}

/// What is done with a chunk: the same from its beginning to its end, whatever changes meanwhile.
#[derive(Debug)]
struct Routes {
    sorter: Sorter,
    upstreams: Vec<Arc<Queue>>,
}

/// Chunks that are still on the way that was theirs before a change.
#[derive(Debug)]
pub struct OnOldRoutes(Arc<Routes>);

impl Intake {
    /// An intake that feeds `upstreams` and `analysis`.
    pub fn new(sorter: Sorter, upstreams: Vec<Arc<Queue>>, analysis: Arc<Analysis>, metrics: Metrics) -> Self {
        Self {
            routes: RwLock::new(Routes::new(sorter, upstreams)),
            analysis,
            metrics,
            shown_at: AtomicI64::new(Timestamp::MIN),
            unshown: AtomicU64::new(0),
        }
    }

    /// Sends what is taken from now on through `sorter` to `upstreams`.
    pub fn change(&self, sorter: Sorter, upstreams: Vec<Arc<Queue>>) -> OnOldRoutes {
        let mut routes = self.routes.write().expect(NOBODY_PANICS);
        OnOldRoutes(std::mem::replace(&mut routes, Routes::new(sorter, upstreams)))
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().expect(NOBODY_PANICS))
    }

    /// Takes whole lines that arrived at `received`. Waits only where the configuration makes senders wait.
    pub async fn take(&self, chunk: Bytes, received: Timestamp) {
        let Routes { sorter, upstreams } = &*self.routes();
        let shed = self.analysis.would_shed(chunk.len());
        let unseen = shed.then(|| sorter.sift(&chunk, Unanalysed::Shed)).flatten();
        let mut sorted = unseen.unwrap_or_else(|| sorter.sort(&chunk, received));
        self.forward(&sorted, upstreams, received).await;
        for shard in 0..self.analysis.shards() {
            if let Some(batch) = sorted.take_batch(shard, &chunk, received)
                && let Err(batch) = self.analysis.give(shard, batch).await
            {
                sorted.tally.add_unanalysed(Unanalysed::Shed, batch.lines.len() as u64);
            }
        }
        self.metrics.analysis.add(&sorted.tally);
    }

    /// Takes so many lines that the relay has made itself, for the upstreams.
    pub async fn take_own(&self, chunk: Bytes, lines: u64, now: Timestamp) {
        let Routes { upstreams, .. } = &*self.routes();
        let sorted = Sorter::pass(&chunk, lines);
        self.forward(&sorted, upstreams, now).await;
        self.metrics.analysis.add(&sorted.tally);
    }

    async fn forward(&self, sorted: &Sorted, upstreams: &[Arc<Queue>], received: Timestamp) {
        self.count(sorted, received);
        for upstream in upstreams {
            for piece in &sorted.forwarded {
                upstream.push(piece.clone()).await;
            }
        }
    }

    /// Counts a line that was given up, at `received`, because it did not end.
    pub fn give_up(&self, beginning: &Bytes, received: Timestamp) {
        let mut tally = Tally::default();
        tally.add_unanalysed(Unanalysed::Quarantined, 1);
        let mut quarantined = Quarantined::default();
        quarantined.add(Poison::TooLong, 1);
        let given_up = Sorted {
            lines: 1,
            quarantined,
            sample: Some((Poison::TooLong, beginning.clone())),
            ..Sorted::default()
        };
        self.count(&given_up, received);
        self.metrics.analysis.add(&tally);
    }

    /// Is the relay past the point at which every upstream takes more lines?
    pub fn is_closing(&self) -> bool {
        self.routes().upstreams.iter().any(|upstream| upstream.is_closing())
    }

    fn count(&self, sorted: &Sorted, received: Timestamp) {
        let metrics = &self.metrics.intake;
        metrics.received.inc_by(sorted.lines);
        metrics.filtered.inc_by(sorted.filtered);
        for poison in Poison::ALL {
            let lines = sorted.quarantined.of(poison);
            if lines > 0 {
                metrics.quarantined.with_label_values(&[poison.name()]).inc_by(lines);
            }
        }
        if let Some((poison, line)) = &sorted.sample {
            let lines = Poison::ALL.map(|poison| sorted.quarantined.of(poison)).iter().sum();
            self.show(*poison, line, lines, received);
        }
    }

    /// Shows one of so many poison lines in the log, one a second at most: a sender with a defect sends many.
    fn show(&self, poison: Poison, line: &[u8], lines: u64, received: Timestamp) {
        if self.shown_at.swap(received, Ordering::Relaxed) == received {
            self.unshown.fetch_add(lines, Ordering::Relaxed);
            return;
        }
        let shown = line[..line.len().min(SHOWN_BYTES)].escape_ascii();
        let more = self.unshown.swap(0, Ordering::Relaxed) + lines - 1;
        warn!(reason = poison.name(), line = %shown, not_shown = more, "held back a line that carbon would hang up on");
    }

    /// Says in the log how many poison lines were not shown, unless one has just been. To be called once a second, and at
    /// the end with a time that has not come yet.
    pub fn tell_unshown(&self, now: Timestamp) {
        if now.saturating_sub(self.shown_at.load(Ordering::Relaxed)) >= QUIET_S {
            let more = self.unshown.swap(0, Ordering::Relaxed);
            if more > 0 {
                warn!(not_shown = more, "held back more lines that carbon would hang up on");
            }
        }
    }
}

impl Routes {
    fn new(sorter: Sorter, mut upstreams: Vec<Arc<Queue>>) -> Arc<Self> {
        // Those that may make a sender wait come last: they then hold no other up.
        upstreams.sort_by_key(|upstream| upstream.pauses());
        Arc::new(Self { sorter, upstreams })
    }
}

impl OnOldRoutes {
    /// Ends when there are none any more: nothing more is put into a queue that was left out by the change.
    pub async fn gone(self) {
        while Arc::strong_count(&self.0) > 1 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
