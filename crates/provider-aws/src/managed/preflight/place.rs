//! The clock, and what AWS Backup may touch in the region.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_backup::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_backup::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_backup::error::BoxError;
use aws_sdk_backup::primitives::{DateTime, DateTimeFormat};
use stillpoint_core::{ErrorKind, Finding, Result, Timestamp};

use super::super::refusal::unread;
use super::super::settings::SourceKind;
use super::super::time::timestamp;
use super::{Subject, blocker, judged, warning};

/// AWS refuses signatures whose time is wrong by more than five minutes.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>.
const SKEW_REFUSED_SECONDS: u64 = 270;
/// A clock that is wrong by more is not kept by anybody.
const SKEW_NOTED_SECONDS: u64 = 60;

/// Notes when a server says that it answered.
#[derive(Clone, Debug, Default)]
struct ServerTime(Arc<Mutex<Option<String>>>);

impl Intercept for ServerTime {
    fn name(&self) -> &'static str {
        "ServerTime"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = told;
        Ok(())
    }
}

impl ServerTime {
    fn told(&self) -> Option<Timestamp> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        timestamp(&DateTime::from_str(&told, DateTimeFormat::HttpDate).ok()?)
    }
}

impl Subject<'_> {
    pub(super) async fn clock_and_opt_in(&self) -> Result<Vec<Finding>> {
        let time = ServerTime::default();
        let call = self.clients.backup.describe_region_settings().customize().interceptor(time.clone());
        let answer = call.send().await.map_err(unread("DescribeRegionSettings"));
        let mut findings: Vec<_> = self.clock(time.told()).into_iter().collect();
        let word = match self.source.kind {
            SourceKind::Volume => "EBS",
            SourceKind::FileSystem => "EFS",
        };
        let opted = match answer {
            // Whose credentials nobody knows is told by another check.
            Err(error) if error.kind() == ErrorKind::Unauthenticated => return Ok(findings),
            answer => answer.map(|answer| answer.resource_type_opt_in_preference.unwrap_or_default()),
        };
        let told = opted.map(|opted| match opted.get(word) {
            Some(true) => Vec::new(),
            Some(false) => vec![blocker(
                "service-opt-in",
                format!(
                    "AWS Backup may not touch {word} in {}; an administrator opts it in for the whole account and region \
                     (AWS Backup, Settings, Service opt-in)",
                    self.clients.region
                ),
            )],
            None => vec![warning(
                "service-opt-in",
                format!("AWS Backup does not say whether it may touch {word} in {}", self.clients.region),
            )],
        });
        findings.extend(judged("service-opt-in", told)?);
        Ok(findings)
    }

    fn clock(&self, server: Option<Timestamp>) -> Option<Finding> {
        let (ours, theirs) = (self.clients.connection.now(), server?);
        let seconds = ours.since(theirs).max(theirs.since(ours)).as_secs();
        let message = || {
            format!(
                "this machine's clock is {seconds} seconds off AWS's; set it, for AWS refuses calls beyond five minutes"
            )
        };
        match seconds {
            SKEW_REFUSED_SECONDS.. => Some(blocker("clock", message())),
            SKEW_NOTED_SECONDS.. => Some(warning("clock", message())),
            _ => None,
        }
    }
}
