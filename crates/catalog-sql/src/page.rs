//! Pages, newest first. A cursor names the last row of a page by its time and id.

use stillpoint_core::{DamagedRow, Error, ErrorKind, PAGE_LIMIT_MAX, Page, Result, Timestamp, cursor_after};

use crate::engine::Row;

/// Where a page ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) millis: i64,
    pub(crate) id: String,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parsed =
            text.split_once(':').and_then(|(millis, id)| Some((millis.parse().ok()?, id.to_owned())));
        let (millis, id) = parsed.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "this is not a cursor of the catalog's lists")
        })?;
        Ok(Self { millis, id })
    }
}

/// The number of rows to ask for: one more than the page holds tells whether there is another page.
pub(crate) fn rows_wanted(limit: usize) -> i64 {
    i64::try_from(page_size(limit)).unwrap_or(i64::MAX).saturating_add(1)
}

/// Makes a page of the rows that [`rows_wanted`] asked for, each with an `id` and with what `cursor` says of its place.
/// A row that `read` cannot make sense of is named and hides no other one.
pub(crate) fn page<T>(
    rows: &[Row],
    limit: usize,
    read: impl Fn(&Row) -> Result<T>,
    cursor: impl Fn(&Row) -> Result<String>,
) -> Result<Page<T>> {
    let size = page_size(limit);
    let last = rows.get(size - 1).filter(|_| rows.len() > size);
    let mut page = Page::new(Vec::with_capacity(rows.len().min(size)), last.map(cursor).transpose()?);
    for row in rows.iter().take(size) {
        match read(row) {
            Ok(item) => page.items.push(item),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidConfig) => {
                page.damaged.push(DamagedRow::new(row.text("id")?, error.record()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

/// The cursor after a row of a list that is ordered by the time in column `time`.
pub(crate) fn after(row: &Row, time: &str) -> Result<String> {
    Ok(cursor_after(Timestamp::from_millis(row.number(time)?), row.text("id")?))
}

/// The least text that is greater than every text beginning with `prefix`, in the order of code points, which is also
/// the byte order of UTF-8; `None` where there is none.
pub(crate) fn prefix_end(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // A range of characters steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn page_size(limit: usize) -> usize {
    limit.clamp(1, PAGE_LIMIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text_of_its_length_or_shorter() {
        assert_eq!(prefix_end("ab").as_deref(), Some("ac"));
        assert_eq!(prefix_end("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(prefix_end("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(prefix_end("\u{10ffff}"), None);
        assert_eq!(prefix_end(""), None);
    }

    #[test]
    fn a_cursor_keeps_an_id_with_colons() {
        let cursor = Cursor::parse("-5:a:b").unwrap();
        assert_eq!(cursor, Cursor { millis: -5, id: "a:b".into() });
        for bad in ["", "7", "x:a", ":a"] {
            assert_eq!(Cursor::parse(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
    }
}
