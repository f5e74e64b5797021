//! Shards at work: a thread and a queue for each.
//!
//! The queue of a shard is bounded in weight, and full it sheds or makes senders wait, as configured. A line weighs one, and long lines
//! one for each 128 bytes of them, so that the bound holds memory too. Shedding goes on until a part of the queue is free again, and
//! threads stand back meanwhile where forwarding needs their processors (`pace`). Questions (from the API) wait in the same queue and are
//! answered between batches: the shard stays the only owner of its series. What a shard is to do before it looks at its first line comes
//! as a [`HeadStart`], while lines wait in the queue.

mod inbox;
mod memory;
mod pace;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use inbox::{Inbox, Queue, Taken};
use pace::Pace;
pub use settings::*;
use tokio::sync::{mpsc, oneshot};

use crate::{
    line::Timestamp,
    shard::{self, Batch, Census, Event, Shard, Shared, Tally, Verbosity},
};

/// Slots looked at in a sweep, of each thousand: with one sweep a second, every series is looked at in about a minute.
const SWEEP_PER_THOUSAND: usize = 17;

/// How far the threads that analyse stand back (0 to 19, as for `nice`).
const NICE: i32 = 5;

/// Threads that analyse, and the ways to them.
#[derive(Debug)]
pub struct Analysis {
    /// [`WhenBehind::Shed`]?
    sheds: AtomicBool,
    inboxes: Vec<Inbox>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
    room: memory::Room,
    /// What the shards go by, or will when they come to it.
    shard_settings: Mutex<Arc<shard::Settings>>,
}

enum Message {
    Batch(Batch, Taken),
    Sweep {
        now: Timestamp,
        /// Has anything been shed since the last?
        has_shed: bool,
    },
    Ask(Question),
    /// Go by other settings.
    Change(Arc<shard::Settings>),
    /// Carry some series over to them.
    CarryOver(oneshot::Sender<CarriedOver>),
    Stop,
}

/// What has become of carrying some series over to other settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarriedOver {
    /// Series that still wait for it, over all shards.
    pub waiting: usize,
    /// The longest that a shard was kept from its samples.
    pub longest_pause: Duration,
}

/// What carrying series over may take at a time, before a shard goes on with its samples: some milliseconds of its time
/// (samples learnt, or series looked at).
const CARRY_BUDGET: usize = 10_000;

/// Errands that wait for a shard. Whoever gives more waits.
const QUEUE_ERRANDS: usize = 4;

/// What shards do before they look at their first line. They begin when this is dropped.
#[derive(Debug)]
pub struct HeadStart(Vec<SyncSender<Errand>>);

type Errand = Box<dyn FnOnce(&mut Shard) + Send>;

/// What comes of it may be told as well.
type Question = Box<dyn FnOnce(&mut Shard, &mut Vec<Event>) + Send>;

/// Where shards send what they find, from their own threads. Blocking holds analysis up, and nothing else.
pub trait Sink: Send + 'static {
    /// Verdicts worth telling; leaves `events` empty.
    fn events(&mut self, events: &mut Vec<Event>);
    /// What became of the lines since the last call.
    fn tally(&mut self, tally: &Tally);
    /// Which series have begun and ended, told ahead of their events.
    fn census(&mut self, census: Census);
    /// What was there before a restart is there again, as far as it will be; told ahead of all that shards find after it.
    fn resumed(&mut self) {}
}

/// The analysis has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the analysis has stopped")]
pub struct Stopped;

impl Analysis {
    /// Starts the threads, of which each makes a sink for itself.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start<S: Sink>(
        settings: Settings,
        shard_settings: &Arc<shard::Settings>,
        sink: impl FnMut() -> S,
    ) -> std::io::Result<Self> {
        let (analysis, _) = Self::start_behind(settings, shard_settings, sink)?;
        Ok(analysis)
    }

    /// The same with a head start, during which nothing is analysed.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start_behind<S: Sink>(
        settings: Settings,
        shard_settings: &Arc<shard::Settings>,
        mut sink: impl FnMut() -> S,
    ) -> std::io::Result<(Self, HeadStart)> {
        let common = Arc::<Shared>::default();
        let room = memory::Room::new(settings.memory_bytes_max);
        room.look(&common);
        let room_max = u32::try_from(settings.queue_lines_max.div_ceil(settings.shards)).unwrap_or(u32::MAX);
        let used = Arc::default();
        let (mut inboxes, mut threads, mut errands) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..settings.shards {
            let shard = Shard::new(Arc::clone(shard_settings), Verbosity::Changes, Arc::clone(&common));
            let (messages, inbox) = mpsc::unbounded_channel();
            let (errand, first) = sync_channel(QUEUE_ERRANDS);
            errands.push(errand);
            let (sink, queue, used) = (sink(), Arc::new(Queue::new(room_max)), Arc::clone(&used));
            let thread = std::thread::Builder::new().name(format!("shard-{number}")).spawn({
                let queue = Arc::clone(&queue);
                move || drive(shard, &first, inbox, sink, &queue, Pace::new(used))
            })?;
            threads.push(thread);
            inboxes.push(Inbox { messages, queue });
        }
        let analysis = Self {
            sheds: AtomicBool::new(settings.when_behind == WhenBehind::Shed),
            inboxes,
            threads: Mutex::new(threads),
            shared: common,
            room,
            shard_settings: Mutex::new(Arc::clone(shard_settings)),
        };
        Ok((analysis, HeadStart(errands)))
    }

    /// Gives `batch` to a shard. Waits while the queue is full, or gives it back, as configured.
    ///
    /// # Errors
    /// The batch, which was not taken.
    pub async fn give(&self, shard: usize, batch: Batch) -> Result<(), Batch> {
        self.inboxes[shard].give(batch, self.sheds()).await
    }

    fn sheds(&self) -> bool {
        self.sheds.load(Ordering::Relaxed)
    }

    /// Does something else from now on when a shard is behind.
    pub fn set_when_behind(&self, when_behind: WhenBehind) {
        self.sheds.store(when_behind == WhenBehind::Shed, Ordering::Relaxed);
    }

    /// Is every shard so far behind that it would shed whatever part it is given of a chunk of so many bytes? Then nobody
    /// needs to look for names in it.
    pub fn would_shed(&self, chunk_bytes: usize) -> bool {
        let mut inboxes = self.inboxes.iter();
        let would_shed = self.sheds() && inboxes.all(|inbox| inbox.queue.would_shed(chunk_bytes));
        if would_shed {
            for inbox in &self.inboxes {
                inbox.queue.shed();
            }
        }
        would_shed
    }

    /// Has a shard answer `question`, after what it has to do already.
    ///
    /// # Errors
    /// When the analysis has stopped.
    pub async fn ask<T: Send + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        self.put(shard, |shard, _| question(shard))?.await.map_err(|_| Stopped)
    }

    /// The same for a thread that may wait.
    ///
    /// # Errors
    /// When the analysis has stopped.
    pub fn ask_and_wait<T: Send + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        self.put(shard, |shard, _| question(shard))?
            .blocking_recv()
            .map_err(|_| Stopped)
    }

    /// Has a shard do `errand`, and tell what comes of it, after what it has to do already. Does not wait.
    ///
    /// # Errors
    /// When the analysis has stopped.
    pub fn charge(
        &self,
        shard: usize,
        errand: impl FnOnce(&mut Shard, &mut Vec<Event>) + Send + 'static,
    ) -> Result<(), Stopped> {
        self.put(shard, errand).map(drop)
    }

    fn put<T: Send + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(&mut Shard, &mut Vec<Event>) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Stopped> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |shard, events| {
            // Nobody may be waiting any more.
            let _ = answer.send(question(shard, events));
        });
        self.inboxes[shard]
            .messages
            .send(Message::Ask(question))
            .map_err(|_| Stopped)?;
        Ok(answered)
    }

    /// Has the shards go by other settings, after what they have to do already. Series that are there are to be carried
    /// over.
    pub fn change(&self, settings: &Arc<shard::Settings>) {
        *self.shard_settings() = Arc::clone(settings);
        for inbox in &self.inboxes {
            // One that has ended goes by nothing any more.
            let _ = inbox.messages.send(Message::Change(Arc::clone(settings)));
        }
    }

    /// What the shards go by, when they have come to it.
    pub fn settings(&self) -> Arc<shard::Settings> {
        Arc::clone(&self.shard_settings())
    }

    fn shard_settings(&self) -> MutexGuard<'_, Arc<shard::Settings>> {
        self.shard_settings.lock().expect("nobody panics with the lock held")
    }

    /// Has all shards carry over some series to the settings that they go by.
    ///
    /// # Errors
    /// When the analysis has stopped.
    pub async fn carry_over(&self) -> Result<CarriedOver, Stopped> {
        let mut answers = Vec::new();
        for inbox in &self.inboxes {
            let (answer, answered) = oneshot::channel();
            let sent = inbox.messages.send(Message::CarryOver(answer));
            sent.map_err(|_| Stopped)?;
            answers.push(answered);
        }
        let mut all = CarriedOver::default();
        for answered in answers {
            let of_shard = answered.await.map_err(|_| Stopped)?;
            all.waiting += of_shard.waiting;
            all.longest_pause = all.longest_pause.max(of_shard.longest_pause);
        }
        Ok(all)
    }

    /// Has all shards look for series that have fallen silent, and looks at memory itself. To be called once a second.
    pub fn sweep(&self, now: Timestamp) {
        self.room.look(&self.shared);
        for inbox in &self.inboxes {
            // A shard that is behind sweeps later.
            let has_shed = inbox.queue.take_has_shed();
            let _ = inbox.messages.send(Message::Sweep { now, has_shed });
        }
    }

    /// Has every shard done something since it was asked for the last time? `before` is what it was told then, and nothing
    /// at first. A shard that has not finished its head start has time.
    pub fn moves_on(&self, before: &mut Vec<u64>) -> bool {
        before.resize(self.inboxes.len(), 0);
        let mut all = true;
        for (inbox, before) in self.inboxes.iter().zip(before) {
            let done = inbox.queue.done();
            // So that there is something to do.
            let takes = inbox.messages.send(Message::Ask(Box::new(|_, _| ()))).is_ok();
            all &= takes && (done == 0 || done != std::mem::replace(before, done));
        }
        all
    }

    /// Threads that analyse.
    pub fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// Series over all shards.
    pub fn series_count(&self) -> usize {
        self.shared.series_count()
    }

    /// Dormant series over all shards.
    pub fn dormant_count(&self) -> usize {
        self.shared.dormant_count()
    }

    /// Weight of the batches that wait.
    pub fn queued_weight(&self) -> usize {
        self.inboxes.iter().map(|inbox| inbox.queue.weight_taken()).sum()
    }

    /// Waits up to `deadline` for the queues to run empty, in the order in which they were filled, and ends the threads.
    /// False when some are still at work. What is given later is given back.
    pub async fn stop(&self, deadline: Duration) -> bool {
        for inbox in &self.inboxes {
            // A shard that has ended needs no telling.
            let _ = inbox.messages.send(Message::Stop);
        }
        let threads = std::mem::take(&mut *self.threads.lock().expect("nobody panics with the lock held"));
        let ended = async {
            while threads.iter().any(|thread| !thread.is_finished()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(deadline, ended).await.is_ok()
    }
}

impl HeadStart {
    /// Has a shard do `errand`; waits while it has enough to do.
    ///
    /// # Errors
    /// When the shard is not there any more.
    pub fn give(&self, shard: usize, errand: impl FnOnce(&mut Shard) + Send + 'static) -> Result<(), Stopped> {
        self.0[shard].send(Box::new(errand)).map_err(|_| Stopped)
    }
}

/// Drives one shard until nobody can send to it any more.
fn drive(
    mut shard: Shard,
    first: &Receiver<Errand>,
    mut inbox: mpsc::UnboundedReceiver<Message>,
    mut sink: impl Sink,
    queue: &Queue,
    mut pace: Pace,
) {
    // Forwarding comes first: on a busy machine the threads that forward run before this one. Where that may not be asked
    // for, all run alike.
    let _ = rustix::process::setpriority_process(None, NICE);
    for errand in first {
        errand(&mut shard);
        if let Some(census) = shard.take_census() {
            sink.census(census);
        }
    }
    let mut events = Vec::new();
    let mut tally = Tally::default();
    while let Some(message) = inbox.blocking_recv() {
        match message {
            Message::Batch(batch, room) => {
                shard.apply(&batch, &mut events, &mut tally);
                sink.tally(&std::mem::take(&mut tally));
                drop(room);
            }
            Message::Sweep { now, has_shed } => {
                if has_shed {
                    shard.has_missed_lines(now);
                }
                let budget = shard.slot_count() * SWEEP_PER_THOUSAND / 1000 + 1;
                shard.sweep(now, budget, &mut events);
            }
            Message::Ask(question) => question(&mut shard, &mut events),
            Message::Change(settings) => shard.change(settings, &mut events),
            Message::CarryOver(answer) => {
                let begun = Instant::now();
                let waiting = shard.carry_over(CARRY_BUDGET, &mut events);
                // Nobody may want to know any more.
                let _ = answer.send(CarriedOver {
                    waiting,
                    longest_pause: begun.elapsed(),
                });
            }
            // What has slipped in behind it is judged all the same; what comes later is given back.
            Message::Stop => inbox.close(),
        }
        if let Some(census) = shard.take_census() {
            sink.census(census);
        }
        if !events.is_empty() {
            sink.events(&mut events);
        }
        queue.count_done();
        pace.step(|| queue.is_behind());
    }
}
