//! The tree that is used.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

const FILES_MIN: u64 = 30_000;
const BYTES_MIN: u64 = 1_000_000_000;

/// Copies `tree`, or enough of what a Rust developer's machine holds, to `target`.
pub(crate) fn prepare(tree: Option<&Path>, target: &Path) -> Outcome {
    if let Some(tree) = tree {
        copy(tree, target)?;
        let (files, bytes) = count(target)?;
        println!("input: {files} files, {bytes} bytes from {}", tree.display());
        return Ok(());
    }
    fs::create_dir(target)?;
    let (mut files, mut bytes) = (0, 0);
    for (name, source) in candidates()? {
        copy(&source, &target.join(name))?;
        (files, bytes) = count(target)?;
        println!("input: {files} files, {bytes} bytes with {}", source.display());
        if files >= FILES_MIN && bytes >= BYTES_MIN {
            return Ok(());
        }
    }
    Err(format!(
        "this machine's trees give only {files} files and {bytes} bytes; name a larger one with --tree"
    )
    .into())
}

fn candidates() -> Outcome<Vec<(&'static str, PathBuf)>> {
    let toolchain = PathBuf::from(said("rustc", &["--print", "sysroot"])?);
    let python = PathBuf::from(said("python3", &["-c", "import sys; print(sys.base_prefix + '/lib')"])?);
    let home = std::env::home_dir().ok_or("no home directory")?;
    let found = [("toolchain", toolchain), ("crates", home.join(".cargo/registry/src")), ("python", python)];
    Ok(found.into_iter().filter(|(_, path)| path.is_dir()).collect())
}

fn said(program: &str, args: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(args).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// `cp -a` keeps modes, owners, times, links and attributes, and is nobody's code but coreutils'.
fn copy(from: &Path, to: &Path) -> Outcome {
    let status = Command::new("cp").arg("-a").arg("--").arg(from).arg(to).status()?;
    if status.success() { Ok(()) } else { Err(format!("cannot copy {}: {status}", from.display()).into()) }
}

/// Regular files, and their apparent size with each hard-linked file counted once for each name.
pub(crate) fn count(dir: &Path) -> Outcome<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                pending.push(entry.path());
            } else if meta.is_file() {
                files += 1;
                bytes += meta.size();
            }
        }
    }
    Ok((files, bytes))
}
