//! How fast, how late and how strict the simulated cloud is.

use std::time::Duration;

/// How a simulated cloud behaves when nothing goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimConfig {
    /// Bytes per second that a job moves.
    pub bytes_per_second: u64,
    /// The least time a job is queued.
    pub queue_delay: Duration,
    /// A job queued for longer expires.
    pub start_window: Duration,
    /// The time a job takes beside moving bytes.
    pub overhead: Duration,
    /// How long an idempotency token is remembered; an hour with AWS Backup.
    pub token_lifetime: Duration,
    /// How long a new job is missing from lists.
    pub list_lag: Duration,
    /// How far the clock of whoever wrote an intent may differ from the cloud's, for a job to be told by its time. A cloud
    /// whose calls are signed with a time refuses those that differ more; this one refuses nobody.
    pub clocks_differ: Duration,
    /// How long a running job takes to stop.
    pub cancel_delay: Duration,
    /// How long a deletion is on its way.
    pub delete_delay: Duration,
    /// How long after its birth a restored resource is ready.
    pub ready_after: Duration,
    /// Restored volumes without a protective tag are removed this long after their birth.
    pub collect_after: Option<Duration>,
    /// Sources without a protective tag are removed this long after a backup job began to read them, if it still does.
    pub collect_sources_after: Option<Duration>,
    /// The hint not to poll a job more often.
    pub poll_after: Duration,
    /// The time from a call to its effect and answer.
    pub latency: Duration,
    /// Whether backup jobs can be cancelled.
    pub cancels_backups: bool,
    /// Whether restore jobs can be cancelled; AWS Backup cannot.
    pub cancels_restores: bool,
    /// Whether a job without a base moves everything, as a data plane does; the clouds know their bases themselves.
    pub needs_base: bool,
    /// Whether it says how large a resource is and how fast it usually moves bytes.
    pub states_sizes: bool,
    /// Account and region, as the cloud itself reports them on each snapshot.
    pub account_region: (String, String),
}

impl SimConfig {
    /// The default behaviour, changed in some way.
    pub fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut config = Self::default();
        change(&mut config);
        config
    }
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            bytes_per_second: 20 << 20,
            queue_delay: Duration::from_secs(20),
            start_window: Duration::from_secs(8 * 3600),
            overhead: Duration::from_secs(120),
            token_lifetime: Duration::from_secs(3600),
            list_lag: Duration::from_secs(30),
            clocks_differ: Duration::from_secs(300),
            cancel_delay: Duration::from_secs(60),
            delete_delay: Duration::from_secs(10),
            ready_after: Duration::from_secs(20),
            collect_after: Some(Duration::from_secs(3600)),
            collect_sources_after: None,
            poll_after: Duration::from_secs(30),
            latency: Duration::from_millis(150),
            cancels_backups: true,
            cancels_restores: false,
            needs_base: false,
            states_sizes: false,
            account_region: ("123456789012".into(), "eu-central-1".into()),
        }
    }
}
