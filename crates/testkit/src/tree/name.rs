//! Names for files and directories.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use rand::RngExt;
use rand::rngs::StdRng;

const SYLLABLES: [&str; 16] = [
    "data", "set", "train", "model", "run", "eval", "log", "note", "book", "cfg", "src", "lib", "ckpt",
    "plot", "tmp", "out",
];
const EXTENSIONS: [&str; 10] =
    ["", ".py", ".ipynb", ".csv", ".json", ".bin", ".txt", ".pt", ".yaml", ".tar.gz"];

/// Legal names that programs have stumbled over.
pub fn odd_names() -> Vec<OsString> {
    let mut names: Vec<Vec<u8>> = [
        "new\nline",
        "-rf",
        "--help",
        " leading and trailing ",
        "tab\there",
        "quote'\"quote",
        "back\\slash",
        "star*question?[set]",
        "smile-\u{1F642}",
        "composed-\u{e9}",
        "decomposed-e\u{301}",
        "...",
        "..hidden",
        "%2F%00",
        "~tilde",
        "#hash",
        "$(echo)",
        "`echo`;{a,b}|&",
        "\u{202e}right-to-left",
        "bell\u{7}",
        ".stillpoint",
        "con",
        "CASE",
        "case",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"not-utf8-\xff\xfe\x80".to_vec());
    names.push(b"\xc3\x28overlong\xc0\xaf".to_vec());
    names.push(vec![b'x'; 255]);
    names.push("\u{20ac}".repeat(85).into_bytes());
    names.into_iter().map(OsString::from_vec).collect()
}

/// An ordinary name, made unique among its siblings by `serial`.
pub(super) fn ordinary(rng: &mut StdRng, serial: usize, extension: bool) -> OsString {
    let first = SYLLABLES[rng.random_range(0..SYLLABLES.len())];
    let second = SYLLABLES[rng.random_range(0..SYLLABLES.len())];
    let end = if extension { EXTENSIONS[rng.random_range(0..EXTENSIONS.len())] } else { "" };
    OsString::from(format!("{first}_{second}_{serial}{end}"))
}
