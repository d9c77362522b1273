//! Who this process is, and whether another one is dead.

use std::fmt::Debug;
use std::fs;

use crate::catalog::Holder;

/// Tells whether the holder of a lease is certainly dead, so that its operations can be taken over at once instead
/// of when the lease runs out.
pub trait Liveness: Debug + Send + Sync + 'static {
    /// True only where it is certain.
    fn is_dead(&self, holder: &Holder) -> bool;
}

/// Looks at the processes of this machine (Linux). A holder on another machine, in another boot or in another
/// process namespace is never called dead.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ProcessLiveness;

impl Liveness for ProcessLiveness {
    fn is_dead(&self, holder: &Holder) -> bool {
        let Some(host) = this_host() else { return false };
        let mut words = holder.process.split_whitespace();
        let (Some("pid"), Some(pid), Some("started"), Some(started)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return false;
        };
        let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
        holder.host == host && is_pid && start_time(pid).as_deref() != Some(started)
    }
}

/// This process as a holder: host name, boot and process namespace; pid and start time.
pub(super) fn this_process() -> Holder {
    let pid = std::process::id();
    process_holder(pid).unwrap_or_else(|| Holder::new("unknown", format!("pid {pid} started unknown")))
}

/// A process of this machine as a [`Holder`], by which [`ProcessLiveness`] knows it again; `None` where there is no such
/// process, or where this system cannot tell (it needs Linux's `/proc`).
///
/// ```
/// use stillpoint_core::{Liveness, ProcessLiveness, process_holder};
///
/// if let Some(me) = process_holder(std::process::id()) {
///     assert!(!ProcessLiveness::default().is_dead(&me));
/// }
/// ```
pub fn process_holder(pid: u32) -> Option<Holder> {
    let started = start_time(&pid.to_string())?;
    Some(Holder::new(this_host()?, format!("pid {pid} started {started}")))
}

fn this_host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}/{}", name.trim(), boot.trim(), namespace.display()))
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, counted after the name in
/// parentheses (`proc(5)`). A zombie does no more work and counts as gone.
fn start_time(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (state != "Z" && state != "X").then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_dead() {
        let me = this_process();
        assert!(!ProcessLiveness.is_dead(&me));
        let pid = std::process::id();
        let impostor = Holder::new(me.host.clone(), format!("pid {pid} started 1"));
        assert!(ProcessLiveness.is_dead(&impostor));
        let elsewhere = Holder::new("other/boot/ns", format!("pid {pid} started 1"));
        assert!(!ProcessLiveness.is_dead(&elsewhere));
        assert!(!ProcessLiveness.is_dead(&Holder::new(me.host, "worker-7")));
    }
}
