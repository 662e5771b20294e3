//! Paths in a configuration that hold wherever it is read.

use anyhow::{Context, Result};
use pyroclast_train::config::Config;
use std::path::Path;

/// Data files by their absolute path, so that the run can be resumed and scored from anywhere.
pub(in crate::command) fn absolute(config: &mut Config) -> Result<()> {
    let data = &mut config.data;
    let is_path = data.is_path();
    for (name, is_path) in [
        (&mut data.name, is_path),
        (&mut data.latents, true),
        (&mut config.few_step.teacher, true),
    ] {
        let path = Path::new(name.as_str());
        if is_path && path.exists() {
            let path = std::path::absolute(path).context("the current folder is gone")?;
            *name = path.to_string_lossy().into_owned();
        }
    }
    let path = Path::new(&config.data.condition);
    if path.exists() {
        let path = std::path::absolute(path).context("the current folder is gone")?;
        config.data.condition = path.to_string_lossy().into_owned();
    }
    Ok(())
}
