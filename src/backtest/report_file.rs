//! The file that a report is written to.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use super::{BacktestError, Summary, gallery::Gallery, page::Report};

/// Where a report goes, and what it says of whom.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    file: File,
}

impl ReportFile {
    /// Creates the file, so that it is known before the work begins that it can be.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn create(path: &Path) -> Result<Self, BacktestError> {
        let unwritable = |error| BacktestError::Report {
            path: path.display().to_string(),
            error,
        };
        Ok(Self {
            path: path.to_owned(),
            file: File::create(path).map_err(unwritable)?,
        })
    }

    pub(super) fn write(
        &mut self,
        names: &[String],
        summaries: &[Summary],
        anomalous: usize,
        gallery: &Gallery,
    ) -> Result<(), BacktestError> {
        let report = Report {
            names,
            summaries,
            anomalous,
            gallery,
        };
        let written = self.file.write_all(report.html().as_bytes());
        written.map_err(|error| BacktestError::Report {
            path: self.path.display().to_string(),
            error,
        })
    }
}
