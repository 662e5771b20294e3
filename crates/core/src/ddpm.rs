//! Discrete diffusion: a table of β, the posterior between any two of its steps, and the bound on
//! the likelihood.
//!
//! `q(x_k | x_{k−1}) = N(√(1 − β_k)·x_{k−1}, β_k·I)`, `q(x_k | x1) = N(√ᾱ_k·x1, (1 − ᾱ_k)·I)`,
//! `ᾱ_k = ∏_{i≤k}(1 − β_i)`
//!
//! Source: Ho, Jain & Abbeel 2020; Nichol & Dhariwal 2021; Kingma et al. 2021 (VDM) for steps
//! between any two times.
//!
//! The field's index k counts from the least noise; here it is turned into the library's time once,
//! by [`BetaTable::time`]: `t = 1 − (k + 1)/T`, so that k = T − 1 is t = 0 and t = 1, "k = −1", is
//! clean data. A table is a [`Schedule`](crate::schedule::Schedule): a flow trains on it, and every
//! solver runs on it.
//!
//! A [`Spacing`] picks the steps that a sampler visits, a [`Transition`] is one of its steps, a
//! [`Variance`] how much noise the step adds. [`elbo`] is the bound of any denoiser on any
//! schedule, [`expected_bound`] the same from expected errors, and [`variational_term`] the share
//! of it that trains a learned variance.

mod bound;
mod decoder;
mod expected;
mod hybrid;
mod kl;
mod spacing;
mod transition;
mod variance;

pub use crate::schedule::{BetaTable, TableError};
pub use bound::{Bound, elbo};
pub use decoder::{Decoder, Lattice, discretised_log_likelihood, log_bin_probability};
pub use expected::expected_bound;
pub use hybrid::{ReverseStep, variational_term};
pub use kl::{base_std, kl_gaussians, prior_kl};
pub use spacing::{End, Spacing};
pub use transition::Transition;
pub use variance::{Variance, interpolated_log_variance};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The sum over all axes but the batch: `[batch, …]` → `[batch]`.
fn sum_rows<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    let (batch, dim) = (x.dims()[0], dimension(&x));
    x.reshape([batch, dim]).sum_dim(1).squeeze_dim(1)
}

/// The number of elements of one sample.
fn dimension<B: Backend, const D: usize>(x: &Tensor<B, D>) -> usize {
    x.dims()[1..].iter().product()
}
