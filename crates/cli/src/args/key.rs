//! The passwords that open the repository.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Manage the passwords that open the repository
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint key list
  stillpoint key passwd --new-password-file new.txt")]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the keys; an asterisk marks the one that opened this run
    #[command(after_help = "Example:
  stillpoint key list --json")]
    List,
    /// Let another password open the repository, too
    #[command(after_help = "Example:
  stillpoint key add --new-password-file theirs.txt")]
    Add(NewPasswordArgs),
    /// Take a password's right to open the repository away
    #[command(after_help = "Example:
  stillpoint key remove 4f1a0c22")]
    Remove {
        /// The key's id, or a unique beginning of it, as the list shows it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Put another password in place of the one that opens this run
    #[command(after_help = "Example:
  stillpoint key passwd --password-file old.txt --new-password-file new.txt")]
    Passwd(NewPasswordArgs),
}

/// Where a new password comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NewPasswordArgs {
    /// Read the new password from this file, which holds one line [env: STILLPOINT_NEW_PASSWORD_FILE, or the password
    /// itself in STILLPOINT_NEW_PASSWORD]
    #[arg(long, value_name = "FILE", conflicts_with = "new_password_command")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// Read the new password from the one line that this shell command prints
    #[arg(long, value_name = "COMMAND")]
    pub(crate) new_password_command: Option<String>,
}
