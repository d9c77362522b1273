//! File modes in the bits of Go's `os.FileMode`, which the repository format stores.

use serde::{Deserialize, Serialize};

/// Permission and type bits as Go's `os.FileMode` numbers them.
///
/// The nine permission bits are Unix's; set-user-id, set-group-id, sticky and the file type sit elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mode(u32);

const DIR: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const NAMED_PIPE: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHAR_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;
const IRREGULAR: u32 = 1 << 19;

/// Unix `S_IFMT` and its values, as in `inode(7)`.
const UNIX_TYPE: u32 = 0o170_000;
const TYPES: [(u32, u32); 7] = [
    (0o040_000, DIR),
    (0o120_000, SYMLINK),
    (0o060_000, DEVICE),
    (0o020_000, DEVICE | CHAR_DEVICE),
    (0o010_000, NAMED_PIPE),
    (0o140_000, SOCKET),
    (0o100_000, 0),
];
const SPECIAL: [(u32, u32); 3] = [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)];

impl Mode {
    /// From `st_mode`, with or without the file type.
    pub fn from_unix(st_mode: u32) -> Self {
        let kind = match TYPES.iter().find(|(unix, _)| *unix == st_mode & UNIX_TYPE) {
            Some((_, go)) => *go,
            None if st_mode & UNIX_TYPE == 0 => 0,
            None => IRREGULAR,
        };
        let special: u32 = SPECIAL.iter().filter(|(unix, _)| st_mode & unix != 0).map(|(_, go)| go).sum();
        Self(kind | special | st_mode & 0o777)
    }

    /// The twelve permission bits of `st_mode`: `rwxrwxrwx`, set-user-id, set-group-id and sticky.
    pub fn unix_permissions(self) -> u32 {
        let special: u32 = SPECIAL.iter().filter(|(_, go)| self.0 & go != 0).map(|(unix, _)| unix).sum();
        special | self.0 & 0o777
    }

    /// The number as stored.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// A stored number.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_carry_gos_bits() {
        for (unix, go) in [
            (0o100_644, 0o644),
            (0o040_755, DIR | 0o755),
            (0o041_777, DIR | STICKY | 0o777),
            (0o104_755, SETUID | 0o755),
            (0o102_711, SETGID | 0o711),
            (0o120_777, SYMLINK | 0o777),
            (0o060_660, DEVICE | 0o660),
            (0o020_620, DEVICE | CHAR_DEVICE | 0o620),
            (0o010_600, NAMED_PIPE | 0o600),
            (0o140_600, SOCKET | 0o600),
        ] {
            assert_eq!(Mode::from_unix(unix).bits(), go, "{unix:o}");
            assert_eq!(Mode::from_unix(unix).unix_permissions(), unix & 0o7777);
        }
    }
}
