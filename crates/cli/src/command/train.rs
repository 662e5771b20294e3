//! `pyroclast train`: trains a model and records it in the folder of a run.

mod absolute;
mod console;
mod interrupt;
mod resumed;
mod set_up;

use super::learned_from::taught_by;
use crate::args::Train;
use crate::device::{self, Job};
use crate::export::save_png;
use crate::loading::{one_source, with_progress_of};
use crate::progress::minutes;
use crate::report;
use crate::say::{note, quoted, say};
pub(super) use absolute::absolute;
use anyhow::Result;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use console::Console;
use interrupt::{Follower, INTERRUPTED, interrupts};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;
use pyroclast_plot::{Series, line_chart};
use pyroclast_train::config::Config;
use pyroclast_train::dataset::Loading;
use pyroclast_train::latents::encode;
use pyroclast_train::learn::{Group, Outcome, Record, Run, RunLock, leader_first};
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::network::WithNetwork;
use pyroclast_train::task::Task;
use serde_json::json;
use set_up::{SetUp, assignments, follow, set_up};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

pub(crate) fn run(mut arguments: Train, group: &Arc<dyn Group>) -> Result<ExitCode> {
    arguments.source = one_source(arguments.source, &arguments.more)?;
    let assignments = assignments(&arguments);
    let SetUp {
        run,
        lock,
        config,
        device,
        task,
        autoencoder,
        teacher,
        init_from,
    } = match group.leads() {
        true => {
            let set_up = set_up(&arguments, &assignments)?;
            // The others find everything else in the run.
            let folder = std::path::absolute(set_up.run.folder())?;
            group.broadcast(folder.to_string_lossy().into_owned().into_bytes());
            set_up
        }
        false => follow(&arguments, &group.broadcast(Vec::new()))?,
    };
    let processes = match group.size() {
        1 => String::new(),
        n => format!(" in {n} processes"),
    };
    note!(
        "training on {} ({} samples) with {device}{processes}; writing to {}",
        task.training.name,
        task.training.len(),
        run.folder().display()
    );
    if let Some(table) = &task.training.table {
        table.to_string().lines().for_each(|line| note!("  {line}"));
    }
    let job = TrainJob {
        run: &run,
        lock,
        config: &config,
        task: &task,
        autoencoder,
        teacher,
        resume: arguments.resume,
        any_data: arguments.new_data,
        init_from,
        group,
    };
    let start = Instant::now();
    let outcome = device::run_on(device, job)?;
    if !group.leads() {
        return Ok(match outcome {
            (Outcome::Finished, _) => ExitCode::SUCCESS,
            (Outcome::Interrupted { .. }, _) => ExitCode::from(INTERRUPTED),
        });
    }
    let folder = quoted(&run.folder().to_string_lossy());
    let seconds = start.elapsed().as_secs_f64();
    let outcome_json = |outcome, step, picture: Option<&Path>, files: Option<[&Path; 2]>| {
        json!({
            "outcome": outcome,
            "step": step,
            "seconds": seconds,
            "run": run.folder(),
            "samples": picture,
            "loss": files.map(|[loss, _]| loss),
            "report": files.map(|[_, report]| report),
        })
    };
    match outcome {
        (Outcome::Finished, picture) => {
            let loss = draw_curve(&run)?;
            let about = task.info();
            let page = report::write(&run, &config.to_toml(), &about)?;
            if arguments.json {
                let (picture, steps) = (picture.as_deref(), config.training.steps);
                say!(
                    "{}",
                    outcome_json("finished", steps, picture, Some([&loss, &page]))
                );
                return Ok(ExitCode::SUCCESS);
            }
            say!("trained in {}", minutes(seconds));
            say!("run      {folder}");
            if let Some(picture) = picture {
                say!("samples  {}", picture.display());
            }
            say!("loss     {}", loss.display());
            say!("report   {}", page.display());
            if config.network.is_autoencoder() {
                say!("next     pyroclast evaluate {folder}");
                let data = quoted(&config.data.name);
                let size = match config.data.resolution {
                    0 => String::new(),
                    side => format!(" --size {side}"),
                };
                say!("then     pyroclast train {data}{size} --set data.latents={folder}");
            } else {
                say!("next     pyroclast sample {folder} --trajectory");
            }
            Ok(ExitCode::SUCCESS)
        }
        (Outcome::Interrupted { step }, picture) if arguments.json => {
            say!(
                "{}",
                outcome_json("interrupted", step, picture.as_deref(), None)
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        (Outcome::Interrupted { step }, _) => {
            say!("interrupted after step {step}, and saved; resume with:");
            let mut command = vec![
                "pyroclast train".to_owned(),
                quoted(&arguments.source),
                format!("--out {folder}"),
            ];
            let device = arguments.device.name.iter();
            command.extend(device.map(|name| format!("--device {}", quoted(name))));
            let preset = arguments.preset.iter();
            command.extend(preset.map(|name| format!("--preset {}", quoted(name))));
            let set = assignments.iter();
            command.extend(set.map(|set| format!("--set {}", quoted(set))));
            say!("  {} --resume", command.join(" "));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// A training, on any backend.
struct TrainJob<'a> {
    run: &'a Run,
    /// Held by the first process alone.
    lock: Option<RunLock>,
    config: &'a Config,
    task: &'a Task,
    /// That of the latents that are learned.
    autoencoder: Option<Arc<ModelFile>>,
    /// What a model of few steps learns from.
    teacher: Option<ModelFile>,
    resume: bool,
    any_data: bool,
    init_from: Option<ModelFile>,
    group: &'a Arc<dyn Group>,
}

impl Job for TrainJob<'_> {
    type Output = Result<(Outcome, Option<PathBuf>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let latents = self.autoencoder.clone().map(|file| {
            let kept = (self.config.data.flip, self.config.training.posterior);
            let encode =
                |loading: &Loading<'_>| Ok(encode::<B>(self.task, file, kept, loading, &device)?);
            leader_first(&**self.group, || with_progress_of("encod", encode))
        });
        let latents = latents.transpose()?;
        let task = latents.as_ref().unwrap_or(self.task);
        let job = TrainJob { task, ..self };
        let dataset = &task.training;
        let architecture = (job.config).architecture(&dataset.shape, dataset.conditions())?;
        let mut init = Init::new(Noise::new(job.config.training.seed), &device);
        let job = OnDevice::<Autodiff<B>> {
            job,
            device: &device,
        };
        architecture.build(&mut init, job)
    }
}

/// A training on a device of a known backend.
struct OnDevice<'a, B: Backend> {
    job: TrainJob<'a>,
    device: &'a B::Device,
}

impl<B: Backend> WithNetwork<Autodiff<B>> for OnDevice<'_, Autodiff<B>> {
    type Output = Result<(Outcome, Option<PathBuf>)>;

    fn with<N, const D: usize>(self, network: N) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let TrainJob {
            run,
            lock,
            config,
            task,
            resume,
            any_data,
            init_from,
            teacher: taught,
            group,
            ..
        } = self.job;
        let trainer = config.trainer(network, task.clone(), self.device);
        let mut trainer = trainer.group(group.clone());
        if any_data {
            trainer = trainer.on_any_data();
        }
        if let Some(model) = init_from {
            trainer = trainer.init_from(&model)?;
        }
        if let Some(file) = &taught {
            let taught = || taught_by::<B, N, D>(trainer, file, config, run);
            trainer = leader_first(&**group, taught)?;
        }
        if resume {
            run.restore(&mut trainer)?;
        }
        let (steps, stop) = (config.training.steps, interrupts()?);
        let Some(lock) = lock else {
            return Ok((trainer.run(steps, &mut Follower { stop })?, None));
        };
        let console = Console::new(run, config, stop);
        let mut recorder = config.recorder(run, console).holding(lock);
        let outcome = trainer.run(steps, &mut recorder);
        let console = recorder.watcher;
        console.finish();
        Ok((outcome?, console.picture))
    }
}

/// Draws `loss.png` from the metrics, and returns its path.
fn draw_curve(run: &Run) -> Result<PathBuf> {
    let records = run.records();
    let of = |value: fn(&Record) -> Option<f64>| {
        records
            .iter()
            .filter_map(move |r| value(r).map(|value| (r.step as f64, value)))
    };
    let mut series = vec![Series::noisy("training", of(|r| r.loss))];
    if records.iter().any(|record| record.validation.is_some()) {
        series.push(Series::measured("validation", of(|r| r.validation)));
    }
    let path = run.folder().join("loss.png");
    save_png(&path, &line_chart(&series, "loss", ["step", "loss"]))?;
    Ok(path)
}
