//! Who writes: host, user and process, as stamped into keys, locks and snapshots.

use std::os::unix::fs::MetadataExt;

/// The host and user that keys, locks and snapshots name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Origin {
    /// Host name.
    pub hostname: String,
    /// User name, empty if the system knows none.
    pub username: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Origin {
    /// This process on this machine.
    pub fn detect() -> Self {
        let uid = rustix::process::getuid();
        let username = uzers::get_user_by_uid(uid.as_raw())
            .map(|user| user.name().to_string_lossy().into_owned())
            .unwrap_or_default();
        Self {
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            username,
            uid: uid.as_raw(),
            gid: rustix::process::getgid().as_raw(),
        }
    }

    /// The same user on a host of another name.
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = hostname.into();
        self
    }
}

/// The kernel's number for the process namespace this process lives in. Process ids of another one mean nothing here.
pub(crate) fn process_namespace() -> Option<u64> {
    std::fs::metadata("/proc/self/ns/pid").ok().map(|namespace| namespace.ino())
}

/// The kernel's number for its run since it was started. Process ids and namespaces of another one mean nothing here: the
/// first namespace has the same number on every machine.
pub(crate) fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// True unless the kernel says that no process of this id exists.
pub(crate) fn process_may_be_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}
