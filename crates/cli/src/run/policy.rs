//! `stillpoint policy`.

use serde_json::json;
use stillpoint_core::{Error, ErrorKind, OpContext, Result};
use stillpoint_provider_aws::managed::{PolicyScope, Task, VaultPlace, policy};

use crate::args::PolicyArgs;
use crate::exit::{Exit, Outcome};
use crate::managed::complete;
use crate::session::{Needs, Session};

/// Prints the documents: for whoever runs this program, and for the role of the cloud's backup service. It looks at
/// nothing but the configuration, unless components are found by their tags.
pub(super) async fn run(session: &Session, args: &PolicyArgs) -> Outcome {
    let Some(config) = session.settings.config.managed(&args.workspace) else {
        let message = format!("workspace {:?} is not a managed one of the configuration", args.workspace);
        return Err(Error::new(ErrorKind::NotFound, message).into());
    };
    complete(config)?;
    let finds = !config.discover_tags.is_empty();
    let aws = if finds { session.aws(&Needs::of_managed(config)).await? } else { None };
    let cx = OpContext::background();
    let found = session.managed_workspace(config, aws.as_ref())?.inventory(&cx).await;
    let components = match found {
        // Whoever asks may lack the very permissions that this is about.
        Err(error) if finds => {
            session
                .output
                .note(format_args!("components cannot be found by their tags: {}", error.to_string_chain()));
            session.managed_workspace(config, None)?.inventory(&cx).await?
        }
        found => found?,
    };
    let mut tasks = vec![Task::Preflight, Task::Backup, Task::List, Task::Delete, Task::Restore];
    if finds {
        tasks.push(Task::Discover);
    }
    if args.volumes {
        tasks.extend([Task::Export, Task::Import]);
    }
    if !args.copy_to.is_empty() {
        tasks.push(Task::Copy);
    }
    let scope = PolicyScope::of(&components, tasks)?;
    let scope =
        args.copy_to.iter().try_fold(scope, |scope, place| Ok::<_, Error>(scope.with_vault(vault(place)?)));
    let documents = policy(&scope?);
    session.output.document(&json!({
        "workspace": config.id,
        "caller": documents.caller,
        "role": documents.role,
    }))?;
    Ok(Exit::Done)
}

/// A vault written as `REGION/VAULT`.
fn vault(text: &str) -> Result<VaultPlace> {
    let named = text.split_once('/').filter(|(region, vault)| !region.is_empty() && !vault.is_empty());
    let (region, vault) = named.ok_or_else(|| {
        let message = format!("{text:?} names no vault; write REGION/VAULT, as in eu-west-1/ml-far");
        Error::new(ErrorKind::InvalidInput, message)
    })?;
    Ok(VaultPlace::new(region, vault))
}
