//! Commands with `--server`: the same documents, from a server instead of from here.

mod client;
mod follow;
mod look;
mod manage;
mod work;

use crate::args::Command;
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use client::Client;

/// Runs a command against the server at `url`.
///
/// # Errors
/// Whatever stops it from having a result; a command that works on this machine alone is a wrong command line.
pub(crate) async fn run(url: &str, command: &Command, output: Output) -> Outcome {
    let client = Client::new(url)?;
    let (client, output) = (&client, &output);
    match command {
        Command::List(args) => look::list(client, output, args).await,
        Command::Show(args) => look::show(client, output, args).await,
        Command::Files(args) => look::files(client, output, args).await,
        Command::Operations(args) => look::operations(client, output, args).await,
        Command::Preflight(args) => look::preflight(client, output, args).await,
        Command::Backup(args) => work::backup(client, output, args).await,
        Command::Restore(args) => work::restore(client, output, args).await,
        Command::Delete(args) => work::delete(client, output, args).await,
        Command::Verify(args) => work::verify(client, output, args).await,
        Command::Forget(args) => work::forget(client, output, args).await,
        Command::Cancel(args) => work::cancel(client, output, args).await,
        Command::Watch(args) => work::watch(client, output, args).await,
        Command::Resume(args) => work::resume(client, output, args).await,
        Command::Schedule(args) => manage::schedule(client, output, args).await,
        Command::Token(args) => manage::token(client, output, args).await,
        _ => Err(Failure::usage("this command works on this machine; leave --server out")),
    }
}
