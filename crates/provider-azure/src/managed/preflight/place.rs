//! The subscription, its registrations, the resource group of the snapshots, and the clock.

use serde::Deserialize;
use stillpoint_core::{ErrorKind, Finding, Result};

use super::{Subject, blocker, warning};
use crate::connection::Request;

const SUBSCRIPTIONS: &str = "2022-12-01";
const RESOURCES: &str = "2025-04-01";
/// A clock that is wrong by more is not kept by anybody; tokens are renewed by it.
const SKEW_NOTED_SECONDS: u64 = 60;
/// A job that was started by a clock further off than that is not found again.
const SKEW_REFUSED_SECONDS: u64 = 270;

#[derive(Deserialize)]
struct Subscription {
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    registration_state: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    location: String,
}

impl Subject<'_> {
    /// Whether the subscription is one in which anything can be made.
    /// Source: <https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-states>.
    pub(super) async fn subscription(&self) -> Result<Vec<Finding>> {
        let id = &self.source.id.subscription;
        let path = format!("/subscriptions/{id}");
        let request = Request::new("Microsoft.Resources/subscriptions/read", path, SUBSCRIPTIONS);
        let found: Subscription = match self.connection.get(&request).await {
            // What these credentials do not see and what is not there are answered alike.
            Err(error) if error.context("code") == Some("SubscriptionNotFound") => {
                let message = format!(
                    "these credentials know no subscription {id}; name another, or grant them access"
                );
                return Ok(vec![blocker("subscription", message)]);
            }
            other => other?,
        };
        let state = found.state.unwrap_or_default();
        let message = format!("the subscription {id} is {state}");
        Ok(match state.as_str() {
            "Enabled" | "" => Vec::new(),
            "Warned" | "PastDue" => vec![warning("subscription", format!("{message}; settle its account"))],
            _ => vec![blocker("subscription", format!("{message}, and nothing can be made in it"))],
        })
    }

    pub(super) async fn registered(&self) -> Result<Vec<Finding>> {
        let service = &self.source.id.provider;
        let path = format!("/subscriptions/{}/providers/{service}", self.source.id.subscription);
        let request = Request::new("Microsoft.Resources/subscriptions/providers/read", path, RESOURCES);
        let found: Registration = self.connection.get(&request).await?;
        let state = found.registration_state.unwrap_or_default();
        let message = format!("{service} is {state} in the subscription; register it (az provider register)");
        let registered = matches!(state.as_str(), "Registered" | "Registering");
        Ok((!registered).then(|| blocker("provider-registered", message)).into_iter().collect())
    }

    /// Whether the resource group is there that snapshots are kept in. It may lie in another region than they do.
    pub(super) async fn resource_group(&self) -> Result<Vec<Finding>> {
        let group = &self.source.group;
        let path = format!("/subscriptions/{}/resourcegroups/{group}", self.source.id.subscription);
        let request = Request::new("Microsoft.Resources/subscriptions/resourceGroups/read", path, RESOURCES);
        match self.connection.get::<Group>(&request).await {
            Ok(found) => {
                tracing::debug!(
                    group,
                    location = found.location,
                    "the resource group of the snapshots is there"
                );
                Ok(Vec::new())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!(
                    "there is no resource group {group} to keep snapshots in; make it, or name another"
                );
                Ok(vec![blocker("resource-group", message)])
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn clock(&self) -> Option<Finding> {
        let seconds = self.connection.clocks_differ().as_secs();
        let message = format!(
            "this machine's clock is {seconds} seconds off Azure's; set it, tokens are renewed and jobs are told apart by it"
        );
        match seconds {
            SKEW_REFUSED_SECONDS.. => Some(blocker("clock", message)),
            SKEW_NOTED_SECONDS.. => Some(warning("clock", message)),
            _ => None,
        }
    }
}
