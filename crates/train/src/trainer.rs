//! One training step after another.
//!
//! `θ ← AdamW(θ, ∇L(θ; batch_k))`, `θ̄ ← EMA(θ̄, θ)`
//!
//! A step queues its work and returns: the loss stays on the device until somebody asks for its value.

use crate::batch::Batch;
use crate::ema::{Average, Ema};
use crate::optimizer::{AdamW, LearningRate};
use crate::parameters::{gradients, values, with_values};
use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Int, Tensor, TensorData};
use pyroclast_core::flow::{Flow, Variational};
use pyroclast_core::interpolant::{Gamma, Interpolant};
use pyroclast_core::network::{Labels, Network};
use pyroclast_core::noise::{Draws, Noise, Stream};
use pyroclast_core::prediction::Endpoints;
use pyroclast_core::schedule::Schedule;
use pyroclast_core::weighting::Weighting;

/// What a training step does with a batch.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Noise of the path between its ends.
    pub gamma: Gamma,
    /// Weighting of the error over time.
    pub weighting: Weighting,
    /// The second part of the loss, where the network learns the variance of a chain's reverse step.
    pub variational: Option<Variational>,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// The run's noise: dropout masks come from it.
    pub noise: Noise,
}

/// A model in training, with the memory of its optimizer and its moving average.
#[derive(Debug)]
pub struct Trainer<B: AutodiffBackend, N, S, const D: usize> {
    /// The model.
    pub flow: Flow<N, S>,
    /// The optimizer's memory.
    pub optimizer: AdamW<B::InnerBackend>,
    /// The average of the parameters, which is what one samples from.
    pub ema: Ema<B::InnerBackend>,
    /// Further averages; none unless they are set.
    pub averages: Vec<Average<B::InnerBackend>>,
    /// Steps taken.
    pub step: u64,
    recipe: Recipe,
    shape: [usize; D],
    device: B::Device,
}

impl<B, N, S, const D: usize> Trainer<B, N, S, D>
where
    B: AutodiffBackend,
    N: Network<B, D, Condition = Labels<B>> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D, Condition = Labels<B::InnerBackend>>,
    S: Schedule + Clone,
{
    /// Before the first step. `sample` is the shape of one sample, of rank D − 1.
    ///
    /// # Panics
    /// If the rank of `sample` is not D − 1.
    pub fn new(
        flow: Flow<N, S>,
        optimizer: AdamW<B::InnerBackend>,
        ema: Ema<B::InnerBackend>,
        recipe: Recipe,
        sample: &[usize],
        device: B::Device,
    ) -> Self {
        assert_eq!(
            sample.len() + 1,
            D,
            "a batch has one axis more than a sample"
        );
        let mut shape = [0; D];
        shape[1..].copy_from_slice(sample);
        Self {
            flow,
            optimizer,
            ema,
            averages: Vec::new(),
            step: 0,
            recipe,
            shape,
            device,
        }
    }

    /// One step; gives the loss before it, still on the device.
    pub fn step(&mut self, batch: &Batch) -> Tensor<B::InnerBackend, 1> {
        let mut dropout = self.recipe.noise.draws(Stream::Dropout, batch.step);
        let loss = batch_loss(
            &self.flow,
            batch,
            &self.recipe,
            self.shape,
            &self.device,
            Some(&mut dropout),
        );
        let mut tape = loss.backward();
        let gradients = gradients::<B, N>(&self.flow.network, &mut tape);
        let parameters = values(&self.flow.network)
            .into_iter()
            .map(Tensor::inner)
            .collect();
        let rate = self.recipe.learning_rate.at(self.step);
        let parameters = self.optimizer.step(parameters, gradients, rate);
        self.ema.update(&parameters, self.step);
        for average in &mut self.averages {
            average.update(&parameters, self.step);
        }
        let tracked = parameters.into_iter().map(Tensor::from_inner).collect();
        self.flow.network = with_values(self.flow.network.clone(), tracked);
        self.step += 1;
        loss.inner()
    }

    /// The model with the averaged parameters, without autodiff.
    pub fn averaged(&self) -> Flow<N::InnerModule, S> {
        Flow {
            network: with_values(self.flow.network.valid(), self.ema.values.clone()),
            schedule: self.flow.schedule.clone(),
            prediction: self.flow.prediction,
            input: self.flow.input,
        }
    }

    /// The mean loss of the averaged model over some batches, without dropout. Waits for the device.
    pub fn validate(&self, batches: &[Batch]) -> f64 {
        let flow = self.averaged();
        let losses = batches.iter().map(|batch| {
            let loss = batch_loss::<B::InnerBackend, _, _, D>(
                &flow,
                batch,
                &self.recipe,
                self.shape,
                &self.device,
                None,
            );
            loss.into_scalar().elem::<f64>()
        });
        losses.sum::<f64>() / batches.len().max(1) as f64
    }

    /// The device of the model.
    pub fn device(&self) -> &B::Device {
        &self.device
    }
}

/// The loss of a host batch: the upload, the path, the network, the error.
fn batch_loss<B, N, S, const D: usize>(
    flow: &Flow<N, S>,
    batch: &Batch,
    recipe: &Recipe,
    sample: [usize; D],
    device: &B::Device,
    dropout: Option<&mut Draws>,
) -> Tensor<B, 1>
where
    B: Backend,
    N: Network<B, D, Condition = Labels<B>>,
    S: Schedule,
{
    let mut shape = sample;
    shape[0] = batch.t.len();
    let upload = |values: &[f32]| -> Tensor<B, D> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    };
    let labels: Labels<B> = batch.labels.as_ref().map(|labels| {
        Tensor::<B, 1, Int>::from_data(TensorData::new(labels.clone(), [labels.len()]), device)
    });
    let path = Interpolant {
        schedule: &flow.schedule,
        gamma: recipe.gamma,
    };
    let ends = Endpoints {
        x0: upload(&batch.x0),
        x1: upload(&batch.x1),
    };
    let points = path.sample(ends, batch.z.as_deref().map(upload), &batch.t);
    match &recipe.variational {
        None => flow.loss(points, &labels, recipe.weighting, dropout),
        Some(part) => flow.hybrid_loss(points, &labels, recipe.weighting, part, dropout),
    }
}
