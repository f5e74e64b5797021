//! The thread of the router: gives it notices and the time, and what comes out of it to the channels.
//!
//! Decides nothing of who is told what, and delivers nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use super::{
    Message, Sources, Way,
    mailbox::{Mailbox, Outgoing},
    router::{Delivery, Known, Router, Routes, View},
};
use crate::{
    anomaly::{Anomaly, Board, Notice, Which, groups::GroupSummary},
    clock,
    glob::Glob,
    line::Timestamp,
    shard::Change,
    silence::Marks,
};

/// Notices that are taken in before what is to be told is handed on, in one go for each channel.
const BURST_NOTICES: usize = 4096;

/// How often the router looks at the time.
const TICK: Duration = Duration::from_secs(1);

/// What the router's thread is to do. Small: there is memory for as many as the inbox may hold.
pub(super) enum Command {
    /// Something has happened to an anomaly.
    Take(Arc<Notice>),
    /// The board has begun, with this, which was open before.
    Resume(Box<[Notice]>),
    /// Other routes, and channels.
    Change(Box<(Routes, Vec<Arc<Way>>)>),
    /// Tell what can be told, and end.
    Stop,
}

/// Drives the router, on a thread of its own.
pub(super) struct Driver {
    pub(super) router: Router,
    pub(super) ways: Vec<Arc<Way>>,
    pub(super) sources: Sources,
    pub(super) missed: Arc<AtomicBool>,
    /// It has taken in what was open before a restart.
    pub(super) has_resumed: bool,
}

impl Driver {
    /// Works until it is told to end.
    pub(super) fn run(mut self, inbox: &Receiver<Command>) {
        let mut next_tick = Instant::now() + TICK;
        let mut out = Vec::new();
        loop {
            let mut goes_on = true;
            match inbox.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    for command in std::iter::once(first).chain(inbox.try_iter().take(BURST_NOTICES)) {
                        goes_on = goes_on && self.obey(command, &mut out);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => goes_on = false,
            }
            let now = clock::now();
            if self.missed.swap(false, Ordering::Relaxed) {
                let open = open_on(&self.sources.board);
                self.reconcile(&open, now, &mut out);
            }
            if goes_on {
                self.router.tick(now, &self.sources, &mut out);
            } else {
                self.router.hurry(now, &self.sources, &mut out);
            }
            self.hand_on(&mut out, now);
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.ways.iter().for_each(|way| way.post.tick(now));
                let held = i64::try_from(self.router.held()).unwrap_or(i64::MAX);
                self.sources.metrics.notify.held.set(held);
            }
            if !goes_on {
                return;
            }
        }
    }

    /// False when it is to end.
    fn obey(&mut self, command: Command, out: &mut Vec<Delivery>) -> bool {
        let now = clock::now();
        match command {
            Command::Take(notice) => self.router.take(&notice, now, &self.sources, out),
            Command::Resume(open) => {
                self.reconcile(&open, now, out);
                self.has_resumed = true;
                self.begin();
            }
            Command::Change(change) => {
                let (routes, ways) = *change;
                // What is still to be told goes where it was meant to go.
                self.hand_on(out, now);
                self.ways = ways;
                self.router.change(routes, now);
                if self.has_resumed {
                    self.begin();
                }
            }
            Command::Stop => return false,
        }
        true
    }

    /// What is told from now on is known to the mailboxes.
    fn begin(&self) {
        self.ways.iter().for_each(|way| way.post.with_mailbox(Mailbox::begin));
    }

    fn reconcile(&mut self, open: &[Notice], now: Timestamp, out: &mut Vec<Delivery>) {
        let mut told = HashMap::new();
        for way in &self.ways {
            way.post.with_mailbox(|mailbox| {
                for message in mailbox.told() {
                    told.entry(message.fingerprint.clone())
                        .or_insert_with(|| Arc::clone(message));
                }
            });
        }
        let told: Vec<Arc<Message>> = told.into_values().collect();
        let ways = &self.ways;
        let known = |channel: usize, fingerprint: &str| {
            ways[channel]
                .post
                .with_mailbox(|mailbox| match mailbox.told_at(fingerprint) {
                    Some(at) => Known::Told(at),
                    None if mailbox.knows_no_past() => Known::Unsure,
                    None => Known::Untold,
                })
        };
        let assumed = self.router.reconcile(open, &known, &told, now, &self.sources, out);
        for (way, messages) in self.ways.iter().zip(by_channel(assumed, self.ways.len())) {
            way.post.with_mailbox(|mailbox| mailbox.assume(messages, now));
        }
    }

    fn hand_on(&mut self, out: &mut Vec<Delivery>, now: Timestamp) {
        for (channel, hold, messages) in self.router.take_held_back() {
            self.ways[channel].metrics.held_back(hold.name(), messages);
        }
        if out.is_empty() {
            return;
        }
        let all = by_channel(std::mem::take(out), self.ways.len());
        for (way, messages) in self.ways.iter().zip(all).filter(|(_, messages)| !messages.is_empty()) {
            way.post.push(messages, now);
        }
    }
}

/// All that is open, the oldest first.
pub(super) fn open_on(board: &Board) -> Vec<Notice> {
    let open = board.select(Which::Open, &Glob::everything(), usize::MAX).anomalies;
    let notice = |anomaly: Arc<Anomaly>| Notice {
        change: Change::Opened,
        group: anomaly.group.group().and_then(|id| board.group(id)),
        anomaly,
        marks: Marks::default(),
    };
    open.into_iter().rev().map(notice).collect()
}

/// What goes to each channel, in its order.
pub(super) fn by_channel(deliveries: Vec<Delivery>, channels: usize) -> Vec<Vec<Outgoing>> {
    let mut all = vec![Vec::new(); channels];
    for (channel, outgoing) in deliveries {
        all[channel].push(outgoing);
    }
    all
}

impl View for Sources {
    fn marks(&self, anomaly: &Anomaly) -> Marks {
        (self.marks)(anomaly)
    }

    fn group(&self, id: u64) -> Option<GroupSummary> {
        self.board.group(id)
    }
}
