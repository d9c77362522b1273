//! Exclusion rules in the syntax of gitignore files.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::Preset;
use crate::error::{Error, Operation, Result};

/// The most rules one set may hold.
const RULES_MAX: usize = 10_000;

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleOrigin {
    /// An option of the caller.
    Option,
    /// A line of an exclude file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A preset that was asked for.
    Preset(Preset),
    /// Not a pattern: the bound to one file system.
    OneFileSystem,
    /// Not a pattern: the bound on file size.
    SizeLimit,
    /// Not a pattern: the working directory of an unfinished restore.
    UnfinishedRestore,
}

/// An ordered set of exclusion patterns.
///
/// The syntax and precedence are those of gitignore: a pattern with an inner or leading slash is anchored at the root of
/// the tree, one without matches a name at any depth, a trailing slash restricts it to directories, `!` takes entries
/// back in, and the last matching rule decides. Nothing inside an excluded directory can be taken back in.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<(RuleOrigin, String)>,
    pub(super) environments: bool,
}

impl Rules {
    /// No rules: everything is captured.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one pattern.
    ///
    /// # Errors
    /// [`Error::InvalidPattern`].
    pub fn add(&mut self, pattern: &str) -> Result<()> {
        self.add_from(RuleOrigin::Option, pattern)
    }

    /// Adds what a preset leaves out. Rules that are added later may take some of it back in.
    ///
    /// # Errors
    /// [`Error::InvalidPattern`] if there are too many rules.
    pub fn add_preset(&mut self, preset: Preset) -> Result<()> {
        self.environments |= preset == Preset::Environments;
        preset.patterns().iter().try_for_each(|pattern| self.add_from(RuleOrigin::Preset(preset), pattern))
    }

    /// Adds the lines of an exclude file; blank lines, lines that begin with `#`, and a byte order mark are skipped.
    ///
    /// # Errors
    /// The system's reason if the file cannot be read as UTF-8 text; [`Error::InvalidPattern`].
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let text = fs::read_to_string(path).map_err(|source| Error::io(Operation::Read, path, source))?;
        // Some editors begin a file with the mark, which would be a part of the first pattern.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                self.add_from(RuleOrigin::File { path: path.to_path_buf(), line: index + 1 }, line)?;
            }
        }
        Ok(())
    }

    fn add_from(&mut self, origin: RuleOrigin, pattern: &str) -> Result<()> {
        let invalid = |reason: String| Error::InvalidPattern { pattern: pattern.to_owned(), reason };
        if self.rules.len() >= RULES_MAX {
            return Err(invalid(format!("there are more than {RULES_MAX} patterns")));
        }
        if pattern.trim().is_empty() || pattern.starts_with('#') {
            return Err(invalid("it is empty or a comment".to_owned()));
        }
        // Building alone finds some mistakes only when the set is built, where the pattern is no longer known.
        let mut trial = GitignoreBuilder::new("");
        trial.add_line(None, pattern).map_err(|error| invalid(error.to_string()))?;
        trial.build().map_err(|error| invalid(error.to_string()))?;
        self.rules.push((origin, pattern.to_owned()));
        Ok(())
    }

    pub(super) fn compile(&self) -> Result<CompiledRules> {
        let mut builder = GitignoreBuilder::new("");
        for (index, (_, pattern)) in self.rules.iter().enumerate() {
            // The origin travels with a match, so it carries the rule's number.
            builder.add_line(Some(PathBuf::from(index.to_string())), pattern).map_err(|error| {
                Error::InvalidPattern { pattern: pattern.clone(), reason: error.to_string() }
            })?;
        }
        let matcher = builder
            .build()
            .map_err(|error| Error::InvalidPattern { pattern: String::new(), reason: error.to_string() })?;
        Ok(CompiledRules { matcher, rules: self.rules.clone() })
    }
}

#[derive(Debug)]
pub(super) struct CompiledRules {
    matcher: Gitignore,
    pub(super) rules: Vec<(RuleOrigin, String)>,
}

impl CompiledRules {
    /// The number of the rule that leaves `relative` out, if one does.
    pub(super) fn excluding(&self, relative: &Path, is_directory: bool) -> Option<usize> {
        match self.matcher.matched(relative, is_directory) {
            Match::Ignore(glob) => glob.from()?.to_str()?.parse().ok(),
            Match::None | Match::Whitelist(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn excluded(patterns: &[&str], path: &str, is_directory: bool) -> Option<usize> {
        let mut rules = Rules::new();
        for pattern in patterns {
            rules.add(pattern).unwrap();
        }
        rules.compile().unwrap().excluding(Path::new(path), is_directory)
    }

    #[test]
    fn anchored_patterns_match_at_the_root_only() {
        for pattern in ["/lost+found", "/lost+found/"] {
            assert_eq!(excluded(&[pattern], "lost+found", true), Some(0));
            assert_eq!(excluded(&[pattern], "deep/lost+found", true), None);
        }
        assert_eq!(excluded(&["a/b"], "a/b", false), Some(0));
        assert_eq!(excluded(&["a/b"], "x/a/b", false), None);
    }

    #[test]
    fn plain_names_match_at_any_depth_and_the_last_rule_decides() {
        let rules = ["*.log", "!keep.log", "__pycache__/"];
        assert_eq!(excluded(&rules, "x/y/a.log", false), Some(0));
        assert_eq!(excluded(&rules, "x/keep.log", false), None);
        assert_eq!(excluded(&rules, "p/__pycache__", true), Some(2));
        assert_eq!(excluded(&rules, "p/__pycache__", false), None);
    }

    #[test]
    fn names_that_are_not_utf8_are_matched_too() {
        let mut rules = Rules::new();
        rules.add("*.tmp").unwrap();
        let path = Path::new(OsStr::from_bytes(b"d/\xff.tmp"));
        assert_eq!(rules.compile().unwrap().excluding(path, false), Some(0));
    }

    #[test]
    fn bad_patterns_are_refused_by_name() {
        let error = Rules::new().add("a[z-b]").unwrap_err();
        assert!(error.to_string().contains("a[z-b]"), "{error}");
        assert!(Rules::new().add(" ").is_err());
    }

    #[test]
    fn an_exclude_file_gives_each_rule_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("excludes");
        fs::write(&file, "# comment\n\n*.o\n/target\n").unwrap();
        let mut rules = Rules::new();
        rules.add_file(&file).unwrap();
        let lines: Vec<_> = rules.rules.iter().map(|(origin, _)| origin.clone()).collect();
        let line = |line| RuleOrigin::File { path: file.clone(), line };
        assert_eq!(lines, [line(3), line(4)]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("excludes");
        for (first, line) in [("*.o", 1), ("# comment\n*.o", 2)] {
            fs::write(&file, format!("\u{feff}{first}\r\n/target\r\n")).unwrap();
            let mut rules = Rules::new();
            rules.add_file(&file).unwrap();
            assert_eq!(rules.rules.len(), 2);
            assert_eq!(rules.rules[0].0, RuleOrigin::File { path: file.clone(), line });
            assert_eq!(rules.compile().unwrap().excluding(Path::new("x.o"), false), Some(0));
        }
    }
}
