//! What can be integrated: velocity fields, stochastic differential equations, denoisers.
//!
//! `dX = u_t(X) dt` · `dX = f_t(X) dt + g_t(X) dW` · `x̂1 = E[x1 | x_t = x]`
//!
//! A trained network, an exact field and a closure all implement these traits, so every solver runs
//! on every one of them. Axis 0 of a state is the batch.

use crate::endpoints::Endpoints;
use crate::flow_map::FlowMap;
use crate::prediction::Prediction;
use crate::schedule::{Coefficients, Schedule};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::cell::Cell;

/// A velocity field, the right-hand side of an ODE.
///
/// `dX/dt = u_t(X)`
///
/// Implemented for closures `|t: f64, x: Tensor<B, D>| …`.
///
/// # Shapes
/// - x: `[batch, …]`, and the velocity alike
pub trait VectorField<B: Backend, const D: usize> {
    /// `u_t(x)`.
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// The map of this field from time to time, if it knows that without a solver.
    fn flow_map(&self) -> Option<&dyn FlowMap<B, D>> {
        None
    }
}

impl<B, F, const D: usize> VectorField<B, D> for F
where
    B: Backend,
    F: Fn(f64, Tensor<B, D>) -> Tensor<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self(t, x)
    }
}

/// A velocity field that takes one time per sample, for solvers in which each sample of a batch
/// takes steps of its own.
///
/// `dX_i/dt = u_{t_i}(X_i)`
///
/// # Shapes
/// - t: one time per row, on the host; x: `[rows, …]`, and the velocity alike
/// - rows: which samples of the batch these are, ascending: a field with parameters of its own a
///   sample picks them by these
pub trait BatchField<B: Backend, const D: usize> {
    /// The velocity of each row at its own time.
    fn velocities(&self, t: &[f64], x: Tensor<B, D>, rows: &[usize]) -> Tensor<B, D>;
}

/// The integral that `g dW` is read as.
pub trait Calculus: sealed::Sealed {
    /// c in the second-order term `½g·g'·(ΔW² − c·h)` of the stochastic Taylor expansion.
    const CORRECTION: f64;
}

/// `∫ g dW` takes g at the left of each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ito;

/// `∫ g ∘ dW` takes the mean of g over each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratonovich;

/// g does not depend on the state, so that both integrals agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Additive;

impl Calculus for Ito {
    const CORRECTION: f64 = 1.0;
}
impl Calculus for Stratonovich {
    const CORRECTION: f64 = 0.0;
}
impl Calculus for Additive {
    const CORRECTION: f64 = 0.0;
}

/// A calculus that a method for Itô equations can solve: Itô's, and additive noise.
pub trait AsIto: Calculus {}
impl AsIto for Ito {}
impl AsIto for Additive {}

/// A calculus that a method for Stratonovich equations can solve: Stratonovich's, and additive
/// noise.
pub trait AsStratonovich: Calculus {}
impl AsStratonovich for Stratonovich {}
impl AsStratonovich for Additive {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ito {}
    impl Sealed for super::Stratonovich {}
    impl Sealed for super::Additive {}
}

/// The factor g of the noise at one time and state.
#[derive(Debug, Clone)]
pub enum Diffusion<B: Backend, const D: usize> {
    /// One number for the whole batch.
    Level(f64),
    /// One number per coordinate, of the state's shape.
    Diagonal(Tensor<B, D>),
}

impl<B: Backend, const D: usize> Diffusion<B, D> {
    /// `g·w`. For a diagonal g, w may have one entry per sample (scalar noise), which all its
    /// coordinates share.
    pub fn times(&self, w: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Level(g) => w * *g,
            Self::Diagonal(g) => g.clone() * w,
        }
    }
}

/// A stochastic differential equation.
///
/// `dX = f_t(X) dt + g_t(X) dW`, in the sense of [`Sde::Calculus`]
///
/// Noise is diagonal (coordinate i has its own `W_i`, and `g_i` depends on `x_i` alone), or scalar
/// (all coordinates of a sample share one W), or additive (g depends on the time alone); methods of
/// an order above ½ need one of these.
pub trait Sde<B: Backend, const D: usize> {
    /// [`Ito`], [`Stratonovich`], or [`Additive`].
    type Calculus: Calculus;

    /// `f_t(x)`.
    fn drift(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// `g_t(x)`. For an [`Additive`] equation it must not depend on x.
    fn diffusion(&self, t: f64, x: &Tensor<B, D>) -> Diffusion<B, D>;

    /// The shape of dW for states of a shape: the same for diagonal noise, `[batch, 1, …]` for
    /// scalar noise.
    fn brownian_shape(&self, state: [usize; D]) -> [usize; D] {
        state
    }
}

/// A density that is known up to a constant: what Markov chains sample from.
pub trait LogDensity<B: Backend, const D: usize> {
    /// `ln p(x)`, up to a constant: `[batch]`.
    fn log_density(&self, x: Tensor<B, D>) -> Tensor<B, 1>;

    /// `∇ ln p(x)`.
    fn score(&self, x: Tensor<B, D>) -> Tensor<B, D>;
}

/// A denoiser: the posterior mean of the data given a noisy state, under a schedule.
///
/// `x̂1 = E[x1 | x_t = x]`, `x̂0 = E[x0 | x_t = x] = (x − αx̂1)/σ`, `∇log p_t(x) = −x̂0/σ`
///
/// A wrapper that changes x̂1 (guidance, clipping, inpainting) overrides `denoise` and `endpoints`:
/// samplers ask for either.
pub trait Denoiser<B: Backend, const D: usize> {
    /// The schedule of the path that is denoised.
    fn schedule(&self) -> &dyn Schedule;

    /// `x̂1(x, t)`.
    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// Whether x̂1 can be found at t: not where the schedule has no signal and the model predicts
    /// noise or score, nor where it predicts the velocity and `Δ = α̇σ − σ̇α` is 0 or not finite.
    fn is_defined(&self, t: f64) -> bool {
        let _ = t;
        true
    }

    /// Both endpoints of the path through x, for one evaluation: `x̂1` and
    /// `x̂0 = (x − αx̂1)/σ`. Where σ = 0 the default has x̂0 = 0, like [`Endpoints::of_data`];
    /// implementors with a better answer override it.
    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let x1 = self.denoise(t, x.clone());
        Endpoints::of_data(self.schedule().at(t), x, x1)
    }

    /// `x̂0(x, t)`.
    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x0
    }

    /// The score `∇log p_t(x) = −x̂0/σ`. Not finite where σ = 0.
    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let sigma = self.schedule().at(t).sigma;
        self.noise(t, x) * (-1.0 / sigma)
    }

    /// `u_t(x) + c·∇log p_t(x)` with the rate c, for one evaluation: the drift of the SDE with noise g
    /// that has the marginals of the field, for `c = ½g²` forward and `c = −½g²` backward in time.
    ///
    /// The default reads both off the endpoints ([`velocity_with_score_of`]). A field that knows the
    /// score of a bridge, which they do not tell, says so here and in
    /// [`Denoiser::bridge_diffusion`].
    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        velocity_with_score_of(self.schedule().at(t), self.endpoints(t, x), rate)
    }

    /// The diffusion s of the bridges whose score the field knows; none for a field whose score is
    /// that of its endpoints.
    fn bridge_diffusion(&self) -> Option<f64> {
        None
    }
}

/// `u + c·∇log p` from endpoints: `u = α̇x̂1 + σ̇x̂0`, `∇log p = −x̂0/σ`.
pub fn velocity_with_score_of<B: Backend, const D: usize>(
    c: Coefficients,
    ends: Endpoints<B, D>,
    rate: f64,
) -> Tensor<B, D> {
    let noise = ends.x0.clone() * (rate / c.sigma);
    Prediction::Velocity.encode(c, ends) - noise
}

/// A denoiser that also says how far the variance of a reverse step lies between its bounds.
///
/// `ln Σ = w·ln β' + (1 − w)·ln β̃, w = (v + 1)/2`
///
/// Source: Nichol & Dhariwal 2021, eq. 15; v in about [−1, 1] is what the network puts out.
pub trait LearnedVariance<B: Backend, const D: usize>: Denoiser<B, D> {
    /// Both endpoints and v, for one evaluation.
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>);
}

/// A field that counts its evaluations (the text's NFE).
///
/// Every call of the wrapped field's velocity, drift, denoiser, endpoints, noise or score counts
/// one.
#[derive(Debug)]
pub struct Counted<'a, F: ?Sized> {
    field: &'a F,
    evaluations: Cell<usize>,
}

impl<'a, F: ?Sized> Counted<'a, F> {
    /// Starts counting at zero.
    pub fn new(field: &'a F) -> Self {
        Self {
            field,
            evaluations: Cell::new(0),
        }
    }

    /// How often the field has been evaluated.
    pub fn evaluations(&self) -> usize {
        self.evaluations.get()
    }

    fn count(&self) -> &'a F {
        self.evaluations.set(self.evaluations.get() + 1);
        self.field
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> VectorField<B, D>
    for Counted<'_, F>
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().velocity(t, x)
    }

    fn flow_map(&self) -> Option<&dyn FlowMap<B, D>> {
        self.field.flow_map().is_some().then_some(self)
    }
}

/// # Panics
/// If the field knows no flow map.
impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> FlowMap<B, D> for Counted<'_, F> {
    fn map(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let map = self.count().flow_map();
        map.expect("a field that knows its flow map").map(t, r, x)
    }
}

impl<B: Backend, F: Sde<B, D> + ?Sized, const D: usize> Sde<B, D> for Counted<'_, F> {
    type Calculus = F::Calculus;

    fn drift(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().drift(t, x)
    }

    fn diffusion(&self, t: f64, x: &Tensor<B, D>) -> Diffusion<B, D> {
        self.field.diffusion(t, x)
    }

    fn brownian_shape(&self, state: [usize; D]) -> [usize; D] {
        self.field.brownian_shape(state)
    }
}

impl<B: Backend, F: Denoiser<B, D> + ?Sized, const D: usize> Denoiser<B, D> for Counted<'_, F> {
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().denoise(t, x)
    }

    fn is_defined(&self, t: f64) -> bool {
        self.field.is_defined(t)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.count().endpoints(t, x)
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().noise(t, x)
    }

    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().score(t, x)
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        self.count().velocity_with_score(t, x, rate)
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        self.field.bridge_diffusion()
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for Counted<'_, F>
where
    B: Backend,
    F: LearnedVariance<B, D> + ?Sized,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        self.count().endpoints_and_variance(t, x)
    }
}
