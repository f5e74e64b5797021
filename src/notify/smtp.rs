//! Channel `smtp`: mail, as plain text and as HTML, with plots of the series.
//!
//! * What has gathered is told by one mail for each group of anomalies, and one for each anomaly that has none. First, further
//!   and last words on an anomaly, and on its group, are one thread (`References`).
//! * TLS is required and the server's certificate verified, unless the server is this machine or the configuration says
//!   otherwise. No password goes over a connection that others can read.
//! * Names and reasons are hostile text: they are text in each part, and no header can be added by them.
//! * One recipient whom the server does not take costs no other one a mail: who can be told is told. What the server could not
//!   take for some is tried again for them. A mail that nobody at all is taken for waits: somebody may put that right.
//! * Plots come from the samples that the relay holds; without these, the mail goes without. Mail is bounded: so many
//!   anomalies and so many plots, and the rest is counted.

mod late;
mod mail;
mod session;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use late::{Late, Owed};
use lettre::{Address, message::Mailbox};
use session::{Fate, Session};
use tracing::{info, warn};

use super::{
    Channel, Failure, Message, Retry, Surroundings, ahead::Ahead, channel::Window, peer::Login, template::Template,
};

/// Subject of a mail unless set.
pub const SUBJECT: &str =
    "[{{ status }}] {{ headline }}{% if messages | length > 1 %}, and {{ messages | length - 1 }} more{% endif %}";

/// Time after which a recipient that the server could not take is tried again, where others were told.
const LATE_EVERY: Duration = Duration::from_secs(60);

/// Failures that wait to be asked for: a batch has no more mails, and few recipients are away.
const ASIDE_MAX: usize = 10_000;

/// Settings of a channel that sends mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The server: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: Security,
    /// Certificates (PEM) that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Is the server's certificate verified? If not, anybody in between can read and change what is told.
    pub tls_verify: bool,
    /// Who the relay says that it is.
    pub login: Option<Login>,
    /// Whom mail is from.
    pub from: Mailbox,
    /// Whom it goes to, one at least.
    pub to: Vec<Mailbox>,
    /// Its subject.
    pub subject: Template,
    /// What plots reach back (seconds, 60 or more); `None`: there are none.
    pub plot_s: Option<i64>,
    /// Whose clocks its times are those of.
    pub timezone: TimeZone,
    /// Longest time for each step with the server (1 millisecond to 1 hour).
    pub timeout: Duration,
}

/// How a connection is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Implicit,
    /// TLS once the server has been asked for it; without it, nothing is sent.
    Starttls,
    /// Not at all.
    None,
}

impl Security {
    /// The port that is usual for it.
    pub fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::Starttls => 587,
            Self::None => 25,
        }
    }
}

/// A channel that sends mail.
pub(super) struct Smtp {
    settings: Settings,
    window: Option<Window>,
    ahead: Ahead,
    /// What some recipients are owed.
    late: Late,
    /// Recipients that were refused when last heard of.
    refused: BTreeSet<Address>,
    /// What has gone wrong for some recipients while others were told, since it was asked for last.
    aside: Vec<Failure>,
}

impl Smtp {
    pub(super) fn new(settings: Settings, surroundings: &Surroundings) -> Self {
        Self {
            settings,
            window: surroundings.window.clone(),
            ahead: Ahead::default(),
            late: Late::default(),
            refused: BTreeSet::new(),
            aside: Vec::new(),
        }
    }

    /// Sends one mail. It is told when one recipient is.
    fn send(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let mail = mail::compose(&self.settings, messages, self.window.as_ref())?.formatted();
        let to: Vec<Address> = self.settings.to.iter().map(|to| to.email.clone()).collect();
        let fates = Session::open(&self.settings)?.give(&self.settings.from.email, &to, &mail);
        if !fates.contains(&Fate::Taken) {
            let failures = fates.into_iter().filter_map(|fate| match fate {
                Fate::Taken => None,
                // With nobody left to tell, somebody is to look after who is told.
                Fate::Unwanted(failure) => Some(Failure {
                    retry: Retry::Soon,
                    ..failure
                }),
                Fate::Failed(failure) => Some(failure),
            });
            // Whoever may yet be told.
            let failure = failures.min_by_key(|failure| failure.retry == Retry::Never);
            return Err(failure.expect("there is a recipient, and it was not told"));
        }
        let later = self.settle(&to, fates);
        if !later.is_empty() {
            let given_up = self.late.keep(later, mail);
            give_up(&given_up);
        }
        Ok(())
    }

    /// Takes note of what became of a mail that was told to somebody. Gives those who are to be tried again.
    fn settle(&mut self, to: &[Address], fates: Vec<Fate>) -> Vec<Address> {
        let mut later = Vec::new();
        for (address, fate) in to.iter().zip(fates) {
            let (failure, is_final) = match fate {
                Fate::Taken => {
                    if self.refused.remove(address) {
                        info!(recipient = %address, "the mail server takes mail for the recipient again");
                    }
                    continue;
                }
                Fate::Unwanted(failure) => (failure, true),
                Fate::Failed(failure) => {
                    let is_final = failure.retry == Retry::Never;
                    (failure, is_final)
                }
            };
            if self.refused.insert(address.clone()) {
                let next = if is_final {
                    "it goes without"
                } else {
                    "it is tried again"
                };
                warn!(recipient = %address, %failure, "the mail server does not take mail for the recipient; {next}");
            }
            self.note(Failure {
                detail: format!("{address}: {}", failure.detail),
                ..failure
            });
            if !is_final {
                later.push(address.clone());
            }
        }
        later
    }

    /// Tries again what some are owed.
    fn catch_up(&mut self) {
        let (mut owed, old) = self.late.take(Instant::now());
        give_up(&old);
        while let Some(Owed { to, mail, .. }) = owed.front() {
            let fates = match Session::open(&self.settings) {
                Ok(mut session) => session.give(&self.settings.from.email, to, mail),
                Err(failure) => {
                    self.note(failure);
                    break;
                }
            };
            let Some(mut first) = owed.pop_front() else { break };
            first.to = self.settle(&first.to, fates);
            if !first.to.is_empty() {
                self.late.put_back(first);
            }
        }
        for owed in owed {
            self.late.put_back(owed);
        }
    }

    fn note(&mut self, failure: Failure) {
        if self.aside.len() < ASIDE_MAX {
            self.aside.push(failure);
        }
    }
}

fn give_up(owed: &[Owed]) {
    for Owed { to, .. } in owed {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        warn!(
            recipients = to.join(", "),
            "mail that others have got is given up for these recipients"
        );
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let (owed, old) = self.late.take(Instant::now());
        give_up(&Vec::from(owed));
        give_up(&old);
    }
}

impl Channel for Smtp {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let mut told: Vec<bool> = messages.iter().map(|message| self.ahead.has(message)).collect();
        let mut failure: Option<Failure> = None;
        for places in mails(messages) {
            let left: Vec<usize> = places.into_iter().filter(|place| !told[*place]).collect();
            let mail: Vec<_> = left.iter().map(|place| Arc::clone(&messages[*place])).collect();
            if mail.is_empty() {
                continue;
            }
            match self.send(&mail) {
                Ok(()) => left.iter().for_each(|place| told[*place] = true),
                Err(error) => {
                    // What is given up is the first message that was not told: this one, unless some wait before it.
                    let waits = told[..left[0]].iter().any(|told| !told);
                    failure.get_or_insert(if waits {
                        Failure {
                            retry: Retry::Soon,
                            ..error
                        }
                    } else {
                        error
                    });
                    break;
                }
            }
        }
        self.ahead.settle(messages, &told, failure)
    }

    fn take_failures_aside(&mut self) -> Vec<Failure> {
        std::mem::take(&mut self.aside)
    }

    fn beat_every(&self) -> Option<Duration> {
        Some(LATE_EVERY)
    }

    fn beat(&mut self, _open: &[Arc<Message>]) -> Result<(), Failure> {
        self.catch_up();
        Ok(())
    }
}

/// Which messages are told by one mail: those of a group, and those of an anomaly. In the order of their first ones.
fn mails(messages: &[Arc<Message>]) -> Vec<Vec<usize>> {
    let mut mails: Vec<(String, Vec<usize>)> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let key = match &message.group {
            Some(group) => format!("group {} {}", group.id, group.since),
            None => message.fingerprint.clone(),
        };
        match mails.iter_mut().find(|(other, _)| *other == key) {
            Some((_, places)) => places.push(place),
            None => mails.push((key, vec![place])),
        }
    }
    mails.into_iter().map(|(_, places)| places).collect()
}
