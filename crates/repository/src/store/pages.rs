//! Listing keys that are no proper paths, too.
//!
//! The client refuses a whole page of a listing for one key such as `a//b` or `a/../b`, which any other writer may have
//! put there. Here such a page is asked for in smaller and smaller pieces until the key stands alone; then it is told by
//! its name, and the listing goes on behind it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Error as PathError;
use object_store::{Error as E, ObjectMeta};

use super::advance::Advance;

/// Keys of one page, as Amazon S3 limits them.
const PAGE: usize = 1000;
/// By how much a page that is refused is cut.
const CUT: usize = 8;

/// A key that was found.
#[derive(Debug)]
pub(super) enum Found {
    /// An object that can be asked for.
    Object(ObjectMeta),
    /// A key that the client cannot name.
    Odd(String),
}

/// A listing in the order of the keys' bytes.
struct Pages {
    store: Arc<dyn PaginatedListStore>,
    prefix: String,
    /// The key behind which the next page begins.
    after: Option<String>,
    page: usize,
    advance: Advance,
    found: VecDeque<Found>,
    ended: bool,
}

/// All keys that begin with `prefix`. The store must list in the order of the keys' bytes, as S3 does.
pub(super) fn list(
    store: Arc<dyn PaginatedListStore>,
    prefix: String,
) -> BoxStream<'static, Result<Found, E>> {
    let pages = Pages {
        store,
        prefix,
        after: None,
        page: PAGE,
        advance: Advance::default(),
        found: VecDeque::new(),
        ended: false,
    };
    stream::try_unfold(pages, async |mut pages| Ok(pages.next().await?.map(|found| (found, pages)))).boxed()
}

impl Pages {
    async fn next(&mut self) -> Result<Option<Found>, E> {
        while self.found.is_empty() && !self.ended {
            self.load().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn load(&mut self) -> Result<(), E> {
        let mut options = PaginatedListOptions::default();
        options.offset.clone_from(&self.after);
        options.max_keys = (self.page < PAGE).then_some(self.page);
        match self.store.list_paginated(Some(&self.prefix), options).await {
            Ok(page) => {
                self.ended = page.page_token.is_none();
                self.take(page.result.objects)
            }
            Err(E::InvalidPath { source }) if self.page > 1 => {
                self.page = (self.page / CUT).max(1);
                drop(source);
                Ok(())
            }
            Err(E::InvalidPath { source }) => {
                let odd = key_of(&source).ok_or(E::InvalidPath { source })?;
                self.after = Some(odd.clone());
                self.page = PAGE;
                self.advanced(&odd)?;
                self.found.push_back(Found::Odd(odd));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Pages {
    /// Takes the objects of a page. The client drops a final slash, so that an object `a/` looks like `a`, and comes a
    /// second time behind it.
    fn take(&mut self, mut objects: Vec<ObjectMeta>) -> Result<(), E> {
        objects.sort_by(|one, other| one.location.as_ref().cmp(other.location.as_ref()));
        let Some(last) = objects.last().map(|last| last.location.as_ref().to_owned()) else {
            self.ended = true;
            return Ok(());
        };
        self.advanced(&last)?;
        let again = self.after.as_ref() == Some(&last);
        objects.retain(|object| self.after.as_deref() != Some(object.location.as_ref()));
        self.after = Some(if again { format!("{last}/") } else { last });
        self.found.extend(objects.into_iter().map(Found::Object));
        Ok(())
    }

    /// Notes the last name of an answer.
    fn advanced(&mut self, last: &str) -> Result<(), E> {
        if self.advance.to(last) {
            return Ok(());
        }
        let source = format!("the listing goes on and on without a name behind {last:?}").into();
        Err(E::Generic { store: "S3", source })
    }
}

/// The key that an error is about.
fn key_of(error: &PathError) -> Option<String> {
    match error {
        PathError::EmptySegment { path } | PathError::BadSegment { path, .. } => Some(path.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::TryStreamExt;
    use object_store::list::PaginatedListResult;
    use object_store::path::Path;
    use object_store::{GetOptions, ListResult, ObjectStore, ObjectStoreExt, memory::InMemory};

    use super::*;

    /// Lists raw keys as the S3 client does.
    struct Raw {
        keys: Vec<String>,
        sample: ObjectMeta,
        requests: Mutex<usize>,
    }

    #[async_trait::async_trait]
    impl PaginatedListStore for Raw {
        async fn list_paginated(
            &self,
            prefix: Option<&str>,
            options: PaginatedListOptions,
        ) -> object_store::Result<PaginatedListResult> {
            *self.requests.lock().unwrap() += 1;
            let fits = |key: &&String| {
                key.starts_with(prefix.unwrap()) && options.offset.as_ref().is_none_or(|after| *key > after)
            };
            let mut keys: Vec<&String> = self.keys.iter().filter(fits).collect();
            let more = keys.len() > options.max_keys.unwrap_or(PAGE);
            keys.truncate(options.max_keys.unwrap_or(PAGE));
            let objects = keys
                .iter()
                .map(|key| Ok(ObjectMeta { location: Path::parse(key.as_str())?, ..self.sample.clone() }));
            let objects = objects.collect::<object_store::Result<_>>()?;
            let result = ListResult { common_prefixes: Vec::new(), objects, extensions: Default::default() };
            Ok(PaginatedListResult { result, page_token: more.then(|| "more".to_owned()) })
        }
    }

    async fn listed(mut keys: Vec<String>) -> (Vec<String>, Vec<String>, usize) {
        keys.sort();
        let memory = InMemory::new();
        memory.put(&Path::from("x"), "x".into()).await.unwrap();
        let sample = memory.get_opts(&Path::from("x"), GetOptions::default()).await.unwrap().meta;
        let raw = Arc::new(Raw { keys, sample, requests: Mutex::new(0) });
        let found: Vec<Found> = list(raw.clone(), "t/".to_owned()).try_collect().await.unwrap();
        let (mut objects, mut odd) = (Vec::new(), Vec::new());
        for found in found {
            match found {
                Found::Object(meta) => objects.push(meta.location.to_string()),
                Found::Odd(key) => odd.push(key),
            }
        }
        let requests = *raw.requests.lock().unwrap();
        (objects, odd, requests)
    }

    #[tokio::test]
    async fn odd_keys_are_told_one_by_one_and_hide_no_other() {
        let good: Vec<String> = (0..2500).map(|number| format!("t/file-{number:05}")).collect();
        let good: Vec<String> =
            good.into_iter().chain(["t/mark".to_owned(), "t/mark/in".to_owned()]).collect();
        let bad =
            ["t//empty", "t/a/../b", "t/file-01000/./x", "t/nul\0", "t/z//", "t/z//y"].map(str::to_owned);
        let mut all: Vec<String> = good.iter().chain(&bad).cloned().collect();
        all.retain(|key| key != "t/mark");
        all.push("t/mark/".to_owned());
        let (objects, odd, requests) = listed(all).await;
        assert_eq!(objects, good);
        let mut bad = bad.to_vec();
        bad.sort();
        assert_eq!(odd, bad);
        assert!(requests < 200, "{requests}");
    }

    #[tokio::test]
    async fn a_listing_of_proper_keys_takes_one_request_per_page() {
        let good: Vec<String> = (0..2500).map(|number| format!("t/{number:05}")).collect();
        let (objects, odd, requests) = listed(good.clone()).await;
        assert_eq!((objects, odd.len(), requests), (good, 0, 3));
        assert_eq!(listed(Vec::new()).await.2, 1);
    }
}
