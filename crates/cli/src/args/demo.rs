//! `stillpoint demo`.

use clap::Args;

/// See it work end to end on a generated workspace, in a temporary place of its own
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint demo
  stillpoint demo --files 20000 --seed 7 --keep")]
pub(crate) struct DemoArgs {
    /// How many files the workspace has, about
    #[arg(long, value_name = "N", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(50..=1_000_000))]
    pub(crate) files: u32,
    /// The same seed makes the same workspace
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the temporary place and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
}
