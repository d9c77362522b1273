//! `stillpoint rebuild`.

use std::collections::BTreeSet;
use std::sync::Arc;

use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Catalog, Component, Error, OpContext, Provider, Rebuilt, Result,
    SnapshotQuery, from_snapshots, rebuild,
};

use crate::exit::{Exit, Outcome, REPOSITORY};
use crate::managed::{AWS, AZURE, Clouds};
use crate::session::{Needs, Session};

/// Catalogues every backup whose record lies beside the data, and every backup that the marks on a cloud's recovery
/// points tell of; reports where catalog and data disagree. Nothing is removed.
pub(super) async fn run(session: &Session) -> Outcome {
    let catalog = session.catalog().await?;
    let needs = session.settings.config.all_managed().map(Needs::of_managed);
    let needs = needs.fold(Needs::default(), Needs::and);
    let mut report = match from_store(session, catalog.as_ref()).await {
        // Who has managed workspaces only need have no repository.
        Err(error) if (needs.aws || needs.azure) && error.context(REPOSITORY) == Some("missing") => {
            Rebuilt::default()
        }
        found => found?,
    };
    if needs.aws || needs.azure {
        let found = from_clouds(session, &catalog, &needs).await?;
        report.added.extend(found.added);
        report.same += found.same;
        report.missing_in_store.extend(found.missing_in_store);
        report.damaged.extend(found.damaged);
    }
    let agree = report.differing.is_empty()
        && report.missing_in_store.is_empty()
        && report.damaged.is_empty()
        && report.damaged_records.is_empty();
    if session.output.is_json() {
        session.output.document(&report)?;
    } else {
        text(session, &report)?;
    }
    Ok(if agree { Exit::Done } else { Exit::Partial })
}

async fn from_store(session: &Session, catalog: &dyn Catalog) -> Result<Rebuilt> {
    let provider = session.provider().await?;
    let records = provider.records(&OpContext::background()).await?;
    let rebuilt = rebuild(catalog, &records.readable, Some(provider.id())).await?;
    Ok(rebuilt.with_damaged_records(records.damaged))
}

/// What the tags of recovery points tell of. They say less than a record, so what is catalogued already is left as it is.
async fn from_clouds(session: &Session, catalog: &Arc<dyn Catalog>, needs: &Needs) -> Result<Rebuilt> {
    let cx = OpContext::background();
    let mut found = Vec::new();
    for provider in session.clouds(needs).await?.own() {
        found.extend(from_snapshots(&provider.snapshots(&cx, &SnapshotQuery::all()).await?));
    }
    let (mut new, mut same) = (Vec::new(), 0);
    for mut record in found.iter().cloned() {
        if catalog.backup(&record.id).await?.is_some() {
            same += 1;
            continue;
        }
        complete(session, &cx, &mut record).await?;
        new.push(record);
    }
    let mut report = rebuild(catalog.as_ref(), &new, None).await?;
    report.same += same;
    report.missing_in_store = missing(session, catalog.as_ref(), &found).await?;
    Ok(report)
}

/// Adds what the configuration knows of the workspace and its components.
async fn complete(session: &Session, cx: &OpContext, record: &mut BackupRecord) -> Result<()> {
    let Some(config) = session.settings.config.managed(record.workspace.as_str()) else { return Ok(()) };
    let workspace = session.managed_workspace(config, &Clouds::default())?;
    record.definition = workspace.definition(cx).await?;
    // A component that cannot be backed up any more is no reason to leave what was backed up uncatalogued.
    let inventory: Vec<Component> = workspace.inventory(cx).await.unwrap_or_else(|error: Error| {
        tracing::warn!(workspace = %record.workspace, %error, "its components cannot be listed");
        Vec::new()
    });
    for component in &mut record.components {
        let known = inventory.iter().find(|known| known.id == component.component.id);
        if let Some(known) = known.filter(|known| known.provider == component.component.provider) {
            component.component = known.clone();
        }
    }
    Ok(())
}

/// Catalogued backups of configured workspaces of which no recovery point is left.
async fn missing(session: &Session, catalog: &dyn Catalog, found: &[BackupRecord]) -> Result<Vec<BackupId>> {
    let there: BTreeSet<_> = found.iter().map(|record| &record.id).collect();
    let (mut missing, mut query) = (Vec::new(), BackupQuery::all());
    loop {
        let page = catalog.backups(&query).await?;
        for backup in page.items.into_iter().map(|stored| stored.backup) {
            let looked_for = session.settings.config.managed(backup.workspace.as_str()).is_some();
            let mut snapshots = backup.components.iter().filter_map(|record| record.snapshot.as_ref());
            let kept = snapshots.any(|snapshot| [AWS, AZURE].contains(&snapshot.provider.as_str()));
            if looked_for && kept && !there.contains(&backup.id) {
                missing.push(backup.id);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(missing),
        }
    }
}

fn text(session: &Session, report: &Rebuilt) -> Result<()> {
    let output = &session.output;
    let (added, same) = (report.added.len(), report.same);
    output.line(format_args!("{added} backups added to the catalog, {same} were there already"))?;
    for id in &report.differing {
        output.line(format_args!("{id}: the catalog and the store describe it differently"))?;
    }
    for row in &report.damaged {
        output.line(format_args!(
            "{}: the catalog's row cannot be read and is left: {}",
            row.id, row.error.message
        ))?;
    }
    for record in &report.damaged_records {
        output.line(format_args!(
            "{}: this record cannot be read: {}; where the catalog has its backup, `stillpoint reconcile --write-records` writes it anew",
            record.object, record.error.message
        ))?;
    }
    for id in &report.missing_in_store {
        output.line(format_args!("{id}: the catalog knows it but the store has no record of it"))?;
    }
    Ok(())
}
