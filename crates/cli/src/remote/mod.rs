//! Commands with `--server`: the same documents, from a server instead of from here.

mod client;
mod follow;
mod forget;
mod look;
mod manage;
mod work;

use crate::args::{
    Command, CopyArgs, DeleteArgs, FilesArgs, ForgetArgs, GlobalArgs, HoldArgs, ListArgs, RestoreArgs,
    ShowArgs, VerifyArgs,
};
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::session::{meant, within};
use crate::settings::ServerUrl;
use client::Client;

/// Runs a command against the server at `url`.
///
/// # Errors
/// Whatever stops it from having a result; a command that works on this machine alone, or a setting of this machine, is a
/// wrong command line.
pub(crate) async fn run(
    url: &ServerUrl,
    global: &GlobalArgs,
    mut command: Command,
    output: Output,
) -> Outcome {
    if let Some(flag) = global.of_this_machine.first() {
        return Err(Failure::usage(format!(
            "{flag} is for work on this machine; with --server leave it out"
        )));
    }
    if let Some((user, space)) = global.user.as_ref().zip(global.space.as_ref()) {
        narrow(&mut command, &format!("{user}/{space}"))?;
    }
    let client = Client::new(url)?;
    let (client, output) = (&client, &output);
    match &command {
        Command::List(args) => look::list(client, output, args).await,
        Command::Show(args) => look::show(client, output, args).await,
        Command::Files(args) => look::files(client, output, args).await,
        Command::Operations(args) => look::operations(client, output, args).await,
        Command::Preflight(args) => look::preflight(client, output, args).await,
        Command::Backup(args) => work::backup(client, output, args).await,
        Command::Restore(args) => work::restore(client, output, args).await,
        Command::Copy(args) => work::copy(client, output, args).await,
        Command::Hold(args) => manage::hold(client, output, args).await,
        Command::Delete(args) => work::delete(client, output, args).await,
        Command::Verify(args) => work::verify(client, output, args).await,
        Command::Forget(args) => forget::run(client, output, args).await,
        Command::Cancel(args) => work::cancel(client, output, args).await,
        Command::Watch(args) => work::watch(client, output, args).await,
        Command::Resume(args) => work::resume(client, output, args).await,
        Command::Schedule(args) => manage::schedule(client, output, args).await,
        Command::Token(args) => manage::token(client, output, args).await,
        _ => Err(Failure::usage("this command works on this machine; leave --server out")),
    }
}

/// Narrows a command to the workspace that a user's space is, as it is narrowed on this machine.
fn narrow(command: &mut Command, space: &str) -> Result<(), Failure> {
    match command {
        Command::List(ListArgs { workspace, .. }) | Command::Forget(ForgetArgs { workspace, .. }) => {
            *workspace = meant(workspace.as_deref(), Some(space.to_owned()))?;
        }
        Command::Show(ShowArgs { backup, .. })
        | Command::Files(FilesArgs { backup, .. })
        | Command::Restore(RestoreArgs { backup, .. })
        | Command::Copy(CopyArgs { backup, .. })
        | Command::Hold(HoldArgs { backup, .. })
        | Command::Delete(DeleteArgs { backup, .. })
        | Command::Verify(VerifyArgs { backup, .. }) => *backup = within(Some(space), backup),
        _ => {
            let message =
                "with --server this command takes no --user and --space; name the workspace as USER/SPACE";
            return Err(Failure::usage(message));
        }
    }
    Ok(())
}
