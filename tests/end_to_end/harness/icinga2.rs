//! Debian's Icinga 2, with its API over TLS and nothing that checks by itself.

use super::{
    SOON,
    certificates::Authority,
    net::{free_port, loopback, url_encoded},
    process::{Process, peer_that_is_asked_to_stop},
    wait_for,
};
use serde_json::Value;
use std::{fmt::Write as _, fs, path::PathBuf, process::Command, time::Duration};
use tempfile::TempDir;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// The user of its API.
pub(crate) const USER: &str = "skyrelay";
/// The password of that user.
pub(crate) const PASSWORD: &str = "icinga s3cret";

/// A running Icinga.
pub(crate) struct Icinga2 {
    process: Process,
    _directory: TempDir,
    authority: Authority,
    port: u16,
}

impl Icinga2 {
    /// Starts it with `hosts`, each with `services`, and waits until its API answers.
    #[track_caller]
    pub(crate) fn start(hosts: &[&str], services: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path();
        let authority = Authority::new();
        let certificate = authority.issue("node");
        let certificates = root.join("data/certs");
        for folder in ["data/certs", "log", "cache", "run", "spool"] {
            fs::create_dir_all(root.join(folder)).expect("the directory is ours");
        }
        for (from, to) in [
            (&authority.file(), "ca.crt"),
            (&certificate.certificate, "node.crt"),
            (&certificate.key, "node.key"),
        ] {
            fs::copy(from, certificates.join(to)).expect("both are ours");
        }
        let port = free_port();
        let config = root.join("icinga2.conf");
        fs::write(&config, configuration(port, hosts, services)).expect("the directory is ours");

        // It leaves processes behind when it is killed, so it is asked, also by the kernel.
        let mut command = peer_that_is_asked_to_stop("icinga2");
        command.arg("daemon").arg("-c").arg(&config);
        for (name, folder) in [
            ("DataDir", "data"),
            ("LogDir", "log"),
            ("CacheDir", "cache"),
            ("InitRunDir", "run"),
            ("SpoolDir", "spool"),
        ] {
            command.arg(format!("-D{name}={}", root.join(folder).display()));
        }
        command.arg(format!("-DRunAsUser={}", who("-un")));
        command.arg(format!("-DRunAsGroup={}", who("-gn")));
        let mut icinga = Self {
            process: Process::start("icinga2", command),
            _directory: directory,
            authority,
            port,
        };
        wait_for("answer of Icinga", 3 * SOON, || {
            icinga.process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            icinga.get("/v1/objects/hosts").map(|_| ())
        });
        icinga
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", loopback(self.port))
    }

    /// The file of the authority that its certificate is of.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.authority.file()
    }

    /// State and output of a service, as in `web1!load`; the output is empty before the first result.
    pub(crate) fn service(&self, name: &str) -> Result<(u64, String), String> {
        self.checked("services", name)
    }

    /// State and output of a host.
    pub(crate) fn host(&self, name: &str) -> Result<(u64, String), String> {
        self.checked("hosts", name)
    }

    fn checked(&self, kind: &str, name: &str) -> Result<(u64, String), String> {
        let answer = self.get(&format!("/v1/objects/{kind}/{}", url_encoded(name)))?;
        let attributes = &answer["results"][0]["attrs"];
        // Written as a fraction.
        let state = attributes["state"].as_f64().ok_or_else(|| answer.to_string())?;
        let output = attributes["last_check_result"]["output"].as_str().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 3")]
        Ok((state as u64, output.to_owned()))
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let pem = fs::read(self.ca_file()).expect("it is ours");
        let certificates = parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let certificates = RootCerts::Specific(std::sync::Arc::new(certificates.collect()));
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(Duration::from_secs(10)))
                .tls_config(TlsConfig::builder().root_certs(certificates).build())
                .build(),
        );
        let url = format!("{}{path}", self.url());
        // What HTTP calls basic: base64 of USER:PASSWORD.
        let authorization = "Basic c2t5cmVsYXk6aWNpbmdhIHMzY3JldA==";
        let request = agent.get(&url).header("authorization", authorization);
        let mut answer = request
            .header("accept", "application/json")
            .call()
            .map_err(|error| format!("GET {url}: {error}"))?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }
}

impl Drop for Icinga2 {
    fn drop(&mut self) {
        if self.process.check_running().is_ok() {
            self.process.terminate(SOON);
        }
    }
}

fn configuration(port: u16, hosts: &[&str], services: &[&str]) -> String {
    const PASSIVE: &str = "  check_command = \"dummy\"\n  enable_active_checks = false\n  max_check_attempts = 1\n}\n";
    let mut config = format!(
        "const NodeName = \"node\"\nconst ZoneName = \"node\"\nconst PluginDir = \"/nonexistent\"\n\
         object Endpoint NodeName {{}}\nobject Zone ZoneName {{ endpoints = [ NodeName ] }}\ninclude <itl>\n\
         object ApiListener \"api\" {{\n  bind_host = \"127.0.0.1\"\n  bind_port = {port}\n}}\n\
         object ApiUser \"{USER}\" {{\n  password = \"{PASSWORD}\"\n  \
         permissions = [ \"actions/process-check-result\", \"objects/query/*\" ]\n}}\n"
    );
    for host in hosts {
        write!(config, "object Host \"{host}\" {{\n{PASSIVE}").expect("a String takes it");
        for service in services {
            write!(
                config,
                "object Service \"{service}\" {{\n  host_name = \"{host}\"\n{PASSIVE}"
            )
            .expect("a String takes it");
        }
    }
    config
}

/// Who runs this: it drops to a user of its own otherwise.
fn who(option: &str) -> String {
    let output = Command::new("id").arg(option).output().expect("every system has it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
