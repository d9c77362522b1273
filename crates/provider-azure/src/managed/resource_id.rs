//! Resource ids of Azure Resource Manager: what a workspace consists of and what its backups are.

use std::fmt;
use std::str::FromStr;

use stillpoint_core::{Error, ErrorKind, Result};

/// A resource below a resource group, in its parts. Azure takes all of them in any case, so they are compared without it.
/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>.
#[derive(Clone, Debug)]
pub(super) struct ResourceId {
    /// In lower case.
    pub(super) subscription: String,
    /// In lower case, as some answers have it in upper case.
    pub(super) group: String,
    /// `Microsoft.Compute`.
    pub(super) provider: String,
    /// Types and names, from the outermost: `[("disks", "db")]`.
    path: Vec<(String, String)>,
}

impl ResourceId {
    /// The resource `name` of `kind` (`disks`) in a resource group.
    ///
    /// # Errors
    /// `InvalidInput` where a part cannot be one.
    pub(super) fn new(
        subscription: &str,
        group: &str,
        provider: &str,
        kind: &str,
        name: &str,
    ) -> Result<Self> {
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{kind}/{name}")
            .parse()
    }

    /// The resource that this one is a part of.
    ///
    /// # Errors
    /// `InvalidInput` where it is a part of its resource group only.
    pub(super) fn parent(&self) -> Result<Self> {
        match self.path.split_last() {
            Some((_, path)) if !path.is_empty() => Ok(Self { path: path.to_vec(), ..self.clone() }),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("{self} is no part of another resource"))),
        }
    }

    /// The part `name` of this one, which is of `kind` (`snapshots`).
    ///
    /// # Errors
    /// `InvalidInput` where a part cannot be one.
    pub(super) fn child(&self, kind: &str, name: &str) -> Result<Self> {
        format!("{self}/{kind}/{name}").parse()
    }

    /// The resource's own name.
    pub(super) fn name(&self) -> &str {
        self.path.last().map_or("", |(_, name)| name)
    }

    /// Its full type: `Microsoft.Compute/disks`, with the case as written.
    pub(super) fn resource_type(&self) -> String {
        let kinds = self.path.iter().map(|(kind, _)| kind.as_str());
        std::iter::once(self.provider.as_str()).chain(kinds).collect::<Vec<_>>().join("/")
    }

    /// Whether it is of this full type.
    pub(super) fn is(&self, resource_type: &str) -> bool {
        self.resource_type().eq_ignore_ascii_case(resource_type)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }
}

impl Eq for ResourceId {}

impl FromStr for ResourceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let form = "/subscriptions/ID/resourceGroups/NAME/providers/NAMESPACE/TYPE/NAME";
            Error::new(ErrorKind::InvalidInput, format!("{text:?} is no resource of Azure ({form})"))
        };
        let fits = |part: &&str| {
            let allowed = |c: char| c.is_alphanumeric() || "-_.()$;".contains(c);
            !part.is_empty()
                && *part != "."
                && *part != ".."
                && part.len() <= 260
                && part.chars().all(allowed)
        };
        let parts: Vec<&str> = text.strip_prefix('/').ok_or_else(wrong)?.split('/').collect();
        let [subscriptions, subscription, groups, group, providers, provider, rest @ ..] = parts.as_slice()
        else {
            return Err(wrong());
        };
        let keywords =
            [(subscriptions, "subscriptions"), (groups, "resourceGroups"), (providers, "providers")];
        let known = keywords.iter().all(|(part, word)| part.eq_ignore_ascii_case(word));
        let pairs = rest.chunks_exact(2);
        if !known || rest.is_empty() || !pairs.remainder().is_empty() || !parts.iter().all(fits) {
            return Err(wrong());
        }
        let pair = |pair: &[&str]| match pair {
            [kind, name] => Some(((*kind).to_owned(), (*name).to_owned())),
            _ => None,
        };
        Ok(Self {
            subscription: subscription.to_lowercase(),
            group: group.to_lowercase(),
            provider: (*provider).to_owned(),
            path: pairs.filter_map(pair).collect(),
        })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, group, provider, path } = self;
        write!(f, "/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}")?;
        path.iter().try_for_each(|(kind, name)| write!(f, "/{kind}/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_apart_and_put_together_whatever_its_case() {
        let id: ResourceId =
            "/subscriptions/2222/resourcegroups/RG/providers/Microsoft.Compute/disks/Db_1".parse().unwrap();
        assert_eq!((id.name(), id.group.as_str()), ("Db_1", "rg"));
        assert!(id.is("microsoft.compute/DISKS") && !id.is("Microsoft.Compute/snapshots"));
        let same = "/subscriptions/2222/resourceGroups/rg/providers/Microsoft.Compute/disks/db_1";
        assert_eq!(same.parse::<ResourceId>().unwrap(), id);
        let nested =
            "/subscriptions/1/resourceGroups/g/providers/Microsoft.NetApp/netAppAccounts/a/capacityPools/p";
        let nested: ResourceId = nested.parse().unwrap();
        assert_eq!(nested.resource_type(), "Microsoft.NetApp/netAppAccounts/capacityPools");
        assert_eq!(nested.name(), "p");
        let account = nested.parent().unwrap();
        assert_eq!((account.name(), account.child("capacityPools", "p").unwrap()), ("a", nested));
        assert!(account.parent().is_err() && account.child("capacityPools", "a/b").is_err());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "db",
            "/subscriptions/1/resourceGroups/g",
            "/subscriptions/1/resourceGroups/g/providers/P/disks",
            "/subscriptions//resourceGroups/g/providers/P/disks/d",
            "/subscriptions/1/resourceGroups/g/providers/P/disks/../x/y",
            "/subscriptions/1/resourceGroups/g/providers/P/disks/d?api-version=1",
            "/subscriptions/1/resourceGroups/g/providers/P/disks/d/",
            "/subscriptions/1/groups/g/providers/P/disks/d",
            "/subscriptions/1/resourceGroups/g/providers/P/disks/d%2f",
        ] {
            assert_eq!(text.parse::<ResourceId>().unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
