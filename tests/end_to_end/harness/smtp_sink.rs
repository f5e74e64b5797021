//! A mail server made of Debian's aiosmtpd, which keeps what it gets.

use super::{
    SOON,
    certificates::Certificate,
    net::free_port,
    process::{Process, peer},
    wait_for,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::{fs, process::Stdio};
use tempfile::TempDir;

/// Debian's own: others do not see its packages.
const PYTHON: &str = "/usr/bin/python3";

/// Who may send mail where TLS is required.
pub(crate) const USER: &str = "relay";
pub(crate) const PASSWORD: &str = "correct horse";

/// A part of a mail, or all of it, as somebody else's reader of mail sees it.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Those within.
    #[serde(default)]
    pub(crate) parts: Vec<Part>,
    /// Content-ID, in angle brackets.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// "inline" or "attachment".
    #[serde(default)]
    pub(crate) disposition: Option<String>,
    /// In base64.
    #[serde(default)]
    body: String,
    /// What is not as it should be, of a whole mail.
    #[serde(default)]
    pub(crate) defects: Vec<String>,
}

impl Part {
    /// A whole mail.
    #[track_caller]
    pub(crate) fn of(mail: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("mail");
        fs::write(&file, mail).expect("the directory is ours");
        let read = peer(PYTHON)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/mail_parts.py"))
            .stdin(Stdio::from(fs::File::open(&file).expect("it is there")))
            .output()
            .expect("Python runs");
        let said = String::from_utf8_lossy(&read.stderr);
        serde_json::from_slice(&read.stdout).unwrap_or_else(|error| panic!("{error}: {said}\n{mail}"))
    }

    /// What it holds, of one without parts.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).expect("it was encoded a moment ago")
    }

    /// The same, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).expect("texts are UTF-8")
    }
}

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
        let mut command = peer(PYTHON);
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
