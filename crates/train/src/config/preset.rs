//! The configurations that ship.

use super::{Config, ConfigError};
use include_dir::{Dir, File, include_dir};
use pyroclast_core::named::UnknownName;
use std::path::Path;
use std::sync::LazyLock;

/// A configuration with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What `train` takes.
    pub name: &'static str,
    /// The TOML.
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
    /// What to answer to a name that is neither a preset's nor a file's.
    pub fn unknown_preset(name: &str) -> Self {
        Self::UnknownPreset(UnknownName {
            what: "preset",
            name: name.to_owned(),
            known: presets().iter().map(|preset| preset.name).collect(),
        })
    }
}

impl Config {
    /// The preset of this name, or else the file at this path, after assignments.
    ///
    /// # Errors
    /// Where there is neither, the file cannot be read, or it cannot be used.
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
