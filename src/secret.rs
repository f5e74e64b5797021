//! Secrets: passwords and tokens that the configuration names and nothing shows.
//!
//! A secret is read where it is used, each time: one that is changed in its file is in use without a reload. Debug output,
//! logs and whatever prints the configuration show its place, never the secret itself.

use std::{env, fmt, fs, io, path::PathBuf};

/// What stands where a secret would.
pub const MASK: &str = "********";

/// Longest secret (bytes): a file that is longer is not one.
const BYTES_MAX: u64 = 64 << 10;

/// A secret, or where to find it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself, as it is written in the configuration.
    Text(String),
    /// A file that holds it; white space at its end is no part of it.
    File(PathBuf),
    /// A variable of the environment that holds it.
    Environment(String),
}

impl Secret {
    /// The secret itself.
    ///
    /// # Errors
    /// When the file or the variable cannot be read: a message that names it, and shows nothing of what it holds.
    pub fn reveal(&self) -> io::Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => read(path)
                .map_err(|error| io::Error::new(error.kind(), format!("the secret in {}: {error}", path.display()))),
            Self::Environment(name) => env::var(name).map_err(|error| {
                let why = match error {
                    env::VarError::NotPresent => "is not set",
                    env::VarError::NotUnicode(_) => "is not text in UTF-8",
                };
                io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("the environment variable {name} {why}"),
                )
            }),
        }
    }
}

fn read(path: &PathBuf) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("the file is too long for a secret"));
    }
    text.truncate(text.trim_end().len());
    if text.is_empty() {
        return Err(io::Error::other("the file is empty"));
    }
    Ok(text)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str(MASK),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Environment(name) => f.debug_tuple("Environment").field(name).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_where_it_is_kept_and_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let in_file = Secret::File(path.clone());
        let missing = in_file.reveal().unwrap_err().to_string();
        assert!(
            missing.starts_with(&format!("the secret in {}: ", path.display())),
            "{missing}"
        );
        for (content, secret) in [("s3cret\n", "s3cret"), (" with space \r\n\n", " with space")] {
            fs::write(&path, content).unwrap();
            assert_eq!(in_file.reveal().unwrap(), secret);
        }
        for content in [String::new(), "\n".to_owned(), "x".repeat(70_000)] {
            fs::write(&path, content).unwrap();
            in_file.reveal().unwrap_err();
        }
        let text = Secret::Text("s3cret".to_owned());
        assert_eq!(text.reveal().unwrap(), "s3cret");
        assert!(!format!("{text:?} {in_file:?}").contains("s3cret"));
        // Cargo sets this one.
        let set = Secret::Environment("CARGO_PKG_NAME".to_owned());
        assert_eq!(set.reveal().unwrap(), "skyrelay");
        let unset = Secret::Environment("SKYRELAY_NO_SUCH_SECRET".to_owned());
        assert_eq!(
            unset.reveal().unwrap_err().to_string(),
            "the environment variable SKYRELAY_NO_SUCH_SECRET is not set"
        );
    }
}
