//! Zones, subnets and security groups: where new resources may stand.

use serde::Deserialize;
use stillpoint_core::Result;

use super::{Ec2, Filters, Page};
use crate::connection::{Form, Items};

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZonesAnswer {
    #[serde(default)]
    availability_zone_info: Items<Zone>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Zone {
    zone_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubnetItem {
    subnet_id: String,
    #[serde(default)]
    vpc_id: String,
    #[serde(default)]
    availability_zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubnetsPage {
    #[serde(default)]
    subnet_set: Items<SubnetItem>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityGroupItem {
    group_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityGroupsPage {
    #[serde(default)]
    security_group_info: Items<SecurityGroupItem>,
    next_token: Option<String>,
}

impl Page for SecurityGroupsPage {
    type Item = SecurityGroupItem;

    fn split(self) -> (Vec<SecurityGroupItem>, Option<String>) {
        (self.security_group_info.items, self.next_token)
    }
}

impl Page for SubnetsPage {
    type Item = SubnetItem;

    fn split(self) -> (Vec<SubnetItem>, Option<String>) {
        (self.subnet_set.items, self.next_token)
    }
}

impl Ec2<'_> {
    /// The names of the region's zones that the account can use.
    ///
    /// # Errors
    /// Whatever the call meets.
    pub(crate) async fn zones(&self) -> Result<Vec<String>> {
        let form = Filters::new().with("state", ["available"]).put(Form::new());
        let answer: ZonesAnswer = self.call("DescribeAvailabilityZones", false).query(&form).await?;
        Ok(answer.availability_zone_info.items.into_iter().map(|zone| zone.zone_name).collect())
    }

    /// The subnets that pass `filters`.
    ///
    /// # Errors
    /// Whatever the calls meet.
    pub(crate) async fn subnets(&self, filters: &Filters) -> Result<Vec<Subnet>> {
        let found = self.all::<SubnetsPage>("DescribeSubnets", filters.put(Form::new())).await?;
        let subnet =
            |item: SubnetItem| Subnet { id: item.subnet_id, vpc: item.vpc_id, zone: item.availability_zone };
        Ok(found.into_iter().map(subnet).collect())
    }

    /// The ids of the security groups that pass `filters`.
    ///
    /// # Errors
    /// Whatever the calls meet.
    pub(crate) async fn security_groups(&self, filters: &Filters) -> Result<Vec<String>> {
        let found =
            self.all::<SecurityGroupsPage>("DescribeSecurityGroups", filters.put(Form::new())).await?;
        Ok(found.into_iter().map(|item| item.group_id).collect())
    }
}
