//! A mail server made of Debian's aiosmtpd, which keeps what it gets.

use super::{
    SOON,
    certificates::Certificate,
    net::free_port,
    process::{Process, peer},
    wait_for,
};
use std::fs;
use tempfile::TempDir;

/// Who may send mail where TLS is required.
pub(crate) const USER: &str = "relay";
pub(crate) const PASSWORD: &str = "correct horse";

/// A mail server that listens.
pub(crate) struct SmtpSink {
    _process: Process,
    folder: TempDir,
    /// Where it listens.
    pub(crate) port: u16,
}

impl SmtpSink {
    /// Starts it, with "starttls" or "implicit" and a certificate, or without TLS.
    #[track_caller]
    pub(crate) fn start(tls: Option<(&str, &Certificate)>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let mut command = peer("/usr/bin/python3"); // Debian's own: others do not see its packages
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/smtp_sink.py"));
        command.arg(folder.path()).arg(port.to_string());
        if let Some((mode, certificate)) = tls {
            command
                .arg(mode)
                .args([&certificate.certificate, &certificate.key])
                .args([USER, PASSWORD]);
        }
        let mut process = Process::start("aiosmtpd", command);
        wait_for("listening aiosmtpd", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            process
                .stdout()
                .pop()
                .map(drop)
                .ok_or_else(|| "it says nothing".to_owned())
        });
        Self {
            _process: process,
            folder,
            port,
        }
    }

    /// The mails so far, in their order.
    #[track_caller]
    pub(crate) fn mails(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the directory is ours");
        let paths = entries.map(|entry| entry.expect("the directory is ours").path());
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        paths.sort();
        let read = |path| String::from_utf8(fs::read(path).expect("it is there")).expect("mail is ASCII");
        paths.into_iter().map(read).collect()
    }
}
