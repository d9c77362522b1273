//! The result of a restore as text.

use std::fmt;

use stillpoint_server::document::RestoreDocument;
use stillpoint_server::text::{Bytes, Span};

use super::backup::{NOT_OVER, remarks};

/// The result of a restore, for people.
#[derive(Debug)]
pub(crate) struct RestoreText<'a>(pub(crate) &'a RestoreDocument);

impl fmt::Display for RestoreText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        writeln!(f, "restore of {} into {} {}", it.backup_id, it.target, it.state.as_str())?;
        for place in it.resources.iter().filter(|place| *place != it.target.as_str()) {
            writeln!(f, "  at      {place}")?;
        }
        let (files, bytes) = (it.files, it.bytes);
        // What a cloud restores from its own snapshots is counted by nobody.
        let counted = files.restored + files.unchanged + files.skipped + bytes.fetched + bytes.written > 0;
        if counted || it.resources.iter().all(|place| place == it.target.as_str()) {
            writeln!(
                f,
                "  files   {} restored, {} unchanged, {} skipped",
                files.restored, files.unchanged, files.skipped
            )?;
            writeln!(f, "  bytes   {} fetched, {} written", Bytes(bytes.fetched), Bytes(bytes.written))?;
        }
        match it.finished_at {
            Some(end) => write!(f, "  took    {}", Span(end.since(it.started_at)))?,
            None => f.write_str(NOT_OVER)?,
        }
        if let Some(command) = &it.roles_reviewed_by {
            write!(
                f,
                "\n  roles   {} recorded, none granted; review them with: {command}",
                it.roles_not_applied.len()
            )?;
        }
        remarks(f, &it.warnings, &it.issues)
    }
}
