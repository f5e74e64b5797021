//! Under a supervisor: sockets that were open before the program, signs of life, and one process that takes over from
//! another.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    net::{connect, free_port, http_get, loopback, udp_to},
    process::{Process, bound_to_this_process, find_peer},
    sink::Sink,
    skyrelay::PROGRAM,
    wait_for,
};
use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A configuration, and the ports in it.
struct Setup {
    directory: TempDir,
    port: u16,
    http_port: u16,
}

impl Setup {
    fn new(upstream: &Sink, listen: &str) -> Self {
        let (directory, port, http_port) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let config = format!(
            "[listen]\ntcp = [\"{carbon}\"]\nudp = [\"{carbon}\"]\n{listen}\n[http]\nlisten = \"{http}\"\n\
             [[forward]]\nname = \"sink\"\naddress = \"{sink}\"\n",
            carbon = loopback(port),
            http = loopback(http_port),
            sink = loopback(upstream.port),
        );
        fs::write(directory.path().join("skyrelay.toml"), config).unwrap();
        Self {
            directory,
            port,
            http_port,
        }
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("skyrelay.toml")
    }

    fn command(&self) -> Command {
        let mut command = bound_to_this_process(Path::new(PROGRAM));
        command.arg("run").arg("--config").arg(self.config());
        command
    }

    /// The program, started by systemd's own tool once somebody sends to the socket that it holds for it.
    fn activated(&self, options: &[&str]) -> Process {
        let mut command = bound_to_this_process(&find_peer("systemd-socket-activate"));
        command.args(options).arg("-l").arg(loopback(self.port).to_string());
        command.arg(PROGRAM).arg("run").arg("--config").arg(self.config());
        Process::start("skyrelay", command)
    }

    #[track_caller]
    fn wait_until_ready(&self, process: &mut Process) {
        wait_for("ready skyrelay", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            match http_get(self.http_port, "/-/ready")? {
                (200, _) => Ok(()),
                (status, text) => Err(format!("{status}: {text}")),
            }
        });
    }
}

/// Sends over a connection that may have to be made again.
fn send_tcp(port: u16, lines: &[u8]) {
    connect(port).write_all(lines).unwrap();
}

#[test]
fn who_connects_before_the_program_is_there_is_served_when_it_is() {
    let upstream = Sink::start();
    let setup = Setup::new(&upstream, "");
    let mut relay = setup.activated(&[]);
    wait_for("socket of systemd-socket-activate", SOON, || {
        let said = relay.stderr();
        let listens = said.iter().any(|line| line.contains("Listening on"));
        listens.then_some(()).ok_or(format!("{said:?}"))
    });
    send_tcp(setup.port, b"early.bird 1 1700000000\n");
    upstream.wait_for_exactly(b"early.bird 1 1700000000\n");
    setup.wait_until_ready(&mut relay);
    let status = relay.terminate(SOON);
    assert_eq!(status.code(), Some(0), "{:?}", relay.stderr());
}

#[test]
fn datagrams_wait_for_the_program_in_a_socket_that_was_open_before() {
    let upstream = Sink::start();
    let setup = Setup::new(&upstream, "");
    let mut relay = setup.activated(&["--datagram"]);
    wait_for("socket of systemd-socket-activate", SOON, || {
        let said = relay.stderr();
        let listens = said.iter().any(|line| line.contains("Listening on"));
        listens.then_some(()).ok_or(format!("{said:?}"))
    });
    let socket = udp_to(setup.port);
    socket.send(b"early.bird 1 1700000000").unwrap();
    socket.send(b"early.bird 2 1700000010").unwrap();
    upstream.wait_for_exactly(b"early.bird 1 1700000000\nearly.bird 2 1700000010\n");
    assert!(relay.terminate(SOON).success());
}

#[test]
fn a_socket_that_nobody_asked_for_is_told_of() {
    let upstream = Sink::start();
    let setup = Setup::new(&upstream, "");
    let other = loopback(free_port()).to_string();
    let mut relay = setup.activated(&["-l", &other, "--fdname=ours:surplus"]);
    wait_for("socket of systemd-socket-activate", SOON, || {
        let said = relay.stderr();
        let listen = said.iter().filter(|line| line.contains("Listening on")).count();
        (listen == 2).then_some(()).ok_or(format!("{said:?}"))
    });
    send_tcp(setup.port, b"a.b 1 1700000000\n");
    upstream.wait_for_exactly(b"a.b 1 1700000000\n");
    let said = relay.stderr();
    let told = |line: &String| line.contains(&other) && line.contains("no such address") && line.contains("ours");
    assert!(said.iter().any(told), "{said:?}");
    assert!(relay.terminate(SOON).success());
}

/// A supervisor's end of the socket that services report to.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn new(directory: &Path) -> Self {
        let socket = UnixDatagram::bind(directory.join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    /// The next report, which comes soon.
    #[track_caller]
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("it reports");
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next one that is no sign of life.
    #[track_caller]
    fn next_but_life(&self) -> Vec<String> {
        loop {
            let report = self.next();
            if report != ["WATCHDOG=1"] {
                return report;
            }
        }
    }

    /// Is nothing reported for so long?
    fn hears_nothing(&self, during: Duration) -> bool {
        self.0.set_read_timeout(Some(during)).unwrap();
        let heard = self.0.recv(&mut [0; 4096]);
        self.0.set_read_timeout(Some(SOON)).unwrap();
        heard.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}

#[test]
fn a_supervisor_is_told_of_the_beginning_the_end_and_signs_of_life() {
    let upstream = Sink::start();
    let setup = Setup::new(&upstream, "");
    let supervisor = Supervisor::new(setup.directory.path());
    let mut command = setup.command();
    command
        .env("NOTIFY_SOCKET", setup.directory.path().join("notify"))
        .env("WATCHDOG_USEC", "200000");
    let mut relay = Process::start("skyrelay", command);
    let ready = supervisor.next();
    assert_eq!(ready[0], "READY=1", "{ready:?}");
    assert!(
        ready[1].starts_with("STATUS=listening on 1 TCP and 1 UDP addresses"),
        "{ready:?}"
    );
    // What is told to be ready is.
    send_tcp(setup.port, b"a.b 1 1700000000\n");
    upstream.wait_for_exactly(b"a.b 1 1700000000\n");
    for _ in 0..3 {
        assert_eq!(supervisor.next(), ["WATCHDOG=1"]);
    }
    // One that does not run gives no sign of life; when it runs again, it does.
    relay.signal(rustix::process::Signal::STOP);
    while !supervisor.hears_nothing(Duration::from_millis(300)) {}
    relay.signal(rustix::process::Signal::CONT);
    assert_eq!(supervisor.next(), ["WATCHDOG=1"]);
    relay.signal(rustix::process::Signal::HUP);
    let reloading = supervisor.next_but_life();
    assert_eq!(reloading[0], "RELOADING=1", "{reloading:?}");
    let since_boot = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(since_boot.parse::<u64>().unwrap() > 0);
    assert_eq!(supervisor.next_but_life()[0], "READY=1");
    relay.signal(rustix::process::Signal::TERM);
    let stopping = supervisor.next_but_life();
    assert_eq!(stopping[0], "STOPPING=1", "{stopping:?}");
    assert!(relay.terminate(SOON).success(), "{:?}", relay.stderr());
}

#[test]
fn a_new_process_takes_over_before_the_old_one_stops() {
    let upstream = Sink::start();
    let setup = Setup::new(&upstream, "reuse_port = true");
    let mut old = Process::start("skyrelay", setup.command());
    setup.wait_until_ready(&mut old);
    let mut faithful = connect(setup.port);
    faithful.write_all(b"faithful 1 1700000000\n").unwrap();
    upstream.wait_for_exactly(b"faithful 1 1700000000\n");
    let mut new = Process::start("skyrelay", setup.command());
    wait_for("second process", SOON, || {
        let said = new.stderr();
        let ready = said.iter().any(|line| line.contains("ready"));
        ready.then_some(()).ok_or(format!("{said:?}"))
    });
    faithful.write_all(b"faithful 2 1700000010\n").unwrap();
    assert!(old.terminate(SOON).success(), "{:?}", old.stderr());
    // From now on the new one alone answers, and nobody was turned away in between.
    for number in 0..50 {
        send_tcp(setup.port, format!("after {number} 1700000000\n").as_bytes());
    }
    let sent = "faithful 1 1700000000\nfaithful 2 1700000010\n".len();
    let after: usize = (0..50).map(|number| format!("after {number} 1700000000\n").len()).sum();
    let arrived = String::from_utf8(upstream.wait_for_bytes(sent + after)).unwrap();
    for number in 0..50 {
        assert!(
            arrived.contains(&format!("after {number} 1700000000\n")),
            "{number}: {arrived}"
        );
    }
    assert!(
        arrived.starts_with("faithful 1 1700000000\nfaithful 2 1700000010\n"),
        "{arrived}"
    );
    setup.wait_until_ready(&mut new);
    assert!(new.terminate(SOON).success());
}

#[test]
fn without_a_snapshot_the_next_one_is_ready_at_once() {
    let upstream = Sink::start();
    let setup = Setup::new(&upstream, "");
    let supervisor = Supervisor::new(setup.directory.path());
    let start = || {
        let mut command = setup.command();
        command.env("NOTIFY_SOCKET", setup.directory.path().join("notify"));
        Process::start("skyrelay", command)
    };
    let mut relay = start();
    assert_eq!(supervisor.next()[0], "READY=1");
    let mut shortest = Duration::MAX;
    for round in 0..5 {
        let line = format!("a.b {round} 1700000000\n");
        send_tcp(setup.port, line.as_bytes());
        upstream.wait_for_bytes((round + 1) * line.len());
        let begun = Instant::now();
        relay.signal(rustix::process::Signal::TERM);
        assert_eq!(supervisor.next()[0], "STOPPING=1");
        assert!(relay.terminate(SOON).success(), "{:?}", relay.stderr());
        relay = start();
        assert_eq!(supervisor.next()[0], "READY=1");
        shortest = shortest.min(begun.elapsed());
    }
    // A busy machine takes longer now and then, but not each time.
    assert!(shortest < Duration::from_secs(1), "{shortest:?}");
    eprintln!("from stop to ready: {shortest:?}");
}
