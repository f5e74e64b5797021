//! The thread of one channel: it delivers what waits, tries again when that fails, and lets receivers hear of what is open.
//!
//! A channel that is down is tried after a second, and then more and more seldom, up to every five minutes. What comes in the
//! meantime waits in its [`Mailbox`], of which this holds the lock only to take and to put back, never while it delivers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    Cause, Channel, Failure, Message, Retry,
    mailbox::{Mailbox, Outgoing},
};
use crate::{clock, line::Timestamp, metrics::ChannelMetrics};

/// Pause after the first failure, doubled with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Longest pause that a channel may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Failures after which messages are tried one by one, and after which the first lets others go ahead.
const FAILURES_ALONE: u32 = 2;
const FAILURES_ASIDE: u32 = 4;

/// Where the router and the thread of a channel meet.
#[derive(Debug)]
pub(super) struct Post {
    state: Mutex<State>,
    bell: Condvar,
}

struct State {
    mailbox: Mailbox,
    /// What is to be used from now on.
    another: Option<Box<dyn Channel>>,
    end: End,
}

/// How far it is from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It goes on.
    No,
    /// What waits is to be delivered, if that succeeds at once.
    Soon,
    /// The same, and what cannot be delivered is given up: the channel is not there any more.
    ForGood,
    /// Now.
    Now,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("mailbox", &self.mailbox)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Post {
    pub(super) fn new(mailbox: Mailbox) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                mailbox,
                another: None,
                end: End::No,
            }),
            bell: Condvar::new(),
        })
    }

    /// Has messages delivered.
    pub(super) fn push(&self, messages: impl IntoIterator<Item = Outgoing>, now: Timestamp) {
        self.state().mailbox.push(messages, now);
        self.bell.notify_all();
    }

    /// To be called once a second.
    pub(super) fn tick(&self, now: Timestamp) {
        let mut state = self.state();
        state.mailbox.tick(now);
        state.mailbox.gauge(now);
        drop(state);
        self.bell.notify_all();
    }

    /// Looks into the mailbox, for a moment.
    pub(super) fn with_mailbox<T>(&self, look: impl FnOnce(&mut Mailbox) -> T) -> T {
        look(&mut self.state().mailbox)
    }

    /// Has the thread use another channel for the same mailbox.
    pub(super) fn replace(&self, channel: Box<dyn Channel>) {
        self.state().another = Some(channel);
        self.bell.notify_all();
    }

    /// Has the thread end when it has delivered what it can.
    pub(super) fn end_soon(&self) {
        self.end(End::Soon);
    }

    /// The same, for a channel that is not there any more: what it leaves is given up.
    pub(super) fn end_for_good(&self) {
        self.end(End::ForGood);
    }

    /// Has the thread end.
    pub(super) fn end_now(&self) {
        self.end(End::Now);
    }

    fn end(&self, end: End) {
        let mut state = self.state();
        state.end = state.end.max(end);
        drop(state);
        self.bell.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the lock held")
    }
}

/// What is to be done next.
enum Work {
    Deliver(Vec<Arc<Message>>),
    Beat(Vec<Arc<Message>>),
    Use(Box<dyn Channel>),
    End,
}

/// One channel at work.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) post: Arc<Post>,
    pub(super) channel: Box<dyn Channel>,
    pub(super) metrics: ChannelMetrics,
    /// Attempts that have failed, one after the other.
    failures: u32,
    /// When the next attempt may be made.
    next_attempt: Instant,
    next_beat: Option<Instant>,
    /// Was it said that the last beat has failed?
    beat_fails: bool,
}

impl Worker {
    pub(super) fn new(name: String, post: Arc<Post>, channel: Box<dyn Channel>, metrics: ChannelMetrics) -> Self {
        let now = Instant::now();
        Self {
            next_beat: channel.beat_every().map(|every| now + every),
            name,
            post,
            channel,
            metrics,
            failures: 0,
            next_attempt: now,
            beat_fails: false,
        }
    }

    /// Delivers until it is told to end.
    pub(super) fn run(mut self) {
        loop {
            match self.next() {
                Work::Deliver(batch) => self.deliver(&batch),
                Work::Beat(open) => self.beat(&open),
                Work::Use(channel) => {
                    self.next_beat = channel.beat_every().map(|every| Instant::now() + every);
                    self.channel = channel;
                    // It may be a better one.
                    (self.failures, self.next_attempt) = (0, Instant::now());
                }
                Work::End => return,
            }
        }
    }

    fn next(&self) -> Work {
        let mut state = self.post.state();
        loop {
            if state.end == End::Now {
                return Work::End;
            }
            if let Some(channel) = state.another.take() {
                return Work::Use(channel);
            }
            let now = Instant::now();
            let waits = state.mailbox.len() > 0;
            let is_ending = state.end > End::No;
            if waits && (self.next_attempt <= now || is_ending && self.failures == 0) {
                let limit = if self.failures >= FAILURES_ALONE {
                    1
                } else {
                    self.channel.batch_max().max(1)
                };
                return Work::Deliver(state.mailbox.take(limit));
            }
            if is_ending {
                if state.end == End::ForGood {
                    state.mailbox.give_up_all();
                }
                return Work::End;
            }
            // What waits is newer than what is open, and goes first.
            if !waits && self.next_beat.is_some_and(|next| next <= now) {
                return Work::Beat(state.mailbox.delivered());
            }
            let next = waits.then_some(self.next_attempt).or(self.next_beat);
            let pause = next.map_or(PAUSE_MAX, |next| next.saturating_duration_since(now));
            state = self
                .post
                .bell
                .wait_timeout(state, pause)
                .expect("nobody panics with the lock held")
                .0;
        }
    }

    fn deliver(&mut self, batch: &[Arc<Message>]) {
        let outcome = self.guarded(|channel| channel.deliver(batch));
        let now = clock::now();
        let mut state = self.post.state();
        let Err(failure) = outcome else {
            state.mailbox.done(batch.len(), now);
            if self.failures > 0 {
                info!(
                    channel = self.name,
                    waiting = state.mailbox.len(),
                    "the channel takes messages again"
                );
            }
            drop(state);
            self.recover();
            return;
        };
        let delivered = failure.delivered.min(batch.len() - 1);
        state.mailbox.done(delivered, now);
        self.metrics.failed(failure.cause.name());
        let pause = match failure.retry {
            Retry::Never => {
                state.mailbox.refuse(now);
                drop(state);
                warn!(channel = self.name, %failure, series = %batch[delivered].series, "a message is refused, and given up");
                // It has answered: the next one may please it.
                return self.recover();
            }
            Retry::Soon => Duration::ZERO,
            Retry::After(pause) => pause.min(PAUSE_MAX),
        };
        if delivered > 0 {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        // One that is always answered like this must not keep the others from being told.
        if self.failures >= FAILURES_ASIDE {
            state.mailbox.step_back();
        }
        self.metrics.retried.inc();
        let waiting = state.mailbox.len();
        drop(state);
        let pause = pause.max(backoff(self.failures, &self.name));
        self.next_attempt = Instant::now() + pause;
        // The first of a row says what is wrong, and then one in a while that it still is.
        if self.failures.is_power_of_two() {
            warn!(channel = self.name, %failure, attempts = self.failures, waiting, next_in = ?pause, "cannot notify");
        }
    }

    fn recover(&mut self) {
        self.failures = 0;
        self.next_attempt = Instant::now();
    }

    fn beat(&mut self, open: &[Arc<Message>]) {
        let outcome = self.guarded(|channel| channel.beat(open));
        self.next_beat = self.channel.beat_every().map(|every| Instant::now() + every);
        if let Err(failure) = &outcome {
            self.metrics.failed(failure.cause.name());
            if !self.beat_fails {
                warn!(channel = self.name, %failure, open = open.len(), "cannot tell again what is open");
            }
        }
        self.beat_fails = outcome.is_err();
    }

    /// A channel that panics has failed, and the thread goes on. What has failed for some receivers is counted.
    fn guarded(&mut self, act: impl FnOnce(&mut dyn Channel) -> Result<(), Failure>) -> Result<(), Failure> {
        let channel = &mut *self.channel;
        let outcome = catch_unwind(AssertUnwindSafe(|| act(channel))).unwrap_or_else(|_| {
            Err(Failure::lasting(
                Cause::Local,
                "the channel has panicked, which is a defect",
            ))
        });
        for failure in self.channel.take_failures_aside() {
            self.metrics.failed(failure.cause.name());
        }
        outcome
    }
}

/// Pause after so many failures. Channels to one receiver do not come back all at once.
fn backoff(failures: u32, name: &str) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let spread = crc32fast::hash(name.as_bytes()) % 21;
    doubled.min(BACKOFF_MAX) * (100 + spread) / 100
}
