//! Noticing a listing that never ends.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Pages in a row that may bring no name behind those before: stores skip over what was deleted. More is a listing without
/// end.
const IDLE_PAGES_MAX: usize = 1000;
/// How long a listing may bring nothing at all, where pages cannot be told.
pub(super) const LISTING_STALL: Duration = Duration::from_secs(10 * 60);

/// How far a listing has come.
#[derive(Debug, Default)]
pub(super) struct Advance {
    /// The last name so far, in their order.
    furthest: String,
    /// How many pages in a row brought none behind it.
    idle: usize,
}

impl Advance {
    /// Notes the last name of a page. Answers whether the listing may go on.
    pub(super) fn to(&mut self, last: &str) -> bool {
        if *last > *self.furthest {
            *self = Self { furthest: last.to_owned(), idle: 0 };
        } else {
            self.idle += 1;
        }
        self.idle <= IDLE_PAGES_MAX
    }
}

/// The error of a listing that does not end.
pub(super) fn endless(place: &str, how: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the listing of {place} {how}; the store is not sane, or not ours"),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use async_trait::async_trait;
    use futures::StreamExt;
    use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ListResult, ObjectMeta};

    use super::super::backend::{Backend, ListedObject};
    use super::super::pages;
    use super::super::remote::RemoteBackend;
    use super::*;

    /// The names of a page by its number.
    type Names = fn(usize) -> Vec<String>;

    /// A store whose listing never ends.
    struct Endless {
        names: Names,
        pages: AtomicUsize,
    }

    #[async_trait]
    impl PaginatedListStore for Endless {
        async fn list_paginated(
            &self,
            _prefix: Option<&str>,
            _options: PaginatedListOptions,
        ) -> object_store::Result<PaginatedListResult> {
            let page = self.pages.fetch_add(1, Ordering::Relaxed);
            let object = |name: String| ObjectMeta {
                location: Path::from(name),
                last_modified: SystemTime::UNIX_EPOCH.into(),
                size: 1,
                e_tag: None,
                version: None,
            };
            let objects = (self.names)(page).into_iter().map(object).collect();
            let result = ListResult { common_prefixes: Vec::new(), objects, extensions: Default::default() };
            Ok(PaginatedListResult { result, page_token: Some(page.to_string()) })
        }
    }

    #[tokio::test]
    async fn a_listing_that_never_ends_is_an_error_after_so_many_names_or_idle_pages() {
        let same = |_: usize| vec!["data/aa/one".to_owned(), "data/bb/two".to_owned()];
        let turns = |page: usize| vec![["data/aa/one", "data/bb/two"][page % 2].to_owned()];
        let more = |page: usize| (0..9).map(|number| format!("data/aa/{page:09}{number}")).collect();
        let cases: [(Names, usize, &str); 4] = [
            (same, IDLE_PAGES_MAX + 2, "without another name"),
            (turns, IDLE_PAGES_MAX + 3, "without another name"),
            (|_| Vec::new(), IDLE_PAGES_MAX + 1, "without another name"),
            (more, (1 << 20) / 9 / (ListedObject::new("", 1).bytes() + 18) + 1, "1 MiB hold"),
        ];
        for (names, pages_max, words) in cases {
            let endless = Arc::new(Endless { names, pages: AtomicUsize::new(0) });
            let backend = RemoteBackend::new(Arc::new(InMemory::new()), "", true).with_pages(endless.clone());
            let error = backend.list_from("data", 1 << 20).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            let pages = endless.pages.load(Ordering::Relaxed);
            assert!(pages <= pages_max, "{pages} pages of {pages_max}: {words}");
            let plain = pages::list(endless.clone(), "data/".to_owned());
            let found: Vec<_> = plain.take(100_000).collect().await;
            assert!(found.last().is_some_and(Result::is_err) || words.contains("hold"), "{words}");
        }
    }
}
