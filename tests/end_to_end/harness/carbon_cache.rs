//! Debian's carbon-cache, writing whisper files into a directory of its own.

use super::{
    SOON,
    net::{free_port, loopback},
    process::{INSTALL, Process, peer},
    unix_now, wait_for,
};
use std::{collections::BTreeMap, fs, net::TcpStream, path::Path, process::Command};
use tempfile::TempDir;

/// The points of each series: value by timestamp.
pub(crate) type Points = BTreeMap<String, BTreeMap<u64, f64>>;

/// A carbon-cache that creates and updates files as fast as it can, keeps a point for each second of a day, and writes
/// nothing about itself.
pub(crate) struct CarbonCache {
    directory: TempDir,
    process: Option<Process>,
    /// Where it takes lines, over TCP.
    pub(crate) port: u16,
}

impl CarbonCache {
    /// Starts it and waits until it listens.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_creating("inf")
    }

    /// The same, and it creates no more than so many files a minute.
    #[track_caller]
    pub(crate) fn start_creating(files_per_minute: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path();
        let port = free_port();
        // Not set: USER, so that it stays the user who runs the tests. A retention coarser than the senders' interval
        // would make the points that survive depend on how carbon happens to batch its writes.
        let carbon_conf = format!(
            "[cache]\n\
             STORAGE_DIR = {root}\n\
             LOCAL_DATA_DIR = {root}/whisper\n\
             LOG_DIR = {root}\n\
             PID_DIR = {root}\n\
             MAX_CREATES_PER_MINUTE = {files_per_minute}\n\
             MAX_UPDATES_PER_SECOND = inf\n\
             ENABLE_TAGS = False\n\
             LOG_UPDATES = False\n\
             CARBON_METRIC_INTERVAL = 0\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\n\
             LINE_RECEIVER_PORT = {port}\n\
             PICKLE_RECEIVER_INTERFACE = 127.0.0.1\n\
             PICKLE_RECEIVER_PORT = {pickle_port}\n\
             CACHE_QUERY_INTERFACE = 127.0.0.1\n\
             CACHE_QUERY_PORT = {query_port}\n",
            root = root.display(),
            pickle_port = free_port(),
            query_port = free_port(),
        );
        fs::write(root.join("carbon.conf"), carbon_conf).expect("the directory is ours");
        fs::write(
            root.join("storage-schemas.conf"),
            "[all]\npattern = .*\nretentions = 1s:1d\n",
        )
        .expect("the directory is ours");
        let mut stopped = Self {
            directory,
            process: None,
            port,
        };
        stopped.restart();
        stopped
    }

    /// Starts it again on the same port and files.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let root = self.directory.path();
        let pid_file = root.join("carbon-cache.pid");
        let _not_there_at_first = fs::remove_file(&pid_file);
        let mut command = peer("carbon-cache");
        command
            .env("GRAPHITE_ROOT", root)
            .arg(format!("--config={}", root.join("carbon.conf").display()))
            .arg(format!("--pidfile={}", pid_file.display()))
            .args(["--nodaemon", "start"])
            .current_dir(root);
        let mut process = Process::start("carbon-cache", command);
        wait_for("listening carbon-cache", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            TcpStream::connect(loopback(self.port))
                .map(drop)
                .map_err(|error| error.to_string())
        });
        self.process = Some(process);
    }

    /// Ends it as `kill -9` does: what it had not written to a file yet is gone.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Where it keeps all it has, the files in `whisper`.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the whisper files hold between `from` and now, read by Debian's whisper library.
    #[track_caller]
    pub(crate) fn points(&self, from: u64) -> Points {
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/whisper_points.py");
        let mut command = Command::new("/usr/bin/python3"); // Debian's own: others do not see its packages
        command
            .arg(reader)
            .arg(self.directory.path().join("whisper"))
            .arg(from.to_string())
            .arg(unix_now().to_string());
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("/usr/bin/python3: {error}: {INSTALL}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{reader} ended with {}: {stderr}; {INSTALL}",
            output.status
        );
        parse_points(&String::from_utf8(output.stdout).expect("whisper_points.py prints UTF-8"))
    }
}

/// Reads lines of "series value timestamp" the way carbon stores them: `nan` is no point, and the last one of a second
/// is the one that stays.
#[track_caller]
pub(crate) fn points_of_stream(stream: &[u8]) -> Points {
    let mut points = Points::new();
    for line in std::str::from_utf8(stream)
        .expect("the senders here write UTF-8")
        .lines()
    {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [series, value, timestamp] = fields[..] else {
            panic!("a sender wrote \"{line}\"")
        };
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error} in \"{line}\""));
        let timestamp: u64 = timestamp
            .parse()
            .unwrap_or_else(|error| panic!("{error} in \"{line}\""));
        if !value.is_nan() {
            points.entry(series.to_owned()).or_default().insert(timestamp, value);
        }
    }
    points
}

/// Reads lines of "series timestamp value".
fn parse_points(text: &str) -> Points {
    let mut points = Points::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [series, timestamp, value] = fields[..] else {
            panic!("whisper_points.py wrote \"{line}\"")
        };
        let (timestamp, value) = (timestamp.parse().expect("seconds"), value.parse().expect("a number"));
        points.entry(series.to_owned()).or_default().insert(timestamp, value);
    }
    points
}

/// `Err` with the first point in which they differ.
pub(crate) fn same_points(got: &Points, want: &Points) -> Result<(), String> {
    for series in want.keys().chain(got.keys()) {
        let nothing = BTreeMap::new();
        let (got_points, want_points) = (
            got.get(series).unwrap_or(&nothing),
            want.get(series).unwrap_or(&nothing),
        );
        for timestamp in want_points.keys().chain(got_points.keys()) {
            let (got_value, want_value) = (got_points.get(timestamp), want_points.get(timestamp));
            if got_value != want_value {
                return Err(format!(
                    "{series} at {timestamp} is {got_value:?} in place of {want_value:?}"
                ));
            }
        }
    }
    Ok(())
}
