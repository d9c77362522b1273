//! Who may do what: tokens, roles, the environment that a token is for, and the log of who did what.

mod audit;
mod caller;
mod extract;
mod keep;
mod limits;
mod memory;
mod session;
#[cfg(feature = "sql")]
mod sql;
mod store;
mod token;

pub use audit::{AuditLine, AuditOutcome};
pub use caller::{Caller, Role};
pub(crate) use extract::{Authenticated, PageCaller};
pub use keep::keep_token;
pub(crate) use limits::Gate;
pub use memory::MemoryAccess;
pub(crate) use session::Session;
pub use store::AccessStore;
pub use token::{NewToken, Secret, TokenRecord};
