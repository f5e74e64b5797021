//! A certificate authority of the test's own, made by openssl.

use super::process::find_peer;
use std::{fs, path::PathBuf, process::Command};
use tempfile::TempDir;

/// An authority that nobody trusts but by its file.
pub(crate) struct Authority {
    directory: TempDir,
}

/// A key, and the certificate of it.
pub(crate) struct Certificate {
    /// PEM.
    pub(crate) certificate: PathBuf,
    /// PEM.
    pub(crate) key: PathBuf,
}

impl Authority {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let authority = Self { directory };
        let extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
        let mut request = authority.request("ca");
        request.args(["-x509", "-days", "2", "-out"]).arg(authority.file());
        for extension in extensions {
            request.args(["-addext", extension]);
        }
        run(request);
        authority
    }

    /// What to trust.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// A certificate for 127.0.0.1 whose subject is `name`.
    #[track_caller]
    pub(crate) fn issue(&self, name: &str) -> Certificate {
        let certificate = self.path(&format!("{name}.crt"));
        let (asked, extensions) = (self.path("asked"), self.path("extensions"));
        let mut request = self.request(name);
        request.arg("-out").arg(&asked);
        run(request);
        fs::write(&extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("the directory is ours");
        let mut sign = openssl(&["x509", "-req", "-days", "2", "-CAcreateserial"]);
        for (option, file) in [
            ("-in", &asked),
            ("-CA", &self.file()),
            ("-CAkey", &self.path("ca.key")),
            ("-extfile", &extensions),
            ("-out", &certificate),
        ] {
            sign.arg(option).arg(file);
        }
        run(sign);
        Certificate {
            certificate,
            key: self.path(&format!("{name}.key")),
        }
    }

    /// A new key, and a request for a certificate of it.
    fn request(&self, name: &str) -> Command {
        let mut command = openssl(&["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        command.args(["-subj", &format!("/CN={name}"), "-keyout"]);
        command.arg(self.path(&format!("{name}.key")));
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

#[track_caller]
fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new(find_peer("openssl"));
    command.args(arguments);
    command
}

#[track_caller]
fn run(mut command: Command) {
    let output = command.output().expect("it is executable");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl: {said}");
}
