//! Dropout with masks from the run's noise.
//!
//! `y = x·m/(1 − p), m ~ Bernoulli(1 − p)`
//!
//! Source: Srivastava et al. 2014. The masks are drawn on the host from the noise of the run, so a
//! resumed run drops the same elements as one that was never interrupted.

use crate::dual::Dual;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::Draws;
use pyroclast_kernels as kernels;

/// Drops elements with probability `p`. Without draws, or at p = 0, it returns its input.
pub(crate) fn dropout<B: Backend, const D: usize>(
    x: Dual<B, D>,
    p: f64,
    draws: Option<&mut Draws>,
) -> Dual<B, D> {
    let Some(draws) = draws.filter(|_| p > 0.0) else {
        return x;
    };
    let uniforms = draws.uniforms(x.value.shape().num_elements());
    x.linearly(|x| kernels::dropout(x, &uniforms, p))
}
