//! The objects of a prune beside restic's: `stillpoint/gc/condemned-<round>`, `sweep-<round>` and `done-<round>`.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::repository::Repository;

/// The kind of our records that these are.
pub(super) const KIND: &str = "gc";
/// Packs of one list; more wait for the next round. A record has room for some fifty-eight thousand.
pub(super) const MAX_PACKS: usize = 50_000;

const CONDEMNED: &str = "condemned-";
const SWEEP: &str = "sweep-";
const DONE: &str = "done-";

/// What a listing says of prunes. Rounds are counted from 1; 0 stands for none.
///
/// Ask for it once the lock is held and before the index is loaded, and hand it to
/// [`Repository::commit_snapshot`] at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rounds {
    /// The last round that ended.
    pub done: u64,
    /// The round whose list waits for its grace to end.
    pub condemned: u64,
    /// The round that deletes packs now, or that a prune which died has left.
    pub sweep: u64,
    /// The packs of that sweep: nothing new may rely on them.
    pub(crate) swept: Arc<HashSet<Id>>,
}

/// The value of a list or a sweep.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PackList {
    pub(super) packs: Vec<Id>,
    /// Runs that held a lock when the list was published: the sweep waits for them.
    #[serde(default)]
    pub(super) sessions: Vec<Id>,
}

impl Rounds {
    /// What names of records below `stillpoint/gc/` say; other names say nothing.
    pub(crate) fn from_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut rounds = Self::default();
        for name in names {
            let last = |prefix: &str, round: &mut u64| {
                let number: Option<u64> = name.strip_prefix(prefix).and_then(|digits| digits.parse().ok());
                *round = number.unwrap_or_default().max(*round);
            };
            last(CONDEMNED, &mut rounds.condemned);
            last(SWEEP, &mut rounds.sweep);
            last(DONE, &mut rounds.done);
        }
        rounds
    }
}

impl Repository {
    /// What prunes are up to: one listing, and one more request while a sweep is under way.
    ///
    /// # Errors
    /// If the store fails, or the list of a sweep is damaged.
    pub async fn rounds(&self) -> Result<Rounds> {
        let names = self.list_records(KIND).await?;
        self.rounds_named(&names).await
    }

    /// What these names of records below `stillpoint/gc/` say, which somebody has listed.
    pub(crate) async fn rounds_named(&self, names: &[String]) -> Result<Rounds> {
        let mut rounds = Rounds::from_names(names.iter().map(String::as_str));
        if rounds.sweep != 0 {
            rounds.swept = Arc::new(self.read_packs(&sweep(rounds.sweep)).await?.packs.into_iter().collect());
        }
        Ok(rounds)
    }

    /// Packs that are condemned or being swept. Whoever held a lock when a list was published is waited for before its
    /// packs are deleted.
    pub(crate) async fn doomed_packs(&self) -> Result<HashSet<Id>> {
        let rounds = self.rounds().await?;
        let mut doomed = (*rounds.swept).clone();
        if rounds.condemned != 0 {
            doomed.extend(self.read_packs(&condemned(rounds.condemned)).await?.packs);
        }
        Ok(doomed)
    }

    /// The list of that name; an empty one if it was withdrawn meanwhile.
    pub(super) async fn read_packs(&self, name: &str) -> Result<PackList> {
        match self.read_record(KIND, name).await {
            Ok(json) => serde_json::from_slice(&json)
                .map_err(|source| Error::corrupt(format!("stillpoint/{KIND}/{name}"), source)),
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(PackList::default()),
            Err(error) => Err(error),
        }
    }

    /// Publishes a list. Of two prunes that publish the same round at once, one is refused.
    pub(super) async fn publish_packs(&self, name: &str, list: &PackList) -> Result<()> {
        let json = serde_json::to_vec(list)
            .map_err(|source| Error::invalid("the list of packs cannot be written").with_source(source))?;
        match self.create_record(KIND, name, &json).await {
            Err(error) if *error.kind() == ErrorKind::AlreadyExists => {
                let message =
                    "another prune began at the same time; let it end, then run the same command again";
                Err(Error::new(ErrorKind::Unavailable, message).with_source(error))
            }
            result => result,
        }
    }
}

pub(super) fn condemned(round: u64) -> String {
    format!("{CONDEMNED}{round:010}")
}

pub(super) fn sweep(round: u64) -> String {
    format!("{SWEEP}{round:010}")
}

pub(super) fn done(round: u64) -> String {
    format!("{DONE}{round:010}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_round_of_each_kind_is_read_from_the_names() {
        let names = [done(3), done(12), condemned(13), sweep(13), "clock".to_owned(), "done-x".to_owned()];
        let rounds = Rounds::from_names(names.iter().map(String::as_str));
        assert_eq!((rounds.done, rounds.condemned, rounds.sweep), (12, 13, 13));
        assert_eq!(Rounds::from_names(std::iter::empty()), Rounds::default());
    }
}
