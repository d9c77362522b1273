//! What of a directory is captured, as settings of its component.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result, Settings};
use stillpoint_localfs::Rules;

/// What a backup of a directory leaves out on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "a host writes it down as a literal; new rules get defaults")]
pub struct CaptureRules {
    /// Names of presets: `caches`, `environments` and `downloads`. None unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<String>,
    /// Patterns in the syntax of gitignore, anchored at the directory.
    pub excludes: Vec<String>,
    /// A file with more such patterns, one a line, read when the backup begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_file: Option<String>,
    /// Leave out what is mounted below the directory.
    pub one_file_system: bool,
    /// What the directory is known to lack, such as a restore that failed. Its backups are partial then and say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// The directory may have lost all of its files since the backup before. Otherwise that makes a backup partial, since a
    /// volume that is not mounted looks just so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_be_empty: bool,
}

impl Default for CaptureRules {
    fn default() -> Self {
        Self {
            presets: Vec::new(),
            excludes: Vec::new(),
            exclude_file: None,
            one_file_system: true,
            lacks: None,
            may_be_empty: false,
        }
    }
}

impl CaptureRules {
    /// The rules that a component's or a definition's settings carry; the defaults where they carry none.
    ///
    /// # Errors
    /// `InvalidInput` where a setting is of another type.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let object = Value::Object(settings.clone().into_iter().collect());
        serde_json::from_value(object).map_err(|error| {
            let message = "the settings presets, excludes, exclude_file, one_file_system and may_be_empty cannot be read";
            Error::new(ErrorKind::InvalidInput, message).with_source(error)
        })
    }

    /// The rules as settings of one backup, each of them named, so that they hold whatever rules the workspace has.
    pub fn to_settings(&self) -> Settings {
        let mut settings = Settings::from([
            ("presets".to_owned(), Value::Array(Vec::new())),
            ("exclude_file".to_owned(), Value::Null),
            ("lacks".to_owned(), Value::Null),
            ("may_be_empty".to_owned(), Value::Bool(false)),
        ]);
        self.write_to(&mut settings);
        settings
    }

    /// Writes the rules into settings.
    pub(crate) fn write_to(&self, settings: &mut Settings) {
        if let Ok(Value::Object(rules)) = serde_json::to_value(self) {
            settings.extend(rules);
        }
    }

    /// The compiled patterns: those of the presets first, those of the exclude file last. Reads that file.
    ///
    /// # Errors
    /// `InvalidInput` where there is no preset of a name, a pattern is not valid or the file cannot be read.
    pub(crate) fn compile(&self) -> Result<Rules> {
        let mut rules = Rules::new();
        let failed = |error: stillpoint_localfs::Error| {
            Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
        };
        for preset in &self.presets {
            rules.add_preset(preset.parse().map_err(failed)?).map_err(failed)?;
        }
        for pattern in &self.excludes {
            rules.add(pattern).map_err(failed)?;
        }
        if let Some(file) = &self.exclude_file {
            rules.add_file(Path::new(file)).map_err(failed)?;
        }
        Ok(rules)
    }
}

/// The exclusion pattern that means exactly the directory at `relative`, a path below the workspace's, whatever
/// characters its name has.
pub fn pattern_of(relative: &str) -> String {
    let mut pattern = String::from("/");
    for character in relative.chars() {
        if matches!(character, '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '!' | '#' | ' ') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    // The matcher takes a backslash before the last slash for one that escapes the slash.
    if !relative.ends_with('\\') {
        pattern.push('/');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_their_settings_and_have_defaults() {
        let rules = CaptureRules {
            presets: vec!["caches".into()],
            excludes: vec!["a".into()],
            exclude_file: Some("/f".into()),
            one_file_system: false,
            lacks: Some("a restore".into()),
            may_be_empty: true,
        };
        let mut settings = Settings::new();
        rules.write_to(&mut settings);
        assert_eq!(CaptureRules::from_settings(&settings).unwrap(), rules);
        settings.extend(CaptureRules::default().to_settings());
        assert_eq!(CaptureRules::from_settings(&settings).unwrap(), CaptureRules::default());
        assert_eq!(CaptureRules::from_settings(&Settings::new()).unwrap(), CaptureRules::default());
        settings.insert("excludes".into(), 7.into());
        assert_eq!(CaptureRules::from_settings(&settings).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_bad_pattern_and_a_missing_file_are_named() {
        let bad = CaptureRules { excludes: vec!["[z-a]".into()], ..CaptureRules::default() };
        assert!(bad.compile().unwrap_err().to_string().contains("[z-a]"));
        let preset = CaptureRules { presets: vec!["cache".into()], ..CaptureRules::default() };
        let refused = preset.compile().unwrap_err();
        assert!(refused.to_string().contains("caches, environments, downloads"), "{refused}");
        let missing = CaptureRules { exclude_file: Some("/no/such/file".into()), ..CaptureRules::default() };
        assert!(missing.compile().unwrap_err().to_string().contains("/no/such/file"));
    }

    #[test]
    fn a_pattern_of_a_path_is_literal() {
        assert_eq!(pattern_of("a b/*x"), "/a\\ b/\\*x/");
        let mut rules = Rules::new();
        rules.add(&pattern_of("a b/[x]")).unwrap();
        rules.add(&pattern_of("{y}\\")).unwrap();
    }
}
