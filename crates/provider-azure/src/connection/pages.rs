//! Lists that come in pages: followed to the end, and no further than a bound.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{Error, ErrorKind, Result};
use url::Url;

use super::call::{Message, unreadable};
use super::{Connection, Request, endpoint};

/// The most pages of one list that are read.
const PAGES_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct Page<T> {
    #[serde(default = "Vec::new")]
    value: Vec<T>,
    next_link: Option<String>,
}

impl Connection {
    /// Everything that a list answers. A page may be empty and still name a next one; an entry may come twice.
    ///
    /// # Errors
    /// Whatever a page meets; `Unexpected` where the list does not end, or leads to another host.
    pub(crate) async fn list<T: DeserializeOwned>(&self, request: &Request) -> Result<Vec<T>> {
        let action = request.action;
        let strange = |what: String| Error::new(ErrorKind::Unexpected, what).with("action", action);
        let mut found = Vec::new();
        let mut url = self.url(request)?;
        for _page in 0..PAGES_MAX {
            let answer = self.send(&Message::get(action, url)).await?;
            let page: Page<T> = answer.json().map_err(|error| unreadable(action, error))?;
            found.extend(page.value);
            let Some(next) = page.next_link.filter(|next| !next.is_empty()) else { return Ok(found) };
            url = Url::parse(&next)
                .ok()
                .filter(|url| endpoint::is_within(&self.arm, url))
                .ok_or_else(|| strange(format!("the list of {action} goes on at another host")))?;
        }
        Err(strange(format!("the list of {action} has more than {PAGES_MAX} pages")))
    }
}
