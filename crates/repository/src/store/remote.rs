//! Objects in a cloud store.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutOptions};

use super::backend::{Backend, ListedObject, PutMode};
use super::too_large;
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(super) struct RemoteBackend {
    store: Arc<dyn ObjectStore>,
    prefix: String,
}

impl RemoteBackend {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self { store, prefix: prefix.trim_matches('/').to_owned() }
    }

    fn path(&self, key: &str) -> Result<Path> {
        let full = if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        Path::parse(&full)
            .map_err(|source| Error::invalid(format!("`{full}` is no valid object name")).with_source(source))
    }

    fn strip<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.prefix).unwrap_or(path).trim_start_matches('/')
    }
}

#[async_trait]
impl Backend for RemoteBackend {
    async fn put(&self, key: &str, data: Bytes, mode: PutMode) -> Result<()> {
        let mode = match mode {
            PutMode::Create => object_store::PutMode::Create,
            PutMode::Overwrite => object_store::PutMode::Overwrite,
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        self.store.put_opts(&self.path(key)?, data.into(), options).await.map_err(|error| failed(error, "write", key))?;
        Ok(())
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes> {
        let found = self.store.get(&self.path(key)?).await.map_err(|error| failed(error, "read", key))?;
        if found.meta.size > limit {
            return Err(too_large(key, limit));
        }
        found.bytes().await.map_err(|error| failed(error, "read", key))
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let wanted = GetRange::Bounded(range.clone());
        let options = GetOptions { range: Some(wanted), ..GetOptions::default() };
        let found = self
            .store
            .get_opts(&self.path(key)?, options)
            .await
            .map_err(|error| failed(error, "read", key))?;
        if found.range != range {
            return Err(Error::corrupt(key, format!("it ends before byte {}", range.end)));
        }
        found.bytes().await.map_err(|error| failed(error, "read", key))
    }

    async fn list(&self, folder: &str, limit: usize) -> Result<Vec<ListedObject>> {
        let path = self.path(folder)?;
        let mut pages = self.store.list(Some(&path));
        let mut objects = Vec::new();
        while let Some(meta) = pages.try_next().await.map_err(|error| failed(error, "list", folder))? {
            if objects.len() == limit {
                return Err(Error::new(ErrorKind::Unsupported, format!("{folder} holds more than {limit} objects")));
            }
            objects.push(ListedObject::new(self.strip(meta.location.as_ref()), meta.size));
        }
        Ok(objects)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error, "delete", key)),
        }
    }

    async fn sweep(&self) -> Result<()> {
        Ok(())
    }
}

/// Says in one sentence what failed and what to do.
fn failed(source: object_store::Error, verb: &str, key: &str) -> Error {
    use object_store::Error as E;
    let (kind, advice) = match &source {
        E::NotFound { .. } => (ErrorKind::NotFound, "the store has no such object or bucket"),
        E::AlreadyExists { .. } | E::Precondition { .. } => (ErrorKind::AlreadyExists, "it exists already"),
        E::PermissionDenied { .. } => {
            (ErrorKind::PermissionDenied, "the store denies access; check the permissions of the credentials")
        }
        E::Unauthenticated { .. } => {
            (ErrorKind::PermissionDenied, "the store does not accept the credentials; check that they are set and valid")
        }
        E::NotSupported { .. } | E::NotImplemented { .. } => (ErrorKind::Unsupported, "the store cannot do this"),
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => (ErrorKind::InvalidInput, "the name is not usable"),
        E::JoinError { .. } => (ErrorKind::Cancelled, "the operation was cancelled"),
        _ => (
            ErrorKind::Unavailable,
            "the store cannot be reached or keeps failing; check endpoint and network, then run the same command again",
        ),
    };
    Error::new(kind, format!("cannot {verb} {key}: {advice}")).with_source(source)
}
