//! `stillpoint volume`.

use serde_json::json;
use stillpoint_core::{Error, ErrorKind, OpContext, Result};
use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::managed::blocks::{NewSnapshot, VolumeImage, VolumeImages};
use stillpoint_server::text::Bytes;

use crate::args::{ExportArgs, ImportVolumeArgs, VolumeArgs, VolumeCommand};
use crate::engine;
use crate::exit::{Exit, Outcome};
use crate::session::Session;

/// The kind of a component that is a volume of AWS.
const VOLUME: &str = "ebs";

pub(super) async fn run(session: &Session, args: &VolumeArgs) -> Outcome {
    match &args.command {
        VolumeCommand::Export(args) => export(session, args).await,
        VolumeCommand::List => list(session).await,
        VolumeCommand::Import(args) => import(session, args).await,
    }
}

/// The images in the repository, which is made where it is missing and `makes` says so.
async fn images(session: &Session, region: Option<&str>, makes: bool) -> Result<VolumeImages> {
    let repository = match makes {
        true => session.repository_to_fill().await?.open_or_create().await?,
        false => session.repository().await?,
    };
    Ok(VolumeImages::new(repository, Connection::from_environment(region).await?))
}

async fn export(session: &Session, args: &ExportArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let wanted = |id: &str| args.component.as_deref().is_none_or(|only| only == id);
    let volumes: Vec<_> = backup
        .components
        .iter()
        .filter(|record| record.component.kind == VOLUME && wanted(record.component.id.as_str()))
        .filter_map(|record| Some((record.component.id.clone(), record.snapshot.clone()?)))
        .collect();
    if volumes.is_empty() {
        let message = format!("backup {} has no snapshot of such a volume", backup.id);
        return Err(Error::new(ErrorKind::NotFound, message).into());
    }
    let region = backup.definition.region.as_deref();
    let images = images(session, region, true).await?;
    let mut exported = Vec::new();
    for (component, snapshot) in volumes {
        let done = images.export(&OpContext::background(), &snapshot).await?;
        if !session.output.is_json() {
            let how = if done.known { "was exported before" } else { "exported" };
            session.output.line(format_args!(
                "{}  {component}  {how}, {} blocks read, {} stored",
                done.image.id.short(),
                done.blocks_read,
                Bytes(done.bytes_stored)
            ))?;
        }
        exported.push(json!({
            "component": component,
            "image": done.image.id.to_hex(),
            "snapshot_id": snapshot.id,
            "known": done.known,
            "base": done.base.map(|id| id.to_hex()),
            "blocks_read": done.blocks_read,
            "bytes_stored": done.bytes_stored,
            "size_gib": done.image.header.size_gib,
        }));
    }
    if session.output.is_json() {
        session.output.document(&json!({ "backup_id": backup.id, "volumes": exported }))?;
    }
    Ok(Exit::Done)
}

async fn list(session: &Session) -> Outcome {
    // Nothing is asked of AWS, so any region does.
    let images = images(session, Some("us-east-1"), false).await?.list().await?;
    if session.output.is_json() {
        let listed = images.iter().map(|image| json!({ "image": image.id.to_hex(), "volume": image.header }));
        session.output.document(&json!({ "volumes": listed.collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    for VolumeImage { id, header, .. } in &images {
        session.output.line(format_args!(
            "{}  {}  {}  {} GiB  {}  {}",
            id.short(),
            header.captured_at.as_deref().unwrap_or("-"),
            header.volume.as_deref().unwrap_or("-"),
            header.size_gib,
            header.region,
            header.snapshot
        ))?;
    }
    if images.is_empty() {
        session
            .output
            .line("there is no volume yet; `stillpoint volume export BACKUP` keeps those of a backup")?;
    }
    Ok(Exit::Done)
}

async fn import(session: &Session, args: &ImportVolumeArgs) -> Outcome {
    let repository = session.repository().await?;
    let image = repository.find_snapshot(&args.image).await.map_err(engine::error)?.id;
    let images = VolumeImages::new(repository, Connection::from_environment(Some(&args.region)).await?);
    let mut new = NewSnapshot::new(&args.region, token(args));
    (new.encrypted, new.key) = (args.encrypted.then_some(true), args.kms_key.clone());
    let made = images.import(&OpContext::background(), &image, &new).await?;
    if session.output.is_json() {
        session.output.document(&json!({
            "image": image.to_hex(),
            "region": made.region,
            "snapshot": made.snapshot,
            "size_gib": made.size_gib,
            "blocks": made.blocks,
            "known": made.known,
        }))?;
    } else {
        session.output.line(format_args!(
            "{} is completed in {}; make a volume of it with\n  aws ec2 create-volume --region {} --snapshot-id {} \
             --availability-zone {}a",
            made.snapshot, made.region, made.region, made.snapshot, made.region
        ))?;
    }
    Ok(Exit::Done)
}

/// What makes a repeated request the same one.
fn token(args: &ImportVolumeArgs) -> String {
    let key = args.kms_key.as_deref().unwrap_or_default();
    format!("{}\0{}\0{key}\0{}", args.region, args.encrypted, args.name)
}
