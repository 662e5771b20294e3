//! `pyroclast page`: writes a folder with a web page that draws samples in the browser.

use crate::Usage;
use crate::args::Page;
use crate::say::{note, say};
use anyhow::{Context, Result, bail};
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::learn::Weights;
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::stored_model::StoredModel;
use pyroclast_web::check;
use pyroclast_web::page::{PageFile, files};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file that every page has, and hardly any other folder.
const MARK: &str = "pyroclast.wasm";

pub(crate) fn run(arguments: Page) -> Result<ExitCode> {
    let out = arguments.out.as_path();
    check_folder(out)?;
    let files = page_of(&arguments.models.runs, arguments.models.weights)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut bytes = 0;
    for file in &files {
        let path = out.join(&file.name);
        write_atomically(&path, &file.contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
        bytes += file.contents.len();
    }
    let names: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    for entry in fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".safetensors") && !names.contains(&&*name) {
            note!("note: {name} is of an earlier page, and this one does not show it");
        }
    }
    if arguments.json {
        say!(
            "{}",
            json!({ "folder": out, "files": names, "bytes": bytes })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{} files, {:.1} MB, for any host: {}",
        files.len(),
        bytes as f64 / 1e6,
        out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The files of a page with these models.
pub(super) fn page_of(runs: &[PathBuf], weights: Weights) -> Result<Vec<PageFile>> {
    let models = runs.iter().map(|run| model(run, weights));
    let models: Vec<ModelFile> = models.collect::<Result<_>>()?;
    Ok(files(&models)?)
}

fn model(run: &Path, weights: Weights) -> Result<ModelFile> {
    let file = StoredModel::open(run, weights)?.file()?;
    check(&run.display().to_string(), file.header())?;
    Ok(file)
}

/// Refuses a folder in which there is something else than an earlier page.
fn check_folder(out: &Path) -> Result<()> {
    if out.as_os_str().is_empty() {
        bail!(Usage("--out is empty; give the name of a folder".into()));
    }
    if out.is_file() {
        bail!(Usage(format!(
            "--out {} is a file; give the name of a folder",
            out.display()
        )));
    }
    let is_empty = fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty && !out.join(MARK).exists() {
        bail!(Usage(format!(
            "the folder {} holds other files; give a new one",
            out.display()
        )));
    }
    Ok(())
}
