//! What each key of a configuration means: read off the same declarations as the configuration
//! itself.

use super::{Config, ConfigError};
use pyroclast_core::named::{Choice, Kind, Setting, nearest};
use toml::Value;

/// One key, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The key with its section, such as `training.batch`.
    pub key: String,
    /// What it means.
    pub about: &'static str,
    /// What its value is restricted to.
    pub range: Option<&'static str>,
    /// The value that it has unless it is set; none for a section.
    pub default: Option<String>,
    /// What can stand there.
    pub kind: Kind,
}

/// The keys that begin with `key`, in order; all where it is empty. A section's own entry is not
/// among them.
///
/// # Errors
/// If there is no such key.
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
        None => "leave it out to see all".to_owned(),
    };
    Err(ConfigError::UnknownKey {
        key: key.to_owned(),
        remedy,
    })
}

/// Appends the keys of a section, with what they are unless set.
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
            // The keys of a network stand beside its name.
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
