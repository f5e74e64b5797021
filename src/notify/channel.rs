//! What a channel is: something that takes messages, on a thread of its own.
//!
//! A channel knows how to tell, and nothing of who is to be told what, of queues or of retries. It may block: its thread
//! serves nobody else. It is given messages again until it says that they are delivered or that nobody will ever take them.
//!
//! # To add a kind of channel
//! 1. `src/notify/KIND.rs`: a plain `Settings` (each field with unit and range), and a struct that implements [`Channel`].
//! 2. [`ChannelKind`](super::ChannelKind): a variant that holds the settings, its name, and how it is opened.
//! 3. `src/config/check/notify/KIND.rs`: reads the settings, section by section, and a line in the table of readers there.
//! 4. `src/config/print/channels.rs`: writes the settings as TOML that reads back; secrets through `secret`.
//! 5. `config/skyrelay.toml`: an example with every key, left out by default; `README.md`: a line in the table of channels.

use std::{fmt, sync::Arc, time::Duration};

use super::Message;
use crate::{plot::Sample, silence::Marks};

/// Somewhere to tell people.
///
/// Opened on the thread that starts the relay, which must not wait: files, sockets and processes are opened with the
/// first message, and again after a failure.
pub trait Channel: Send {
    /// Tells all of `messages`, the first first; there is one at least, and [`Channel::batch_max`] at most. What has
    /// gathered while the channel was busy or away comes in one go, so several may be about one anomaly.
    ///
    /// # Errors
    /// When some are not told: how many of the first ones are, and whether another attempt may help with the next one.
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure>;

    /// What has failed since this was asked last without holding anything up: one of several receivers was not told.
    fn take_failures_aside(&mut self) -> Vec<Failure> {
        Vec::new()
    }

    /// Messages that it takes at a time (1 or more). 1: each is delivered by itself, so that a refusal is about that one.
    fn batch_max(&self) -> usize {
        256
    }

    /// Time after which it has to hear again of what is open, for receivers that forget; `None`: they do not.
    fn beat_every(&self) -> Option<Duration> {
        None
    }

    /// Tells again what is open and was delivered, in the order in which it has opened; none when nothing is open. The
    /// messages are the last that were delivered on each, [`Status::Firing`](super::Status) or `Again`. Between two
    /// beats there are deliveries; a beat that has failed is made again at the next.
    ///
    /// # Errors
    /// As for [`Channel::deliver`]; nothing is retried.
    fn beat(&mut self, open: &[Arc<Message>]) -> Result<(), Failure> {
        let _ = open;
        Ok(())
    }
}

/// Why messages were not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In a word, for the metrics.
    pub cause: Cause,
    /// For people, as in "connection refused". It must hold no secret, and nothing of what a receiver answers but a short
    /// excerpt.
    pub detail: String,
    /// Can another attempt help?
    pub retry: Retry,
    /// Messages, from the first on, that were delivered all the same.
    pub delivered: usize,
}

/// What is wrong, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The receiver cannot be reached, or hangs up.
    Unreachable,
    /// It takes too long.
    Timeout,
    /// It is not who it is supposed to be, or does not speak TLS.
    Tls,
    /// It has heard and says no: who we are, or what we say, does not please it.
    Refused,
    /// It has heard, and is in trouble itself.
    Trouble,
    /// A file, process or secret on this side.
    Local,
}

/// Whether another attempt can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon, and more seldom the longer it goes on.
    Soon,
    /// Not before so much time has passed.
    After(Duration),
    /// Never: the first message that was not delivered is given up, and counted.
    Never,
}

/// What surrounds a channel.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The recent past of a series, the oldest sample first, for plots. `None` outside of a running relay.
    pub window: Option<Window>,
    /// What people say of an anomaly now. `None` outside of a running relay.
    pub marks: Option<MarksOf>,
}

/// Says what people say, now, of the anomaly that a message is about.
pub type MarksOf = Arc<dyn Fn(&Message) -> Marks + Send + std::marker::Sync>;

/// Gives the samples that are held of the series called so, with the band of one of its detectors where there is one; none
/// when there is no such series. It waits for the analysis, a moment at most.
pub type Window = Arc<dyn Fn(&str) -> Vec<Sample> + Send + std::marker::Sync>;

impl Failure {
    /// Something that may have passed by the next attempt.
    pub fn passing(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            retry: Retry::Soon,
            delivered: 0,
        }
    }

    /// Something that no further attempt will change.
    pub fn lasting(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            retry: Retry::Never,
            ..Self::passing(cause, detail)
        }
    }

    /// The same, to be tried again after `pause`.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self {
            retry: Retry::After(pause),
            ..self
        }
    }

    /// The same, when the first `count` messages were delivered.
    #[must_use]
    pub fn delivered(self, count: usize) -> Self {
        Self {
            delivered: count,
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.name(), self.detail)
    }
}

impl From<std::io::Error> for Failure {
    /// A file or process on this side; what is about a connection is told apart.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let cause = match error.kind() {
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable => Cause::Unreachable,
            Kind::TimedOut | Kind::WouldBlock => Cause::Timeout,
            _ => Cause::Local,
        };
        Self::passing(cause, error.to_string())
    }
}

impl Cause {
    /// All there are, as in metrics.
    pub(super) const NAMES: [&str; 6] = [
        Self::Unreachable.name(),
        Self::Timeout.name(),
        Self::Tls.name(),
        Self::Refused.name(),
        Self::Trouble.name(),
        Self::Local.name(),
    ];

    /// As in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Refused => "refused",
            Self::Trouble => "trouble",
            Self::Local => "local",
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}
