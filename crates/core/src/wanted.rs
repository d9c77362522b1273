//! What a restore or a copy is asked for: its destination's settings over those recorded with the component.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::workspace::Settings;

/// Settings in the order in which they count: a restore's destination, then what was recorded with the component, then
/// whatever a provider itself knows.
///
/// ```
/// use stillpoint_core::{Settings, Wanted};
///
/// # fn main() -> stillpoint_core::Result<()> {
/// let destination = Settings::from([("zone".to_owned(), "2".into())]);
/// let recorded = Settings::from([("zone".to_owned(), "1".into()), ("size_gib".to_owned(), 64.into())]);
/// let wanted = Wanted::new(&destination, Some(&recorded));
/// assert_eq!(wanted.text("zone")?.as_deref(), Some("2"));
/// assert_eq!(wanted.get::<u64>("size_gib")?, Some(64));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Wanted {
    layers: Vec<Settings>,
}

impl Wanted {
    /// `destination` over `recorded`.
    pub fn new(destination: &Settings, recorded: Option<&Settings>) -> Self {
        let mut layers = vec![destination.clone()];
        layers.extend(recorded.cloned());
        Self { layers }
    }

    /// The same with one more layer below all others.
    #[must_use]
    pub fn over(mut self, settings: Settings) -> Self {
        self.layers.push(settings);
        self
    }

    /// Whether nobody says anything of `name`.
    pub fn lacks(&self, name: &str) -> bool {
        self.value(name).is_none()
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| layer.get(name).filter(|value| !value.is_null()))
    }

    /// The setting `name` in whatever form its reader needs.
    ///
    /// # Errors
    /// `InvalidConfig` where it has another form.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        serde_json::from_value(value.clone()).map(Some).map_err(|error| {
            let message = format!("the setting {name} of a component cannot be {value}");
            Error::new(ErrorKind::InvalidConfig, message).with_source(error).with("setting", name)
        })
    }

    /// The text of `name`.
    ///
    /// # Errors
    /// `InvalidConfig` where it is no text.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get::<String>(name)?.filter(|text| !text.is_empty()))
    }

    /// The text of `name`, which must be there for `what`.
    ///
    /// # Errors
    /// `InvalidConfig` where it is not.
    pub fn needed(&self, name: &str, what: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("{what} needs the setting {name}"))
                .with("setting", name)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_destination_counts_more_than_what_was_recorded() {
        let recorded = settings(json!({"availability_zone": "a", "iops": 3000}));
        let wanted = Wanted::new(&settings(json!({"availability_zone": "b"})), Some(&recorded));
        let wanted = wanted.over(settings(json!({"iops": 1, "size_gib": 8})));
        assert_eq!(wanted.text("availability_zone").unwrap().as_deref(), Some("b"));
        assert_eq!(wanted.get::<u64>("iops").unwrap(), Some(3000));
        assert_eq!(wanted.get::<u64>("size_gib").unwrap(), Some(8));
        assert!(wanted.lacks("volume_type"));
    }

    #[test]
    fn a_setting_of_another_form_is_named() {
        let wanted = Wanted::new(&settings(json!({"iops": "many"})), None);
        let error = wanted.get::<u64>("iops").unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::InvalidConfig, Some("iops")));
        let missing = wanted.needed("role_arn", "a restore job").unwrap_err();
        assert!(missing.to_string().contains("role_arn"), "{missing}");
    }
}
