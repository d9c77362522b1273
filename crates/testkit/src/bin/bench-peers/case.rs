//! The cases and what is aimed at in each.

use clap::ValueEnum;

use crate::corpus::Corpus;

/// What is measured, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Case {
    /// A first backup into an empty store.
    First,
    /// The same again, nothing changed.
    Same,
    /// One file in a hundred edited, some added, removed and renamed; of checkpoints 2 % altered and 5 % appended.
    Changed,
    /// Directories renamed, nothing else.
    Renamed,
    /// Everything restored next to the corpus.
    Restore,
    /// Everything restored to the folder that --disk names.
    RestoreDisk,
    /// Plain objects under a new prefix after one percent changed; s5cmd and aws copy everything.
    Mirror,
}

impl Case {
    pub(crate) const ALL: [Self; 7] = [
        Self::First,
        Self::Same,
        Self::Changed,
        Self::Renamed,
        Self::Restore,
        Self::RestoreDisk,
        Self::Mirror,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first backup",
            Self::Same => "no change",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
            Self::Restore => "restore",
            Self::RestoreDisk => "restore to disk",
            Self::Mirror => "mirror, new prefix",
        }
    }
}

/// What to reach: ratios to the best peer of the same run, and limits of our own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Largest ratio of wall and of processor time.
    pub(crate) must: f64,
    /// The ratio that is aimed at.
    pub(crate) aim: f64,
    /// Largest peak memory, in MiB.
    pub(crate) rss_mib: f64,
    /// Largest ratio of stored bytes to the smallest peer.
    pub(crate) stored: Option<f64>,
    /// Largest ratio of stored bytes to bytes that are really new.
    pub(crate) fresh: Option<f64>,
    /// How many requests are allowed, from what was stored and the packs there are.
    pub(crate) requests: Option<fn(stored_mib: f64, packs: f64) -> f64>,
    /// Whether no file content may be read.
    pub(crate) reads_nothing: bool,
}

impl Target {
    const fn ratios(must: f64, aim: f64) -> Self {
        let (stored, fresh, requests) = (None, None, None);
        Self { must, aim, rss_mib: 192.0, stored, fresh, requests, reads_nothing: false }
    }

    /// `None` where nothing is promised.
    pub(crate) fn of(case: Case, corpus: Corpus) -> Option<Self> {
        Some(match (case, corpus) {
            (Case::First, _) => Self {
                stored: Some(1.0),
                requests: Some(|stored, _| stored / 32.0 + 5.0),
                ..if corpus == Corpus::Tiny { Self::ratios(0.4, 0.2) } else { Self::ratios(0.5, 0.4) }
            },
            (Case::Same, _) => Self {
                rss_mib: 128.0,
                requests: Some(|_, _| 4.0),
                reads_nothing: true,
                ..Self::ratios(0.3, 0.15)
            },
            (Case::Changed, Corpus::Models) => Self { fresh: Some(1.5), ..Self::ratios(0.5, 0.3) },
            (Case::Changed, _) => Self { stored: Some(1.0), ..Self::ratios(0.4, 0.2) },
            (Case::Renamed, _) => Self { reads_nothing: true, ..Self::ratios(0.3, 0.15) },
            (Case::Restore, _) => {
                Self { rss_mib: 256.0, requests: Some(|_, packs| packs + 5.0), ..Self::ratios(0.6, 0.5) }
            }
            (Case::RestoreDisk, _) => return None,
            (Case::Mirror, _) => Self { rss_mib: 128.0, fresh: Some(1.5), ..Self::ratios(0.5, 0.3) },
        })
    }
}
