//! Listing keys that are no proper paths, too.
//!
//! The client refuses a whole page of a listing for one key such as `a//b` or `a/../b`, which any other writer may have
//! put there. Here such a page is asked for in smaller and smaller pieces until the key stands alone; then it is told by
//! its name, and the listing goes on behind it. A page may also be empty with more behind it, as where a store skips over
//! much that was deleted: only its token tells. Azure cannot list from a name on, so that there such a key fails the whole
//! listing, and the error names it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::{Error as PathError, Path};
use object_store::{Error as E, ObjectMeta};

use super::advance::Advance;

/// Keys of one page, as Amazon S3 limits them.
const PAGE: usize = 1000;
/// By how much a page that is refused is cut.
const CUT: usize = 8;
/// Comes behind every name in a folder.
const BEHIND_ALL: char = char::MAX;

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
    /// Whether folders are told by their names alone.
    shallow: bool,
    /// The key behind which the next page begins.
    after: Option<String>,
    /// Where the store goes on after a page without keys.
    token: Option<String>,
    page: usize,
    advance: Advance,
    found: VecDeque<Found>,
    folders: Vec<Path>,
    ended: bool,
}

/// All keys that begin with `prefix`. The store must list in the order of the keys' bytes, as S3 and Google do.
pub(super) fn list(
    store: Arc<dyn PaginatedListStore>,
    prefix: String,
) -> BoxStream<'static, Result<Found, E>> {
    let pages = Pages::new(store, prefix, false);
    stream::try_unfold(pages, async |mut pages| Ok(pages.next().await?.map(|found| (found, pages)))).boxed()
}

/// The folders directly below `prefix`, each once. One that the client cannot name is passed over.
pub(super) async fn folders(store: Arc<dyn PaginatedListStore>, prefix: String) -> Result<Vec<Path>, E> {
    let mut pages = Pages::new(store, prefix, true);
    while !pages.ended {
        pages.load().await?;
        for found in pages.found.drain(..) {
            if let Found::Odd(key) = found {
                tracing::warn!(key = %key.escape_default(), "the store holds a name that is no path; it is passed over");
            }
        }
    }
    pages.folders.dedup();
    Ok(pages.folders)
}

impl Pages {
    fn new(store: Arc<dyn PaginatedListStore>, prefix: String, shallow: bool) -> Self {
        Self {
            store,
            prefix,
            shallow,
            after: None,
            token: None,
            page: PAGE,
            advance: Advance::default(),
            found: VecDeque::new(),
            folders: Vec::new(),
            ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Found>, E> {
        while self.found.is_empty() && !self.ended {
            self.load().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn load(&mut self) -> Result<(), E> {
        let mut options = PaginatedListOptions::default();
        options.offset.clone_from(&self.after);
        options.page_token.clone_from(&self.token);
        options.max_keys = (self.page < PAGE).then_some(self.page);
        options.delimiter = self.shallow.then_some("/".into());
        let prefix = (!self.prefix.is_empty()).then_some(self.prefix.as_str());
        match self.store.list_paginated(prefix, options).await {
            Ok(page) => self.take(page),
            Err(E::InvalidPath { source }) if self.page > 1 => {
                self.page = (self.page / CUT).max(1);
                drop(source);
                Ok(())
            }
            Err(E::InvalidPath { source }) => {
                let odd = key_of(&source).ok_or(E::InvalidPath { source })?;
                let mut after = odd.clone();
                if self.shallow && odd.ends_with('/') {
                    after.push(BEHIND_ALL);
                }
                self.page = PAGE;
                self.advanced(&after)?;
                self.go_on_behind(after);
                self.found.push_back(Found::Odd(odd));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes what a page brings. The client drops a final slash, so that an object `a/` looks like `a`, and comes a
    /// second time behind it.
    fn take(&mut self, page: PaginatedListResult) -> Result<(), E> {
        self.ended = page.page_token.is_none();
        let (mut objects, mut folders) = (page.result.objects, page.result.common_prefixes);
        objects.sort_by(|one, other| one.location.as_ref().cmp(other.location.as_ref()));
        folders.sort();
        let last = objects.last().map(|last| last.location.as_ref().to_owned());
        let last = last.max(folders.last().map(|last| format!("{last}/{BEHIND_ALL}")));
        self.advanced(last.as_deref().unwrap_or_default())?;
        let Some(last) = last else {
            self.token = page.page_token;
            return Ok(());
        };
        let again = self.after.as_ref() == Some(&last);
        objects.retain(|object| self.after.as_deref() != Some(object.location.as_ref()));
        self.go_on_behind(if again { format!("{last}/") } else { last });
        self.found.extend(objects.into_iter().map(Found::Object));
        self.folders.extend(folders);
        Ok(())
    }

    fn go_on_behind(&mut self, key: String) {
        (self.after, self.token) = (Some(key), None);
    }

    /// Notes the last name of an answer.
    fn advanced(&mut self, last: &str) -> Result<(), E> {
        if self.advance.to(last) {
            return Ok(());
        }
        let source = format!("the listing goes on and on without a name behind {last:?}").into();
        Err(E::Generic { store: "listing", source })
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

    fn nothing() -> ListResult {
        ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Default::default() }
    }

    /// Lists raw keys as the S3 client does.
    struct Raw {
        keys: Vec<String>,
        /// Empty pages before the first key, as among what was deleted.
        empty: usize,
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
            let skipped = options.page_token.map_or(0, |token| token.parse().unwrap());
            if options.offset.is_none() && skipped < self.empty {
                let page_token = Some((skipped + 1).to_string());
                return Ok(PaginatedListResult { result: nothing(), page_token });
            }
            let prefix = prefix.unwrap_or_default();
            let fits = |key: &&String| {
                key.starts_with(prefix) && options.offset.as_ref().is_none_or(|after| *key > after)
            };
            let rolled_up = |key: &String| {
                let inner = key[prefix.len()..].find('/').filter(|_| options.delimiter.is_some());
                inner.map_or((key.clone(), false), |at| (key[..=prefix.len() + at].to_owned(), true))
            };
            let mut names: Vec<_> = self.keys.iter().filter(fits).map(rolled_up).collect();
            names.dedup();
            let more = names.len() > options.max_keys.unwrap_or(PAGE);
            names.truncate(options.max_keys.unwrap_or(PAGE));
            let mut result = nothing();
            for (name, is_folder) in names {
                let location = Path::parse(name)?;
                match is_folder {
                    true => result.common_prefixes.push(location),
                    false => result.objects.push(ObjectMeta { location, ..self.sample.clone() }),
                }
            }
            Ok(PaginatedListResult { result, page_token: more.then(|| self.empty.to_string()) })
        }
    }

    async fn raw(mut keys: Vec<String>, empty: usize) -> Arc<Raw> {
        keys.sort();
        let memory = InMemory::new();
        memory.put(&Path::from("x"), "x".into()).await.unwrap();
        let sample = memory.get_opts(&Path::from("x"), GetOptions::default()).await.unwrap().meta;
        Arc::new(Raw { keys, empty, sample, requests: Mutex::new(0) })
    }

    async fn listed(keys: Vec<String>, empty: usize) -> (Vec<String>, Vec<String>, usize) {
        let raw = raw(keys, empty).await;
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
        let (objects, odd, requests) = listed(all, 0).await;
        assert_eq!(objects, good);
        let mut bad = bad.to_vec();
        bad.sort();
        assert_eq!(odd, bad);
        assert!(requests < 200, "{requests}");
    }

    #[tokio::test]
    async fn a_listing_of_proper_keys_takes_one_request_per_page() {
        let good: Vec<String> = (0..2500).map(|number| format!("t/{number:05}")).collect();
        let (objects, odd, requests) = listed(good.clone(), 0).await;
        assert_eq!((objects, odd.len(), requests), (good, 0, 3));
        assert_eq!(listed(Vec::new(), 0).await.2, 1);
    }

    #[tokio::test]
    async fn a_page_without_keys_ends_no_listing_that_goes_on() {
        let good: Vec<String> = (0..1500).map(|number| format!("t/{number:05}")).collect();
        let (objects, odd, requests) = listed(good.clone(), 3).await;
        assert_eq!((objects, odd.len(), requests), (good, 0, 5));
        assert_eq!(listed(vec!["t/a".to_owned(), "t/b//c".to_owned()], 2).await.1, ["t/b//c"]);
        assert_eq!(listed(Vec::new(), 3).await.2, 4);
    }

    #[tokio::test]
    async fn folders_are_told_whatever_names_lie_beside_them() {
        let keys =
            ["t//x", "t/a/1", "t/a/2", "t/b//c", "t/c", "t/d\te/f", "t/d\te/g", "t/e", "t/e/f", "t/z//"];
        for empty in [0, 2] {
            let raw = raw(keys.map(str::to_owned).to_vec(), empty).await;
            let found = folders(raw.clone(), "t/".to_owned()).await.unwrap();
            let found: Vec<_> = found.iter().map(Path::as_ref).collect();
            assert_eq!(found, ["t/a", "t/b", "t/e", "t/z"]);
            assert!(*raw.requests.lock().unwrap() < 40);
        }
        let within = raw(["t/b//c", "t/b/d/e"].map(str::to_owned).to_vec(), 0).await;
        assert_eq!(folders(within, "t/b/".to_owned()).await.unwrap(), [Path::from("t/b/d")]);
    }
}
