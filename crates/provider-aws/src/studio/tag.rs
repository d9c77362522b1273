//! The tag on a user profile that asks for a restore.

use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

/// The tag's key, as administrators of the sample script know it.
pub const RESTORE_TAG: &str = "SM_EBS_RESTORE_TIMESTAMP";

/// The word between the point in time and the end of the request.
const UNTIL: &str = "until";

/// What the tag asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreTag {
    /// The point in time to be restored.
    pub time: Timestamp,
    /// From when on the request counts no more, where it has an end: a restore is begun before that moment or never.
    pub until: Option<Timestamp>,
}

/// Understands the tag's value: a timestamp as `YYYY-MM-DD-HH-MM-SS` in UTC, or as RFC 3339; where the request is to end by
/// itself, followed by `until` and another one. All of it are characters that the value of a tag on AWS may have.
///
/// Nothing else is taken, because the value comes from whoever may tag a profile and ends up in names. A request whose end
/// cannot be read is none: neither one without an end nor one that is over.
///
/// ```
/// use stillpoint_provider_aws::studio::parse_restore_tag;
///
/// let plain = parse_restore_tag(" 2026-11-25-06-00-00 ").unwrap();
/// assert_eq!(plain.time.to_string(), "2026-11-25T06:00:00.000Z");
/// assert_eq!(plain.until, None);
/// let ending = parse_restore_tag("2026-11-25-06-00-00 until 2026-11-27T00:00:00Z").unwrap();
/// assert_eq!(ending.time, plain.time);
/// assert_eq!(ending.until.unwrap().to_string(), "2026-11-27T00:00:00.000Z");
/// assert!(parse_restore_tag("../../etc").is_err());
/// assert!(parse_restore_tag("2026-11").is_err());
/// ```
///
/// # Errors
/// `InvalidInput` where it is neither; the message shows the value.
pub fn parse_restore_tag(value: &str) -> Result<RestoreTag> {
    let refused = |what: &str| {
        let message = format!(
            "the tag {RESTORE_TAG} has the value {value:?}, {what}; write it as YYYY-MM-DD-HH-MM-SS, as `stillpoint list` \
             shows it, or as YYYY-MM-DD-HH-MM-SS {UNTIL} YYYY-MM-DD-HH-MM-SS"
        );
        Error::new(ErrorKind::InvalidInput, message)
    };
    let words: Vec<&str> = value.split_whitespace().collect();
    let (time, until) = match words.as_slice() {
        [time] => (time, None),
        [time, UNTIL, until] => (time, Some(until)),
        _ => return Err(refused("which is no timestamp")),
    };
    let read = |text: &str, what: &str| -> Result<Timestamp> {
        text.parse().map_err(|error: Error| refused(what).with_source(error))
    };
    let time = read(time, "which is no timestamp")?;
    let until = until.map(|until| read(until, "whose end is no timestamp")).transpose()?;
    Ok(RestoreTag { time, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_whose_end_cannot_be_read_is_none() {
        let point = "2026-11-25-06-00-00";
        for (rest, what) in [
            (" until", "no timestamp"),
            (" until soon", "whose end is no timestamp"),
            (" until 2026-11-27", "whose end is no timestamp"),
            (" until 2026-13-27-00-00-00", "whose end is no timestamp"),
            (" before 2026-11-27-00-00-00", "no timestamp"),
            (" 2026-11-27-00-00-00", "no timestamp"),
            (" until 2026-11-27-00-00-00 or later", "no timestamp"),
        ] {
            let error = parse_restore_tag(&format!("{point}{rest}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(what), "{rest:?}: {error}");
        }
        assert!(parse_restore_tag("").is_err());
    }

    #[test]
    fn what_is_written_fits_into_a_tag_on_aws() {
        let value = "2026-11-25-06-00-00 until 2026-11-27T00:00:00+01:00";
        assert!(parse_restore_tag(value).is_ok());
        assert!(value.len() <= 256);
        assert!(value.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c)), "{value}");
    }
}
