//! Where the repository password comes from. It is never taken from the command line, where every user could see it.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::Credentials;

use super::environment::variable;
use super::{ConfigFile, DataDir};
use crate::args::{GlobalArgs, NewPasswordArgs};

/// The longest password, in bytes.
const PASSWORD_BYTES_MAX: usize = 64 * 1024;

/// The variables that hold a password themselves.
const PASSWORD: &str = "STILLPOINT_PASSWORD";
const NEW_PASSWORD: &str = "STILLPOINT_NEW_PASSWORD";

/// Where the repository password comes from.
#[derive(Clone)]
pub(crate) enum PasswordSource {
    /// The only line of a file.
    File(PathBuf),
    /// The only line that a shell command prints.
    Command(String),
    /// A variable of this name.
    Variable(&'static str, OsString),
    /// The random key in the data directory, which the first backup makes.
    KeyFile(PathBuf),
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "PasswordSource::File",
            Self::Command(_) => "PasswordSource::Command",
            Self::Variable(..) => "PasswordSource::Variable",
            Self::KeyFile(_) => "PasswordSource::KeyFile",
        })
    }
}

impl PasswordSource {
    /// The first source that is named: flags, environment, configuration, and else the key file.
    pub(super) fn find(global: &GlobalArgs, config: &ConfigFile, data_dir: &DataDir) -> Self {
        let file = global.password_file.clone().map(Self::File);
        let command = || global.password_command.clone().map(Self::Command);
        let (value, value_file) =
            (|| Self::variable(PASSWORD), || Self::named_file("STILLPOINT_PASSWORD_FILE"));
        let configured = || config.password_file.clone().map(Self::File);
        let configured_command = || config.password_command.clone().map(Self::Command);
        file.or_else(command)
            .or_else(value)
            .or_else(value_file)
            .or_else(configured)
            .or_else(configured_command)
            .unwrap_or_else(|| Self::KeyFile(data_dir.key_file()))
    }

    /// The source of a password that is to open the repository from now on, where one is named.
    pub(crate) fn find_new(args: &NewPasswordArgs) -> Option<Self> {
        let file = args.new_password_file.clone().map(Self::File);
        file.or_else(|| args.new_password_command.clone().map(Self::Command))
            .or_else(|| Self::variable(NEW_PASSWORD))
            .or_else(|| Self::named_file("STILLPOINT_NEW_PASSWORD_FILE"))
    }

    fn variable(name: &'static str) -> Option<Self> {
        variable(name).map(|value| Self::Variable(name, value))
    }

    fn named_file(name: &str) -> Option<Self> {
        variable(name).map(|path| Self::File(path.into()))
    }

    /// Reads the password; `None` where the key file is not made yet. A command learns from its environment whose
    /// `space` this run is about, so that one command line serves users who each have a password of their own.
    ///
    /// # Errors
    /// `InvalidConfig` where the source gives no password, or something that other programs would read otherwise.
    pub(crate) fn read(&self, space: Option<&(String, String)>) -> Result<Option<Credentials>> {
        let credentials = match self {
            Self::File(path) => Credentials::password(self.only_line(read_bounded(path)?)?),
            Self::Command(command) => Credentials::password(self.only_line(run(command, space)?)?),
            Self::Variable(_, value) => match value.to_str() {
                Some(value) => Credentials::password(value.to_owned()),
                None => return Err(self.refusal("it is not text in UTF-8")),
            },
            Self::KeyFile(path) => match read_bounded(path) {
                Ok(bytes) => Credentials::machine_key(self.only_line(bytes)?),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        credentials.map(Some).map_err(|error| {
            let message = format!("{} gives no usable password", self.place());
            Error::new(ErrorKind::InvalidConfig, message).with_source(error)
        })
    }

    /// The password in `bytes`, without blanks around it. It is what stock restic reads from the same file; where the two
    /// would differ, or bytes would count for less than they seem, it is refused.
    fn only_line(&self, bytes: Vec<u8>) -> Result<String> {
        if bytes.len() > PASSWORD_BYTES_MAX {
            return Err(self.refusal("it is longer than 64 KiB"));
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(
                self.refusal("it is not text in UTF-8; `head -c 32 /dev/urandom | base64` makes one that is")
            );
        };
        let line = text.trim_start_matches('\u{feff}').trim();
        if line.contains('\n') {
            return Err(self.refusal("it has more than one line"));
        }
        Ok(line.to_owned())
    }

    fn refusal(&self, reason: &str) -> Error {
        Error::new(ErrorKind::InvalidConfig, format!("{} gives no usable password: {reason}", self.place()))
    }

    /// The source in words.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(path) => format!("the password file {}", path.display()),
            Self::Command(_) => "the password command".to_owned(),
            Self::Variable(name, _) => (*name).to_owned(),
            Self::KeyFile(path) => format!("the key file {}", path.display()),
        }
    }
}

/// Keeps `key` at `path` (mode 0600), durably and all at once. Answers `false` where a key is there already, which
/// then is the one to use.
///
/// # Errors
/// Whatever writing can meet.
pub(crate) fn write_new_key(path: &Path, key: &str) -> Result<bool> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull => ErrorKind::QuotaExceeded,
            _ => ErrorKind::PermissionDenied,
        };
        Error::new(kind, format!("the key file {} cannot be written", path.display())).with_source(error)
    };
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_private(&draft, key).and_then(|()| match fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    let removed = fs::remove_file(&draft);
    let new = written.map_err(failed)?;
    removed.map_err(failed)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(new)
}

fn write_private(path: &Path, key: &str) -> io::Result<()> {
    // A draft of this name can only be what a killed process of the same number left behind.
    if path.exists() {
        fs::remove_file(path)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(key.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let read = || {
        let mut bytes = Vec::new();
        // One byte more, by which a longer one is known.
        let limit = u64::try_from(PASSWORD_BYTES_MAX).unwrap_or(u64::MAX);
        fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::InvalidConfig,
        };
        Error::new(kind, format!("the password file {} cannot be read", path.display())).with_source(error)
    })
}

fn run(command: &str, space: Option<&(String, String)>) -> Result<Vec<u8>> {
    let failed = |message: String| Error::new(ErrorKind::InvalidConfig, message);
    let mut shell = Command::new("/bin/sh");
    if let Some((user, name)) = space {
        shell.env("STILLPOINT_USER", user).env("STILLPOINT_SPACE", name);
    }
    let output = shell
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed("the password command cannot be run".to_owned()).with_source(error))?;
    if !output.status.success() {
        return Err(failed(format!("the password command failed ({})", output.status)));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_and_privately() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let (_, key) = Credentials::generate().unwrap();
        assert!(write_new_key(&path, &key).unwrap());
        assert!(!write_new_key(&path, "another").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), key.as_str());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
        assert!(PasswordSource::KeyFile(path).read(None).unwrap().is_some());
    }

    #[test]
    fn a_missing_key_file_is_no_error_but_a_missing_password_file_is() {
        assert!(PasswordSource::KeyFile("/nonexistent/key".into()).read(None).unwrap().is_none());
        let error = PasswordSource::File("/nonexistent/password".into()).read(None).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/password"));
    }

    #[test]
    fn a_command_gives_its_only_line() {
        assert!(PasswordSource::Command("printf ' secret \\n\\n'".into()).read(None).unwrap().is_some());
        assert!(PasswordSource::Command("printf 'secret\\nmore'".into()).read(None).is_err());
        assert!(PasswordSource::Command("exit 3".into()).read(None).is_err());
        assert!(PasswordSource::Command("true".into()).read(None).is_err(), "an empty password is none");
    }

    #[test]
    fn what_restic_would_read_otherwise_is_refused_and_all_else_is_read_as_it_does() {
        let source = PasswordSource::File("p".into());
        let read = |bytes: &[u8]| source.only_line(bytes.to_vec());
        for same in [
            &b"pass word"[..],
            b"pass word\n",
            b"pass word\r\n",
            b" pass word \n\n",
            b"\xef\xbb\xbfpass word",
        ] {
            assert_eq!(read(same).unwrap(), "pass word");
        }
        for (bytes, reason) in [
            (&b"one\ntwo\n"[..], "more than one line"),
            (&b"\x80\x87"[..], "UTF-8"),
            (&b"a\xff\n"[..], "UTF-8"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(read(&[b'x'; 64 * 1024]).is_ok() && read(&[b'x'; 64 * 1024 + 1]).is_err());
    }

    #[test]
    fn no_source_shows_its_secret() {
        let shown = format!("{:?}", PasswordSource::Variable(PASSWORD, "canary".into()));
        assert!(!shown.contains("canary"));
    }

    #[test]
    fn a_command_learns_whose_space_it_is() {
        let command = PasswordSource::Command(
            "printf %s \"$STILLPOINT_USER/$STILLPOINT_SPACE\" | grep -x ada/lab".into(),
        );
        assert!(command.read(Some(&("ada".to_owned(), "lab".to_owned()))).unwrap().is_some());
        assert!(command.read(Some(&("bob".to_owned(), "lab".to_owned()))).is_err());
    }
}
