//! What a restore would make of a target, found without changing anything.

use std::fmt;
use std::path::PathBuf;

use crate::itemised::Itemised;
use crate::metadata::FileKind;

/// What a restore would make of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// Nothing stands there; it is made.
    Created,
    /// What stands there has another content, kind or time and makes room.
    Replaced,
    /// The content stays; owner, mode, time or extended attributes are set.
    Attributes,
    /// It stands there already and is left as it is.
    Unchanged,
    /// It differs and is kept as it stands, as was asked for.
    Kept,
    /// It is in the way and cannot be replaced: it is kept, and the restore is not whole.
    Conflict,
    /// A device node or socket that the options leave out.
    Withheld,
    /// The backup lacks what it would be restored from.
    Damaged,
    /// The place could not be looked at: a restore opens directories that are closed to a preview.
    Unseen,
    /// Only the target has it, with everything below it; it is kept.
    Foreign,
}

impl Fate {
    /// All of them, those that write first.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::Replaced,
        Self::Attributes,
        Self::Unchanged,
        Self::Kept,
        Self::Conflict,
        Self::Withheld,
        Self::Damaged,
        Self::Unseen,
        Self::Foreign,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Attributes => "attributes",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
            Self::Conflict => "conflict",
            Self::Withheld => "withheld",
            Self::Damaged => "damaged",
            Self::Unseen => "unseen",
            Self::Foreign => "foreign",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry and what would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Foreseen {
    /// The path relative to the target; empty for the target itself.
    pub path: PathBuf,
    /// What it is in the backup or, where only the target has it, there.
    pub kind: FileKind,
    /// What would become of it.
    pub fate: Fate,
    /// Bytes of content that would be written for it, holes included.
    pub bytes: u64,
}

/// What a restore would make of a target.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Preview {
    counts: [u64; Fate::ALL.len()],
    /// Bytes of content that would be written, holes included.
    pub bytes: u64,
    /// What would not stay as it is, and what is in the way; entries that stand already are only counted.
    pub items: Itemised<Foreseen>,
}

impl Preview {
    /// How many entries this would become of.
    pub fn count(&self, fate: Fate) -> u64 {
        self.counts.get(fate as usize).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, item: Foreseen) {
        if let Some(count) = self.counts.get_mut(item.fate as usize) {
            *count += 1;
        }
        self.bytes = self.bytes.saturating_add(item.bytes);
        if item.fate != Fate::Unchanged {
            self.items.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_is_counted_by_itself() {
        let mut preview = Preview::default();
        for fate in Fate::ALL {
            for _ in 0..=fate as usize {
                preview.add(Foreseen { path: "x".into(), kind: FileKind::File, fate, bytes: 1 });
            }
        }
        for (place, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!(preview.count(fate), place as u64 + 1, "{fate}");
        }
        assert_eq!(preview.bytes, 55);
        assert_eq!(preview.items.total(), 55 - 4, "what is unchanged is not listed");
    }
}
