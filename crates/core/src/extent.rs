//! What an operation works on, so that no two work on the same data at a time.

use std::path::{Component as Part, Path};

use crate::id::digest;

/// Data that an operation works on: a resource, or a directory with everything below it.
///
/// A catalog keeps the extents of active operations ([`Catalog::reserve`](crate::Catalog::reserve)).
///
/// ```
/// use stillpoint_core::Extent;
///
/// let homes = Extent::directory("host-1", "/home");
/// assert!(homes.overlaps(&Extent::directory("host-1", "/home/ada")));
/// assert!(!homes.overlaps(&Extent::directory("host-2", "/home/ada")));
/// assert!(!homes.overlaps(&Extent::directory("host-1", "/home-of-grace")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Extent {
    /// Within what its names mean something: a provider, a machine.
    space: String,
    /// From the whole to the part.
    path: Vec<String>,
}

/// One of an extent's marks. Two extents overlap where they have a mark in common that covers the whole for at least one of
/// them, so that a catalog has nothing to compare but equal texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ExtentMark {
    /// 32 hexadecimal digits that follow from the place.
    pub key: String,
    /// Whether the extent is this place with everything below it; else it lies somewhere below.
    pub whole: bool,
}

impl Extent {
    /// All of `resource`, as `space` names it.
    pub fn resource(space: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { space: space.into(), path: vec![resource.into()] }
    }

    /// The directory `path` of a machine with everything below it. The path is absolute, with no link and no `..` in it.
    pub fn directory(machine: impl Into<String>, path: impl AsRef<Path>) -> Self {
        let named = |part: Part<'_>| match part {
            // Two names that are no text may be taken for one, which makes somebody wait and nothing worse.
            Part::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        };
        Self { space: machine.into(), path: path.as_ref().components().filter_map(named).collect() }
    }

    /// Whether some data belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.space == other.space && self.path.iter().zip(&other.path).all(|(ours, theirs)| ours == theirs)
    }

    /// Its marks: one for itself, one for each place that it lies in.
    pub fn marks(&self) -> Vec<ExtentMark> {
        let mark = |depth: usize| {
            let place: Vec<&str> = [self.space.as_str()]
                .into_iter()
                .chain(self.path[..depth].iter().map(String::as_str))
                .collect();
            ExtentMark { key: digest(&place), whole: depth == self.path.len() }
        };
        (0..=self.path.len()).map(mark).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_meet_exactly_where_extents_overlap() {
        let extents = [
            Extent::directory("a", "/"),
            Extent::directory("a", "/home"),
            Extent::directory("a", "/home/"),
            Extent::directory("a", "/home/ada"),
            Extent::directory("a", "/home/ada/work"),
            Extent::directory("a", "/home/adam"),
            Extent::directory("b", "/home"),
            Extent::resource("aws", "vol-1"),
            Extent::resource("aws", "vol-11"),
            Extent::resource("azure", "vol-1"),
        ];
        let meet = |a: &Extent, b: &Extent| {
            let theirs = b.marks();
            a.marks()
                .iter()
                .any(|mark| theirs.iter().any(|other| other.key == mark.key && (other.whole || mark.whole)))
        };
        let mut overlapping = 0;
        for a in &extents {
            for b in &extents {
                assert_eq!(meet(a, b), a.overlaps(b), "{a:?} {b:?}");
                assert_eq!(a.overlaps(b), b.overlaps(a), "{a:?} {b:?}");
                overlapping += usize::from(a.overlaps(b));
            }
        }
        assert_eq!(overlapping, 6 * 6 - 2 * 2 + 4);
    }
}
