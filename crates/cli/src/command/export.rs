//! `pyroclast export`: writes a model to one file, in our layout or in that of another project.

use crate::Usage;
use crate::args::Export;
use crate::export::{check_file, check_other, same_place};
use crate::say::{note, say};
use anyhow::{Context, Result, bail};
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::exchange::{written_in, written_in_halves};
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::stored_model::StoredModel;
use pyroclast_weights::{Convention, Layout, Precision, by_name, write_with};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A script that reads a model file without this program.
const LOADER: &str = include_str!("../../assets/loader.py");

pub(crate) fn run(arguments: Export) -> Result<ExitCode> {
    let out = arguments.out.as_path();
    check_out("out", out, &arguments.run)?;
    if let Some(decoder) = &arguments.decoder {
        check_out("decoder", decoder, &arguments.run)?;
        if same_place(decoder, out) {
            bail!(Usage(format!(
                "--decoder {} is the file of --out; give another name",
                decoder.display()
            )));
        }
    }
    let layout = arguments.layout.as_deref().map(layout_of).transpose()?;
    let precision = precision_of(&arguments.precision)?;
    let file = StoredModel::open(&arguments.run, arguments.weights)?.file()?;
    let mut loader = None;
    if let Some(layout) = layout {
        write(layout, &file, precision, &arguments)?;
        if let Some(clock) = clock(&file, layout) {
            note!("note: {clock}");
        }
    } else {
        file.save(out)?;
        if arguments.loader {
            loader = Some(write_loader(out)?);
        }
    }
    let about = &file.header().about;
    if arguments.json {
        say!(
            "{}",
            json!({
                "data": about.data.name,
                "step": about.step,
                "weights": file.weights(),
                "file": out,
                "decoder": arguments.decoder,
                "layout": layout.map_or(Value::Null, |layout| layout.name.into()),
                "loader": loader,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    let trained = match &about.origin {
        Some(origin) => format!("from {}", origin.layout),
        None => format!("after {} steps", about.step),
    };
    let of_layout = layout.map_or(String::new(), |layout| {
        format!(" in the layout {}", layout.name)
    });
    say!(
        "{} {trained}, {} weights{of_layout}: {}",
        about.data.name,
        file.weights(),
        out.display()
    );
    if let Some(decoder) = &arguments.decoder {
        say!("decoder: {}", decoder.display());
    }
    if let Some(loader) = &loader {
        say!("loader: {}", loader.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a file that is no place for tensors.
fn check_out(option: &str, path: &Path, run: &Path) -> Result<()> {
    if path.extension().is_none_or(|end| end != "safetensors") {
        bail!(Usage(format!(
            "--{option} {} does not end in .safetensors, the format of a model",
            path.display()
        )));
    }
    check_file(path)?;
    check_other(option, path, run)
}

/// Writes a model in the layout of another project, which may have its halves in separate files.
fn write(
    layout: &Layout,
    file: &ModelFile,
    precision: Precision,
    arguments: &Export,
) -> Result<()> {
    let mut files = vec![&arguments.out];
    files.extend(&arguments.decoder);
    let halves = match layout.name {
        "taesd" => written_in_halves(layout, file)?,
        _ => None,
    };
    let written = match (halves, &arguments.decoder) {
        (Some(halves), Some(_)) => Vec::from(halves),
        (Some(_), None) => bail!(Usage(
            "the halves of a tiny autoencoder are separate files in the layout taesd; give that of \
             the decoder by --decoder FILE"
                .to_owned()
        )),
        (None, Some(_)) => bail!(Usage(
            "only the halves of tiny autoencoders are separate files, in the layout taesd; leave \
             --decoder out"
                .to_owned()
        )),
        (None, None) => vec![written_in(layout, file)?],
    };
    for (path, (tensors, config)) in files.into_iter().zip(written) {
        write_with(path, &tensors, precision, &config)?;
    }
    Ok(())
}

fn layout_of(name: &str) -> Result<&'static Layout> {
    by_name(name).map_err(|error| Usage(error.to_string()).into())
}

fn precision_of(name: &str) -> Result<Precision> {
    match name {
        "f32" => Ok(Precision::F32),
        "f16" => Ok(Precision::F16),
        "bf16" => Ok(Precision::Bf16),
        _ => bail!(Usage(format!(
            "--precision {name} is none of f32, f16 and bf16"
        ))),
    }
}

/// Writes the script beside the model, and returns its path.
fn write_loader(out: &Path) -> Result<PathBuf> {
    let path = out.with_extension("py");
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let name = Value::from(name).to_string();
    let script = LOADER.replace("\"MODEL\"", &name);
    write_atomically(&path, script.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What the other project's network is to be given as time, unless it is what that project is used
/// to.
fn clock(file: &ModelFile, layout: &Layout) -> Option<String> {
    let header = file.header();
    let own = header.about.network.as_ref()?.time()?;
    let usual = Convention::of_layout(layout.name);
    let usual = usual.and_then(|usual| usual.time(own, &header.path.schedule));
    let (scale, offset) = (own.scale, own.offset);
    let given = if (scale, offset) == (1.0, 0.0) {
        "our t as it is".to_owned()
    } else {
        format!("{scale}·t + {offset} for our t")
    };
    let noted = "that network is to be given";
    (usual != Some(own)).then(|| format!("{noted} {given}, which is 0 for noise, 1 for data"))
}
