//! The few calls to EC2 that no SDK crate of ours makes.
//!
//! Source: the service model of EC2, version 2016-11-15. Each call is made once and follows its pages itself.

mod locks;
mod places;
mod snapshots;
mod tags;
#[cfg(test)]
mod tests;
mod volumes;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{Error, ErrorKind, Result, Tags};

pub(super) use places::Subnet;
pub(super) use snapshots::Ec2Snapshot;
pub(super) use volumes::{NewVolume, Volume};

use crate::connection::{Call, Connection, Form, Items, Service};

pub(super) const SERVICE: Service =
    Service { signing_name: "ec2", id: "EC2", host: "ec2", target: "2016-11-15" };

/// Entries on one page of a list.
const PAGE_ITEMS: u32 = 500;
/// Pages of one list that are read.
const PAGES_MAX: usize = 200;

/// EC2 in one region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ec2<'a> {
    connection: &'a Connection,
}

/// Which things of a list to answer: every filter must hold, and one of its values is enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The same with `name` being one of `values`. `*` and `?` in values are escaped, since EC2 takes them for patterns.
    pub(super) fn with<V: AsRef<str>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(|value| escaped(value.as_ref())).collect();
        self.0.push((name.into(), values));
        self
    }

    /// The same with the tag `key` having `value`.
    pub(super) fn tag(self, key: &str, value: &str) -> Self {
        self.with(format!("tag:{key}"), [value])
    }

    fn put(&self, form: Form) -> Form {
        (1_u32..).zip(&self.0).fold(form, |form, (at, (name, values))| {
            form.with(format!("Filter.{at}.Name"), name).list(&format!("Filter.{at}.Value"), values)
        })
    }
}

/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")
}

/// One page of a list, of whatever.
trait Page: DeserializeOwned {
    type Item;

    fn split(self) -> (Vec<Self::Item>, Option<String>);
}

/// A tag as EC2 lists it.
#[derive(Debug, Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

fn tags(listed: Items<Tag>) -> Tags {
    listed.items.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// An answer that says no more than that it is one.
#[derive(Deserialize)]
struct Done {}

impl<'a> Ec2<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    fn call(&self, operation: &'static str, mutates: bool) -> Call<'a> {
        Call { connection: self.connection, service: &SERVICE, operation, mutates }
    }

    /// Everything that a list answers, page by page.
    async fn all<P: Page>(&self, operation: &'static str, form: Form) -> Result<Vec<P::Item>> {
        let form = form.with("MaxResults", PAGE_ITEMS);
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _page in 0..PAGES_MAX {
            let page: P = self.call(operation, false).query(&form.clone().maybe("NextToken", token)).await?;
            let (items, next) = page.split();
            found.extend(items);
            token = next.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(Error::new(ErrorKind::Unexpected, format!("{operation} has more than {PAGES_MAX} pages")))
    }
}
