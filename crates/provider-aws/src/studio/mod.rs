//! SageMaker Studio spaces: who a space is, and whether its user profile asks for a restore.
//!
//! ```no_run
//! # async fn example() -> stillpoint_core::Result<()> {
//! use std::path::Path;
//! use stillpoint_provider_aws::Connection;
//! use stillpoint_provider_aws::studio::{METADATA_FILE, SageMaker, SpaceMetadata};
//!
//! let metadata = SpaceMetadata::read(Path::new(METADATA_FILE))?;
//! let sagemaker = SageMaker::new(Connection::from_environment(metadata.region()).await?);
//! let identity = sagemaker.identify(&metadata).await?;
//! println!("{}/{}", identity.user, identity.space);
//! if let Some(wanted) = sagemaker.restore_tag(&identity).await? {
//!     println!("restore of {}", wanted.time);
//! }
//! # Ok(()) }
//! ```

mod identity;
mod metadata;
mod sagemaker;
mod tag;

pub use identity::SpaceIdentity;
pub use metadata::{METADATA_FILE, SpaceMetadata};
pub use sagemaker::SageMaker;
pub use tag::{RESTORE_TAG, RestoreTag, parse_restore_tag};
