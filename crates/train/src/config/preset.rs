//! The configurations that ship with the library.

use super::{Config, ConfigError};
use pyroclast_core::named::UnknownName;
use std::path::Path;

/// A configuration that ships with the library under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name, for [`Config::load`].
    pub name: &'static str,
    /// The configuration, as TOML.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset {
            name: $name,
            text: include_str!(concat!("../../assets/presets/", $name, ".toml")),
        }),*]
    };
}

/// All presets; those to try first come first.
pub fn presets() -> &'static [Preset] {
    presets![
        "digits",
        "moons",
        "digits-edm",
        "digits-ddpm",
        "moons-vp",
        "8gaussians",
        "scurve",
        "moons-8gaussians",
        "checkerboard",
        "pinwheel",
        "rings",
        "spiral",
        "swissroll",
    ]
}

impl ConfigError {
    /// The error for a name that is neither a preset nor a file.
    pub fn unknown_preset(name: &str) -> Self {
        Self::UnknownPreset(UnknownName {
            what: "preset",
            name: name.to_owned(),
            known: presets().iter().map(|preset| preset.name).collect(),
        })
    }
}

impl Config {
    /// Loads the preset of this name, or else the file at this path, and applies
    /// `section.key=value` assignments.
    ///
    /// ```
    /// use pyroclast_train::config::Config;
    ///
    /// let config = Config::load("moons", &["training.steps=2000".into()])?;
    /// assert_eq!(config.data.name, "moons");
    /// assert_eq!(config.training.steps, 2000);
    ///
    /// let error = Config::load("moon", &[]).unwrap_err().to_string();
    /// assert!(error.contains("did you mean `moons`?"), "{error}");
    /// # Ok::<(), pyroclast_train::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`]: there is neither a preset nor a file of this name, the file cannot be read,
    /// or it or an assignment is wrong.
    pub fn load(name: &str, assignments: &[String]) -> Result<Self, ConfigError> {
        if let Some(preset) = presets().iter().find(|preset| preset.name == name) {
            return Self::parse(preset.text, preset.name, assignments);
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(ConfigError::unknown_preset(name));
        }
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Syntax {
            source_name: name.to_owned(),
            message: error.to_string(),
        })?;
        Self::parse(&text, name, assignments)
    }
}
