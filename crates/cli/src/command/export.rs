//! `pyroclast export`: writes a model to one file.

use crate::Usage;
use crate::args::Export;
use crate::export::check_file;
use crate::say::say;
use anyhow::{Result, bail};
use pyroclast_train::stored_model::StoredModel;
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn run(arguments: Export) -> Result<ExitCode> {
    let out = arguments.out.as_path();
    if out.extension().is_none_or(|end| end != "safetensors") {
        bail!(Usage(format!(
            "--out {} does not end in .safetensors, the format of a model",
            out.display()
        )));
    }
    check_file(out)?;
    let file = StoredModel::open(&arguments.run, arguments.weights)?.file()?;
    file.save(out)?;
    let about = &file.header().about;
    if arguments.json {
        say!(
            "{}",
            json!({
                "data": about.data.name,
                "step": about.step,
                "weights": file.weights(),
                "file": out,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{} after {} steps, {} weights: {}",
        about.data.name,
        about.step,
        file.weights(),
        out.display()
    );
    Ok(ExitCode::SUCCESS)
}
