//! What goes over the wire, for whoever writes it down: a fake of AWS is corrected by what AWS answered.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Hears every call of a [`Connection`](crate::Connection) and its answer, as they went over the wire.
///
/// Headers are not told, so no credentials are; neither is a call that got no answer. Names, tags and numbers of accounts
/// are told as they are. Whoever hears must not take long: the call waits.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use stillpoint_provider_aws::{Connection, Exchange, WireJournal};
///
/// #[derive(Debug, Default)]
/// struct Lines(Mutex<Vec<String>>);
///
/// impl WireJournal for Lines {
///     fn heard(&self, exchange: &Exchange) {
///         self.0.lock().unwrap().push(format!("{} {}", exchange.service, exchange.status));
///     }
/// }
///
/// # fn main() -> stillpoint_core::Result<()> {
/// let lines = Arc::new(Lines::default());
/// let connection = Connection::with_credentials("us-east-1", "AKIDEXAMPLE", "secret", None, None)?;
/// let connection = connection.with_wire_journal(lines.clone());
/// assert!(lines.0.lock().unwrap().is_empty(), "nothing was called");
/// # Ok(()) }
/// ```
pub trait WireJournal: fmt::Debug + Send + Sync {
    /// One call and its answer.
    fn heard(&self, exchange: &Exchange);
}

/// One call and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exchange {
    /// The service, as signatures name it.
    pub service: &'static str,
    /// The method of the request.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// The operation, where a header names it.
    pub operation: Option<String>,
    /// What was sent.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// The error, where a header names it.
    pub error: Option<String>,
    /// What was answered.
    pub response: String,
}

/// Whoever hears, if anybody does.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(pub(super) Option<Arc<dyn WireJournal>>);

impl Wire {
    /// Tells of what `exchange` makes, where anybody hears it.
    pub(super) fn tell(&self, exchange: impl FnOnce() -> Exchange) {
        if let Some(journal) = &self.0 {
            journal.heard(&exchange());
        }
    }
}

/// A body as text.
pub(super) fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(feature = "managed")]
pub(super) use sdk::Overheard;

#[cfg(feature = "managed")]
mod sdk {
    use aws_sdk_backup::config::interceptors::{
        BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
    };
    use aws_sdk_backup::config::{ConfigBag, Intercept, RuntimeComponents};
    use aws_sdk_backup::error::BoxError;
    use aws_smithy_types::config_bag::{Storable, StoreReplace};

    use super::{Exchange, Wire, text};

    /// Overhears the calls that the SDK's clients of one service make.
    #[derive(Debug)]
    pub(in crate::connection) struct Overheard {
        pub(in crate::connection) service: &'static str,
        pub(in crate::connection) wire: Wire,
    }

    /// A call that is on its way: the SDK keeps no request beside its answer.
    #[derive(Clone, Debug)]
    struct Sent(Exchange);

    impl Storable for Sent {
        type Storer = StoreReplace<Self>;
    }

    impl Intercept for Overheard {
        fn name(&self) -> &'static str {
            "Overheard"
        }

        fn read_before_transmit(
            &self,
            context: &BeforeTransmitInterceptorContextRef<'_>,
            _components: &RuntimeComponents,
            config: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            let request = context.request();
            // What follows the host, which begins with the third slash.
            let target = request.uri().splitn(4, '/').nth(3).unwrap_or_default();
            config.interceptor_state().store_put(Sent(Exchange {
                service: self.service,
                method: request.method().to_owned(),
                target: format!("/{target}"),
                operation: request.headers().get("x-amz-target").map(str::to_owned),
                request: text(request.body().bytes().unwrap_or_default()),
                status: 0,
                error: None,
                response: String::new(),
            }));
            Ok(())
        }

        fn read_after_attempt(
            &self,
            context: &FinalizerInterceptorContextRef<'_>,
            _components: &RuntimeComponents,
            config: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            if let (Some(Sent(sent)), Some(response)) = (config.load::<Sent>(), context.response()) {
                self.wire.tell(|| Exchange {
                    status: response.status().as_u16(),
                    error: response.headers().get("x-amzn-errortype").map(str::to_owned),
                    response: text(response.body().bytes().unwrap_or_default()),
                    ..sent.clone()
                });
            }
            Ok(())
        }
    }
}
