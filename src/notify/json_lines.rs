//! JSON lines: a notice a line, to standard output or a file.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    sync::Arc,
};

use super::ChannelKind;
use crate::{anomaly::Notice, report};

/// Writes `notices` in one go, so that lines are whole whoever else writes there.
///
/// A file is opened anew each time: after a rotation the next line is in the new one.
pub(super) fn write(kind: &ChannelKind, notices: &[Arc<Notice>]) -> io::Result<()> {
    let mut lines = Vec::new();
    for notice in notices {
        report::write_json(&mut lines, &notice.report())?;
        lines.push(b'\n');
    }
    match kind {
        ChannelKind::JsonLinesStdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&lines)?;
            stdout.flush()
        }
        ChannelKind::JsonLinesFile(path) => OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?
            .write_all(&lines),
    }
}
