//! The file: JSON with a version, written aside and put in place when the disk has it.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Acknowledgement, Feedback, Kept, Said, Silence};
use crate::{disk, glob::Glob};

/// Raised when a version before it could not read what is written now.
const VERSION: u32 = 1;

/// Longest file that is read (bytes): far beyond what the bounds on its content allow.
const BYTES_MAX: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    #[serde(default)]
    last_id: u64,
    #[serde(default)]
    silences: Vec<Silence>,
    #[serde(default)]
    acknowledgements: Vec<Acknowledgement>,
    #[serde(default)]
    feedback: Vec<Feedback>,
}

/// The version alone, which every version can read.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// What was said, as the file has it; nothing if there is none.
pub(super) fn load(path: &Path) -> io::Result<Said> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(BYTES_MAX).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Said::default()),
        Err(error) => return Err(error),
    };
    let Head { version } = serde_json::from_str(&text)?;
    if version != VERSION {
        let why = format!("it is of version {version}, and this skyrelay reads version {VERSION}");
        return Err(io::Error::other(why));
    }
    let content: Content = serde_json::from_str(&text)?;
    let kept = |silence: Silence| {
        // What was a pattern is one; if it is none any more, it matches nothing.
        let globs = silence.patterns.iter().filter_map(|pattern| Glob::new(pattern).ok());
        Arc::new(Kept {
            globs: globs.collect(),
            silence,
        })
    };
    Ok(Said {
        silences: content.silences.into_iter().map(kept).collect(),
        acknowledgements: content.acknowledgements.into_iter().map(Arc::new).collect(),
        feedback: content.feedback.into_iter().map(Arc::new).collect(),
        last_id: content.last_id,
    })
}

/// Puts a file with this in place of the one before, when the disk has it.
pub(super) fn write(path: &Path, said: &Said) -> io::Result<()> {
    let content = Content {
        version: VERSION,
        last_id: said.last_id,
        silences: said.silences.iter().map(|kept| kept.silence.clone()).collect(),
        acknowledgements: said
            .acknowledgements
            .iter()
            .map(|said| Acknowledgement::clone(said))
            .collect(),
        feedback: said.feedback.iter().map(|said| Feedback::clone(said)).collect(),
    };
    let mut text = serde_json::to_vec(&content)?;
    text.push(b'\n');
    // Reasons are for those who may ask the relay, and not for all who have an account here.
    disk::replace(path, &text)
}

/// Renames a file that cannot be used.
pub(super) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = disk::beside(path, "rejected");
    fs::rename(path, &aside)?;
    Ok(aside)
}
