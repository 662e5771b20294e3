//! A network, the schedule it was trained under, and what it predicts.
//!
//! `L(θ) = E[w(t)·‖N_θ(c_in·x_t, c_noise) − target(x0, x1, t)‖²]`; sampling integrates `dX = u_θ(X, t) dt` from `σ(0)·x0`
//!
//! Source: Lipman et al. 2023 (flow matching), eq. 14; Ho et al. 2020 and Song et al. 2021 for the same with noise and score.

use crate::coefficients::PerSample;
use crate::ddpm::{BetaTable, Decoder, ReverseStep, variational_term};
use crate::field::{BatchField, Denoiser, LearnedVariance, VectorField};
use crate::input::Input;
use crate::interpolant::PathSample;
use crate::network::{Labels, Network};
use crate::noise::Draws;
use crate::prediction::{Endpoints, Prediction};
use crate::schedule::{Coefficients, Schedule};
use crate::weighting::Weighting;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, HasAutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// The second part of a hybrid loss.
#[derive(Debug, Clone)]
pub struct Variational {
    /// The chain.
    pub table: Arc<BetaTable>,
    /// What the last step is held against.
    pub decoder: Decoder,
    /// λ.
    pub weight: f64,
}

/// A generative model.
#[derive(Debug, Clone)]
pub struct Flow<N, S> {
    /// The function that is trained.
    pub network: N,
    /// The path it is trained on.
    pub schedule: S,
    /// What its output means. An output of twice as many channels (axis 1) as the state has the prediction in its first half, and in its
    /// second how the variance of a reverse step is interpolated ([`LearnedVariance`]).
    pub prediction: Prediction,
    /// What it is shown.
    pub input: Input,
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
        let output = self.of_sample(&sample, condition, dropout).0;
        self.error(sample, output, weighting)
    }

    /// The hybrid loss of a chain whose reverse variance is learned.
    ///
    /// `L_simple + λ·T·mean_b L_{k_b}`: [`Flow::loss`], and the variational bound in nats per dimension through the variance alone
    ///
    /// Source: Nichol & Dhariwal 2021, eq. 16.
    ///
    /// # Panics
    /// If the network's output does not have twice the channels of the state, or a time is not one of the chain's, up to rounding.
    pub fn hybrid_loss<B: Backend, const D: usize>(
        &self,
        sample: PathSample<B, D>,
        condition: &N::Condition,
        weighting: Weighting,
        chain: &Variational,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, 1>
    where
        N: Network<B, D>,
    {
        let table = &*chain.table;
        let (output, variance) = self.of_sample(&sample, condition, dropout);
        let steps: Vec<ReverseStep> = (sample.t.iter())
            .map(|&t| {
                let k = table.exact_index(t);
                table.reverse_step(k.expect("a chain is trained at the times of its indices"))
            })
            .collect();
        // The mean is trained by the simple loss alone.
        let x1 = (self.prediction).data_rows(
            &sample.coefficients,
            sample.x_t.clone(),
            output.clone().detach(),
        );
        let bound = variational_term(
            &steps,
            table.floor(),
            chain.decoder,
            sample.ends.x1.clone(),
            sample.x_t.clone(),
            x1,
            variance.expect("a network that learns the variance has twice the channels"),
        );
        let simple = self.error(sample, output, weighting);
        simple + bound.mean() * (chain.weight * table.steps() as f64)
    }

    /// The prediction for a training batch, and the other half of the output, where there is one.
    fn of_sample<B: Backend, const D: usize>(
        &self,
        sample: &PathSample<B, D>,
        condition: &N::Condition,
        dropout: Option<&mut Draws>,
    ) -> (Tensor<B, D>, Option<Tensor<B, D>>)
    where
        N: Network<B, D>,
    {
        let output = self.rows(
            &sample.t,
            &sample.coefficients,
            sample.x_t.clone(),
            condition,
            dropout,
        );
        halves(output, sample.x_t.dims())
    }

    /// The weighted squared error of a prediction.
    fn error<B: Backend, const D: usize>(
        &self,
        sample: PathSample<B, D>,
        output: Tensor<B, D>,
        weighting: Weighting,
    ) -> Tensor<B, 1> {
        let per_sample = PerSample::like(&sample.x_t);
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

    /// The network's output with a time for each sample.
    fn rows<B: Backend, const D: usize>(
        &self,
        t: &[f64],
        coefficients: &[Coefficients],
        x: Tensor<B, D>,
        condition: &N::Condition,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, D>
    where
        N: Network<B, D>,
    {
        let per_sample = PerSample::like(&x);
        let both = || t.iter().zip(coefficients);
        let time = per_sample.flat(both().map(|(&t, &c)| self.input.time(t, c)));
        let x = match self.input {
            Input::Plain => x,
            input => x * per_sample.tensor(coefficients.iter().map(|&c| input.scale(c))),
        };
        match dropout {
            Some(draws) => self.network.forward_training(x, time, condition, draws),
            None => self.network.forward(x, time, condition),
        }
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
            input: self.input,
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
            input: self.input,
        }
    }

    /// The interval of t on which the velocity is finite: [`Prediction::span`] on the model's schedule.
    pub fn span(&self) -> (f64, f64) {
        self.prediction.span(&self.schedule)
    }
}

/// A model under a condition: a velocity field and a denoiser.
#[derive(Debug, Clone, Copy)]
pub struct Conditioned<'a, N, S, C> {
    flow: &'a Flow<N, S>,
    condition: &'a C,
}

impl<N, S: Schedule, C> Conditioned<'_, N, S, C> {
    /// The prediction, and the other half of the output, where there is one.
    fn output<B: Backend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Option<Tensor<B, D>>)
    where
        N: Network<B, D, Condition = C>,
    {
        let (shape, input, c) = (x.dims(), self.flow.input, self.flow.schedule.at(t));
        let data = TensorData::from([input.time(t, c)]).convert_dtype(x.dtype());
        let time = Tensor::<B, 1>::from_data(data, (&x.device(), x.dtype())).expand([shape[0]]);
        let x = match input {
            Input::Plain => x,
            input => x * input.scale(c),
        };
        halves(self.flow.network.forward(x, time, self.condition), shape)
    }

    fn decoded<B: Backend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
    ) -> (Endpoints<B, D>, Option<Tensor<B, D>>)
    where
        N: Network<B, D, Condition = C>,
    {
        let (output, variance) = self.output(t, x.clone());
        let c = self.flow.schedule.at(t);
        (self.flow.prediction.decode(c, x, output), variance)
    }
}

/// An output of twice the channels, in its two halves; any other as it is.
fn halves<B: Backend, const D: usize>(
    output: Tensor<B, D>,
    shape: [usize; D],
) -> (Tensor<B, D>, Option<Tensor<B, D>>) {
    let channels = shape[1];
    if output.dims()[1] != 2 * channels {
        return (output, None);
    }
    let variance = output.clone().narrow(1, channels, channels);
    (output.narrow(1, 0, channels), Some(variance))
}

impl<B, N, S, C, const D: usize> VectorField<B, D> for Conditioned<'_, N, S, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
    S: Schedule,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        match self.flow.prediction {
            Prediction::Velocity => self.output(t, x).0,
            _ => Prediction::Velocity.encode(self.flow.schedule.at(t), self.decoded(t, x).0),
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
        let labels = self.condition.as_ref().map(|labels| {
            let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
            let rows = TensorData::new(rows, [t.len()]);
            labels
                .clone()
                .select(0, Tensor::from_data(rows, &x.device()))
        });
        let coefficients: Vec<_> = t.iter().map(|&t| self.flow.schedule.at(t)).collect();
        let output = (self.flow).rows(t, &coefficients, x.clone(), &labels, None);
        let (output, _) = halves(output, x.dims());
        match self.flow.prediction {
            Prediction::Velocity => output,
            prediction => prediction.velocity_rows(&coefficients, x, output),
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
        self.decoded(t, x).0.x1
    }

    fn is_defined(&self, t: f64) -> bool {
        let c = self.flow.schedule.at(t);
        match self.flow.prediction {
            Prediction::Noise | Prediction::Score => c.alpha > 0.0,
            Prediction::Velocity => c.delta().is_finite() && c.delta() != 0.0,
            Prediction::Data | Prediction::V | Prediction::Edm { .. } => true,
        }
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.decoded(t, x).0
    }
}

impl<B, N, S, C, const D: usize> LearnedVariance<B, D> for Conditioned<'_, N, S, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
    S: Schedule,
{
    /// # Panics
    /// If the network's output does not have twice the channels of the state.
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let (ends, variance) = self.decoded(t, x);
        (
            ends,
            variance.expect("a network that learns the variance has twice the channels"),
        )
    }
}
