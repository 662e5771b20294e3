//! The configurations that ship with the library.

use super::{Config, ConfigError};
use include_dir::{Dir, File, include_dir};
use std::sync::LazyLock;

/// A configuration that ships with the library under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// The name, for [`Config::load`].
    pub name: String,
    /// The configuration, as TOML.
    pub text: String,
}

/// The folder of presets: a file there is a preset.
static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets/presets");

/// All presets, in the order of their names, without their [variants](super::variants).
pub fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        let preset = |(name, text): (&str, &str)| Preset {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        shipped(&FOLDER).map(preset).collect()
    });
    &PRESETS
}

/// The names and the texts of the files in a folder, in the order of the names.
pub(super) fn shipped(
    folder: &'static Dir<'static>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let named = |file: &'static File<'static>| {
        let name = file.path().file_stem()?.to_str()?;
        Some((name, file.contents_utf8()?))
    };
    let mut files: Vec<_> = folder.files().filter_map(named).collect();
    files.sort_unstable();
    files.into_iter()
}

impl Preset {
    /// The configuration after `section.key=value` assignments.
    ///
    /// # Errors
    /// [`ConfigError`]: an assignment is wrong, or a variant does not fit the preset.
    pub fn config(&self, assignments: &[String]) -> Result<Config, ConfigError> {
        Config::parse(&self.text, &self.name, assignments)
    }
}
