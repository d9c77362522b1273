//! Amazon resource names of what a workspace consists of and what its backups are.

use std::fmt;
use std::str::FromStr;

use stillpoint_core::{Error, ErrorKind, Result};

/// A resource name in its six parts.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arn {
    pub(super) partition: String,
    pub(super) service: String,
    pub(super) region: String,
    /// Empty in the names of EBS snapshots.
    pub(super) account: String,
    /// What follows the account: `volume/vol-1`, `file-system/fs-1`, `recovery-point:1b2c`.
    pub(super) resource: String,
}

impl Arn {
    /// The resource's own id: what follows its type.
    pub(super) fn resource_id(&self) -> &str {
        self.resource.split_once(['/', ':']).map_or(self.resource.as_str(), |(_, id)| id)
    }

    /// The resource's type: `volume`, `file-system`, `snapshot`, `recovery-point`.
    pub(super) fn resource_type(&self) -> &str {
        self.resource.split_once(['/', ':']).map_or("", |(kind, _)| kind)
    }

    /// A resource of the same partition, region and account.
    pub(super) fn sibling(&self, service: &str, resource: impl Into<String>) -> Self {
        Self { service: service.to_owned(), resource: resource.into(), ..self.clone() }
    }
}

impl FromStr for Arn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", partition, service, region, account, resource]
                if !partition.is_empty() && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self {
                    partition: (*partition).to_owned(),
                    service: (*service).to_owned(),
                    region: (*region).to_owned(),
                    account: (*account).to_owned(),
                    resource: (*resource).to_owned(),
                })
            }
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "{text:?} is no resource name of AWS (arn:partition:service:region:account:resource)"
                ),
            )),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_and_put_together() {
        for (text, kind, id) in [
            ("arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1", "volume", "vol-0a1"),
            ("arn:aws-cn:ec2:cn-north-1::snapshot/snap-1", "snapshot", "snap-1"),
            ("arn:aws:backup:us-west-2:123456789012:recovery-point:1B2C:3", "recovery-point", "1B2C:3"),
        ] {
            let arn: Arn = text.parse().unwrap();
            assert_eq!((arn.resource_type(), arn.resource_id()), (kind, id));
            assert_eq!(arn.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "vol-1", "arn:aws:ec2:us-west-2:1", "arn::ec2:r:1:volume/v", "arn:aws:ec2:r:1:"] {
            assert_eq!(text.parse::<Arn>().unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
