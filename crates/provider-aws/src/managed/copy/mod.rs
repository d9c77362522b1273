//! Copies of recovery points into another vault, region or account: the way out of AWS's rule that a point is restored
//! where it stands.

mod destination;
mod find;
mod follow;
mod start;

use super::arn::Arn;
use super::clients::Clients;
use super::marks::Marks;
use super::names::{JobKind, JobName, PointName};
use destination::Destination;

/// A copy with everything that its start and the search for it need.
#[derive(Debug)]
struct Copy {
    token: String,
    point: PointName,
    clients: Clients,
    destination: Destination,
    /// Where the copy is to lie.
    there: Clients,
    role: String,
    marks: Marks,
}

impl Copy {
    /// The name of the copy job `id`.
    fn name(&self, id: &str) -> JobName {
        self.marks.note(JobName::new(JobKind::Copy, &self.point.arn.region, id))
    }
}

/// The vault that a full name names.
fn vault_name(arn: &Arn) -> &str {
    arn.resource_id()
}
