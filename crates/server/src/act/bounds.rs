//! The bounds of numbers in what callers ask for, as the description tells them.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A hundred years: no duration is longer.
const SECONDS_MAX: u64 = 3_162_240_000;
/// No rule keeps more.
const COUNT_MAX: u32 = 1_000_000;

fn within<'de, D, T>(given: T, range: &RangeInclusive<T>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: PartialOrd + Display,
{
    if range.contains(&given) {
        return Ok(given);
    }
    Err(D::Error::custom(format_args!("{given} is not within {} and {}", range.start(), range.end())))
}

/// One second or more, or nothing.
pub(super) fn some_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let given = Option::deserialize(from)?;
    given.map(|given| within::<D, _>(given, &(1..=SECONDS_MAX))).transpose()
}

/// Seconds, none among them, or nothing.
pub(super) fn any_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let given = Option::deserialize(from)?;
    given.map(|given| within::<D, _>(given, &(0..=SECONDS_MAX))).transpose()
}

/// Seconds, none among them.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within::<D, _>(u64::deserialize(from)?, &(0..=SECONDS_MAX))
}

/// How many.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    within::<D, _>(u32::deserialize(from)?, &(0..=COUNT_MAX))
}

/// How many, or nothing.
pub(super) fn some_count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let given = Option::deserialize(from)?;
    given.map(|given| within::<D, _>(given, &(0..=COUNT_MAX))).transpose()
}

/// An object by the names of its members. A list of their values, which is as good to serde, is none.
///
/// # Errors
/// Whatever the members are refused for.
pub(crate) fn object<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let members = Map::deserialize(from)?;
    T::deserialize(Value::Object(members)).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{BackupOrder, RestoreOrder, RetentionOrder, ScheduleOrder};

    fn taken<T: DeserializeOwned>(text: &str) -> bool {
        object::<_, T>(&mut serde_json::Deserializer::from_str(text)).is_ok()
    }

    #[test]
    fn numbers_have_the_bounds_that_are_described() {
        assert!(taken::<BackupOrder>(r#"{"timeout_seconds": 1, "retain_seconds": 3162240000}"#));
        assert!(!taken::<BackupOrder>(r#"{"timeout_seconds": 0}"#));
        assert!(!taken::<BackupOrder>(r#"{"retain_seconds": 3162240001}"#));
        assert!(taken::<RestoreOrder>(r#"{"target": "ada", "timeout_seconds": null}"#));
        assert!(!taken::<RestoreOrder>(r#"{"target": "ada", "timeout_seconds": 0}"#));
        assert!(taken::<ScheduleOrder>(r#"{"workspace": "ada", "every_seconds": 60, "jitter_seconds": 0}"#));
        assert!(!taken::<ScheduleOrder>(r#"{"workspace": "ada", "grace_seconds": 9223372036854775808}"#));
        assert!(taken::<RetentionOrder>(r#"{"policy": {"keep_last": 1000000}}"#));
        assert!(!taken::<RetentionOrder>(r#"{"policy": {"keep_last": 1000001}}"#));
    }

    #[test]
    fn a_list_of_values_is_no_object_at_any_depth() {
        assert!(!taken::<BackupOrder>("[null, null]"));
        assert!(!taken::<ScheduleOrder>(r#"{"workspace": "ada", "every_seconds": 60, "backup": []}"#));
        assert!(!taken::<RetentionOrder>(r#"{"policy": []}"#));
    }
}
