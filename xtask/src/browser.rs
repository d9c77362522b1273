//! The catalog page in a real browser: Debian's Chromium, driven by playwright-core, judged by axe-core. All of it lies in
//! the project's own `.tools/browser`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, run, tools_dir};
use crate::tools::unpack_with_dependencies;

/// The pins of what comes from npm.
const PINS: &str = "tools/browser/package-lock.json";
/// The browser without a window, of which the test needs no more.
const PACKAGE: &str = "chromium-headless-shell";

fn place() -> PathBuf {
    tools_dir().join("browser")
}

fn program() -> PathBuf {
    place().join("chromium/usr/lib/chromium").join(PACKAGE)
}

/// Whether what is installed is what the pins say.
fn is_current() -> bool {
    let installed = fs::read_to_string(place().join("installed.json"));
    let pins = fs::read_to_string(xtask::root().join(PINS));
    program().is_file() && installed.is_ok_and(|installed| pins.is_ok_and(|pins| installed == pins))
}

/// Puts the browser and its driver into place. Nothing is installed into the system.
fn install() -> Outcome {
    let node = answer("node", &["--version"]).ok_or("Node.js is needed for the browser test")?;
    if !is_current() {
        fs::create_dir_all(place())?;
        if !program().is_file() {
            unpack_with_dependencies(PACKAGE, &place().join("chromium"))?;
        }
        for name in ["package.json", "package-lock.json"] {
            fs::copy(xtask::root().join("tools/browser").join(name), place().join(name))?;
        }
        let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
        run(Command::new("npm").args(quiet).current_dir(place()))?;
        fs::copy(xtask::root().join(PINS), place().join("installed.json"))?;
    }
    println!("Chromium at {}, driven by Node.js {}", program().display(), node.trim());
    Ok(())
}

/// Both parts of the test against the demonstration at `server`; pictures go to `shots`.
fn play(server: &Path, shots: Option<&Path>) -> Outcome {
    for part in ["story.mjs", "tour.mjs"] {
        println!("-- {part}");
        let mut node = Command::new("node");
        node.arg(xtask::root().join("tools/browser").join(part));
        node.arg("--server").arg(server).arg("--tools").arg(place());
        if let Some(shots) = shots {
            fs::create_dir_all(shots)?;
            node.arg("--shots").arg(shots);
        }
        run(&mut node)?;
    }
    Ok(())
}

/// Builds the demonstration and plays the test.
pub(crate) fn test(shots: Option<&str>) -> Outcome {
    install()?;
    Cargo::new(&["build", "--locked", "--package", "stillpoint-server", "--example", "demo"]).run()?;
    play(&crate::ci::target_dir()?.join("debug/examples/demo"), shots.map(Path::new))
}
