//! Telling people: which anomaly goes to which channel, and the channels.
//!
//! Each channel has a thread and a bounded queue of its own: one that is slow holds neither the others up nor the relay,
//! and what it cannot take is counted.

pub mod alertmanager;
mod channel;
pub mod exec;
pub mod graphite_events;
pub mod http_client;
pub mod icinga2;
pub mod json_lines;
mod message;
pub mod peer;
mod settings;
pub mod template;
pub mod webhook;
mod words;

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use channel::{Cause, Channel, Failure, Retry, Surroundings, Window};
pub use message::{Links, Message, MessageGroup, MessageVote, Status, Summary, Votes, fingerprint};
use prometheus::IntCounter;
pub use settings::*;
use tracing::warn;

use crate::{anomaly::Notice, metrics::AnomalyMetrics};

/// Notices that wait for one channel. One more is dropped, and counted.
const QUEUE_NOTICES: usize = 10_000;

/// Notices taken from the queue at a time.
const BURST_NOTICES: usize = 256;

/// Gives notices to the channels that are to have them.
#[derive(Debug)]
pub struct Notifier {
    routes: Mutex<Routes>,
    metrics: AnomalyMetrics,
}

#[derive(Debug, Default)]
struct Routes {
    alerts: Vec<Alert>,
    channels: Vec<Way>,
    /// Threads of channels that are not there any more, until they have told what was left to them.
    leaving: Vec<JoinHandle<()>>,
}

/// Channels that are about to be added.
#[derive(Debug)]
pub struct Prepared {
    settings: Settings,
    /// For each channel, unless it is there already.
    ways: Vec<Option<Way>>,
}

/// The way to one channel.
#[derive(Debug)]
struct Way {
    channel: ChannelSettings,
    notices: SyncSender<Arc<Notice>>,
    thread: JoinHandle<()>,
    dropped: IntCounter,
}

impl Notifier {
    /// Starts the channels.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(settings: &Settings, metrics: &AnomalyMetrics) -> std::io::Result<Self> {
        let notifier = Self {
            routes: Mutex::default(),
            metrics: metrics.clone(),
        };
        notifier.change(notifier.prepare(settings)?);
        Ok(notifier)
    }

    /// Starts the channels that `settings` add, which nobody is given yet.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn prepare(&self, settings: &Settings) -> std::io::Result<Prepared> {
        let routes = self.routes();
        let is_there = |channel: &ChannelSettings| routes.channels.iter().any(|way| way.channel == *channel);
        let ways = settings.channels.iter().map(|channel| {
            if is_there(channel) {
                Ok(None)
            } else {
                Way::start(channel, &self.metrics).map(Some)
            }
        });
        Ok(Prepared {
            ways: ways.collect::<std::io::Result<_>>()?,
            settings: settings.clone(),
        })
    }

    /// Goes by other settings from now on. Channels that stay are not touched, and those that go tell what they have.
    pub fn change(&self, prepared: Prepared) {
        let mut routes = self.routes();
        let mut before = std::mem::take(&mut routes.channels);
        for (channel, way) in prepared.settings.channels.iter().zip(prepared.ways) {
            let kept = || {
                let place = before.iter().position(|way| way.channel == *channel);
                before.swap_remove(place.expect("it was there when this was prepared"))
            };
            routes.channels.push(way.unwrap_or_else(kept));
        }
        routes.alerts = prepared.settings.alerts;
        routes.leaving.retain(|thread| !thread.is_finished());
        routes.leaving.extend(before.into_iter().map(|way| way.thread));
    }

    /// Gives `notice` to the channels of the first alert that matches it.
    pub fn tell(&self, notice: &Arc<Notice>) {
        let routes = self.routes();
        let Some(alert) = routes.alerts.iter().find(|alert| alert.matches(notice)) else {
            return;
        };
        for &channel in &alert.to {
            let way = &routes.channels[channel];
            if way.notices.try_send(Arc::clone(notice)).is_err() {
                way.dropped.inc();
            }
        }
    }

    /// Waits up to `deadline` for the channels to take what waits for them. False when some have not. What is told later
    /// goes nowhere.
    pub fn stop(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        let Routes { channels, leaving, .. } = std::mem::take(&mut *self.routes());
        // Without its sender, a channel ends once its queue is empty.
        let threads: Vec<_> = channels.into_iter().map(|way| way.thread).chain(leaving).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().expect("nobody panics with the lock held")
    }
}

impl Way {
    fn start(channel: &ChannelSettings, metrics: &AnomalyMetrics) -> std::io::Result<Self> {
        let (notices, inbox) = sync_channel(QUEUE_NOTICES);
        let labels = [channel.name.as_str()];
        let notified = metrics.notified.with_label_values(&labels);
        let dropped = metrics.notifications_dropped.with_label_values(&labels);
        let thread = std::thread::Builder::new()
            .name(format!("notify-{}", channel.name))
            .spawn({
                let (channel, dropped) = (channel.clone(), dropped.clone());
                move || serve(&channel, &inbox, &notified, &dropped)
            })?;
        Ok(Self {
            channel: channel.clone(),
            notices,
            thread,
            dropped,
        })
    }
}

impl Alert {
    fn matches(&self, notice: &Notice) -> bool {
        let anomaly = &notice.anomaly;
        let detected = self.detectors.is_empty() || self.detectors.iter().any(|name| **name == *anomaly.detector);
        detected && self.globs.iter().any(|glob| glob.matches(&anomaly.series))
    }
}

/// Feeds one channel until nobody can send to it any more.
fn serve(channel: &ChannelSettings, inbox: &Receiver<Arc<Notice>>, notified: &IntCounter, dropped: &IntCounter) {
    let mut burst = Vec::new();
    let route = "".into();
    let mut open = channel.kind.open(&Surroundings::default());
    while let Ok(notice) = inbox.recv() {
        burst.push(notice);
        burst.extend(inbox.try_iter().take(BURST_NOTICES - 1));
        let count = burst.len() as u64;
        let messages: Vec<_> = burst
            .iter()
            .map(|notice| Arc::new(Message::new(notice, &route)))
            .collect();
        match open.deliver(&messages) {
            Ok(()) => notified.inc_by(count),
            Err(error) => {
                dropped.inc_by(count);
                warn!(channel = channel.name, %error, lost = count, "cannot notify");
            }
        }
        burst.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anomaly::Board,
        detect::Verdict,
        glob::Glob,
        metrics::Metrics,
        shard::{Change, Event},
    };

    fn notice(series: &str, detector: &str) -> Arc<Notice> {
        let event = Event {
            series: series.into(),
            detector: detector.into(),
            change: Some(Change::Opened),
            verdict: Verdict {
                timestamp: 1,
                value: 2.0,
                score: 3.0,
                anomalous: true,
                alert: true,
                reason: String::new(),
                ..Verdict::default()
            },
        };
        let groups = crate::anomaly::groups::Settings::default();
        Arc::new(Board::new(1, groups, Metrics::new().anomaly).record(event).unwrap())
    }

    fn file(path: std::path::PathBuf) -> ChannelKind {
        ChannelKind::JsonLines(json_lines::Settings::File(path))
    }

    #[test]
    fn the_first_alert_that_matches_decides() {
        let directory = std::env::temp_dir().join(format!("skyrelay-notify-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let channel = |name: &str| ChannelSettings {
            name: name.to_owned(),
            kind: file(directory.join(name)),
        };
        let alert = |pattern: &str, detectors: &[&str], to: usize| Alert {
            globs: vec![Glob::new(pattern).unwrap()],
            detectors: detectors.iter().map(|&name| name.to_owned()).collect(),
            to: vec![to],
        };
        let settings = Settings {
            channels: vec![channel("disks"), channel("rest")],
            alerts: vec![alert("**.disk", &["full"], 0), alert("web.**", &[], 1)],
        };
        let metrics = Metrics::new();
        let notifier = Notifier::start(&settings, &metrics.anomaly).unwrap();
        for (series, detector) in [
            ("web.disk", "full"),
            ("web.disk", "other"),
            ("db.disk", "full"),
            ("db.load", "full"),
        ] {
            notifier.tell(&notice(series, detector));
        }
        assert!(notifier.stop(Duration::from_secs(5)));
        let told = |name: &str| -> Vec<String> {
            let text = std::fs::read_to_string(directory.join(name)).unwrap();
            let series = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                format!(
                    "{} {}",
                    line["series"].as_str().unwrap(),
                    line["detector"].as_str().unwrap()
                )
            };
            text.lines().map(series).collect()
        };
        assert_eq!(told("disks"), ["web.disk full", "db.disk full"]);
        assert_eq!(told("rest"), ["web.disk other"]);
        assert_eq!(metrics.anomaly.notified.with_label_values(&["disks"]).get(), 2);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_channel_that_cannot_be_written_is_counted() {
        let settings = Settings {
            channels: vec![ChannelSettings {
                name: "nowhere".to_owned(),
                kind: file("/nonexistent/anomalies".into()),
            }],
            ..Settings::default()
        };
        let metrics = Metrics::new();
        let notifier = Notifier::start(&settings, &metrics.anomaly).unwrap();
        notifier.tell(&notice("a", "b"));
        assert!(notifier.stop(Duration::from_secs(5)));
        assert_eq!(
            metrics
                .anomaly
                .notifications_dropped
                .with_label_values(&["nowhere"])
                .get(),
            1
        );
    }

    #[test]
    fn channels_come_and_go_while_people_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let channel = |name: &str, path: &str| ChannelSettings {
            name: name.to_owned(),
            kind: file(directory.path().join(path)),
        };
        let everything_to = |channels: Vec<ChannelSettings>, to: usize| Settings {
            channels,
            alerts: vec![Alert {
                globs: vec![Glob::everything()],
                detectors: Vec::new(),
                to: vec![to],
            }],
        };
        let notifier = Notifier::start(
            &everything_to(vec![channel("a", "a"), channel("b", "b")], 0),
            &Metrics::new().anomaly,
        );
        let notifier = notifier.unwrap();
        notifier.tell(&notice("first", "default"));
        // One stays at another place, one is another by the same name, and one is new.
        let changed = everything_to(vec![channel("c", "c"), channel("a", "moved"), channel("b", "b")], 2);
        notifier.change(notifier.prepare(&changed).unwrap());
        notifier.tell(&notice("second", "default"));
        // What was prepared in vain leaves everything as it is.
        drop(notifier.prepare(&everything_to(vec![channel("d", "d")], 0)).unwrap());
        let moved = everything_to(changed.channels, 1);
        notifier.change(notifier.prepare(&moved).unwrap());
        notifier.tell(&notice("third", "default"));
        assert!(notifier.stop(Duration::from_secs(5)));
        let told = |file: &str| std::fs::read_to_string(directory.path().join(file)).unwrap_or_default();
        for (file, series) in [("a", "first"), ("b", "second"), ("moved", "third")] {
            assert!(
                told(file).contains(series) && told(file).lines().count() == 1,
                "{file}: {}",
                told(file)
            );
        }
        assert_eq!((told("c"), told("d")), (String::new(), String::new()));
    }
}
