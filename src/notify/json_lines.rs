//! JSON lines: a message a line, to standard output, a file, or whoever listens on a TCP port.

mod tcp;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use serde::Serialize;
pub use tcp::Tcp;

use super::{Channel, Failure, Message};
use crate::{disk, report};

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// Standard output.
    Stdout,
    /// The end of a file.
    File(PathBuf),
    /// Whoever listens there.
    Tcp(Tcp),
}

/// A channel that writes JSON lines.
#[derive(Debug)]
pub(super) struct JsonLines {
    settings: Settings,
    /// Of those that go over TCP.
    connection: tcp::Connection,
}

impl JsonLines {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            connection: tcp::Connection::default(),
        }
    }

    /// Writes `lines` in one go, so that they are whole whoever else writes there.
    ///
    /// A file is opened anew each time: after a rotation the next line is in the new one.
    fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        match &self.settings {
            Settings::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()?;
            }
            Settings::File(path) => {
                let opened = OpenOptions::new().create(true).append(true).open(path);
                disk::named(path, opened.and_then(|mut file| file.write_all(lines)))?;
            }
            Settings::Tcp(tcp) => self.connection.tell(tcp, lines)?,
        }
        Ok(())
    }
}

impl Channel for JsonLines {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        self.write(&lines(messages))
    }
}

/// A message with what every verdict says.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    #[serde(flatten)]
    message: &'a Message,
    anomalous: bool,
    alert: bool,
}

impl<'a> Line<'a> {
    pub(super) fn new(message: &'a Message) -> Self {
        Self {
            message,
            anomalous: message.is_open(),
            alert: message.is_open(),
        }
    }
}

/// Each message as JSON, with a newline.
pub(super) fn lines(messages: &[Arc<Message>]) -> Vec<u8> {
    let mut lines = Vec::new();
    for message in messages {
        report::write_json(&mut lines, &Line::new(message)).expect("a message is JSON, and a Vec takes it");
        lines.push(b'\n');
    }
    lines
}
