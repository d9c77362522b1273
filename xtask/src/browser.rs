//! The catalog page in a real browser: Debian's Chromium, driven by playwright-core, judged by axe-core. All of it lies in
//! the project's own `.tools/browser`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, run, tools_dir, variable};
use crate::tools::{npm, npm_is_current, unpack_with_dependencies};

/// Its folder, in `tools/` and in `.tools/`.
const NAME: &str = "browser";
/// What a person does from the first backup on.
const STORY: &str = "story.mjs";
/// Every page wide, dark and on a phone.
const TOUR: &str = "tour.mjs";
/// The browser without a window, of which the test needs no more.
const PACKAGE: &str = "chromium-headless-shell";

fn place() -> PathBuf {
    tools_dir().join(NAME)
}

fn program() -> PathBuf {
    place().join("chromium/usr/lib/chromium").join(PACKAGE)
}

/// Puts the browser and its driver into place. Nothing is installed into the system.
pub(crate) fn install() -> Outcome {
    let node = answer("node", &["--version"]).ok_or("Node.js is needed for the browser test")?;
    if !program().is_file() {
        unpack_with_dependencies(PACKAGE, &place().join("chromium"))?;
    }
    npm(NAME)?;
    println!("Chromium at {}, driven by Node.js {}", program().display(), node.trim());
    Ok(())
}

/// Parts of the test against the demonstration at `server`; pictures go to `shots`.
fn play(parts: &[&str], server: &Path, shots: Option<&Path>) -> Outcome {
    for part in parts {
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

/// The stage of the whole test run, which plays the story: the demonstration was built with everything else.
pub(crate) fn stage(server: &Path) -> Outcome {
    if program().is_file() && npm_is_current(NAME) {
        return play(&[STORY], server, None);
    }
    println!("SKIPPED, because the browser of `cargo xtask tools` is not there");
    let needed = ["CI", "STILLPOINT_REQUIRE_ORACLES"].into_iter().any(|name| variable(name).is_some());
    if needed { Err("the catalog page cannot be tested without its browser".into()) } else { Ok(()) }
}

/// Builds the demonstration and plays the test.
pub(crate) fn test(shots: Option<&str>) -> Outcome {
    install()?;
    Cargo::new(&["build", "--locked", "--package", "stillpoint-server", "--example", "demo"]).run()?;
    play(&[STORY, TOUR], &crate::ci::target_dir()?.join("debug/examples/demo"), shots.map(Path::new))
}
