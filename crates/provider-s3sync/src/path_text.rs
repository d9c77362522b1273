//! Paths as text: readable, and able to say any bytes.
//!
//! Valid UTF-8 stands as it is, except for backslashes and control characters. Those, and bytes that are not UTF-8,
//! appear as `\\` or `\xNN`. The text leads back to exactly the path it was made from.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The text of a path as entries of snapshots have it: readable in a terminal, and able to say any bytes. Backslashes,
/// control characters and what is not UTF-8 are escaped.
///
/// ```
/// # use std::path::Path;
/// # use stillpoint_provider_s3sync::path_to_text;
/// assert_eq!(path_to_text(Path::new("new\nline")), r"new\x0aline");
/// ```
pub fn to_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                control if control.is_control() => {
                    let mut bytes = [0; 4];
                    escape(&mut text, control.encode_utf8(&mut bytes).as_bytes());
                }
                plain => text.push(plain),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\\x{byte:02x}");
    }
}

/// The path of a text. What is no escape stands for itself, so that a path typed by a person means what it says.
pub(crate) fn from_text(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
            }
            (b'\\', [b'x', high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn any_path_survives_its_text() {
        for bytes in [
            &b"plain/name.txt"[..],
            b"a\\xff",
            b"\xff\xfe",
            b"tab\there",
            "grün/ß".as_bytes(),
            b"\\",
            b"x\xc3",
        ] {
            let path = Path::new(OsStr::from_bytes(bytes));
            let text = to_text(path);
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert_eq!(from_text(&text), path, "{text:?}");
        }
        assert_eq!(to_text(Path::new("grün/ß")), "grün/ß");
        assert_eq!(to_text(Path::new(OsStr::from_bytes(b"a\xff\n"))), "a\\xff\\x0a");
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        assert_eq!(from_text("a\\b"), Path::new("a\\b"));
        assert_eq!(from_text("a\\x0"), Path::new("a\\x0"));
    }
}
