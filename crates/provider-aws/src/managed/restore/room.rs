//! Room for our own tags on a file system onto which AWS copied those of its source.

use stillpoint_core::Tags;

use crate::managed::tags;

/// How many of the tags that AWS copied had to go.
const LEFT_OUT: &str = "stillpoint:tags-left-out";
/// So many tags say how a file system is finished, beside its plan: the stage, the re-rooting, what is left to do, and this one.
const SAID: usize = 4;

/// The keys among the tags `found` that must go so that those of `needed`, and what is said later, find room.
pub(super) fn surplus(found: &Tags, needed: &Tags) -> Vec<String> {
    let copied = found.keys().filter(|key| {
        !tags::is_own_key(key) && !key.to_ascii_lowercase().starts_with("aws:") && !needed.contains_key(*key)
    });
    copied.skip(tags::TAGS_MAX.saturating_sub(needed.len() + SAID)).cloned().collect()
}

/// The tag that says of the file system `id` that `count` tags were left out.
pub(super) fn left_out(id: &str, count: usize) -> Tags {
    if count == 0 { Tags::new() } else { [(LEFT_OUT.to_owned(), format!("{count}:{id}"))].into() }
}

/// Whether the tag `key` with `value` says so of the file system `id`, and of none that it was copied from.
pub(super) fn says_itself_of(id: &str, key: &str, value: &str) -> bool {
    key == LEFT_OUT && value.split_once(':').is_some_and(|(_, of)| of == id)
}

/// What a person is told of the file system `id` with the tags `found`, where some were left out.
pub(super) fn told(id: &str, found: &Tags) -> Option<String> {
    let value = found.get(LEFT_OUT).filter(|value| says_itself_of(id, LEFT_OUT, value))?;
    let count = value.split(':').next().unwrap_or_default();
    Some(format!(
        "{count} of the source's tags were left off {id}: a file system takes {}, and those of the restore come first",
        tags::TAGS_MAX
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(prefix: &str, count: usize) -> Tags {
        (0..count).map(|at| (format!("{prefix}{at:02}"), String::new())).collect()
    }

    #[test]
    fn only_copied_tags_make_room_and_no_more_of_them_than_needed() {
        let needed = some("stillpoint:", 14);
        let mut found = some("team-", 50);
        found.extend(some("aws:", 3));
        let gone = surplus(&found, &needed);
        assert_eq!((gone.len(), gone[0].as_str()), (18, "team-32"), "{gone:?}");
        found.extend(needed.clone());
        assert_eq!(surplus(&found, &needed), gone, "a repeat answers the same");
        found.retain(|key, _| !gone.contains(key));
        assert_eq!(surplus(&found, &needed), Vec::<String>::new());
        assert!(found.keys().filter(|key| !key.starts_with("aws:")).count() + SAID <= tags::TAGS_MAX);
    }

    #[test]
    fn what_was_left_out_is_told_of_its_own_file_system_alone() {
        let said = left_out("fs-1", 3);
        assert!(told("fs-1", &said).unwrap().starts_with("3 of the source's tags"));
        assert_eq!(told("fs-2", &said), None);
        assert!(left_out("fs-1", 0).is_empty());
    }
}
