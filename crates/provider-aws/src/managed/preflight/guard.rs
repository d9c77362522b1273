//! What would keep a source from being guarded, or would make AWS refuse a backup because it is.

use stillpoint_core::{BackupId, Component, ErrorKind, Finding, OpContext, OperationId, Result, Tags};

use super::super::AwsProvider;
use super::super::policy::Task;
use super::super::settings::{BackupSettings, Source};
use super::super::tags;
use super::{Subject, blocker, judged, warning};

impl AwsProvider {
    pub(in super::super) async fn check_guard(
        &self,
        _cx: &OpContext,
        component: &Component,
        tags: &Tags,
    ) -> Result<Vec<Finding>> {
        // Whatever is wrong with these, the preflight of the backup says.
        let (Ok(source), Ok(settings)) = (Source::of(component), BackupSettings::of(component)) else {
            return Ok(Vec::new());
        };
        let mut findings = judged("tags", self.guard_room(component, tags).await)?;
        let clients = self.clients(&source.arn.region)?;
        let subject = Subject { clients, component, source, settings };
        match subject.clients.caller().await {
            Ok(caller) => {
                findings.extend(judged("permissions", subject.permissions(&caller, Task::Guard).await)?);
            }
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {}
            Err(error) => return Err(error),
        }
        Ok(findings)
    }

    /// A recovery point carries the resource's tags, those of the guard among them, and ours.
    async fn guard_room(&self, component: &Component, tags: &Tags) -> Result<Vec<Finding>> {
        // Any operation's guard takes as much room.
        let anybody = OperationId::new(BackupId::of(&"guard".parse()?).as_str())?;
        let source = self.guarded_source(component)?;
        let found = match source.tags().await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let change = match source.to_guard(&anybody, tags).await {
            Ok(change) => change,
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Ok(vec![warning("tags", format!("the source cannot be guarded: {error}"))]);
            }
            Err(error) => return Err(error),
        };
        let own = found.keys().filter(|key| !key.starts_with("aws:") && !tags::is_own_key(key)).count();
        let added = change.write.len();
        let message = format!(
            "{} has {own} tags and takes {added} more while it is guarded, all of which AWS copies to the recovery point \
             beside up to {} of ours; it takes {} in all: remove some, or leave its protection out",
            component.resource,
            tags::JOB_TAGS_MAX,
            tags::TAGS_MAX
        );
        Ok(if own + added + tags::MARKS > tags::TAGS_MAX {
            vec![blocker("tags", message)]
        } else if own + added + tags::JOB_TAGS_MAX > tags::TAGS_MAX {
            vec![warning("tags", message)]
        } else {
            Vec::new()
        })
    }
}
