//! Noting who did what.

use stillpoint_core::{OperationId, Result};

use crate::access::{AuditLine, AuditOutcome, Caller};
use crate::plane::ControlPlane;

/// The longest subject that is noted, in bytes; it may be whatever a caller who is refused wrote.
const SUBJECT_BYTES_MAX: usize = 200;

impl ControlPlane {
    /// Notes what came of `caller`'s wish, and hands it on. What cannot be noted is told in the log of the process and
    /// stops nobody: the operation itself names who asked for it.
    pub(crate) async fn noted<T>(
        &self,
        caller: &Caller,
        action: &str,
        subject: &str,
        operation: Option<&OperationId>,
        done: Result<T>,
    ) -> Result<T> {
        let subject = &subject[..subject.floor_char_boundary(SUBJECT_BYTES_MAX)];
        let outcome = match &done {
            Ok(_) => AuditOutcome::Accepted,
            Err(error) => {
                let kind = serde_json::to_value(error.kind()).ok();
                AuditOutcome::Refused(
                    kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(),
                )
            }
        };
        let line = AuditLine {
            at: self.clock().now(),
            token: Some(caller.token.clone()),
            name: Some(caller.name.clone()),
            action: action.to_owned(),
            subject: subject.to_owned(),
            operation: operation.map(ToString::to_string),
            outcome,
        };
        tracing::info!(target: "stillpoint::audit", token = caller.token, name = caller.name, action, subject,
            operation = line.operation, outcome = ?line.outcome);
        if let Err(error) = self.access().append_audit(&line).await {
            tracing::error!(
                error = error.to_string_chain(),
                action,
                subject,
                "the audit log cannot be written"
            );
        }
        done
    }
}
