//! What a person sees of a training: its progress, and pictures of its samples.

use super::interrupt::wish;
use crate::command::reconstruct::{held_out, spread};
use crate::export::{self, picture_labels, picture_size, save_png};
use crate::progress::Progress;
use anyhow::Result;
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Shape, Tensor};
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_metrics::reconstruction::reconstructed;
use pyroclast_models::image_and_rate;
use pyroclast_plot::write_png;
use pyroclast_train::config::Config;
use pyroclast_train::draw::sample;
use pyroclast_train::learn::{EventFile, Next, Record, Run, Summary, TrainError, Trainer, Watcher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The rows of pictures that an autoencoder in training is shown by, each with what becomes of it.
const PAIRS: usize = 4;

/// Shows the progress of a training and draws pictures, and stops the training after Ctrl-C.
pub(super) struct Console<'a> {
    run: &'a Run,
    config: &'a Config,
    progress: Option<Progress>,
    events: Option<EventFile>,
    stop: Arc<AtomicBool>,
    /// The last picture that was drawn.
    pub(super) picture: Option<PathBuf>,
}

impl<'a> Console<'a> {
    pub(super) fn new(run: &'a Run, config: &'a Config, stop: Arc<AtomicBool>) -> Self {
        Self {
            run,
            config,
            progress: None,
            events: None,
            stop,
            picture: None,
        }
    }

    pub(super) fn finish(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }

    /// Whether a picture is drawn after this step.
    fn draws(&self, step: u64) -> bool {
        let training = &self.config.training;
        let every = training.picture_every;
        step == training.steps || (step > 0 && every > 0 && step.is_multiple_of(every))
    }

    fn picture_of(&self, step: u64) -> PathBuf {
        self.run.samples().join(format!("step-{step:08}.png"))
    }

    /// Writes a record as events. A file that cannot be written is given up: it is not worth the
    /// training.
    fn log_events(&mut self, record: &Record) {
        let values: Vec<(&str, Summary<'_>)> = [
            ("loss/training", record.loss),
            ("loss/validation", record.validation),
            ("learning rate", record.learning_rate),
            ("gradient norm", record.gradient_norm),
            ("samples per second", record.samples_per_second),
            ("waiting", record.waiting),
        ]
        .into_iter()
        .filter_map(|(tag, value)| Some((tag, Summary::Scalar(value?))))
        .collect();
        self.write_events(record.step, &values);
    }

    fn write_events(&mut self, step: u64, values: &[(&str, Summary<'_>)]) {
        let written = self
            .events
            .as_mut()
            .map(|events| events.write(step, values));
        if written.is_some_and(|written| written.is_err()) {
            self.events = None;
        }
    }

    /// Draws a picture of samples. If that fails, it prints a warning, and training continues.
    fn draw<B, N, const D: usize>(&mut self, trainer: &Trainer<B, N, D>)
    where
        B: AutodiffBackend,
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let step = trainer.step;
        let path = self.picture_of(step);
        let is_autoencoder = self.config.network.is_autoencoder();
        let drawn = match is_autoencoder {
            true => Ok(side_by_side(trainer)),
            false => samples(trainer, self.config),
        };
        let drawn = drawn.and_then(|values| {
            let task = &trainer.task;
            let pixels = (task.latents.as_ref()).map(|l| l.pixels.without_samples());
            let dataset = pixels.as_ref().unwrap_or(&task.training);
            let (title, labels) = match is_autoencoder {
                true => (
                    format!("{} and as decoded, after {step} steps", dataset.name),
                    None,
                ),
                false => (
                    format!("{} after {step} steps", dataset.name),
                    picture_labels(dataset.classes()),
                ),
            };
            let scaling = match &task.latents {
                Some(latents) => &latents.pixels.scaling,
                None => &task.scaling,
            };
            let picture =
                export::picture(&values, labels.as_deref(), dataset, scaling, &title, None);
            save_png(&path, &picture)?;
            let mut png = Vec::new();
            write_png(&mut png, &picture)?;
            let (width, height) = picture.dimensions();
            let summary = Summary::Picture {
                width,
                height,
                png: &png,
            };
            self.write_events(step, &[("samples", summary)]);
            Ok(())
        });
        match (drawn, &self.progress) {
            (Ok(()), _) => self.picture = Some(path),
            (Err(error), Some(progress)) => {
                progress.say(&format!("warning: no picture after step {step}: {error:#}"));
            }
            (Err(_), None) => {}
        }
    }
}

impl<B, N, const D: usize> Watcher<Trainer<B, N, D>> for Console<'_>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    fn started(&mut self, trainer: &Trainer<B, N, D>, steps: u64) -> Result<(), TrainError> {
        let progress = Progress::new(trainer.step, steps);
        if trainer.step > 0 {
            progress.say(&format!("resumed after step {}", trainer.step));
        }
        self.progress = Some(progress);
        if self.config.training.tensorboard {
            let folder = self.run.folder().join("tensorboard");
            self.events = EventFile::create(&folder, trainer.step).ok();
        }
        // A run that was killed between a checkpoint and its picture has no picture of that step.
        if self.draws(trainer.step) && !self.picture_of(trainer.step).exists() {
            self.draw(trainer);
        }
        Ok(())
    }

    fn stepped(&mut self, trainer: &Trainer<B, N, D>) -> Next {
        if let Some(progress) = &self.progress {
            progress.step(trainer.step);
        }
        match self.draws(trainer.step) {
            true => wish(&self.stop).max(Next::Log),
            false => wish(&self.stop),
        }
    }

    fn logged(&mut self, trainer: &Trainer<B, N, D>, record: &Record) -> Result<(), TrainError> {
        if let Some(progress) = &mut self.progress {
            progress.record(record);
        }
        self.log_events(record);
        // A training that is to end early saves its checkpoint first.
        let ends_early =
            wish(&self.stop) == Next::Stop && trainer.step < self.config.training.steps;
        if self.draws(trainer.step) && !ends_early {
            self.draw(trainer);
        }
        Ok(())
    }

    fn stopped(&mut self, trainer: &Trainer<B, N, D>) -> Result<(), TrainError> {
        if self.draws(trainer.step) && self.picture != Some(self.picture_of(trainer.step)) {
            self.draw(trainer);
        }
        Ok(())
    }
}

/// Pictures that are held out, in rows, and below each row what the autoencoder makes of it.
fn side_by_side<B, N, const D: usize>(trainer: &Trainer<B, N, D>) -> Vec<f32>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let pictures = held_out(&trainer.task);
    let n = (PAIRS * export::COLUMNS).min(pictures.len());
    let rows = spread(n, pictures.len());
    let (network, device) = (trainer.averaged().network, trainer.device());
    let nothing = Condition::upload(&Given::nothing(), device);
    let reconstruct = |x: Tensor<B::InnerBackend, 4>| {
        let dims = x.dims();
        let times = Tensor::ones([dims[0]], device);
        let x: Tensor<_, D> = x.reshape(Shape::from(dims));
        let output = network.forward(x, times, &nothing);
        let [_, channels, height, width] = dims;
        let [image, _] = image_and_rate(output.reshape([dims[0], channels + 1, height, width]));
        (image, None)
    };
    let found = reconstructed(reconstruct, pictures, &rows, device);
    let originals = pictures.gather(&rows);
    let row = export::COLUMNS * pictures.dim();
    let pairs = originals.chunks(row).zip(found.images.chunks(row));
    pairs.flat_map(|(a, b)| [a, b].concat()).collect()
}

/// The samples of a picture, on the scale of a model of pictures.
fn samples<B, N, const D: usize>(trainer: &Trainer<B, N, D>, config: &Config) -> Result<Vec<f32>>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let (flow, dataset) = (trainer.averaged(), &trainer.task.training);
    let (n, seed) = (picture_size(dataset), config.training.seed);
    let labels = (dataset.is_image()).then(|| picture_labels(dataset.classes()));
    let beside = Given {
        labels: None,
        ..dataset.spread(n)
    };
    let given = (labels.flatten()).map_or_else(Given::nothing, |labels| {
        Given::labels(&labels, dataset.classes())
    });
    let given = given.and(beside);
    let source = &flow.path.source;
    let x0 = source.for_sampling(n, dataset.dim(), Noise::new(seed), 0);
    let samples = sample(
        &flow,
        &x0,
        &dataset.shape,
        &given,
        &config.plan(seed),
        trainer.device(),
        &mut |_, _, _| {},
    );
    let values = samples?.values;
    match &trainer.task.latents {
        Some(latents) => Ok(latents.decode::<B::InnerBackend>(&values, 0, trainer.device())?),
        None => Ok(values),
    }
}
