//! One store from the first backup to the last comparison.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stillpoint_testkit::compare::Comparison;
use stillpoint_testkit::oracle::{self, Repository};
use stillpoint_testkit::process::measure;
use stillpoint_testkit::s3::{Backing, Options, Server};
use stillpoint_testkit::tree::Edits;

use crate::Outcome;
use crate::command::{Stillpoint, number, report, text, utf8};
use crate::input::count;

const PASSWORD: &str = "only for this run";
const NO_CHANGE_BYTES_MAX: u64 = 1 << 20;

/// Runs the whole story on a copy of `original`, with the store in a directory or behind an S3 server.
pub(crate) fn tell(program: &Path, original: &Path, scratch: &Path, s3: bool) -> Outcome {
    println!("\n== store: {}", if s3 { "S3 on loopback" } else { "local directory" });
    let dir = scratch.join(if s3 { "s3" } else { "local" });
    fs::create_dir(&dir)?;
    let place = Place::new(program, &dir, s3)?;
    let workspace = dir.join("workspace");
    // Moved, not copied, from one store to the next: a copy would cost more than a backup.
    fs::rename(original, &workspace)?;

    first(&place, &workspace)?;
    unchanged(&place, &workspace)?;
    edited(&place, &workspace)?;

    let kept = dir.join("kept-for-comparison");
    fs::rename(&workspace, &kept)?;
    let restored = dir.join("restored");
    let document = place.stillpoint.call("restore", &["restore", "latest", "--into", utf8(&restored)?])?;
    expect_completed(&document)?;
    same("the restored tree", &kept, &restored)?;
    fs::remove_dir_all(&restored)?;
    place.restic(&workspace, &kept, &dir)?;
    if let Some(server) = &place.server {
        println!("requests: {:?}", server.requests().by_kind);
    }
    fs::rename(&kept, original)?;
    Ok(fs::remove_dir_all(&dir)?)
}

fn first(place: &Place, workspace: &Path) -> Outcome {
    let (files, bytes) = count(workspace)?;
    let document = place.stillpoint.call("first backup", &["backup", utf8(workspace)?])?;
    expect_completed(&document)?;
    println!("  {files} files, {bytes} bytes; {} bytes in the store", place.stored()?);
    expect(
        number(&document, "/files/new")? == files,
        "the first backup does not report every file as new",
        &document,
    )?;
    expect(number(&document, "/files/skipped")? == 0, "files were skipped", &document)
}

fn unchanged(place: &Place, workspace: &Path) -> Outcome {
    let before = place.stored()?;
    let document = place.stillpoint.call("backup without a change", &["backup", utf8(workspace)?])?;
    expect_completed(&document)?;
    let added = place.stored()?.saturating_sub(before);
    println!("  {added} bytes added to the store");
    expect(number(&document, "/bytes/read")? == 0, "a backup without a change read file content", &document)?;
    expect(added < NO_CHANGE_BYTES_MAX, "a backup without a change added 1 MiB or more", &document)
}

fn edited(place: &Place, workspace: &Path) -> Outcome {
    let (files, _) = count(workspace)?;
    let edits = Edits::percent(1, usize::try_from(files)?).apply(workspace)?;
    let before = place.stored()?;
    let document = place.stillpoint.call("backup after edits", &["backup", utf8(workspace)?])?;
    expect_completed(&document)?;
    println!("  {} bytes added to the store", place.stored()?.saturating_sub(before));
    let changed = number(&document, "/files/changed")?;
    let new = number(&document, "/files/new")?;
    expect(changed == edits.changed.len() as u64, "another number of changed files than edited", &document)?;
    expect(new == edits.added.len() as u64, "another number of new files than added", &document)
}

fn expect(holds: bool, what: &str, document: &Value) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{what}: {document}").into()) }
}

fn expect_completed(document: &Value) -> Outcome {
    let state = text(document, "/state")?;
    expect(state.eq_ignore_ascii_case("completed"), "the state is not completed", document)
}

fn same(what: &str, kept: &Path, other: &Path) -> Outcome {
    let found = Comparison::new().run(kept, other)?;
    if found.is_empty() {
        println!("{what} is equal in content and all metadata");
        return Ok(());
    }
    let lines: Vec<String> = found.iter().take(20).map(|line| format!("\n  {line}")).collect();
    Err(format!("{what} differs in {} places:{}", found.len(), lines.concat()).into())
}

struct Place {
    stillpoint: Stillpoint,
    server: Option<Server>,
    repository: String,
    data: PathBuf,
}

impl Place {
    fn new(program: &Path, dir: &Path, s3: bool) -> Outcome<Self> {
        let store = dir.join("store");
        fs::create_dir(&store)?;
        let server = if s3 {
            Some(Server::start_with(Options {
                backing: Backing::Directory(store.clone()),
                ..Options::default()
            })?)
        } else {
            None
        };
        let mut env: Vec<(String, String)> =
            server.iter().flat_map(Server::env).map(|(name, value)| (name.to_owned(), value)).collect();
        let (url, repository, data) = match &server {
            Some(server) => (
                server.url("team/files"),
                format!("s3:{}/{}/team/files", server.endpoint(), server.bucket()),
                server.object_path(""),
            ),
            None => (format!("file://{}", utf8(&store)?), utf8(&store)?.to_owned(), store),
        };
        env.push(("STILLPOINT_STORE".to_owned(), url));
        env.push(("STILLPOINT_PASSWORD".to_owned(), PASSWORD.to_owned()));
        env.push(("STILLPOINT_DATA_DIR".to_owned(), utf8(&dir.join("data"))?.to_owned()));
        let stillpoint = Stillpoint { program: program.to_owned(), env };
        Ok(Self { stillpoint, server, repository, data })
    }

    /// Bytes of all objects.
    fn stored(&self) -> Outcome<u64> {
        Ok(count(&self.data)?.1)
    }

    /// Stock restic checks every byte and restores the newest snapshot.
    fn restic(&self, workspace: &Path, kept: &Path, dir: &Path) -> Outcome {
        let restic = oracle::restic().ok_or("restic is not installed: run `cargo xtask tools`")?;
        let env = self.stillpoint.env.iter().map(|(name, value)| (name.clone(), value.clone()));
        let repository = restic.repository(&self.repository, PASSWORD).with_env(env);
        let target = dir.join("restored-by-restic");
        run(&repository, "restic check --read-data", &["check", "--read-data"])?;
        run(&repository, "restic restore", &["restore", "latest", "--target", utf8(&target)?])?;
        let inside = target.join(workspace.strip_prefix("/")?);
        let tree = if inside.is_dir() { inside } else { target.clone() };
        same("the tree that restic restored", kept, &tree)?;
        Ok(fs::remove_dir_all(target)?)
    }
}

fn run(repository: &Repository, title: &str, args: &[&str]) -> Outcome {
    let seen = measure(&mut repository.command(args))?;
    report(title, &seen);
    if seen.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    Err(format!("{title} ended with {}\n{out}\n{err}", seen.status).into())
}
