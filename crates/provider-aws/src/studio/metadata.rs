//! What a space's own machine says about it.

use std::path::Path;

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, Result};

/// Where Studio puts the file.
/// Source: <https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-run-and-manage-metadata.html>.
pub const METADATA_FILE: &str = "/opt/ml/metadata/resource-metadata.json";

/// The largest file that is read, in bytes; Studio's own has a few hundred.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The content of the metadata file: which domain and which space this machine runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceMetadata {
    /// The Studio domain.
    pub domain: String,
    /// The space.
    pub space: String,
    /// The user profile, where the file names one; Studio leaves it empty in a space.
    pub user: Option<String>,
    region: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    #[serde(default)]
    domain_id: String,
    #[serde(default)]
    space_name: String,
    #[serde(default)]
    user_profile_name: String,
    #[serde(default)]
    resource_arn: String,
}

impl SpaceMetadata {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `InvalidConfig` where it is missing, is not what Studio writes, or names no domain or space: nothing may be
    /// backed up under a name that nobody is sure of.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let refused = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        let unread = |error: std::io::Error| {
            refused(format!(
                "the space's metadata {shown} cannot be read; --metadata-file names another place"
            ))
            .with_source(error)
        };
        let length = std::fs::metadata(path).map_err(unread)?.len();
        if length > FILE_BYTES_MAX {
            return Err(refused(format!("{shown} has {length} bytes and is no metadata of a space")));
        }
        Self::parse(&std::fs::read(path).map_err(unread)?).map_err(|error| error.with("file", shown))
    }

    /// Understands the file's content.
    ///
    /// # Errors
    /// As [`SpaceMetadata::read`].
    pub fn parse(content: &[u8]) -> Result<Self> {
        let refused = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        let file: File = serde_json::from_slice(content).map_err(|error| {
            refused("the space's metadata is not the JSON that Studio writes".into()).with_source(error)
        })?;
        let named = |what: &str, value: &str| {
            if is_name(value) {
                return Ok(value.to_owned());
            }
            Err(refused(format!("the space's metadata has no usable {what} ({value:?})")))
        };
        let user = (!file.user_profile_name.is_empty()).then_some(file.user_profile_name);
        Ok(Self {
            domain: named("DomainId", &file.domain_id)?,
            space: named("SpaceName", &file.space_name)?,
            user: user.map(|user| named("UserProfileName", &user)).transpose()?,
            region: region_of(&file.resource_arn),
        })
    }

    /// The region in which the space runs, as its ARN says.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

/// Whether `text` is a name as SageMaker gives them to domains, spaces and user profiles: letters, digits and inner
/// hyphens, 63 at the most. Source: the patterns of `DomainId`, `SpaceName` and `UserProfileName` in the service model.
pub(super) fn is_name(text: &str) -> bool {
    let inside = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    inside && (1..=63).contains(&text.len()) && !text.starts_with('-')
}

/// The region in `arn:aws:sagemaker:REGION:ACCOUNT:…`.
fn region_of(arn: &str) -> Option<String> {
    let region = arn.split(':').nth(3).filter(|_| arn.starts_with("arn:"))?;
    (!region.is_empty()).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{"AppType":"JupyterLab","DomainId":"d-abc123","UserProfileName":"",
        "ResourceArn":"arn:aws:sagemaker:eu-west-1:123456789012:app/d-abc123/lab/JupyterLab/default",
        "ResourceName":"default","SpaceName":"lab","AppImageVersion":"","IpAddressType":"ipv4"}"#;

    #[test]
    fn what_studio_writes_is_understood() {
        let metadata = SpaceMetadata::parse(WRITTEN.as_bytes()).unwrap();
        assert_eq!((metadata.domain.as_str(), metadata.space.as_str()), ("d-abc123", "lab"));
        assert_eq!((metadata.user.as_deref(), metadata.region()), (None, Some("eu-west-1")));
    }

    #[test]
    fn a_name_that_could_lead_elsewhere_is_refused() {
        for (from, to) in [
            ("\"lab\"", "\"\""),
            ("\"lab\"", "\"../ada\""),
            ("\"lab\"", "\"a/b\""),
            ("d-abc123\",\"User", "\",\"User"),
            ("Name\":\"\"", "Name\":\"-x\""),
        ] {
            let content = WRITTEN.replacen(from, to, 1);
            assert_ne!(content, WRITTEN, "{from} is not in the sample");
            let error = SpaceMetadata::parse(content.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{to}");
        }
        assert!(SpaceMetadata::parse(b"").is_err());
        assert!(SpaceMetadata::parse(b"[]").is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = SpaceMetadata::read(Path::new("/no/such/file.json")).unwrap_err();
        assert!(error.to_string().contains("/no/such/file.json"), "{error}");
    }
}
