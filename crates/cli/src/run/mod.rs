//! What each command does. One file per command; what several need is in `crate::session`, `drive` and `configured`.

mod agent;
pub(crate) mod backup;
pub(crate) mod cancel;
mod check;
mod claim;
mod configured;
pub(crate) mod copy;
mod delete;
mod demo;
mod diff;
mod drive;
mod files;
pub(crate) mod forget;
pub(crate) mod hold;
mod import;
mod key;
pub(crate) mod list;
mod operations;
mod policy;
pub(crate) mod preflight;
mod prune;
mod rebuild;
mod reconcile;
mod repair;
mod restore;
pub(crate) mod resume;
pub(crate) mod roles;
pub(crate) mod schedule;
mod serve;
pub(crate) mod show;
pub(crate) mod token;
mod unlock;
mod verify;
mod volume;
mod watch;

use crate::args::{Cli, Command};
use crate::exit::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::settings::Settings;

/// Runs a command to its end.
///
/// # Errors
/// Whatever stops it from having a result.
pub(crate) async fn run(cli: Cli, output: Output) -> Outcome {
    if let Command::Demo(args) = &cli.command {
        return demo::run(&output, args).await;
    }
    if let Some(server) = &cli.global.server {
        return crate::remote::run(server, &cli.global, cli.command, output).await;
    }
    let session = Session::new(Settings::resolve(&cli.global)?, output);
    match &cli.command {
        Command::Agent(args) => agent::run(session, args).await,
        Command::Demo(args) => demo::run(&session.output, args).await,
        Command::Serve(args) => serve::run(session, args).await,
        Command::Token(args) => token::run(&session, args).await,
        Command::Backup(args) => backup::run(&session, args).await,
        Command::Restore(args) => restore::run(&session, args).await,
        Command::Copy(args) => copy::run(&session, args).await,
        Command::List(args) => list::run(&session, args).await,
        Command::Show(args) => show::run(&session, args).await,
        Command::Files(args) => files::run(&session, args).await,
        Command::Diff(args) => diff::run(&session, args).await,
        Command::Hold(args) => hold::run(&session, args).await,
        Command::Delete(args) => delete::run(&session, args).await,
        Command::Forget(args) => forget::run(&session, args).await,
        Command::Prune(args) => prune::run(&session, args).await,
        Command::Repair(args) => repair::run(&session, args).await,
        Command::Unlock(args) => unlock::run(&session, args).await,
        Command::Key(args) => key::run(&session, args).await,
        Command::Check(args) => check::run(&session, args).await,
        Command::Verify(args) => verify::run(&session, args).await,
        Command::Import(args) => import::run(&session, args).await,
        Command::Reconcile(args) => reconcile::run(&session, args).await,
        Command::Rebuild => rebuild::run(&session).await,
        Command::Operations(args) => operations::run(&session, args).await,
        Command::Resume(args) => resume::run(&session, args).await,
        Command::Cancel(args) => cancel::run(&session, args).await,
        Command::Schedule(args) => schedule::run(&session, args).await,
        Command::Preflight(args) => preflight::run(&session, args).await,
        Command::Policy(args) => policy::run(&session, args).await,
        Command::Watch(args) => watch::run(&session, args).await,
        Command::Volume(args) => volume::run(&session, args).await,
    }
}
