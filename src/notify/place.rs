//! Where what waits for channels is written down: a directory that is one process' own, with a file for each channel.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{ChannelSettings, message::fingerprint};
use crate::disk;

/// The directory for journals, ours alone.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
    _lock: File,
}

impl Place {
    /// Claims it, and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub(super) fn claim(directory: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
        match disk::claim(directory) {
            Ok(Some(lock)) => Ok(Self {
                directory: directory.to_owned(),
                _lock: lock,
            }),
            Ok(None) => Err(named(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses it for what it tells",
            ))),
            Err(error) => Err(named(error)),
        }
    }

    /// Where the journal of a channel is.
    pub(super) fn journal(&self, channel: &str) -> PathBuf {
        self.directory.join(file_name(channel))
    }

    /// Says what nobody will be told.
    pub(super) fn warn_of_leftovers(&self, channels: &[ChannelSettings]) {
        let known: Vec<String> = channels.iter().map(|channel| file_name(&channel.name)).collect();
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_empty = entry.metadata().is_ok_and(|metadata| metadata.len() == 0);
            if name.ends_with(ENDING) && !known.contains(&name) && !is_empty {
                warn!(journal = %entry.path().display(), "it is of a channel that is not configured, and told to nobody");
            }
        }
    }
}

const ENDING: &str = ".journal";

/// Characters of a channel's name that its file's name begins with.
const NAME_CHARS: usize = 60;

/// A name for a file, of its own for each channel.
fn file_name(channel: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if channel.len() <= NAME_CHARS && channel.chars().all(plain) {
        return format!("{channel}{ENDING}");
    }
    let start = channel
        .chars()
        .map(|character| if plain(character) { character } else { '_' });
    let start: String = start.take(NAME_CHARS).collect();
    // A point is in no name that is plain.
    format!("{start}.{}{ENDING}", fingerprint(channel, "", 0))
}
