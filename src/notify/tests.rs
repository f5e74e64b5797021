//! Telling people, on a clock that the test turns: what each channel hears, and when.

mod bounds;
mod exactly_once;
mod restarts;
mod routes;
mod threads;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Alert, LinkSettings, Message, RateLimit, Status,
    mailbox::{Bounds, Loss, Mailbox},
    router::{Hold, Known, Router, Routes, View},
};
use crate::{
    anomaly::{Anomaly, Board, Notice, Which, groups, groups::GroupSummary},
    detect::{Severity, Verdict},
    glob::Glob,
    line::Timestamp,
    metrics::Metrics,
    notify::Cause,
    shard::{Change, Event},
    silence::{Acknowledgement, Marks},
};

/// Monday, 20 May 2024, noon (UTC).
const NOON: Timestamp = 1_716_206_400;

/// A router and mailboxes, and people who hear what comes out of them at once, if they hear.
struct Office {
    router: Router,
    mailboxes: Vec<Mailbox>,
    board: Board,
    desk: Desk,
    metrics: Metrics,
    now: Timestamp,
    heard: Vec<Vec<Heard>>,
    /// Channels that are down.
    down: HashSet<usize>,
}

/// What was heard, when.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    at: Timestamp,
    message: Arc<Message>,
}

/// What people have said, and what groups there are.
#[derive(Default)]
struct Desk {
    silenced: RefCell<HashSet<String>>,
    acknowledged: RefCell<HashSet<String>>,
    groups: RefCell<HashMap<u64, GroupSummary>>,
}

impl View for Desk {
    fn marks(&self, anomaly: &Anomaly) -> Marks {
        let is_silenced = self.silenced.borrow().contains(&*anomaly.series);
        let is_acknowledged = self.acknowledged.borrow().contains(&*anomaly.series);
        let acknowledgement = || Acknowledgement {
            anomaly: anomaly.id,
            series: anomaly.series.to_string(),
            detector: anomaly.detector.to_string(),
            author: "kim".to_owned(),
            reason: "being looked at".to_owned(),
            at: NOON,
        };
        Marks {
            silenced: is_silenced.then(|| "5".to_owned()).into_iter().collect(),
            acknowledged: is_acknowledged.then(|| Arc::new(acknowledgement())),
        }
    }

    fn group(&self, id: u64) -> Option<GroupSummary> {
        self.groups.borrow().get(&id).cloned()
    }
}

fn unbounded() -> Bounds {
    Bounds {
        bytes_max: 1 << 30,
        keep_s: 24 * 3600,
        rate_limit: None,
    }
}

impl Office {
    /// An office with so many channels.
    fn new(routes: Vec<Alert>, channels: usize) -> Self {
        let metrics = Metrics::new();
        let mailbox = |place: usize| Mailbox::in_memory(unbounded(), channel_metrics(&metrics, place));
        let mut mailboxes: Vec<Mailbox> = (0..channels).map(mailbox).collect();
        mailboxes.iter_mut().for_each(Mailbox::begin);
        Self {
            router: Router::new(routes, LinkSettings::default(), channels),
            mailboxes,
            board: Board::new(100, groups::Settings::default(), metrics.anomaly.clone()),
            desk: Desk::default(),
            metrics,
            now: NOON,
            heard: vec![Vec::new(); channels],
            down: HashSet::new(),
        }
    }

    fn event(series: &str, change: Change, severity: Option<Severity>, timestamp: Timestamp) -> Event {
        Event {
            series: series.into(),
            detector: "default".into(),
            change: Some(change),
            verdict: Verdict {
                timestamp,
                value: 2.0,
                score: 3.0,
                anomalous: change != Change::Closed,
                alert: change != Change::Closed,
                severity,
                ..Verdict::default()
            },
        }
    }

    /// Something happens to an anomaly, now.
    fn happens(&mut self, series: &str, change: Change, severity: Option<Severity>) {
        let event = Self::event(series, change, severity, self.now);
        if let Some(notice) = self.board.record(event) {
            let mut out = Vec::new();
            self.router.take(&notice, self.now, &self.desk, &mut out);
            self.router.tick(self.now, &self.desk, &mut out);
            self.hand_on(out);
        }
    }

    fn opens(&mut self, series: &str) {
        self.happens(series, Change::Opened, None);
    }

    fn closes(&mut self, series: &str) {
        self.happens(series, Change::Closed, None);
    }

    fn goes_on(&mut self, series: &str) {
        self.happens(series, Change::Again, None);
    }

    fn hand_on(&mut self, out: Vec<super::router::Delivery>) {
        for (mailbox, messages) in self
            .mailboxes
            .iter_mut()
            .zip(super::driver::by_channel(out, self.heard.len()))
        {
            mailbox.push(messages, self.now);
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        for place in 0..self.mailboxes.len() {
            let mailbox = &mut self.mailboxes[place];
            mailbox.tick(self.now);
            while mailbox.len() > 0 && !self.down.contains(&place) {
                let batch = mailbox.take(3);
                mailbox.done(batch.len(), self.now);
                let at = self.now;
                self.heard[place].extend(batch.into_iter().map(|message| Heard { at, message }));
            }
        }
    }

    /// Time goes by, second by second.
    fn wait(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            let mut out = Vec::new();
            self.router.tick(self.now, &self.desk, &mut out);
            self.hand_on(out);
        }
    }

    /// Time goes by in one leap.
    fn leap(&mut self, seconds: i64) {
        self.now += seconds - 1;
        self.wait(1);
    }

    /// What channel `place` has heard since this was asked last: seconds since noon, what, and of which series.
    #[track_caller]
    fn says(&mut self, place: usize, expected: &[&str]) {
        let heard = std::mem::take(&mut self.heard[place]);
        let shown: Vec<String> = heard
            .iter()
            .map(|heard| {
                format!(
                    "{} {} {}",
                    heard.at - NOON,
                    heard.message.status.name(),
                    heard.message.series
                )
            })
            .collect();
        assert_eq!(shown, expected);
    }

    /// The relay starts anew: the board and the mailboxes are as they were, if they are kept; the router knows nothing.
    fn restart(&mut self, routes: Vec<Alert>) {
        self.router = Router::new(routes, LinkSettings::default(), self.mailboxes.len());
        self.reconcile();
    }

    fn reconcile(&mut self) {
        let mut open = self.board.select(Which::Open, &Glob::everything(), 1000).anomalies;
        open.reverse();
        let notices: Vec<Notice> = open
            .into_iter()
            .map(|anomaly| Notice {
                change: Change::Opened,
                anomaly,
                group: None,
                marks: Marks::default(),
            })
            .collect();
        let told: Vec<Arc<Message>> = self
            .mailboxes
            .iter()
            .flat_map(|mailbox| mailbox.told().cloned())
            .collect();
        let mut out = Vec::new();
        let mailboxes = &self.mailboxes;
        let known = |place: usize, key: &str| match mailboxes[place].told_at(key) {
            Some(at) => Known::Told(at),
            None if mailboxes[place].knows_no_past() => Known::Unsure,
            None => Known::Untold,
        };
        let assumed = self
            .router
            .reconcile(&notices, &known, &told, self.now, &self.desk, &mut out);
        for (mailbox, messages) in self
            .mailboxes
            .iter_mut()
            .zip(super::driver::by_channel(assumed, self.heard.len()))
        {
            mailbox.assume(messages, self.now);
            mailbox.begin();
        }
        self.router.tick(self.now, &self.desk, &mut out);
        self.hand_on(out);
    }

    /// Messages that channel `place` was not given: as it was quiet, silenced, or acknowledged.
    fn held_back(&mut self, place: usize) -> [u64; 3] {
        for (channel, hold, messages) in self.router.take_held_back() {
            channel_metrics(&self.metrics, channel).held_back(hold.name(), messages);
        }
        Hold::NAMES.map(|reason| channel_metrics(&self.metrics, place).holds(reason))
    }

    fn lost(&self, place: usize, loss: Loss) -> u64 {
        channel_metrics(&self.metrics, place).losses(loss.name())
    }
}

fn channel_metrics(metrics: &Metrics, place: usize) -> crate::metrics::ChannelMetrics {
    metrics
        .notify
        .of(&format!("c{place}"), &Loss::NAMES, &Cause::NAMES, &Hold::NAMES)
}

/// A route for what matches `pattern`.
fn route(name: &str, pattern: &str, to: &[usize]) -> Alert {
    Alert {
        globs: vec![Glob::new(pattern).unwrap()],
        ..Alert::everything(name, to.to_vec())
    }
}
