//! The meaning, range and default of each key of a configuration, read from the declarations of the
//! configuration itself.

use super::{Config, ConfigError};
use pyroclast_core::named::{Choice, Kind, Setting, nearest};
use toml::Value;

/// A key of a configuration, with its meaning, range, default and kind of value.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The key with its section, such as `training.batch`.
    pub key: String,
    /// Its meaning, in a sentence.
    pub about: &'static str,
    /// The restriction on its value, if there is one.
    pub range: Option<&'static str>,
    /// Its default, as TOML; `None` if it has none, like the keys of a network other than the
    /// default.
    pub default: Option<String>,
    /// The kind of value that it has.
    pub kind: Kind,
}

/// Explains a key, or every key of a section, in the order of the configuration; an empty `key`
/// stands for all.
///
/// ```
/// use pyroclast_train::config::explain;
///
/// let batch = &explain("training.batch")?[0];
/// assert_eq!(batch.about, "Pairs in a batch.");
/// assert_eq!(batch.default.as_deref(), Some("512"));
/// # Ok::<(), pyroclast_train::config::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError::UnknownKey`], which suggests the nearest key.
pub fn explain(key: &str) -> Result<Vec<Explained>, ConfigError> {
    let mut all = Vec::new();
    let defaults = Value::try_from(Config::default()).ok();
    keys("", Config::kind(), defaults.as_ref(), &mut all);
    let within = |entry: &&Explained| {
        let rest = entry.key.strip_prefix(key);
        key.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let found: Vec<_> = all.iter().filter(within).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let same = all.iter().find(|entry| last(&entry.key) == last(key));
    let near = || nearest(key, all.iter().map(|entry| entry.key.as_str()));
    let remedy = match same.map(|entry| entry.key.as_str()).or_else(near) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "leave the key out to see all".to_owned(),
    };
    Err(ConfigError::UnknownKey {
        key: key.to_owned(),
        remedy,
    })
}

/// Appends the keys of a section, with their defaults.
fn keys(at: &str, kind: Kind, defaults: Option<&Value>, all: &mut Vec<Explained>) {
    let Kind::Section(section) = kind else {
        return;
    };
    for key in section {
        let name = match at {
            "" => key.name.clone(),
            at => format!("{at}.{}", key.name),
        };
        let default = defaults.and_then(|table| table.get(&key.name));
        match key.kind {
            kind @ Kind::Section(_) => keys(&name, kind, default, all),
            // The keys of a network are in the same section as its name.
            Kind::Choice(networks) if name == "network" => network(&name, networks, default, all),
            kind => all.push(Explained {
                key: name,
                about: key.about,
                range: key.range,
                default: default.map(Value::to_string),
                kind,
            }),
        }
    }
}

fn network(at: &str, networks: Vec<Choice>, default: Option<&Value>, all: &mut Vec<Explained>) {
    let plain = |network: &Choice| Choice {
        parameters: None,
        ..network.clone()
    };
    all.push(Explained {
        key: format!("{at}.kind"),
        about: "Which network; the other keys depend on it.",
        range: None,
        default: default
            .and_then(|network| network.get("kind"))
            .map(Value::to_string),
        kind: Kind::Choice(networks.iter().map(plain).collect()),
    });
    for network in networks {
        let own = default.filter(|d| d.get("kind").and_then(Value::as_str) == Some(network.name));
        if let Some(parameters) = network.parameters {
            keys(at, parameters, own, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_configuration_is_explained() {
        let all = explain("").expect("there are keys");
        for entry in &all {
            assert!(!entry.about.is_empty(), "{}", entry.key);
        }
        let batch = &explain("training.batch").expect("a key")[0];
        assert_eq!(batch.about, "Pairs in a batch.");
        assert_eq!(batch.default.as_deref(), Some("512"));
        assert!(explain("training").expect("a section").len() > 10);
    }

    #[test]
    fn a_misspelt_key_is_put_right() {
        let error = explain("training.bach").expect_err("no key").to_string();
        assert!(error.contains("did you mean `training.batch`?"), "{error}");
        let error = explain("weighting").expect_err("no section").to_string();
        assert!(
            error.contains("did you mean `objective.weighting`?"),
            "{error}"
        );
    }
}
