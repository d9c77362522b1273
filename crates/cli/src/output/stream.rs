//! A JSON document with one long list, printed as its items arrive, so that memory does not grow with the list.

use serde::Serialize;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result};

use super::Output;
use crate::exit::{Exit, Failure, Outcome};

/// A document of some keys and one list that is still open. Nothing is printed before the first item, so that what fails
/// before is an error and not half a document.
#[derive(Debug)]
pub(crate) struct ListDocument<'a> {
    output: &'a Output,
    /// What comes before the first item, until it is printed.
    head: Option<String>,
    empty: bool,
}

impl<'a> ListDocument<'a> {
    /// Opens the document `{head…, list: [`.
    pub(crate) fn begin(output: &'a Output, head: &[(&str, Value)], list: &str) -> Self {
        let mut text = String::from("{\n");
        for (key, value) in head {
            text.push_str(&format!("  {}: {},\n", Value::from(*key), value));
        }
        text.push_str(&format!("  {}: [", Value::from(list)));
        Self { output, head: Some(text), empty: true }
    }

    /// Adds an item.
    pub(crate) fn push(&mut self, item: &impl Serialize) -> Result<()> {
        let item = serde_json::to_string(item).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "an item cannot be written as JSON").with_source(error)
        })?;
        let comma = if self.empty { "" } else { "," };
        self.empty = false;
        let head = self.head.take().unwrap_or_default();
        self.output.write(format!("{head}{comma}\n    {item}").as_bytes())
    }

    /// Closes the list and adds `tail` after it.
    pub(crate) fn end(self, tail: &[(&str, Value)]) -> Result<()> {
        let mut text = self.head.unwrap_or_default();
        text.push_str(if self.empty { "]" } else { "\n  ]" });
        for (key, value) in tail {
            text.push_str(&format!(",\n  {}: {}", Value::from(*key), value));
        }
        text.push_str("\n}\n");
        self.output.write(text.as_bytes())
    }

    /// Closes the list as `ended` says: a failure that comes after the first item is the document's last key.
    ///
    /// # Errors
    /// A failure before the first item, of which nothing was printed.
    pub(crate) fn end_as(self, ended: std::result::Result<(), Failure>, tail: &[(&str, Value)]) -> Outcome {
        let failure = match ended {
            Ok(()) => {
                self.end(tail)?;
                return Ok(Exit::Done);
            }
            Err(failure) if self.head.is_some() => return Err(failure),
            Err(failure) => failure,
        };
        let error = serde_json::to_value(failure.document().error).ok().map(|error| ("error", error));
        let output = self.output;
        self.end(&tail.iter().cloned().chain(error).collect::<Vec<_>>())?;
        output.note(format_args!("error: {failure}"));
        Ok(failure.exit())
    }
}
