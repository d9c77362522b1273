//! The calls that are the same for everything that Azure Resource Manager keeps under an id.

/// Gives the type `$of`, which is read by the action `$read` and deleted by `$delete`, its `get`, `known` and `delete`.
macro_rules! resource {
    ($of:ty, $read:expr, $delete:expr, $version:expr) => {
        impl $of {
            /// The one of this id.
            ///
            /// # Errors
            /// `NotFound` where it does not exist.
            pub(in super::super) async fn get(
                connection: &crate::connection::Connection,
                id: &crate::managed::resource_id::ResourceId,
            ) -> stillpoint_core::Result<Self> {
                connection.get(&crate::connection::Request::new($read, id.to_string(), $version)).await
            }

            /// The same, or nothing where it does not exist.
            ///
            /// # Errors
            /// Whatever else the call can meet.
            pub(in super::super) async fn known(
                connection: &crate::connection::Connection,
                id: &crate::managed::resource_id::ResourceId,
            ) -> stillpoint_core::Result<Option<Self>> {
                connection.known(&crate::connection::Request::new($read, id.to_string(), $version)).await
            }

            /// Deletes the one of this id, with all that is in it.
            ///
            /// # Errors
            /// `Busy` while something else is done with it; whatever else refuses it.
            pub(in super::super) async fn delete(
                connection: &crate::connection::Connection,
                id: &crate::managed::resource_id::ResourceId,
            ) -> stillpoint_core::Result<()> {
                let request = crate::connection::Request::new($delete, id.to_string(), $version);
                connection.delete(&request).await.map(drop)
            }
        }
    };
}

pub(super) use resource;
