//! How far finishing a file system has come, written on it. The tag names the file system: AWS copies tags, and what came
//! from another one says nothing of this one.

use stillpoint_core::Tags;

use crate::managed::efs::FileSystem;

const TAG: &str = "stillpoint:stage";

/// Where finishing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::managed::restore) enum Stage {
    /// Nothing was written on it yet.
    Unseen,
    /// Its plan is on it.
    Planned,
    /// Its plan was carried out.
    Done,
}

impl Stage {
    /// What the tags of `system` say.
    pub(in crate::managed::restore) fn of(system: &FileSystem) -> Self {
        Self::said(&system.tags, &system.id)
    }

    fn said(tags: &Tags, id: &str) -> Self {
        match tags.get(TAG).and_then(|word| word.split_once(':')) {
            Some(("planned", of)) if of == id => Self::Planned,
            Some(("done", of)) if of == id => Self::Done,
            _ => Self::Unseen,
        }
    }

    /// The tag that says so of the file system `id`.
    pub(in crate::managed::restore) fn tag(self, id: &str) -> Tags {
        let word = match self {
            Self::Unseen => return Tags::new(),
            Self::Planned => "planned",
            Self::Done => "done",
        };
        [(TAG.to_owned(), format!("{word}:{id}"))].into()
    }
}

/// Whether the tag `key` with `value` was written by what finishes the file system `id`.
pub(in crate::managed::restore) fn says_itself_of(id: &str, key: &str, value: &str) -> bool {
    key == TAG && Stage::said(&[(key.to_owned(), value.to_owned())].into(), id) != Stage::Unseen
        || super::reroot::says_itself_of(id, key, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_counts_on_its_own_file_system_alone() {
        for stage in [Stage::Planned, Stage::Done] {
            let tags = stage.tag("fs-1");
            assert_eq!(Stage::said(&tags, "fs-1"), stage);
            assert_eq!(Stage::said(&tags, "fs-2"), Stage::Unseen);
            let (key, value) = tags.first_key_value().unwrap();
            assert!(says_itself_of("fs-1", key, value) && !says_itself_of("fs-2", key, value));
        }
        assert_eq!(Stage::said(&Tags::new(), "fs-1"), Stage::Unseen);
        assert!(says_itself_of("fs-1", "stillpoint:reroot", "done:fs-1"));
        assert!(!says_itself_of("fs-1", "stillpoint:reroot", "done:fs-2"));
        assert!(!says_itself_of("fs-1", "stillpoint:backup", "done:fs-1"));
    }
}
