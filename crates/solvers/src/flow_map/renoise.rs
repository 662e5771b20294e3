//! Jumps to the data, and back to the noise of the next time.
//!
//! `x̂1 = X(t, 1, x_t)`, `x_s = α_s·x̂1 + σ_s·z`, z ~ N(0, I)
//!
//! Source: Song et al. 2023 (consistency models), algorithm 1, on any schedule.

use crate::brownian::{BrownianMotion, Interval};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Denoiser, VectorField};
use pyroclast_kernels::combine;

/// Multistep consistency sampling: one evaluation per step, of which each starts from noise of its
/// own.
///
/// # Panics
/// If the field knows no flow map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Renoise<W> {
    /// The source of z.
    pub brownian: W,
}

impl<W> Renoise<W> {
    pub(crate) fn adds_noise(&self) -> bool {
        true
    }
}

impl<B, F, W, const D: usize> Method<B, F, D> for Renoise<W>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let map = field.flow_map().expect("a field that knows its flow map");
        let x1 = map.map(t, 1.0, x);
        let to = field.schedule().at(s);
        if to.sigma == 0.0 {
            return (x1 * to.alpha, step + 1);
        }
        let increment = (self.brownian).increment(Interval { t, s, step }, x1.dims(), &x1);
        let scale = to.sigma / (s - t).sqrt();
        (combine(x1 * to.alpha, &[(scale, &increment)]), step + 1)
    }
}
