//! Channel `nagios`: anomalies as passive check results, through Nagios' command file.
//!
//! Several anomalies may be about one service, so its state is that of the worst that is open, and it is well when none is.
//! What is open is said again after `refresh`, so that a service that minds its freshness stays fresh.
//!
//! * The command file is a pipe that Nagios reads. It is opened without waiting: while nobody reads it, or while it is full,
//!   messages wait and are tried again. A file that is no pipe is not written to.
//! * A line is written in one go and is short enough to be whole, whoever else writes there.
//! * Names are hostile text: none can add a line or a field, and of what Nagios or its pages would take for more than text
//!   (performance data, macros, HTML) nothing is left.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustix::{fs::OFlags, io::Errno};

use super::{
    Cause, Channel, Failure, Message, Status,
    states::{State, States},
    template::{Mistake, Revealed, Template},
};
use crate::{clock, line::Timestamp};

/// Longest name of a host or service, and longest output (bytes): a line of all of them fits into one write of a pipe.
const NAME_BYTES: usize = 255;
const OUTPUT_BYTES: usize = 2000;

/// What takes the place of a character that a name or an output cannot have.
const STAND_IN: char = '_';

/// Settings of a channel to Nagios.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The pipe that Nagios reads commands from.
    pub command_file: PathBuf,
    /// Name of the host that an anomaly is about.
    pub host: Template,
    /// Name of the service; `None`: it is about the host itself.
    pub service: Option<Template>,
    /// What is said of it.
    pub output: Template,
    /// States of a service with an open anomaly.
    pub states: States,
    /// Time after which what is open is said again (1 second to 1 day); `None`: never.
    pub refresh: Option<Duration>,
}

/// Nagios.
#[derive(Debug)]
pub(super) struct Nagios {
    settings: Settings,
    /// What is open, by what it is about and by fingerprint.
    open: HashMap<Target, BTreeMap<String, Arc<Message>>>,
}

/// What an anomaly is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Target {
    host: String,
    service: Option<String>,
}

impl Nagios {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            open: HashMap::new(),
        }
    }

    /// Says how what `message` is about is, once the message is taken in.
    fn tell(&mut self, message: &Arc<Message>) -> Result<(), Failure> {
        let target = match message.status {
            // It is about no service.
            Status::Summary => return Ok(()),
            _ => self.target(message)?,
        };
        let mut open = self.open.get(&target).cloned().unwrap_or_default();
        if message.is_open() {
            open.insert(message.fingerprint.clone(), Arc::clone(message));
        } else {
            open.remove(&message.fingerprint);
        }
        let worst = open.values().max_by_key(|message| self.settings.states.of(message));
        let line = self.line(&target, worst.unwrap_or(message), open.len(), clock::now())?;
        self.write(&line)?;
        if open.is_empty() {
            self.open.remove(&target);
        } else {
            self.open.insert(target, open);
        }
        Ok(())
    }

    fn target(&self, message: &Arc<Message>) -> Result<Target, Failure> {
        let name = |template: &Template, what: &str| {
            let name = limited(&said(template, message)?, NAME_BYTES, |char| {
                char == ';' || char.is_control()
            });
            match name.trim() {
                "" => Err(Failure::lasting(Cause::Refused, format!("the {what} has no name"))),
                name => Ok(name.to_owned()),
            }
        };
        let Settings { host, service, .. } = &self.settings;
        Ok(Target {
            host: name(host, "host")?,
            service: service.as_ref().map(|service| name(service, "service")).transpose()?,
        })
    }

    /// The command that says that `target` is as the worst of the `count` that are open says.
    fn line(&self, target: &Target, worst: &Arc<Message>, count: usize, now: Timestamp) -> Result<String, Failure> {
        let mut output = said(&self.settings.output, worst)?;
        if count > 1 {
            output = format!("{output}, and {} more", count - 1);
        }
        // A backslash and an n would begin a new line, and a bar performance data; the others mean something to macros and
        // to pages that do not mind what they show.
        let output = limited(&output, OUTPUT_BYTES, |char| {
            char.is_control() || "|\\`$<>".contains(char)
        });
        let Target { host, service } = target;
        let Some(service) = service else {
            let code = u8::from(self.settings.states.of(worst) != State::Ok);
            return Ok(format!("[{now}] PROCESS_HOST_CHECK_RESULT;{host};{code};{output}\n"));
        };
        let code = match self.settings.states.of(worst) {
            State::Ok => 0,
            State::Warning => 1,
            State::Critical => 2,
            State::Unknown => 3,
        };
        Ok(format!(
            "[{now}] PROCESS_SERVICE_CHECK_RESULT;{host};{service};{code};{output}\n"
        ))
    }

    fn write(&self, line: &str) -> Result<(), Failure> {
        let path = &self.settings.command_file;
        let shown = path.display();
        let opened = std::fs::OpenOptions::new()
            .append(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        let mut pipe = opened.map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::NXIO.raw_os_error() => {
                Failure::passing(Cause::Unreachable, format!("nobody reads {shown}: does Nagios run?"))
            }
            _ => Failure::passing(Cause::Local, format!("{shown}: {error}")),
        })?;
        if !pipe.metadata()?.file_type().is_fifo() {
            let detail = format!("{shown} is no pipe, as Nagios has for commands");
            return Err(Failure::passing(Cause::Local, detail));
        }
        match pipe.write(line.as_bytes()) {
            // A write of this size is done as a whole or not at all.
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Failure::passing(
                Cause::Timeout,
                format!("{shown} is full: Nagios does not read it"),
            )),
            Err(error) => Err(io::Error::into(error)),
        }
    }
}

impl Channel for Nagios {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        for (place, message) in messages.iter().enumerate() {
            self.tell(message).map_err(|failure| failure.delivered(place))?;
        }
        Ok(())
    }

    fn beat_every(&self) -> Option<Duration> {
        self.settings.refresh
    }

    fn beat(&mut self, open: &[Arc<Message>]) -> Result<(), Failure> {
        // What was open before a restart is not known here otherwise.
        self.open.clear();
        self.deliver(open)
    }
}

fn said(template: &Template, message: &Arc<Message>) -> Result<String, Failure> {
    let unsaid = |mistake: Mistake| Failure::lasting(Cause::Refused, format!("a template: {mistake}"));
    let said = template.render(std::slice::from_ref(message), &Revealed::default());
    said.map_err(unsaid)
}

/// `text` in so many bytes, with a stand-in for characters that `is_wrong`.
fn limited(text: &str, bytes_max: usize, is_wrong: impl Fn(char) -> bool) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let right = |char| if is_wrong(char) { STAND_IN } else { char };
    text[..end].chars().map(right).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;
    use crate::detect::Severity;
    use crate::notify::{Retry, icinga2::OUTPUT, message::tests::message, template::Format};

    fn template(source: &str) -> Template {
        Template::new(source, Format::Text).unwrap()
    }

    fn settings(command_file: PathBuf) -> Settings {
        Settings {
            command_file,
            host: template("{{ nodes[1] }}"),
            service: Some(template("{{ nodes[2] }}")),
            output: template(OUTPUT),
            states: States::default(),
            refresh: None,
        }
    }

    fn told(status: Status, series: &str, severity: Severity) -> Arc<Message> {
        let message = message(status, series);
        Arc::new(Message {
            fingerprint: format!("{series} {severity:?}"),
            severity: Some(severity),
            ..message
        })
    }

    struct Pipe {
        _folder: tempfile::TempDir,
        path: PathBuf,
    }

    impl Pipe {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("nagios.cmd");
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
            Self { _folder: folder, path }
        }

        fn reader(&self) -> std::fs::File {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            std::fs::OpenOptions::new()
                .read(true)
                .custom_flags(flags)
                .open(&self.path)
                .unwrap()
        }
    }

    /// The lines in the pipe, without their times.
    fn lines(reader: &mut std::fs::File) -> Vec<String> {
        let mut text = Vec::new();
        // At its end there is nothing for now, or nobody who writes.
        let _ = reader.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        text.lines()
            .map(|line| line.split_once("] ").unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn a_service_is_as_its_worst_anomaly() {
        let pipe = Pipe::new();
        let mut reader = pipe.reader();
        let mut nagios = Nagios::new(settings(pipe.path.clone()));
        let load = |status, severity| told(status, "servers.web1.load", severity);
        for message in [
            load(Status::Firing, Severity::Warning),
            load(Status::Firing, Severity::Critical),
            load(Status::Resolved, Severity::Critical),
            load(Status::Resolved, Severity::Warning),
        ] {
            nagios.deliver(&[message]).unwrap();
        }
        let codes: Vec<String> = lines(&mut reader)
            .iter()
            .map(|line| line.splitn(5, ';').take(4).collect::<Vec<_>>().join(";"))
            .collect();
        let code = |code| format!("PROCESS_SERVICE_CHECK_RESULT;web1;load;{code}");
        assert_eq!(codes, [code(1), code(2), code(1), code(0)]);
        assert!(nagios.open.is_empty());
    }

    #[test]
    fn a_hostile_name_adds_neither_a_line_nor_a_field() {
        let pipe = Pipe::new();
        let mut reader = pipe.reader();
        let hostile = "a.web;x.load;0;fine\n[0] SHUTDOWN_PROGRAM\n.|perf=1\\n$USER1$<script>";
        let by_name = Settings {
            service: Some(template("{{ series }}")),
            ..settings(pipe.path.clone())
        };
        Nagios::new(by_name)
            .deliver(&[told(Status::Firing, hostile, Severity::Critical)])
            .unwrap();
        let said = lines(&mut reader);
        assert_eq!(said.len(), 1, "{said:?}");
        let fields: Vec<&str> = said[0].splitn(5, ';').collect();
        assert_eq!(fields[1], "web");
        assert_eq!(
            fields[2],
            "a.web_x.load_0_fine_[0] SHUTDOWN_PROGRAM_.|perf=1\\n$USER1$<script>"
        );
        assert_eq!(fields[3], "2");
        assert!(!fields[4].contains(['|', '\\', '$', '<']), "{}", fields[4]);
    }

    #[test]
    fn nobody_who_reads_is_waited_for() {
        let pipe = Pipe::new();
        let mut nagios = Nagios::new(settings(pipe.path.clone()));
        let message = told(Status::Firing, "servers.web1.load", Severity::Warning);
        let failure = nagios.deliver(&[Arc::clone(&message)]).unwrap_err();
        assert_eq!((failure.cause, failure.retry), (Cause::Unreachable, Retry::Soon));
        let mut reader = pipe.reader();
        nagios.deliver(&[Arc::clone(&message)]).unwrap();
        assert_eq!(lines(&mut reader).len(), 1);
        // Until the pipe is full.
        let much = vec![message; 2000];
        let failure = nagios.deliver(&much).unwrap_err();
        assert_eq!(failure.cause, Cause::Timeout, "{failure}");
        assert_eq!(lines(&mut reader).len(), failure.delivered);
    }

    #[test]
    fn a_file_is_no_pipe_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nagios.cmd");
        let message = told(Status::Firing, "servers.web1.load", Severity::Warning);
        let mut nagios = Nagios::new(settings(path.clone()));
        assert_eq!(nagios.deliver(&[Arc::clone(&message)]).unwrap_err().cause, Cause::Local);
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        assert!(nagios.deliver(&[message]).unwrap_err().detail.contains("no pipe"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "");
    }

    #[test]
    fn what_is_about_no_service_is_given_up() {
        let pipe = Pipe::new();
        let _reader = pipe.reader();
        let mut nagios = Nagios::new(settings(pipe.path.clone()));
        let failure = nagios
            .deliver(&[told(Status::Firing, "short", Severity::Warning)])
            .unwrap_err();
        assert_eq!(
            (failure.retry, failure.detail.as_str()),
            (Retry::Never, "the host has no name")
        );
    }
}
