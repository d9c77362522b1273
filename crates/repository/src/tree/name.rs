//! File names as text: the quoting of Go's `strconv.Quote`, which keeps any bytes inside valid UTF-8.

/// Appends `name` quoted as Go does, without the surrounding quotes.
pub(super) fn quote(name: &[u8], out: &mut String) {
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            quote_char(c, out);
        }
        for &byte in chunk.invalid() {
            push_hex(out, 'x', u32::from(byte), 2);
        }
    }
}

/// The quoted form of one name.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn quoted(name: &[u8]) -> String {
    let mut out = String::new();
    quote(name, &mut out);
    out
}

fn quote_char(c: char, out: &mut String) {
    let short = match c {
        '"' | '\\' => Some(c),
        '\x07' => Some('a'),
        '\x08' => Some('b'),
        '\x0c' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        '\x0b' => Some('v'),
        _ => None,
    };
    match (short, u32::from(c)) {
        (Some(letter), _) => out.extend(['\\', letter]),
        (None, 0x20..0x7f) => out.push(c),
        (None, code @ (..0x20 | 0x7f)) => push_hex(out, 'x', code, 2),
        (None, _) if is_printable(c) => out.push(c),
        (None, code @ ..0x1_0000) => push_hex(out, 'u', code, 4),
        (None, code) => push_hex(out, 'U', code, 8),
    }
}

fn push_hex(out: &mut String, letter: char, code: u32, width: usize) {
    out.push('\\');
    out.push(letter);
    out.push_str(&format!("{code:0width$x}"));
}

/// True for letters, marks, numbers, punctuation and symbols, as Go's `unicode.IsPrint`.
///
/// The standard library exposes its table of them only through `escape_debug`, which also escapes a leading combining
/// mark; the `x` in front keeps it from doing so.
fn is_printable(c: char) -> bool {
    let mut text = [0; 5];
    text[0] = b'x';
    let length = 1 + c.encode_utf8(&mut text[1..]).len();
    std::str::from_utf8(&text[..length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

/// The bytes of a quoted name, or `None` if the quoting is not valid.
pub(crate) fn unquote(quoted: &str) -> Option<Vec<u8>> {
    if !quoted.contains(['\\', '"', '\n']) {
        return Some(quoted.as_bytes().to_vec());
    }
    let mut name = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' | '\n' => return None,
            '\\' => rest = unquote_escape(rest, &mut name)?,
            _ => name.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(name)
}

/// Decodes what follows a backslash and returns the rest.
fn unquote_escape<'a>(escaped: &'a str, name: &mut Vec<u8>) -> Option<&'a str> {
    let letter = escaped.chars().next()?;
    let rest = &escaped[letter.len_utf8()..];
    let byte = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => {
            let (code, rest) = number(rest, 2, 16)?;
            name.push(u8::try_from(code).ok()?);
            return Some(rest);
        }
        '0'..='7' => {
            let (code, rest) = number(escaped, 3, 8)?;
            name.push(u8::try_from(code).ok()?);
            return Some(rest);
        }
        'u' | 'U' => {
            let (code, rest) = number(rest, if letter == 'u' { 4 } else { 8 }, 16)?;
            name.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    name.push(byte);
    Some(rest)
}

fn number(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(digits)?;
    let valid = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
    valid.then(|| u32::from_str_radix(digits, radix).ok()).flatten().map(|code| (code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_quoted_as_go_quotes_them() {
        for (name, expected) in [
            (&b"plain name"[..], "plain name"),
            (b"tab\there", r"tab\there"),
            (b"\"q\" \\ 'x'", r#"\"q\" \\ 'x'"#),
            (b"\x00\x01\x1b\x7f", r"\x00\x01\x1b\x7f"),
            (b"\x07\x08\x0b\x0c\n\r", r"\a\b\v\f\n\r"),
            (b"\xff\xfe", r"\xff\xfe"),
            ("snow☃ e\u{301} 日本".as_bytes(), "snow☃ e\u{301} 日本"),
            ("\u{ad}\u{a0}\u{200b}\u{2028}\u{e000}".as_bytes(), r"\u00ad\u00a0\u200b\u2028\ue000"),
            ("\u{fffd}".as_bytes(), "\u{fffd}"),
            ("\u{1f600}\u{10ffff}".as_bytes(), "\u{1f600}\\U0010ffff"),
            (b"\xed\xa0\x80", r"\xed\xa0\x80"),
            (b"\xe2\x98", r"\xe2\x98"),
        ] {
            assert_eq!(quoted(name), expected);
            assert_eq!(unquote(expected).unwrap(), name);
        }
    }

    #[test]
    fn broken_quoting_is_refused() {
        for text in
            ["\"", "\n", "\\", r"\q", r"\x1", r"\xgg", r"\x+1", r"\ud800", r"\U00110000", r"\777", r"\'"]
        {
            assert_eq!(unquote(text), None, "{text}");
        }
        assert_eq!(unquote(r"\101"), Some(b"A".to_vec()));
    }

    proptest! {
        #[test]
        fn any_bytes_survive_quoting(name in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(unquote(&quoted(&name)), Some(name));
        }

        #[test]
        fn any_text_is_unquoted_without_panic(text in ".{0,40}") {
            drop(unquote(&text));
        }
    }
}
