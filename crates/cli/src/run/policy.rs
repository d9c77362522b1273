//! `stillpoint policy`.

use serde_json::{Value, json};
use stillpoint_core::{Component, Error, ErrorKind, OpContext, Result};
use stillpoint_provider_aws::managed as aws;
use stillpoint_provider_azure::managed as azure;

use crate::args::PolicyArgs;
use crate::exit::{Exit, Outcome};
use crate::managed::{AZURE, Clouds, complete};
use crate::session::{Needs, Session};
use crate::settings::{ConfiguredComponent, ManagedConfig};

/// Prints the documents: for whoever runs this program, and for the role of the cloud's backup service. It looks at
/// nothing but the configuration, unless components are found by their tags, or only the cloud knows a volume's subnet.
pub(super) async fn run(session: &Session, args: &PolicyArgs) -> Outcome {
    let Some(config) = session.settings.config.managed(&args.workspace) else {
        let message = format!("workspace {:?} is not a managed one of the configuration", args.workspace);
        return Err(Error::new(ErrorKind::NotFound, message).into());
    };
    complete(config)?;
    let finds = !config.discover_tags.is_empty();
    let looks = finds || config.components.iter().any(ConfiguredComponent::hides_its_subnet);
    let clouds = if looks { session.clouds(&Needs::of_managed(config)).await? } else { Clouds::default() };
    let cx = OpContext::background();
    let found = session.managed_workspace(config, &clouds)?.inventory(&cx).await;
    let components = match found {
        // Whoever asks may lack the very permissions that this is about.
        Err(error) if looks => {
            let what =
                if finds { "components cannot be found by their tags" } else { "subnets are not known" };
            session.output.note(format_args!("{what}: {}", error.to_string_chain()));
            session.managed_workspace(config, &Clouds::default())?.inventory(&cx).await?
        }
        found => found?,
    };
    let documents = if config.provider == AZURE {
        roles_of_azure(config, args, &components, finds)?
    } else {
        policies_of_aws(config, args, &components, finds)?
    };
    session.output.document(&documents)?;
    Ok(Exit::Done)
}

fn policies_of_aws(
    config: &ManagedConfig,
    args: &PolicyArgs,
    components: &[Component],
    finds: bool,
) -> Result<Value> {
    use aws::Task;
    let mut tasks = vec![Task::Preflight, Task::Backup, Task::List, Task::Delete, Task::Restore];
    tasks.extend(finds.then_some(Task::Discover));
    tasks.extend(config.protect_sources.then_some(Task::Guard));
    if args.volumes {
        tasks.extend([Task::Export, Task::Import]);
    }
    if !args.copy_to.is_empty() {
        tasks.push(Task::Copy);
    }
    let mut scope = aws::PolicyScope::of(components, tasks)?;
    for place in &args.copy_to {
        let place = vault(place)?;
        scope = if args.create_vault {
            scope.with_new_vault(place, args.vault_kms_key.clone())
        } else {
            scope.with_vault(place)
        };
    }
    let documents = aws::policy(&scope);
    Ok(json!({ "workspace": config.id, "caller": documents.caller, "role": documents.role }))
}

/// A vault written as `REGION/VAULT`.
fn vault(text: &str) -> Result<aws::VaultPlace> {
    let named = text.split_once('/').filter(|(region, vault)| !region.is_empty() && !vault.is_empty());
    let (region, vault) = named.ok_or_else(|| {
        let message = format!("{text:?} names no vault; write REGION/VAULT, as in eu-west-1/ml-far");
        Error::new(ErrorKind::InvalidInput, message)
    })?;
    Ok(aws::VaultPlace::new(region, vault))
}

fn roles_of_azure(
    config: &ManagedConfig,
    args: &PolicyArgs,
    components: &[Component],
    finds: bool,
) -> Result<Value> {
    use azure::Task;
    if args.volumes {
        let message = "images of volumes are read from AWS only; leave --volumes out";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let mut tasks = vec![Task::Preflight, Task::Backup, Task::List, Task::Delete, Task::Restore];
    tasks.extend(finds.then_some(Task::Discover));
    tasks.extend((!args.copy_to.is_empty()).then_some(Task::Copy));
    tasks.extend(config.protect_sources.then_some(Task::Guard));
    let mut scope = azure::PolicyScope::of(components, tasks)?;
    // A copy goes to a resource group, which `REGION/GROUP` names.
    let copies = args.copy_to.iter().map(|place| place.rsplit('/').next().unwrap_or(place));
    for group in config.resource_group.as_deref().into_iter().chain(copies) {
        scope = scope.with_group(&azure::GroupPlace::new(config.owner(), group));
    }
    let mut documents = serde_json::to_value(azure::policy(&scope)).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "the roles cannot be written").with_source(error)
    })?;
    documents["workspace"] = json!(config.id);
    Ok(documents)
}
