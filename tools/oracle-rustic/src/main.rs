//! An oracle for tests: what rustic makes of a repository in a local directory.
//!
//! ```text
//! oracle-rustic init REPOSITORY
//! oracle-rustic check REPOSITORY                      every byte is read; any finding fails
//! oracle-rustic backup REPOSITORY SOURCE              prints the id of the snapshot
//! oracle-rustic restore REPOSITORY SNAPSHOT TARGET    SNAPSHOT is an id, latest, or ID:PATH
//! ```
//!
//! The password comes from the environment variable `RUSTIC_PASSWORD`.

mod directory;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use directory::Directory;
use rustic_core::{
    BackupOptions, CheckOptions, ConfigOptions, Credentials, KeyOptions, LocalDestination, LsOptions,
    OpenStatus, PathList, Repository, RepositoryBackends, RepositoryOptions, RestoreOptions, SnapshotOptions,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: oracle-rustic init|check|backup|restore REPOSITORY [SOURCE | SNAPSHOT TARGET]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oracle-rustic: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Outcome<()> {
    match *args {
        ["init", repository] => init(repository),
        ["check", repository] => check(repository),
        ["backup", repository, source] => backup(repository, source),
        ["restore", repository, snapshot, target] => restore(repository, snapshot, target),
        _ => Err(USAGE.into()),
    }
}

fn closed(path: &str) -> Outcome<(Repository<()>, Credentials)> {
    let password = std::env::var("RUSTIC_PASSWORD").map_err(|_| "RUSTIC_PASSWORD is not set")?;
    let backends = RepositoryBackends::new(Arc::new(Directory::new(path)), None);
    let mut options = RepositoryOptions::default();
    options.no_cache = true;
    Ok((Repository::new(&options, &backends)?, Credentials::password(password)))
}

fn open(path: &str) -> Outcome<Repository<OpenStatus>> {
    let (repository, credentials) = closed(path)?;
    Ok(repository.open(&credentials)?)
}

fn init(path: &str) -> Outcome<()> {
    let (repository, credentials) = closed(path)?;
    repository.init(&credentials, &KeyOptions::default(), &ConfigOptions::default())?;
    Ok(())
}

fn check(path: &str) -> Outcome<()> {
    let findings = open(path)?.check(CheckOptions::default().read_data(true))?;
    for (level, finding) in &findings.0 {
        eprintln!("{level:?}: {finding}");
    }
    if findings.0.is_empty() { Ok(()) } else { Err(format!("{} findings", findings.0.len()).into()) }
}

fn backup(path: &str, source: &str) -> Outcome<()> {
    let repository = open(path)?.to_indexed_ids()?;
    let source = PathList::from_string(source)?.sanitize()?;
    let snapshot = SnapshotOptions::default().to_snapshot()?;
    let snapshot = repository.backup(&BackupOptions::default(), &source, snapshot)?;
    println!("{}", snapshot.id);
    Ok(())
}

fn restore(path: &str, snapshot: &str, target: &str) -> Outcome<()> {
    let repository = open(path)?.to_indexed()?;
    let node = repository.node_from_snapshot_path(snapshot, |_| true)?;
    let entries = repository.ls(&node, &LsOptions::default())?;
    let destination = LocalDestination::new(target, true, !node.is_dir())?;
    let mut options = RestoreOptions::default();
    options.numeric_id = true;
    let plan = repository.prepare_restore(&options, entries.clone(), &destination, false)?;
    repository.restore(plan, &options, entries, &destination)?;
    Ok(())
}
