//! The tag on a user profile that asks for a restore.

use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

/// The tag's key, as administrators of the sample script know it.
pub const RESTORE_TAG: &str = "SM_EBS_RESTORE_TIMESTAMP";

/// Understands the tag's value: a timestamp as `YYYY-MM-DD-HH-MM-SS` in UTC, or as RFC 3339.
///
/// Nothing else is taken, because the value comes from whoever may tag a profile and ends up in names.
///
/// ```
/// use stillpoint_provider_aws::studio::parse_restore_tag;
///
/// assert_eq!(parse_restore_tag(" 2026-11-25-06-00-00 ").unwrap().to_string(), "2026-11-25T06:00:00.000Z");
/// assert!(parse_restore_tag("../../etc").is_err());
/// assert!(parse_restore_tag("2026-11").is_err());
/// ```
///
/// # Errors
/// `InvalidInput` where it is neither; the message shows the value.
pub fn parse_restore_tag(value: &str) -> Result<Timestamp> {
    value.trim().parse().map_err(|error: Error| {
        let message = format!(
            "the tag {RESTORE_TAG} has the value {value:?}, which is no timestamp; write it as \
             YYYY-MM-DD-HH-MM-SS, as `stillpoint list` shows it"
        );
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
}
