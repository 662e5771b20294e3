//! A network, the path it is trained on, and what it learns there.
//!
//! `L(θ) = E[w(t)·‖N_θ(c_in·x_t, c_noise) − target(x0, x1, t)‖²]`; sampling integrates
//! `dX = u_θ(X, t) dt` from `σ(0)·x0`
//!
//! Source: Lipman et al. 2023 (flow matching), eq. 14; Ho et al. 2020 and Song et al. 2021 for the
//! same with noise and score.

use crate::condition::Condition;
use crate::ddpm::{ReverseStep, variational_term};
use crate::endpoints::Endpoints;
use crate::field::{BatchField, Denoiser, LearnedVariance, VectorField, velocity_with_score_of};
use crate::flow_map::FlowMap;
use crate::loss::SampleLoss;
use crate::network::Network;
use crate::noise::Draws;
use crate::objective::{Objective, VarianceLoss};
use crate::path::{Path, PathSample};
use crate::per_sample::PerSample;
use crate::preconditioning::Preconditioning;
use crate::prediction::Prediction;
use crate::schedule::{Coefficients, Schedule, least_noise};
use crate::weighting::Weighting;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, HasAutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

/// A generative model: a network, its path, and what it learns there.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn::module::{Module, Param};
/// use burn::tensor::{Tensor, backend::Backend};
/// use burn_ndarray::NdArray;
/// use pyroclast_core::{endpoints::Endpoints, field::VectorField, flow::Flow, network::Network};
/// use pyroclast_core::path::Path;
///
/// /// `u = c·x`, with one parameter.
/// #[derive(Module, Debug)]
/// struct Linear<B: Backend> {
///     c: Param<Tensor<B, 2>>,
/// }
///
/// impl<B: Backend> Network<B, 2> for Linear<B> {
///     type Condition = ();
///
///     fn forward(&self, x: Tensor<B, 2>, _: Tensor<B, 1>, (): &()) -> Tensor<B, 2> {
///         x * self.c.val()
///     }
/// }
///
/// type B = Autodiff<NdArray>;
/// let device = Default::default();
/// let network = Linear { c: Param::from_tensor(Tensor::<B, 2>::full([1, 1], 0.5, &device)) };
/// let flow = Flow::velocity(network, Path::optimal_transport());
///
/// let points = |value| Tensor::<B, 2>::full([4, 3], value, &device);
/// let ends = Endpoints { x0: points(0.0), x1: points(2.0) };
/// let sample = flow.path.sample(ends, None, &[0.1, 0.3, 0.5, 0.7]);
/// let gradients = flow.loss(sample, &(), None).backward();
/// assert!(flow.network.c.grad(&gradients).is_some());
///
/// let model = flow.valid(); // without autodiff, as one samples
/// let u = model.unconditional().velocity(0.5, Tensor::ones([1, 3], &device));
/// assert_eq!(u.into_data().to_vec::<f32>().unwrap(), [0.5; 3]);
/// ```
#[derive(Debug, Clone)]
pub struct Flow<N> {
    /// The function that is trained.
    pub network: N,
    /// The path it is trained on.
    pub path: Path,
    /// What it learns there.
    pub objective: Objective,
}

impl<N> Flow<N> {
    /// A network that learns this objective on this path.
    pub fn new(network: N, path: Path, objective: Objective) -> Self {
        Self {
            network,
            path,
            objective,
        }
    }

    /// A network that predicts the velocity: flow matching (Lipman et al. 2023).
    pub fn velocity(network: N, path: Path) -> Self {
        Self::new(network, path, Objective::new(Prediction::Velocity))
    }

    /// A network that predicts the data x1.
    pub fn data(network: N, path: Path) -> Self {
        Self::new(network, path, Objective::new(Prediction::Data))
    }

    /// A network that predicts the noise x0 (Ho et al. 2020).
    pub fn noise(network: N, path: Path) -> Self {
        Self::new(network, path, Objective::new(Prediction::Noise))
    }

    /// A network that predicts the score `−x0/σ` (Song & Ermon 2019).
    pub fn score(network: N, path: Path) -> Self {
        Self::new(network, path, Objective::new(Prediction::Score))
    }

    /// A network that predicts `v = αx0 − σx1` (Salimans & Ho 2022).
    pub fn v(network: N, path: Path) -> Self {
        Self::new(network, path, Objective::new(Prediction::V))
    }

    /// A network of twice the channels that predicts the velocity and the score of a bridge: SF2M
    /// (Tong et al. 2024).
    pub fn velocity_and_score(network: N, path: Path) -> Self {
        Self::new(network, path, Objective::new(Prediction::VelocityAndScore))
    }

    /// A preconditioned network as EDM trains it, for data of this standard deviation (Karras et
    /// al. 2022).
    pub fn edm(network: N, path: Path, sigma_data: f64) -> Self {
        Self::new(network, path, Objective::edm(sigma_data))
    }

    /// The same model with another network.
    pub fn with_network<M>(&self, network: M) -> Flow<M> {
        Flow {
            network,
            path: self.path.clone(),
            objective: self.objective,
        }
    }

    /// The loss of a batch: a mean over samples and elements, of shape `[1]`.
    ///
    /// `mean_b w(t_b)·mean‖N_θ(x_t, t) − target‖²`, and where the objective trains the variance,
    /// `+ λ·T·mean_b L_{k_b}`: the bound in nats per dimension through the variance alone
    ///
    /// Where the score of a bridge is learned too, `+ mean‖(2γ_t/s²)·N'_θ(x_t, t) + z‖²`, for the
    /// half N' of the output that stands for `½s²·∇log p_t`: the conditional score is `−z/γ_t`. Its
    /// weight takes the place of w.
    ///
    /// Source: Lipman et al. 2023, eq. 14; Nichol & Dhariwal 2021, eq. 16; Tong et al. 2024
    /// (SF2M), §3.
    ///
    /// On a path with γ > 0, noise, score, data and v are still read off the endpoints; only the
    /// velocity includes the bridge.
    ///
    /// `dropout` holds the masks of a training pass; without it the network runs as in evaluation.
    ///
    /// # Panics
    /// Where the variance is trained: if the path is no chain, a time is not one of its, up to
    /// rounding, or the network's output does not have twice the channels of the state. Where the
    /// score is learned: if the path has no noise between its endpoints, or the output does not have
    /// twice the channels.
    pub fn loss<B: Backend, const D: usize>(
        &self,
        sample: PathSample<B, D>,
        condition: &N::Condition,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, 1>
    where
        N: Network<B, D>,
    {
        let (output, half) = self.of_sample(&sample, condition, dropout);
        let squares = |a: Tensor<B, D>, b: Tensor<B, D>| (a - b).square().mean();
        let beside = self.beside(&sample, &output, half, squares);
        let (coefficients, target) = self.target(sample);
        let error = (output - target).square();
        let loss = match self.objective.weighting {
            Weighting::Uniform => error.mean(),
            _ => {
                let per_sample = PerSample::like(&error);
                let weights = coefficients.iter().map(|&c| self.weight(c));
                (error * per_sample.tensor(weights)).mean()
            }
        };
        match beside {
            Some(beside) => loss + beside,
            None => loss,
        }
    }

    /// [`Flow::loss`] with another measure of the error than its square.
    ///
    /// `mean_b w(t_b)·ℓ(N_θ(x_t, t), target)`
    ///
    /// # Panics
    /// As [`Flow::loss`].
    pub fn loss_by<B: Backend, const D: usize>(
        &self,
        loss: &(impl SampleLoss<B, D> + ?Sized),
        sample: PathSample<B, D>,
        condition: &N::Condition,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, 1>
    where
        N: Network<B, D>,
    {
        let (output, half) = self.of_sample(&sample, condition, dropout);
        let own = |a: Tensor<B, D>, b: Tensor<B, D>| loss.per_sample(a, b).mean();
        let beside = self.beside(&sample, &output, half, own);
        let (coefficients, target) = self.target(sample);
        let per_sample = PerSample::like(&output);
        let losses = loss.per_sample(output, target);
        let weights = coefficients.iter().map(|&c| self.weight(c));
        let loss = (losses * per_sample.flat(weights)).mean();
        match beside {
            Some(beside) => loss + beside,
            None => loss,
        }
    }

    fn weight(&self, c: Coefficients) -> f64 {
        self.objective.weighting.at(c, self.objective.prediction)
    }

    /// What the network should have put out, with the coefficients that it is weighted by.
    fn target<B: Backend, const D: usize>(
        &self,
        sample: PathSample<B, D>,
    ) -> (Vec<Coefficients>, Tensor<B, D>) {
        // A velocity's target is the path's own derivative, which includes γ; the others are read
        // off the endpoints.
        let target = match self.objective.prediction {
            prediction if prediction.is_velocity() => sample.d_x_t,
            other => other.target(&sample.coefficients, sample.endpoints),
        };
        (sample.coefficients, target)
    }

    /// The part of the loss that trains the other half of the output, where the objective has one.
    fn beside<B: Backend, const D: usize>(
        &self,
        sample: &PathSample<B, D>,
        output: &Tensor<B, D>,
        half: Option<Tensor<B, D>>,
        measure: impl FnOnce(Tensor<B, D>, Tensor<B, D>) -> Tensor<B, 1>,
    ) -> Option<Tensor<B, 1>> {
        if !self.objective.prediction.learns_score() {
            return self.bound(sample, output, half);
        }
        let z = sample.z.clone();
        let z = z.expect("a score is learned on a path with noise between its endpoints");
        let half = half.expect("a network that learns the score has twice the channels");
        let (gamma, s) = (self.path.gamma, self.path.gamma.scale());
        let weights = sample.t.iter().map(|&t| 2.0 * gamma.at(t).0 / (s * s));
        let half = half * PerSample::like(&z).tensor(weights);
        Some(measure(half, -z))
    }

    /// The variational part of the loss, where the objective has one.
    fn bound<B: Backend, const D: usize>(
        &self,
        sample: &PathSample<B, D>,
        output: &Tensor<B, D>,
        variance: Option<Tensor<B, D>>,
    ) -> Option<Tensor<B, 1>> {
        let VarianceLoss::Hybrid { weight, decoder } = self.objective.variance else {
            return None;
        };
        let table = (self.path.schedule.table()).expect("a variance is learned on a chain's path");
        let steps: Vec<ReverseStep> = (sample.t.iter())
            .map(|&t| {
                let k = table.exact_index(t);
                table.reverse_step(k.expect("a chain is trained at the times of its indices"))
            })
            .collect();
        // The mean is trained by the simple loss alone.
        let x1 = (self.objective.prediction).data_rows(
            &sample.coefficients,
            sample.x_t.clone(),
            output.clone().detach(),
        );
        let bound = variational_term(
            &steps,
            table.floor(),
            decoder.unwrap_or_default(),
            sample.endpoints.x1.clone(),
            sample.x_t.clone(),
            x1,
            variance.expect("a network that learns the variance has twice the channels"),
        );
        Some(bound.mean() * (weight * table.steps() as f64))
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

    /// The network's output for steps of these durations, with a time for each sample.
    ///
    /// # Panics
    /// If the network takes no duration.
    pub(crate) fn over<B: Backend, const D: usize>(
        &self,
        t: &[f64],
        durations: &[f64],
        x: Tensor<B, D>,
        condition: &N::Condition,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, D>
    where
        N: Network<B, D>,
    {
        let per_sample = PerSample::like(&x);
        let coefficients: Vec<_> = t.iter().map(|&t| self.path.schedule.at(t)).collect();
        let (x, time) = self.shown(t, &coefficients, x);
        let input = self.objective.preconditioning;
        let durations = per_sample.flat(durations.iter().map(|&d| input.duration(d)));
        (self.network).forward_over(x, time, durations, condition, dropout)
    }

    /// What the network is shown of states, and of their times.
    fn shown<B: Backend, const D: usize>(
        &self,
        t: &[f64],
        coefficients: &[Coefficients],
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, 1>) {
        let (per_sample, input) = (PerSample::like(&x), self.objective.preconditioning);
        let times = t.iter().zip(coefficients).map(|(&t, &c)| input.time(t, c));
        let time = per_sample.flat(times);
        let x = match input {
            Preconditioning::None => x,
            input => x * per_sample.tensor(coefficients.iter().map(|&c| input.scale(c))),
        };
        (x, time)
    }

    /// [`Prediction::end_shares`] at a time.
    pub(crate) fn end_shares(&self, t: f64) -> (f64, f64) {
        let schedule = &self.path.schedule;
        let least = least_noise(schedule);
        (self.objective.prediction).end_shares(schedule.at(t), 1.0 - t, least)
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
        let (x, time) = self.shown(t, coefficients, x);
        match dropout {
            Some(draws) => self.network.forward_training(x, time, condition, draws),
            None => self.network.forward(x, time, condition),
        }
    }

    /// The field of this model under a condition.
    pub fn given<'a, B: Backend, const D: usize>(
        &'a self,
        condition: &N::Condition,
    ) -> Conditioned<'a, N, N::Condition>
    where
        N: Network<B, D>,
    {
        Conditioned {
            flow: self,
            condition: condition.clone(),
        }
    }

    /// The field of this model under no condition.
    pub fn unconditional<B: Backend, const D: usize>(&self) -> Conditioned<'_, N, N::Condition>
    where
        N: Network<B, D>,
    {
        Conditioned {
            flow: self,
            condition: N::Condition::default(),
        }
    }

    /// The same model without autodiff.
    pub fn valid<A: AutodiffBackend>(&self) -> Flow<N::InnerModule>
    where
        N: AutodiffModule<A>,
    {
        self.with_network(self.network.valid())
    }

    /// The same model lifted to `Autodiff<B>`, as divergences need.
    pub fn tracked<B: Backend>(self) -> Flow<N::TrainModule>
    where
        N: Module<B> + HasAutodiffModule<Autodiff<B>>,
    {
        Flow {
            network: AutodiffModule::from_inner(self.network),
            path: self.path,
            objective: self.objective,
        }
    }

    /// Whether an SDE with the marginals of this model can be solved: the path determines the score
    /// ([`Path::knows_score`]), or the network has learned it.
    pub fn knows_score(&self) -> bool {
        self.path.knows_score() || self.objective.prediction.learns_score()
    }

    /// The interval of t on which the velocity is finite: [`Prediction::span`] on the path's
    /// schedule.
    pub fn span(&self) -> (f64, f64) {
        self.objective.prediction.span(&self.path.schedule)
    }
}

/// A model under a condition: a velocity field and a denoiser.
#[derive(Debug, Clone)]
pub struct Conditioned<'a, N, C> {
    flow: &'a Flow<N>,
    condition: C,
}

impl<N, C> Conditioned<'_, N, C> {
    /// The prediction, and the other half of the output, where there is one.
    fn output<B: Backend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Option<Tensor<B, D>>)
    where
        N: Network<B, D, Condition = C>,
    {
        let shape = x.dims();
        let (x, time) = self.shown(t, x);
        halves(self.flow.network.forward(x, time, &self.condition), shape)
    }

    /// The output for a step of this duration.
    fn over<B: Backend, const D: usize>(
        &self,
        t: f64,
        duration: f64,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        N: Network<B, D, Condition = C>,
    {
        let input = self.flow.objective.preconditioning;
        let (x, time) = self.shown(t, x);
        let duration = for_all(input.duration(duration), &x);
        (self.flow.network).forward_over(x, time, duration, &self.condition, None)
    }

    /// What the network is shown of states at one time.
    fn shown<B: Backend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, 1>)
    where
        N: Network<B, D, Condition = C>,
    {
        let input = self.flow.objective.preconditioning;
        let c = self.flow.path.schedule.at(t);
        let time = for_all(input.time(t, c), &x);
        let x = match input {
            Preconditioning::None => x,
            input => x * input.scale(c),
        };
        (x, time)
    }

    /// The velocity, and `½s²·∇log p_t`, of a network that learns both.
    fn halves<B: Backend, const D: usize>(&self, t: f64, x: Tensor<B, D>) -> [Tensor<B, D>; 2]
    where
        N: Network<B, D, Condition = C>,
    {
        let (velocity, score) = self.output(t, x);
        let score = score.expect("a network that learns the score has twice the channels");
        [velocity, score]
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
        let c = self.flow.path.schedule.at(t);
        (
            self.flow.objective.prediction.decode(c, x, output),
            variance,
        )
    }
}

/// One number for each sample of a batch.
fn for_all<B: Backend, const D: usize>(value: f64, x: &Tensor<B, D>) -> Tensor<B, 1> {
    let data = TensorData::from([value]).convert_dtype(x.dtype());
    Tensor::<B, 1>::from_data(data, (&x.device(), x.dtype())).expand([x.dims()[0]])
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

impl<B, N, C, const D: usize> VectorField<B, D> for Conditioned<'_, N, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.flow.objective.prediction.is_velocity() {
            return self.output(t, x).0;
        }
        Prediction::Velocity.encode(self.flow.path.schedule.at(t), self.decoded(t, x).0)
    }

    fn flow_map(&self) -> Option<&dyn FlowMap<B, D>> {
        let knows = self.flow.objective.prediction.takes_duration();
        knows.then_some(self)
    }
}

/// `X(t, r, x) = x + (r − t)·u_θ(x, t, r)`; of a consistency function, `X(t, 1, x) = f_θ(x, t)`
///
/// # Panics
/// If the network takes no duration, if r < t, since the training has only steps towards the data,
/// or if a consistency function on EDM's clock is asked for a time r that is neither t nor 1.
impl<B, N, C, const D: usize> FlowMap<B, D> for Conditioned<'_, N, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
{
    fn map(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if t == r
            || !matches!(
                self.flow.objective.prediction,
                Prediction::Consistency { .. }
            )
        {
            return x.clone() + self.average_velocity(t, r, x) * (r - t);
        }
        assert!(
            (r - 1.0).abs() < 1e-9,
            "a consistency function leads to the data, and not from t = {t} to {r}"
        );
        let (own, of_output) = self.flow.end_shares(t);
        let output = self.over(t, 1.0 - t, x.clone());
        x * own + output * of_output
    }

    fn average_velocity(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        assert!(
            t <= r,
            "a model of few steps has learned steps towards the data, and none back from t = {t} \
             to {r}"
        );
        match self.flow.objective.prediction {
            Prediction::Consistency { .. } if t == r => self.velocity(t, x),
            Prediction::Consistency { .. } => (self.map(t, r, x.clone()) - x) * (r - t).recip(),
            prediction => self.over(t, prediction.duration(r - t), x),
        }
    }
}

/// Each row has the condition of its sample.
impl<B, N, C, const D: usize> BatchField<B, D> for Conditioned<'_, N, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
    C: Condition<B>,
{
    fn velocities(&self, t: &[f64], x: Tensor<B, D>, rows: &[usize]) -> Tensor<B, D> {
        let condition = self.condition.select(rows);
        let coefficients: Vec<_> = t.iter().map(|&t| self.flow.path.schedule.at(t)).collect();
        let output = (self.flow).rows(t, &coefficients, x.clone(), &condition, None);
        let (output, _) = halves(output, x.dims());
        match self.flow.objective.prediction {
            prediction if prediction.is_velocity() => output,
            prediction => prediction.velocity_rows(&coefficients, x, output),
        }
    }
}

impl<B, N, C, const D: usize> Denoiser<B, D> for Conditioned<'_, N, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
{
    fn schedule(&self) -> &dyn Schedule {
        &self.flow.path.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.decoded(t, x).0.x1
    }

    fn is_defined(&self, t: f64) -> bool {
        let c = self.flow.path.schedule.at(t);
        match self.flow.objective.prediction {
            Prediction::Noise | Prediction::Score | Prediction::ScaledScore => c.alpha > 0.0,
            Prediction::Velocity
            | Prediction::VelocityAndScore
            | Prediction::AverageVelocity { .. } => c.delta().is_finite() && c.delta() != 0.0,
            Prediction::Data
            | Prediction::V
            | Prediction::Edm { .. }
            | Prediction::Consistency { .. } => true,
        }
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.decoded(t, x).0
    }

    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        match Denoiser::<B, D>::bridge_diffusion(self) {
            Some(s) => {
                let [_, score] = self.halves(t, x);
                score * (2.0 / (s * s))
            }
            None => {
                let sigma = self.flow.path.schedule.at(t).sigma;
                self.noise(t, x) * (-1.0 / sigma)
            }
        }
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        match Denoiser::<B, D>::bridge_diffusion(self) {
            Some(s) => {
                let [velocity, score] = self.halves(t, x);
                velocity + score * (2.0 * rate / (s * s))
            }
            None => {
                let c = self.flow.path.schedule.at(t);
                velocity_with_score_of(c, self.endpoints(t, x), rate)
            }
        }
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        let learned = self.flow.objective.prediction.learns_score();
        learned.then(|| self.flow.path.gamma.scale())
    }
}

impl<B, N, C, const D: usize> LearnedVariance<B, D> for Conditioned<'_, N, C>
where
    B: Backend,
    N: Network<B, D, Condition = C>,
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
