//! The program under test, with a configuration of its own in a directory of its own.

use super::{
    SOON,
    metrics::Metrics,
    net::{connect, free_port, http_get, http_post, loopback},
    process::{Process, bound_to_this_process, bound_with_descriptors, with_hosts},
    unix_now, wait_for,
};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_skyrelay");

/// More than 90 is an anomaly, and 90 or less is the end of it.
pub(crate) const TOO_MUCH: &str = "
[detector.default]
kind = \"threshold\"
above = 90
severity = \"critical\"
";

/// Judges everything by the nine, and takes a day of history without finding it too old.
pub(crate) const NINE_ALGORITHMS: &str = r#"
[limits]
max_age = "48h"
max_ahead = "1h"

[detector.classic]
kind = "skyline"
consensus = 6

[[watch]]
match = ["**"]
detectors = ["classic"]
"#;

/// What a program is started as, beyond its upstreams and settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Circumstances<'a> {
    /// Keys of `[listen]` besides its addresses.
    pub(crate) listen: &'a str,
    /// Files that it may have open at a time.
    pub(crate) descriptors: Option<u32>,
    /// What it is to do, if not `run`.
    pub(crate) command: Option<&'a str>,
    /// A file that it sees in the place of `/etc/hosts`; [`super::process::can_have_hosts`] says whether that can be had.
    pub(crate) hosts: Option<&'a Path>,
}

/// A running `skyrelay`. Dropping it kills it.
pub(crate) struct Skyrelay {
    process: Process,
    config: PathBuf,
    directory: TempDir,
    /// Where it takes lines, over TCP and UDP.
    pub(crate) port: u16,
    /// Where it serves HTTP.
    pub(crate) http_port: u16,
}

impl Skyrelay {
    /// One that [`TOO_MUCH`] alarms, with `channel` as the one channel, by the name of `told`.
    #[track_caller]
    pub(crate) fn telling(channel: &str) -> Self {
        Self::start(&[], &format!("{TOO_MUCH}\n[notify.told]\n{channel}"))
    }

    /// Starts the program and waits until it is ready. It forwards to `upstreams` (name and port); `settings` is TOML
    /// that goes behind the listeners and upstreams.
    #[track_caller]
    pub(crate) fn start(upstreams: &[(&str, u16)], settings: &str) -> Self {
        Self::start_under(Circumstances::default(), upstreams, settings)
    }

    /// The same under such circumstances.
    #[track_caller]
    pub(crate) fn start_under(circumstances: Circumstances<'_>, upstreams: &[(&str, u16)], settings: &str) -> Self {
        const ATTEMPTS: u32 = 3;
        for attempt in 1.. {
            match Self::try_start(circumstances, upstreams, settings) {
                Ok(running) => return running,
                // Another process may have taken a port after it was found free; any other reason repeats itself.
                Err(why) if attempt == ATTEMPTS => panic!("skyrelay does not start: {why}"),
                Err(_) => {}
            }
        }
        unreachable!("the last attempt returns or panics")
    }

    fn try_start(circumstances: Circumstances<'_>, upstreams: &[(&str, u16)], settings: &str) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, http_port) = (free_port(), free_port());
        let config = configuration(port, http_port, circumstances.listen, upstreams, settings);
        let config_file = directory.path().join("skyrelay.toml");
        std::fs::write(&config_file, config).expect("the directory is ours");

        let process = launch(circumstances, &config_file);
        let mut started = Self {
            process,
            config: config_file,
            directory,
            port,
            http_port,
        };
        started.wait_until_ready()?;
        Ok(started)
    }

    /// Writes another configuration, in which `port` is what the relay listens on.
    #[track_caller]
    pub(crate) fn reconfigure(&self, port: u16, upstreams: &[(&str, u16)], settings: &str) {
        let config = configuration(port, self.http_port, "", upstreams, settings);
        std::fs::write(&self.config, config).expect("the directory is ours");
    }

    /// Adds a file to the configuration.
    #[track_caller]
    pub(crate) fn add_settings(&self, settings: &str) {
        let folder = self.directory.path().join("conf.d");
        std::fs::create_dir_all(&folder).expect("the directory is ours");
        std::fs::write(folder.join("added.toml"), settings).expect("the directory is ours");
    }

    /// Empties the configuration, as a shell does that is about to write it.
    pub(crate) fn empty_configuration(&self) {
        std::fs::write(&self.config, "").expect("the directory is ours");
    }

    /// Has the configuration read again over HTTP: the status, and the answer.
    #[track_caller]
    pub(crate) fn reload(&self) -> (u16, Value) {
        let (status, text) = http_post(self.http_port, "/-/reload").unwrap_or_else(|error| panic!("{error}"));
        let answer = serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON, {error}: {text}"));
        (status, answer)
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.process.signal(rustix::process::Signal::HUP);
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        wait_for("ready skyrelay", SOON, || {
            if let Err(ended) = self.process.check_running() {
                return Ok(Err(ended));
            }
            match http_get(self.http_port, "/-/ready")? {
                (200, _) => Ok(Ok(())),
                (status, text) => Err(format!("/-/ready answers {status}: {text}")),
            }
        })
    }

    /// A TCP connection to the line listener.
    #[track_caller]
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.port)
    }

    /// `/metrics` as text.
    #[track_caller]
    pub(crate) fn metrics_text(&self) -> String {
        let (status, text) = http_get(self.http_port, "/metrics").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(status, 200, "/metrics: {text}");
        text
    }

    /// `/metrics`, read.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::parse(&self.metrics_text()).unwrap_or_else(|error| panic!("/metrics: {error}"))
    }

    /// A page of the API, as JSON.
    #[track_caller]
    pub(crate) fn api(&self, path_and_query: &str) -> Value {
        let (status, text) = http_get(self.http_port, path_and_query).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(status, 200, "{path_and_query}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path_and_query} is not JSON, {error}: {text}"))
    }

    /// Waits until `lines` have come in, all of them are judged or counted as not judged, and the books balance with
    /// nothing left in a queue.
    #[track_caller]
    pub(crate) fn wait_until_through(&self, lines: u64, upstreams: &[&str]) -> Metrics {
        wait_for(&format!("passage of {lines} lines"), 3 * SOON, || {
            let metrics = self.metrics();
            let (received, queued) = (metrics.received(), metrics.sum("skyrelay_lines_queued", &[]));
            let spooled = metrics.sum("skyrelay_lines_spooled", &[]);
            if received != lines || queued != 0 || spooled != 0 {
                return Err(format!("received {received}, queued {queued}, spooled {spooled}"));
            }
            metrics.books_balance(upstreams).map(|()| metrics)
        })
    }

    /// Sends values of series as if they came one a second from `ago` seconds ago on, and waits until they are judged.
    #[track_caller]
    pub(crate) fn judge(&self, ago: u64, values: &[(&str, u32)]) {
        let before = self.metrics().analysed();
        let mut lines = String::new();
        for (second, (series, value)) in (unix_now() - ago..).zip(values) {
            writeln!(lines, "{series} {value} {second}").expect("a string takes all");
        }
        self.connect()
            .write_all(lines.as_bytes())
            .expect("the relay takes lines");
        wait_for("judged samples", SOON, || {
            let analysed = self.metrics().analysed() - before;
            (analysed == values.len() as u64)
                .then_some(())
                .ok_or(format!("{analysed}"))
        });
    }

    /// The JSON lines on stdout so far: anomalies that opened and closed.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        self.process.stdout().iter().map(|line| json_line(line)).collect()
    }

    /// The lines on stdout so far, as they are.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.process.stdout()
    }

    /// The lines on stderr so far.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.process.stderr()
    }

    /// The most memory that it has had resident so far (bytes).
    #[track_caller]
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.process.peak_bytes()
    }

    /// Sends SIGTERM, leaving it to the caller to wait with [`Self::terminate`].
    pub(crate) fn ask_to_stop(&self) {
        self.process.signal(rustix::process::Signal::TERM);
    }

    /// Sends SIGUSR1.
    pub(crate) fn ask_for_snapshot(&self) {
        self.process.signal(rustix::process::Signal::USR1);
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it with the same configuration once more, after it has ended.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.process = launch(Circumstances::default(), &self.config);
        self.wait_until_ready().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Has the kernel keep it from running until [`Self::resume`].
    pub(crate) fn pause(&self) {
        self.process.signal(rustix::process::Signal::STOP);
    }

    /// Lets it run again.
    pub(crate) fn resume(&self) {
        self.process.signal(rustix::process::Signal::CONT);
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub(crate) fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.process.terminate(within)
    }

    /// Feeds `lines` to `skyrelay backtest` with the configuration of this instance.
    #[track_caller]
    pub(crate) fn backtest(&self, options: &[&str], lines: &[u8]) -> Vec<Value> {
        let input = self.directory.path().join("backtest.lines");
        std::fs::write(&input, lines).expect("the directory is ours");
        let mut command = Command::new(PROGRAM);
        command
            .arg("backtest")
            .arg("--config")
            .arg(&self.config)
            .args(options)
            .arg(&input)
            .stdin(Stdio::null());
        let output = command.output().expect("cargo has built it");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "backtest ended with {}: {stderr}",
            output.status
        );
        let stdout = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        stdout.lines().map(json_line).collect()
    }
}

fn launch(circumstances: Circumstances<'_>, config: &Path) -> Process {
    let mut command = match circumstances {
        Circumstances { hosts: Some(hosts), .. } => with_hosts(Path::new(PROGRAM), hosts),
        Circumstances {
            descriptors: Some(descriptors),
            ..
        } => bound_with_descriptors(Path::new(PROGRAM), descriptors),
        _ => bound_to_this_process(Path::new(PROGRAM)),
    };
    command
        .arg(circumstances.command.unwrap_or("run"))
        .arg("--config")
        .arg(config)
        .current_dir(config.parent().expect("it is in a directory"));
    Process::start("skyrelay", command)
}

fn configuration(port: u16, http_port: u16, listen: &str, upstreams: &[(&str, u16)], settings: &str) -> String {
    let mut config = format!(
        "[listen]\ntcp = [\"{carbon}\"]\nudp = [\"{carbon}\"]\n{listen}\n[http]\nlisten = \"{http}\"\n",
        carbon = loopback(port),
        http = loopback(http_port),
    );
    for (name, upstream_port) in upstreams {
        let address = loopback(*upstream_port);
        writeln!(config, "[[forward]]\nname = \"{name}\"\naddress = \"{address}\"").expect("a String takes it");
    }
    config.push_str(settings);
    config
}

#[track_caller]
fn json_line(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("stdout has a line that is not JSON, {error}: {line}"))
}
