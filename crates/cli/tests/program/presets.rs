//! Presets: left out only when asked for, and every byte of it said by rule.

use std::ffi::OsStr;
use std::fs;

use crate::common::Place;

/// A home with everything that the presets are about, and its look-alikes.
fn home() -> Place {
    let place = Place::new();
    for (path, bytes) in [
        (".cache/pip/wheel", 100),
        (".cache/huggingface/hub/models--x/blob", 1000),
        (".cache/huggingface/token", 7),
        ("project/__pycache__/a.pyc", 10),
        ("project/requirements.txt", 5),
        ("project/.venv/pyvenv.cfg", 20),
        ("project/.venv/lib/python3/site.py", 30),
        ("project/checkpoint.pt", 50),
        ("handmade/.venv/pyvenv.cfg", 20),
        ("handmade/.venv/lib/patched.py", 30),
        ("web/package-lock.json", 5),
        ("web/node_modules/left-pad/index.js", 40),
        ("nolock/node_modules/x.js", 40),
        ("conda/environment.yml", 5),
        ("conda/env/conda-meta/history", 60),
    ] {
        let path = place.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![1; bytes]).unwrap();
    }
    place
}

fn restored(place: &Place, path: &str) -> bool {
    place.path("target").join(path).exists()
}

fn back_up_with(place: &Place, presets: &[&str]) -> serde_json::Value {
    let source = place.source();
    let flags = presets.iter().flat_map(|preset| [OsStr::new("--preset"), OsStr::new(preset)]);
    let document = place.json([OsStr::new("backup"), source.as_os_str()].into_iter().chain(flags));
    assert_eq!(document["state"], "completed", "what is left out on purpose is no loss: {document}");
    let target = place.path("target");
    place.json([OsStr::new("restore"), OsStr::new("latest"), OsStr::new("--into"), target.as_os_str()]);
    document
}

fn warned(document: &serde_json::Value, words: &[&str]) -> bool {
    let warnings = document["warnings"].as_array().unwrap();
    warnings.iter().any(|warning| words.iter().all(|word| warning.as_str().unwrap().contains(word)))
}

#[test]
fn nothing_is_left_out_unless_it_is_asked_for() {
    let place = home();
    back_up_with(&place, &[]);
    stillpoint_testkit::compare::assert_same(&place.source(), &place.path("target"));
}

#[test]
fn each_preset_leaves_out_what_it_says_and_reports_files_and_bytes() {
    let place = home();
    let document = back_up_with(&place, &["caches,environments,downloads"]);
    for gone in [".cache/pip", ".cache/huggingface/hub", "project/__pycache__", "project/.venv"] {
        assert!(!restored(&place, gone), "{gone}");
    }
    for gone in ["web/node_modules", "conda/env"] {
        assert!(!restored(&place, gone), "{gone}");
    }
    for kept in [".cache/huggingface/token", "project/checkpoint.pt", "project/requirements.txt"] {
        assert!(restored(&place, kept), "{kept}");
    }
    // Nothing beside them says how they could be made again.
    for kept in ["handmade/.venv/lib/patched.py", "nolock/node_modules/x.js"] {
        assert!(restored(&place, kept), "{kept}");
    }
    assert!(warned(&document, &["2 files", "50 bytes", "preset environments", "Python"]), "{document}");
    assert!(warned(&document, &["1 files", "40 bytes", "preset environments", "node_modules"]), "{document}");
    assert!(warned(&document, &["1 files", "10 bytes", "preset caches", "__pycache__"]), "{document}");
    assert!(warned(&document, &["1000 bytes"]), "{document}");
}

#[test]
fn a_preset_alone_touches_nothing_of_the_others_and_rules_may_take_back() {
    let place = home();
    let document = back_up_with(&place, &["downloads"]);
    assert!(!restored(&place, ".cache/huggingface/hub") && restored(&place, ".cache/huggingface/token"));
    assert!(restored(&place, "project/.venv") && restored(&place, "project/__pycache__"));
    assert!(warned(&document, &["1000 bytes", "preset downloads", "huggingface/hub"]), "{document}");
    let place = home();
    let source = place.source();
    let kept = ["--preset", "caches", "--exclude", "!__pycache__/"].map(OsStr::new);
    place.json([OsStr::new("backup"), source.as_os_str()].into_iter().chain(kept));
    let target = place.path("target");
    place.json([OsStr::new("restore"), OsStr::new("latest"), OsStr::new("--into"), target.as_os_str()]);
    assert!(restored(&place, "project/__pycache__/a.pyc") && !restored(&place, ".cache/pip"));
}

#[test]
fn an_unknown_preset_is_a_usage_error_that_names_the_known_ones() {
    let place = home();
    let run = place.run([OsStr::new("backup"), place.source().as_os_str(), OsStr::new("--preset=cache")]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("caches") && run.stderr.contains("downloads"), "{run:?}");
}
