//! The metadata of a restore job: built from what we know, never from what AWS proposes.
//!
//! What `GetRecoveryPointRestoreMetadata` answers must not be sent back, and keys that are not listed here are refused.
//! Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html> and
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ebs.html>.

use std::collections::BTreeMap;

use stillpoint_core::{Error, ErrorKind, RestoreJob, Result, Wanted};

use crate::managed::arn::Arn;

/// The most paths of one restore.
/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html>.
const ITEMS_MAX: usize = 5;

/// Under which a file system's creation token stands.
pub(super) const CREATION_TOKEN: &str = "CreationToken";
/// Under which a request can be given a name of its own.
pub(super) const REQUEST_ID: &str = "aws:backup:request-id";

/// Names and values; the names are compared without regard to case.
pub(super) type Metadata = BTreeMap<String, String>;

/// The metadata with which a new file system is made from a point of `source`, in the region and account of `place`.
///
/// # Errors
/// `InvalidInput` where there are too many paths; `InvalidConfig` where a setting has another form.
pub(super) fn of_file_system(
    job: &RestoreJob,
    wanted: &Wanted,
    source: &Arn,
    place: &Arn,
) -> Result<Metadata> {
    let token = job.key.token();
    let key = wanted.text("kms_key_id")?;
    let encrypted = key.is_some() || wanted.get("encrypted")?.unwrap_or(true);
    let mut metadata = Metadata::from([
        ("newFileSystem".to_owned(), "true".to_owned()),
        // Ignored according to the documentation, and needed according to those who tried.
        ("file-system-id".to_owned(), source.resource_id().to_owned()),
        ("Encrypted".to_owned(), encrypted.to_string()),
        // Without it the job is accepted and fails later.
        (CREATION_TOKEN.to_owned(), token.clone()),
        (REQUEST_ID.to_owned(), token),
    ]);
    let performance = wanted.text("performance_mode")?.unwrap_or_else(|| "generalPurpose".to_owned());
    metadata.insert("PerformanceMode".to_owned(), performance);
    if let Some(key) = key {
        metadata.insert("KmsKeyId".to_owned(), key_name(&key, place));
    }
    if let Some(zone) = wanted.text("one_zone")? {
        metadata.insert("singleAzFilesystem".to_owned(), "true".to_owned());
        metadata.insert("availabilityZoneName".to_owned(), zone);
    }
    if let Some(items) = items(&job.include)? {
        metadata.insert("ItemsToRestore".to_owned(), items);
    }
    Ok(metadata)
}

/// The metadata with which AWS Backup makes a volume in `zone`, in the region and account of `place`.
///
/// # Errors
/// `Unsupported` where single paths were asked for; `InvalidConfig` where a setting has another form.
pub(super) fn of_volume(job: &RestoreJob, wanted: &Wanted, place: &Arn, zone: String) -> Result<Metadata> {
    if !job.include.is_empty() {
        let message = "a volume is restored as a whole; single files come back from the restored volume";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let mut metadata =
        Metadata::from([("availabilityZone".to_owned(), zone), (REQUEST_ID.to_owned(), job.key.token())]);
    let mut put = |name: &str, value: Option<String>| {
        metadata.extend(value.map(|value| (name.to_owned(), value)));
    };
    let key = wanted.text("kms_key_id")?;
    let encrypted = if key.is_some() { Some(true) } else { wanted.get::<bool>("encrypted")? };
    put("encrypted", encrypted.map(|on| on.to_string()));
    put("kmsKeyId", key.map(|key| key_name(&key, place)));
    put("volumeType", wanted.text("volume_type")?);
    put("volumeSize", wanted.get::<u64>("size_gib")?.map(|size| size.to_string()));
    let rates = Rates::of(wanted)?;
    put("iops", rates.iops.map(|rate| rate.to_string()));
    put("throughput", rates.throughput_mibps.map(|rate| rate.to_string()));
    Ok(metadata)
}

/// The rates of a volume that its type takes: what was recorded of another type does not fit every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) iops: Option<u64>,
    pub(super) throughput_mibps: Option<u64>,
}

impl Rates {
    /// Those that are wanted and fit.
    ///
    /// # Errors
    /// `InvalidConfig` where a setting has another form.
    pub(super) fn of(wanted: &Wanted) -> Result<Self> {
        let volume_type = wanted.text("volume_type")?;
        let takes = |types: &[&str]| volume_type.as_deref().is_some_and(|kind| types.contains(&kind));
        Ok(Self {
            iops: wanted.get("iops")?.filter(|_| takes(&["gp3", "io1", "io2"])),
            throughput_mibps: wanted.get("throughput_mibps")?.filter(|_| takes(&["gp3"])),
        })
    }
}

/// The full name of a key that may be given by its id or alias, in the region and account of `place`.
fn key_name(key: &str, place: &Arn) -> String {
    if key.starts_with("arn:") {
        return key.to_owned();
    }
    let resource = if key.starts_with("alias/") { key.to_owned() } else { format!("key/{key}") };
    place.sibling("kms", resource).to_string()
}

/// The paths as a JSON array of absolute ones.
fn items(include: &[String]) -> Result<Option<String>> {
    if include.is_empty() {
        return Ok(None);
    }
    if include.len() > ITEMS_MAX {
        let message = format!("AWS Backup restores {ITEMS_MAX} paths at once, not {}", include.len());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let absolute: Vec<String> =
        include.iter().map(|path| format!("/{}", path.trim_start_matches('/'))).collect();
    serde_json::to_string(&absolute)
        .map(Some)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "paths have no JSON").with_source(error))
}

/// The value under `name`, whatever case AWS gave it back in.
pub(super) fn value<'m>(
    metadata: impl IntoIterator<Item = (&'m String, &'m String)>,
    name: &str,
) -> Option<&'m str> {
    let mut pairs = metadata.into_iter();
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stillpoint_core::Settings;

    use super::*;
    use crate::managed::marks::tests::job;

    fn source() -> Arn {
        "arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/fs-1".parse().unwrap()
    }

    /// A copy of the point, in another region.
    fn place() -> Arn {
        "arn:aws:backup:eu-west-1:444455556666:recovery-point:1".parse().unwrap()
    }

    fn made(settings: serde_json::Value) -> Metadata {
        let job = job(Settings::new());
        let settings: Settings = serde_json::from_value(settings).unwrap();
        of_file_system(&job, &Wanted::new(&settings, None), &source(), &place()).unwrap()
    }

    #[test]
    fn a_file_system_is_always_a_new_one_with_our_token() {
        let metadata = made(json!({"newFileSystem": "false", "file-system-id": "fs-other"}));
        let token = job(Settings::new()).key.token();
        let expected = json!({
            "newFileSystem": "true", "file-system-id": "fs-1", "Encrypted": "true", "CreationToken": token,
            "PerformanceMode": "generalPurpose", "aws:backup:request-id": token,
        });
        assert_eq!(json!(metadata), expected);
    }

    #[test]
    fn a_key_means_encryption_and_goes_by_its_full_name() {
        let metadata = made(
            json!({"kms_key_id": "1234", "encrypted": false, "one_zone": "us-east-1a", "availability_zone": "us-east-1b"}),
        );
        assert_eq!(metadata["Encrypted"], "true");
        assert_eq!(metadata["KmsKeyId"], "arn:aws:kms:eu-west-1:444455556666:key/1234");
        assert_eq!(metadata["singleAzFilesystem"], "true");
        assert_eq!(metadata["availabilityZoneName"], "us-east-1a");
    }

    #[test]
    fn a_volume_gets_only_the_rates_that_its_type_takes() {
        let rates = |kind: &str| {
            let settings = json!({"volume_type": kind, "iops": 4000, "throughput_mibps": 200});
            let settings: Settings = serde_json::from_value(settings).unwrap();
            let wanted = Wanted::new(&settings, None);
            let made = of_volume(&job(Settings::new()), &wanted, &place(), "eu-west-1a".to_owned()).unwrap();
            (made.contains_key("iops"), made.contains_key("throughput"))
        };
        assert_eq!(rates("gp3"), (true, true));
        assert_eq!(rates("io2"), (true, false));
        assert_eq!(rates("gp2"), (false, false));
        assert_eq!(rates(""), (false, false), "nothing is known of a type that nobody names");
    }

    #[test]
    fn paths_become_absolute_and_are_counted_before_aws_does() {
        assert_eq!(items(&["a/b".to_owned(), "/c\"d".to_owned()]).unwrap().unwrap(), r#"["/a/b","/c\"d"]"#);
        assert_eq!(items(&vec!["a".to_owned(); 6]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
