//! A JSON document with one long list, printed as its items arrive, so that memory does not grow with the list.

use serde::Serialize;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result};

use super::Output;

/// A document of some keys and one list that is still open.
#[derive(Debug)]
pub(crate) struct ListDocument<'a> {
    output: &'a Output,
    empty: bool,
}

impl<'a> ListDocument<'a> {
    /// Opens the document `{head…, list: [`.
    pub(crate) fn begin(output: &'a Output, head: &[(&str, Value)], list: &str) -> Result<Self> {
        let mut text = String::from("{\n");
        for (key, value) in head {
            text.push_str(&format!("  {}: {},\n", Value::from(*key), value));
        }
        text.push_str(&format!("  {}: [", Value::from(list)));
        output.write(text.as_bytes())?;
        Ok(Self { output, empty: true })
    }

    /// Adds an item.
    pub(crate) fn push(&mut self, item: &impl Serialize) -> Result<()> {
        let item = serde_json::to_string(item).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "an item cannot be written as JSON").with_source(error)
        })?;
        let comma = if self.empty { "" } else { "," };
        self.empty = false;
        self.output.write(format!("{comma}\n    {item}").as_bytes())
    }

    /// Closes the list and adds `tail` after it.
    pub(crate) fn end(self, tail: &[(&str, Value)]) -> Result<()> {
        let mut text = String::from(if self.empty { "]" } else { "\n  ]" });
        for (key, value) in tail {
            text.push_str(&format!(",\n  {}: {}", Value::from(*key), value));
        }
        text.push_str("\n}\n");
        self.output.write(text.as_bytes())
    }
}
