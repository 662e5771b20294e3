//! `pyroclast presets`: lists the presets, or shows one.

use crate::args::Presets;
use crate::say::say;
use anyhow::Result;
use pyroclast_train::config::{Config, ConfigError, Preset, presets};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Presets) -> Result<ExitCode> {
    match &arguments.name {
        None if arguments.json => {
            let preset = |preset: &Preset| {
                let config = Config::parse(preset.text, preset.name, &[])?;
                Ok(json!({ "name": preset.name, "about": config.about }))
            };
            let presets: Result<Vec<Value>> = presets().iter().map(preset).collect();
            say!("{}", json!({ "presets": presets? }));
        }
        None => {
            for preset in presets() {
                let config = Config::parse(preset.text, preset.name, &[])?;
                say!("{:<18} {}", preset.name, config.about);
            }
            say!("\n`pyroclast presets NAME` shows one; save it as a file to change it.");
        }
        Some(name) => {
            let Some(preset) = presets().iter().find(|preset| preset.name == *name) else {
                return Err(ConfigError::unknown_preset(name).into());
            };
            // Every default is written out, so that the file shows all that can be changed.
            let config = Config::parse(preset.text, preset.name, &[])?;
            if arguments.json {
                say!(
                    "{}",
                    json!({ "name": preset.name, "configuration": config })
                )
            } else {
                say!("{}", config.to_toml().trim_end())
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
