//! The file that a conversation is recorded to.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::Arc,
};

use sockless::recording::Recorder;

use crate::exit::Failure;

/// A file to record to.
#[derive(Clone)]
pub(crate) struct Recording {
    file: Arc<File>,
    redact: bool,
}

impl Recording {
    /// Opens the file, or makes it. What it contains stays.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &Path, redact: bool) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| Failure::usage(format!("cannot record to {}: {error}", path.display())))?;
        Ok(Self {
            file: Arc::new(file),
            redact,
        })
    }

    /// Returns a recorder. It replaces what the file contains, so it is made only when there is
    /// something to record: the transport is connected, with TLS if the URL says so.
    pub(crate) fn recorder(&self) -> Recorder {
        // A pipe cannot be truncated, and need not be.
        let _result = self.file.set_len(0);
        let file = Arc::clone(&self.file);
        // What cannot be written is missing at the end.
        Recorder::new(move |lines| _ = (&*file).write_all(lines.as_bytes())).redact(self.redact)
    }
}
