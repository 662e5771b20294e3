//! A model in training.
//!
//! `θ ← AdamW(θ, ∇L(θ; batch_k))`, `θ̄ ← EMA(θ̄, θ)`
//!
//! A step queues its work and returns without waiting: the loss stays on the device until it is
//! read.

use super::average::{Average, Law};
use super::batch::{Batch, Batcher, prefetch};
use super::checkpoint::{Checkpoint, CheckpointError, save_snapshot};
use super::group::{Alone, Group};
use super::loss::{batch_loss, points};
use super::optimizer::{AdamW, AdamWConfig, LearningRate};
use super::order::Order;
use super::pairs::Pairs;
use super::{Next, Outcome, Record, TrainError, Watcher};
use crate::model::Model;
use crate::model_file::{About, ModelError, ModelFile, ModelHeader};
use crate::parameters::{as_leaves, gradients, slots, taken, values, with_values};
use crate::task::Task;
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{ElementConversion, Tensor, TensorData};
use pyroclast_core::coupling::Coupling;
use pyroclast_core::few_step::{FewStep, FewStepLoss, Steps, Teacher};
use pyroclast_core::flow::Flow;
use pyroclast_core::loss::SampleLoss;
use pyroclast_core::network::Network;
use pyroclast_core::noise::{Draws, Noise, Stream};
use pyroclast_core::preconditioning::Preconditioning;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::recompute::{Stages, recorded};
use pyroclast_kernels::{Precision, global_norm, joined, makes_normals, taken_apart};
use sha2::{Digest, Sha256};
use std::borrow::{Borrow, Cow};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most held-out samples that a validation reads: enough for three digits of the loss.
const VALIDATED: usize = 8192;
/// The rows of a batch by which a difference is checked.
const CHECKED: usize = 16;
/// How far a difference may move as its step is doubled: it is then off by about 7 %.
const MOST: f64 = 0.1;

/// A model in training: the flow, its data, the state of its optimizer, and its averages.
///
/// `θ ← AdamW(θ, ∇L(θ; batch_k))`, `θ̄ ← EMA(θ̄, θ)`
///
/// The defaults are AdamW at a learning rate of 10⁻³ without weight decay, batches of 512 pairs, an
/// average of rate 0.999, and one condition in ten dropped, which makes classifier-free guidance
/// possible. Setters change them before the first step.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::{flow::Flow, noise::Noise, path::Path};
/// use pyroclast_models::{Init, MlpConfig};
/// use pyroclast_train::dataset::Dataset;
/// use pyroclast_train::learn::Trainer;
///
/// let (device, noise) = (Default::default(), Noise::new(0));
/// let network = MlpConfig::new(2).init(&mut Init::<Autodiff<NdArray>>::new(noise, &device));
/// let flow = Flow::velocity(network, Path::optimal_transport());
/// let points = Dataset::rows(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 2);
///
/// let mut trainer = Trainer::new(flow, points, noise, &device).batch(8).learning_rate(3e-3);
/// trainer.run(10, &mut ())?;
/// let model = trainer.model(); // with the averaged parameters, ready to sample and to save
/// assert_eq!(model.about.step, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer<B: AutodiffBackend, N, const D: usize> {
    /// The network with the parameters of the last step, its path and its objective.
    pub flow: Flow<N>,
    /// The training and the held-out data.
    pub task: Task,
    /// The state of the optimizer.
    pub optimizer: AdamW<B::InnerBackend>,
    /// The average of the parameters that samples are drawn with.
    pub average: Average<B::InnerBackend>,
    /// Further averages of the parameters.
    pub averages: Vec<Average<B::InnerBackend>>,
    /// The number of steps taken.
    pub step: u64,
    /// The description of the model for files, whose `step` is filled in when they are written.
    pub about: About,
    /// The configuration that checkpoints store, as TOML.
    pub config: Option<String>,
    loss: Option<Box<dyn SampleLoss<B, D> + Send>>,
    few_step: FewStep,
    teacher: Option<Box<dyn Teacher<B::InnerBackend, D> + Send>>,
    /// Pairs to train on, and to validate on.
    pairs: Option<[Arc<Pairs>; 2]>,
    learning_rate: LearningRate,
    batch: usize,
    /// The most pairs of a batch that are worked on at once, if not all.
    micro_batch: Option<usize>,
    /// Whether what the stages of the network compute is computed again in the backward pass.
    checkpoints: bool,
    /// What the products of a step are rounded to; `None`: as where `step` is called.
    precision: Option<Precision>,
    /// The processes that take the steps together.
    group: Arc<dyn Group>,
    condition_dropout: f64,
    flip: bool,
    log_every: u64,
    validate_every: u64,
    noise: Noise,
    shape: [usize; D],
    device: B::Device,
    any_data: bool,
    /// Whether the next step keeps the norm of its gradient.
    keeps_norm: bool,
    gradient_norm: Option<Tensor<B::InnerBackend, 1>>,
}

impl<B, N, const D: usize> Trainer<B, N, D>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    /// A trainer before its first step.
    ///
    /// The data is a [`Task`], a [`Dataset`](crate::dataset::Dataset) without held-out data, or a
    /// pair of datasets, of which the second is held out. All randomness comes from `noise`: the
    /// order of the data, source points, times, dropped conditions, and dropout.
    ///
    /// # Panics
    /// If there is no data, or the rank of a sample is not D − 1.
    pub fn new(flow: Flow<N>, data: impl Into<Task>, noise: Noise, device: &B::Device) -> Self {
        let task = data.into();
        let sample = &task.training.shape;
        assert!(!task.training.is_empty(), "there is no data to train on");
        assert_eq!(
            sample.len() + 1,
            D,
            "a batch has one more axis than a sample"
        );
        let mut shape = [0; D];
        shape[1..].copy_from_slice(sample);
        let parameters = inner(values(&flow.network));
        let about = About {
            data: task.info(),
            latents: (task.latents.as_ref()).map(|latents| latents.info.clone()),
            network: None,
            origin: None,
            sampling: Default::default(),
            step: 0,
            seed: noise.seed(),
        };
        Self {
            flow,
            task,
            optimizer: AdamW::new(AdamWConfig::default(), &parameters),
            average: Average::new(Law::Rate(0.999), parameters),
            averages: Vec::new(),
            step: 0,
            about,
            config: None,
            loss: None,
            few_step: FewStep::None,
            teacher: None,
            pairs: None,
            learning_rate: LearningRate::constant(1e-3),
            batch: 512,
            micro_batch: None,
            checkpoints: false,
            precision: None,
            group: Arc::new(Alone),
            condition_dropout: 0.1,
            flip: false,
            log_every: 100,
            validate_every: 1000,
            noise,
            shape,
            device: device.clone(),
            any_data: false,
            keeps_norm: false,
            gradient_norm: None,
        }
    }

    /// The same with another number of pairs in a batch.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn batch(mut self, pairs: usize) -> Self {
        assert!(pairs > 0, "a batch holds at least 1 pair");
        self.batch = pairs;
        self
    }

    /// The same, which works on a batch in parts of at most this many pairs, so that the memory of
    /// a step is that of a part.
    ///
    /// `∇L = Σ_p (n_p/n)·∇L_p`: the sum over the parts is the gradient of the whole batch, up to
    /// rounding. Nothing of the batch changes, nor do dropout masks.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn micro_batch(mut self, pairs: usize) -> Self {
        assert!(pairs > 0, "a part of a batch holds at least 1 pair");
        self.micro_batch = Some(pairs);
        self
    }

    /// The same, which keeps the inputs of a network's [stages](pyroclast_core::recompute) alone, and
    /// computes the rest again in the backward pass: less memory, a third to a half more time, and
    /// the same gradients to the last bit. A network without stages is trained as before.
    ///
    /// A loss of one's own ([`Trainer::loss_by`]) runs no stages then: a gradient that passes through
    /// a stage of another network would be lost.
    #[must_use]
    pub fn checkpoint_activations(mut self) -> Self {
        self.checkpoints = true;
        self
    }

    /// The same, whose steps multiply in this precision, forward and backward. Parameters, moments and
    /// averages keep single precision, and validations are computed as without it.
    ///
    /// A step panics if the precision is bf16 and the backend is another than flex, wgpu or CUDA.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// The same, taking its steps together with the other processes of this group, each of which has
    /// a trainer that was made in the same way. Batches are those of the whole group.
    ///
    /// Gradients pass between the processes in single precision, once a step.
    #[must_use]
    pub fn group(mut self, group: Arc<dyn Group>) -> Self {
        self.group = group;
        self
    }

    /// The same with another learning rate: a number, or a [`LearningRate`] that changes over time.
    #[must_use]
    pub fn learning_rate(mut self, rate: impl Into<LearningRate>) -> Self {
        self.learning_rate = rate.into();
        self
    }

    /// The same with other constants of AdamW.
    #[must_use]
    pub fn adamw(mut self, config: AdamWConfig) -> Self {
        self.optimizer.config = config;
        self
    }

    /// The same with another decay, in [0, 1), of the average that samples are drawn with.
    #[must_use]
    pub fn ema(mut self, decay: f64) -> Self {
        self.average.law = Law::Rate(decay);
        self
    }

    /// The same with a further average of the parameters.
    #[must_use]
    pub fn and_average(mut self, law: Law) -> Self {
        let parameters = inner(values(&self.flow.network));
        self.averages.push(Average::new(law, parameters));
        self
    }

    /// The same with another probability of dropping the condition of a sample.
    #[must_use]
    pub fn condition_dropout(mut self, probability: f64) -> Self {
        self.condition_dropout = probability;
        self
    }

    /// The same, which mirrors each image of a batch, left to right, with probability ½.
    ///
    /// # Panics
    /// If the samples are no images.
    #[must_use]
    pub fn flipping(mut self) -> Self {
        assert!(self.task.training.is_image(), "only images are mirrored");
        self.flip = true;
        self
    }

    /// The same, starting from the parameters of a trained model with the same network: the
    /// beginning of a fine-tuning. The averages start from them too.
    ///
    /// # Errors
    /// [`ModelError`]: the model has other parameters than the network.
    pub fn init_from(mut self, file: &ModelFile) -> Result<Self, ModelError> {
        self.flow.network = file.load_into::<B, N>(self.flow.network.clone())?;
        let parameters = inner(values(&self.flow.network));
        for average in [&mut self.average].into_iter().chain(&mut self.averages) {
            *average = Average::new(average.law, parameters.clone());
        }
        Ok(self)
    }

    /// The same with another loss per sample in place of the squared error.
    #[must_use]
    pub fn loss_by(mut self, loss: impl SampleLoss<B, D> + Send + 'static) -> Self {
        self.loss = Some(Box::new(loss));
        self
    }

    /// The same, training the average velocity of steps of any duration, from which a model samples
    /// in one to four steps. The network takes durations, and the objective's prediction is
    /// [`FewStep::prediction`].
    ///
    /// The loss that is logged is the mean squared error before it is weighted, and the validation
    /// is that of flow matching, over steps without a duration.
    ///
    /// # Panics
    /// If the objective predicts something else.
    #[must_use]
    pub fn few_step(mut self, method: FewStep) -> Self {
        let own = self.flow.objective.prediction;
        assert_eq!(method.trained(own), own, "what {method} trains");
        let shown = self.flow.objective.preconditioning;
        let is_scaled = matches!(own, Prediction::Consistency { .. });
        assert!(
            is_scaled || !own.takes_duration() || shown == Preconditioning::None,
            "an average velocity is of the plain state and time, and not of {shown}"
        );
        self.few_step = method;
        self
    }

    /// The same, learning the velocity of this model in place of that of the pairs, where few steps
    /// are trained.
    #[must_use]
    pub fn teacher(mut self, teacher: Box<dyn Teacher<B::InnerBackend, D> + Send>) -> Self {
        self.teacher = Some(teacher);
        self
    }

    /// The same on these pairs of noise and data in place of those that the path draws of the data,
    /// of which a twentieth is held out. An order of its own visits them, and a flip does nothing to
    /// them; the coupling becomes [`Coupling::Given`].
    ///
    /// # Panics
    /// If there is no pair, or their samples are of another size than the data's.
    #[must_use]
    pub fn pairs(mut self, pairs: &Pairs) -> Self {
        assert!(!pairs.is_empty(), "there are no pairs to train on");
        assert_eq!(pairs.dim, self.task.training.dim(), "pairs of other data");
        self.pairs = Some(pairs.divided().map(Arc::new));
        self.flow.path.coupling = Coupling::Given;
        self
    }

    /// The same with another number of steps between two losses that are read.
    #[must_use]
    pub fn log_every(mut self, steps: u64) -> Self {
        self.log_every = steps;
        self
    }

    /// The same with another number of steps between two validations.
    #[must_use]
    pub fn validate_every(mut self, steps: u64) -> Self {
        self.validate_every = steps;
        self
    }

    /// The same, which may also resume from a checkpoint that was trained on other data.
    #[must_use]
    pub fn on_any_data(mut self) -> Self {
        self.any_data = true;
        self
    }

    /// Trains until `steps` steps have been taken in all, including those before a resume.
    ///
    /// # Errors
    /// [`TrainError`]: the loss diverged, the processes of a group do not fit together, or the error
    /// of the watcher.
    pub fn run<W>(&mut self, steps: u64, watcher: &mut W) -> Result<Outcome, TrainError>
    where
        W: Watcher<Self> + ?Sized,
    {
        self.check_group()?;
        watcher.started(self, steps)?;
        let mut batches = prefetch(self.batcher(), self.step, steps);
        let clock = Instant::now();
        let mut sum: Option<(Tensor<B::InnerBackend, 1>, u64)> = None;
        let (mut waited, mut logged) = (Duration::ZERO, clock);
        while self.step < steps {
            let start = Instant::now();
            let batch = batches.next().expect("every step up to the last");
            waited += start.elapsed();
            let next_step = self.step + 1;
            self.keeps_norm = next_step == steps || next_step.is_multiple_of(self.log_every);
            if self.keeps_norm {
                self.check_derivative(&batch)?;
            }
            let loss = self.step(&batch);
            sum = Some(match sum.take() {
                Some((sum, n)) => (sum + loss, n + 1),
                None => (loss, 1),
            });
            let next = self.group.agree(watcher.stepped(self));
            let (step, last) = (self.step, self.step == steps);
            let due = |every: u64| last || step.is_multiple_of(every);
            if next != Next::Continue || due(self.log_every) || due(self.validate_every) {
                let (sum, n) = sum.take().expect("a step was taken since the last log");
                let loss = sum.into_scalar().elem::<f64>() / n as f64;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged { loss, step });
                }
                let norm = self.gradient_norm.take();
                let norm = norm.map(|norm| norm.into_scalar().elem::<f64>());
                let seconds = logged.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
                let validates =
                    due(self.validate_every) && self.held_out() > 0 && self.group.leads();
                let record = Record {
                    step,
                    loss: Some(loss),
                    validation: validates.then(|| self.validate(self.validation())),
                    learning_rate: Some(self.learning_rate.at(step - 1)),
                    gradient_norm: norm,
                    samples_per_second: Some(n as f64 * self.batch as f64 / seconds),
                    waiting: Some((waited.as_secs_f64() / seconds).min(1.0)),
                    seconds: clock.elapsed().as_secs_f64(),
                };
                watcher.logged(self, &record)?;
                (waited, logged) = (Duration::ZERO, Instant::now());
            }
            if next == Next::Stop && !last {
                watcher.stopped(self)?;
                return Ok(Outcome::Interrupted { step });
            }
        }
        Ok(Outcome::Finished)
    }

    /// Takes one step, and returns the loss before it as a tensor on the device.
    pub fn step(&mut self, batch: &Batch) -> Tensor<B::InnerBackend, 1> {
        let precision = self.precision.unwrap_or_else(Precision::current);
        let (gradients, shown) = precision.within(|| self.gradients(batch));
        if self.keeps_norm {
            self.gradient_norm = Some(global_norm(&gradients));
        }
        let (parameters, network) = taken(self.flow.network.clone());
        // With the module that was there, the last other holder of the parameters goes.
        self.flow.network = network;
        let rate = self.learning_rate.at(self.step);
        let parameters = self.optimizer.step(parameters, gradients, rate);
        for average in [&mut self.average].into_iter().chain(&mut self.averages) {
            average.update(&parameters, self.step);
        }
        let tracked = parameters.into_iter().map(Tensor::from_inner).collect();
        self.flow.network = with_values(self.flow.network.clone(), tracked);
        self.step += 1;
        shown
    }

    /// The gradient of the loss of a batch, and the loss that is shown: sums over its parts, and over
    /// the processes.
    fn gradients(&self, batch: &Batch) -> (Vec<Inner<B>>, Inner<B>) {
        let few_step = self.few_step.has_loss().then(|| self.few_steps(batch));
        let of_part = |rows: Range<usize>| {
            let share = rows.len() as f64 / batch.len() as f64;
            let is_whole = rows.len() == batch.len();
            let dropout = self.noise.draws(Stream::Dropout, batch.step);
            let mut dropout = dropout.of_rows(rows.clone(), batch.len());
            let (part, flow) = match is_whole {
                true => (Cow::Borrowed(batch), Cow::Borrowed(&self.flow)),
                // The tape of a part has leaves of its own: with burn 0.21, gradients of leaves that
                // two tapes share came out wrong while other threads recorded.
                false => {
                    let network = as_leaves(&self.flow.network);
                    let flow = Flow {
                        network,
                        ..self.flow.clone()
                    };
                    (Cow::Owned(batch.part(rows.clone())), Cow::Owned(flow))
                }
            };
            let loss = || match &few_step {
                None => {
                    let own = self
                        .loss
                        .as_deref()
                        .map(|loss| loss as &dyn SampleLoss<B, D>);
                    let (shape, device) = (self.shape, &self.device);
                    let loss = batch_loss(&flow, &part, own, shape, device, Some(&mut dropout));
                    (loss.clone(), loss.inner())
                }
                Some((frozen, steps)) => {
                    let loss =
                        self.few_step_loss(&flow, frozen, &part, &steps.part(rows), &mut dropout);
                    (loss.loss, loss.error)
                }
            };
            let ((loss, shown), stages): (_, Stages<B>) = match self.checkpoints {
                true => recorded(loss),
                false => (loss(), Stages::default()),
            };
            let (loss, shown) = match is_whole {
                true => (loss, shown),
                false => (loss * share, shown * share),
            };
            // The tape of a part is gone before that of the next is recorded.
            let mut tape = loss.backward();
            stages.walk(&mut tape);
            (gradients::<B, N>(&flow.network, &mut tape), shown)
        };
        let parts = parts(self.group.rows(batch.len()), self.micro_batch).map(of_part);
        let sum = parts.reduce(|(sums, shown), (gradients, of_part)| {
            let sums = sums.into_iter().zip(gradients);
            (sums.map(|(sum, g)| sum + g).collect(), shown + of_part)
        });
        let (gradients, shown) = sum.expect("a batch holds at least 1 pair for every process");
        match self.group.size() {
            1 => (gradients, shown),
            _ => self.reduced(gradients, shown),
        }
    }

    /// The sums over the processes. Waits for the device.
    fn reduced(&self, gradients: Vec<Inner<B>>, shown: Inner<B>) -> (Vec<Inner<B>>, Inner<B>) {
        let dtype = shown.dtype();
        let all: Vec<_> = gradients.into_iter().chain([shown]).collect();
        let lengths: Vec<usize> = all.iter().map(|tensor| tensor.dims()[0]).collect();
        let values = joined(&all).into_data().convert::<f32>();
        let mut values = values.into_vec::<f32>().expect("converted just now");
        self.group.all_reduce(&mut values);
        let n = values.len();
        let sums = Tensor::from_data(TensorData::new(values, [n]), (&self.device, dtype));
        let mut sums = taken_apart(sums, &lengths);
        let shown = sums.pop().expect("the loss is the last");
        (sums, shown)
    }

    /// Refuses to train with processes that would take other steps.
    fn check_group(&self) -> Result<(), TrainError> {
        let (rank, processes) = (self.group.rank(), self.group.size());
        if processes == 1 {
            return Ok(());
        }
        let batch = self.batch;
        if batch < processes {
            return Err(TrainError::TooMany { batch, processes });
        }
        let own = self.fingerprint();
        match self.group.broadcast(own.clone()) == own {
            true => Ok(()),
            false => Err(TrainError::Apart { rank }),
        }
    }

    /// A digest of the data and of the state: of what files have given to this process.
    fn fingerprint(&self) -> Vec<u8> {
        let (data, latents) = (&self.about.data.digest, &self.about.latents);
        let numbers = (self.step, self.batch, self.noise.seed());
        let mut sha = Sha256::new();
        sha.update(format!("{numbers:?} {data:?} {latents:?}"));
        let parameters = inner(values(&self.flow.network));
        let moments = [&self.optimizer.first, &self.optimizer.second];
        let averages = self.averages.iter().map(|average| &average.values);
        let state = [&parameters, &self.average.values].into_iter();
        let state = state.chain(moments).chain(averages);
        for tensor in state.flatten() {
            sha.update(tensor.to_data().convert::<f32>().as_bytes());
        }
        sha.finalize().to_vec()
    }

    /// The network that makes the targets of few steps, and the steps of a batch, of random
    /// durations.
    fn few_steps(&self, batch: &Batch) -> (Flow<N::InnerModule>, Steps) {
        let frozen = match self.few_step.learns_from_average() {
            true => self.averaged(),
            false => self.flow.valid(),
        };
        let mut draws = self.noise.draws(Stream::Duration, batch.step);
        let (t, flow) = (batch.t.clone(), &self.flow);
        let prediction = flow.objective.prediction;
        let steps = (self.few_step).steps(batch.step, t, &flow.path, prediction, &mut draws);
        (frozen, steps)
    }

    /// Refuses to go on where the derivative in the targets is found by a difference that means
    /// nothing. Networks often start as the constant 0, which has no fast waves, so it is checked
    /// whenever losses are read.
    fn check_derivative(&self, batch: &Batch) -> Result<(), TrainError> {
        if self.few_step.derivative().is_none() {
            return Ok(());
        }
        let (frozen, steps) = self.few_steps(batch);
        // Each process judges rows of its own, and all agree on the worst.
        let Range { start, end } = self.group.rows(batch.len());
        let rows = start.max(end.saturating_sub(CHECKED))..end;
        let (batch, steps) = (batch.part(rows.clone()), steps.part(rows));
        let sample = points(&frozen.path, &batch, &steps.t, self.shape, &self.device);
        let network = &frozen.network;
        let disagreement = (self.few_step).disagreement(network, &sample, &steps, &batch.given);
        let mut all = vec![0.0_f32; self.group.size()];
        all[self.group.rank()] = disagreement.unwrap_or_default() as f32;
        self.group.all_reduce(&mut all);
        let disagreement = all.into_iter().map(f64::from).reduce(f64::max);
        match disagreement {
            Some(disagreement) if disagreement > MOST => Err(TrainError::Rough {
                disagreement,
                step: self.step,
            }),
            _ => Ok(()),
        }
    }

    /// The loss of these steps.
    fn few_step_loss(
        &self,
        flow: &Flow<N>,
        frozen: &Flow<N::InnerModule>,
        batch: &Batch,
        steps: &Steps,
        dropout: &mut Draws,
    ) -> FewStepLoss<B> {
        let sample = points::<B, D>(&flow.path, batch, &steps.t, self.shape, &self.device);
        let teacher = self
            .teacher
            .as_deref()
            .map(|teacher| teacher as &dyn Teacher<_, D>);
        let given = &batch.given;
        self.few_step
            .loss(flow, frozen, teacher, &sample, steps, given, Some(dropout))
    }

    /// The flow with the averaged parameters, on the inner backend.
    pub fn averaged(&self) -> Flow<N::InnerModule> {
        let network = with_values(self.flow.network.valid(), self.average.values.clone());
        self.flow.with_network(network)
    }

    /// The mean loss of the averaged model over these batches, without dropout; 0 for none. Waits
    /// for the device.
    pub fn validate(&self, batches: impl IntoIterator<Item = impl Borrow<Batch>>) -> f64 {
        let flow = self.averaged();
        // A custom loss takes tensors of the autodiff backend, so they are lifted there, untracked.
        let own = self.loss.as_deref().map(|loss| {
            move |output: Tensor<B::InnerBackend, D>, target: Tensor<B::InnerBackend, D>| {
                let (output, target) = (Tensor::from_inner(output), Tensor::from_inner(target));
                loss.per_sample(output, target).inner()
            }
        });
        let own = own
            .as_ref()
            .map(|loss| loss as &dyn SampleLoss<B::InnerBackend, D>);
        let (mut sum, mut n) = (0.0, 0);
        for batch in batches {
            let batch = batch.borrow();
            for rows in parts(batch.rows.clone(), self.micro_batch) {
                let share = rows.len() as f64 / batch.rows.len() as f64;
                let part = batch.part(rows);
                let loss = batch_loss(&flow, &part, own, self.shape, &self.device, None);
                sum += share * loss.into_scalar().elem::<f64>();
            }
            n += 1;
        }
        sum / f64::from(n.max(1))
    }

    /// The batcher that makes the training batches.
    pub fn batcher(&self) -> Batcher {
        Batcher {
            dataset: self.task.training.clone(),
            size: self.batch,
            path: self.flow.path.clone(),
            condition_dropout: self.condition_dropout,
            flip: self.flip,
            noise: self.noise,
            pairs: self.pairs.as_ref().map(|[training, _]| training.clone()),
            leaves_noise: makes_normals::<B>(),
            rows: self.group.rows(self.batch),
        }
    }

    /// The number of samples, or of given pairs, that are held out.
    fn held_out(&self) -> usize {
        match &self.pairs {
            Some([_, held_out]) => held_out.len(),
            None => self.task.validation.len(),
        }
    }

    /// As many complete batches as the held-out samples fill, up to [`VALIDATED`] samples; the same
    /// ones at every validation. They are made one by one: together they may not fit into memory.
    fn validation(&self) -> impl Iterator<Item = Batch> + use<B, N, D> {
        let dataset = &self.task.validation;
        let pairs = self.pairs.as_ref().map(|[_, held_out]| held_out.clone());
        let all = self.held_out();
        let size = self.batch.min(all).max(1);
        let batcher = Batcher {
            dataset: dataset.clone(),
            size,
            rows: 0..size,
            pairs,
            noise: self.noise.fork("validation"),
            condition_dropout: 0.0,
            flip: false,
            ..self.batcher()
        };
        let mut order = Order::default();
        let n = all.min(VALIDATED.max(batcher.size)) / batcher.size;
        (0..n as u64).map(move |step| batcher.batch(step, &mut order))
    }

    /// The model with the averaged parameters, on the inner backend, ready to sample and to save.
    pub fn model(&self) -> Model<N::InnerModule> {
        Model {
            flow: self.averaged(),
            about: self.header().about,
            weights: "ema".to_owned(),
            latents: self.task.latents.clone(),
        }
    }

    /// The header of a file that is written now.
    fn header(&self) -> ModelHeader {
        ModelHeader {
            path: self.flow.path.clone(),
            objective: self.flow.objective,
            about: About {
                step: self.step,
                ..self.about.clone()
            },
        }
    }

    /// Writes a checkpoint for [`Trainer::restore`], atomically. Waits for the device.
    ///
    /// # Errors
    /// [`CheckpointError`]: parameters that are not finite, or a folder that cannot be written. The
    /// old file is untouched then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        Checkpoint::<B::InnerBackend> {
            header: self.header(),
            config: self.config.clone(),
            model: inner(values(&self.flow.network)),
            average: self.average.clone(),
            averages: self.averages.clone(),
            first: self.optimizer.first.clone(),
            second: self.optimizer.second.clone(),
        }
        .save(path.as_ref(), &slots::<B, N>(&self.flow.network))
    }

    /// Writes a snapshot of the power-function averages.
    pub(super) fn save_snapshot(&self, path: &Path) -> Result<(), CheckpointError> {
        save_snapshot(
            path,
            self.header(),
            self.config.clone(),
            (self.average.law, &self.averages),
            &slots::<B, N>(&self.flow.network),
        )
    }

    /// Whether a power-function average is kept.
    pub(super) fn keeps_powers(&self) -> bool {
        let is_power = |average: &Average<_>| matches!(average.law, Law::Power(_));
        self.averages.iter().any(is_power)
    }

    /// Restores the trainer from a checkpoint. Training then continues bit for bit as if it had not
    /// been interrupted.
    ///
    /// # Errors
    /// [`CheckpointError`]: the file is missing, damaged, edited, not a checkpoint, of another
    /// network, or of a trainer with another seed or other averages. The trainer is untouched then.
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        let slots = slots::<B, N>(&self.flow.network);
        let checkpoint = Checkpoint::<B::InnerBackend>::load(path, &slots, &self.device)?;
        let about = &checkpoint.header.about;
        let mismatch = |reason: String| CheckpointError::Mismatch {
            path: path.display().to_string(),
            reason,
        };
        let (found, seed) = (about.seed, self.noise.seed());
        if found != seed {
            return Err(mismatch(format!(
                "it was saved with seed {found}, not {seed}"
            )));
        }
        let (header, own) = (&checkpoint.header, self.header());
        for (what, agrees) in [
            ("path", header.path == own.path),
            ("objective", header.objective == own.objective),
            (
                "data",
                self.any_data || about.data.digest == own.about.data.digest,
            ),
            ("set of latents", about.latents == own.about.latents),
        ] {
            if !agrees {
                return Err(mismatch(format!("it was trained on another {what}")));
            }
        }
        let laws = |main: &Average<_>, further: &[Average<_>]| -> Vec<String> {
            let all = [main].into_iter().chain(further);
            all.map(|average| average.law.to_string()).collect()
        };
        let kept = laws(&checkpoint.average, &checkpoint.averages);
        let asked = laws(&self.average, &self.averages);
        if kept != asked {
            let (kept, asked) = (kept.join(", "), asked.join(", "));
            return Err(mismatch(format!(
                "it keeps the averages {kept}, not {asked}"
            )));
        }
        let tracked = checkpoint.model.into_iter().map(Tensor::from_inner);
        self.flow.network = with_values(self.flow.network.clone(), tracked.collect());
        self.average = checkpoint.average;
        self.averages = checkpoint.averages;
        self.optimizer.first = checkpoint.first;
        self.optimizer.second = checkpoint.second;
        self.optimizer.steps = about.step;
        self.step = about.step;
        Ok(())
    }

    /// The device that the model is trained on.
    pub fn device(&self) -> &B::Device {
        &self.device
    }
}

/// A parameter, or a loss, without a tape.
type Inner<B> = Tensor<<B as AutodiffBackend>::InnerBackend, 1>;

/// These rows, in parts of at most this many.
fn parts(rows: Range<usize>, most: Option<usize>) -> impl Iterator<Item = Range<usize>> {
    let most = most.unwrap_or(rows.len()).max(1);
    let end = rows.end;
    rows.step_by(most)
        .map(move |first| first..end.min(first.saturating_add(most)))
}

/// The tensors on the inner backend, without a tape.
fn inner<B: AutodiffBackend>(tensors: Vec<Tensor<B, 1>>) -> Vec<Tensor<B::InnerBackend, 1>> {
    tensors.into_iter().map(Tensor::inner).collect()
}
