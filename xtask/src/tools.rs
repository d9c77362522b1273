//! The foreign oracles, installed into the project's own `.tools/` folder and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, as_root, run, tools_dir};

/// A workspace of its own, see there.
pub(crate) const RUSTIC_MANIFEST: &str = "tools/oracle-rustic/Cargo.toml";
/// Moto, and on top of it the project's own fake of AWS; the second file names the first.
const PYTHON_REQUIREMENTS: [&str; 2] = ["tools/moto/requirements.txt", "tools/fake-aws/requirements.txt"];
/// The version that Debian 12 ships, and the oldest that reads and writes format version 2 by default.
const RESTIC: [u32; 2] = [0, 14];

pub(crate) fn install() -> Outcome {
    fs::create_dir_all(tools_dir())?;
    restic()?;
    rustic()?;
    moto()?;
    postgres()
}

/// The machine's own server where there is one; else the distribution's package with what it needs, unpacked.
fn postgres() -> Outcome {
    let bin = |versions: PathBuf| {
        let entries = fs::read_dir(versions).ok()?.filter_map(Result::ok);
        entries.map(|entry| entry.path().join("bin/postgres")).find(|program| program.is_file())
    };
    let unpacked = tools_dir().join("postgresql");
    let found = || bin("/usr/lib/postgresql".into()).or_else(|| bin(unpacked.join("usr/lib/postgresql")));
    if found().is_none() {
        fetch_postgres(&unpacked)?;
    }
    let program = found().ok_or("the PostgreSQL package holds no server")?;
    println!("PostgreSQL at {}", program.display());
    Ok(())
}

/// Fetches the package and whatever of its dependencies the machine lacks. Nothing is installed: no script of any
/// package runs, and no service starts.
fn fetch_postgres(unpacked: &Path) -> Outcome {
    let dir = tools_dir().join("download");
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(dir.join("partial"))?;
    let download = || {
        let archives = format!("Dir::Cache::archives={}", dir.display());
        let options = ["-qq", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", "-o", &archives];
        let what = ["install", "--yes", "--download-only", "--no-install-recommends", "postgresql"];
        run(Command::new("apt-get").args(options).args(what))
    };
    if download().is_err() {
        update_package_lists()?;
        download()?;
    }
    unpack(&dir, unpacked)
}

/// The interpreter of the Python environment that moto and the fake AWS share, when its pins are the present ones.
pub(crate) fn python() -> Option<PathBuf> {
    let python = tools_dir().join("moto/bin/python");
    let current =
        fs::read_to_string(python_stamp()).is_ok_and(|known| pins().is_ok_and(|pins| known == pins));
    (current && python.is_file()).then_some(python)
}

fn python_stamp() -> PathBuf {
    tools_dir().join("moto/installed.txt")
}

fn pins() -> Outcome<String> {
    let read = |name: &str| fs::read_to_string(xtask::root().join(name));
    Ok(PYTHON_REQUIREMENTS.into_iter().map(read).collect::<Result<Vec<_>, _>>()?.concat())
}

/// Simulated clouds in a Python environment of its own, with pinned versions; installed again when a pin changes.
fn moto() -> Outcome {
    let place = tools_dir().join("moto");
    let pip = place.join("bin/pip");
    let server = place.join("bin/moto_server");
    if python().is_none() || !server.is_file() {
        if !pip.is_file() {
            environment(&place)?;
        }
        let requirements = xtask::root().join(PYTHON_REQUIREMENTS[1]);
        run(Command::new(&pip).args(["install", "--quiet", "--requirement"]).arg(requirements))?;
        fs::write(python_stamp(), pins()?)?;
    }
    println!("moto at {}", server.display());
    Ok(())
}

fn environment(place: &Path) -> Outcome {
    run(Command::new("python3").args(["-m", "venv"]).arg(place)).or_else(|_without_venv| {
        drop(fs::remove_dir_all(place));
        run(Command::new("python3").args(["-m", "pip", "install", "--quiet", "--user", "virtualenv"]))?;
        run(Command::new("python3").args(["-m", "virtualenv", "--quiet"]).arg(place))
    })
}

fn restic() -> Outcome {
    let program = tools_dir().join("restic/usr/bin/restic");
    if !program.is_file() {
        fetch_restic()?;
    }
    let said = answer(&program.to_string_lossy(), &["version"]).ok_or("the installed restic does not run")?;
    println!("{}", said.trim());
    if recent(&said) { Ok(()) } else { Err("restic 0.14 or newer is needed".into()) }
}

fn recent(said: &str) -> bool {
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    let version: Vec<u32> = said.split_whitespace().nth(1).unwrap_or("").split('.').map(number).collect();
    version.get(..2).is_some_and(|version| version >= &RESTIC[..])
}

/// Fetches and unpacks the Debian package; nothing is installed into the system. The pinned version is asked for
/// first, then whatever the machine's own package sources offer.
fn fetch_restic() -> Outcome {
    let dir = tools_dir().join("download");
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir)?;
    let wanted = ["restic=0.14.0*", "restic"];
    let download = |package: &&str| {
        run(Command::new("apt-get")
            .args(["-qq", "-o", "APT::Sandbox::User=root", "download", package])
            .current_dir(&dir))
        .is_ok()
    };
    if !wanted.iter().any(download) {
        update_package_lists()?;
        if !wanted.iter().any(download) {
            return Err(
                "no restic package: neither the pinned version nor another is offered by apt-get".into()
            );
        }
    }
    unpack(&dir, &tools_dir().join("restic"))
}

/// Unpacks every package in `dir`, which goes then.
fn unpack(dir: &Path, place: &Path) -> Outcome {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(path).arg(place))?;
        }
    }
    Ok(fs::remove_dir_all(dir)?)
}

fn update_package_lists() -> Outcome {
    as_root(&["apt-get", "-qq", "update"])
}

fn rustic() -> Outcome {
    let target = tools_dir().join("oracle-target");
    let build = ["build", "--quiet", "--locked", "--manifest-path", RUSTIC_MANIFEST, "--target-dir"];
    Cargo::new(&build).args(&[&target.to_string_lossy()]).run()?;
    let program = tools_dir().join("bin/oracle-rustic");
    place(&target.join("debug/oracle-rustic"), &program)?;
    println!("oracle-rustic with rustic_core at {}", program.display());
    Ok(())
}

/// Renamed into place, since a test may be running the old one.
fn place(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to.parent().ok_or("no folder for the program")?)?;
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh)?;
    Ok(fs::rename(fresh, to)?)
}
