//! The variational bound on the negative log-likelihood of a denoiser.
//!
//! `−ln p(x1) ≤ L_T + Σ L_{t−1} + L_0`, `L_{t−1} = E KL(q(x_s | x_t, x1) ‖ p(x_s | x_t))`,
//! `L_0 = −E ln p(x1 | x_t)`

use super::decoder::discretised_log_likelihood;
use super::{Decoder, Transition, Variance, base_std, dimension, kl_gaussians, sum_rows};
use crate::field::Denoiser;
use crate::noise::Draws;
use crate::per_sample::from_host;
use crate::schedule::Coefficients;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::f64::consts::{LN_2, TAU};

/// The terms of a bound, in nats per sample: `[batch]` each, still on the device.
#[derive(Debug, Clone)]
pub struct Bound<B: Backend> {
    /// L_T: the information about the data that the noisiest state keeps.
    pub prior: Tensor<B, 1>,
    /// L_{t−1}, from the noisiest step on.
    pub terms: Vec<Tensor<B, 1>>,
    /// L_0: the reconstruction after the last step.
    pub reconstruction: Tensor<B, 1>,
}

impl<B: Backend> Bound<B> {
    /// `L_T + Σ L_{t−1} + L_0` in nats: `[batch]`.
    pub fn total(&self) -> Tensor<B, 1> {
        let ends = self.prior.clone() + self.reconstruction.clone();
        self.terms.iter().fold(ends, |sum, term| sum + term.clone())
    }

    /// The total in bits per dimension, of samples of `dim` dimensions: `[batch]`.
    pub fn bits_per_dimension(&self, dim: usize) -> Tensor<B, 1> {
        self.total() * (dim as f64 * LN_2).recip()
    }
}

/// An unbiased estimate of the bound of a denoiser on given data: one draw of x_t for each term,
/// all independent.
///
/// `p(x_s | x_t) = N(c₁·x̂1 + c_t·x_t, Σ)` with the coefficients of [`Transition`], and Σ the
/// variance asked for
///
/// Source: Ho et al. 2020, eq. 5; Kingma et al. 2021 (VDM), eq. 11, for any schedule and any times.
///
/// `times` ascend, from where sampling starts (t = 0, or a table's
/// [`times`](super::BetaTable::times)) to where its result counts as data, mostly t = 1. The
/// last interval is the reconstruction: its mean is that of the posterior, which at t = 1 is x̂1,
/// and its variance β' whatever the other intervals have, since β̃ is 0 there.
///
/// The prior is N(0, [`base_std`]²): Ho et al.'s N(0, I) where the variance is preserved, although
/// samplers start from σ·x0 there too.
///
/// One evaluation per interval. Nothing is read from the device.
///
/// # Shapes
/// - x1: `[batch, …]`
///
/// # Panics
/// If there are fewer than two times, or they do not go from noise to data.
pub fn elbo<B: Backend, F: Denoiser<B, D> + ?Sized, const D: usize>(
    field: &F,
    times: &[f64],
    x1: Tensor<B, D>,
    variance: Variance,
    decoder: Decoder,
    draws: &mut Draws,
) -> Bound<B> {
    assert!(
        times.len() > 1,
        "{times:?} hold no interval; give two times"
    );
    let schedule = field.schedule();
    let coefficients: Vec<Coefficients> = times.iter().map(|&t| schedule.at(t)).collect();
    let last = times.len() - 2;
    let mut terms = Vec::with_capacity(last);
    for (&t, ends) in times.iter().zip(coefficients.windows(2)).take(last) {
        let transition = Transition::between(ends[0], ends[1]);
        let (_, predicted) = visit(field, t, ends[0], &x1, draws);
        terms.push(divergence(&transition, variance, x1.clone() - predicted));
    }
    let transition = Transition::between(coefficients[last], coefficients[last + 1]);
    let (x_t, predicted) = visit(field, times[last], coefficients[last], &x1, draws);
    let mean = posterior_mean(&transition, x_t, predicted);
    Bound {
        prior: prior(coefficients[0], x1.clone()),
        terms,
        reconstruction: reconstruction(x1, mean, transition.variance, decoder),
    }
}

/// A state of the path at t, and the field's x̂1 there.
fn visit<B: Backend, F: Denoiser<B, D> + ?Sized, const D: usize>(
    field: &F,
    t: f64,
    c: Coefficients,
    x1: &Tensor<B, D>,
    draws: &mut Draws,
) -> (Tensor<B, D>, Tensor<B, D>) {
    let noise = draws.scaled_normal_tensor(c.sigma, x1.dims(), &x1.device(), x1.dtype());
    let x_t = x1.clone() * c.alpha + noise;
    (x_t.clone(), field.denoise(t, x_t))
}

/// `c₁·x̂1 + c_t·x_t`
fn posterior_mean<B: Backend, const D: usize>(
    transition: &Transition,
    x_t: Tensor<B, D>,
    x1: Tensor<B, D>,
) -> Tensor<B, D> {
    let of_data = x1 * transition.coef_x1;
    // The step to clean data has no share of x_t.
    match transition.coef_xt {
        0.0 => of_data,
        share => of_data + x_t * share,
    }
}

/// The KL of a sample: the means differ by `c₁·(x1 − x̂1)`.
fn divergence<B: Backend, const D: usize>(
    transition: &Transition,
    variance: Variance,
    error: Tensor<B, D>,
) -> Tensor<B, 1> {
    let of_step = variance.at(transition);
    let spread = dimension(&error) as f64 * kl_gaussians(0.0, transition.small, of_step);
    sum_rows(error.square()) * (0.5 * transition.coef_x1.powi(2) / of_step) + spread
}

fn prior<B: Backend, const D: usize>(c: Coefficients, x1: Tensor<B, D>) -> Tensor<B, 1> {
    let base = base_std(c).powi(2);
    let spread = dimension(&x1) as f64 * kl_gaussians(0.0, c.sigma * c.sigma, base);
    sum_rows(x1.square()) * (0.5 * c.alpha * c.alpha / base) + spread
}

fn reconstruction<B: Backend, const D: usize>(
    x1: Tensor<B, D>,
    mean: Tensor<B, D>,
    variance: f64,
    decoder: Decoder,
) -> Tensor<B, 1> {
    match decoder {
        Decoder::Continuous => {
            let spread = 0.5 * dimension(&x1) as f64 * (TAU * variance).ln();
            sum_rows((x1 - mean).square()) * (0.5 / variance) + spread
        }
        Decoder::Discretised(lattice) => {
            let log_std = vec![0.5 * variance.ln()];
            let log_std = from_host(log_std, [1; D], &x1.device(), x1.dtype());
            discretised_log_likelihood(x1, mean, log_std, lattice).neg()
        }
    }
}
