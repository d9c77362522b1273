//! Amazon's names of resources, as far as the configuration is held to them.
//!
//! Format: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`, from
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.

/// The parts of an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart; `None` for any other text.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition) = (parts.next()?, parts.next()?);
        let (service, region, account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (arn == "arn" && !partition.is_empty() && !resource.is_empty()).then_some(Self {
            service,
            region,
            account,
            resource,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts_of_which_the_last_may_hold_colons() {
        let arn = Arn::parse("arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1").unwrap();
        assert_eq!((arn.service, arn.region, arn.account), ("ec2", "us-west-2", "123456789012"));
        assert_eq!(arn.resource, "volume/vol-0a1");
        assert_eq!(Arn::parse("arn:aws:backup:r:a:recovery-point:x").unwrap().resource, "recovery-point:x");
        for bad in ["", "vol-0a1", "arn:aws:ec2:r:a", "arn::ec2:r:a:volume/v", "urn:aws:ec2:r:a:x"] {
            assert_eq!(Arn::parse(bad), None, "{bad:?}");
        }
    }
}
