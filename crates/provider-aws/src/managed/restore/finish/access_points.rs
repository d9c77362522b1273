//! Access points of a restored file system, made anew with what they had.

use sha2::{Digest, Sha256};
use stillpoint_core::{OpContext, Result};

use super::{Files, Plan};
use crate::managed::clients::Clients;
use crate::managed::efs::{AccessPoint, FileSystem};

/// How many are made before the operation is heard of again.
const AT_ONCE_MAX: usize = 100;

/// Where putting back stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutBack {
    /// There are more than one call makes.
    Going,
    /// Done, but for so many that cannot be made while the files lie in AWS's folder.
    Done { left: usize },
}

/// Makes what is missing.
///
/// While the files lie in AWS's folder only access points on the root itself can be made: EFS would make an empty
/// directory for any other, and what uses it would find nothing there.
pub(super) async fn put_back(
    cx: &OpContext,
    clients: &Clients,
    system: &FileSystem,
    plan: &Plan,
    files: Files,
) -> Result<PutBack> {
    let wanted = &plan.settings.access_points;
    if wanted.is_empty() {
        return Ok(PutBack::Done { left: 0 });
    }
    let there = clients.efs().access_points(&system.id).await?;
    let (possible, left): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|point| files == Files::AtRoot || point.path == "/");
    let missing = possible.into_iter().map(|point| renewed(point, &system.id));
    let missing: Vec<_> =
        missing.filter(|point| there.iter().all(|known| known.token != point.token)).collect();
    for point in missing.iter().take(AT_ONCE_MAX) {
        cx.check()?;
        clients.efs().create_access_point(&system.id, point).await?;
    }
    Ok(if missing.len() > AT_ONCE_MAX { PutBack::Going } else { PutBack::Done { left: left.len() } })
}

/// The same access point of another file system. What EFS knows it by follows from both, so that a repeat makes no
/// second one.
fn renewed(point: &AccessPoint, system: &str) -> AccessPoint {
    let digest = Sha256::digest(format!("{system}/{}", point.token));
    let token = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    AccessPoint { token, ..point.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_point_is_known_by_the_old_one_and_the_new_file_system() {
        let old = AccessPoint { token: "t".repeat(64), path: "/a".to_owned(), ..AccessPoint::default() };
        let new = renewed(&old, "fs-2");
        assert_eq!(renewed(&old, "fs-2"), new);
        assert_ne!(renewed(&old, "fs-3").token, new.token);
        assert_eq!((new.path.as_str(), new.token.len()), ("/a", 32));
    }
}
