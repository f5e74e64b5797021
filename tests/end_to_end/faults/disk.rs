//! A disk that is soon full.

use std::{path::Path, process::Command};
use tempfile::TempDir;

/// A file system in memory, of a size of its own. Dropping it unmounts it.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `Err` where mounting is not permitted.
    pub(crate) fn mount(bytes: u64) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]);
        let output = mount
            .arg(directory.path())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(Self(directory))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while the relay is still about to end.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
