//! Trained models that a training reads: the autoencoder of its latents, and the teacher of a model
//! of few steps.

use crate::memory::{self, product};
use crate::progress::Progress;
use crate::say::note;
use anyhow::{Context, Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::network::Network;
use pyroclast_core::shown::shown;
use pyroclast_train::config::{Config, Preset};
use pyroclast_train::learn::{Run, Trainer, Weights};
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::stored_model::StoredModel;
use pyroclast_train::task::Task;
use pyroclast_train::{reflow, teacher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The autoencoder whose latents are learned, if there is one: that of the run, or the one that the
/// configuration names.
pub(super) fn autoencoder(
    config: &Config,
    resumed: Option<&Run>,
) -> Result<Option<Arc<ModelFile>>> {
    let of_run = resumed.map(Run::autoencoder_path);
    Ok(model_of("data.latents", &config.data.latents, of_run)?.map(Arc::new))
}

/// The model that one of few steps learns from, if there is one, likewise.
pub(super) fn teacher_of(config: &Config, resumed: Option<&Run>) -> Result<Option<ModelFile>> {
    let (name, of_run) = (&config.few_step.teacher, resumed.map(Run::teacher_path));
    let is_kept = of_run.as_ref().is_some_and(|path| path.exists());
    let missing = preset_of(name).filter(|_| !is_kept && !Path::new(name).exists());
    if let Some(preset) = missing {
        bail!("few-step.teacher = {name} is not there; train it first: pyroclast train {preset}");
    }
    model_of("few-step.teacher", name, of_run)
}

/// The preset whose run is in this folder unless it is given another.
fn preset_of(run: &str) -> Option<&str> {
    let name = run.strip_prefix("runs/")?;
    Preset::named(name).map(|_| name)
}

/// The copy of a model in the run if there is one, or else the model that a key names, if it names
/// one.
fn model_of(key: &str, name: &str, of_run: Option<PathBuf>) -> Result<Option<ModelFile>> {
    if name.is_empty() {
        return Ok(None);
    }
    let file = match of_run.filter(|path| path.exists()) {
        Some(path) => ModelFile::open(path)?,
        None => {
            let stored = StoredModel::open(Path::new(name), Weights::default());
            (stored.and_then(StoredModel::file))
                .with_context(|| format!("{key} = {}", shown(name)))?
        }
    };
    Ok(Some(file))
}

/// Refuses a teacher of another path or of data of another kind, and says so if the data have
/// another name: a velocity of other data is learned as readily.
pub(super) fn check_teacher(file: &ModelFile, config: &Config, task: &Task) -> Result<()> {
    let (name, method) = (&config.few_step.teacher, config.few_step.method);
    teacher::check(file, name, &config.path, task)?;
    reflow::check(file, name, method, &config.path)?;
    let (taught, own) = (&file.header().about.data.name, &task.training.name);
    if taught != own {
        note!(
            "the teacher was trained on {}, and this is a training on {}",
            shown(taught),
            shown(own)
        );
    }
    Ok(())
}

/// The trainer with what it learns from a teacher: pairs that are made now, or its velocity.
pub(super) fn taught_by<B, N, const D: usize>(
    trainer: Trainer<Autodiff<B>, N, D>,
    file: &ModelFile,
    config: &Config,
    run: &Run,
) -> Result<Trainer<Autodiff<B>, N, D>>
where
    B: Backend,
    N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
    N::InnerModule: Network<B, D>,
{
    let (task, name) = (trainer.task.clone(), &config.few_step.teacher);
    let device = trainer.device().clone();
    let Some(n) = config.few_step.method.pairs() else {
        let teacher = teacher::teacher(file, name, &config.path, &task, &device)?;
        return Ok(trainer.teacher(teacher));
    };
    check_teacher(file, config, &task)?;
    // Noise and data, once whole and once divided.
    let numbers = [n as u64, task.training.dim() as u64, 4, 4];
    let what = format!("few-step.method = {}", config.few_step.method);
    memory::check(&what, product(numbers), "make fewer pairs")?;
    note!("making {n} pairs of noise and data with {}", shown(name));
    let progress = Progress::new(0, n as u64);
    let seen = &mut |done| progress.step(done as u64);
    let (folder, seed) = (run.pairs_path(), config.training.seed);
    let pairs = reflow::pairs::<B>(
        file,
        &task,
        config.few_step.method,
        seed,
        &folder,
        &device,
        seen,
    );
    progress.finish();
    Ok(trainer.pairs(&pairs?))
}
