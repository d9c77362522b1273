//! A snapshot whose start was not answered, found by its name.

use stillpoint_core::{BackupJob, Candidate, Evidence, OpContext, Result};

use super::super::AzureProvider;
use super::super::compute::Snapshot;
use super::super::settings::Source;
use super::super::tags;
use super::start::name;

impl AzureProvider {
    pub(in super::super) async fn find_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
    ) -> Result<Vec<Candidate>> {
        cx.check()?;
        let source = Source::of(&job.component)?;
        let id = source.snapshot(&job.key)?;
        let Some(known) = Snapshot::known(self.connection(), &id).await? else { return Ok(Vec::new()) };
        let made_of = &known.properties.creation_data;
        let token = job.key.token();
        let ours = known.tags.get(tags::JOB) == Some(&token) && made_of.is_of(&source.id);
        let unique = made_of.source_unique_id.clone().unwrap_or_default();
        let evidence = if ours { Evidence::Proven } else { Evidence::Foreign };
        Ok(vec![Candidate::new(name(&id, &token, &unique).of(self.provider_id())?, evidence)])
    }
}
