//! What a component of a managed workspace can be.

use serde::Deserialize;

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A block volume.
    Ebs,
    /// A file system of the cloud.
    Efs,
    /// Files on a server that the cloud's backup does not reach.
    Nfs,
    /// A managed disk of Azure.
    Disk,
    /// A share of Azure Files.
    FileShare,
    /// A volume of Azure NetApp Files.
    NetappVolume,
    /// A container of blobs.
    BlobContainer,
}

impl Kind {
    /// The word of the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ebs => "ebs",
            Self::Efs => "efs",
            Self::Nfs => "nfs",
            Self::Disk => "disk",
            Self::FileShare => "file-share",
            Self::NetappVolume => "netapp-volume",
            Self::BlobContainer => "blob-container",
        }
    }

    /// Whether a restore of files can make one and fill it.
    pub(crate) fn is_filled(self) -> bool {
        matches!(self, Self::FileShare | Self::NetappVolume)
    }

    /// The cloud that has such components; any may have external files.
    pub(super) fn cloud(self) -> Option<&'static str> {
        match self {
            Self::Ebs | Self::Efs => Some("aws"),
            Self::Nfs => None,
            Self::Disk | Self::FileShare | Self::NetappVolume | Self::BlobContainer => Some("azure"),
        }
    }

    /// The service and the beginning of the resource in its ARN.
    pub(super) fn in_arn(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Ebs => Some(("ec2", "volume/vol-")),
            Self::Efs => Some(("elasticfilesystem", "file-system/fs-")),
            _ => None,
        }
    }
}
