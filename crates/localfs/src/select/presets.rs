//! Ready-made exclusions for the homes of people who train models.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A named set of exclusions. None is in force unless it is asked for, and each reports what it left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// What programs keep to be faster the next time: `.cache`, bytecode, checkers' and notebooks' own folders. Tokens
    /// that lie among them stay.
    Caches,
    /// Python environments, conda environments and `node_modules` beside a file that they can be made again from.
    Environments,
    /// Models, data sets and packages as hubs and package sources gave them.
    Downloads,
}

/// What the preset `caches` leaves out. The hub of Hugging Face keeps its token below `.cache`.
const CACHES: [&str; 13] = [
    "**/.cache/*",
    "!**/.cache/huggingface/",
    "**/.cache/huggingface/*",
    "!**/.cache/huggingface/token",
    "!**/.cache/huggingface/stored_tokens",
    "__pycache__/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    "**/.nv/ComputeCache/",
    "**/.triton/cache/",
    "**/.local/share/Trash/",
];

const DOWNLOADS: [&str; 17] = [
    "**/.cache/huggingface/hub/",
    "**/.cache/huggingface/datasets/",
    "**/.cache/huggingface/xet/",
    "**/.cache/torch/hub/",
    "**/.cache/pip/",
    "**/.cache/uv/",
    "**/.cache/pypoetry/",
    "**/.cache/kagglehub/",
    "**/.conda/pkgs/",
    "**/miniconda3/pkgs/",
    "**/anaconda3/pkgs/",
    "**/miniforge3/pkgs/",
    "**/mambaforge/pkgs/",
    "**/.keras/datasets/",
    "**/nltk_data/",
    "**/.npm/_cacache/",
    "**/.cargo/registry/",
];

impl Preset {
    /// All presets.
    pub const ALL: [Self; 3] = [Self::Caches, Self::Environments, Self::Downloads];

    /// The name people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caches => "caches",
            Self::Environments => "environments",
            Self::Downloads => "downloads",
        }
    }

    /// The patterns that it stands for, in gitignore's syntax.
    pub(super) const fn patterns(self) -> &'static [&'static str] {
        match self {
            Self::Caches => &CACHES,
            Self::Environments => &[],
            Self::Downloads => &DOWNLOADS,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::InvalidPattern {
                pattern: name.to_owned(),
                reason: format!("no preset has this name; there are {names}"),
            }
        })
    }
}
