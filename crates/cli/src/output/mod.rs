//! Everything that is printed. Results go to standard output, everything else to standard error.

pub(crate) mod backup;
pub(crate) mod operation;
pub(crate) mod preview;
pub(crate) mod progress;
pub(crate) mod restore;
pub(crate) mod retention;
pub(crate) mod stream;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;
use serde::Serialize;
use stillpoint_core::{DamagedRow, Error, ErrorKind, Result};

/// The word that JSON has for a unit value, for text.
pub(crate) fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A text as a terminal may have it: what was stored somewhere, by whomever, must not make it do anything.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let kept = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(kept) {
        return text.into();
    }
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, c| {
            if kept(c) {
                shown.push(c);
            } else {
                shown.extend(c.escape_default());
            }
            shown
        })
        .into()
}

/// Where results and messages go. Control characters are shown as escapes in lines and messages; documents have their own.
///
/// A reader that closed standard output early (`stillpoint list | head`) is no error: what it no longer wants is
/// dropped, and the run ends as it would have.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    tells_steps: bool,
    closed: Mutex<bool>,
    bars: Option<MultiProgress>,
}

impl Output {
    /// Output as text, or as one JSON document.
    pub(crate) fn new(json: bool) -> Self {
        let bars = io::stderr().is_terminal().then(MultiProgress::new);
        Self { json, tells_steps: true, closed: Mutex::new(false), bars }
    }

    /// The same without plain lines about steps and progress; bars on a terminal stay.
    #[must_use]
    pub(crate) fn without_steps(mut self) -> Self {
        self.tells_steps = false;
        self
    }

    /// Whether steps and progress are told in plain lines where there is no terminal.
    pub(crate) fn tells_steps(&self) -> bool {
        self.tells_steps
    }

    /// Whether the result is one JSON document.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The bars on the terminal; `None` where standard error is none.
    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Prints a line of the result.
    ///
    /// # Errors
    /// When standard output cannot be written, as on a full disk.
    pub(crate) fn line(&self, text: impl fmt::Display) -> Result<()> {
        self.write(format!("{}\n", shown(&text.to_string())).as_bytes())
    }

    /// Prints a whole JSON document.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(document).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the result cannot be written as JSON").with_source(error)
        })?;
        text.push(b'\n');
        self.write(&text)
    }

    /// Prints bytes of the result as they are.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Ok(());
        }
        let print = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        };
        let written = self.bars.as_ref().map_or_else(print, |bars| bars.suspend(print));
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                *closed = true;
                Ok(())
            }
            Err(error) => {
                let kind = match error.kind() {
                    io::ErrorKind::StorageFull => ErrorKind::QuotaExceeded,
                    _ => ErrorKind::Unavailable,
                };
                Err(Error::new(kind, "standard output cannot be written").with_source(error))
            }
            Ok(()) => Ok(()),
        }
    }

    /// Names the rows of the catalog that cannot be read and are missing in what is shown. `what` is what they are of.
    pub(crate) fn note_damaged(&self, what: &str, rows: &[DamagedRow]) {
        for row in rows {
            self.note(format_args!("warning: {what} {} is left out: {}", row.id, row.error));
        }
    }

    /// Prints a message for the person at the terminal. A closed standard error is not worth failing for.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        let text = format!("{}\n", shown(&text.to_string()));
        let print = || io::stderr().lock().write_all(text.as_bytes());
        let _unheard = self.bars.as_ref().map_or_else(print, |bars| bars.suspend(print)).is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_makes_a_terminal_do_anything() {
        let named = "\u{1b}[31mred\u{1b}]0;pwn\u{7}\r\u{9b}x";
        assert_eq!(shown(named), "\\u{1b}[31mred\\u{1b}]0;pwn\\u{7}\\r\\u{9b}x");
        assert_eq!(shown("Stück\tzwei\nfolgt"), "Stück\tzwei\nfolgt");
    }
}
