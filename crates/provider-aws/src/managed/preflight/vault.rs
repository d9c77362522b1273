//! The vault, its lock, and the key that encrypts what goes into it.

use stillpoint_core::{ErrorKind, Finding, Result, Severity};

use super::super::vault::Vault;
use super::{Subject, blocker, judged};

/// The state of a vault that takes recovery points.
const AVAILABLE: &str = "AVAILABLE";

impl Subject<'_> {
    /// The vault, where it may be looked at, and what is to be said about it.
    pub(super) async fn vault(&self) -> Result<(Option<Vault>, Vec<Finding>)> {
        let name = &self.settings.vault;
        let vault = match Vault::describe(&self.clients, name).await {
            Ok(vault) => vault,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let region = &self.clients.region;
                let message = format!("there is no vault {name} in {region}; make it, or name another");
                return Ok((None, vec![blocker("vault-exists", message)]));
            }
            Err(error) => return Ok((None, judged("vault-exists", Err(error))?)),
        };
        let mut findings = Vec::new();
        if let Some(state) = vault.state.as_deref().filter(|state| *state != AVAILABLE) {
            let message = format!("the vault {name} is {state} and takes nothing; wait, or name another");
            findings.push(blocker("vault-exists", message));
        }
        if vault.locked {
            // A backup whose retention does not fit is refused when it is to start.
            let severity = if vault.refuses(None).is_some() { Severity::Warning } else { Severity::Info };
            let message = format!(
                "the vault {name} is locked ({}): nobody deletes a recovery point before its retention ends, and a backup \
                 kept for another time is refused; choose the retention (--retain) accordingly",
                vault.lock_in_words()
            );
            findings.push(Finding::new("vault-lock", severity, message));
        }
        Ok((Some(vault), findings))
    }

    /// Whether the key `id` can be used.
    pub(super) async fn key(&self, id: &str) -> Result<Vec<Finding>> {
        Ok(match self.clients.key_trouble(id).await {
            Ok(None) => Vec::new(),
            Ok(Some(state)) => {
                let message =
                    format!("the key {id} is {state}; enable it, or nothing can be encrypted with it");
                vec![blocker("kms-key", message)]
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                vec![blocker(
                    "kms-key",
                    format!("there is no key {id}; what is encrypted with it cannot be read"),
                )]
            }
            Err(error) => return Err(error),
        })
    }
}
