//! The configurations that ship with the library.

use super::{Config, ConfigError};
use include_dir::{Dir, File, include_dir};
use pyroclast_core::named::UnknownName;
use pyroclast_data::recognise;
use std::path::Path;
use std::sync::LazyLock;

/// A configuration that ships with the library under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name, for [`Config::load`].
    pub name: &'static str,
    /// The configuration, as TOML.
    pub text: &'static str,
}

/// The folder of presets: a file there is a preset.
static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets/presets");

/// All presets, in the order of their names.
pub fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        let preset = |file: &'static File<'static>| {
            let name = file.path().file_stem()?.to_str()?;
            let text = file.contents_utf8()?;
            Some(Preset { name, text })
        };
        let mut presets: Vec<Preset> = FOLDER.files().filter_map(preset).collect();
        presets.sort_by_key(|preset| preset.name);
        presets
    });
    &PRESETS
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

/// Whether this is the path of data, and not the name of a preset or of a configuration file.
pub fn is_data(name: &str) -> bool {
    let is_preset = presets().iter().any(|preset| preset.name == name);
    !is_preset && recognise(Path::new(name)).is_ok()
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
        if is_data(name) {
            return Err(ConfigError::NotAConfiguration(name.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Syntax {
            source_name: name.to_owned(),
            message: error.to_string(),
        })?;
        Self::parse(&text, name, assignments)
    }
}
