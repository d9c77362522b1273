//! Random bytes from the operating system.

use rand::TryRng;
use rand::rngs::SysRng;

use crate::error::{Error, ErrorKind, Result};

/// `N` fresh random bytes. Every call asks the kernel, so a cloned virtual machine never repeats a nonce.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|source| {
        Error::new(ErrorKind::Io, "the operating system gives no random bytes").with_source(source)
    })?;
    Ok(bytes)
}
