//! The foreign oracles, installed into the project's own `.tools/` folder and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, as_root, run, tools_dir};

/// A workspace of its own, see there.
pub(crate) const RUSTIC_MANIFEST: &str = "tools/oracle-rustic/Cargo.toml";
/// Moto, and on top of it the project's own fake of AWS; the last file names the first.
pub(crate) const AWS: Environment = Environment {
    name: "moto",
    requirements: &["tools/moto/requirements.txt", "tools/fake-aws/requirements.txt"],
    needs: Some("bin/moto_server"),
};
/// The project's own fake of Azure.
pub(crate) const AZURE: Environment =
    Environment { name: "azure", requirements: &["tools/fake-azure/requirements.txt"], needs: None };
/// The fuzzer of the server's API.
const FUZZER: Environment = Environment {
    name: "schemathesis",
    requirements: &["tools/schemathesis/requirements.txt"],
    needs: Some("bin/schemathesis"),
};
/// The version that Debian 12 ships, and the oldest that reads and writes format version 2 by default.
const RESTIC: [u32; 2] = [0, 14];

pub(crate) fn install() -> Outcome {
    fs::create_dir_all(tools_dir())?;
    // Hundreds of small packages are mostly waited for, so they come beside everything else.
    let azurite = std::thread::spawn(|| azurite().map_err(|error| error.to_string()));
    restic()?;
    rustic()?;
    AWS.install()?;
    AZURE.install()?;
    FUZZER.install()?;
    crate::browser::install()?;
    postgres()?;
    azurite.join().map_err(|_panicked| "the installation of Azurite panicked")??;
    Ok(())
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
        unpack_with_dependencies("postgresql", &unpacked)?;
    }
    let program = found().ok_or("the PostgreSQL package holds no server")?;
    println!("PostgreSQL at {}", program.display());
    Ok(())
}

/// Fetches a package and whatever of its dependencies the machine lacks. Nothing is installed: no script of any
/// package runs, and no service starts.
pub(crate) fn unpack_with_dependencies(package: &str, unpacked: &Path) -> Outcome {
    let dir = tools_dir().join("download");
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(dir.join("partial"))?;
    let download = || {
        let archives = format!("Dir::Cache::archives={}", dir.display());
        let options = ["-qq", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", "-o", &archives];
        let what = ["install", "--yes", "--download-only", "--no-install-recommends", package];
        run(Command::new("apt-get").args(options).args(what))
    };
    if download().is_err() {
        update_package_lists()?;
        download()?;
    }
    unpack(&dir, unpacked)
}

/// A Python environment of its own with pinned versions, in which a simulated cloud runs.
pub(crate) struct Environment {
    name: &'static str,
    /// The files with the pins; the last one names the others.
    requirements: &'static [&'static str],
    /// A program that the environment must hold besides the interpreter.
    needs: Option<&'static str>,
}

impl Environment {
    fn place(&self) -> PathBuf {
        tools_dir().join(self.name)
    }

    fn stamp(&self) -> PathBuf {
        self.place().join("installed.txt")
    }

    fn pins(&self) -> Outcome<String> {
        let read = |name: &&str| fs::read_to_string(xtask::root().join(name));
        Ok(self.requirements.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The interpreter, when the pins of what is installed are the present ones.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        let python = self.place().join("bin/python");
        let known = fs::read_to_string(self.stamp());
        let current = known.is_ok_and(|known| self.pins().is_ok_and(|pins| known == pins));
        (current && python.is_file()).then_some(python)
    }

    /// Installs again when a pin has changed.
    fn install(&self) -> Outcome {
        let place = self.place();
        let pip = place.join("bin/pip");
        let whole = self.needs.is_none_or(|program| place.join(program).is_file());
        if self.python().is_none() || !whole {
            if !pip.is_file() {
                environment(&place)?;
            }
            let last = self.requirements.last().ok_or("an environment without requirements")?;
            let requirements = xtask::root().join(last);
            run(Command::new(&pip).args(["install", "--quiet", "--requirement"]).arg(requirements))?;
            fs::write(self.stamp(), self.pins()?)?;
        }
        println!("{} at {}", self.name, place.display());
        Ok(())
    }
}

fn environment(place: &Path) -> Outcome {
    run(Command::new("python3").args(["-m", "venv"]).arg(place)).or_else(|_without_venv| {
        drop(fs::remove_dir_all(place));
        run(Command::new("python3").args(["-m", "pip", "install", "--quiet", "--user", "virtualenv"]))?;
        run(Command::new("python3").args(["-m", "virtualenv", "--quiet"]).arg(place))
    })
}

/// Azure's own emulator of Blob Storage, as `tools/azurite/package-lock.json` pins it; installed again when that changes.
fn azurite() -> Outcome {
    println!("Azurite at {}", npm("azurite")?.display());
    Ok(())
}

/// Installs what `tools/NAME/package-lock.json` pins into a folder of its own, again when a pin has changed, and answers the
/// folder. No script of any package runs; what they would build is for stores of secrets that nobody needs here.
pub(crate) fn npm(name: &str) -> Outcome<PathBuf> {
    let place = tools_dir().join(name);
    if !npm_is_current(name) {
        fs::create_dir_all(&place)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(xtask::root().join("tools").join(name).join(file), place.join(file))?;
        }
        let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(words).current_dir(&place))?;
        fs::copy(place.join("package-lock.json"), place.join("installed.json"))?;
    }
    Ok(place)
}

/// Whether what is installed under this name is what the pins say.
pub(crate) fn npm_is_current(name: &str) -> bool {
    let installed = fs::read_to_string(tools_dir().join(name).join("installed.json"));
    let pins = fs::read_to_string(xtask::root().join("tools").join(name).join("package-lock.json"));
    installed.is_ok_and(|installed| pins.is_ok_and(|pins| installed == pins))
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
    fs::create_dir_all(place)?;
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
