//! Files that are replaced as a whole: the next one is written aside, and takes the name of the one before when the disk has it.
//! And directories that one process has for itself.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

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

/// Opens a file of ours, as `how` says, readable for its owner and group alone where it is made.
pub(crate) fn ours(how: &mut OpenOptions, file: &Path) -> io::Result<File> {
    how.mode(0o640).open(file)
}

/// Can `file` be written to, or be made where it is missing?
///
/// # Errors
/// When it cannot: with the path that is in the way.
pub(crate) fn check_writable(file: &Path) -> io::Result<()> {
    let can_write = |path: &Path| access(path, Access::WRITE_OK).map_err(io::Error::from);
    match can_write(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = directory(file);
            named(directory, can_write(directory))
        }
        other => named(file, other),
    }
}

/// Can `directory` be written to, or be made with what is above it?
///
/// # Errors
/// When it cannot: with the path that is in the way.
pub(crate) fn check_directory(directory: &Path) -> io::Result<()> {
    let there = directory
        .ancestors()
        .find(|above| above.exists())
        .unwrap_or(Path::new("."));
    let outcome = if there.is_dir() {
        access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    };
    named(there, outcome)
}

/// `outcome`, its error with the path that it is about.
pub(crate) fn named<T>(path: &Path, outcome: io::Result<T>) -> io::Result<T> {
    outcome.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Puts `content` in place of `file`, readable for its owner and group. Whatever fails, there is one of the two, whole.
///
/// # Errors
/// When the disk does not take it.
pub(crate) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let aside = beside(file, "tmp");
    let write = || {
        let mut options = OpenOptions::new();
        let mut out = ours(options.write(true).create(true).truncate(true), &aside)?;
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
    let lock = ours(
        options.write(true).create(true).truncate(false),
        &directory.join("lock"),
    )?;
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
    fn what_is_ours_is_nobody_elses() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().mode() & 0o007;
        replace(&folder.path().join("replaced"), b"one").unwrap();
        let _lock = claim(folder.path()).unwrap();
        assert_eq!((mode("replaced"), mode("lock")), (0, 0));
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        check_writable(&path("file")).unwrap();
        check_writable(&path("new")).unwrap();
        check_directory(&path("new/one")).unwrap();
        let says = |outcome: io::Result<()>, part: &str| {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        says(check_writable(&path("none/new")), "/none: No such file");
        says(check_writable(&path("file/new")), "/file/new: ");
        says(check_directory(&path("file/new")), "/file: not a directory");
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
