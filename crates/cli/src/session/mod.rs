//! One run's settings and output, and what is made from them: catalog, repository, providers, orchestrator.

mod host;
mod needs;
mod orchestrator;

use std::sync::Arc;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupQuery, BackupRecord, Catalog, CatalogExt, Clock, Error, ErrorKind, OpContext, OperationId,
    OperationQuery, Provider, Result, StoredOperation, SystemClock, SystemEntropy, Timestamp, WorkspaceId,
};
use stillpoint_provider_s3sync::{MirrorSource, RepositorySource, S3SyncProvider, Space};
use stillpoint_repository::{Credentials, Origin, Repository, Store, StoreSettings};
use stillpoint_server::access::{AccessStore, MemoryAccess};

use crate::args::Layout;
use crate::engine;
use crate::exit::{Failure, REPOSITORY};
use crate::output::Output;
use crate::settings::{PasswordSource, Settings, write_new_key};

pub(crate) use needs::Needs;
pub(crate) use orchestrator::{Answering, Files, STORE};

/// The object that every repository has.
const REPOSITORY_MARK: &str = "config";
/// Much larger than that object ever is.
const REPOSITORY_MARK_BYTES_MAX: u64 = 1 << 20;

/// Operations that an ambiguous prefix names in its error.
const CANDIDATES_MAX: usize = 20;

/// `text` as the name of a backup of `workspace`, where it names no more than a point in time.
pub(crate) fn within(workspace: Option<&str>, text: &str) -> String {
    let point = text == "latest" || text.parse::<Timestamp>().is_ok();
    match workspace.filter(|_| point) {
        Some(workspace) => format!("{workspace}@{text}"),
        None => text.to_owned(),
    }
}

async fn is_empty(catalog: &dyn Catalog) -> Result<bool> {
    let mut any = BackupQuery::all();
    any.limit = 1;
    let page = catalog.backups(&any).await?;
    Ok(page.items.is_empty() && page.damaged.is_empty())
}

/// The workspace that is named by its id, or as a user's space.
///
/// # Errors
/// A wrong command line where the two name different ones.
pub(crate) fn meant(named: Option<&str>, space: Option<String>) -> Result<Option<String>, Failure> {
    match (named, space) {
        (Some(named), Some(space)) if named != space => Err(Failure::usage(format!(
            "--workspace says {named}, and --user and --space say {space}; leave one of them out"
        ))),
        (named, space) => Ok(named.map(str::to_owned).or(space)),
    }
}

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) output: Output,
}

impl Session {
    pub(crate) fn new(settings: Settings, output: Output) -> Self {
        Self { settings, output }
    }

    /// Opens the catalog, and makes it where it is missing.
    ///
    /// # Errors
    /// Whatever opening it meets: locked, written by a newer version, damaged, not to be written.
    pub(crate) async fn catalog(&self) -> Result<Arc<dyn Catalog>> {
        self.catalog_and_access().await.map(|(catalog, _)| catalog)
    }

    /// Opens the catalog, and what is kept beside it of those who may call its servers.
    ///
    /// # Errors
    /// As [`Session::catalog`].
    pub(crate) async fn catalog_and_access(&self) -> Result<(Arc<dyn Catalog>, Arc<dyn AccessStore>)> {
        let url = self.settings.catalog.as_str();
        if url == "memory:" {
            return Ok((Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default())));
        }
        let catalog = Arc::new(SqlCatalog::open(url, SqlOptions::default()).await?);
        Ok((Arc::clone(&catalog) as _, catalog as _))
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// A missing repository, a wrong password and a store that cannot be reached are told apart by the context pair
    /// `repository`.
    pub(crate) async fn repository(&self) -> Result<Repository> {
        self.needs_repository()?;
        self.source().await?.open().await.map_err(|error| self.clear(error))
    }

    /// The provider on the repository, which must exist.
    ///
    /// # Errors
    /// As [`Session::repository`].
    pub(crate) async fn provider(&self) -> Result<Arc<S3SyncProvider>> {
        if self.settings.layout == Layout::Mirror {
            return self.mirror();
        }
        let source = self.source().await?.without_creating();
        source.open().await.map_err(|error| self.clear(error))?;
        Ok(engine::provider(source))
    }

    /// The provider on a repository that the first backup makes; its key, where no password is given, is made now.
    ///
    /// # Errors
    /// As [`Session::repository`], except that the repository may be missing.
    pub(crate) async fn provider_or_new(&self) -> Result<Arc<S3SyncProvider>> {
        if self.settings.layout == Layout::Mirror {
            self.refuse_a_repository().await?;
            return self.mirror();
        }
        let credentials = match self.settings.read_password()? {
            Some(credentials) => credentials,
            None => self.make_key().await?,
        };
        self.provider_unless_refused(RepositorySource::from_store(self.store()?, credentials)).await
    }

    /// The provider for a plan, which makes nothing: neither repository nor key need be there.
    ///
    /// # Errors
    /// As [`Session::repository`], except that the repository may be missing.
    pub(crate) async fn provider_for_plan(&self) -> Result<Arc<S3SyncProvider>> {
        if self.settings.layout == Layout::Mirror {
            return self.mirror();
        }
        let credentials = match self.settings.read_password()? {
            Some(credentials) => credentials,
            None => Credentials::generate().map_err(engine::error)?.0,
        };
        self.provider_unless_refused(RepositorySource::from_store(self.store()?, credentials)).await
    }

    /// Refuses to mix mirrored timestamps into a repository: a user's name might be that of one of its folders.
    async fn refuse_a_repository(&self) -> Result<()> {
        let store = self.store()?;
        match store.get_object(REPOSITORY_MARK, REPOSITORY_MARK_BYTES_MAX).await {
            Ok(_) => {}
            // Who got no answer knows nothing of what is there.
            Err(error) if error.is_transient() => return Err(self.clear(engine::error(error))),
            // A role that is for one space may not look here, and a user's folder may have this name.
            Err(_none_there) => return Ok(()),
        }
        let message = format!(
            "the store {} holds a repository; name another one for mirrored timestamps, or leave --layout mirror out",
            store.description()
        );
        Err(Error::new(ErrorKind::InvalidConfig, message))
    }

    /// The provider on mirrored timestamps; they need neither a repository nor a key.
    fn mirror(&self) -> Result<Arc<S3SyncProvider>> {
        engine::mirror(self.narrowed(MirrorSource::from_store(self.store()?))?)
    }

    /// Only the space that the command line names, where it names one.
    ///
    /// # Errors
    /// `InvalidInput` where it cannot be one.
    pub(crate) fn narrowed(&self, source: MirrorSource) -> Result<MirrorSource> {
        match &self.settings.only {
            Some((user, space)) => Ok(source.of_space(Space::new(user, space)?)),
            None => Ok(source),
        }
    }

    /// Where the repository that an import fills lies; its key, where no password is given, is made now.
    ///
    /// # Errors
    /// As [`Session::provider_or_new`].
    pub(crate) async fn repository_to_fill(&self) -> Result<RepositorySource> {
        self.needs_repository()?;
        let credentials = match self.settings.read_password()? {
            Some(credentials) => credentials,
            None => self.make_key().await?,
        };
        Ok(RepositorySource::from_store(self.store()?, credentials))
    }

    fn needs_repository(&self) -> Result<()> {
        if self.settings.layout == Layout::Repository {
            return Ok(());
        }
        let message =
            "this command works on a repository; mirrored timestamps have `verify`, `list` and `delete`";
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// The backup that `text` names. In the mirrored layout timestamps that the catalog does not know are looked for in
    /// the store, and a space named on the command line is the one that is meant.
    ///
    /// # Errors
    /// As [`CatalogExt::resolve`], or the store's failure.
    pub(crate) async fn resolve(&self, catalog: &dyn Catalog, text: &str) -> Result<BackupRecord> {
        let text = within(self.settings.only_workspace().as_deref(), text);
        let now = SystemClock::default().now();
        let resolved = match catalog.resolve_at(None, &text, now).await {
            Err(error) if error.kind() == ErrorKind::NotFound && self.settings.layout == Layout::Mirror => {
                self.catalogue_timestamps(catalog).await?;
                catalog.resolve_at(None, &text, now).await
            }
            resolved => resolved,
        };
        match resolved {
            Err(error) if error.kind() == ErrorKind::NotFound && is_empty(catalog).await? => {
                let message = format!(
                    "{error}; the catalog holds no backup at all, and `stillpoint rebuild` lists those that the store holds"
                );
                Err(Error::new(ErrorKind::NotFound, message))
            }
            resolved => self.nearest(catalog, &text, resolved?).await,
        }
    }

    /// Notes in the catalog every timestamp of the store that it lacks, those of the sample script too.
    ///
    /// # Errors
    /// The store's failure, or the catalog's.
    pub(crate) async fn catalogue_timestamps(&self, catalog: &dyn Catalog) -> Result<()> {
        let records = self.mirror()?.records(&OpContext::background()).await?;
        stillpoint_core::rebuild(catalog, &records.readable, None).await.map(drop)
    }

    /// Refuses where a mirrored store on this machine holds nothing of a workspace: it may not be mounted.
    ///
    /// # Errors
    /// `NotFound` then.
    pub(crate) async fn must_hold(&self, workspace: &WorkspaceId) -> Result<()> {
        MirrorSource::from_store(self.store()?).must_hold(&Space::of_workspace(workspace)).await
    }

    async fn provider_unless_refused(&self, source: RepositorySource) -> Result<Arc<S3SyncProvider>> {
        match source.open().await {
            Err(error) if error.context(REPOSITORY) != Some("missing") => Err(self.clear(error)),
            Ok(_) | Err(_) => Ok(engine::provider(source)),
        }
    }

    /// The error of a store that cannot be reached in one sentence; what the client tried is for the log.
    fn clear(&self, error: Error) -> Error {
        if error.context(REPOSITORY) != Some("unreachable") {
            return error;
        }
        tracing::warn!(error = error.to_string_chain(), "the store cannot be reached");
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let store = self.settings.store_url().unwrap_or_else(|_| self.settings.store.clone());
        let message =
            format!("the store {store} cannot be reached; check endpoint, credentials and network ({cause})");
        Error::new(ErrorKind::Unavailable, message).with(REPOSITORY, "unreachable")
    }

    async fn source(&self) -> Result<RepositorySource> {
        match self.settings.read_password()? {
            Some(credentials) => Ok(RepositorySource::from_store(self.store()?, credentials)),
            None => Err(self.without_key(self.store()?).await),
        }
    }

    /// The operation of this id, or of this unique prefix of an id.
    ///
    /// # Errors
    /// `NotFound` where none fits, `InvalidInput` where several do.
    pub(crate) async fn operation(&self, catalog: &dyn Catalog, text: &str) -> Result<StoredOperation> {
        if let Some(stored) = catalog.operation(&OperationId::new(text)?).await? {
            return Ok(stored);
        }
        let mut query = OperationQuery::all();
        query.id_prefix = Some(text.to_owned());
        query.limit = CANDIDATES_MAX;
        let mut found = catalog.operations(&query).await?.items;
        match (found.len(), found.pop()) {
            (1, Some(only)) => Ok(only),
            (_, None) => {
                let message = format!("no operation fits {text:?}; `stillpoint operations --all` lists them");
                Err(Error::new(ErrorKind::NotFound, message))
            }
            (_, Some(last)) => {
                found.push(last);
                let ids: Vec<_> = found.iter().map(|stored| stored.operation.id.as_str()).collect();
                let message = format!("{text:?} is ambiguous: it fits {}", ids.join(", "));
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }

    /// A fresh operation id.
    pub(crate) fn new_operation(&self) -> OperationId {
        OperationId::generate(&SystemEntropy::default())
    }

    /// Who asks for an operation: user and host.
    pub(crate) fn creator(&self) -> String {
        let origin = Origin::detect();
        let user = if origin.username.is_empty() { origin.uid.to_string() } else { origin.username };
        format!("{user}@{}", origin.hostname)
    }

    /// The store of this run's file snapshots. Nothing is contacted yet.
    ///
    /// # Errors
    /// `InvalidInput` or `InvalidConfig` where its URL or a setting cannot be used.
    pub(crate) fn store(&self) -> Result<Store> {
        let settings = StoreSettings::from_environment();
        let store = Store::from_url(&self.settings.store_url()?, &settings).map_err(engine::error)?;
        let store = store.with_limits(self.settings.limits);
        Ok(match &self.settings.cache {
            Some(folder) => store.with_cache(folder),
            None => store,
        })
    }

    /// Makes the key of a new repository. Where a repository is there already, another key would not open it.
    async fn make_key(&self) -> Result<Credentials> {
        let PasswordSource::KeyFile(path) = &self.settings.password else {
            return Err(Error::new(ErrorKind::Unexpected, "only the key file can be missing"));
        };
        let error = self.without_key(self.store()?).await;
        if error.context(REPOSITORY) != Some("missing") {
            return Err(error);
        }
        self.settings.data_dir.make()?;
        let (_, text) = Credentials::generate().map_err(engine::error)?;
        if write_new_key(path, &text)? {
            self.output.note(format_args!(
                "a new key was written to {}\nkeep a copy of it in a safe place: without it no backup can be read",
                path.display()
            ));
        }
        let read = self.settings.read_password()?;
        read.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the key file {} is gone again", path.display()))
        })
    }

    /// The error of a run that has neither password nor key: whether there is a repository at all decides which.
    async fn without_key(&self, store: Store) -> Error {
        let place = store.description().to_owned();
        let probe = match Credentials::generate() {
            Ok((credentials, _)) => Repository::open(store, &credentials, Origin::detect()).await,
            Err(error) => return engine::error(error),
        };
        match probe.map_err(engine::error) {
            Err(error) if error.context(REPOSITORY) == Some("wrong-password") => {
                let message = format!(
                    "the repository at {place} needs its password: give --password-file or STILLPOINT_PASSWORD, or put \
                     its key at {}",
                    self.settings.data_dir.key_file().display()
                );
                Error::new(ErrorKind::Unauthenticated, message).with(REPOSITORY, "wrong-password")
            }
            Err(error) => self.clear(error),
            Ok(_) => Error::new(ErrorKind::Unexpected, "a random key opened the repository"),
        }
    }
}
