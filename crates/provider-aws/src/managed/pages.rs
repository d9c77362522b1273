//! Lists that come in pages: followed to the end, and no further than a bound.

use std::future::Future;

use stillpoint_core::{Error, ErrorKind, Result};

/// The most pages of one list that are read. At a thousand entries a page it is as much as a vault can hold.
const PAGES_MAX: usize = 1000;

/// Everything that a list answers. A page may be empty and still name a next one.
///
/// # Errors
/// Whatever a page meets; `Unexpected` where the list does not end.
pub(super) async fn pages<T, F, P>(operation: &str, mut page: F) -> Result<Vec<T>>
where
    F: FnMut(Option<String>) -> P,
    P: Future<Output = Result<(Vec<T>, Option<String>)>>,
{
    let mut found = Vec::new();
    let mut token = None;
    for _page in 0..PAGES_MAX {
        let (items, next) = page(token).await?;
        found.extend(items);
        token = next.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
    let message = format!("{operation} has more than {PAGES_MAX} pages");
    Err(Error::new(ErrorKind::Unexpected, message).with("action", operation))
}
