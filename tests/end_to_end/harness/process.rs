//! One child process: found, started, watched, and gone when the test is.

use super::{SOON, net::http_get, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

/// What to say when a peer is not there.
pub(crate) const INSTALL: &str = "run tests/peers/install.sh, which installs the programs that these tests talk to";

/// A child process whose output is collected line by line. Dropping it kills it.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// The lines that came out of one pipe so far.
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` as it stands. `name` is for messages.
    #[track_caller]
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("piped"));
        let stderr = Output::collect(child.stderr.take().expect("piped"));
        Self {
            name,
            child,
            stdout,
            stderr,
        }
    }

    /// The same, and waits until `path` of `port` answers that it is ready.
    #[track_caller]
    pub(crate) fn start_and_wait(name: &'static str, command: Command, port: u16, path: &str) -> Self {
        let mut process = Self::start(name, command);
        wait_for(&format!("ready {name}"), 3 * SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            match http_get(port, path)? {
                (200, _) => Ok(()),
                (status, text) => Err(format!("{status}: {text}")),
            }
        });
        process
    }

    /// The lines on stdout so far.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lines()
    }

    /// The lines on stderr so far.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// `Err` with the last words of the process if it is no longer running.
    pub(crate) fn check_running(&mut self) -> Result<(), String> {
        match self.child.try_wait().expect("our own child") {
            None => Ok(()),
            Some(status) => Err(format!("{} ended with {status}: {}", self.name, self.last_words())),
        }
    }

    /// Asks the process to stop, waits until it has, and returns how it ended, with all its output read.
    #[track_caller]
    pub(crate) fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let status = wait_for(&format!("end of {} after SIGTERM", self.name), within, || {
            self.child
                .try_wait()
                .expect("our own child")
                .ok_or_else(|| self.last_words())
        });
        self.stdout.finish();
        self.stderr.finish();
        status
    }

    /// Sends `signal` to this process, if it is still there.
    pub(crate) fn signal(&self, signal: Signal) {
        let _gone_already = kill_process(Pid::from_child(&self.child), signal);
    }

    /// The most memory that it has had resident so far (bytes).
    #[track_caller]
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&status).unwrap_or_else(|error| panic!("{status}: {error}"));
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("the kernel tells of a process that runs") * 1024
    }

    /// Ends the process at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _gone_already = self.child.kill();
        self.child.wait().expect("our own child");
    }

    fn last_words(&self) -> String {
        let mut lines = self.stdout();
        lines.extend(self.stderr());
        lines.split_off(lines.len().saturating_sub(20)).join("\n    ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{} said last:\n    {}", self.name, self.last_words());
        }
    }
}

impl Output {
    fn collect(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                sink.lock().expect("nobody panics with it").push(text);
                line.clear();
            }
        });
        Self {
            lines,
            reader: Some(reader),
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics with it").clone()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
    }
}

/// A command for `program` that the kernel ends together with this test process, even when that is killed: setpriv is
/// in util-linux, which every Debian has.
pub(crate) fn bound_to_this_process(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// The same, and it may have only so many files open.
pub(crate) fn bound_with_descriptors(program: &Path, descriptors: u32) -> Command {
    let bound = bound_to_this_process(program);
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={descriptors}:{descriptors}"));
    command.arg("--").arg(bound.get_program()).args(bound.get_args());
    command
}

/// The same, and it sees `hosts` in the place of `/etc/hosts`.
pub(crate) fn with_hosts(program: &Path, hosts: &Path) -> Command {
    let mut command = bound_to_this_process(Path::new("unshare"));
    command
        .args(["--mount", "--map-root-user", "--", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"")
        .arg(hosts)
        .arg(program);
    command
}

/// Can a process be given other hosts here? It takes a namespace for its mounts.
pub(crate) fn can_have_hosts() -> bool {
    let mut command = with_hosts(Path::new("true"), Path::new("/etc/hosts"));
    command.status().is_ok_and(|status| status.success())
}

/// The command for an installed peer.
#[track_caller]
pub(crate) fn peer(program: &str) -> Command {
    bound_to_this_process(&find_peer(program))
}

/// The same for one that has processes of its own to end, and does so when it is asked to stop.
#[track_caller]
pub(crate) fn peer_that_is_asked_to_stop(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(find_peer(program));
    command
}

/// Where a peer is installed. `/usr/sbin`, where collectd lives, need not be in a user's PATH.
#[track_caller]
pub(crate) fn find_peer(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed: {INSTALL}"))
}
