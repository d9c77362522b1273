//! What the story did and what AWS answered, one JSON document a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use stillpoint_provider_aws::{Exchange, WireJournal};

/// A file that grows line by line.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Mutex<BufWriter<File>>,
    /// The first line that could not be written, where nobody could be told.
    broken: Mutex<Option<io::Error>>,
}

impl Journal {
    /// A new file, or an empty one in the place of what was there.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Mutex::new(BufWriter::new(File::create(path)?)), broken: Mutex::default() })
    }

    /// Writes one line, which is in the file when this returns.
    pub(crate) fn write(&self, line: &Value) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}")?;
        file.flush()
    }

    /// Says whether every line was written.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

impl WireJournal for Journal {
    fn heard(&self, exchange: &Exchange) {
        if let Err(error) = self.write(&json!({ "wire": exchange })) {
            self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}
