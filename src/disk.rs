//! Files that are replaced as a whole: the next one is written aside, and takes the name of the one before when the disk has it.
//! And directories that one process has for itself.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The path of `file` with `.ending` behind it.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// The directory that `file` is in.
pub(crate) fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Puts `content` in place of `file`, readable for its owner and group. Whatever fails, there is one of the two, whole.
///
/// # Errors
/// When the disk does not take it.
pub(crate) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let aside = beside(file, "tmp");
    let write = || {
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&aside)?;
        out.write_all(content)?;
        out.sync_all()?;
        fs::rename(&aside, file)?;
        File::open(directory(file))?.sync_all()
    };
    write().inspect_err(|_| {
        // What stays is overwritten by the next one.
        let _ = fs::remove_file(&aside);
    })
}

/// Makes `directory` where it is missing, and takes it: it is ours until the file is closed, or the process ends however it
/// ends. `None`: another process has it.
///
/// # Errors
/// When it cannot be made, or not be written to.
pub(crate) fn claim(directory: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(directory)?;
    let mut options = OpenOptions::new();
    let lock = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/b");
        let lock = claim(&directory).unwrap().unwrap();
        assert!(claim(&directory).unwrap().is_none());
        drop(lock);
        assert!(claim(&directory).unwrap().is_some());
        fs::write(folder.path().join("c"), "").unwrap();
        claim(&folder.path().join("c/d")).unwrap_err();
    }

    #[test]
    fn a_file_is_replaced_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        // Something is in the way of what is written aside.
        fs::create_dir(beside(&file, "tmp")).unwrap();
        replace(&file, b"three").unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), b"two");
    }
}
