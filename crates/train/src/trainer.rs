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
use burn::tensor::{ElementConversion, Tensor, TensorData};
use pyroclast_core::condition::Condition;
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::flow::Flow;
use pyroclast_core::loss::SampleLoss;
use pyroclast_core::network::Network;
use pyroclast_core::noise::{Draws, Noise, Stream};

/// A model in training, with the memory of its optimizer and its moving average.
pub struct Trainer<B: AutodiffBackend, N, const D: usize> {
    /// The model.
    pub flow: Flow<N>,
    /// The optimizer's memory.
    pub optimizer: AdamW<B::InnerBackend>,
    /// The average of the parameters, which is what one samples from.
    pub ema: Ema<B::InnerBackend>,
    /// Further averages; none unless they are set.
    pub averages: Vec<Average<B::InnerBackend>>,
    /// Steps taken.
    pub step: u64,
    /// A measure of each sample's error in place of its square; none unless it is set.
    pub loss: Option<Box<dyn SampleLoss<B, D> + Send>>,
    learning_rate: LearningRate,
    noise: Noise,
    shape: [usize; D],
    device: B::Device,
}

impl<B, N, const D: usize> Trainer<B, N, D>
where
    B: AutodiffBackend,
    N: Network<B, D> + AutodiffModule<B>,
    N::InnerModule: Network<B::InnerBackend, D>,
{
    /// Before the first step. `noise` gives the dropout masks; `sample` is the shape of one sample, of rank D − 1.
    ///
    /// # Panics
    /// If the rank of `sample` is not D − 1.
    pub fn new(
        flow: Flow<N>,
        optimizer: AdamW<B::InnerBackend>,
        ema: Ema<B::InnerBackend>,
        learning_rate: LearningRate,
        noise: Noise,
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
            loss: None,
            learning_rate,
            noise,
            shape,
            device,
        }
    }

    /// One step; gives the loss before it, still on the device.
    pub fn step(&mut self, batch: &Batch) -> Tensor<B::InnerBackend, 1> {
        let mut dropout = self.noise.draws(Stream::Dropout, batch.step);
        let loss = batch_loss(
            &self.flow,
            batch,
            (self.loss.as_deref()).map(|loss| loss as &dyn SampleLoss<B, D>),
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
        let rate = self.learning_rate.at(self.step);
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
    pub fn averaged(&self) -> Flow<N::InnerModule> {
        let network = with_values(self.flow.network.valid(), self.ema.values.clone());
        self.flow.with_network(network)
    }

    /// The mean loss of the averaged model over some batches, without dropout. Waits for the device.
    pub fn validate(&self, batches: &[Batch]) -> f64 {
        let flow = self.averaged();
        // The user's loss is one of the training backend: its inputs are lifted there, without a tape.
        let own = self.loss.as_deref().map(|loss| {
            move |output: Tensor<B::InnerBackend, D>, target: Tensor<B::InnerBackend, D>| {
                let (output, target) = (Tensor::from_inner(output), Tensor::from_inner(target));
                loss.per_sample(output, target).inner()
            }
        });
        let own = own
            .as_ref()
            .map(|loss| loss as &dyn SampleLoss<B::InnerBackend, D>);
        let losses = batches.iter().map(|batch| {
            let loss = batch_loss(&flow, batch, own, self.shape, &self.device, None);
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
fn batch_loss<B, N, const D: usize>(
    flow: &Flow<N>,
    batch: &Batch,
    own: Option<&dyn SampleLoss<B, D>>,
    sample: [usize; D],
    device: &B::Device,
    dropout: Option<&mut Draws>,
) -> Tensor<B, 1>
where
    B: Backend,
    N: Network<B, D>,
{
    let mut shape = sample;
    shape[0] = batch.t.len();
    let upload = |values: &[f32]| -> Tensor<B, D> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    };
    let condition = N::Condition::upload(&batch.given, device);
    let ends = Endpoints {
        x0: upload(&batch.x0),
        x1: upload(&batch.x1),
    };
    let z = batch.z.as_deref().map(upload);
    let points = flow.path.sample(ends, z, &batch.t);
    match own {
        None => flow.loss(points, &condition, dropout),
        Some(own) => flow.loss_by(own, points, &condition, dropout),
    }
}
