//! What can be integrated: velocity fields, stochastic differential equations, denoisers.
//!
//! `dX = u_t(X) dt` · `dX = f_t(X) dt + g_t dW` · `x̂1 = E[x1 | x_t = x]`
//!
//! A trained network, an exact field and a closure all implement these traits, so every solver runs on every one of them.
//! Axis 0 of a state is the batch.

use crate::schedule::Schedule;
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

/// An Itô stochastic differential equation with additive noise.
///
/// `dX = f_t(X) dt + g_t dW`
pub trait Sde<B: Backend, const D: usize> {
    /// `f_t(x)`.
    fn drift(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// `g_t ≥ 0`.
    fn diffusion(&self, t: f64) -> f64;
}

/// A denoiser: the posterior mean of the data given a noisy state, under a schedule.
///
/// `x̂1 = E[x1 | x_t = x]`, `x̂0 = E[x0 | x_t = x] = (x − αx̂1)/σ`, `∇log p_t(x) = −x̂0/σ`
pub trait Denoiser<B: Backend, const D: usize> {
    /// The schedule of the path that is denoised.
    fn schedule(&self) -> &dyn Schedule;

    /// `x̂1(x, t)`.
    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// `x̂0(x, t)`. Where σ = 0 the default divides by zero; implementors that know better override it.
    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.schedule().at(t);
        let x1 = self.denoise(t, x.clone());
        (x - x1 * c.alpha) / c.sigma
    }

    /// The score `∇log p_t(x) = −x̂0/σ`. Not finite where σ = 0.
    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let sigma = self.schedule().at(t).sigma;
        self.noise(t, x) * (-1.0 / sigma)
    }
}

/// A field that counts its evaluations (the text's NFE).
///
/// Every call of the wrapped field's velocity, drift, denoiser or noise counts one.
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
}

impl<B: Backend, F: Sde<B, D> + ?Sized, const D: usize> Sde<B, D> for Counted<'_, F> {
    fn drift(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().drift(t, x)
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.field.diffusion(t)
    }
}

impl<B: Backend, F: Denoiser<B, D> + ?Sized, const D: usize> Denoiser<B, D> for Counted<'_, F> {
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().denoise(t, x)
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.count().noise(t, x)
    }
}
