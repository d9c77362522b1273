//! What a restore must know of its recovery point and of what it was taken from.

use stillpoint_core::{Component, Error, ErrorKind, Result, Settings, Wanted};

use super::Restore;
use crate::managed::arn::Arn;
use crate::managed::points::{PointState, Usable};
use crate::managed::recorded;

impl Restore<'_> {
    /// What the recovery point was taken from, also where it is a copy.
    ///
    /// # Errors
    /// `NotFound` where there is no such point.
    pub(super) async fn origin(&self) -> Result<Arn> {
        PointState::describe(&self.clients, &self.point).await?.resource.parse()
    }

    /// The same, of a point that a restore can use now. Asked before the start, since a start that is refused uses up its
    /// token.
    ///
    /// # Errors
    /// `Busy` where it will be usable; `InvalidInput` where it never will.
    pub(super) async fn usable_origin(&self) -> Result<Arn> {
        let state = PointState::describe(&self.clients, &self.point).await?;
        let refused = |kind, what: &str| {
            Err(Error::new(kind, format!("the recovery point is {}; {what}", state.in_words())))
        };
        match state.usable() {
            Usable::Now => state.resource.parse(),
            Usable::NotYet | Usable::Unknown => refused(ErrorKind::Busy, "it cannot be restored yet"),
            Usable::Never => refused(ErrorKind::InvalidInput, "it cannot be restored; choose another backup"),
        }
    }

    /// What is wanted, with what the source itself says of `names` where nobody else says it and the source still exists.
    pub(super) async fn with_source(&self, names: &[&str]) -> Result<Wanted> {
        if !names.iter().any(|name| self.wanted.lacks(name)) {
            return Ok(self.wanted.clone());
        }
        Ok(self.wanted.clone().over(self.source().await?))
    }

    /// What the source says of itself; nothing where it is gone or stands elsewhere.
    async fn source(&self) -> Result<Settings> {
        let Ok(arn) = self.job.component.resource.parse::<Arn>() else { return Ok(Settings::new()) };
        if arn.region != self.clients.region {
            return Ok(Settings::new());
        }
        match recorded::read(&self.clients, &arn).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settings::new()),
            other => other,
        }
    }

    /// The zone in which the volume is to stand.
    ///
    /// # Errors
    /// `InvalidConfig` where nobody names one; `InvalidInput` where the region has it not.
    pub(super) async fn zone(&self, wanted: &Wanted) -> Result<String> {
        let Some(zone) = wanted.text("availability_zone")? else {
            let message =
                "the volume's zone is not known any more; name one with the setting availability_zone";
            return Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", "availability_zone"));
        };
        let zones = self.clients.ec2().zones().await?;
        if zones.contains(&zone) {
            return Ok(zone);
        }
        let message = format!(
            "{zone} is no zone of region {} that this account can use; there are {}",
            self.clients.region,
            zones.join(", ")
        );
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}

/// Settings that name something of one region.
const OF_A_REGION: [&str; 5] = ["availability_zone", "one_zone", "kms_key_id", "subnets", "security_groups"];

/// What was recorded with a component, as it can count for a restore of `point`: where that is a copy in another region, nothing
/// that the old region alone has.
pub(super) fn recorded_for(component: &Component, point: &Arn) -> Settings {
    let mut recorded = component.settings.clone();
    if component.resource.parse::<Arn>().is_ok_and(|source| source.region != point.region) {
        recorded.retain(|name, _| !OF_A_REGION.contains(&name.as_str()));
    }
    recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_old_region_has_is_not_asked_of_another() {
        let volume = "arn:aws:ec2:us-east-1:111122223333:volume/vol-1";
        let mut component = Component::new("db".parse().unwrap(), "ebs", "aws".parse().unwrap(), volume);
        for name in ["availability_zone", "kms_key_id", "subnets", "volume_type", "encrypted"] {
            component.settings.insert(name.to_owned(), "x".into());
        }
        let point = |region: &str| format!("arn:aws:ec2:{region}::snapshot/snap-1").parse().unwrap();
        assert_eq!(recorded_for(&component, &point("us-east-1")), component.settings);
        let left = recorded_for(&component, &point("eu-west-1"));
        assert_eq!(left.keys().collect::<Vec<_>>(), ["encrypted", "volume_type"]);
    }
}
