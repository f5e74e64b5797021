//! What people are told, and what they are not, by channel.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::Declare;

/// What people are told, and what they are not.
#[derive(Clone, Debug)]
pub struct NotifyMetrics {
    /// Notices that the router could not be given at once.
    pub notices_missed: IntCounter,
    /// Anomalies that are not told for now.
    pub held: IntGauge,
    notified: IntCounterVec,
    dropped: IntCounterVec,
    withheld: IntCounterVec,
    held_back: IntCounterVec,
    failures: IntCounterVec,
    retried: IntCounterVec,
    queued: IntGaugeVec,
    queued_bytes: IntGaugeVec,
    queue_age: IntGaugeVec,
    told: IntGaugeVec,
    journal_failures: IntCounterVec,
}

/// Those of one channel.
#[derive(Clone, Debug)]
pub struct ChannelMetrics {
    name: String,
    /// Messages delivered.
    pub notified: IntCounter,
    /// Messages summed up instead of being told one by one.
    pub withheld: IntCounter,
    /// Attempts made again.
    pub retried: IntCounter,
    /// Messages that wait.
    pub queued: IntGauge,
    /// Their size.
    pub queued_bytes: IntGauge,
    /// How long the oldest has waited (seconds).
    pub queue_age: IntGauge,
    /// Open anomalies that the channel was told.
    pub told: IntGauge,
    /// Attempts to use the journal that failed.
    pub journal_failures: IntCounter,
    dropped: IntCounterVec,
    held_back: IntCounterVec,
    failures: IntCounterVec,
}

impl NotifyMetrics {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            notices_missed: declare.counter(
                "notices_missed_total",
                "Changes of anomalies that came too fast to be told of one by one, and were made up for.",
            ),
            held: declare.gauge(
                "anomalies_held",
                "Open anomalies that nobody is told of for now: it is quiet, or they are silenced.",
            ),
            notified: declare.counters("notifications_total", "Messages given to a channel.", &["channel"]),
            dropped: declare.counters(
                "notifications_dropped_total",
                "Messages that a channel will not be given, by reason.",
                &["channel", "reason"],
            ),
            withheld: declare.counters(
                "notifications_withheld_total",
                "Messages beyond the limit of a channel, which are summed up.",
                &["channel"],
            ),
            held_back: declare.counters(
                "notifications_held_back_total",
                "Messages that a channel is not given, or not yet, by reason: the route is quiet, or the anomaly silenced or \
                 acknowledged.",
                &["channel", "reason"],
            ),
            failures: declare.counters(
                "notification_failures_total",
                "Attempts to give messages to a channel that failed, by reason.",
                &["channel", "reason"],
            ),
            retried: declare.counters(
                "notification_retries_total",
                "Failed attempts that are made again.",
                &["channel"],
            ),
            queued: declare.gauges(
                "notifications_queued",
                "Messages that wait for a channel.",
                &["channel"],
            ),
            queued_bytes: declare.gauges(
                "notifications_queued_bytes",
                "Size of the messages that wait for a channel.",
                &["channel"],
            ),
            queue_age: declare.gauges(
                "notifications_queue_age_seconds",
                "How long the oldest message has waited for a channel.",
                &["channel"],
            ),
            told: declare.gauges(
                "notifications_open",
                "Open anomalies that a channel was told of.",
                &["channel"],
            ),
            journal_failures: declare.counters(
                "notification_journal_failures_total",
                "Attempts to write or read what waits for a channel on disk that failed.",
                &["channel"],
            ),
        }
    }

    /// Those of the channel called `name`, visible before they count: for `losses`, the reasons for which a message may be
    /// lost, for `causes`, those for which an attempt may fail, and for `holds`, those for which one may be held back.
    pub fn of(&self, name: &str, losses: &[&str], causes: &[&str], holds: &[&str]) -> ChannelMetrics {
        let labels = [name];
        let by_reason = [
            (&self.dropped, losses),
            (&self.failures, causes),
            (&self.held_back, holds),
        ];
        for (counters, reasons) in by_reason {
            for reason in reasons {
                counters.with_label_values(&[name, reason]);
            }
        }
        ChannelMetrics {
            name: name.to_owned(),
            notified: self.notified.with_label_values(&labels),
            withheld: self.withheld.with_label_values(&labels),
            retried: self.retried.with_label_values(&labels),
            queued: self.queued.with_label_values(&labels),
            queued_bytes: self.queued_bytes.with_label_values(&labels),
            queue_age: self.queue_age.with_label_values(&labels),
            told: self.told.with_label_values(&labels),
            journal_failures: self.journal_failures.with_label_values(&labels),
            dropped: self.dropped.clone(),
            held_back: self.held_back.clone(),
            failures: self.failures.clone(),
        }
    }

    /// The channel called `name` is not there any more: its gauges, which would stand still, are not either.
    pub fn forget(&self, name: &str) {
        let gauges = [&self.queued, &self.queued_bytes, &self.queue_age, &self.told];
        for gauge in gauges {
            // One that is not there is none that stays.
            let _ = gauge.remove_label_values(&[name]);
        }
    }
}

impl ChannelMetrics {
    /// So many messages are lost, for this reason.
    pub fn lost(&self, reason: &str, messages: u64) {
        if messages > 0 {
            self.dropped.with_label_values(&[&self.name, reason]).inc_by(messages);
        }
    }

    /// Messages lost for this reason.
    pub fn losses(&self, reason: &str) -> u64 {
        self.dropped.with_label_values(&[&self.name, reason]).get()
    }

    /// So many messages are held back, for this reason.
    pub fn held_back(&self, reason: &str, messages: u64) {
        self.held_back.with_label_values(&[&self.name, reason]).inc_by(messages);
    }

    /// Messages held back for this reason.
    pub fn holds(&self, reason: &str) -> u64 {
        self.held_back.with_label_values(&[&self.name, reason]).get()
    }

    /// An attempt has failed, for this reason.
    pub fn failed(&self, reason: &str) {
        self.failures.with_label_values(&[&self.name, reason]).inc();
    }
}
