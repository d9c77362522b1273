//! The four calls to SageMaker that an agent inside a space makes.

use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, ErrorKind, Result};

use super::identity::{Described, SpaceIdentity, owner_of};
use super::metadata::SpaceMetadata;
use super::tag::{RESTORE_TAG, RestoreTag, parse_restore_tag};
use crate::connection::{Call, Connection, Service};

/// Source: the service model of SageMaker, version 2017-07-24.
const SERVICE: Service =
    Service { signing_name: "sagemaker", id: "sagemaker", host: "api.sagemaker", target: "SageMaker" };

/// Tags on one page; the service allows at least 50 and takes no less.
const PAGE_TAGS: u32 = 50;
/// Pages that are read. A resource has 50 tags at the most, so a second one is rare.
const PAGES_MAX: usize = 20;

/// SageMaker, as an agent inside a space sees it with the credentials of its execution role.
///
/// It needs `sagemaker:DescribeSpace`, `sagemaker:DescribeUserProfile` and `sagemaker:ListTags`, and
/// `sagemaker:DeleteTags` where it is to remove the tag. Every call is made once; trying again is for the caller, on
/// the error's word.
#[derive(Clone, Debug)]
pub struct SageMaker {
    connection: Connection,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpaceInput<'a> {
    domain_id: &'a str,
    space_name: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SpaceAnswer {
    domain_id: Option<String>,
    space_name: Option<String>,
    ownership_settings: Option<Ownership>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ownership {
    owner_user_profile_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProfileInput<'a> {
    domain_id: &'a str,
    user_profile_name: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProfileAnswer {
    user_profile_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagsInput<'a> {
    resource_arn: &'a str,
    max_results: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagsAnswer {
    #[serde(default)]
    tags: Vec<Tag>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UntagInput<'a> {
    resource_arn: &'a str,
    tag_keys: [&'a str; 1],
}

#[derive(Deserialize)]
struct UntagAnswer {}

impl SageMaker {
    /// SageMaker over this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Finds out who owns the space that `metadata` names.
    ///
    /// # Errors
    /// `PermissionDenied` with the missing action; `NotFound` where SageMaker does not know the space;
    /// `NeedsAttention` where no owner is named or the answers differ. After any of them nothing may be written: there
    /// is no name to write it under.
    pub async fn identify(&self, metadata: &SpaceMetadata) -> Result<SpaceIdentity> {
        let SpaceMetadata { domain, space, .. } = metadata;
        let input = SpaceInput { domain_id: domain, space_name: space };
        let answer: SpaceAnswer = self.call("DescribeSpace", false).json(&input).await?;
        let owner = answer.ownership_settings.and_then(|settings| settings.owner_user_profile_name);
        let described = Described { domain: answer.domain_id, space: answer.space_name, owner };
        let user = owner_of(metadata, &described)?;

        let input = ProfileInput { domain_id: domain, user_profile_name: &user };
        let answer: ProfileAnswer = self.call("DescribeUserProfile", false).json(&input).await?;
        let user_arn = answer.user_profile_arn.filter(|arn| arn.starts_with("arn:")).ok_or_else(|| {
            Error::new(ErrorKind::NeedsAttention, format!("SageMaker names no ARN of user profile {user:?}"))
        })?;
        Ok(SpaceIdentity { domain: domain.clone(), user, space: space.clone(), user_arn })
    }

    /// What the user profile's tag asks for; `None` where it carries no such tag.
    ///
    /// # Errors
    /// `InvalidInput` where the tag's value is none that [`parse_restore_tag`] takes; whatever the call meets.
    pub async fn restore_tag(&self, identity: &SpaceIdentity) -> Result<Option<RestoreTag>> {
        let mut token: Option<String> = None;
        for _page in 0..PAGES_MAX {
            let input = TagsInput {
                resource_arn: &identity.user_arn,
                max_results: PAGE_TAGS,
                next_token: token.as_deref(),
            };
            let answer: TagsAnswer = self.call("ListTags", false).json(&input).await?;
            if let Some(tag) = answer.tags.iter().find(|tag| tag.key == RESTORE_TAG) {
                return parse_restore_tag(&tag.value).map(Some);
            }
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(None);
            }
        }
        Err(Error::new(ErrorKind::Unexpected, format!("the tags of {} have no end", identity.user_arn)))
    }

    /// Removes the tag from the user profile, so that no other space of the user restores. A tag that is gone already
    /// is a success.
    ///
    /// # Errors
    /// Whatever the call meets; `MaybeApplied` where no answer came, and then a repeat is safe.
    pub async fn remove_restore_tag(&self, identity: &SpaceIdentity) -> Result<()> {
        let input = UntagInput { resource_arn: &identity.user_arn, tag_keys: [RESTORE_TAG] };
        let UntagAnswer {} = self.call("DeleteTags", true).json(&input).await?;
        Ok(())
    }

    fn call(&self, operation: &'static str, mutates: bool) -> Call<'_> {
        Call { connection: &self.connection, service: &SERVICE, operation, mutates }
    }
}
