//! A whole run: the loop around [`Trainer::step`], with its log, validation, pictures and checkpoints.
//!
//! What a run ends with is a function of its configuration alone. It may be stopped anywhere, by a signal or by force, and
//! goes on from its newest checkpoint to the same last bit.

use crate::about::{About, DataInfo, ModelHeader};
use crate::batch::{Batch, Batcher, Order, prefetch};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::Config;
use crate::dataset::Dataset;
use crate::draw::{SampleError, Samples, sample};
use crate::ema::{Average, Ema, Law, save_snapshot};
use crate::optimizer::AdamW;
use crate::parameters::{slots, values, with_values};
use crate::run::{Record, Run, RunError};
use crate::task::Task;
use crate::trainer::Trainer;
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{ElementConversion, Tensor};
use pyroclast_core::condition::Given;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use std::sync::Arc;
use std::time::Instant;

/// Points of a picture.
const PICTURE_POINTS: usize = 4000;
/// Images a class in a picture, and rows of a picture without classes.
const PICTURE_ROW: usize = 10;

/// Why a run stopped short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The numbers ran away.
    #[error(
        "the loss is {loss} at step {step}; lower training.learning-rate, or set training.clip=1"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// Where it was seen.
        step: u64,
    },
    /// The folder refuses.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint refuses.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// It was asked to stop, and has saved.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
}

/// What looks on while a run goes.
pub trait Watcher {
    /// The run begins or goes on at `step`, of `total`.
    fn started(&mut self, step: u64, total: u64);

    /// A step has been queued. Says whether to stop after it.
    fn stepped(&mut self, step: u64) -> bool;

    /// A loss has been read.
    fn logged(&mut self, record: &Record);

    /// Samples have been drawn for a picture, or could not be. Training goes on either way.
    fn sampled(&mut self, step: u64, samples: Result<Samples, SampleError>);
}

/// A watcher that does nothing.
impl Watcher for () {
    fn started(&mut self, _: u64, _: u64) {}

    fn stepped(&mut self, _: u64) -> bool {
        false
    }

    fn logged(&mut self, _: &Record) {}

    fn sampled(&mut self, _: u64, _: Result<Samples, SampleError>) {}
}

/// Trains `network` as `config` says, in the folder of `run`, from its newest checkpoint where `resume` is set.
///
/// # Errors
/// [`TrainError`]; what was saved before stays.
pub fn train<B, N, const D: usize>(
    network: N,
    task: &Task,
    config: &Config,
    run: &Run,
    resume: bool,
    device: &B::Device,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, TrainError>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let training = &config.training;
    let mut trainer = begin::<B, N, D>(network, task, config, device);
    if resume {
        match restore(&mut trainer, run, training.seed, device) {
            // Stopped before the first checkpoint: it begins anew, which is the same run.
            Err(TrainError::Run(RunError::NoCheckpoint(_))) => {}
            other => other?,
        }
    }
    run.tidy();
    let first = trainer.step;
    let snapshots = training.snapshots();
    if snapshots.is_some() {
        run.prepare_snapshots(first)?;
    }
    let data = DataInfo::of_task(task, &config.data);
    let mut metrics = run.metrics(first)?;
    let validation = validation_batches(task, config);
    let batches = prefetch(
        batcher(config, task.training.clone()),
        first,
        training.steps,
    );
    let clock = Instant::now();
    let before = metrics.seconds;
    watcher.started(first, training.steps);

    let mut sum: Option<(Tensor<B::InnerBackend, 1>, u64)> = None;
    while trainer.step < training.steps {
        let batch = batches
            .recv()
            .expect("the batcher makes every step up to the last");
        let loss = trainer.step(&batch);
        sum = Some(match sum.take() {
            Some((sum, n)) => (sum + loss, n + 1),
            None => (loss, 1),
        });
        let step = trainer.step;
        let stop = watcher.stepped(step);
        let last = step == training.steps;
        let due = |every: u64| last || (every > 0 && step.is_multiple_of(every));
        let saves = stop || due(training.save_every);
        if saves || due(training.log_every) || due(training.validate_every) {
            let (sum, n) = sum.take().expect("a step was taken since the last log");
            let loss = sum.into_scalar().elem::<f64>() / n as f64;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { loss, step });
            }
            let validates = due(training.validate_every) && !validation.is_empty();
            let record = Record {
                step,
                loss: Some(loss),
                validation: validates.then(|| trainer.validate(&validation)),
                learning_rate: Some(training.learning_rate().at(step - 1)),
                seconds: before + clock.elapsed().as_secs_f64(),
            };
            metrics.append(&record)?;
            watcher.logged(&record);
        }
        // Before the checkpoint: a run that goes on from it finds the snapshot, or takes it again.
        if snapshots.is_some_and(due) {
            snapshot(&trainer, config, &data, run)?;
        }
        if saves {
            save(&trainer, config, &data, run)?;
            run.tidy();
        }
        if due(training.picture_every) {
            watcher.sampled(step, picture(&trainer, task, config));
        }
        if stop && !last {
            return Ok(Outcome::Interrupted { step });
        }
    }
    if first == training.steps {
        // Gone on with after its last step: what may have been missed is the picture.
        watcher.sampled(first, picture(&trainer, task, config));
    }
    Ok(Outcome::Finished)
}

/// A trainer before its first step.
pub fn begin<B, N, const D: usize>(
    network: N,
    task: &Task,
    config: &Config,
    device: &B::Device,
) -> Trainer<B, N, D>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let training = &config.training;
    let parameters: Vec<_> = values(&network).into_iter().map(Tensor::inner).collect();
    let optimizer = AdamW::new(training.adamw(), &parameters);
    let further = training.averages().into_iter();
    let averages = further
        .map(|law| Average::new(law, parameters.clone()))
        .collect();
    let ema = Ema::new(training.ema, parameters);
    let mut trainer = Trainer::new(
        config.flow(network, &task.training),
        optimizer,
        ema,
        training.learning_rate(),
        Noise::new(training.seed),
        &task.training.shape,
        device.clone(),
    );
    trainer.averages = averages;
    trainer
}

/// What makes the batches of a configuration, from these samples.
pub fn batcher(config: &Config, dataset: Arc<Dataset>) -> Batcher {
    Batcher {
        dataset,
        size: config.training.batch,
        path: config.path.clone(),
        label_dropout: config.training.label_dropout,
        noise: Noise::new(config.training.seed),
    }
}

/// As many whole batches as the held-out samples fill, the same at every validation.
fn validation_batches(task: &Task, config: &Config) -> Vec<Batch> {
    if task.validation.is_empty() {
        return Vec::new();
    }
    let mut batcher = batcher(config, task.validation.clone());
    batcher.noise = Noise::new(config.training.seed).fork("validation");
    batcher.label_dropout = 0.0;
    batcher.size = batcher.size.min(task.validation.len());
    let mut order = Order::default();
    let n = task.validation.len() / batcher.size;
    (0..n as u64)
        .map(|step| batcher.batch(step, &mut order))
        .collect()
}

/// What is known about the model now.
fn header<B: AutodiffBackend, N, const D: usize>(
    trainer: &Trainer<B, N, D>,
    config: &Config,
    data: &DataInfo,
) -> ModelHeader {
    ModelHeader {
        path: trainer.flow.path.clone(),
        objective: trainer.flow.objective,
        about: About::of_run(config, data.clone(), trainer.step),
    }
}

fn save<B, N, const D: usize>(
    trainer: &Trainer<B, N, D>,
    config: &Config,
    data: &DataInfo,
    run: &Run,
) -> Result<(), CheckpointError>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
{
    let inner = |tensors: Vec<Tensor<B, 1>>| tensors.into_iter().map(Tensor::inner).collect();
    Checkpoint::<B::InnerBackend> {
        header: header(trainer, config, data),
        config: config.to_toml(),
        model: inner(values(&trainer.flow.network)),
        ema: trainer.ema.values.clone(),
        averages: trainer.averages.clone(),
        first: trainer.optimizer.first.clone(),
        second: trainer.optimizer.second.clone(),
    }
    .save(
        &run.checkpoint_path(trainer.step),
        &slots::<B, N>(&trainer.flow.network),
    )
}

fn snapshot<B, N, const D: usize>(
    trainer: &Trainer<B, N, D>,
    config: &Config,
    data: &DataInfo,
    run: &Run,
) -> Result<(), CheckpointError>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
{
    save_snapshot(
        &run.snapshot_path(trainer.step),
        header(trainer, config, data),
        &config.to_toml(),
        &trainer.averages,
        &slots::<B, N>(&trainer.flow.network),
    )
}

fn restore<B, N, const D: usize>(
    trainer: &mut Trainer<B, N, D>,
    run: &Run,
    seed: u64,
    device: &B::Device,
) -> Result<(), TrainError>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
{
    let slots = slots::<B, N>(&trainer.flow.network);
    let path = run.newest()?;
    let checkpoint = Checkpoint::<B::InnerBackend>::load(&path, &slots, device)?;
    let about = &checkpoint.header.about;
    if about.seed != seed {
        return Err(TrainError::Checkpoint(CheckpointError::Mismatch {
            path: path.display().to_string(),
            reason: format!("it was saved under seed {}, not {seed}", about.seed),
        }));
    }
    let laws = |averages: &[Average<B::InnerBackend>]| -> Vec<Law> {
        averages.iter().map(|average| average.law).collect()
    };
    let (kept, asked) = (laws(&checkpoint.averages), laws(&trainer.averages));
    if kept != asked {
        let reason = format!("it keeps the averages {kept:?}, not {asked:?}");
        let path = path.display().to_string();
        return Err(CheckpointError::Mismatch { path, reason }.into());
    }
    let tracked = checkpoint
        .model
        .into_iter()
        .map(Tensor::from_inner)
        .collect();
    trainer.flow.network = with_values(trainer.flow.network.clone(), tracked);
    trainer.ema.values = checkpoint.ema;
    trainer.averages = checkpoint.averages;
    trainer.optimizer.first = checkpoint.first;
    trainer.optimizer.second = checkpoint.second;
    trainer.optimizer.steps = about.step;
    trainer.step = about.step;
    Ok(())
}

/// The labels of a picture: a row of ten for each class; none without classes.
pub fn picture_labels(classes: usize) -> Option<Vec<u32>> {
    let row = |class| std::iter::repeat_n(class as u32, PICTURE_ROW);
    (classes > 0).then(|| (0..classes).flat_map(row).collect())
}

/// How many samples a picture shows.
pub fn picture_size(dataset: &Dataset) -> usize {
    match (dataset.is_image(), dataset.classes()) {
        (true, 0) => PICTURE_ROW * PICTURE_ROW,
        (true, classes) => PICTURE_ROW * classes,
        (false, _) => PICTURE_POINTS,
    }
}

fn picture<B, N, const D: usize>(
    trainer: &Trainer<B, N, D>,
    task: &Task,
    config: &Config,
) -> Result<Samples, SampleError>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    let dataset = &task.training;
    let n = picture_size(dataset);
    let labels = (dataset.is_image()).then(|| picture_labels(dataset.classes()));
    let given = (labels.flatten()).map_or_else(Given::nothing, |labels| {
        Given::labels(&labels, dataset.classes())
    });
    let noise = Noise::new(config.training.seed);
    let x0 = trainer
        .flow
        .path
        .source
        .for_sampling(n, dataset.dim(), noise, 0);
    let plan = config.plan(config.training.seed);
    let flow = trainer.averaged();
    sample(
        &flow,
        &x0,
        &dataset.shape,
        &given,
        &plan,
        trainer.device(),
        &mut |_, _, _| {},
    )
}
