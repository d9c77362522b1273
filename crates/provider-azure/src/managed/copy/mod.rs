//! Copies of snapshots into another resource group or region: the way out of Azure's rule that a disk is made where its
//! snapshot stands.

use serde_json::{Value, json};
use stillpoint_core::{Candidate, CopyJob, Error, ErrorKind, Evidence, OpContext, Result, Tags, Wanted};

use super::AzureProvider;
use super::backup::KEY;
use super::compute::{SNAPSHOTS, Snapshot, Usable};
use super::names::{JobKind, JobName, PointName, made_by};
use super::resource_id::ResourceId;
use super::tags;

/// A copy with everything that its start and the search for it need.
struct Copy {
    token: String,
    original: ResourceId,
    /// The snapshot to be made.
    id: ResourceId,
    region: Option<String>,
    sku: Option<String>,
    tags: Tags,
}

impl Copy {
    fn of(job: &CopyJob) -> Result<Self> {
        let PointName(original) = job.snapshot.id.as_str().parse()?;
        let wanted = Wanted::new(&job.destination, None);
        if let Some(subscription) = wanted.text("subscription")?
            && !subscription.eq_ignore_ascii_case(&original.subscription)
        {
            let message = format!(
                "the snapshot is in subscription {} and Azure copies it within that only, not to {subscription}",
                original.subscription
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).with("subscription", subscription));
        }
        let group = wanted.text("resource_group")?.unwrap_or_else(|| original.group.clone());
        let (provider, kind) = SNAPSHOTS.split_once('/').unwrap_or_default();
        let id = ResourceId::new(&original.subscription, &group, provider, kind, &made_by(&job.key))?;
        Ok(Self {
            token: job.key.token(),
            original,
            region: wanted.text("region")?,
            sku: wanted.text("snapshot_sku")?,
            tags: tags::placed(tags::of_copy(job)?, &id),
            id,
        })
    }

    fn name(&self) -> JobName {
        JobName::new(JobKind::Copy, self.id.clone()).with(KEY, &self.token)
    }

    /// The request, which within a region shares the data and into another one moves it.
    fn body(&self, original: &Snapshot) -> Value {
        let region = self.region.as_deref().unwrap_or(&original.location);
        let plain = |text: &str| text.replace(' ', "").to_lowercase();
        let here = plain(region) == plain(&original.location);
        let option = if here { "Copy" } else { "CopyStart" };
        let mut body = json!({
            "location": region,
            "tags": self.tags,
            "properties": {
                "incremental": original.properties.incremental.unwrap_or(true),
                "creationData": {"createOption": option, "sourceResourceId": self.original.to_string()},
            },
        });
        let access = original.properties.access.clone();
        if let Some(properties) = body["properties"].as_object_mut() {
            properties.extend(if here { access } else { access.elsewhere() }.members());
        }
        if let (Some(sku), Some(body)) = (&self.sku, body.as_object_mut()) {
            body.insert("sku".to_owned(), json!({"name": sku}));
        }
        body
    }

    /// Whether `known` is what this copy makes.
    fn is_ours(&self, known: &Snapshot) -> bool {
        let made_of = &known.properties.creation_data;
        known.tags.get(tags::JOB) == Some(&self.token) && made_of.is_of(&self.original)
    }
}

impl AzureProvider {
    pub(super) async fn start_copy(&self, cx: &OpContext, job: &CopyJob) -> Result<JobName> {
        let copy = Copy::of(job)?;
        let name = copy.name();
        name.of(self.provider_id())?;
        cx.check()?;
        if let Some(known) = Snapshot::known(self.connection(), &copy.id).await? {
            if copy.is_ours(&known) {
                return Ok(name);
            }
            let message = format!("the snapshot {} is there and not this copy; begin another one", copy.id);
            return Err(Error::new(ErrorKind::AlreadyExists, message).with("snapshot", &copy.id));
        }
        let original = Snapshot::get(self.connection(), &copy.original).await?;
        let refused = |kind, what: &str| {
            Err(Error::new(
                kind,
                format!("the snapshot {} is {}; {what}", copy.original, original.in_words()),
            ))
        };
        match original.usable() {
            Usable::Now => {}
            Usable::Never => {
                return refused(ErrorKind::InvalidInput, "it cannot be copied; choose another backup");
            }
            _ => return refused(ErrorKind::Busy, "it cannot be copied yet"),
        }
        let begun = Snapshot::put(self.connection(), &copy.id, &copy.body(&original)).await?;
        self.under_way().keep(&copy.id.to_string(), &begun);
        Ok(name)
    }

    pub(super) async fn find_copy(&self, cx: &OpContext, job: &CopyJob) -> Result<Vec<Candidate>> {
        cx.check()?;
        let copy = Copy::of(job)?;
        let Some(known) = Snapshot::known(self.connection(), &copy.id).await? else { return Ok(Vec::new()) };
        let evidence = if copy.is_ours(&known) { Evidence::Proven } else { Evidence::Foreign };
        Ok(vec![Candidate::new(copy.name().of(self.provider_id())?, evidence)])
    }
}
