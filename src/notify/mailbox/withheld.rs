//! What is beyond the limit of a channel: not told one by one, but summed up when it may be told again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{Links, Message, RateLimit, Status, Summary, Votes, fingerprint};
use super::{Mailbox, stored::WITHHELD_KEY};
use crate::line::Timestamp;

/// Series that a summary names.
const SUMMARY_SERIES_MAX: usize = 20;

/// Anomalies that are known to be part of a summary; of more than these nobody counts how many are over.
const WITHHELD_MAX: usize = 10_000;

/// What is not told one by one, and not yet summed up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Withheld {
    pub(super) since: Timestamp,
    pub(super) route: Arc<str>,
    pub(super) summary: Summary,
}

impl Mailbox {
    /// May one more be told by itself?
    pub(super) fn allow(&mut self, now: Timestamp) -> bool {
        let Some(RateLimit { messages, per_s }) = self.bounds.rate_limit else {
            return true;
        };
        // A clock that was put back must not hold everything up until it is where it was.
        while self
            .recent
            .front()
            .is_some_and(|&at| at.saturating_add(per_s) <= now || at > now)
        {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < messages;
        if allowed {
            self.recent.push_back(now);
        }
        allowed
    }

    pub(super) fn withhold(&mut self, message: &Arc<Message>, now: Timestamp) {
        self.metrics.withheld.inc();
        let withheld = self.withheld.get_or_insert_with(|| Withheld {
            since: now,
            route: Arc::clone(&message.route),
            summary: Summary::default(),
        });
        if self.withheld_open.contains(&message.fingerprint) {
            return;
        }
        let summary = &mut withheld.summary;
        summary.opened += 1;
        if summary.series.len() < SUMMARY_SERIES_MAX && !summary.series.contains(&message.series) {
            summary.series.push(Arc::clone(&message.series));
        }
        if self.withheld_open.len() < WITHHELD_MAX {
            self.withheld_open.insert(message.fingerprint.clone());
        }
        self.records.put(WITHHELD_KEY, withheld);
    }

    /// One that is withheld is over.
    pub(super) fn note_end_of_withheld(&mut self, fingerprint: &str) {
        if self.withheld_open.remove(fingerprint)
            && let Some(withheld) = &mut self.withheld
        {
            withheld.summary.closed += 1;
            self.records.put(WITHHELD_KEY, withheld);
        }
    }

    /// Sums up what is withheld, once it may be told.
    pub(super) fn sum_up_when_due(&mut self, now: Timestamp) {
        // Without a limit, as after a reload, there is nothing to wait for.
        let per_s = self.bounds.rate_limit.map_or(0, |limit| limit.per_s);
        if let Some(withheld) = self
            .withheld
            .take_if(|withheld| withheld.since.saturating_add(per_s) <= now)
        {
            self.withheld_open.clear();
            self.records.remove(WITHHELD_KEY);
            let message = Arc::new(sum_up(withheld, now));
            if self.make_room(&message, true) {
                self.enqueue(message, now);
            }
        }
    }
}

/// What people are told instead of each.
fn sum_up(withheld: Withheld, now: Timestamp) -> Message {
    let Withheld { since, route, summary } = withheld;
    let Summary { opened, closed, series } = &summary;
    let names: Vec<&str> = series.iter().map(|name| &**name).collect();
    let (anomalies, more) = if *opened == 1 {
        ("anomaly", "was")
    } else {
        ("anomalies", "were")
    };
    let reason = format!(
        "{opened} more {anomalies} {more} not told one by one, as there were too many; {closed} of them are over; among \
         them {}",
        names.join(", ")
    );
    Message {
        status: Status::Summary,
        test: false,
        route,
        id: 0,
        fingerprint: fingerprint("**", "", since),
        opened_at: since,
        closed_at: None,
        rank: 0.0,
        group: None,
        silenced: Vec::new(),
        acknowledged: None,
        series: "**".into(),
        timestamp: now,
        value: 0.0,
        detector: "".into(),
        score: 0.0,
        severity: None,
        expected: None,
        lower: None,
        upper: None,
        reason,
        votes: Votes::default(),
        links: Links::default(),
        summary: Some(summary),
    }
}
