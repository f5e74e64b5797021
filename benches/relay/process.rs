//! The programs that are compared: started, asked what they used, and killed.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const CARBON_C_RELAY: &str = "/usr/bin/carbon-c-relay";
/// Its largest queue.
const CARBON_C_RELAY_QUEUE: &str = "10000000";
/// It listens before it is ready, and version 3.7 crashes on connections that come in between.
const CARBON_C_RELAY_READY: &str = "startup sequence complete";
/// The kernel counts processor time in hundredths, whatever its own clock.
const TICKS_PER_S: f64 = 100.0;
/// The file in the directory of each.
const CONFIG: &str = "config";
const SOON: Duration = Duration::from_secs(30);
/// Series asked for at a time, and how often they are: values differ, so some are not like all.
const LIST_PAGE: usize = 1_000;
const LIST_PAGES_MAX: usize = 100;
/// The parts of the memory of a series, as skyrelay calls them.
const MEMORY_PARTS: [&str; 6] = ["total", "sealed", "open", "statistics", "detectors", "name"];

/// What stands between senders and sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Nothing.
    Straight,
    /// A process of one thread that copies bytes.
    Proxy,
    /// Debian's, with its largest queue and two workers.
    CarbonCRelay,
    /// The release build of this package.
    Skyrelay,
}

/// How skyrelay is set up; the others take no notice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Lines of the `[[forward]]` section.
    pub(crate) forward: &'static str,
    /// Sections behind it.
    pub(crate) settings: &'static str,
    /// Is a line done only when it has been judged?
    pub(crate) is_judged: bool,
}

/// A running program. Dropping it kills it.
pub(crate) struct Running {
    child: Option<Child>,
    http_port: Option<u16>,
    /// Where it takes lines, over TCP and UDP.
    pub(crate) port: u16,
    directory: Option<TempDir>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Processor time (seconds).
    pub(crate) cpu_s: f64,
    /// The part of it that threads called `shard-…` have used.
    pub(crate) shards_s: f64,
}

/// Where the memory of a series goes (bytes).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) total: f64,
    /// Compressed samples.
    pub(crate) sealed: f64,
    /// Samples in the clear, and the window itself.
    pub(crate) open: f64,
    pub(crate) statistics: f64,
    pub(crate) detectors: f64,
    /// Its name, and its place in the table.
    pub(crate) name: f64,
}

/// `/metrics` of skyrelay, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(String);

impl Program {
    pub(crate) const ALL: [Self; 4] = [Self::Straight, Self::Proxy, Self::CarbonCRelay, Self::Skyrelay];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Straight => "straight",
            Self::Proxy => "proxy",
            Self::CarbonCRelay => "carbon-c-relay",
            Self::Skyrelay => "skyrelay",
        }
    }

    /// Is it there?
    pub(crate) fn is_installed(self) -> bool {
        self != Self::CarbonCRelay || Path::new(CARBON_C_RELAY).is_file()
    }

    /// Starts it towards the sink and waits until it listens.
    pub(crate) fn start(self, sink_port: u16, setup: Setup) -> Running {
        if self == Self::Straight {
            return Running {
                child: None,
                http_port: None,
                port: sink_port,
                directory: None,
            };
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, http_port) = (free_port(), free_port());
        let config = directory.path().join(CONFIG);
        let mut command = match self {
            Self::Straight | Self::Proxy => {
                let mut command = bound(&std::env::current_exe().expect("it runs"));
                command.args(["--proxy", &port.to_string(), &sink_port.to_string()]);
                command
            }
            Self::CarbonCRelay => {
                write_file(&config, &carbon_c_relay_config(port, sink_port));
                let mut command = bound(Path::new(CARBON_C_RELAY));
                command
                    .arg("-f")
                    .arg(&config)
                    .args(["-q", CARBON_C_RELAY_QUEUE, "-w", "2"]);
                command
            }
            Self::Skyrelay => {
                write_file(&config, &skyrelay_config(port, http_port, sink_port, setup));
                let mut command = bound(Path::new(env!("CARGO_BIN_EXE_skyrelay")));
                command.arg("run").arg("--config").arg(&config);
                command
            }
        };
        let child = command
            .stdin(Stdio::null())
            // Events of skyrelay go nowhere.
            .stdout(if self == Self::CarbonCRelay {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            // carbon-c-relay tells of each stalled sender.
            .stderr(if self == Self::CarbonCRelay {
                Stdio::null()
            } else {
                Stdio::inherit()
            })
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.name()));
        let mut running = Running {
            child: Some(child),
            http_port: (self == Self::Skyrelay).then_some(http_port),
            port,
            directory: Some(directory),
        };
        if self == Self::CarbonCRelay {
            running.wait_until_it_says(CARBON_C_RELAY_READY);
        } else {
            running.wait_until_listening(self.name());
        }
        running
    }
}

impl Running {
    fn wait_until_listening(&mut self, name: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let listens = match self.http_port {
                Some(http_port) => http_get(http_port, "/-/ready").is_some(),
                None => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok(),
            };
            if listens {
                return;
            }
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().expect("our own child"));
            if let Some(status) = ended {
                panic!("{name} ended with {status}");
            }
            assert!(Instant::now() < deadline, "{name} does not listen");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Reads its output up to a line that holds `words`, and lets go the rest.
    fn wait_until_it_says(&mut self, words: &str) {
        let stdout = self
            .child
            .as_mut()
            .and_then(|child| child.stdout.take())
            .expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let is_said = lines.any(|line| line.is_ok_and(|line| line.contains(words)));
        assert!(is_said, "it ended without saying \"{words}\"");
        thread::spawn(move || lines.for_each(drop));
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        if let Some(child) = &mut self.child {
            child.wait().expect("our own child");
        }
    }

    /// Has skyrelay write a snapshot.
    pub(crate) fn ask_for_snapshot(&self) {
        self.signal(Signal::USR1);
    }

    /// Has skyrelay go by other settings. Gives its answer; `None` when it refuses.
    pub(crate) fn reload(&self, settings: &str) -> Option<String> {
        let (directory, http_port) = (self.directory.as_ref()?, self.http_port?);
        let file = directory.path().join(CONFIG);
        let before = fs::read_to_string(&file).expect("it was started with it");
        write_file(&file, &format!("{before}{settings}"));
        let mut answer = ureq::post(format!("http://127.0.0.1:{http_port}/-/reload"))
            .send_empty()
            .ok()?;
        answer.body_mut().read_to_string().ok()
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), signal).expect("it runs");
        }
    }

    /// Zero for nothing.
    pub(crate) fn used(&self) -> Used {
        let Some(child) = &self.child else {
            return Used::default();
        };
        let process = format!("/proc/{}", child.id());
        let mut used = Used {
            cpu_s: cpu_s(&format!("{process}/stat")).1,
            shards_s: 0.0,
        };
        for task in fs::read_dir(format!("{process}/task")).into_iter().flatten().flatten() {
            let (name, cpu_s) = cpu_s(&format!("{}/stat", task.path().display()));
            if name.starts_with("shard-") {
                used.shards_s += cpu_s;
            }
        }
        used
    }

    /// Resident memory now and at its peak (MiB).
    pub(crate) fn memory_mib(&self) -> (f64, f64) {
        let Some(child) = &self.child else {
            return (0.0, 0.0);
        };
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mib = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
            kib.unwrap_or(0.0) / 1024.0
        };
        (mib("VmRSS:"), mib("VmHWM:"))
    }

    /// Empty but for skyrelay.
    pub(crate) fn metrics(&self) -> Metrics {
        let text = self.http_port.and_then(|port| http_get(port, "/metrics"));
        Metrics(text.unwrap_or_default())
    }

    /// What skyrelay says its series take: the mean over all of them, or over many.
    #[expect(clippy::cast_precision_loss, reason = "a few kilobytes each")]
    pub(crate) fn memory_of_series(&self) -> Memory {
        let (mut sums, mut series) = ([0; MEMORY_PARTS.len()], 0);
        let mut after = String::new();
        for _ in 0..LIST_PAGES_MAX {
            let path = format!("/api/v1/series?match=**&limit={LIST_PAGE}&after={after}");
            let text = self
                .http_port
                .and_then(|port| http_get(port, &path))
                .unwrap_or_default();
            for memory in text.split("\"memory\":{").skip(1) {
                series += 1;
                for (sum, part) in sums.iter_mut().zip(MEMORY_PARTS) {
                    *sum += number(memory, part).unwrap_or(0);
                }
            }
            match text
                .rsplit_once("\"next\":\"")
                .and_then(|(_, rest)| rest.split('"').next())
            {
                Some(next) => next.clone_into(&mut after),
                None => break,
            }
        }
        let [total, sealed, open, statistics, detectors, name] =
            sums.map(|sum: u64| sum as f64 / f64::from(series.max(1)));
        Memory {
            total,
            sealed,
            open,
            statistics,
            detectors,
            name,
        }
    }

    /// Waits until skyrelay has received that many lines.
    pub(crate) fn wait_until_received(&self, lines: u64) {
        let deadline = Instant::now() + 10 * SOON;
        while self.metrics().sum("skyrelay_lines_received_total") < lines {
            assert!(Instant::now() < deadline, "the lines do not come in");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until everything that skyrelay has received is judged, or counted as not judged.
    pub(crate) fn wait_until_judged(&self) -> Metrics {
        let deadline = Instant::now() + 10 * SOON;
        loop {
            let metrics = self.metrics();
            let judged =
                metrics.sum("skyrelay_samples_analysed_total") + metrics.sum("skyrelay_lines_not_analysed_total");
            if metrics.sum("skyrelay_lines_received_total") == judged {
                return metrics;
            }
            assert!(Instant::now() < deadline, "the analysis does not come to an end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Datagrams that the kernel dropped because nobody took them from the socket in time.
    pub(crate) fn datagrams_dropped(&self) -> u64 {
        let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
        let local = format!(":{:04X}", self.port);
        let of_port = |line: &&str| {
            line.split_whitespace()
                .nth(1)
                .is_some_and(|address| address.ends_with(&local))
        };
        let dropped = |line: &str| line.split_whitespace().last()?.parse::<u64>().ok();
        table.lines().filter(of_port).filter_map(dropped).sum()
    }
}

impl Used {
    /// What was used after that.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            shards_s: self.shards_s - before.shards_s,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ended_already = child.kill();
            let _ = child.wait();
        }
    }
}

impl Metrics {
    /// The sum over all series that begin so: a name, perhaps with its first labels.
    pub(crate) fn sum(&self, beginning: &str) -> u64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(beginning)?;
            let is_whole = rest.starts_with([' ', '{', ',', '}']);
            is_whole.then(|| line.rsplit(' ').next()?.parse::<u64>().ok())?
        });
        values.sum()
    }

    /// What has no labels, and may be a fraction; 0 while it is not there.
    pub(crate) fn float(&self, name: &str) -> f64 {
        let mut values = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        values.next().unwrap_or(0.0)
    }

    /// Lines that were not analysed because the analysis was behind.
    pub(crate) fn shed(&self) -> u64 {
        self.sum("skyrelay_lines_not_analysed_total{reason=\"shed\"")
    }
}

/// A command whose process ends with this one: setpriv is in util-linux, which every Debian has.
fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn carbon_c_relay_config(port: u16, sink_port: u16) -> String {
    format!(
        "cluster sink forward 127.0.0.1:{sink_port};\nmatch * send to sink stop;\n\
         statistics submit every 3600 seconds prefix with relay;\n\
         listen type linemode 127.0.0.1:{port} proto tcp 127.0.0.1:{port} proto udp;\n"
    )
}

fn skyrelay_config(port: u16, http_port: u16, sink_port: u16, setup: Setup) -> String {
    let mut config = format!("[listen]\ntcp = [\"127.0.0.1:{port}\"]\nudp = [\"127.0.0.1:{port}\"]\n");
    writeln!(config, "[http]\nlisten = \"127.0.0.1:{http_port}\"").expect("a String takes it");
    writeln!(config, "[log]\nlevel = \"error\"").expect("a String takes it");
    writeln!(
        config,
        "[[forward]]\nname = \"sink\"\naddress = \"127.0.0.1:{sink_port}\""
    )
    .expect("a String takes it");
    config + setup.forward + setup.settings
}

fn write_file(path: &Path, text: &str) {
    fs::write(path, text).expect("the directory is ours");
}

/// A port that nobody holds, neither for TCP nor for UDP.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = listener.local_addr().expect("it is bound").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn http_get(port: u16, path: &str) -> Option<String> {
    let mut response = ureq::get(format!("http://127.0.0.1:{port}{path}")).call().ok()?;
    response.body_mut().read_to_string().ok()
}

/// The number behind `key` in a flat piece of JSON.
fn number(json: &str, key: &str) -> Option<u64> {
    let (_, rest) = json.split_once(&format!("\"{key}\":"))?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// The name of a process or thread, and the processor time it has used.
fn cpu_s(stat: &str) -> (String, f64) {
    let text = fs::read_to_string(stat).unwrap_or_default();
    let Some((before, after)) = text.rsplit_once(')') else {
        return (String::new(), 0.0);
    };
    let name = before.split_once('(').map_or("", |(_, name)| name);
    // Time in the program and in the kernel are fields 14 and 15; the third is the first behind the name.
    let ticks = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    (name.to_owned(), ticks.sum::<f64>() / TICKS_PER_S)
}
