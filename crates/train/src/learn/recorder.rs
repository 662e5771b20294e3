//! Records a training in the folder of a run: metrics, checkpoints, and snapshots of averages.
//!
//! The folder holds everything that is needed to resume, from before the first step on. A training
//! may be stopped at any moment, by a signal or by force; resumed from its newest checkpoint, it
//! gives the same model, bit for bit.

use super::{Metrics, Next, Record, Run, RunError, RunLock, TrainError, Trainer, Watcher};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::network::Network;

/// A [`Watcher`] that writes metrics and checkpoints to the folder of a run, and passes every event
/// on to another watcher.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::{flow::Flow, noise::Noise, path::Path};
/// use pyroclast_models::{Init, MlpConfig};
/// use pyroclast_train::dataset::Dataset;
/// use pyroclast_train::learn::{Outcome, Recorder, Run, Trainer};
///
/// let (device, noise) = (Default::default(), Noise::new(0));
/// let trainer = || {
///     let network = MlpConfig::new(2).init(&mut Init::<Autodiff<NdArray>>::new(noise, &device));
///     let points = Dataset::rows(&[0.0, 1.0, 2.0, 3.0], 2);
///     Trainer::new(Flow::velocity(network, Path::linear()), points, noise, &device).batch(4)
/// };
/// let folder = tempfile::tempdir()?;
///
/// let run = Run::create(&folder.path().join("mine"), None)?;
/// trainer().run(3, &mut Recorder::new(&run, ()))?;
///
/// // Later, perhaps in another process: continue the same run.
/// let run = Run::open(&folder.path().join("mine"))?;
/// let mut resumed = trainer();
/// run.restore(&mut resumed)?;
/// assert_eq!(resumed.step, 3);
/// assert_eq!(resumed.run(5, &mut Recorder::new(&run, ()))?, Outcome::Finished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder<'a, W> {
    run: &'a Run,
    lock: Option<RunLock>,
    save_every: u64,
    snapshot_every: u64,
    metrics: Option<Metrics>,
    steps: u64,
    /// The watcher that receives every event after the recorder.
    pub watcher: W,
}

impl<'a, W> Recorder<'a, W> {
    /// Saves a checkpoint before the first step and every 1000 steps, and a snapshot of the
    /// power-function averages, if there are any, every twentieth of the training.
    pub fn new(run: &'a Run, watcher: W) -> Self {
        Self {
            run,
            lock: None,
            save_every: 1000,
            snapshot_every: 0,
            metrics: None,
            steps: 0,
            watcher,
        }
    }

    /// The same with another number of steps between two checkpoints.
    #[must_use]
    pub fn save_every(mut self, steps: u64) -> Self {
        self.save_every = steps;
        self
    }

    /// The same with another number of steps between two snapshots; 0 for a twentieth of the
    /// training.
    #[must_use]
    pub fn snapshot_every(mut self, steps: u64) -> Self {
        self.snapshot_every = steps;
        self
    }

    /// Uses a lock that this process has taken already. Without one the recorder locks the run when
    /// training starts.
    #[must_use]
    pub fn holding(mut self, lock: RunLock) -> Self {
        self.lock = Some(lock);
        self
    }

    fn is_due(&self, step: u64, every: u64) -> bool {
        step == self.steps || step.is_multiple_of(every)
    }

    fn save<B, N, const D: usize>(&self, trainer: &Trainer<B, N, D>) -> Result<(), TrainError>
    where
        B: AutodiffBackend,
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        trainer.save(self.run.checkpoint_path(trainer.step))?;
        self.run.tidy();
        Ok(())
    }

    fn takes_snapshot(&self, keeps_powers: bool, step: u64) -> bool {
        let every = match self.snapshot_every {
            0 => (self.steps / 20).max(1),
            every => every,
        };
        keeps_powers && self.is_due(step, every)
    }
}

impl<B, N, W, const D: usize> Watcher<Trainer<B, N, D>> for Recorder<'_, W>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
    W: Watcher<Trainer<B, N, D>>,
{
    fn started(&mut self, trainer: &Trainer<B, N, D>, steps: u64) -> Result<(), TrainError> {
        if self.lock.is_none() {
            self.lock = Some(self.run.lock()?);
        }
        self.run.prepare()?;
        self.run.tidy();
        if trainer.keeps_powers() {
            self.run.prepare_snapshots(trainer.step)?;
        }
        self.metrics = Some(self.run.metrics(trainer.step)?);
        // A training that diverges early leaves something too, and the run knows its data.
        if trainer.step == 0 {
            trainer.save(self.run.checkpoint_path(0))?;
        }
        self.steps = steps;
        self.watcher.started(trainer, steps)
    }

    fn stepped(&mut self, trainer: &Trainer<B, N, D>) -> Next {
        let step = trainer.step;
        let next = self.watcher.stepped(trainer);
        let writes =
            self.is_due(step, self.save_every) || self.takes_snapshot(trainer.keeps_powers(), step);
        if writes { next.max(Next::Log) } else { next }
    }

    fn logged(&mut self, trainer: &Trainer<B, N, D>, record: &Record) -> Result<(), TrainError> {
        let step = trainer.step;
        let mut record = *record;
        if let Some(metrics) = &mut self.metrics {
            record.seconds += metrics.seconds;
            metrics.append(&record)?;
        }
        // Before the checkpoint, so that a run that resumes from the checkpoint has the snapshot.
        if self.takes_snapshot(trainer.keeps_powers(), step) {
            trainer.save_snapshot(&self.run.snapshot_path(step))?;
        }
        if self.is_due(step, self.save_every) {
            self.save(trainer)?;
        }
        self.watcher.logged(trainer, &record)
    }

    fn stopped(&mut self, trainer: &Trainer<B, N, D>) -> Result<(), TrainError> {
        if !self.is_due(trainer.step, self.save_every) {
            self.save(trainer)?;
        }
        self.watcher.stopped(trainer)
    }
}

impl Run {
    /// Restores a trainer from the newest checkpoint.
    ///
    /// Without a checkpoint the trainer is left as it is: training from the start gives the same
    /// model.
    ///
    /// # Errors
    /// [`TrainError`], for the reasons of [`Trainer::restore`].
    pub fn restore<B, N, const D: usize>(
        &self,
        trainer: &mut Trainer<B, N, D>,
    ) -> Result<(), TrainError>
    where
        B: AutodiffBackend,
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        match self.newest() {
            Ok(path) => Ok(trainer.restore(&path)?),
            Err(RunError::NoCheckpoint(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
