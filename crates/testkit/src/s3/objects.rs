//! The objects behind the server, looked at and changed without a request.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Server, Store};

impl Server {
    /// The file behind an object of the server's bucket.
    ///
    /// # Panics
    /// When the objects are in memory.
    #[track_caller]
    pub fn object_path(&self, key: &str) -> PathBuf {
        self.root().join(&self.options.bucket).join(key)
    }

    /// The directory that holds the bucket's directory.
    ///
    /// # Panics
    /// When the objects are in memory.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test that wants files has to ask for files")]
    pub fn root(&self) -> &Path {
        match &self.store {
            Store::Files(root) => root,
            Store::Memory(_) => panic!("the objects of this server are in memory, not in files"),
        }
    }

    /// Keys that start with `prefix`, with the lengths of their objects in bytes.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn objects(&self, prefix: &str) -> io::Result<BTreeMap<String, u64>> {
        match &self.store {
            Store::Memory(memory) => Ok(memory.keys(prefix)),
            Store::Files(root) => {
                let mut found = files(&root.join(&self.options.bucket))?;
                found.retain(|key, _| key.starts_with(prefix));
                Ok(found)
            }
        }
    }

    /// What lies under `key`, or `None`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn object(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        match &self.store {
            Store::Memory(memory) => Ok(memory.get(key).map(|content| content.to_vec())),
            Store::Files(_) => match fs::read(self.object_path(key)) {
                Ok(content) => Ok(Some(content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Writes an object, or damages the one that is there, without a request.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn put_object(&self, key: &str, content: Vec<u8>) -> io::Result<()> {
        match &self.store {
            Store::Memory(memory) => memory.put(key, content),
            Store::Files(_) => {
                let path = self.object_path(key);
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::write(path, content)?;
            }
        }
        Ok(())
    }

    /// Takes an object away without a request, and says whether it was there.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove_object(&self, key: &str) -> io::Result<bool> {
        match &self.store {
            Store::Memory(memory) => Ok(memory.remove(key)),
            Store::Files(_) => match fs::remove_file(self.object_path(key)) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}

fn files(root: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                pending.push(path);
            } else if let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                found.insert(key.to_owned(), entry.metadata()?.len());
            }
        }
    }
    Ok(found)
}
