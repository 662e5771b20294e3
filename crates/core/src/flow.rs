//! A network, the schedule it was trained under, and what it predicts.
//!
//! `L(θ) = E[w(t)·‖N_θ(x_t, t) − target(x0, x1, t)‖²]`; sampling integrates `dX = u_θ(X, t) dt` from `σ(0)·x0`
//!
//! Source: Lipman et al. 2023 (flow matching), eq. 14; Ho et al. 2020 and Song et al. 2021 for the same with noise and score.

use crate::coefficients::PerSample;
use crate::field::{BatchField, Denoiser, VectorField};
use crate::interpolant::PathSample;
use crate::network::{Labels, Network};
use crate::noise::Draws;
use crate::prediction::{Endpoints, Prediction};
use crate::schedule::Schedule;
use crate::weighting::Weighting;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, HasAutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

/// How far from a singular end of the schedule a solver starts or stops (Song et al. 2021, appendix C).
const MARGIN: f64 = 1e-3;

/// A generative model.
#[derive(Debug, Clone)]
pub struct Flow<N, S> {
    /// The function that is trained.
    pub network: N,
    /// The path it is trained on.
    pub schedule: S,
    /// What its output means.
    pub prediction: Prediction,
}

impl<N, S: Schedule> Flow<N, S> {
    /// The conditional flow matching loss of a batch: a mean over samples and elements, of shape `[1]`.
    ///
    /// `mean_b w(t_b)·mean‖N_θ(x_t, t) − target‖²`
    ///
    /// On a path with γ > 0, noise, score, data and v are still read off the ends; the velocity alone knows of the bridge.
    ///
    /// `dropout` holds the masks of a training pass; without it the network runs as in evaluation.
    pub fn loss<B: Backend, const D: usize>(
        &self,
        sample: PathSample<B, D>,
        condition: &N::Condition,
        weighting: Weighting,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, 1>
    where
        N: Network<B, D>,
    {
        let per_sample = PerSample::like(&sample.x_t);
        let t = per_sample.flat(sample.t.iter().copied());
        let output = match dropout {
            Some(draws) => self
                .network
                .forward_training(sample.x_t, t, condition, draws),
            None => self.network.forward(sample.x_t, t, condition),
        };
        // A velocity's target is the path's own derivative, which knows of γ; the others are read off the ends.
        let target = match self.prediction {
            Prediction::Velocity => sample.d_x_t,
            other => other.target(&sample.coefficients, sample.ends),
        };
        let error = (output - target).square();
        if matches!(weighting, Weighting::Uniform) {
            return error.mean();
        }
        let weights = sample
            .coefficients
            .iter()
            .map(|&c| weighting.at(c, self.prediction));
        (error * per_sample.tensor(weights)).mean()
    }

    /// The field of this model under a condition.
    pub fn given<'a, B: Backend, const D: usize>(
        &'a self,
        condition: &'a N::Condition,
    ) -> Conditioned<'a, N, S, N::Condition>
    where
        N: Network<B, D>,
    {
        Conditioned {
            flow: self,
            condition,
        }
    }

    /// The same model without autodiff.
    pub fn valid<A: AutodiffBackend>(&self) -> Flow<N::InnerModule, S>
    where
        N: AutodiffModule<A>,
        S: Clone,
    {
        Flow {
            network: self.network.valid(),
            schedule: self.schedule.clone(),
            prediction: self.prediction,
        }
    }

    /// The same model on the autodiff backend over its own: what a divergence is found of.
    pub fn tracked<B: Backend>(self) -> Flow<N::TrainModule, S>
    where
        N: Module<B> + HasAutodiffModule<Autodiff<B>>,
    {
        Flow {
            network: AutodiffModule::from_inner(self.network),
            schedule: self.schedule,
            prediction: self.prediction,
        }
    }

    /// The interval of t on which the velocity is finite: [0, 1], less 10⁻³ at an end where the schedule or the prediction
    /// is singular. The margin is one of t: for a schedule whose noise is large, such as EDM's, give a solver a grid of its own.
    pub fn span(&self) -> (f64, f64) {
        let regular = |t| self.prediction.is_regular(self.schedule.at(t));
        (
            if regular(0.0) { 0.0 } else { MARGIN },
            if regular(1.0) { 1.0 } else { 1.0 - MARGIN },
        )
    }
}

/// A model under a condition: a velocity field and a denoiser.
#[derive(Debug, Clone, Copy)]
pub struct Conditioned<'a, N, S, C> {
    flow: &'a Flow<N, S>,
    condition: &'a C,
}

impl<N, S: Schedule, C> Conditioned<'_, N, S, C> {
    fn output<B: Backend, const D: usize>(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>
    where
        N: Network<B, D, Condition = C>,
    {
        let data = TensorData::from([t]).convert_dtype(x.dtype());
        let time = Tensor::<B, 1>::from_data(data, (&x.device(), x.dtype())).expand([x.dims()[0]]);
        self.flow.network.forward(x, time, self.condition)
    }

    fn endpoints<B: Backend, const D: usize>(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D>
    where
        N: Network<B, D, Condition = C>,
    {
        let output = self.output(t, x.clone());
        self.flow
            .prediction
            .decode(self.flow.schedule.at(t), x, output)
    }
}

impl<B, N, S, C, const D: usize> VectorField<B, D> for Conditioned<'_, N, S, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
    S: Schedule,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        match self.flow.prediction {
            Prediction::Velocity => self.output(t, x),
            _ => Prediction::Velocity.encode(self.flow.schedule.at(t), self.endpoints(t, x)),
        }
    }
}

/// The labels are picked by the rows.
impl<B, N, S, const D: usize> BatchField<B, D> for Conditioned<'_, N, S, Labels<B>>
where
    B: Backend,
    N: Network<B, D, Condition = Labels<B>>,
    S: Schedule,
{
    fn velocities(&self, t: &[f64], x: Tensor<B, D>, rows: &[usize]) -> Tensor<B, D> {
        let per_sample = PerSample::like(&x);
        let labels = self.condition.as_ref().map(|labels| {
            let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
            let rows = TensorData::new(rows, [t.len()]);
            labels
                .clone()
                .select(0, Tensor::from_data(rows, &x.device()))
        });
        let times = per_sample.flat(t.iter().copied());
        let output = self.flow.network.forward(x.clone(), times, &labels);
        match self.flow.prediction {
            Prediction::Velocity => output,
            prediction => {
                let coefficients: Vec<_> = t.iter().map(|&t| self.flow.schedule.at(t)).collect();
                prediction.velocity_rows(&coefficients, x, output)
            }
        }
    }
}

impl<B, N, S, C, const D: usize> Denoiser<B, D> for Conditioned<'_, N, S, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
    S: Schedule,
{
    fn schedule(&self) -> &dyn Schedule {
        &self.flow.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x1
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x0
    }
}
