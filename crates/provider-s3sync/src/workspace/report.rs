//! The rules of one capture and what they left out, whatever the layout.

use std::path::Path;

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_localfs::{RuleOrigin, RuleReport, Rules};

use super::{CaptureRules, pattern_of};

/// The compiled rules, without what lies at `store` below the source.
pub(crate) fn compile_around(rules: &CaptureRules, store: Option<&str>) -> Result<Rules> {
    let mut compiled = rules.compile()?;
    if let Some(relative) = store {
        compiled
            .add(&pattern_of(relative))
            .map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error))?;
    }
    Ok(compiled)
}

/// Where the store lies inside the directory that is backed up: it would grow by itself for ever.
pub(crate) fn inside(root: &Path, store: &Path) -> Option<String> {
    let store = store.canonicalize().ok()?;
    let relative = store.strip_prefix(root).ok()?;
    relative.to_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// One sentence on what a rule left out; `None` where it left out nothing.
pub(crate) fn left_out(report: &RuleReport) -> Option<String> {
    let (files, directories) = (report.files, report.directories);
    if files == 0 && directories == 0 {
        return None;
    }
    let what = format!("{files} files and {directories} directories with {} bytes", report.bytes);
    Some(match &report.origin {
        RuleOrigin::OneFileSystem => {
            format!("{directories} mount points of other file systems are stored as empty directories")
        }
        RuleOrigin::Preset(preset) => format!("{what} left out by the preset {preset}: {}", report.pattern),
        RuleOrigin::File { path, line } => {
            format!("{what} left out by {:?} ({path:?}, line {line})", report.pattern)
        }
        _ => format!("{what} left out by {:?}", report.pattern),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_inside_its_source_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("deep/store")).unwrap();
        assert_eq!(inside(&root, &root.join("deep/store")).as_deref(), Some("deep/store"));
        assert_eq!(inside(&root, &root.join("absent")), None);
        assert_eq!(inside(&root.join("deep"), &root), None);
    }
}
