//! Components found by their tags.

use std::collections::BTreeMap;

use aws_sdk_resourcegroupstagging::types::TagFilter;
use stillpoint_core::{Component, Error, ErrorKind, OpContext, Result, Tags};

use super::AwsProvider;
use super::arn::Arn;
use super::clients::Clients;
use super::ec2::Filters;
use super::pages::pages;
use super::refusal::unread;

/// Entries on one page of the index.
const PAGE_ITEMS: i32 = 100;
/// What is looked for in the index.
const RESOURCE_TYPES: [&str; 2] = ["ec2:volume", "elasticfilesystem:file-system"];
/// The states in which a resource is on its way out, or never came to be.
const GONE: [&str; 3] = ["deleting", "deleted", "error"];

impl AwsProvider {
    /// The volumes and file systems of `region` that carry all of `tags`, as components of this provider without
    /// settings, named by their own ids and in their order.
    ///
    /// The index of tags shows changes late, and what once was tagged for long; so everything is taken from what EC2 and
    /// EFS themselves say now, and what the index has beyond that is looked at once more. Nothing is changed, and a
    /// repeat is safe.
    ///
    /// ```no_run
    /// use stillpoint_core::{OpContext, Result, Tags};
    /// use stillpoint_provider_aws::Connection;
    /// use stillpoint_provider_aws::managed::AwsProvider;
    ///
    /// # async fn components() -> Result<()> {
    /// let connection = Connection::from_environment(Some("us-west-2")).await?;
    /// let provider = AwsProvider::new("aws".parse()?, connection, []);
    /// let tags = Tags::from([("ml-workspace".to_owned(), "ml-prod".to_owned())]);
    /// for component in provider.discover(&OpContext::background(), "us-west-2", &tags).await? {
    ///     println!("{} {}", component.kind, component.resource);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` without any tag, which would be everything; whatever listing can meet: a list that may be incomplete
    /// is an error.
    pub async fn discover(&self, cx: &OpContext, region: &str, tags: &Tags) -> Result<Vec<Component>> {
        if tags.is_empty() {
            let message = "components are found by at least one tag; name it";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let clients = self.clients(region)?;
        let home: Arn = clients.caller().await?.arn.parse()?;
        let own = Arn { region: region.to_owned(), ..home };
        let mut found = described(&clients, &own, tags).await?;
        for arn in indexed(&clients, tags).await? {
            cx.check()?;
            let known = found.contains_key(&arn);
            if !known && let Some(kind) = confirmed(&clients, &arn, tags).await? {
                found.insert(arn, kind);
            }
        }
        let component = |(arn, kind): (String, &'static str)| {
            let id = arn.rsplit('/').next().unwrap_or_default().parse()?;
            Ok(Component::new(id, kind, self.provider_id().clone(), arn))
        };
        found.into_iter().map(component).collect()
    }
}

/// What EC2 and EFS themselves say: kinds by resource.
async fn described(clients: &Clients, own: &Arn, tags: &Tags) -> Result<BTreeMap<String, &'static str>> {
    let filters = tags.iter().fold(Filters::new(), |filters, (key, value)| filters.tag(key, value));
    let volumes = clients.ec2().volumes(&filters).await?.into_iter();
    let volumes = volumes.filter(|volume| !GONE.contains(&volume.state.as_str()));
    let volumes =
        volumes.map(|volume| (own.sibling("ec2", format!("volume/{}", volume.id)).to_string(), "ebs"));
    let systems = clients.file_systems().await?;
    let systems = systems.iter().filter(|system| !GONE.contains(&system.life_cycle_state.as_str()));
    let systems = systems.filter(|system| {
        let its = system.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
        carries(&its.collect(), tags)
    });
    let systems = systems.map(|system| {
        let name = format!("file-system/{}", system.file_system_id());
        (own.sibling("elasticfilesystem", name).to_string(), "efs")
    });
    Ok(volumes.chain(systems).collect())
}

/// What the index of tags has.
async fn indexed(clients: &Clients, tags: &Tags) -> Result<Vec<String>> {
    let filter = |(key, value): (&String, &String)| TagFilter::builder().key(key).values(value).build();
    let filters: Vec<_> = tags.iter().map(filter).collect();
    let types: Vec<_> = RESOURCE_TYPES.map(str::to_owned).into();
    let listed = pages("GetResources", async |token| {
        let call = clients.tagging.get_resources().set_pagination_token(token).resources_per_page(PAGE_ITEMS);
        let call = call.set_tag_filters(Some(filters.clone())).set_resource_type_filters(Some(types.clone()));
        let answer = call.send().await.map_err(unread("GetResources"))?;
        Ok((answer.resource_tag_mapping_list.unwrap_or_default(), answer.pagination_token))
    });
    Ok(listed.await?.into_iter().filter_map(|resource| resource.resource_arn).collect())
}

/// The kind of a resource that the index names, where it is there and still carries the tags.
async fn confirmed(clients: &Clients, arn: &str, tags: &Tags) -> Result<Option<&'static str>> {
    let named: Arn = arn.parse()?;
    let told = match (named.service.as_str(), named.resource_type()) {
        ("ec2", "volume") => {
            let volume = clients.ec2().volume(named.resource_id()).await;
            volume.map(|volume| ("ebs", volume.state, volume.tags))
        }
        ("elasticfilesystem", "file-system") => {
            let system = clients.file_system(named.resource_id()).await;
            system.map(|system| {
                let its = system.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
                ("efs", system.life_cycle_state.as_str().to_owned(), its.collect())
            })
        }
        _ => return Ok(None),
    };
    match told {
        Ok((kind, state, its)) => {
            Ok((!GONE.contains(&state.as_str()) && carries(&its, tags)).then_some(kind))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn carries(its: &Tags, wanted: &Tags) -> bool {
    wanted.iter().all(|(key, value)| its.get(key) == Some(value))
}
