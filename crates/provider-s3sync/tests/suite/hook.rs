//! A directory whose writers are held still by a hook that keeps its state in a file, under the suite of workspaces.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    Consistency, Error, ErrorKind, HoldInfo, OpContext, QuiesceId, QuiesceOptions, Result, Workspace,
};
use stillpoint_provider_s3sync::{DirectoryWorkspace, QuiesceHook};

/// Whether the writers run is a file `writers`; who holds them still, and what was before, a file `hold`.
#[derive(Debug)]
struct FileHook(PathBuf);

impl FileHook {
    fn stored(&self) -> Option<(HoldInfo, String)> {
        let text = fs::read_to_string(self.0.join("hold")).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }
}

#[async_trait]
impl QuiesceHook for FileHook {
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        match self.stored() {
            Some((hold, _)) if hold.id != *id => {
                return Err(Error::new(ErrorKind::Busy, format!("{} holds the writers still", hold.id)));
            }
            Some(_) => {}
            None => {
                let hold = HoldInfo::new(id.clone(), cx.clock().now(), options.budget);
                let prior = fs::read_to_string(self.0.join("writers")).unwrap();
                // What was before is stored before anything is stopped.
                fs::write(self.0.join("hold"), serde_json::to_string(&(hold, prior)).unwrap()).unwrap();
            }
        }
        fs::write(self.0.join("writers"), "stopped").unwrap();
        Ok(Consistency::Application)
    }

    async fn resume(&self, _cx: &OpContext, id: &QuiesceId) -> Result<()> {
        if let Some((_, prior)) = self.stored().filter(|(hold, _)| hold.id == *id) {
            fs::write(self.0.join("writers"), prior).unwrap();
            fs::remove_file(self.0.join("hold")).unwrap();
        }
        Ok(())
    }

    async fn hold(&self, _cx: &OpContext) -> Result<Option<HoldInfo>> {
        Ok(self.stored().map(|(hold, _)| hold))
    }
}

struct Hooked(tempfile::TempDir);

impl Hooked {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        fs::write(dir.path().join("writers"), "running, and one paused by its owner").unwrap();
        Self(dir)
    }
}

#[async_trait]
impl stillpoint_conformance::workspace::Harness for Hooked {
    async fn workspace(&self) -> Result<Arc<dyn Workspace>> {
        let hook = Arc::new(FileHook(self.0.path().to_owned()));
        Ok(Arc::new(DirectoryWorkspace::new(self.0.path().join("home"))?.with_hook(hook)))
    }

    async fn is_held(&self) -> Option<bool> {
        Some(fs::read_to_string(self.0.path().join("writers")).unwrap() == "stopped")
    }

    async fn state(&self) -> Option<String> {
        fs::read_to_string(self.0.path().join("writers")).ok()
    }
}

stillpoint_conformance::workspace_suite! { #[tokio::test] Hooked::new() }
