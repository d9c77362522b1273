//! What is left to do with a restored file system, written on it as tags: whoever finishes it knows nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, ErrorKind, Result, Tags, Wanted};

use crate::managed::arn::Arn;
use crate::managed::efs::FileSystemSettings;
use crate::managed::tags::VALUE_CHARS_MAX;

/// How the tags are called, before their number.
const TAG: &str = "stillpoint:finish-";
/// The most tags that a plan takes.
const TAGS_MAX: usize = 10;
/// The longest plan, encoded, in characters.
const CHARS_MAX: usize = TAGS_MAX * VALUE_CHARS_MAX;

/// What finishes a restored file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::managed::restore) struct Plan {
    /// One mount target in each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) subnets: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) security_groups: Vec<String>,
    /// Where this host sees the new file system, so that its files can be moved to its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mount: Option<String>,
    /// Whoever else moves its files to its root before it is used, in words (`the reroot hook`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moved_by: Option<String>,
    /// The full name of what was backed up.
    pub(super) source: String,
    pub(super) settings: FileSystemSettings,
    /// The settings that were too long to be carried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<String>,
}

impl Plan {
    /// The plan of a restore of `source` that wants `settings`.
    ///
    /// # Errors
    /// `InvalidConfig` where a setting has another form.
    pub(in crate::managed::restore) fn new(
        wanted: &Wanted,
        settings: FileSystemSettings,
        source: &Arn,
    ) -> Result<Self> {
        Ok(Self {
            subnets: wanted.get("subnets")?.unwrap_or_default(),
            security_groups: wanted.get("security_groups")?.unwrap_or_default(),
            mount: wanted.text("mount")?,
            moved_by: wanted.text("moved_by")?,
            source: source.to_string(),
            settings,
            left_out: Vec::new(),
        })
    }

    /// The same without the longest settings, until it fits into `room` characters and its tags.
    ///
    /// # Errors
    /// `InvalidInput` where even the rest is too long.
    pub(in crate::managed::restore) fn fitting(mut self, room: usize) -> Result<Self> {
        let room = room.min(CHARS_MAX);
        for part in ["policy", "access_points", "lifecycle"] {
            if self.encoded()?.len() <= room {
                return Ok(self);
            }
            let settings = &mut self.settings;
            let there = match part {
                "policy" => settings.policy.take().is_some(),
                "access_points" => !std::mem::take(&mut settings.access_points).is_empty(),
                _ => !std::mem::take(&mut settings.lifecycle).is_empty(),
            };
            if there {
                self.left_out.push(part.to_owned());
            }
        }
        if self.encoded()?.len() <= room {
            return Ok(self);
        }
        let message = "the destination of a file system names too many subnets or security groups";
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// One word of letters, digits, `-` and `_`, which a tag may hold.
    ///
    /// # Errors
    /// None that could be met with what a plan holds.
    pub(in crate::managed::restore) fn encoded(&self) -> Result<String> {
        let json = serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the plan of a restore has no JSON").with_source(error)
        })?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    /// The plan of this word.
    ///
    /// # Errors
    /// `Corrupt` where it is none.
    pub(in crate::managed::restore) fn decoded(word: &str) -> Result<Self> {
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(
                ErrorKind::Corrupt,
                "what finishes a restored file system cannot be read from its tags",
            )
            .with_source(error)
        };
        let json = URL_SAFE_NO_PAD.decode(word).map_err(|error| broken(error.into()))?;
        serde_json::from_slice(&json).map_err(|error| broken(error.into()))
    }

    /// The tags that hold the plan of this word.
    pub(in crate::managed::restore) fn tags_of(word: &str) -> Tags {
        let parts = word.as_bytes().chunks(VALUE_CHARS_MAX);
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        (0..).zip(parts).map(|(at, part): (u32, _)| (format!("{TAG}{at}"), text(part))).collect()
    }

    /// The plan that a resource's tags hold; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// `Corrupt` where a part of it is missing.
    pub(super) fn of_tags(tags: &Tags) -> Result<Option<Self>> {
        let word: String = (0..TAGS_MAX).map_while(|at| tags.get(&format!("{TAG}{at}")).cloned()).collect();
        if word.is_empty() && Self::keys(tags).is_empty() { Ok(None) } else { Self::decoded(&word).map(Some) }
    }

    /// The names of the tags that hold a plan.
    pub(super) fn keys(tags: &Tags) -> Vec<String> {
        tags.keys().filter(|key| key.starts_with(TAG)).cloned().collect()
    }

    /// What a person must know of `resource`, although nothing of its data is missing.
    pub(in crate::managed::restore) fn warnings(&self, resource: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.mount.is_none() {
            let who = self.moved_by.as_ref().map_or_else(
                || {
                    "move them to the root with a reroot hook, or name a mount of the new file system"
                        .to_owned()
                },
                |who| format!("{who} moves them to the root"),
            );
            warnings.push(format!(
                "the files of {resource} lie in its folder aws-backup-restore_…, where AWS puts them; {who}"
            ));
        }
        if self.subnets.is_empty() {
            warnings.push(format!(
                "{resource} gets no mount target, since the destination names no subnets; make them before it is mounted"
            ));
        }
        if !self.left_out.is_empty() {
            warnings.push(format!(
                "{} of {} are too long to be carried along; they are put back only while the source still exists",
                self.left_out.join(", "),
                self.source
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use stillpoint_core::Settings;

    use super::*;
    use crate::managed::efs::AccessPoint;

    fn plan(policy: usize) -> Plan {
        let source: Arn = "arn:aws:elasticfilesystem:us-east-1:1:file-system/fs-1".parse().unwrap();
        let settings = FileSystemSettings {
            policy: Some("p".repeat(policy)),
            access_points: vec![AccessPoint {
                token: "t".to_owned(),
                path: "/a".to_owned(),
                ..AccessPoint::default()
            }],
            ..FileSystemSettings::default()
        };
        Plan::new(&Wanted::new(&Settings::new(), None), settings, &source).unwrap()
    }

    #[test]
    fn a_plan_survives_in_tags_that_efs_accepts() {
        let plan = plan(700).fitting(CHARS_MAX).unwrap();
        assert!(plan.left_out.is_empty());
        let tags = Plan::tags_of(&plan.encoded().unwrap());
        assert!(tags.len() > 2);
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(tags.values().all(|value| value.len() <= VALUE_CHARS_MAX && value.chars().all(allowed)));
        assert_eq!(Plan::of_tags(&tags).unwrap().unwrap(), plan);
        assert_eq!(Plan::keys(&tags).len(), tags.len());
        assert_eq!(Plan::of_tags(&Tags::new()).unwrap(), None);
    }

    #[test]
    fn what_is_too_long_is_left_out_and_named() {
        let short = plan(5000).fitting(CHARS_MAX).unwrap();
        assert_eq!(short.left_out, ["policy"]);
        assert_eq!(short.settings.access_points.len(), 1);
        assert!(short.warnings("fs-2").iter().any(|warning| warning.contains("policy")));
        assert_eq!(plan(10).fitting(8).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_torn_plan_is_not_taken_for_a_short_one() {
        let mut tags = Plan::tags_of(&plan(700).encoded().unwrap());
        let whole = tags.clone();
        for lost in whole.keys() {
            tags.clone_from(&whole);
            tags.remove(lost);
            assert_eq!(Plan::of_tags(&tags).unwrap_err().kind(), ErrorKind::Corrupt, "{lost}");
        }
    }
}
