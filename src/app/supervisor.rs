//! What systemd is told of the relay, where it is what started it, and the sign of life that it waits for.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};

use super::running::Running;

/// The relay has begun, or gone on, to serve.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The relay is about to go by another configuration; [`ready`] says when it does.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[
            NotifyState::Reloading,
            now,
            NotifyState::Status("reading the configuration"),
        ]),
        Err(error) => warn!(%error, "the system does not tell its time"),
    }
}

/// The relay is about to end.
pub(super) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("forwarding and judging what has arrived"),
    ]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be told how the relay is");
    }
}

/// Gives a sign of life twice as often as it is asked for (`WatchdogSec=`), as long as the parts of the relay move on.
pub(super) struct Watchdog {
    every: Option<Interval>,
    /// What the shards had done when they were last looked at.
    done: Vec<u64>,
    silent: bool,
}

impl Watchdog {
    /// As the environment says; on the runtime.
    pub(super) fn new() -> Self {
        let every = sd_notify::watchdog_enabled().map(|longest| {
            let mut every = interval((longest / 2).max(Duration::from_millis(1)));
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            every
        });
        Self {
            every,
            done: Vec::new(),
            silent: false,
        }
    }

    /// Ends when it is time to look.
    pub(super) async fn due(&mut self) {
        match &mut self.every {
            Some(every) => drop(every.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Gives a sign of life if all parts work.
    pub(super) async fn look(&mut self, running: &Running) {
        let longest = self.every.as_ref().map_or(Duration::MAX, Interval::period) / 2;
        let at_fault = match timeout(longest, tokio::spawn(async {})).await {
            Ok(_) => running.at_fault(&mut self.done),
            Err(_) => Some("threads for input and output"),
        };
        let was_silent = std::mem::replace(&mut self.silent, at_fault.is_some());
        match at_fault {
            None => {
                Self::sign();
                if was_silent {
                    info!("all parts of the relay move on again");
                }
            }
            Some(part) if !was_silent => error!(part, "does not move on: systemd gets no sign of life"),
            Some(_) => {}
        }
    }

    /// Gives a sign of life.
    pub(super) fn sign() {
        tell(&[NotifyState::Watchdog]);
    }
}
