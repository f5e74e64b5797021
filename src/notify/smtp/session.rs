//! A conversation with a mail server: one mail, to each of its recipients that the server takes.
//!
//! Knows nothing of what a mail says, and tries nothing again. A recipient that the server does not take costs no other one
//! its mail, and nobody is given a mail twice: it goes out once, to those that were taken, and again to one at a time only when
//! the server has refused it to all together.

use std::{error::Error as _, fs};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{Certificate, CertificateStore, SmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

use super::{Security, Settings};
use crate::{
    notify::{Cause, Failure, Retry},
    report::{cut, plain},
    secret::MASK,
};

/// Characters of what a server answers that people are shown.
const ANSWER_CHARS: usize = 300;

/// What became of a mail, for one of its recipients.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// The server has taken it.
    Taken,
    /// The server does not take this recipient's mail.
    Unwanted(Failure),
    /// Something else is in the way.
    Failed(Failure),
}

/// A connection to a server that has let us in.
pub(super) struct Session {
    connection: SmtpConnection,
    /// What nobody may be shown of an answer.
    password: Option<String>,
}

impl Session {
    /// Connects. Secrets and certificates are read anew each time.
    pub(super) fn open(settings: &Settings) -> Result<Self, Failure> {
        let login = settings.login.as_ref();
        let password = login.map(|login| login.password.reveal()).transpose()?;
        let failed = |error: Error| failure(&error, password.as_deref());
        let tls = match settings.security {
            Security::Implicit | Security::Starttls => Some(tls(settings)?),
            Security::None => None,
        };
        let from_the_start = tls.as_ref().filter(|_| settings.security == Security::Implicit);
        let (server, name) = ((settings.host.as_str(), settings.port), ClientId::default());
        let mut connection =
            SmtpConnection::connect(server, Some(settings.timeout), &name, from_the_start, None).map_err(failed)?;
        if let Some(tls) = tls.as_ref().filter(|_| settings.security == Security::Starttls) {
            connection.starttls(tls, &name).map_err(failed)?;
        }
        if let (Some(login), Some(password)) = (login, &password) {
            let credentials = Credentials::new(login.user.clone(), password.clone());
            connection.auth(DEFAULT_MECHANISMS, &credentials).map_err(failed)?;
        }
        Ok(Self { connection, password })
    }

    /// Gives `mail` to the server for all of `to`, and says what became of it for each.
    pub(super) fn give(&mut self, from: &Address, to: &[Address], mail: &[u8]) -> Vec<Fate> {
        let mut fates = self.give_together(from, to, mail);
        let refused: Vec<usize> = (0..to.len()).filter(|place| is_refused(&fates[*place])).collect();
        if refused.len() < 2 {
            return fates;
        }
        // Some servers say only now for which of them they will not have it.
        for place in refused {
            let _ = self.connection.command(Rset);
            fates[place] = self
                .give_together(from, &to[place..=place], mail)
                .pop()
                .expect("a fate for each recipient");
        }
        fates
    }

    fn give_together(&mut self, from: &Address, to: &[Address], mail: &[u8]) -> Vec<Fate> {
        if let Err(failure) = self.begin(from, to, mail) {
            return vec![Fate::Failed(failure); to.len()];
        }
        let mut fates = Vec::new();
        for address in to {
            fates.push(match self.connection.command(Rcpt::new(address.clone(), vec![])) {
                Ok(_) => Fate::Taken,
                Err(error) => {
                    let failure = self.failure(&error);
                    match failure.retry {
                        Retry::Never => Fate::Unwanted(failure),
                        _ => Fate::Failed(failure),
                    }
                }
            });
        }
        if fates.contains(&Fate::Taken) {
            let sent = self
                .connection
                .command(Data)
                .and_then(|_| self.connection.message(mail));
            if let Err(error) = sent {
                let failure = self.failure(&error);
                for fate in fates.iter_mut().filter(|fate| **fate == Fate::Taken) {
                    *fate = Fate::Failed(failure.clone());
                }
            }
        }
        fates
    }

    /// Says whom the mail is from, and how it is written.
    fn begin(&mut self, from: &Address, to: &[Address], mail: &[u8]) -> Result<(), Failure> {
        let mut parameters = Vec::new();
        let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        for (is_needed, extension, parameter) in [
            (
                !to.iter().chain([from]).all(is_ascii),
                Extension::SmtpUtfEight,
                MailParameter::SmtpUtfEight,
            ),
            (
                !mail.is_ascii(),
                Extension::EightBitMime,
                MailParameter::Body(MailBodyParameter::EightBitMime),
            ),
        ] {
            if !is_needed {
                continue;
            }
            if !self.connection.server_info().supports_feature(extension) {
                let why = format!("an address needs {extension}, which the server does not have");
                return Err(Failure::passing(Cause::Refused, why));
            }
            parameters.push(parameter);
        }
        let begun = self.connection.command(Mail::new(Some(from.clone()), parameters));
        begun.map(drop).map_err(|error| Failure {
            // Whom it is from does not please the server, which somebody can put right; the message is not to blame.
            retry: Retry::Soon,
            ..self.failure(&error)
        })
    }

    fn failure(&self, error: &Error) -> Failure {
        failure(error, self.password.as_deref())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Was the mail itself refused?
fn is_refused(fate: &Fate) -> bool {
    matches!(fate, Fate::Failed(failure) if failure.retry == Retry::Never)
}

fn tls(settings: &Settings) -> Result<TlsParameters, Failure> {
    let mut tls = TlsParameters::builder(settings.host.clone()).dangerous_accept_invalid_certs(!settings.tls_verify);
    if let Some(path) = &settings.ca_file {
        let local = |why: String| Failure::passing(Cause::Local, format!("{}: {why}", path.display()));
        let pem = fs::read(path).map_err(|error| local(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| local(error.to_string()))?;
        tls = tls
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    tls.build()
        .map_err(|error| Failure::passing(Cause::Tls, error.to_string()))
}

/// What an answer of the server, or the lack of one, means.
fn failure(error: &Error, password: Option<&str>) -> Failure {
    let mut detail = error.to_string();
    if let Some(source) = error.source().map(ToString::to_string)
        && !detail.ends_with(&source)
    {
        detail = format!("{detail}: {source}");
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        detail = detail.replace(password, MASK);
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
