//! Configurations by name: a preset, a variant of one, or a file.

use super::preset::{Preset, presets};
use super::variant::{Variant, variants};
use super::{Config, ConfigError};
use pyroclast_core::named::nearest;
use pyroclast_core::shown::shown;
use pyroclast_data::recognise;
use std::path::Path;

impl Preset {
    /// The preset of this name; or, where none has it, that of `PRESET-VARIANT`: a preset with a
    /// [`Variant`] over it.
    ///
    /// ```
    /// use pyroclast_train::config::Preset;
    ///
    /// let bridges = Preset::named("scurve-sb-cfm").expect("a preset and a variant");
    /// assert!(bridges.text.contains("sinkhorn"));
    /// assert_eq!(Preset::named("scurve-mean"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let whole = presets().iter().find(|preset| preset.name == name);
        whole.cloned().or_else(|| {
            let (preset, variant) = Variant::split(name)?;
            Some(variant.over(preset))
        })
    }
}

/// What to say of a name that is neither a preset nor a file.
pub(super) fn unknown(name: &str) -> String {
    let presets: Vec<&str> = presets().iter().map(|preset| &*preset.name).collect();
    let variants: Vec<&str> = variants().iter().map(|variant| &*variant.name).collect();
    let joined = |preset| (variants.iter()).map(move |variant| format!("{preset}-{variant}"));
    let both: Vec<String> = presets.iter().flat_map(joined).collect();
    let all = (presets.iter().copied()).chain(both.iter().map(String::as_str));
    let near = nearest(name, all).map(|near| format!("did you mean `{near}`? "));
    format!(
        "no preset is called `{}`; {}there are {}, each also with -{} after it, and there is no \
         such file",
        shown(name),
        near.unwrap_or_default(),
        presets.join(", "),
        variants.join(", -")
    )
}

/// Whether this is the path of data, and not the name of a preset or of a configuration file.
pub fn is_data(name: &str) -> bool {
    Preset::named(name).is_none() && recognise(Path::new(name)).is_ok()
}

impl Config {
    /// Loads the preset of this name ([`Preset::named`]), or else the file at this path, and
    /// applies `section.key=value` assignments.
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
        if let Some(preset) = Preset::named(name) {
            return preset.config(assignments);
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(ConfigError::UnknownPreset(name.to_owned()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_full_name_comes_before_a_variant() {
        let file = presets()
            .iter()
            .find(|preset| preset.name == "digits-shortcut");
        assert_eq!(Preset::named("digits-shortcut").as_ref(), file);
        assert!(Variant::split("digits-shortcut").is_some());
        // The longest name of a preset is taken whole.
        let preset = Preset::named("moons-8gaussians-mean-flow").expect("both");
        assert_eq!(preset.name, "moons-8gaussians-mean-flow");
        let config = preset.config(&["training.steps=5".into()]).expect("both");
        assert_eq!(config.data.name, "wide-8gaussians");
        assert_eq!(config.training.steps, 5);
        for name in [
            "-mean-flow",
            "mean-flow",
            "moons-",
            "moons--sf2m",
            "moons-sf2m-reflow",
        ] {
            assert_eq!(Preset::named(name), None, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_put_right() {
        for (name, near) in [
            ("moon", "moons"),
            ("moons-meanflow", "moons-mean-flow"),
            ("8gausians-sf2m", "8gaussians-sf2m"),
        ] {
            let error = Config::load(name, &[]).expect_err(name).to_string();
            for part in [
                &format!("no preset is called `{name}`; did you mean `{near}`?"),
                "there are 8gaussians, ",
                "also with -consistency, ",
                "no such file",
            ] {
                assert!(error.contains(part), "{error}");
            }
        }
        assert!(!unknown("zzzzzzzz").contains("did you mean"));
    }
}
