//! The SDK's clients of one region: no retries of their own, bounded times, the endpoints of the environment.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use stillpoint_core::Result;

use super::ec2::{self, Ec2};
use super::efs::Efs;
use super::sts::{self, Caller};
use crate::connection::{CALL_TIMEOUT, CONNECT_TIMEOUT, Connection, Service};

/// How long one call may take in all, with the search for credentials.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(90);

const SERVICES: [Service; 3] = [
    Service { signing_name: "backup", id: "Backup", host: "backup", target: "" },
    Service { signing_name: "elasticfilesystem", id: "EFS", host: "elasticfilesystem", target: "" },
    Service { signing_name: "tagging", id: "Resource Groups Tagging API", host: "tagging", target: "" },
];

/// The clients of one region.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) region: String,
    pub(super) backup: aws_sdk_backup::Client,
    pub(super) efs: aws_sdk_efs::Client,
    pub(super) tagging: aws_sdk_resourcegroupstagging::Client,
    /// For the calls that no SDK crate of ours makes (EC2, STS).
    pub(super) connection: Connection,
}

impl Clients {
    /// The clients of `region`.
    ///
    /// # Errors
    /// `InvalidConfig` where an endpoint of the environment is no address, or plain http to another machine.
    pub(super) fn new(connection: &Connection, region: &str) -> Result<Self> {
        let connection = connection.in_region(region);
        for service in SERVICES.iter().chain([&ec2::SERVICE, &sts::SERVICE]) {
            connection.endpoint(service)?;
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(CALL_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut config = connection.sdk_config().to_builder();
        // The retry layer counts every attempt against one budget; a second layer below it would multiply them, and it
        // would take a quota (`LimitExceededException`) for throttling.
        config.set_retry_config(Some(RetryConfig::disabled()));
        config.set_timeout_config(Some(timeouts));
        let config = config.build();
        let mut backup = aws_sdk_backup::config::Builder::from(&config);
        let mut efs = aws_sdk_efs::config::Builder::from(&config);
        let mut tagging = aws_sdk_resourcegroupstagging::config::Builder::from(&config);
        if let Some(overheard) = connection.overheard("backup") {
            backup.push_interceptor(overheard);
        }
        if let Some(overheard) = connection.overheard("elasticfilesystem") {
            efs.push_interceptor(overheard);
        }
        if let Some(overheard) = connection.overheard("tagging") {
            tagging.push_interceptor(overheard);
        }
        Ok(Self {
            region: region.to_owned(),
            backup: aws_sdk_backup::Client::from_conf(backup.build()),
            efs: aws_sdk_efs::Client::from_conf(efs.build()),
            tagging: aws_sdk_resourcegroupstagging::Client::from_conf(tagging.build()),
            connection,
        })
    }

    /// EC2 in this region.
    pub(super) fn ec2(&self) -> Ec2<'_> {
        Ec2::new(&self.connection)
    }

    /// EFS in this region.
    pub(super) fn efs(&self) -> Efs<'_> {
        Efs::new(self)
    }

    /// Who the credentials belong to.
    ///
    /// # Errors
    /// `Unauthenticated` where they belong to nobody.
    pub(super) async fn caller(&self) -> Result<Caller> {
        sts::caller(&self.connection).await
    }
}
