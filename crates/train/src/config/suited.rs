//! The configuration that suits data which came without one.

use super::{Config, ConfigError, Preset};
use crate::dataset::DataSource;
use crate::network::NetworkConfig;
use toml::Value;

/// The largest side of images that the smallest network suits.
const SMALL: usize = 16;
/// The largest side of images that are trained without attention.
const MIDDLE: usize = 48;

/// The preset whose network and training suit samples of this shape.
///
/// ```
/// use pyroclast_train::config::suitable;
///
/// assert_eq!(suitable(&[8]), "table");
/// assert_eq!(suitable(&[1, 28, 28]), "fashion");
/// assert_eq!(suitable(&[3, 64, 64]), "pictures");
/// ```
pub fn suitable(shape: &[usize]) -> &'static str {
    match *shape {
        [_, height, width] if height.max(width) <= SMALL => "digits",
        [1, height, width] if height.max(width) <= MIDDLE => "fashion",
        [_, height, width] if height.max(width) <= MIDDLE => "emoji",
        [_, _, _] => "pictures",
        _ => "table",
    }
}

impl Config {
    /// The data at a path, as these `section.key=value` assignments read it.
    ///
    /// # Errors
    /// [`ConfigError`]: an assignment is wrong.
    pub fn data_at(path: &str, assignments: &[String]) -> Result<DataSource, ConfigError> {
        let of_data = |assignment: &&String| assignment.trim_start().starts_with("data.");
        let of_data: Vec<String> = assignments.iter().filter(of_data).cloned().collect();
        let text = format!("[data]\nname = {}", Value::from(path));
        Ok(Self::parse(&text, path, &of_data)?.data)
    }

    /// The configuration of a preset for other data: samples of this shape, in this many classes (0
    /// for none).
    ///
    /// Levels that images of this size do not have, and the settings of classes where there are
    /// none, are left out. The assignments come last.
    ///
    /// ```
    /// use pyroclast_train::config::Config;
    ///
    /// let config = Config::suited("photos", "emoji", &[3, 30, 30], 0, &[])?;
    /// assert_eq!(config.data.name, "photos");
    /// assert_eq!(config.sampling.guidance, 1.0);
    /// # Ok::<(), pyroclast_train::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`]: there is no such preset, or an assignment is wrong.
    pub fn suited(
        path: &str,
        preset: &str,
        shape: &[usize],
        classes: usize,
        assignments: &[String],
    ) -> Result<Self, ConfigError> {
        let preset =
            Preset::named(preset).ok_or_else(|| ConfigError::UnknownPreset(preset.to_owned()))?;
        let plain = preset.config(&[])?;
        let mut fitted = Vec::new();
        if let (NetworkConfig::Unet(unet), [_, height, width]) = (&plain.network, shape) {
            let halved = |levels: &usize| {
                let factor = 1 << (levels - 1);
                height.is_multiple_of(factor) && width.is_multiple_of(factor)
            };
            let levels = (1..=unet.multipliers.len()).rev().find(halved).unwrap_or(1);
            let kept = &unet.multipliers[..levels];
            let heights: Vec<usize> = (0..levels).map(|level| height >> level).collect();
            let attention: Vec<usize> = (unet.attention.iter().copied())
                .filter(|at| heights.contains(at))
                .collect();
            if kept != unet.multipliers {
                fitted.push(format!("network.multipliers={kept:?}"));
            }
            if attention != unet.attention {
                fitted.push(format!("network.attention={attention:?}"));
            }
            if attention.is_empty() {
                fitted.push("network.heads=1".to_owned());
            }
        }
        if classes == 0 {
            let usual = Self::default();
            let (dropout, guidance) = (usual.training.label_dropout, usual.sampling.guidance);
            fitted.push(format!("training.label-dropout={dropout}"));
            fitted.push(format!("sampling.guidance={guidance:?}"));
        }
        fitted.push(format!("data.name={}", Value::from(path)));
        fitted.extend(assignments.iter().cloned());
        preset.config(&fitted)
    }
}
