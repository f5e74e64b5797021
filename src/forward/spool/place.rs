//! The directory of one upstream's spool: what it is called, and that nobody else has it.

use std::{
    fmt::Write,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::disk;

/// Longest name that is spelled out (bytes); file systems take 255.
const NAME_BYTES_MAX: usize = 200;
const TAKES_IT: &str = "a String takes all that is written to it";

/// A directory that is ours until this is dropped, or the process ends however it ends.
#[derive(Debug)]
pub(in crate::forward) struct Place {
    path: PathBuf,
    /// Locked.
    _lock: File,
}

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It cannot be made, or not be written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// It is taken.
    #[error("{0} is in use by another process, which spools to it")]
    Taken(PathBuf),
}

impl Place {
    /// Makes the directory for `upstream` in `root` where it is missing, and takes it.
    pub(in crate::forward) fn claim(root: &Path, upstream: &str) -> Result<Self, SpoolError> {
        let path = root.join(directory_name(upstream));
        match disk::claim(&path) {
            Ok(Some(lock)) => Ok(Self { path, _lock: lock }),
            Ok(None) => Err(SpoolError::Taken(path)),
            Err(error) => Err(SpoolError::Io(path, error)),
        }
    }

    /// The directory.
    pub(in crate::forward) fn directory(&self) -> &Path {
        &self.path
    }
}

/// Directories in `root` with lines for upstreams that are not among `upstreams`: nobody will deliver them.
pub(in crate::forward) fn left_over(root: &Path, upstreams: &[&str]) -> Vec<PathBuf> {
    let names: Vec<String> = upstreams.iter().map(|upstream| directory_name(upstream)).collect();
    let is_left_over = |path: &PathBuf| {
        let is_known = |name: &std::ffi::OsStr| names.iter().any(|known| name == known.as_str());
        let holds_lines = |path: &Path| {
            let mut entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.any(|entry| entry.path().extension().is_some_and(|end| end == super::EXTENSION))
        };
        !path.file_name().is_some_and(is_known) && holds_lines(path)
    };
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_left_over).collect()
}

/// What the directory of `upstream` is called: itself, with everything that could lead elsewhere as `%` and hexadecimal
/// digits. No two upstreams share one.
pub(in crate::forward) fn directory_name(upstream: &str) -> String {
    let mut name = String::new();
    for (index, byte) in upstream.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || b"-_:".contains(&byte) || (byte == b'.' && index > 0) {
            name.push(byte.into());
        } else {
            write!(name, "%{byte:02x}").expect(TAKES_IT);
        }
    }
    if name.len() > NAME_BYTES_MAX {
        // Bytes of a name are ASCII by now. The rest is told apart by two sums over all of it.
        let sums = [&b""[..], b"again"].map(|before| crc32fast::hash(&[before, upstream.as_bytes()].concat()));
        name.truncate(NAME_BYTES_MAX - 17);
        write!(name, "~{:08x}{:08x}", sums[0], sums[1]).expect(TAKES_IT);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_place() {
        let of = |upstream, name: &str| assert_eq!(directory_name(upstream), name);
        of("carbon-cache", "carbon-cache");
        of("127.0.0.1:2103", "127.0.0.1:2103");
        of("..", "%2e.");
        of(".", "%2e");
        of("a/b", "a%2fb");
        of("100%", "100%25");
        of("gr\u{fc}n", "gr%c3%bcn");
        let long = directory_name(&"/".repeat(200));
        assert!(long.len() <= NAME_BYTES_MAX);
        assert_ne!(long, directory_name(&"/".repeat(199)));
    }

    #[test]
    fn a_place_has_one_owner_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::claim(root.path(), "a").unwrap();
        let taken = Place::claim(root.path(), "a").unwrap_err();
        assert!(matches!(taken, SpoolError::Taken(_)), "{taken}");
        Place::claim(root.path(), "b").unwrap();
        drop(place);
        Place::claim(root.path(), "a").unwrap();
    }

    #[test]
    fn what_is_no_directory_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = Place::claim(&root.path().join("file"), "a").unwrap_err();
        assert!(error.to_string().contains("file/a: "), "{error}");
    }

    #[test]
    fn lines_of_upstreams_that_are_gone_are_found() {
        let root = tempfile::tempdir().unwrap();
        assert!(left_over(&root.path().join("missing"), &["a"]).is_empty());
        for (directory, file) in [("a", "1.segment"), ("b", "1.segment"), ("c", "lock")] {
            fs::create_dir(root.path().join(directory)).unwrap();
            fs::write(root.path().join(directory).join(file), "").unwrap();
        }
        assert_eq!(left_over(root.path(), &["a", "d"]), [root.path().join("b")]);
    }
}
