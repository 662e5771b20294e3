//! `pyroclast presets`: lists the presets and their variants, or shows one.

use crate::args::Presets;
use crate::say::say;
use anyhow::Result;
use pyroclast_train::config::{ConfigError, Preset, Variant, presets, variants};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Presets) -> Result<ExitCode> {
    match &arguments.name {
        None if arguments.json => {
            let preset = |preset: &Preset| {
                let config = preset.config(&[])?;
                Ok(json!({ "name": preset.name, "about": config.about }))
            };
            let variant = |variant: &Variant| {
                let Variant {
                    name,
                    about,
                    presets,
                    ..
                } = variant;
                json!({ "name": name, "about": about, "presets": presets })
            };
            let presets: Result<Vec<Value>> = presets().iter().map(preset).collect();
            let variants: Vec<Value> = variants().iter().map(variant).collect();
            say!("{}", json!({ "presets": presets?, "variants": variants }));
        }
        None => {
            for preset in presets() {
                say!("{:<18} {}", preset.name, preset.config(&[])?.about);
            }
            say!("\nPRESET-VARIANT, such as moons-mean-flow, is a preset by another method:\n");
            for variant in variants() {
                let made_for = variant.presets.join(", ");
                say!("{:<18} {}", variant.name, variant.about);
                say!("{:<18} for {made_for}", "");
            }
            say!("\n`pyroclast presets NAME` shows one; save it as a file to change it.");
        }
        Some(name) => {
            let Some(preset) = Preset::named(name) else {
                return Err(ConfigError::UnknownPreset(name.clone()).into());
            };
            // Every default is written out, so that the file shows all that can be changed.
            let config = preset.config(&[])?;
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
