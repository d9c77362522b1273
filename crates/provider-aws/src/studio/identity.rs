//! Who a space belongs to, from its own word and SageMaker's.

use stillpoint_core::{Error, ErrorKind, Result};

use super::metadata::{SpaceMetadata, is_name};

/// The space, its user and where the user's tags are. Its names are what backups lie under.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceIdentity {
    /// The Studio domain.
    pub domain: String,
    /// The user profile that owns the space.
    pub user: String,
    /// The space.
    pub space: String,
    /// The user profile's ARN.
    pub user_arn: String,
}

/// What SageMaker answers about a space, as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) domain: Option<String>,
    pub(super) space: Option<String>,
    pub(super) owner: Option<String>,
}

/// The owner of the space that `metadata` names.
///
/// # Errors
/// `NeedsAttention` where the two words differ or no owner is named: writing under a guessed name could overwrite, or
/// show to others, what belongs to somebody else.
pub(super) fn owner_of(metadata: &SpaceMetadata, described: &Described) -> Result<String> {
    let unsure = |message: String| Error::new(ErrorKind::NeedsAttention, message);
    let space = &metadata.space;
    for (what, own, answered) in
        [("domain", &metadata.domain, &described.domain), ("space", space, &described.space)]
    {
        if answered.as_ref().is_some_and(|answered| answered != own) {
            let message = format!("the machine says it is of {what} {own:?}, SageMaker says {answered:?}");
            return Err(unsure(message));
        }
    }
    let owner = match (&described.owner, &metadata.user) {
        (Some(owner), Some(user)) if owner != user => {
            return Err(unsure(format!(
                "space {space:?} runs for user {user:?}, but SageMaker says {owner:?}"
            )));
        }
        (Some(owner), _) => owner,
        (None, Some(user)) => user,
        (None, None) => return Err(unsure(format!("SageMaker names no user that owns space {space:?}"))),
    };
    if !is_name(owner) {
        return Err(unsure(format!("the owner of space {space:?} has an unusable name ({owner:?})")));
    }
    Ok(owner.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(user: &str) -> SpaceMetadata {
        let text = format!(r#"{{"DomainId":"d-1","SpaceName":"lab","UserProfileName":"{user}"}}"#);
        SpaceMetadata::parse(text.as_bytes()).unwrap()
    }

    fn described(domain: &str, space: &str, owner: Option<&str>) -> Described {
        let text = |text: &str| Some(text.to_owned());
        Described { domain: text(domain), space: text(space), owner: owner.map(str::to_owned) }
    }

    #[test]
    fn the_owner_is_sagemakers_word_or_the_machines_where_sagemaker_has_none() {
        let ada = |user, owner| owner_of(&metadata(user), &described("d-1", "lab", owner)).unwrap();
        assert_eq!(ada("", Some("ada")), "ada");
        assert_eq!(ada("ada", Some("ada")), "ada");
        assert_eq!(ada("ada", None), "ada");
    }

    #[test]
    fn nothing_is_written_under_a_name_that_is_not_sure() {
        for (user, described) in [
            ("", described("d-1", "lab", None)),
            ("eve", described("d-1", "lab", Some("ada"))),
            ("ada", described("d-2", "lab", Some("ada"))),
            ("ada", described("d-1", "other", Some("ada"))),
            ("", described("d-1", "lab", Some("../ada"))),
            ("", described("d-1", "lab", Some(""))),
            ("", Described::default()),
        ] {
            let error = owner_of(&metadata(user), &described).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NeedsAttention, "{user} {described:?}");
        }
    }
}
