//! Channel `smtp`: mail, as plain text and as HTML, with plots of the series.
//!
//! * What has gathered is told by one mail for each group of anomalies, and one for each anomaly that has none. First, further
//!   and last words on an anomaly, and on its group, are one thread (`References`).
//! * TLS is required and the server's certificate verified, unless the server is this machine or the configuration says
//!   otherwise. No password goes over a connection that others can read.
//! * Names and reasons are hostile text: they are text in each part, and no header can be added by them.
//! * Plots come from the samples that the relay holds; without these, the mail goes without. Mail is bounded: so many
//!   anomalies and so many plots, and the rest is counted.

mod mail;

use std::{error::Error as _, fs, path::PathBuf, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use lettre::{
    SmtpTransport, Transport,
    message::Mailbox,
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};

use super::{
    Cause, Channel, Failure, Message, Retry, Surroundings, ahead::Ahead, channel::Window, peer::Login,
    template::Template,
};
use crate::{
    report::{cut, plain},
    secret::MASK,
};

/// Subject of a mail unless set.
pub const SUBJECT: &str =
    "[{{ status }}] {{ headline }}{% if messages | length > 1 %}, and {{ messages | length - 1 }} more{% endif %}";

/// Characters of what a server answers that people are shown.
const ANSWER_CHARS: usize = 300;

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
}

impl Smtp {
    pub(super) fn new(settings: Settings, surroundings: &Surroundings) -> Self {
        Self {
            settings,
            window: surroundings.window.clone(),
            ahead: Ahead::default(),
        }
    }

    /// The way to the server. Secrets and certificates are read anew each time.
    fn transport(&self) -> Result<SmtpTransport, Failure> {
        let Settings { host, port, login, .. } = &self.settings;
        let tls = match self.settings.security {
            Security::Implicit => Tls::Wrapper(self.tls()?),
            Security::Starttls => Tls::Required(self.tls()?),
            Security::None => Tls::None,
        };
        let transport = SmtpTransport::builder_dangerous(host).port(*port).tls(tls);
        let transport = transport.timeout(Some(self.settings.timeout));
        Ok(match login {
            Some(Login { user, password }) => transport.credentials(Credentials::new(user.clone(), password.reveal()?)),
            None => transport,
        }
        .build())
    }

    fn tls(&self) -> Result<TlsParameters, Failure> {
        let unusable = |error: Error| Failure::passing(Cause::Tls, error.to_string());
        let mut tls = TlsParameters::builder(self.settings.host.clone())
            .dangerous_accept_invalid_certs(!self.settings.tls_verify);
        if let Some(path) = &self.settings.ca_file {
            let local = |why: String| Failure::passing(Cause::Local, format!("{}: {why}", path.display()));
            let pem = fs::read(path).map_err(|error| local(error.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| local(error.to_string()))?;
            tls = tls
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificate);
        }
        tls.build().map_err(unusable)
    }

    fn send(&self, transport: &SmtpTransport, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let mail = mail::compose(&self.settings, messages, self.window.as_ref())?;
        transport.send(&mail).map(drop).map_err(|error| self.failure(&error))
    }

    /// What an answer of the server, or the lack of one, means.
    fn failure(&self, error: &Error) -> Failure {
        let mut detail = error.to_string();
        if let Some(source) = error.source() {
            detail = format!("{detail}: {source}");
        }
        let password = self
            .settings
            .login
            .as_ref()
            .and_then(|login| login.password.reveal().ok());
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            detail = detail.replace(&password, MASK);
        }
        let detail = cut(&plain(&detail), ANSWER_CHARS);
        let code = error.status().map_or(0, |code| code.to_string().parse().unwrap_or(0));
        match code {
            // Who we are does not please the server, which somebody can put right; the message is not to blame.
            530..=538 => Failure::passing(Cause::Refused, detail),
            _ if error.is_permanent() => Failure::lasting(Cause::Refused, detail),
            _ if error.is_transient() => Failure::passing(Cause::Trouble, detail),
            _ if error.is_timeout() => Failure::passing(Cause::Timeout, detail),
            // What is wrong with a certificate is told as what is wrong with the connection.
            _ if error.is_tls() || detail.contains("certificate") => Failure::passing(Cause::Tls, detail),
            _ if error.is_client() => Failure::passing(Cause::Local, detail),
            _ => Failure::passing(Cause::Unreachable, detail),
        }
    }
}

impl Channel for Smtp {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let transport = self.transport()?;
        let mut told: Vec<bool> = messages.iter().map(|message| self.ahead.has(message)).collect();
        let mut failure: Option<Failure> = None;
        for places in mails(messages) {
            let left: Vec<usize> = places.into_iter().filter(|place| !told[*place]).collect();
            let mail: Vec<_> = left.iter().map(|place| Arc::clone(&messages[*place])).collect();
            if mail.is_empty() {
                continue;
            }
            match self.send(&transport, &mail) {
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
