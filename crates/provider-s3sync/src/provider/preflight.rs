//! What would make a backup of a directory fail.

use std::path::Path;

use rustix::fs::Access;
use stillpoint_core::{Component, Finding, Severity};

use crate::workspace::{CaptureRules, DIRECTORY, mount_of, mounted, root_of};

/// Looks at the directory and at the rules of what is left out.
pub(super) fn look(component: &Component) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut block =
        |check: &str, message: String| findings.push(Finding::new(check, Severity::Blocker, message));
    let path = Path::new(root_of(component));
    if component.kind != DIRECTORY && mount_of(component).is_none() {
        let message = format!(
            "{} is of kind {:?} and has no mount; only directories are backed up here",
            component.id, component.kind
        );
        block("source-kind", message);
    }
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            block("source-exists", format!("the directory {path:?} does not exist"));
        }
        Err(error) => block("source-readable", format!("the directory {path:?} cannot be reached: {error}")),
        Ok(found) if !found.is_dir() => block("source-exists", format!("{path:?} is not a directory")),
        Ok(_) => {
            if let Err(error) = rustix::fs::access(path, Access::READ_OK | Access::EXEC_OK) {
                let error = std::io::Error::from(error);
                block("source-readable", format!("the directory {path:?} cannot be read: {error}"));
            }
        }
    }
    if let Err(error) = mounted::prove(component) {
        block("source-mounted", error.to_string());
    }
    if let Err(error) = CaptureRules::from_settings(&component.settings).and_then(|rules| rules.compile()) {
        block("exclude-rules", error.to_string_chain());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(path: &Path) -> Component {
        let path = path.to_str().unwrap();
        Component::new("files".parse().unwrap(), DIRECTORY, "s3sync".parse().unwrap(), path)
    }

    fn checks(component: &Component) -> Vec<String> {
        look(component).into_iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn each_obstacle_has_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(checks(&component(dir.path())), Vec::<String>::new());
        assert_eq!(checks(&component(&file)), ["source-exists"]);
        assert_eq!(checks(&component(&dir.path().join("absent"))), ["source-exists"]);
        let bad = component(dir.path()).with_setting("excludes", vec!["[z-a]"]);
        assert_eq!(checks(&bad), ["exclude-rules"]);
        let mut other = component(dir.path());
        other.kind = "nfs".into();
        assert_eq!(checks(&other), ["source-kind"]);
        let mut mounted = component(Path::new("nfs.example.com:/export"));
        mounted.kind = "nfs".into();
        let mounted = mounted.with_setting("mount", dir.path().to_str().unwrap());
        assert_eq!(checks(&mounted), Vec::<String>::new());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(checks(&mounted), ["source-mounted"]);
    }
}
