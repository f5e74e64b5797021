//! The upstreams: begun, changed, and ended when the configuration or the relay says so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    forward::{Queue, Settings, SpoolError, SpoolSettings, Trouble, Upstream},
    http::Differences,
    intake::OnOldRoutes,
    metrics::ForwardMetrics,
};

/// All upstreams.
#[derive(Debug)]
pub(super) struct Upstreams {
    fed: Vec<Fed>,
    /// Names and queues of upstreams that are fed no more.
    left: Vec<(String, Arc<Queue>)>,
    /// Lines that were lost on the way to upstreams that are gone for good.
    lost_before: u64,
    /// Those that are still given what was left to them, too.
    tasks: TaskTracker,
    give_up: CancellationToken,
    spool: Option<SpoolSettings>,
    metrics: ForwardMetrics,
}

/// An upstream at work.
#[derive(Debug)]
struct Fed {
    settings: watch::Sender<Settings>,
    queue: Arc<Queue>,
    give_up: CancellationToken,
    task: JoinHandle<()>,
    trouble: Trouble,
}

/// Upstreams that are fed no more.
#[derive(Debug)]
pub(super) struct Leaving(Vec<Fed>);

impl Upstreams {
    /// Begins to feed upstreams.
    ///
    /// # Errors
    /// When the directory of a spool cannot be used.
    pub(super) fn start(
        settings: &[Settings],
        spool: Option<&SpoolSettings>,
        metrics: &ForwardMetrics,
    ) -> Result<Self, SpoolError> {
        let mut upstreams = Self {
            fed: Vec::new(),
            left: Vec::new(),
            lost_before: 0,
            tasks: TaskTracker::new(),
            give_up: CancellationToken::new(),
            spool: spool.cloned(),
            metrics: metrics.clone(),
        };
        for upstream in upstreams.prepare(settings)? {
            upstreams.begin(upstream);
        }
        Ok(upstreams)
    }

    /// Those of these upstreams that are new, before any of them is given anything.
    ///
    /// # Errors
    /// When the directory of a spool cannot be used.
    pub(super) fn prepare(&mut self, settings: &[Settings]) -> Result<Vec<Upstream>, SpoolError> {
        let is_there = |name: &str| self.fed.iter().any(|fed| fed.name() == name);
        let mut prepared = Vec::new();
        for settings in settings.iter().filter(|settings| !is_there(&settings.name)) {
            match Upstream::start(settings.clone(), self.spool.as_ref(), &self.metrics) {
                Ok(upstream) => prepared.push(upstream),
                Err(error) => {
                    self.dismiss(prepared);
                    return Err(error);
                }
            }
        }
        Ok(prepared)
    }

    /// Ends upstreams that were prepared in vain.
    pub(super) fn dismiss(&mut self, prepared: Vec<Upstream>) {
        for upstream in prepared {
            self.left.push((upstream.name().to_owned(), upstream.queue()));
            let at_once = CancellationToken::new();
            at_once.cancel();
            self.tasks.spawn(upstream.run(at_once));
        }
    }

    fn begin(&mut self, upstream: Upstream) {
        let (queue, changes, give_up) = (upstream.queue(), upstream.settings(), self.give_up.child_token());
        let task = self.tasks.spawn(upstream.run(give_up.clone()));
        self.fed.push(Fed {
            settings: changes,
            queue,
            give_up,
            task,
            trouble: Trouble::default(),
        });
    }

    /// Feeds these upstreams from now on. What is left to those that go is to be seen to by [`Leaving::drain`].
    pub(super) fn change(&mut self, settings: &[Settings], prepared: Vec<Upstream>) -> (Differences, Leaving) {
        let mut differences = Differences::default();
        let (stay, leave): (Vec<_>, Vec<_>) = std::mem::take(&mut self.fed)
            .into_iter()
            .partition(|fed| settings.iter().any(|settings| settings.name == fed.name()));
        self.fed = stay;
        for fed in &self.fed {
            let name = fed.name();
            let Some(settings) = settings.iter().find(|settings| settings.name == name) else {
                continue;
            };
            let former = fed.settings.borrow().clone();
            if former == *settings {
                continue;
            }
            fed.settings.send_replace(settings.clone());
            // Where the relay listens is no setting of the upstream.
            let own = settings.own.clone();
            if (Settings { own, ..former }) != *settings {
                differences.changed.push(name);
            }
        }
        for upstream in prepared {
            self.begin(upstream);
            differences.added.extend(self.fed.last().map(Fed::name));
        }
        for fed in &leave {
            self.left.push((fed.name(), Arc::clone(&fed.queue)));
            differences.removed.push(fed.name());
        }
        (differences, Leaving(leave))
    }

    /// The ways to them.
    pub(super) fn queues(&self) -> Vec<Arc<Queue>> {
        self.fed.iter().map(|fed| Arc::clone(&fed.queue)).collect()
    }

    /// Is every upstream fed?
    pub(super) fn are_fed(&self) -> bool {
        self.fed.iter().all(|fed| !fed.task.is_finished())
    }

    /// Tells the log of what is lost and who waits, and forgets upstreams that are gone for good. To be called once a second.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        for fed in &mut self.fed {
            let name = fed.name();
            fed.trouble.look(&name, &fed.queue, now);
        }
        // Nobody else has hold of its queue any more.
        let is_gone = |(_, queue): &mut (String, Arc<Queue>)| Arc::strong_count(queue) == 1;
        let gone: Vec<_> = self.left.extract_if(.., is_gone).collect();
        for (name, queue) in gone {
            self.lost_before += queue.lines_dropped();
            let mut others = self.fed.iter().map(Fed::name);
            // Another one by its name counts on where it has ended.
            if !others.any(|other| other == name) && self.left.iter().all(|(other, _)| *other != name) {
                Upstream::forget(&name, &self.metrics);
            }
        }
    }

    /// Has no sender wait for room any longer: what one upstream cannot take is lost to it, and others get it.
    pub(super) fn hurry(&self) {
        self.fed.iter().for_each(|fed| fed.queue.hurry());
    }

    /// Takes no more lines.
    pub(super) fn close(&self) {
        for fed in &self.fed {
            fed.queue.close();
        }
        self.tasks.close();
    }

    /// Ends, after a close, when all has been delivered, or within `deadline` and a moment.
    pub(super) async fn finish(&self, deadline: Duration) {
        if timeout(deadline, self.tasks.wait()).await.is_err() {
            self.give_up.cancel();
            self.tasks.wait().await;
        }
    }

    /// The way to end the wait for them.
    pub(super) fn give_up(&self) -> CancellationToken {
        self.give_up.clone()
    }

    /// Lines that were lost on the way to any of them.
    pub(super) fn lines_lost(&self) -> u64 {
        let left = self.left.iter().map(|(_, queue)| queue);
        let queues = self.fed.iter().map(|fed| &fed.queue).chain(left);
        self.lost_before + queues.map(|queue| queue.lines_dropped()).sum::<u64>()
    }
}

impl Fed {
    fn name(&self) -> String {
        self.settings.borrow().name.clone()
    }
}

impl Leaving {
    /// Delivers what was put into the queues before the routes changed, or gives up what is left after `deadline`.
    pub(super) async fn drain(self, before: OnOldRoutes, deadline: Duration) {
        // One who waits for room in a queue that nobody empties is let go by its end.
        let _ = timeout(deadline, before.gone()).await;
        for fed in &self.0 {
            fed.queue.close();
        }
        for mut fed in self.0 {
            if timeout(deadline, &mut fed.task).await.is_err() {
                fed.give_up.cancel();
                let _ = fed.task.await;
            }
            let (upstream, lost) = (fed.settings.borrow().name.clone(), fed.queue.lines_dropped());
            if lost > 0 {
                warn!(
                    upstream,
                    lost, "was left out of the configuration, and has not taken all that was left to it"
                );
            } else {
                info!(
                    upstream,
                    "was left out of the configuration, and has taken all that was left to it"
                );
            }
        }
    }
}
