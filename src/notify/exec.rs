//! Channel `exec`: a program of the user's for each message.
//!
//! The program and its arguments are a list that no shell ever sees, and nothing of a message is in it. The message comes as
//! JSON on standard input, and what a small script wants to know in variables of the environment; of the relay's own
//! environment, which may hold secrets, only `PATH`, `HOME`, `LANG` and `TZ` are passed on.
//!
//! * Exit code 0: told. Any other, a signal, or a program that takes too long: it is tried again, and given up after five
//!   attempts, so that one message that a program cannot take does not hold up all others.
//! * A program that takes too long is killed with all of its process group.
//! * As many run at a time as `at_once` says. Two messages on one anomaly never do, so that the end of an anomaly is not told
//!   before its beginning.

use std::{
    collections::HashSet,
    io::{self, ErrorKind, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, Signal, kill_process_group},
};

use super::{Cause, Channel, Failure, Message, ahead::Ahead};
use crate::{
    detect::Severity,
    report::{cut, plain, write_json},
};

/// Attempts at one message.
const ATTEMPTS: u32 = 5;

/// Bytes of what a program says on standard error that are kept, and characters that are shown.
const SAID_BYTES: usize = 4096;
const SAID_CHARS: usize = 300;

/// Time between two looks at the programs that run.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Variables of the environment that are passed on.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// Settings of a channel that runs a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program, and its arguments. One without a slash is looked for in `PATH`.
    pub command: Vec<String>,
    /// Longest time that it may take (1 millisecond to 1 hour).
    pub timeout: Duration,
    /// How many run at a time (1 to 64).
    pub at_once: usize,
}

impl Settings {
    /// This command, a few at a time, for some seconds.
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            timeout: Duration::from_secs(30),
            at_once: 4,
        }
    }
}

/// A channel that runs a program for each message.
#[derive(Debug)]
pub(super) struct Exec {
    settings: Settings,
    ahead: Ahead,
    /// The message that has failed last, and how often.
    failing: Option<(Arc<Message>, u32)>,
}

/// A program that runs.
struct Running {
    /// Which of the messages it tells.
    place: usize,
    child: Child,
    stdin: Option<ChildStdin>,
    input: Vec<u8>,
    written: usize,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
    deadline: Instant,
}

impl Exec {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            ahead: Ahead::default(),
            failing: None,
        }
    }

    fn start(&self, place: usize, message: &Message) -> io::Result<Running> {
        let (program, arguments) = self.settings.command.split_first().ok_or(ErrorKind::InvalidInput)?;
        let mut input = Vec::new();
        write_json(&mut input, message).map_err(io::Error::from)?;
        input.push(b'\n');
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                PASSED_ON
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs(variables(message))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn()?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let running = Running {
            place,
            child,
            stdin,
            input,
            written: 0,
            stderr,
            said: Vec::new(),
            deadline: Instant::now() + self.settings.timeout,
        };
        running.stdin.as_ref().map_or(Ok(()), does_not_block)?;
        running.stderr.as_ref().map_or(Ok(()), does_not_block)?;
        Ok(running)
    }

    /// Tells messages at the same time. Gives for each what has come of it, by place.
    fn run(&self, wave: &[(usize, &Arc<Message>)]) -> Vec<(usize, Result<(), Failure>)> {
        let (mut running, mut ended) = (Vec::new(), Vec::new());
        for &(place, message) in wave {
            match self.start(place, message) {
                Ok(started) => running.push(started),
                Err(error) => {
                    let detail = format!("{} does not start: {error}", self.settings.command[0]);
                    ended.push((place, Err(Failure::passing(Cause::Local, detail))));
                }
            }
        }
        while !running.is_empty() {
            let now = Instant::now();
            running.retain_mut(|program| match program.look(now) {
                Some(outcome) => {
                    ended.push((program.place, outcome));
                    false
                }
                None => true,
            });
            if !running.is_empty() {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        ended
    }

    /// Counts the attempts at the message that is in the way of others.
    fn failed(&mut self, message: &Arc<Message>, failure: Failure) -> Failure {
        let attempts = match &self.failing {
            Some((failing, attempts)) if failing == message => attempts + 1,
            _ => 1,
        };
        // A program that cannot be started is a matter of the configuration, not of the message.
        if failure.cause == Cause::Local {
            return failure;
        }
        if attempts >= ATTEMPTS {
            self.failing = None;
            return Failure::lasting(failure.cause, format!("{} times: {}", attempts, failure.detail));
        }
        self.failing = Some((Arc::clone(message), attempts));
        failure
    }
}

impl Channel for Exec {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let mut outcomes: Vec<Option<Result<(), Failure>>> = messages
            .iter()
            .map(|message| self.ahead.has(message).then_some(Ok(())))
            .collect();
        let mut next = 0;
        while next < messages.len() {
            let (mut wave, mut anomalies) = (Vec::new(), HashSet::new());
            while next < messages.len() && wave.len() < self.settings.at_once {
                if outcomes[next].is_none() {
                    if !anomalies.insert(&messages[next].fingerprint) {
                        break;
                    }
                    wave.push((next, &messages[next]));
                }
                next += 1;
            }
            for (place, outcome) in self.run(&wave) {
                outcomes[place] = Some(outcome);
            }
            // What comes behind a failure may be about the same anomaly.
            if outcomes[..next].iter().flatten().any(Result::is_err) {
                break;
            }
        }
        let is_told = |outcome: &Option<Result<(), Failure>>| matches!(outcome, Some(Ok(())));
        let told: Vec<bool> = outcomes.iter().map(is_told).collect();
        let first = outcomes.into_iter().enumerate().find(|(_, outcome)| !is_told(outcome));
        let failure = match first {
            Some((place, Some(Err(failure)))) => Some(self.failed(&messages[place], failure)),
            _ => None,
        };
        self.ahead.settle(messages, &told, failure)
    }

    fn batch_max(&self) -> usize {
        self.settings.at_once
    }
}

impl Running {
    /// Goes on with what it is given and what it says. Gives what has come of it, once it has ended.
    fn look(&mut self, now: Instant) -> Option<Result<(), Failure>> {
        self.feed();
        self.listen();
        match self.child.try_wait() {
            Ok(Some(status)) => {
                self.listen();
                Some(judge(status, &self.said))
            }
            Ok(None) if now < self.deadline => None,
            Ok(None) => {
                self.end();
                let detail = format!("the program took too long{}", shown(&self.said));
                Some(Err(Failure::passing(Cause::Timeout, detail)))
            }
            Err(error) => {
                self.end();
                Some(Err(error.into()))
            }
        }
    }

    /// Kills it, and those that it has started.
    fn end(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn feed(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        loop {
            match stdin.write(&self.input[self.written..]) {
                Ok(0) => break,
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It does not want to know, which is its own affair.
                Err(_) => break,
            }
        }
        self.stdin = None;
    }

    fn listen(&mut self) {
        let Some(stderr) = &mut self.stderr else { return };
        let mut buffer = [0; 4096];
        // Bounded: it may say more than can be read.
        for _ in 0..16 {
            match stderr.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    let kept = read.min(SAID_BYTES - self.said.len());
                    self.said.extend_from_slice(&buffer[..kept]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

fn does_not_block(pipe: &impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(pipe)?;
    Ok(fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?)
}

fn judge(status: ExitStatus, said: &[u8]) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::passing(
        Cause::Trouble,
        format!("the program ended with {status}{}", shown(said)),
    ))
}

/// What a program has said, for the log.
fn shown(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    if said.is_empty() {
        return String::new();
    }
    format!(": {}", cut(&plain(&said.replace('\n', " / ")), SAID_CHARS))
}

/// What small scripts want to know.
fn variables(message: &Message) -> Vec<(&'static str, String)> {
    // No variable can hold a zero.
    let text = |text: &str| text.replace('\0', "");
    let mut variables = vec![
        ("SKYRELAY_STATUS", message.status.name().to_owned()),
        ("SKYRELAY_ROUTE", text(&message.route)),
        ("SKYRELAY_SERIES", text(&message.series)),
        ("SKYRELAY_DETECTOR", text(&message.detector)),
        (
            "SKYRELAY_SEVERITY",
            message.severity.map_or("", Severity::name).to_owned(),
        ),
        ("SKYRELAY_VALUE", message.value.to_string()),
        ("SKYRELAY_TIMESTAMP", message.timestamp.to_string()),
        ("SKYRELAY_FINGERPRINT", text(&message.fingerprint)),
    ];
    if message.test {
        variables.push(("SKYRELAY_TEST", "1".to_owned()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::notify::{Retry, Status, message::tests::message};

    fn exec(script: &str) -> Exec {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Exec::new(Settings {
            timeout: Duration::from_secs(10),
            ..Settings::new(command)
        })
    }

    fn messages(list: &[(Status, &str)]) -> Vec<Arc<Message>> {
        list.iter()
            .map(|(status, series)| Arc::new(message(*status, series)))
            .collect()
    }

    #[test]
    fn a_message_comes_as_json_and_in_variables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("told");
        let script = format!(
            "cat > {0}; echo \"$SKYRELAY_STATUS|$SKYRELAY_SERIES|$SKYRELAY_SEVERITY|$CARGO_MANIFEST_DIR\" >> {0}; echo noise",
            path.display()
        );
        let hostile = "a;touch$IFS/tmp/x`id`$(id)'\"<b>.load";
        exec(&script).deliver(&messages(&[(Status::Firing, hostile)])).unwrap();
        let told = fs::read_to_string(path).unwrap();
        let (json, variables) = told.trim_end().split_once('\n').unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(
            (json["series"].as_str(), json["event"].as_str()),
            (Some(hostile), Some("open"))
        );
        assert_eq!(
            variables,
            format!("firing|{hostile}|warning|"),
            "and nothing of our own environment"
        );
    }

    #[test]
    fn the_end_of_an_anomaly_waits_for_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("told");
        let script = format!(
            "[ $SKYRELAY_STATUS = firing ] && sleep 0.2; echo $SKYRELAY_STATUS $SKYRELAY_SERIES >> {}",
            path.display()
        );
        let list = [(Status::Firing, "a"), (Status::Resolved, "a"), (Status::Resolved, "b")];
        exec(&script).deliver(&messages(&list)).unwrap();
        let told = fs::read_to_string(path).unwrap();
        let place = |line: &str| told.find(line).unwrap();
        assert!(place("firing a") < place("resolved a"), "{told}");
    }

    #[test]
    fn what_was_told_ahead_of_a_failure_is_not_told_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, broken) = (folder.path().join("told"), folder.path().join("broken"));
        fs::write(&broken, "").unwrap();
        let script = format!(
            "if [ $SKYRELAY_SERIES = b ] && [ -e {} ]; then echo cannot tell b >&2; exit 3; fi; echo $SKYRELAY_SERIES >> {}",
            broken.display(),
            path.display()
        );
        let mut exec = exec(&script);
        let list = messages(&[(Status::Firing, "a"), (Status::Firing, "b"), (Status::Firing, "c")]);
        let failure = exec.deliver(&list).unwrap_err();
        assert_eq!((failure.delivered, failure.retry), (1, Retry::Soon));
        assert_eq!(
            failure.to_string(),
            "trouble: the program ended with exit status: 3: cannot tell b"
        );
        fs::remove_file(broken).unwrap();
        exec.deliver(&list[1..]).unwrap();
        let told = fs::read_to_string(path).unwrap();
        let mut lines: Vec<&str> = told.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["a", "b", "c"]);
    }

    #[test]
    fn a_message_that_no_program_takes_is_given_up() {
        let mut exec = exec("exit 1");
        let list = messages(&[(Status::Firing, "a")]);
        let retries: Vec<_> = (0..5).map(|_| exec.deliver(&list).unwrap_err().retry).collect();
        assert_eq!(retries[..4], [Retry::Soon; 4]);
        assert_eq!(retries[4], Retry::Never);
    }

    #[test]
    fn a_program_that_takes_too_long_ends_with_all_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; echo waiting >&2; wait", path.display());
        let mut exec = exec(&script);
        exec.settings.timeout = Duration::from_millis(500);
        let began = Instant::now();
        let failure = exec.deliver(&messages(&[(Status::Firing, "a")])).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(failure.to_string(), "timeout: the program took too long: waiting");
        let sleeper = fs::read_to_string(path).unwrap();
        let state = || fs::read_to_string(format!("/proc/{}/stat", sleeper.trim()));
        // Gone, or about to be collected by whoever inherited it.
        while state().is_ok_and(|state| !state.contains(") Z ")) {
            assert!(began.elapsed() < Duration::from_secs(10), "it still sleeps");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn one_that_does_not_read_and_says_too_much_ends_all_the_same() {
        let mut exec = exec("head -c 1000000 /dev/zero | tr '\\0' '\\033' >&2; exit 7");
        let mut long = message(Status::Firing, "a");
        long.reason = "x".repeat(300_000);
        let failure = exec.deliver(&[Arc::new(long)]).unwrap_err();
        assert!(
            failure.detail.len() < 2000 && !failure.detail.contains('\u{1b}'),
            "{}",
            failure.detail
        );
        assert!(failure.detail.contains("exit status: 7"), "{}", failure.detail);
    }

    #[test]
    fn a_program_that_is_not_there_is_waited_for() {
        let mut exec = Exec::new(Settings::new(vec!["/nonexistent/program".to_owned()]));
        for _ in 0..=ATTEMPTS {
            let failure = exec.deliver(&messages(&[(Status::Firing, "a")])).unwrap_err();
            assert_eq!((failure.cause, failure.retry), (Cause::Local, Retry::Soon));
        }
    }
}
